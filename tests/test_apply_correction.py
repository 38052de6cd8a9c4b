"""A trained correction, applied to files of each kind."""

import functools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

import apply_correction
import create_L1regression_data
from apply_correction import COLUMNS, main
from tests.commands import error_of, usage_error_of
from tests.toys import (
    delphes_branches,
    random_l1_events,
    random_nanoaod,
    random_particles,
    random_zero_bias,
    read_hdf5,
    write_delphes,
    write_events,
    write_l1,
    write_les_houches,
    write_nanoaod,
)
from utils.data_processing import graph_creator
from utils.formats.column_files import CONFIGURATION, TREE
from utils.formats.l1_files import L1Dataset
from utils.formats.trigger_objects import saturated_events
from utils.formats.zero_bias import ZeroBiasData
from utils.l1_sources import read_l1_events
from utils.predictions import CorrectedSums, Model, predict_events
from utils.training.records import read_training

ROOT = Path(apply_correction.__file__).parent
N_EVENTS = 300
# Of 0, 10 and 100000 GeV to 0, 20 and 300000.
CALIBRATION = {"corrected": [0, 10, 1e5], "calibrated": [0, 20, 3e5]}


@pytest.fixture
def model_dir(tmp_path):
    """Return the folder of a training, whose network is never read."""
    record = {"variable": "true_met", "log_features": ["pt"], "loss_function": "mse", "calibration": CALIBRATION}
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "training.json").write_text(json.dumps(record))
    return tmp_path / "model"


def factor(features):
    """Stand for a network: a correction that is 1 + |eta| of the leading jet."""
    return 1 + np.abs(features[:, 8, 1])


@pytest.fixture(autouse=True)
def fake(request, monkeypatch):
    """Put a function into the place of the network, except in tests of networks."""

    def load(folder):
        training = read_training(folder)
        model = Model(training.creator.features, factor, calibration=training.calibration)
        return SimpleNamespace(sums=functools.partial(CorrectedSums.predicted, variable="true_met", model=model))

    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr(apply_correction, "load", load)


def apply(folder, source, output, *flags):
    assert main([str(word) for word in ("--model_dir", folder, "--input", source, "--output", output, *flags)]) == 0
    return columns_of(output)


def columns_of(path):
    """Read an output with the library of its format."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return {name: table[name].to_numpy() for name in table.column_names}
    if path.suffix == ".root":
        with uproot.open(path) as file:
            return file[TREE].arrays(library="np")
    return read_hdf5(path)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], name)


@pytest.mark.parametrize("suffix", [".h5", ".parquet", ".root"])
def test_the_sums_of_each_event_are_written_in_the_order_of_the_input(suffix, model_dir, tmp_path, monkeypatch):
    events = random_l1_events(N_EVENTS)
    events.smeared_met[::7] = 0
    events.smeared_data[5, 4] = 255.5, 1, 1
    events.smeared_met[9] = 3000
    path = write_l1(tmp_path / "l1.h5", events)
    monkeypatch.setattr(apply_correction, "EVENTS_PER_BLOCK", 64)
    found = apply(model_dir, path, tmp_path / f"out{suffix}")
    assert {name: values.dtype for name, values in found.items()} == COLUMNS
    for i in range(N_EVENTS):
        l1_sum, jet = float(events.smeared_met[i]), events.smeared_data[i, 8]
        uncorrected = jet[0] == 0 or l1_sum == 0
        correction = 1 if uncorrected else 1 + abs(jet[1])
        corrected = l1_sum * correction
        calibrated = 2 * corrected if corrected < 10 else 20 + (corrected - 10) * 299980 / 99990
        assert found["uncorrected"][i] == uncorrected
        wanted = {"l1_sum": l1_sum, "correction": correction, "corrected_sum": corrected, "calibrated_sum": calibrated}
        for name, value in wanted.items():
            assert found[name][i] == pytest.approx(value, rel=1e-6), name
    assert 0 < found["uncorrected"].sum() < N_EVENTS
    assert np.flatnonzero(found["saturated"]).tolist() == [5, 9]


def test_all_formats_hold_the_same_and_how_they_were_made(model_dir, tmp_path):
    path = write_l1(tmp_path / "l1.h5", random_l1_events(N_EVENTS))
    outputs = [tmp_path / f"out{suffix}" for suffix in (".h5", ".parquet", ".root")]
    first, *others = (apply(model_dir, path, output) for output in outputs)
    for other in others:
        assert_same(other, first)
    with h5py.File(outputs[0]) as file, uproot.open(outputs[2]) as tree:
        texts = file.attrs[CONFIGURATION], pq.read_schema(outputs[1]).metadata[b"configuration"], tree[CONFIGURATION]
    for text, output in zip(texts, outputs, strict=True):
        assert json.loads(text)["arguments"]["output"] == str(output)


def test_without_a_calibration_calibrated_sums_are_the_corrected_ones(model_dir, tmp_path, caplog):
    record = model_dir / "training.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "calibration": None}))
    found = apply(model_dir, write_l1(tmp_path / "l1.h5", random_l1_events(20)), tmp_path / "out.h5")
    np.testing.assert_array_equal(found["calibrated_sum"], found["corrected_sum"])
    assert f"{model_dir} has no calibration: calibrated_sum is the corrected sum" in caplog.text


def test_a_file_without_events_gives_one_without_rows(model_dir, tmp_path):
    path = write_l1(tmp_path / "l1.h5", random_l1_events(5)[:0])
    for suffix in (".h5", ".parquet", ".root"):
        found = apply(model_dir, path, tmp_path / f"out{suffix}")
        assert {name: len(values) for name, values in found.items()} == dict.fromkeys(COLUMNS, 0)


def test_zero_bias_events_are_read_from_a_folder_or_a_file(model_dir, tmp_path):
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table(random_zero_bias(N_EVENTS)), tmp_path / "data" / "events.parquet")
    found = apply(model_dir, tmp_path / "data", tmp_path / "out.h5")
    (chunk,) = ZeroBiasData.check(tmp_path / "data", "smeared_met").chunks(N_EVENTS)
    np.testing.assert_array_equal(found["l1_sum"], chunk.events.smeared_met)
    assert_same(apply(model_dir, tmp_path / "data" / "events.parquet", tmp_path / "out.h5"), found)


def test_a_folder_of_nanoaod_has_the_events_of_its_files(model_dir, tmp_path):
    """With the thresholds of all objects, and with and without sums of the trigger, runs and luminosity sections."""
    objects = {name: value for name, value in random_nanoaod(50, 1).items() if name.startswith("L1")}
    without_sums = {name: value for name, value in objects.items() if "EtSum" not in name}
    paths = [
        write_nanoaod(tmp_path / "data" / "1.root", random_nanoaod(N_EVENTS, data=True)),
        write_nanoaod(tmp_path / "data" / "2.root", without_sums),
    ]
    for flags in ([], ["--jet_threshold=40"], ["--egamma_threshold=30", "--muon_threshold=30"]):
        one, other = (apply(model_dir, path, tmp_path / "out.h5", *flags) for path in paths)
        expected = {name: np.append(values, other[name]) for name, values in one.items()}
        assert_same(apply(model_dir, tmp_path / "data", tmp_path / "out.h5", *flags), expected)
    events = read_l1_events(tmp_path / "data")
    assert len(events) == N_EVENTS + 50
    assert events.l1_etm is None


@pytest.mark.parametrize("l1", ["L1", "L1Emul"])
def test_nanoaod_needs_neither_truth_nor_sums_and_gives_the_objects_of_the_workflow(l1, model_dir, tmp_path, caplog):
    branches = random_nanoaod(N_EVENTS, l1=l1)
    path = write_nanoaod(tmp_path / "nano.root", branches)
    objects = {name: branches[name] for name in branches if name.startswith("L1") and "EtSum" not in name}
    at_l1 = write_nanoaod(tmp_path / "l1.root", objects)
    created = tmp_path / "l1.h5"
    flags = ["--cross_sections=W=1"]
    assert create_L1regression_data.main([f"--input=W={path}", f"--test_output={created}", *flags]) == 0
    expected = apply(model_dir, created, tmp_path / "out.h5")
    assert_same(apply(model_dir, at_l1, tmp_path / "out.root"), expected)
    assert "the cut of central NanoAOD" not in caplog.text
    sizes, pt = branches[f"{l1}Jet_pt"]
    jets = pt >= 30
    owners = np.repeat(np.arange(N_EVENTS), sizes)[jets]
    lists = {name: branches[name][1][jets] for name in branches if name.startswith(f"{l1}Jet_")}
    central = {name: (np.bincount(owners, minlength=N_EVENTS), values) for name, values in lists.items()}
    apply(model_dir, write_nanoaod(tmp_path / "central.root", {**branches, **central}), tmp_path / "out.root")
    assert (
        "central.root: all its L1 jets are above 30 GeV, the cut of central NanoAOD, not from 20 GeV on" in caplog.text
    )


def test_nanoaod_without_l1_tables_is_named(model_dir, tmp_path):
    branches = {name: values for name, values in random_nanoaod(5).items() if not name.startswith("L1")}
    path = write_nanoaod(tmp_path / "nano.root", branches)
    error = error_of(main, [f"--model_dir={model_dir}", f"--input={path}", f"--output={tmp_path}/out.root"])
    assert error.startswith(f"error: {path}: has no L1 tables L1Mu, L1EG, L1Jet")
    assert not (tmp_path / "out.root").exists()


def test_events_at_offline_resolution_are_smeared_as_those_of_the_workflow(model_dir, tmp_path, monkeypatch):
    path = write_events(tmp_path / "events.h5", random_particles(N_EVENTS))
    flags = ["--seed=3", "--jet_threshold=25"]
    smeared = tmp_path / "l1.h5"
    assert create_L1regression_data.main([f"--input=W={path}", f"--test_output={smeared}", *flags]) == 0
    expected = apply(model_dir, smeared, tmp_path / "out.h5")
    monkeypatch.setattr(apply_correction, "EVENTS_PER_BLOCK", 70)
    assert_same(apply(model_dir, path, tmp_path / "out.h5", "--process=W", *flags), expected)
    assert not np.array_equal(apply(model_dir, path, tmp_path / "out.h5", *flags)["l1_sum"], expected["l1_sum"])


def test_delphes_trees_are_smeared_as_those_of_the_workflow_whatever_their_weights(model_dir, tmp_path):
    particles, smeared = random_particles(N_EVENTS), tmp_path / "l1.h5"
    path = write_delphes(tmp_path / "x.root", delphes_branches(particles))
    assert create_L1regression_data.main([f"--input=W={path}", f"--test_output={smeared}"]) == 0
    expected = apply(model_dir, smeared, tmp_path / "out.h5")
    assert_same(apply(model_dir, path, tmp_path / "out.h5", "--process=W"), expected)
    unequal = write_delphes(tmp_path / "y.root", delphes_branches(particles, np.linspace(-1, 3, N_EVENTS)))
    assert_same(apply(model_dir, unequal, tmp_path / "out.h5", "--process=W"), expected)


class TestErrors:
    def words(self, model_dir, source, output="out.h5"):
        return [f"--model_dir={model_dir}", f"--input={source}", f"--output={model_dir.parent / output}"]

    def test_particles_of_a_generator_become_an_events_file_first(self, model_dir, tmp_path):
        path = write_les_houches(tmp_path / "events.lhe", 3, [1.0])
        message = f"error: {path}: Les Houches file of particles, expected objects: make an events file by"
        assert error_of(main, self.words(model_dir, path)).startswith(message)

    def test_name_what_is_no_file_of_events(self, model_dir, tmp_path):
        (tmp_path / "text.csv").write_text("1,2")
        assert "text.csv: expected an L1 regression file" in error_of(
            main, self.words(model_dir, tmp_path / "text.csv")
        )
        assert "none: no such file" in error_of(main, self.words(model_dir, tmp_path / "none"))

    def test_the_output_is_no_input(self, model_dir, tmp_path):
        path = write_l1(tmp_path / "l1.h5", random_l1_events(5))
        assert "is the same file as the input" in error_of(main, self.words(model_dir, path, "l1.h5"))
        assert L1Dataset.check(path).n_events == 5

    def test_an_output_of_another_format_is_wrong_usage(self, model_dir):
        message = "argument --output: expected a suffix of .h5, .hdf5, .parquet, .root, found"
        assert message in usage_error_of(main, self.words(model_dir, "l1.h5", "out.csv"))

    @pytest.mark.parametrize("suffix", [".h5", ".parquet", ".root"])
    def test_nothing_is_left_where_events_further_on_are_bad(self, suffix, model_dir, tmp_path, monkeypatch):
        events = random_l1_events(N_EVENTS)
        events.smeared_met[250] = np.nan
        path = write_l1(tmp_path / "l1.h5", events)
        monkeypatch.setattr(apply_correction, "EVENTS_PER_BLOCK", 64)
        error = error_of(main, self.words(model_dir, path, f"out{suffix}"))
        assert error.startswith(f"error: {path}: dataset 'smeared_met', event 250: expected GeV")
        assert sorted(file.name for file in tmp_path.iterdir() if not file.name.startswith(".lock")) == [
            "l1.h5",
            "model",
        ]


@pytest.mark.slow
class TestNetworks:
    def test_a_teacher_gives_what_the_evaluation_and_the_function_give(self, met_teacher, smeared_folder, tmp_path):
        from nn.correction import load_correction

        path = smeared_folder / "test.h5"
        found = apply(met_teacher, path, tmp_path / "out.root")
        corrected, data = load_correction(met_teacher), L1Dataset.check(path)
        models = {"teacher": corrected.model}
        predictions = predict_events(data.chunks(100), list(data.process_names), "true_met", models)
        assert_same(
            found,
            {
                "l1_sum": predictions.reco,
                "correction": predictions.corrections["teacher"],
                "corrected_sum": predictions.reco * predictions.corrections["teacher"],
                "calibrated_sum": predictions.measured["teacher"],
                "uncorrected": ~predictions.predicted,
                "saturated": saturated_events(data.rows(0, data.n_events)),
            },
        )
        events = read_l1_events(path)
        np.testing.assert_array_equal(corrected(events), found["calibrated_sum"])
        np.testing.assert_array_equal(corrected(events.smeared_data), found["calibrated_sum"])
        with pytest.raises(ValueError, match=r"events: expected shape \(n_events, 18, 3\), received: \(2, 18\)"):
            corrected(np.zeros((2, 18)))

    def test_a_student_gives_the_integers_of_the_firmware(self, student_dir, tmp_path):
        events = random_l1_events(N_EVENTS)
        found = apply(student_dir, write_l1(tmp_path / "l1.h5", events), tmp_path / "out.h5")
        uncorrected = found["uncorrected"]
        np.testing.assert_array_equal(found["corrected_sum"] % 0.125, 0)
        np.testing.assert_array_equal(found["corrected_sum"][uncorrected] % 0.5, 0)
        np.testing.assert_array_equal(found["l1_sum"], events.smeared_ht)
        np.testing.assert_array_equal(uncorrected, (events.smeared_data[:, 8:, 0] == 0).all(1))
        np.testing.assert_array_equal(found["correction"][uncorrected], 1)
        corrected = found["correction"] * found["l1_sum"]
        np.testing.assert_allclose(corrected[~uncorrected], found["corrected_sum"][~uncorrected], rtol=1e-6)

    def test_keras_reads_the_files_of_both_after_one_import(self, met_teacher, student_dir):
        lines = ["import sys", "import nn.saved_models", "import keras"]
        lines += [
            f"print(keras.models.load_model({str(f / 'best_model.keras')!r}).name)" for f in (met_teacher, student_dir)
        ]
        run = [sys.executable, "-c", "\n".join(lines)]
        done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == ["teacher", "student"]


def test_a_correction_of_ht_takes_graphs_of_jets():
    events = random_l1_events(N_EVENTS)
    model = Model(graph_creator("true_ht").features, lambda features: np.full(len(features), 0.5, np.float32))
    sums = CorrectedSums.predicted(events, "true_ht", model)
    np.testing.assert_array_equal(sums.corrected_sum, events.smeared_ht / 2)
