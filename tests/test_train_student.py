"""Training of the student: outputs that agree with each other, repeatability after a kill, what is refused."""

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import train_student
from nn.student import count_ebops, load_student, predict_sums
from nn.trained import load_trained
from nn.training.distillation import distillation_targets
from tests.commands import error_of, usage_error_of
from utils.data_processing import graph_creator
from utils.formats.l1_files import L1Dataset
from utils.hardware.inputs import StudentInputs
from utils.hardware.leading_objects import LeadingObjects
from utils.hardware.scales import HardwareScales
from utils.training.loss_weights import LossWeights
from utils.training.options import EventSplit
from utils.training.records import is_finished, read_training
from utils.training.student_batches import StudentBatches, StudentCreator, training_rate_weights
from utils.training.sum_floor import fit_floor
from utils.training.training_graphs import read_training_graphs

SMALL = ("--epochs=2", "--batch_size=64", "--object_units=3", "--event_units=4", "--max_events=500")
LEARNING = ("--alpha=0.5", "--feature_weight=0.1", "--first_beta=2e-6", "--beta=2e-5")


@pytest.fixture(scope="module")
def train_file(smeared_folder):
    return smeared_folder / "train.h5"


@pytest.fixture(scope="module")
def flags(train_file, met_teacher):
    return (f"--input={train_file}", f"--teacher={met_teacher}", *SMALL)


@pytest.fixture(scope="module")
def student(flags, tmp_path_factory):
    """Return the folder of a student that learned from the truth, from a teacher and from its features."""
    output = tmp_path_factory.mktemp("student") / "student"
    assert train_student.main([*flags, f"--output={output}", *LEARNING]) == 0
    return output


class TestOutputs:
    def test_front_and_result_agree(self, student):
        front = pd.read_csv(student / "front.csv")
        assert (front["ebops"] > 0).all()
        best = front[front["best"]].iloc[0]
        assert best["val_loss"] == front["val_loss"][front["ebops"] <= 150000].min()
        networks = [load_student(student / name) for name in (best["file"], "best_model.keras")]
        for one, other in zip(*(network.get_weights() for network in networks), strict=True):
            assert_array_equal(one, other)
        assert count_ebops(networks[1]) == best["ebops"]

    def test_validation_loss_is_that_of_an_evaluation_of_its_own(self, student, train_file, met_teacher):
        """In NumPy, of the events that the teacher is validated with as well, half of it from the teacher's outputs."""
        met = graph_creator("met", target_scale=0.8)
        inputs = StudentInputs(met, read_training(student).student_inputs.scales, leading=LeadingObjects())
        split = EventSplit(test_split=0.2, max_events=500, seed=1)
        targets = distillation_targets(load_trained(read_training(met_teacher)), 0)
        creator = StudentCreator(met, inputs, targets)
        graphs = read_training_graphs(L1Dataset.check(train_file), creator, split, loss_weights=LossWeights(0))
        batches = StudentBatches(graphs, True, 64, 1, inputs, training_rate_weights(graphs, inputs)).epoch(0)
        network = load_student(student / "best_model.keras")
        losses, weights = [], []
        for batch_inputs, labels, batch_weights in batches:
            factor = network.predict_on_batch(list(batch_inputs))[:, 0] / np.maximum(batch_inputs[2][:, 0], 1 / 128)
            assert (batch_inputs[3] < batch_inputs[4]).mean() > 0.9  # nearly all are free to be corrected
            error = np.abs(np.log(labels[:, [0, 2]] + 0.05) - np.log(factor[:, None] + 0.05))
            losses.append(np.where(error < 3, error**2 / 2, 3 * (error - 1.5)).mean(1))
            weights.append(batch_weights)
        found = np.average(np.concatenate(losses), weights=np.concatenate(weights))
        record = json.loads((student / "training.json").read_text())
        assert_allclose(record["best_val_loss"], found, rtol=1e-4)

    def test_ebops_penalty_rises_from_the_first_to_the_last(self, student):
        history = pd.read_csv(student / "history.csv")
        assert_allclose(history["beta"].iloc[0], 2e-6, rtol=1e-3)
        assert (np.diff(history["beta"]) > 0).all()
        assert list(history["epoch"]) == [1, 2]

    def test_the_floor_is_that_of_the_network_alone(self, student, train_file):
        training, network = read_training(student), load_student(student / "best_model.keras")
        data = L1Dataset.check(train_file)
        events = next(data.chunks(data.n_events))
        bare = StudentInputs(training.creator, training.student_inputs.scales, leading=LeadingObjects())
        without = predict_sums(network, bare, bare.integers(events))
        assert training.floor.record() == fit_floor(events.smeared_met, without, events.weights, 0.2).record()
        sums = predict_sums(network, training.student_inputs, bare.integers(events))
        has_jet = (events.smeared_data[:, 8:, 0] > 0).any(1) & (np.rint(events.smeared_met * 2) > 0)
        lower = 4 * (np.rint(events.smeared_met * 2) // 8)  # the floor is that of multiples of 4 GeV
        lowest = np.floor(training.floor(lower.astype(float)) * 2) / 2
        assert_array_equal(sums, np.where(has_jet, np.maximum(without, lowest), without))
        assert (sums > without).any()

    def test_record_describes_the_training(self, student):
        record = json.loads((student / "training.json").read_text())
        assert (record["kind"], record["variable"], record["alpha"], record["feature_weight"]) == (
            "student",
            "true_met",
            0.5,
            0.1,
        )
        assert record["target_scale"] == 0.8  # of the teacher
        assert record["hardware"]["energy_step"] == 0.5
        assert record["leading_objects"] == {"n_muons": 1, "n_egammas": 1, "n_jets": 5}
        assert record["calibration"] is None or record["calibration"]["calibrated"][0] == 0
        assert record["made_by"]["versions"]["hgq"]

    def test_no_scratch_file_is_left(self, student):
        assert not student.with_name("student.partial").exists()
        assert not (student / ".scratch").exists()
        assert {path.name for path in student.iterdir()} >= {"front.png", "history.png", "front", "tensorboard"}


def test_saturated_events_determine_neither_floor_nor_calibration(train_file, tmp_path):
    """A rule gives their output, the largest sum; here it is that of events with a jet above 100 GeV."""
    output = tmp_path / "student"
    assert train_student.main([f"--input={train_file}", *SMALL, "--jet_saturation=200", f"--output={output}"]) == 0
    training, network = read_training(output), load_student(output / "best_model.keras")
    data = L1Dataset.check(train_file)
    events = next(data.chunks(data.n_events))
    bare = StudentInputs(training.creator, training.student_inputs.scales, leading=LeadingObjects())
    without = predict_sums(network, bare, bare.integers(events))
    measured = without < 2047.5
    assert 0.1 < measured.mean() < 0.9
    of_these = (values[measured] for values in (events.smeared_met, without, events.weights))
    assert training.floor.record() == fit_floor(*of_these, 0.2).record()
    assert training.calibration.corrected[-2] <= without[measured].max()


def test_saturated_events_have_no_weight_in_the_loss(train_file):
    """Neither those with a jet of 100 GeV nor those with 511 steps of e/g or 4095 of a sum."""
    inputs = StudentInputs(graph_creator("met"), HardwareScales(jet_saturation=200))
    creator = StudentCreator(graph_creator("met"), inputs)
    graphs = read_training_graphs(L1Dataset.check(train_file), creator, EventSplit(seed=1))
    n_saturated = 0
    for (objects, _, sums, *_), _, weights in StudentBatches(graphs, True, 64, 1, inputs).epoch(0):
        steps, largest = objects[:, :, 0] * 128, objects[:, :, 4:] @ [510, 511, 200]  # of muons, e/g and jets
        in_use, saturated = steps.any(1), ((steps == largest) & (steps > 0)).any(1) | (sums * 128 == 4095).any(1)
        assert_array_equal(weights[in_use] == 0, saturated[in_use])
        n_saturated += saturated.sum()
    assert n_saturated > 20


def test_each_factor_of_the_rate_has_the_same_part_of_the_loss_where_events_are_saturated(train_file):
    """A third of the events, those with a jet of 100 GeV, have no weight in the loss."""
    inputs = StudentInputs(graph_creator("met"), HardwareScales(jet_saturation=200))
    halved = StudentCreator(graph_creator("met"), inputs, lambda events: np.full((len(events), 1), 0.5, np.float32))
    graphs = read_training_graphs(L1Dataset.check(train_file), halved, EventSplit(seed=1))
    rate_weights = training_rate_weights(graphs, inputs)
    batches = StudentBatches(graphs, False, graphs.n_training, 1, inputs, rate_weights)
    (((_, _, sums, *_), _, weights),) = batches.epoch(0)
    teacher = sums[:, 0] * 128 * 0.5 / 2  # GeV
    parts = np.bincount(np.searchsorted(rate_weights.edges, teacher, side="right"), weights)
    assert 0.1 < (weights == 0).mean() < 0.9
    assert (parts > 0).sum() > 4
    assert_allclose(parts[parts > 0], parts.sum() / (parts > 0).sum(), rtol=1e-4)


def test_a_finished_student_is_trained_anew_only_if_told_to(student, flags, caplog):
    caplog.set_level(logging.INFO)
    words = [*flags, f"--output={student}", *LEARNING]
    before = (student / "training.json").stat()
    assert train_student.main(words) == 0
    assert f"{student}: is finished" in caplog.text
    assert (student / "training.json").stat() == before
    for word in ("--force", "--alpha=0.4"):
        args = train_student.parse_args([*words, word])
        assert is_finished(student, train_student.student_training_inputs(args)) == (word == "--force")


def test_a_student_of_floats_learns_from_the_truth_alone_and_from_a_file(train_file, tmp_path):
    output = tmp_path / "float"
    words = (f"--input={train_file}", f"--output={output}", "--quantised=0", "--use_generator=1", "--variable=ht")
    assert train_student.main([*words, *SMALL]) == 0
    front = pd.read_csv(output / "front.csv")
    assert list(front["ebops"]) == [0]
    record = json.loads((output / "training.json").read_text())
    assert (record["alpha"], record["teacher"]) == (1.0, None)


@pytest.mark.faults
def test_killed_it_goes_on_where_it_stood_and_ends_the_same(student, flags, tmp_path):
    output, log = tmp_path / "student", tmp_path / "log"
    root = Path(train_student.__file__).parent
    words = [sys.executable, root / "train_student.py", *flags, f"--output={output}", *LEARNING]
    command = [str(word) for word in words]
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, "PYTHONPATH": str(root)})
    while "epoch 2: 0 of" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not output.exists()
    assert train_student.main(command[2:]) == 0
    assert log.read_text().count("epoch 1: distillation") == 1
    one, other = (pd.read_csv(folder / "history.csv") for folder in (output, student))
    assert_allclose(one, other, rtol=1e-5)
    weights = [load_student(folder / "best_model.keras").get_weights() for folder in (output, student)]
    for found, expected in zip(*weights, strict=True):
        assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


class TestRefused:
    def test_teacher_of_another_variable(self, flags, tmp_path):
        error = error_of(train_student.main, [*flags, f"--output={tmp_path / 'out'}", "--variable=ht"])
        assert "a teacher for true_met cannot teach true_ht" in error
        assert not (tmp_path / "out").exists()

    def test_student_as_a_teacher(self, flags, student, tmp_path):
        error = error_of(train_student.main, [*flags, f"--output={tmp_path / 'out'}", f"--teacher={student}"])
        assert "belongs to a student, expected a teacher" in error

    def test_another_scale_of_the_target_than_that_of_the_teacher(self, flags, tmp_path):
        error = error_of(train_student.main, [*flags, f"--output={tmp_path / 'out'}", "--target_scale=0.9"])
        assert "--target_scale 0.9: that of the teacher is 0.8" in error

    def test_unknown_loss(self, flags, tmp_path):
        error = error_of(train_student.main, [*flags, f"--output={tmp_path / 'out'}", "--loss_function=hubbard"])
        assert "--loss_function" in error

    @pytest.mark.parametrize("flag", ["--phi_steps=143", "--alpha=1.5", "--energy_step=0", "--epochs=1"])
    def test_values_out_of_range(self, flags, tmp_path, flag):
        error = usage_error_of(train_student.main, [*flags, f"--output={tmp_path / 'out'}", flag])
        assert flag.partition("=")[0].removeprefix("--") in error
