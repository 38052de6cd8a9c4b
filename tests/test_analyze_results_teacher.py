import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator, ValidationError

import analyze_results_teacher
from analyze_results_teacher import load, main, read_training
from nn.trained import Loaded
from utils.data_processing import ETA, JETS, PT, L1Events, graph_creator
from utils.evaluation import Model
from utils.files import whole_folder
from utils.l1_dataset import new_l1_file

N_QCD, N_W = 3000, 1500
N_WITHOUT_JET, N_WITHOUT_TARGET = 100, 20
PROCESSES = {1: "QCD", 2: "W", 3: "empty"}
PLOTS_OF_PROCESS = (
    "target_prediction",
    "target_vs_prediction",
    "correction_vs_sum",
    "correction_vs_jets",
    "spectrum",
    "response",
    "response_slices",
    "resolution",
    "median_response",
    "turn_on_90.5",
)

ALLOWED = ("5_percent", "1_percent", "0.5_percent", "100_kHz", "30_kHz")
ROOT = Path(analyze_results_teacher.__file__).parent


def make_events(rng, process_id, n, scale, weight):
    """Events with one jet, whose eta is the perfect correction; the last ones have no jet, or no L1 sum."""
    true = rng.exponential(scale, n).astype(np.float32)
    reco = true * rng.normal(1.3, 0.6, n).clip(0.3).astype(np.float32)
    objects = np.zeros((n, 18, 3), np.float32)
    objects[:, JETS.start, PT] = 30
    objects[:, JETS.start, ETA] = true / reco
    objects[-N_WITHOUT_JET:] = 0
    reco[-N_WITHOUT_JET - N_WITHOUT_TARGET : -N_WITHOUT_JET] = 0
    weights = np.full(n, weight / n, np.float32)
    return L1Events(objects, objects, reco, reco, true, true, true, np.full(n, process_id, np.int32), weights)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "test.h5"
    rng = np.random.default_rng(1)
    with new_l1_file(path, PROCESSES, 1, {}) as file:
        file.append(make_events(rng, 1, N_QCD, 20, 7e8))
        file.append(make_events(rng, 2, N_W, 40, 4e4))
    return path


def write_training(folder, **changes):
    folder.mkdir(exist_ok=True)
    record = {"variable": "true_met", "log_features": ["pt", "met"], "loss_function": "huber_1.0", "seed": 1}
    (folder / "training.json").write_text(json.dumps({**record, **changes}))
    (folder / "best_model.keras").write_bytes(b"")
    return folder


@pytest.fixture
def model_dir(tmp_path):
    return write_training(tmp_path / "model")


def perfect(features):
    return features[:, 8 if features.shape[1] == 18 else 0, 1]


def equal_attention(features):
    """Return what a network of one layer with two heads would that attends to all nodes alike."""
    real = (features[:, :, PT] > 0).astype(np.float32)
    weights = real[:, :, None] * real[:, None, :] / real.sum(axis=1)[:, None, None]
    return [np.stack([weights, weights], axis=1)]


def use(monkeypatch, correct):
    def fake(training):
        return Loaded(None, Model(training.creator.features, correct), equal_attention)

    monkeypatch.setattr(analyze_results_teacher, "load", fake)


@pytest.fixture
def no_plots(monkeypatch):
    monkeypatch.setattr(analyze_results_teacher, "figures", lambda results: {})


def arguments(model_dir, data, *more):
    output = model_dir.parent / "plots"
    return ["--model_dir", str(model_dir), "--data", str(data), "--output", str(output), "--signal_names", "W", *more]


def results_of(model_dir):
    return json.loads((model_dir.parent / "plots" / "results.json").read_text())


def test_whole_output(model_dir, data, monkeypatch, caplog):
    caplog.set_level("INFO")
    use(monkeypatch, lambda features: np.full(len(features), 0.75))
    figures = analyze_results_teacher.figures
    monkeypatch.setattr(
        analyze_results_teacher, "figures", lambda results: {name: figures(results)[name] for name in ("rate", "roc_W")}
    )
    assert main(arguments(model_dir, data, "--inclusive_thresholds", "90.5")) == 0
    assert sorted(path.name for path in (model_dir.parent / "plots").glob("[!.]*")) == [
        "events.txt",
        "rate.pdf",
        "rate.png",
        "results.json",
        "roc_W.pdf",
        "roc_W.png",
        "summary.txt",
    ]
    results = results_of(model_dir)
    assert results["events"] == N_QCD + N_W
    assert results["processes"]["W"]["counts"] == {
        "events": N_W,
        "without_jet": N_WITHOUT_JET,
        "without_target": N_WITHOUT_TARGET,
        "sum_of_weights": {"value": pytest.approx(4e4), "unit": "pb"},
    }
    assert (
        f"W: {N_W} events; {N_WITHOUT_JET} without a jet at L1 and {N_WITHOUT_TARGET} without a target" in caplog.text
    )
    assert [curve["threshold"]["value"] for curve in results["processes"]["W"]["turn_on"]["teacher"]] == [90.5]
    assert results["models"]["teacher"]["log_features"] == ["pt", "met"]
    assert results["luminosity"] == {"value": 2e34, "unit": "cm^-2 s^-1"}
    # 7e8 pb at 2e34 cm^-2 s^-1 are 14 MHz, less the events without an L1 sum, of crossings of 2448 bunches.
    crossings = 2448 * 11.2455
    assert results["background"]["rates"]["baseline"]["rate"]["value"][0] == pytest.approx(
        crossings * (1 - np.exp(-14e3 * (1 - N_WITHOUT_TARGET / N_QCD) / crossings))
    )
    assert results["made_by"]["arguments"]["seed"] == 1


@pytest.mark.usefixtures("no_plots")
def test_what_became_of_the_events_is_said_and_where_it_does_not_add_up(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    assert main(arguments(model_dir, data)) == 0
    lines = [" ".join(line.split()) for line in (model_dir.parent / "plots" / "events.txt").read_text().splitlines()]
    assert lines == [
        "events QCD W empty all",
        "",
        "analyze_results_teacher (evaluation)",
        f"in: a file without a record {N_QCD} {N_W} 0 {N_QCD + N_W}",
        "out: corrected 2880 1380 0 4260",
        "out: as it is, no jet at L1 100 100 0 200",
        "out: as it is, no target 20 20 0 40",
        "left out: process neither signal nor background 0 0 0 0",
        "",
        "teacher: nothing is on record.",
        "evaluation: what was before analyze_results_teacher is not on record.",
        "All numbers on record add up.",
    ]
    assert results_of(model_dir)["event_counts"]["disagreements"] == []

    step = {"step": "train_teacher", "source": None, "read": {"QCD": 9}, "left_out": {"no target": {"QCD": 1}}}
    record = {"steps": [{**step, "written": {"training": {"QCD": 7}}}], "output": "training"}
    write_training(model_dir, event_counts=record)
    assert main(arguments(model_dir, data)) == 0
    text = (model_dir.parent / "plots" / "events.txt").read_text()
    assert text.endswith("\nDOES NOT ADD UP: train_teacher: QCD: 9 read, 8 accounted for\n")
    found = results_of(model_dir)["event_counts"]
    assert found["disagreements"] == ["train_teacher: QCD: 9 read, 8 accounted for"]
    assert [branch["name"] for branch in found["branches"]] == ["teacher", "evaluation"]


@pytest.mark.usefixtures("no_plots")
def test_a_correction_by_a_constant_changes_nothing_at_equal_rate(model_dir, data, monkeypatch):
    def halved(chunks, *args):
        predictions = predict_events(chunks, *args)
        return replace(predictions, corrections={"teacher": np.full(len(predictions), 0.5, np.float32)})

    predict_events = analyze_results_teacher.predict_events
    monkeypatch.setattr(analyze_results_teacher, "predict_events", halved)
    use(monkeypatch, lambda features: np.ones(len(features)))
    assert main(arguments(model_dir, data)) == 0
    points = results_of(model_dir)["signals"]["W"]["working_points"]
    assert len(points) == 5
    for point in points:
        baseline, corrected = (point["turn_on"][quantity] for quantity in ("baseline", "teacher"))
        assert corrected["threshold"]["value"] == pytest.approx(baseline["threshold"]["value"] / 2, rel=1e-6)
        assert corrected["efficiency"] == baseline["efficiency"]
        assert point["models"]["teacher"]["gain"]["value"] == 0


@pytest.mark.usefixtures("no_plots")
def test_a_perfect_correction_closes_the_gap_but_for_events_it_cannot_correct(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    assert main(arguments(model_dir, data)) == 0
    points = results_of(model_dir)["signals"]["W"]["working_points"]
    assert [point["background_efficiency"] for point in points[:3]] == [0.05, 0.01, 0.005]
    assert [point["fixed_rate"] for point in points] == [None] * 3 + [{"value": x, "unit": "kHz"} for x in (100, 30)]
    gains = points[0]["models"]["teacher"]
    assert gains["gain"]["value"] > 3 * gains["gain"]["error"]
    assert gains["gap_closed"]["value"] == pytest.approx(1, abs=0.2)
    resolution = results_of(model_dir)["processes"]["W"]["resolution"]["teacher"]
    assert resolution["median"]["value"][2] == pytest.approx(1)
    assert resolution["half_width"]["value"][2] == pytest.approx(0, abs=1e-6)


@pytest.mark.usefixtures("no_plots")
def test_no_correction_gains_exactly_nothing(model_dir, data, monkeypatch):
    use(monkeypatch, lambda features: np.ones(len(features)))
    assert main(arguments(model_dir, data)) == 0
    points = results_of(model_dir)["signals"]["W"]["working_points"]
    for name, value in (("gain", 0), ("ratio", 1), ("gap_closed", 0)):
        for point in points:
            assert point["models"]["teacher"][name] == {"value": value, "error": 0, "unit": "1", "events": N_W}


@pytest.mark.usefixtures("no_plots")
def test_events_without_a_prediction_keep_their_uncorrected_value(model_dir, data, monkeypatch):
    """If all with a prediction are corrected to 0, only those without a jet pass."""
    use(monkeypatch, lambda features: np.zeros(len(features)))
    assert main(arguments(model_dir, data)) == 0
    rates = results_of(model_dir)["background"]["rates"]["teacher"]
    assert rates["threshold"]["value"][0] == 0
    assert rates["rate"]["events"][0] == N_WITHOUT_JET


@pytest.mark.usefixtures("no_plots")
def test_the_numbers_do_not_depend_on_chunks_and_follow_the_seed(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    found = []
    for more in (["--chunk_size", "700"], [], ["--seed", "2"]):
        assert main(arguments(model_dir, data, *more)) == 0
        found.append(results_of(model_dir)["signals"]["W"])
    assert found[0] == found[1]
    first, other_seed = (of["working_points"][0]["models"]["teacher"]["gain"] for of in (found[0], found[2]))
    assert first["value"] == other_seed["value"]
    assert first["error"] != other_seed["error"]


@pytest.mark.usefixtures("no_plots")
def test_summary_shows_what_the_json_says(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    assert main(arguments(model_dir, data, "--background_efficiencies", "0.02", "--fixed_rates", "90")) == 0
    points = results_of(model_dir)["signals"]["W"]["working_points"]
    lines = (model_dir.parent / "plots" / "summary.txt").read_text().splitlines()
    start = lines.index("W")
    for i, (point, allowed) in enumerate(zip(points, ("2.000%", "90"), strict=True)):
        row = lines[start + 2 + i].removesuffix("kHz").split()
        assert row[0] == allowed
        baseline, gain = point["signal_efficiency"]["baseline"], point["models"]["teacher"]["gain"]
        expected = [f"{100 * baseline['value']:.2f}", "+-", f"{100 * baseline['error']:.2f}"]
        assert expected == [word for word in row if word != "kHz"][1:4]
        row = [word for word in lines[start + 6 + i].split() if word != "kHz"]
        assert row[:2] == [allowed, "teacher"]
        assert row[2:5] == [f"{100 * gain['value']:.2f}", "+-", f"{100 * gain['error']:.2f}"]
    turn_on = points[0]["turn_on"]["baseline"]["fit"]
    row = lines[start + 10].split()
    assert row[:2] == ["2.000%", "baseline"]
    assert row[2:5] == [f"{100 * turn_on['plateau']['value']:.1f}", "+-", f"{100 * turn_on['plateau']['error']:.1f}"]
    assert row[8:11] == [f"{turn_on['width']['value']:.1f}", "+-", f"{turn_on['width']['error']:.1f}"]
    signal = results_of(model_dir)["signals"]["W"]
    area, gain = signal["roc"]["teacher"]["area"], signal["area_gain"]["teacher"]
    expected = [f"{number[key]:.4f}" for number in (area, gain) for key in ("value", "error")]
    assert [word for word in lines[start + 17].split() if word != "+-"] == ["teacher", *expected]


@pytest.mark.usefixtures("no_plots")
def test_several_models_stand_side_by_side(model_dir, data, tmp_path, monkeypatch):
    """The first is compared with itself, the second with it; each has its own inputs."""
    student = write_training(tmp_path / "student_model", log_features=[])

    def fake(training):
        logarithm = "pt" in training.creator.log_features

        def correct(features):
            assert features[:, 8, 0].max() == pytest.approx(np.log1p(30) if logarithm else 30)
            return perfect(features) if logarithm else np.ones(len(features))

        return Loaded(None, Model(training.creator.features, correct), None)

    monkeypatch.setattr(analyze_results_teacher, "load", fake)
    assert main(arguments(model_dir, data, f"--model=student={student}")) == 0
    results = results_of(model_dir)
    assert list(results["models"]) == ["teacher", "student"]
    for point in results["signals"]["W"]["working_points"]:
        assert list(point["signal_efficiency"]) == ["baseline", "teacher", "student", "true"]
        assert point["models"]["teacher"]["kept"]["value"] == 1
        assert point["models"]["student"]["kept"]["value"] == 0
        assert point["signal_efficiency"]["student"] == point["signal_efficiency"]["baseline"]
    assert "gain / that of teacher [%]" in (tmp_path / "plots" / "summary.txt").read_text()


def test_models_of_different_variables_are_refused(model_dir, data, tmp_path, error_of):
    other = write_training(tmp_path / "other", variable="original_met")
    error = error_of(main, arguments(model_dir, data, "--model", f"other={other}"))
    assert f"{other / 'training.json'}: a model for original_met cannot be compared with one for true_met" in error


def test_results_follow_their_schema(model_dir, data, crossings, monkeypatch, no_plots):
    use(monkeypatch, perfect)
    schema = json.loads((ROOT / "docs" / "results.schema.json").read_text())
    validator = Draft202012Validator(schema)
    for more in ([], ["--zero_bias", str(crossings[0])]):
        assert main(arguments(model_dir, data, *more)) == 0
        results = results_of(model_dir)
        validator.validate(results)
    del results["signals"]["W"]["working_points"][0]["thresholds"]["baseline"]["unit"]
    with pytest.raises(ValidationError, match="'unit' is a required property"):
        validator.validate(results)


@pytest.mark.parametrize(("variable", "n_nodes"), [("true_met", 18), ("true_ht", 10)])
def test_met_and_ht_have_the_same_plots(data, tmp_path, monkeypatch, variable, n_nodes):
    shapes, drawn = set(), []

    def correct(features):
        shapes.add(features.shape[1])
        return perfect(features)

    use(monkeypatch, correct)

    def note(fig, stem):
        drawn.append(stem.name)
        plt.close(fig)

    monkeypatch.setattr(analyze_results_teacher, "save", note)
    model_dir = write_training(tmp_path / "model", variable=variable, log_features=[])
    assert main(arguments(model_dir, data, "--inclusive_thresholds", "90.5")) == 0
    assert shapes == {n_nodes}
    assert drawn == [
        *(f"{plot}_{process}" for process in ("W", "QCD") for plot in PLOTS_OF_PROCESS),
        "rate",
        *(f"turn_on_at_{allowed}_W" for allowed in ALLOWED),
        "roc_W",
        "resolution_all",
        "median_response_all",
        "turn_on_90.5_all",
        *(f"turn_on_at_{allowed}_all" for allowed in ALLOWED),
        "roc_all",
    ]
    assert results_of(model_dir)["variable"] == variable


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(("variable", "thresholds"), [("original_met", [100, 120, 150]), ("true_ht", [200, 320, 450])])
def test_thresholds_suit_the_variable(data, tmp_path, monkeypatch, variable, thresholds):
    use(monkeypatch, perfect)
    model_dir = write_training(tmp_path / "model", variable=variable, log_features=[])
    assert main(arguments(model_dir, data)) == 0
    turn_on = results_of(model_dir)["processes"]["W"]["turn_on"]["baseline"]
    assert [curve["threshold"]["value"] for curve in turn_on] == thresholds


@pytest.mark.usefixtures("no_plots")
def test_without_cross_sections_there_are_no_rates(model_dir, data, tmp_path, monkeypatch):
    use(monkeypatch, perfect)
    path = tmp_path / "unweighted.h5"
    path.write_bytes(data.read_bytes())
    with h5py.File(path, "a") as file:
        del file["weights"]
    assert main(arguments(model_dir, path)) == 0
    results = results_of(model_dir)
    assert results["luminosity"] is None
    assert set(results["background"]["rates"]["baseline"]["rate"]["value"]) == {None}
    assert results["processes"]["QCD"]["counts"]["sum_of_weights"] == {"value": N_QCD, "unit": "1"}
    assert len(results["signals"]["W"]["working_points"]) == 3
    assert "kHz" not in (model_dir.parent / "plots" / "summary.txt").read_text()


@pytest.mark.usefixtures("no_plots")
def test_attention_is_drawn_for_two_events_of_each_process(
    model_dir, write_l1, random_l1_events, tmp_path, monkeypatch
):
    """The events are chosen with the threshold of the lowest background efficiency, wherever it is named."""
    thresholds = []

    def choose(predictions, model, threshold):
        thresholds.append(threshold)
        return choose_events(predictions, model, threshold)

    choose_events = analyze_results_teacher.choose_events
    monkeypatch.setattr(analyze_results_teacher, "choose_events", choose)
    use(monkeypatch, lambda features: np.full(len(features), 0.5))
    several_jets = write_l1(tmp_path / "several_jets.h5", random_l1_events(300))
    assert main(arguments(model_dir, several_jets, "--background_efficiencies", "0.1,0.02,0.05", "--fixed_rates=")) == 0
    names = {path.name for path in (model_dir.parent / "plots").glob("[!.]*")} - {
        "summary.txt",
        "events.txt",
        "results.json",
    }
    stems = [f"attention_{name}_{i}" for name in ("QCD", "W") for i in (1, 2)]
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("pdf", "png")}
    points = results_of(model_dir)["signals"]["W"]["working_points"]
    assert thresholds == [points[1]["thresholds"]["teacher"]["value"]] * 2


@pytest.mark.usefixtures("no_plots")
def test_flags_that_agree_with_the_training_are_accepted(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    flags = ("--variable", "met", "--log_features", "met,pt", "--loss_function", "huber_1.0")
    assert main(arguments(model_dir, data, *flags)) == 0


@pytest.mark.parametrize(
    ("flag", "given", "trained"),
    [
        ("--variable", "original_met", "true_met"),
        ("--log_features", "pt", "met,pt"),
        ("--log_features", "", "met,pt"),
        ("--loss_function", "mse", "huber_1.0"),
    ],
)
def test_a_flag_that_contradicts_the_training_is_refused(model_dir, data, error_of, flag, given, trained):
    error = error_of(main, arguments(model_dir, data, flag, given))
    assert f"error: {flag}: '{given}' was given" in error
    assert f"says '{trained}'" in error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variable": None}, "'variable' is missing"),
        ({"variable": "met_true"}, "unknown variable 'met_true'"),
        ({"log_features": "pt"}, "'log_features' is missing or no list"),
        ({"log_features": ["eta"]}, "unknown log feature 'eta'"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused(data, tmp_path, error_of, change, message):
    assert message in error_of(main, arguments(write_training(tmp_path / "model", **change), data))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--signal_names", "W,Zprime"], "unknown process 'Zprime', the file has QCD, W, empty"),
        (["--signal_names", "empty"], "no events of process 'empty'"),
    ],
)
def test_processes_that_are_not_there_are_named(model_dir, data, monkeypatch, error_of, more, message):
    use(monkeypatch, perfect)
    assert message in error_of(main, arguments(model_dir, data, *more))
    assert not (model_dir.parent / "plots").exists()


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--signal_names", "", "expected at least one"),
        ("--signal_names", "W,QCD", "'QCD' is named twice"),
        ("--signal_names", "W,W", "'W' is named twice"),
        ("--bg_names", "", "expected at least one"),
        ("--background_efficiencies", "0", "above 0"),
        ("--background_efficiencies", "5", "at most 1"),
        ("--inclusive_thresholds", "100,-1", "at least 0"),
        ("--luminosity", "0", "above 0"),
        ("--fixed_rates", "10,0", "above 0"),
        ("--model", "student", "expected NAME=FOLDER"),
        ("--model", "true=folder", "none of baseline, true, reference"),
        ("--model", "my model=folder", "letters, digits"),
        ("--model", "teacher=folder", "'teacher' is named twice"),
        ("--colliding_bunches", "0", "at least 1"),
        ("--colliding_bunches", "3565", "at most 3564"),
        ("--variable", "mett", "unknown variable 'mett'"),
    ],
)
def test_wrong_usage_is_named(model_dir, data, usage_error_of, flag, value, message):
    error = usage_error_of(main, arguments(model_dir, data, flag, value))
    assert flag in error
    assert message in error


N_CROSSINGS = 5000


@pytest.fixture(scope="module")
def crossings(tmp_path_factory):
    """Zero-bias events of one jet, or none, along x; the sums of CMS are twice the jet."""
    folder = tmp_path_factory.mktemp("zerobias")
    rng = np.random.default_rng(1)
    steps = rng.exponential(100, N_CROSSINGS).astype(np.int16)
    jets = pa.array([[step] for step in steps], pa.list_(pa.int16()))
    zeros = pa.array([[0]] * N_CROSSINGS, pa.list_(pa.int16()))
    none = pa.array([[]] * N_CROSSINGS, pa.list_(pa.int16()))
    columns = {"jets_jetIEt": jets, "jets_jetIEta": zeros, "jets_jetIPhi": zeros}
    columns |= dict.fromkeys(("egIEt", "egIEta", "egIPhi", "muonIEt", "muonIEtaAtVtx", "muonIPhiAtVtx"), none)
    columns |= {"MET_Et": pa.array(steps.astype(np.float32)), "HT_Et": pa.array(2 * steps)}
    (folder / "data").mkdir()
    pq.write_table(pa.table(columns), folder / "data" / "train-0.parquet")
    return folder, np.where(steps >= 40, steps / 2, 0)


@pytest.mark.parametrize(("variable", "name"), [("true_met", "MET"), ("true_ht", "HT")])
def test_zero_bias_events_give_rates_of_data(data, crossings, tmp_path, monkeypatch, caplog, variable, name):
    caplog.set_level("INFO")
    folder, sums = crossings
    use(monkeypatch, lambda features: np.full(len(features), 0.5))
    figures = analyze_results_teacher.figures
    monkeypatch.setattr(
        analyze_results_teacher, "figures", lambda results: {"rate_zero_bias": figures(results)["rate_zero_bias"]}
    )
    model_dir = write_training(tmp_path / "model", variable=variable, log_features=[])
    flags = ["--zero_bias", str(folder), "--colliding_bunches", "100", "--inclusive_thresholds", "30,45"]
    assert main(arguments(model_dir, data, *flags, "--chunk_size", "999")) == 0
    output = tmp_path / "plots"
    assert {"rate_zero_bias.pdf", "rate_zero_bias.png"} <= {path.name for path in output.iterdir()}

    found = results_of(model_dir)["zero_bias"]
    assert found["counts"]["events"] == N_CROSSINGS
    assert found["counts"]["without_jet"] == np.sum(sums == 0)
    assert found["saturated"] == {f"{name}_Et": 0, "muons": 0, "egammas": 0, "jets": 0}
    khz = 100 * 11.2455
    for quantity, scale in (("baseline", 1), ("teacher", 0.5)):
        expected = [khz * np.mean(scale * sums > threshold) for threshold in (30, 45)]
        assert found["at_thresholds"][quantity]["rate"]["value"] == pytest.approx(expected)
        lowest = found["at_rates"][quantity]["threshold"]["value"][2]
        assert np.mean(scale * sums > lowest) <= 10 / khz < np.mean(scale * sums >= lowest)
    assert found["rates"]["reference"]["rate"]["events"][1] > found["rates"]["baseline"]["rate"]["events"][1]

    lines = (output / "summary.txt").read_text().splitlines()
    heading = next(i for i, line in enumerate(lines) if line.startswith("Rates of"))
    assert lines[heading] == f"Rates of {N_CROSSINGS} zero-bias events of CMS, for 100 colliding bunches"
    assert f"CMS {name} > [GeV]" in lines[heading + 4]
    of_10_khz = lines[heading + 7].split()
    assert of_10_khz[:2] == ["10", f"{found['at_rates']['baseline']['threshold']['value'][2]:.1f}"]
    assert f"zero bias: {N_CROSSINGS} events" in caplog.text

    record = results_of(model_dir)["event_counts"]
    assert (record["branches"][-1]["name"], record["disagreements"]) == ("zero bias", [])
    without_jet = np.sum(sums == 0)
    rows = [" ".join(line.split()) for line in (output / "events.txt").read_text().splitlines()]
    assert rows[-10:-5] == [
        "analyze_results_teacher (zero bias)",
        f"in: a file without a record - - - {N_CROSSINGS} {N_CROSSINGS}",
        f"out: corrected - - - {N_CROSSINGS - without_jet} {N_CROSSINGS - without_jet}",
        f"out: as it is, no jet at L1 - - - {without_jet} {without_jet}",
        "out: as it is, no target - - - 0 0",
    ]
    assert rows[-2:] == [
        "zero bias: what was before analyze_results_teacher is not on record.",
        "All numbers on record add up.",
    ]


@pytest.mark.usefixtures("no_plots")
def test_without_zero_bias_events_there_is_nothing_of_them(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    assert main(arguments(model_dir, data)) == 0
    assert results_of(model_dir)["zero_bias"] is None
    assert "zero-bias" not in (model_dir.parent / "plots" / "summary.txt").read_text()


def test_zero_bias_events_that_cannot_be_used_stop_before_anything_is_predicted(model_dir, data, tmp_path, error_of):
    missing = tmp_path / "none"
    assert f"{missing}: no such folder" in error_of(main, arguments(model_dir, data, "--zero_bias", missing))
    missing.mkdir()
    (missing / "a.parquet").write_bytes(b"PAR1")
    error = error_of(main, arguments(model_dir, data, "--zero_bias", missing))
    assert f"{missing / 'a.parquet'}: not a readable Parquet file" in error
    flags = ["--zero_bias", model_dir.parent / "plots" / "data"]
    assert "is replaced as a whole, but" in error_of(main, arguments(model_dir, data, *flags))


def test_missing_files_are_named(model_dir, data, tmp_path, error_of):
    missing = tmp_path / "none.h5"
    assert f"{missing}: no such file" in error_of(main, arguments(model_dir, missing))
    other = tmp_path / "other"
    assert f"{other / 'training.json'}: no such file" in error_of(main, arguments(other, data))
    (model_dir / "best_model.keras").unlink()
    assert "best_model.keras: no such file" in error_of(main, arguments(model_dir, data))


def test_predictions_that_are_no_numbers_are_refused(model_dir, data, monkeypatch, error_of):
    use(monkeypatch, lambda features: np.full(len(features), np.nan))
    assert "model 'teacher' predicts no finite number" in error_of(main, arguments(model_dir, data))


def test_weights_below_0_are_refused(model_dir, data, tmp_path, monkeypatch, error_of):
    use(monkeypatch, perfect)
    path = tmp_path / "negative.h5"
    path.write_bytes(data.read_bytes())
    with h5py.File(path, "a") as file:
        file["weights"][5] = -1
    assert "dataset 'weights': expected none below 0" in error_of(main, arguments(model_dir, path))


def test_an_output_folder_that_holds_an_input_is_refused(model_dir, data, error_of):
    argv = arguments(model_dir, data)
    argv[argv.index("--output") + 1] = model_dir
    assert "is replaced as a whole, but" in error_of(main, argv)
    assert (model_dir / "best_model.keras").exists()


def test_a_failure_leaves_the_former_output_as_it_was(model_dir, data, monkeypatch, error_of):
    use(monkeypatch, perfect)
    output = model_dir.parent / "plots"
    with whole_folder(output) as folder:
        (folder / "summary.txt").write_text("former")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(analyze_results_teacher, "save", fail)
    assert "disk full" in error_of(main, arguments(model_dir, data))
    assert (output / "summary.txt").read_text() == "former"
    assert sorted(path.name for path in output.parent.iterdir()) == ["model", "plots"]


def test_a_teacher_is_loaded_and_gives_corrections_and_attention(model_dir, random_l1_events):
    from nn.models import TeacherHyperparameters, build_teacher

    creator = graph_creator("true_ht")
    small = TeacherHyperparameters(units=4, heads=1, graph_layers=2)
    model = build_teacher(small, creator.feature_names, [50, 0, 0, 100], [900, 4, 3, 5000])
    features = creator(random_l1_events(50)).features
    expected = model.predict_on_batch(features)[:, 0]
    training = read_training(write_training(model_dir, variable="true_ht", log_features=[]))
    model.save(model_dir / "best_model.keras")
    teacher = load(training)
    assert teacher.model.predict(features) == pytest.approx(expected, rel=1e-4)
    assert [layer.shape for layer in teacher.attention(features)] == [(len(features), 1, 10, 10)] * 2


def test_a_model_that_cannot_be_read_is_named(model_dir, data, error_of):
    assert "best_model.keras: not a readable model" in error_of(main, arguments(model_dir, data))


def test_the_script_does_not_import_keras():
    """So that --help and usage errors come at once."""
    code = "import sys, analyze_results_teacher; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
