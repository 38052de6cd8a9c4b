"""Invariants of whole steps and their files: directions, orders, shards, units of weights.

MET of the whole detector, which all steps carry along, numbers the events.
"""

import json

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import analyze_results_teacher
import create_L1regression_data
import selective_sampling_jets
from tests.toys import random_particles, write_events
from utils.data_processing import graph_creator
from utils.event_layout import ETA, PHI, PT
from utils.formats.l1_files import L1Dataset
from utils.hardware.inputs import StudentInputs
from utils.hardware.scales import HardwareScales
from utils.l1_events import L1Events, jet_count
from utils.training.loss_weights import LossWeights
from utils.training.options import EventSplit
from utils.training.records import read_training
from utils.training.training_graphs import read_training_graphs

pytestmark = pytest.mark.slow

NUMBERS = {"QCD": np.arange(1, 501), "W": np.arange(1001, 1301)}
NOT_RANDOM = [f"--{name}=0" for name in ("jet_scale_width", "jet_resolution_factor", "muon_resolution")]
NOT_RANDOM += ["--egamma_resolution=0"]
SELECTION = [
    "--fractions_to_keep=0.5,0.7",
    "--sampling_var=ht",
    "--sampling_threshold=60",
    "--sampling_bins=3",
]
SPACING = 2.0**-23  # of numbers of single precision, relative


def run(main, *words):
    assert main([str(word) for word in words]) == 0


def smear(folder, inputs, *flags):
    """Run the script on files `inputs`, (process, path), and return its output by name."""
    words = [f"--input={name}={path}" for name, path in inputs]
    outputs = {name: folder / f"{name}.h5" for name in ("train", "test")}
    run(
        create_L1regression_data.main,
        *words,
        *(f"--{n}_output={path}" for n, path in outputs.items()),
        "--smearings=1",
        *flags,
    )
    return outputs


def read(*paths):
    """Read the events of L1 regression files, with names of processes for their ids, in the order of their numbers."""
    parts = []
    for path in paths:
        data = L1Dataset.check(path)
        events = data.rows(0, data.n_events)
        kept = np.ones(len(events)) if events.keep_probability is None else events.keep_probability
        names = np.array([data.process_names[number] for number in events.ids])
        columns = {name: values for name, values in vars(events).items() if values is not None}
        parts.append({**columns, "ids": names, "keep_probability": kept})
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(columns["original_met"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def check_equal(found, expected, *but):
    for name in expected.keys() - set(but):
        assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.fixture(scope="module")
def particles():
    """Rows of events files by process, numbered."""
    found = {name: random_particles(len(numbers), seed) for seed, (name, numbers) in enumerate(NUMBERS.items())}
    for name, numbers in NUMBERS.items():
        found[name][:, 0, PT] = numbers
    return found


@pytest.fixture(scope="module")
def weights():
    """Weights of both processes, which sum to 1000 and 500 pb: so little that rates are linear in them."""
    rng = np.random.default_rng(3)
    found = {name: rng.uniform(0.5, 2, len(numbers)) for name, numbers in NUMBERS.items()}
    return {"QCD": 1000 * found["QCD"] / found["QCD"].sum(), "W": 500 * found["W"] / found["W"].sum()}


def write_all(folder, particles, weights):
    """Write an events file for each process, and return (process, path) of each."""
    return [(name, write_events(folder / f"{name}.h5", particles[name], weights[name])) for name in particles]


@pytest.fixture(scope="module")
def made(tmp_path_factory, particles, weights):
    folder = tmp_path_factory.mktemp("made")
    return smear(folder, write_all(folder, particles, weights))


@pytest.fixture(scope="module")
def rotated(tmp_path_factory, particles, weights):
    """Like `made`, with each event rotated around the beams by its own angle, and half of them reflected in eta."""
    folder, rng = tmp_path_factory.mktemp("rotated"), np.random.default_rng(4)
    changed = {name: rows.copy() for name, rows in particles.items()}
    for rows in changed.values():
        phi = rows[..., PHI] + rng.uniform(-np.pi, np.pi, (len(rows), 1))
        rows[..., PHI] = np.where(rows[..., PT] > 0, np.angle(np.exp(1j * phi)), 0)
        rows[..., ETA] *= rng.choice([-1, 1], (len(rows), 1))
    return smear(folder, write_all(folder, changed, weights))


def corrected(path):
    """Return the events of a file that have a correction, in the order of their numbers."""
    events = L1Events(**read(path))
    return events[(jet_count(events.smeared_data) > 0) & (events.smeared_met > 0)]


def corrections(met_teacher, events):
    model = analyze_results_teacher.load(read_training(met_teacher)).model
    return model.predict(model.inputs(events))


@pytest.fixture
def evaluate(met_teacher, tmp_path, monkeypatch):
    """Return a function that evaluates the teacher on a file and gives results.json."""
    monkeypatch.setattr(analyze_results_teacher, "figures", lambda results: {})
    monkeypatch.setattr(analyze_results_teacher, "attention_figures", lambda *args: {})

    def run_on(path):
        words = [f"--model_dir={met_teacher}", f"--data={path}", f"--output={tmp_path / 'plots'}", "--signal_names=W"]
        run(analyze_results_teacher.main, *words, "--background_efficiencies=0.2,0.1", "--fixed_rates=")
        return json.loads((tmp_path / "plots" / "results.json").read_text())

    return run_on


def rewritten(path, new, change):
    """Copy a file and change its columns."""
    new.write_bytes(path.read_bytes())
    with h5py.File(new, "r+") as file:
        for name, column in change({name: file[name][:] for name in file if name != "ids_names"}).items():
            file[name][...] = column
    return new


def permute(columns):
    """Return columns with their events in another order."""
    order = np.random.default_rng(6).permutation(len(columns["ids"]))
    return {name: column[order] for name, column in columns.items()}


class TestRotatedAndReflected:
    def test_sums_and_labels_stay(self, made, rotated):
        for name in ("train", "test"):
            found, expected = read(rotated[name]), read(made[name])
            directed = ("smeared_data", "true_data", "smeared_met", "true_met")
            check_equal(found, expected, *directed)
            for objects in ("smeared_data", "true_data"):
                assert_array_equal(found[objects][..., PT], expected[objects][..., PT])
                assert_array_equal(abs(found[objects][..., ETA]), abs(expected[objects][..., ETA]))
                # An angle of single precision is off by half a spacing of pi at the most, and was rotated once.
                sum_of_pt = expected[objects][..., PT].sum(1)
                difference = found[objects.replace("data", "met")] - expected[objects.replace("data", "met")]
                assert (abs(difference) <= 8 * SPACING * sum_of_pt).all()
            assert (found["smeared_met"] == 0).tolist() == (expected["smeared_met"] == 0).tolist()

    def test_the_selection_is_the_same(self, made, rotated, tmp_path):
        kept = []
        for files in (made, rotated):
            words = [f"--input={files['train']}", f"--output={tmp_path / 'kept.h5'}"]
            run(selective_sampling_jets.main, *words, *SELECTION)
            kept.append(read(tmp_path / "kept.h5"))
        check_equal(*kept, "smeared_data", "true_data", "smeared_met", "true_met")

    def test_the_correction_of_a_teacher_stays(self, made, rotated, met_teacher):
        assert json.loads((met_teacher / "best_hyperparameters.json").read_text())["relative"] is True
        before, after = corrected(made["test"]), corrected(rotated["test"])
        # Where the sum of momenta nearly vanishes, its direction is what rounding makes of it.
        directed = before.smeared_met > 1e-2 * before.smeared_data[..., PT].sum(1)
        assert directed.mean() > 0.8
        found, expected = (corrections(met_teacher, events[directed]) for events in (after, before))
        assert np.std(np.log(expected)) > 0.01
        assert_allclose(found, expected, rtol=2e-3)
        assert np.median(abs(found / expected - 1)) < 1e-5

    def test_inputs_of_a_student_stay_within_the_steps_of_their_integers(self, made, rotated):
        scales = HardwareScales()
        inputs = StudentInputs(graph_creator("met"), scales)
        before, after = (inputs.features(L1Events(**read(files["test"]))) for files in (made, rotated))
        columns = {name: i for i, name in enumerate(inputs.feature_names)}
        for name in ("pt", "abs_eta", "muon", "egamma", "jet", "ht"):
            assert_array_equal(after[..., columns[name]], before[..., columns[name]], err_msg=name)
        step = inputs.input_step
        assert (abs(after[..., columns["met"]] - before[..., columns["met"]]) <= step).all()
        # Both angles of the difference are rounded before and after: two steps at the most, and the tables once each.
        allowed = before[..., columns["pt"]] * (2 * 2 * np.pi / scales.phi_steps + 2.0**-scales.table_bits)
        for name in ("along", "across"):
            assert (abs(after[..., columns[name]] - before[..., columns[name]]) <= allowed + 1e-6).all()

    def test_inputs_of_a_student_are_the_same_when_rotated_by_whole_steps(self, made):
        scales = HardwareScales()
        inputs = StudentInputs(graph_creator("met"), scales)
        events = read(made["test"])
        objects = events["smeared_data"].copy()
        phi = objects[..., PHI] + 2 * np.pi / scales.phi_steps * np.arange(len(objects))[:, None]
        objects[..., PHI] = np.angle(np.exp(1j * phi))
        objects[..., ETA] *= -1
        before, after = (
            inputs.features(L1Events(**{**events, "smeared_data": data})) for data in (events["smeared_data"], objects)
        )
        assert (after == before).all(axis=(1, 2)).mean() > 0.99


class TestOrder:
    def test_of_the_processes_has_no_part(self, made, particles, weights, tmp_path):
        found = smear(tmp_path, write_all(tmp_path, particles, weights)[::-1], "--chunk_size=37", "--workers=2")
        for name in ("train", "test"):
            check_equal(read(found[name]), read(made[name]))

    def test_a_file_in_shards_is_the_same(self, made, particles, weights, tmp_path):
        """The weights of each shard sum to the cross section."""
        shards = []
        for name, rows in particles.items():
            for i, part in enumerate(np.array_split(np.arange(len(rows)), [50, 170])):
                share = len(part) / len(rows)
                path = write_events(tmp_path / name / f"{i}.h5", rows[part], weights[name][part] / share)
                shards.append((name, path))
        by_flag = smear(tmp_path / "flags", shards)
        by_glob = smear(tmp_path / "glob", [(name, tmp_path / name / "*.h5") for name in particles])
        for name in ("train", "test"):
            expected, found = read(made[name]), read(by_flag[name])
            check_equal(read(by_glob[name]), found)
            check_equal(found, expected, "weights")
            assert_allclose(found["weights"], expected["weights"], rtol=4 * SPACING)

    def test_of_events_and_files_permutes_them(self, particles, weights, tmp_path):
        """Except for random numbers, which belong to the number of an event in its process."""
        rng, files = np.random.default_rng(5), {}
        for kind in ("ordered", "permuted"):
            files[kind] = []
            for name, rows in particles.items():
                order = rng.permutation(len(rows)) if kind == "permuted" else np.arange(len(rows))
                halves = np.split(order, 2)
                for i, part in enumerate(halves[::-1] if kind == "permuted" else halves):
                    path = tmp_path / kind / name / f"{i}.h5"
                    files[kind].append((name, write_events(path, rows[part], 2 * weights[name][part])))
        before, after = (
            read(*smear(tmp_path / kind, files[kind], *NOT_RANDOM, "--test_fraction=0.5").values()) for kind in files
        )
        assert_array_equal(before["original_met"], np.concatenate(list(NUMBERS.values())))
        check_equal(after, before, "weights")

    def test_of_the_events_of_a_selection_permutes_its_files(self, made, tmp_path):
        """Without random numbers."""
        permuted = rewritten(made["train"], tmp_path / "permuted.h5", permute)
        flags = ["--processes=QCD", "--fractions_to_keep=0,1,0"]
        found = []
        for name, path in (("before", made["train"]), ("after", permuted)):
            outputs = [tmp_path / f"{name}_{part}.h5" for part in ("kept", "discarded")]
            words = [f"--input={path}", f"--output={outputs[0]}", f"--discarded_output={outputs[1]}"]
            run(selective_sampling_jets.main, *words, *flags)
            found.append([read(output) for output in outputs])
        for before, after in zip(*found, strict=True):
            check_equal(after, before)

    def test_of_the_events_has_no_part_in_the_evaluation(self, made, met_teacher, evaluate, tmp_path):
        permuted = rewritten(made["test"], tmp_path / "permuted.h5", permute)
        found, expected = (corrections(met_teacher, corrected(path)) for path in (permuted, made["test"]))
        assert_allclose(found, expected, rtol=1e-5)
        before, after = evaluate(made["test"]), evaluate(permuted)
        for name in ("baseline", "true", "teacher"):
            areas = [result["signals"]["W"]["roc"][name]["area"]["value"] for result in (after, before)]
            assert areas[0] == pytest.approx(areas[1], rel=1e-3 if name == "teacher" else 1e-9)
            rates = [result["background"]["rates"][name]["rate"]["value"] for result in (after, before)]
            if name != "teacher":
                assert rates[0] == pytest.approx(rates[1], rel=1e-9)
        turn_ons = [result["processes"]["W"]["turn_on"]["baseline"] for result in (after, before)]
        for after_one, before_one in zip(*turn_ons, strict=True):
            values = [np.array(one["efficiency"]["value"], float) for one in (after_one, before_one)]
            assert_allclose(*values, rtol=1e-9)


def known(values):
    """Return the numbers of a list with None for what is unknown."""
    return [value for value in values if value is not None]


class TestScaledWeights:
    """By a power of two, for which single precision does not round."""

    def test_scale_the_files(self, made, particles, weights, tmp_path):
        scaled = smear(tmp_path, write_all(tmp_path, particles, {name: 4 * of for name, of in weights.items()}))
        for name in ("train", "test"):
            found, expected = read(scaled[name]), read(made[name])
            check_equal(found, expected, "weights")
            assert_array_equal(found["weights"], 4 * expected["weights"])

    def test_have_no_part_in_the_loss(self, made, tmp_path):
        path = rewritten(made["train"], tmp_path / "x.h5", lambda columns: {"weights": 4 * columns["weights"]})
        before, after = (
            read_training_graphs(
                L1Dataset.check(of), graph_creator("met"), EventSplit(test_split=0.2), loss_weights=LossWeights()
            )
            for of in (made["train"], path)
        )
        for part in (False, True):
            assert_array_equal(after.chunk(0, part).weights, before.chunk(0, part).weights)

    def test_scale_rates_and_leave_efficiencies(self, made, evaluate, tmp_path):
        path = rewritten(made["test"], tmp_path / "x.h5", lambda columns: {"weights": 4 * columns["weights"]})
        before, after = evaluate(made["test"]), evaluate(path)
        offline = [result["signals"]["W"]["scaling"]["rates"] for result in (before, after)]
        ratios = [rates.pop("rate_ratios") for rates in offline]
        kinds = [result["background"]["rates"] for result in (before, after)], [rates.pop("rates") for rates in offline]
        for rates in kinds:
            for quantity, of_quantity in rates[0].items():
                rate, scaled = of_quantity["rate"], rates[1][quantity]["rate"]
                assert rate["value"][0] > 0
                for what in ("value", "error"):
                    # The rate is that of crossings with a collision that passes: linear up to 1e-6, L sigma / (n f).
                    assert scaled[what] == pytest.approx([4 * number for number in rate[what]], rel=1e-5)
                assert rates[1][quantity]["efficiency"] == of_quantity["efficiency"]
        for quantity, ratio in ratios[0].items():
            assert known(ratios[1][quantity]["value"]) == pytest.approx(known(ratio["value"]), rel=1e-5)
        assert after["signals"] == before["signals"]
        turn_ons = [result["processes"]["QCD"]["turn_on"] for result in (before, after)]
        assert turn_ons[1] == turn_ons[0]


@pytest.fixture(scope="module")
def parts(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("selected")
    paths = [folder / "kept.h5", folder / "discarded.h5"]
    words = [f"--input={made['train']}", f"--output={paths[0]}", f"--discarded_output={paths[1]}"]
    run(selective_sampling_jets.main, *words, "--processes=QCD", *SELECTION)
    return paths


class TestSelectionAndItsComplement:
    def test_are_the_whole(self, made, parts):
        whole, kept, discarded = read(made["train"]), *map(read, parts)
        check_equal(read(*parts), whole, "weights", "keep_probability")
        for part in (kept, discarded):
            assert len(part["ids"]) > 50
        before = whole["weights"][np.isin(whole["original_met"], discarded["original_met"])]
        assert_array_equal(discarded["weights"], before)
        before = whole["weights"][np.isin(whole["original_met"], kept["original_met"])]
        assert (kept["weights"] >= before).all()
        assert (kept["weights"] > before).any()

    def test_are_what_is_on_record(self, made, parts):
        cutflow = L1Dataset.check(parts[0]).cutflow
        step = cutflow.steps[-1]
        assert cutflow.disagreements() == []
        for events, counts in (
            (read(made["train"]), step.read),
            (read(parts[0]), step.output("kept")),
            (read(parts[1]), step.output(L1Dataset.check(parts[1]).cutflow.output)),
        ):
            assert counts == {name: np.sum(events["ids"] == name) for name in NUMBERS}
        assert step.left_out["other process"] == {"QCD": 0, "W": step.read["W"]}
        assert all(step.left_out[reason]["QCD"] > 0 for reason in step.left_out if reason != "other process")
