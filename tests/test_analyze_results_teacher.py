import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

import analyze_results_teacher
from analyze_results_teacher import load, main
from nn.trained import Loaded
from tests.commands import error_of, usage_error_of
from tests.toys import random_l1_events, random_nanoaod, write_l1, write_nanoaod
from utils.data_processing import graph_creator
from utils.evaluation import sample_predictions
from utils.evaluation.bootstrap import ONE_SIGMA
from utils.evaluation.options import EvaluationOptions
from utils.evaluation.samples import Sample, read_samples, training_notes
from utils.event_layout import ETA, JETS, PT
from utils.formats.fingerprints import SmallestFingerprints, TrainedOn, fingerprints
from utils.formats.l1_files import L1Dataset, new_l1_file
from utils.l1_events import L1Events
from utils.plotting import figures as plots_of_the_analysis
from utils.plotting import style
from utils.predictions import Model
from utils.runtime.errors import UserError
from utils.runtime.provenance import sha256
from utils.runtime.whole_files import whole_folder
from utils.training.records import read_training

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
    "inverse_response",
    "turn_on_90.5",
)

KNOWN_RATES = "--fixed_rates=100,30"  # those that the sample reaches
ALLOWED = ("5_percent", "1_percent", "30_kHz", "10_kHz", "3_kHz")
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
        model = Model(training.creator.features, correct, calibration=training.calibration)
        return Loaded(None, model, equal_attention)

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
        "rate.json",
        "rate.pdf",
        "rate.png",
        "results.json",
        "roc_W.json",
        "roc_W.pdf",
        "roc_W.png",
        "scalings.yaml",
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
def test_the_cutflow_is_written_and_numbers_that_do_not_add_up_are_named(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    assert main(arguments(model_dir, data)) == 0
    lines = [" ".join(line.split()) for line in (model_dir.parent / "plots" / "events.txt").read_text().splitlines()]
    assert lines == [
        "events QCD W empty all",
        "",
        "analyze_results_teacher (evaluation)",
        f"in: a file without a cutflow {N_QCD} {N_W} 0 {N_QCD + N_W}",
        "out: corrected 2880 1380 0 4260",
        "out: uncorrected, no jet at L1 100 100 0 200",
        "out: uncorrected, no target 20 20 0 40",
        "left out: process neither signal nor background 0 0 0 0",
        "including: saturated 0 0 0 0",
        "",
        "teacher: nothing is recorded.",
        "evaluation: the steps before analyze_results_teacher are not recorded.",
        "All recorded numbers add up.",
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
@pytest.mark.slow
def test_a_correction_by_a_constant_changes_nothing_at_equal_rate(model_dir, data, monkeypatch):
    def halved(chunks, *args):
        predictions = predict_events(chunks, *args)
        return replace(predictions, corrections={"teacher": np.full(len(predictions), 0.5, np.float32)})

    predict_events = sample_predictions.predict_events
    monkeypatch.setattr(sample_predictions, "predict_events", halved)
    use(monkeypatch, lambda features: np.ones(len(features)))
    assert main(arguments(model_dir, data, KNOWN_RATES)) == 0
    points = results_of(model_dir)["signals"]["W"]["working_points"]
    assert len(points) == 4
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
    assert [point["background_efficiency"] for point in points[:2]] == [0.05, 0.01]
    assert [point["fixed_rate"] for point in points] == [None] * 2 + [{"value": x, "unit": "kHz"} for x in (30, 10, 3)]
    gains = points[0]["models"]["teacher"]
    assert gains["gain"]["value"] > 3 * gains["gain"]["error"]
    assert gains["gap_closed"]["value"] == pytest.approx(1, abs=0.2)
    resolution = results_of(model_dir)["processes"]["W"]["resolution"]["teacher"]
    assert resolution["median"]["value"][2] == pytest.approx(1)
    assert resolution["half_width"]["value"][2] == pytest.approx(0, abs=1e-6)


@pytest.mark.usefixtures("no_plots")
def test_no_correction_gains_exactly_nothing(model_dir, data, monkeypatch):
    use(monkeypatch, lambda features: np.ones(len(features)))
    assert main(arguments(model_dir, data, KNOWN_RATES)) == 0
    points = results_of(model_dir)["signals"]["W"]["working_points"]
    limit = 1 - ((1 - ONE_SIGMA) / 2) ** (1 / N_W)  # none of so many events tell the two apart
    for name, value in (("gain", 0), ("ratio", 1), ("gap_closed", 0)):
        for point in points:
            baseline, true = (point["signal_efficiency"][quantity]["value"] for quantity in ("baseline", "true"))
            error = {"gain": limit, "ratio": limit / baseline, "gap_closed": limit / (true - baseline)}[name]
            expected = {"value": value, "error": pytest.approx(error), "unit": "1", "events": N_W}
            assert point["models"]["teacher"][name] == expected


@pytest.mark.usefixtures("no_plots")
def test_events_without_a_prediction_keep_their_uncorrected_value(model_dir, data, monkeypatch):
    """If all with a prediction are corrected to 0, only those without a jet pass."""
    use(monkeypatch, lambda features: np.zeros(len(features)))
    assert main(arguments(model_dir, data)) == 0
    rates = results_of(model_dir)["background"]["rates"]["teacher"]
    assert rates["threshold"]["value"][0] == 0
    assert rates["rate"]["events"][0] == N_WITHOUT_JET


@pytest.mark.usefixtures("no_plots")
@pytest.mark.slow
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

    def words(line):
        return [word for word in line.split() if word not in ("kHz", "+-", "with", "no", "jet", "all")]

    def written(number, scale=100, digits=2):
        return [f"{scale * number[key]:.{digits}f}" for key in ("value", "error")]

    shares = " ".join(lines[start + 1 : lines.index("", start)])
    assert shares.startswith("Share of uncorrected events (without a jet at L1) in the gain of teacher: ")
    start = lines.index("", start)
    for i, (point, allowed) in enumerate(zip(points, ("2%", "90"), strict=True)):
        gains, parts = point["models"]["teacher"], point["parts"]
        share = parts["without_jet"]["models"]["teacher"]["share"]
        assert f" {100 * share['value']:.0f} +- {100 * share['error']:.0f}% at {allowed}" in shares
        kinds = [point["signal_efficiency"], *(parts[part]["signal_efficiency"] for part in parts)]
        for line, efficiencies in zip(lines[start + 2 + 3 * i :], kinds, strict=False):
            assert words(line)[:3] == [allowed, *written(efficiencies["baseline"])]
        row = words(lines[start + 10 + i])
        contributions = [written(parts[part]["models"]["teacher"]["gain"]) for part in parts]
        assert row[:8] == [allowed, "teacher", *written(gains["gain"]), *contributions[0], *contributions[1]]
        assert sum(parts[part]["models"]["teacher"]["gain"]["value"] for part in parts) == pytest.approx(
            gains["gain"]["value"]
        )
    first = next(i for i, line in enumerate(lines) if line.startswith("Gains at equal rate"))
    head = lines[first + 2 : first + 5]  # fixed rates first
    assert words(head[0])[-7:] == ["bins:", "0-20", "20-50", "50-80", "80-120", "120-200", "200-300"]
    for line, point, allowed in zip(head[1:], points[::-1], ("90", "2%"), strict=True):
        gain, bins = point["models"]["teacher"]["gain"], point["true_bins"]["all"]
        expected = [*written(point["signal_efficiency"]["baseline"], digits=1)]
        assert words(line)[:5] == [allowed, "W", "teacher", *expected]
        assert " ".join(written(gain, digits=1)) in " ".join(words(line))
        first = {key: bins["models"]["teacher"]["gain"][key][0] for key in ("value", "error")}
        assert " ".join(written(first, digits=1)) in " ".join(words(line))

    def after(heading, n):
        """Return the words of the n-th row of the table of the signal that begins with this heading."""
        where = next(i for i in range(start, len(lines)) if lines[i].split()[: len(heading)] == heading)
        return words(lines[where + n])

    events = points[1]["true_bins"]["all"]["signal_efficiency"]["baseline"]["effective_events"]
    assert after(["background", "true", "[GeV]"], 1)[:3] == ["90", "0-20", f"{events[0]:.0f}"]
    turn_on = points[0]["turn_on"]["baseline"]
    row = after(["turn-on"], 1)
    assert row[:4] == ["2%", "baseline", *written(turn_on["reached"][0]["true"], 1, 1)]
    assert turn_on["reached"][0]["efficiency"] == 0.5
    signal = results_of(model_dir)["signals"]["W"]
    area, gain = signal["roc"]["teacher"]["area"], signal["area_gain"]["teacher"]
    expected = [f"{number[key]:.4f}" for number in (area, gain) for key in ("value", "error")]
    assert after(["ROC"], 2) == ["teacher", *expected]


@pytest.mark.usefixtures("no_plots")
@pytest.mark.slow
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
    for point in results["signals"]["W"]["working_points"][:1]:
        assert list(point["signal_efficiency"]) == ["baseline", "teacher", "student", "true"]
        assert point["models"]["teacher"]["kept"]["value"] == 1
        assert point["models"]["student"]["kept"]["value"] == 0
        assert point["signal_efficiency"]["student"] == point["signal_efficiency"]["baseline"]
    assert "gain / gain of teacher [%]" in (tmp_path / "plots" / "summary.txt").read_text()


def test_models_of_different_variables_are_refused(model_dir, data, tmp_path):
    other = write_training(tmp_path / "other", variable="original_met")
    error = error_of(main, arguments(model_dir, data, "--model", f"other={other}"))
    assert f"{other / 'training.json'}: a model for original_met cannot be compared with one for true_met" in error


@pytest.mark.slow
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


@pytest.mark.usefixtures("no_plots")
@pytest.mark.slow
def test_processes_draw_the_same_plots_in_every_bit(model_dir, tmp_path, monkeypatch):
    use(monkeypatch, lambda features: np.full(len(features), 0.5))
    several_jets = write_l1(tmp_path / "several_jets.h5", random_l1_events(300))
    found = []
    for n_workers in (1, 2):
        assert main(arguments(model_dir, several_jets, f"--workers={n_workers}")) == 0
        files = (model_dir.parent / "plots").glob("attention_*")
        found.append({path.name: path.read_bytes() for path in files})
    assert {"attention_W_1.png", "attention_W_1.pdf", "attention_W_1.json"} <= found[0].keys()
    assert found[0] == found[1]


@pytest.mark.usefixtures("no_plots")
def test_a_calibration_of_the_record_gives_the_scale_and_a_missing_one_is_noted(model_dir, data, monkeypatch):
    use(monkeypatch, lambda features: np.full(len(features), 0.5))
    found = []
    for calibration in (None, {"corrected": [0, 1e6], "calibrated": [0, 2e6]}):
        write_training(model_dir, calibration=calibration)
        assert main(arguments(model_dir, data)) == 0
        found.append(results_of(model_dir))
    without, doubled = found
    note = "teacher has no calibration: its sums are on the scale of its output."
    assert (note in without["notes"], without["calibrated"]) == (True, [])
    assert (note in doubled["notes"], doubled["calibrated"]) == (False, ["teacher"])
    points = [results["signals"]["W"]["working_points"][0] for results in found]
    thresholds = [point["thresholds"]["teacher"]["value"] for point in points]
    assert thresholds[1] == pytest.approx(2 * thresholds[0])
    assert points[0]["signal_efficiency"] == points[1]["signal_efficiency"]
    scalings = yaml.safe_load((model_dir.parent / "plots" / "scalings.yaml").read_text())
    half = doubled["signals"]["W"]["scaling"]["lines"]["baseline"][0]
    assert scalings["L1MET"]["W_50"]["inclusive"] == pytest.approx(
        {"slope": half["slope"]["value"], "offset": half["offset"]["value"]}
    )


def test_a_calibration_that_does_not_rise_is_refused(model_dir, data):
    write_training(model_dir, calibration={"corrected": [0, 1], "calibrated": [1, 0]})
    error = error_of(main, arguments(model_dir, data))
    assert f"{model_dir / 'training.json'}: 'calibration': expected lists of rising numbers" in error


@pytest.mark.parametrize(("variable", "n_nodes"), [("true_met", 18), ("true_ht", 10)])
@pytest.mark.slow
def test_met_and_ht_have_the_same_plots(data, tmp_path, monkeypatch, variable, n_nodes):
    shapes, drawn = set(), []

    def correct(features):
        shapes.add(features.shape[1])
        return perfect(features)

    use(monkeypatch, correct)

    def note(fig, stem):
        drawn.append(stem.name)
        plt.close(fig)

    monkeypatch.setattr(style, "save", note)
    model_dir = write_training(tmp_path / "model", variable=variable, log_features=[])
    assert main(arguments(model_dir, data, "--inclusive_thresholds", "90.5")) == 0
    assert shapes == {n_nodes}
    assert drawn == [
        *(f"{plot}_{process}" for process in ("W", "QCD") for plot in PLOTS_OF_PROCESS),
        "rate",
        *(f"{plot}_at_{allowed}_W" for allowed in ALLOWED for plot in ("efficiency", "turn_on")),
        "roc_W",
        "scaling_W",
        "rate_offline_W",
        "resolution_all",
        "median_response_all",
        *(["direction_all"] if variable == "true_met" else []),
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


def changed(data, path, change):
    """Copy a file of events and change the copy."""
    path.write_bytes(data.read_bytes())
    with h5py.File(path, "a") as file:
        change(file)
    return path


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("more", [[], ["--fixed_rates", "100"]])
@pytest.mark.slow
def test_without_cross_sections_there_are_no_rates(model_dir, data, tmp_path, monkeypatch, more):
    use(monkeypatch, perfect)
    path = changed(data, tmp_path / "unweighted.h5", lambda file: file.pop("weights"))
    assert main(arguments(model_dir, path, *more)) == 0
    results = results_of(model_dir)
    assert results["luminosity"] is None and results["colliding_bunches"] is None
    assert results["processes"]["QCD"]["counts"]["sum_of_weights"] == {"value": N_QCD, "unit": "1"}
    assert len(results["signals"]["W"]["working_points"]) == 2
    assert "kHz" not in json.dumps({key: of for key, of in results.items() if key != "made_by"})
    text = (model_dir.parent / "plots" / "summary.txt").read_text()
    assert "kHz" not in text and "no rates. --fixed_rates has no effect." in text
    Draft202012Validator(json.loads((ROOT / "docs" / "results.schema.json").read_text())).validate(results)


def numbers_in(tree):
    """All numbers of results.json that stand beside an error, with it."""
    if isinstance(tree, dict) and "error" in tree and not isinstance(tree["value"], dict):
        yield from zip(*(np.ravel(tree[key]) for key in ("value", "error")), strict=True)
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from numbers_in(part)


@pytest.mark.usefixtures("no_plots")
def test_where_all_working_points_are_beyond_the_sample_no_gain_is_said_to_be_known(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    assert main(arguments(model_dir, data, "--background_efficiencies", "1e-6", "--fixed_rates", "")) == 0
    text = (model_dir.parent / "plots" / "summary.txt").read_text()
    assert "The gain of teacher is unknown" in text and "is not above its error" not in text


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(
    "correct", [perfect, lambda features: np.ones(len(features)), lambda features: np.zeros(len(features))]
)
def test_no_error_is_0_or_below_whatever_the_model_does(model_dir, data, monkeypatch, correct):
    """Also at a working point beyond the sample, where all results are unknown."""
    use(monkeypatch, correct)
    assert main(arguments(model_dir, data, "--background_efficiencies", "1,0.1,1e-6", "--fixed_rates", "0.001")) == 0
    results = results_of(model_dir)
    found = list(numbers_in(results))
    assert len(found) > 1000
    assert all(error is None or error > 0 for _, error in found)
    assert not any(value is not None and value == 0 and np.signbit(value) for value, _ in found)
    text = (model_dir.parent / "plots" / "summary.txt").read_text()
    assert not re.search(r"\+- -|\+- 0\.?0*( |$)|-0\.0+( |$)|nan|inf|None", text, re.MULTILINE)
    assert "beyond the sample" in text and "all pass" in text
    points = results["signals"]["W"]["working_points"]
    assert results["background"]["working_points"][2]["beyond_sample"] == dict.fromkeys(points[2]["thresholds"], True)
    assert {of["value"] for of in points[2]["signal_efficiency"].values()} == {None}
    for efficiency in points[0]["signal_efficiency"].values():
        assert (efficiency["value"], efficiency["high"]) == (1, 1) and 0.99 < efficiency["low"] < 1


@pytest.mark.usefixtures("no_plots")
@pytest.mark.slow
def test_pairs_of_weights_that_cancel_change_no_number(model_dir, data, tmp_path, monkeypatch):
    """Each event once more with its weight, and once more with minus that: what is expected stays, errors grow."""
    use(monkeypatch, perfect)

    def add_pairs(file):
        for name in [name for name in file if name != "ids_names"]:
            values = file.pop(name)[:]
            file[name] = np.concatenate([values, values, -values if name == "weights" else values])

    path = changed(data, tmp_path / "pairs.h5", add_pairs)
    found = []
    for events in (data, path):
        assert main(arguments(model_dir, events, "--background_efficiencies", "0.05,0.01", KNOWN_RATES)) == 0
        found.append(results_of(model_dir))
    before, after = (of["signals"]["W"]["working_points"] for of in found)
    for first, second in zip(before, after, strict=True):
        for quantity, efficiency in first["signal_efficiency"].items():
            other = second["signal_efficiency"][quantity]
            assert other["value"] == pytest.approx(efficiency["value"], rel=1e-6)
            assert other["error"] > 1.2 * efficiency["error"]
        assert first["thresholds"]["true"]["value"] == second["thresholds"]["true"]["value"]
    counts = [of["processes"]["W"]["counts"]["sum_of_weights"]["value"] for of in found]
    assert counts[1] == pytest.approx(counts[0])


@pytest.mark.parametrize("factor", [0, -1])
def test_a_process_whose_weights_do_not_sum_to_more_than_0_is_refused(model_dir, data, tmp_path, monkeypatch, factor):
    def change(file):
        weights, is_w = file["weights"][:], file["ids"][:] == 2
        file["weights"][:] = np.where(is_w, factor * weights, weights)

    use(monkeypatch, perfect)
    error = error_of(main, arguments(model_dir, changed(data, tmp_path / "negative.h5", change)))
    assert "negative.h5: dataset 'weights': those of process 'W' sum to " in error and "expected more than 0" in error


def split_by_process(data, folder):
    """Make a file of each process, with ids of its own."""
    paths = []
    for process_id, name in ((1, "QCD"), (2, "W")):

        def only(file, process_id=process_id, name=name):
            chosen = file["ids"][:] == process_id
            for column in list(file):
                if column != "ids_names":
                    values = file.pop(column)[:][chosen]
                    file[column] = np.full(len(values), 7) if column == "ids" else values
            del file["ids_names"]
            file["ids_names"] = [f"{name}_7".encode()]

        paths.append(changed(data, folder / f"{name}.h5", only))
    return paths


@pytest.mark.slow
def test_several_files_of_different_processes_are_one_sample(model_dir, data, tmp_path, monkeypatch, no_plots):
    use(monkeypatch, perfect)
    qcd, w = split_by_process(data, tmp_path)
    found = []
    for files in ([data], [w, qcd]):
        args = arguments(model_dir, files[0], *(word for path in files[1:] for word in ("--data", path)))
        assert main([str(word) for word in args]) == 0
        found.append(results_of(model_dir))
    for key in ("processes", "background", "signals", "events"):
        assert found[0][key] == found[1][key]
    args = arguments(model_dir, data)
    both = f"{w}: process 'W' is in {data} too, expected it in one file"
    assert both in error_of(main, [*args[:4], w, *args[4:]])
    unweighted = changed(w, tmp_path / "unweighted.h5", lambda file: file.pop("weights"))
    args = arguments(model_dir, qcd)
    args = [*args[:4], unweighted, *args[4:]]
    assert main([str(word) for word in args]) == 0  # a signal needs none: its efficiencies are shares
    results = results_of(model_dir)
    units = [results["processes"][name]["counts"]["sum_of_weights"]["unit"] for name in ("W", "QCD")]
    assert units == ["1", "pb"] and results["luminosity"] is not None
    assert results["notes"][0] == f"No weights in {unweighted}: each event counts 1."
    mixed = f"{unweighted}: dataset 'weights' is missing, but {qcd} has it: expected all of the background"
    with pytest.raises(UserError, match=re.escape(mixed)):
        read_samples([unweighted, qcd], EvaluationOptions(signal_names=(), bg_names=("W", "QCD")))


@pytest.mark.usefixtures("no_plots")
def test_an_evaluation_of_events_that_were_trained_on_says_so(model_dir, data, monkeypatch, caplog):
    use(monkeypatch, perfect)
    kept = SmallestFingerprints()
    events = L1Dataset.check(data).rows(0, N_QCD + N_W)
    seen = events[(events.ids == 2) & (np.arange(len(events)) % 3 == 0)]
    kept.add(fingerprints(seen))
    write_training(model_dir, data={"fingerprints": kept.record()})
    assert main(arguments(model_dir, data)) == 0
    n_compared = N_QCD + N_W
    message = (
        f"teacher was trained on {len(seen)} of {n_compared} events of {data} that could be compared "
        f"({len(seen) / n_compared:.2%}). Its results are too good."
    )
    assert message in caplog.text
    assert message in (model_dir.parent / "plots" / "summary.txt").read_text()
    assert message in results_of(model_dir)["notes"][0]


def test_notes_name_events_that_a_model_was_or_may_have_been_trained_on(data):
    sample = Sample(L1Dataset.check(data), {"W": 2})
    same_file = {"data": {"sha256": sha256(data)}}
    assert f"teacher was trained on {data}." in training_notes(sample, "teacher", same_file, None)[0]
    for record in ({}, {"data": None}, {"data": {"sha256": "0"}}):
        assert "teacher has no record of its events" in training_notes(sample, "teacher", record, None)[0]
    others = TrainedOn(np.arange(5, dtype=np.uint64))
    others.count(sample.data.rows(0, 100))
    assert others.n_compared == 100
    assert training_notes(sample, "teacher", same_file, others) == []


@pytest.mark.usefixtures("no_plots")
def test_attention_is_drawn_for_two_events_of_each_process(model_dir, tmp_path, monkeypatch):
    """The events are chosen with the threshold of the lowest background efficiency, wherever it is named."""
    thresholds = []

    def choose(predictions, model, threshold):
        thresholds.append(threshold)
        return choose_events(predictions, model, threshold)

    choose_events = plots_of_the_analysis.choose_events
    monkeypatch.setattr(plots_of_the_analysis, "choose_events", choose)
    use(monkeypatch, lambda features: np.full(len(features), 0.5))
    several_jets = write_l1(tmp_path / "several_jets.h5", random_l1_events(300))
    assert main(arguments(model_dir, several_jets, "--background_efficiencies", "0.1,0.02,0.05", "--fixed_rates=")) == 0
    names = {path.name for path in (model_dir.parent / "plots").glob("[!.]*")} - {
        "summary.txt",
        "events.txt",
        "results.json",
        "scalings.yaml",
    }
    stems = [f"attention_{name}_{i}" for name in ("QCD", "W") for i in (1, 2)]
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("pdf", "png", "json")}
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
def test_a_flag_that_contradicts_the_training_is_refused(model_dir, data, flag, given, trained):
    error = error_of(main, arguments(model_dir, data, flag, given))
    assert f"error: {flag}: '{given}' was given" in error
    assert f"says '{trained}'" in error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variable": None}, "'variable' is missing"),
        ({"variable": "met_true"}, "unknown variable 'met_true'"),
        ({"log_features": "pt"}, "'log_features' is missing or not a list"),
        ({"log_features": ["eta"]}, "unknown log feature 'eta'"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused(data, tmp_path, change, message):
    assert message in error_of(main, arguments(write_training(tmp_path / "model", **change), data))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--signal_names", "W,Zprime"], "unknown process 'Zprime', the file has QCD, W, empty"),
        (["--signal_names", "empty"], "no events of process 'empty'"),
    ],
)
def test_processes_that_are_not_there_are_named(model_dir, data, monkeypatch, more, message):
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
def test_wrong_usage_is_named(model_dir, data, flag, value, message):
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
    assert rows[-11:-6] == [
        "analyze_results_teacher (zero bias)",
        f"in: a file without a cutflow - - - {N_CROSSINGS} {N_CROSSINGS}",
        f"out: corrected - - - {N_CROSSINGS - without_jet} {N_CROSSINGS - without_jet}",
        f"out: uncorrected, no jet at L1 - - - {without_jet} {without_jet}",
        "out: uncorrected, no target - - - 0 0",
    ]
    assert rows[-2:] == [
        "zero bias: the steps before analyze_results_teacher are not recorded.",
        "All recorded numbers add up.",
    ]


@pytest.mark.parametrize(("variable", "name"), [("true_met", "l1_etmhf"), ("true_ht", "l1_htt")])
def test_zero_bias_events_as_nanoaod_give_rates_by_luminosity_section(data, tmp_path, monkeypatch, variable, name):
    use(monkeypatch, lambda features: np.full(len(features), 0.5))
    figures = analyze_results_teacher.figures
    drawn = "rate_zero_bias", "rate_zero_bias_sections"
    monkeypatch.setattr(
        analyze_results_teacher, "figures", lambda results: {plot: figures(results)[plot] for plot in drawn}
    )
    made = random_nanoaod(400, data=True)
    sizes, pt = made["L1EtSum_pt"]
    saturated = np.repeat(np.arange(400) < 50, sizes) & (made["L1EtSum_bx"][1] == 0)
    made["L1EtSum_pt"] = sizes, np.where(saturated & (made["L1EtSum_etSumType"][1] == 2), np.float32(2047.5), pt)
    write_nanoaod(tmp_path / "zerobias" / "x.root", made)
    (tmp_path / "golden.json").write_text('{"362000": [[2, 4], [7, 7]], "1": [[1, 99]]}')
    model_dir = write_training(tmp_path / "model", variable=variable, log_features=[])
    flags = [
        "--zero_bias",
        tmp_path / "zerobias",
        "--zero_bias_mask",
        tmp_path / "golden.json",
        "--zero_bias_runs",
        "362000",
    ]
    flags += ["--colliding_bunches", "100", "--inclusive_thresholds", "90,60"]
    assert main(arguments(model_dir, data, *map(str, flags), "--chunk_size", "99")) == 0
    assert {f"{plot}.png" for plot in drawn} <= {path.name for path in (tmp_path / "plots").iterdir()}

    zero_bias, khz = results_of(model_dir)["zero_bias"], 100 * 11.2455
    kept = np.isin(made["luminosityBlock"], (2, 3, 4, 7))
    assert zero_bias["counts"]["events"] == kept.sum()
    _, types = made["L1EtSum_etSumType"]
    chosen = (made["L1EtSum_bx"][1] == 0) & (types == {"l1_etmhf": 8, "l1_htt": 1}[name])
    reference = made["L1EtSum_pt"][1][chosen]
    expected = [khz * np.mean(reference[kept] > threshold) for threshold in (90, 60)]
    assert zero_bias["at_thresholds"]["reference"]["rate"]["value"] == pytest.approx(expected)
    assert name in zero_bias["saturated"]

    sections = zero_bias["sections"]
    assert (sections["run"], sections["section"]) == ([362000] * 4, [2, 3, 4, 7])
    for i, section in enumerate(sections["section"]):
        inside = made["luminosityBlock"] == section
        assert sections["events"][i] == inside.sum()
        rate = sections["rates"]["reference"][1]["value"][i]
        assert rate == pytest.approx(khz * np.mean(reference[inside] > 60))
    summary = (tmp_path / "plots" / "summary.txt").read_text()
    assert "4 luminosity sections of 1 runs: 362000." in summary
    rows = [" ".join(line.split()) for line in (tmp_path / "plots" / "events.txt").read_text().splitlines()]
    assert f"left out: not in the luminosity mask - - - {np.sum(~kept)} {np.sum(~kept)}" in rows
    assert f"including: saturated - - - {np.sum(kept[:50])} {np.sum(kept[:50])}" in rows


@pytest.mark.parametrize(("recorded", "expected"), [([None], 20), ([12.0], 12), ([30.0, None], 30)])
def test_jets_of_zero_bias_events_have_the_threshold_of_the_evaluated_ones(recorded, expected, tmp_path):
    path = write_nanoaod(tmp_path / "x.root", random_nanoaod(50, data=True))
    samples = [SimpleNamespace(data=SimpleNamespace(jet_threshold=threshold)) for threshold in recorded]
    options = SimpleNamespace(zero_bias_mask=None, zero_bias_runs=[], zero_bias_l1=None)
    (chunk,) = analyze_results_teacher.zero_bias_events(path, "true_ht", options, samples).chunks(50)
    jets = chunk.events.smeared_data[:, 8:, 0]
    assert expected <= jets[jets > 0].min() < expected + 2


@pytest.mark.usefixtures("no_plots")
def test_a_mask_that_leaves_no_event_or_is_for_files_without_sections_is_refused(
    data, crossings, model_dir, tmp_path, monkeypatch
):
    use(monkeypatch, perfect)
    write_nanoaod(tmp_path / "x.root", random_nanoaod(20, data=True))
    flags = ["--zero_bias", tmp_path / "x.root", "--zero_bias_runs", "7"]
    error = error_of(main, arguments(model_dir, data, *flags))
    assert "--zero_bias: no event is left of 20, in the runs and the mask that are given" in error
    flags = ["--zero_bias", crossings[0], "--zero_bias_runs", "7"]
    error = error_of(main, arguments(model_dir, data, *flags))
    assert f"{crossings[0]}: Parquet files have no runs and luminosity sections, expected NanoAOD" in error


@pytest.mark.usefixtures("no_plots")
def test_without_zero_bias_events_there_is_nothing_of_them(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    assert main(arguments(model_dir, data)) == 0
    assert results_of(model_dir)["zero_bias"] is None
    assert "zero-bias" not in (model_dir.parent / "plots" / "summary.txt").read_text()


def test_zero_bias_events_that_cannot_be_used_stop_before_anything_is_predicted(model_dir, data, tmp_path):
    missing = tmp_path / "none"
    assert f"{missing}: no such folder" in error_of(main, arguments(model_dir, data, "--zero_bias", missing))
    missing.mkdir()
    (missing / "a.parquet").write_bytes(b"PAR1")
    error = error_of(main, arguments(model_dir, data, "--zero_bias", missing))
    assert f"{missing / 'a.parquet'}: not a readable Parquet file" in error
    flags = ["--zero_bias", model_dir.parent / "plots" / "data"]
    assert "is replaced as a whole, but" in error_of(main, arguments(model_dir, data, *flags))


def test_missing_files_are_named(model_dir, data, tmp_path):
    missing = tmp_path / "none.h5"
    assert f"{missing}: no such file" in error_of(main, arguments(model_dir, missing))
    other = tmp_path / "other"
    assert f"{other / 'training.json'}: no such file" in error_of(main, arguments(other, data))
    (model_dir / "best_model.keras").unlink()
    assert "best_model.keras: no such file" in error_of(main, arguments(model_dir, data))


def test_predictions_that_are_no_numbers_are_refused(model_dir, data, monkeypatch):
    use(monkeypatch, lambda features: np.full(len(features), np.nan))
    assert "model 'teacher' predicts no finite number" in error_of(main, arguments(model_dir, data))


def test_an_output_folder_that_holds_an_input_is_refused(model_dir, data):
    argv = arguments(model_dir, data)
    argv[argv.index("--output") + 1] = model_dir
    assert "is replaced as a whole, but" in error_of(main, argv)
    assert (model_dir / "best_model.keras").exists()


def test_a_failure_leaves_the_former_output_as_it_was(model_dir, data, monkeypatch):
    use(monkeypatch, perfect)
    output = model_dir.parent / "plots"
    with whole_folder(output) as folder:
        (folder / "summary.txt").write_text("former")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(analyze_results_teacher, "draw_and_save", fail)
    assert "disk full" in error_of(main, arguments(model_dir, data))
    assert (output / "summary.txt").read_text() == "former"
    assert sorted(path.name for path in output.parent.iterdir()) == ["model", "plots"]


def test_a_teacher_is_loaded_and_gives_corrections_and_attention(model_dir):
    from nn.teacher import TeacherHyperparameters, build_teacher

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


def test_a_model_that_cannot_be_read_is_named(model_dir, data):
    assert "best_model.keras: not a readable model" in error_of(main, arguments(model_dir, data))


def test_the_script_does_not_import_keras():
    """So that --help and usage errors come at once."""
    code = "import sys, analyze_results_teacher; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
