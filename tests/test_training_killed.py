"""Trainings that are killed, with SIGKILL and at several moments, and end like an undisturbed one to the bit."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

import train_teacher
from nn.teacher import load_teacher

pytestmark = pytest.mark.faults

SCRIPT = Path(__file__).with_name("small_search.py")
FLAGS = (
    "--log_features=pt,met,ht",
    "--max_events=300",
    "--batch_size=64",
    "--max_epochs=2",
    "--hyperband_factor=2",
    "--final_epochs=3",
    '--search_space={"graph_layers": [1], "units": {"min": 4, "max": 8, "step": 2}, "heads": {"min": 1, "max": 2}}',
)


class Training:
    """A training in processes of its own, which write to one log."""

    def __init__(self, data, folder, **environment):
        self.output, self.partial, self.log = folder / "teacher", folder / "teacher.partial", folder / "log"
        self._command = [sys.executable, str(SCRIPT), f"--input={data}", f"--output={self.output}", *FLAGS]
        threads = {"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}  # the same whoever runs a trial
        paths = os.pathsep.join([str(SCRIPT.parents[1]), *sys.path])
        self._environment = {**os.environ, **threads, "PYTHONPATH": paths, **environment}

    def start(self, *flags):
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self._command, *flags], stdin=subprocess.DEVNULL, stderr=log, stdout=log, env=self._environment
            )

    def kill_at(self, line, *flags):
        """Start it and kill it when a line appears."""
        start = len(self.text)
        process = self.start(*flags)
        wait_for(line, lambda: self.text[start:], process)
        process.kill()
        process.wait()
        assert not self.output.exists()
        return self.text[start:]

    def finish(self, *flags):
        """Start it and wait for its end; return what it logged."""
        start = len(self.text)
        assert self.start(*flags).wait() == 0, self.text
        assert not self.partial.exists()
        return self.text[start:]

    def is_over(self, *flags):
        """Ask what a worker asks that finds no chief."""
        args = train_teacher.parse_args([*self._command[2:], "--join=late", *flags])
        return train_teacher.is_over(args, train_teacher.search_inputs(args, None))

    @property
    def text(self):
        return self.log.read_text() if self.log.exists() else ""

    def trials(self):
        """Return the rows of the table of trials without what depends on their order."""
        with (self.output / "trials.csv").open(newline="") as file:
            rows = [{**row, "trial": "", "from_trial": bool(row["from_trial"])} for row in csv.DictReader(file)]
        return sorted(tuple(row.items()) for row in rows)


def wait_for(pattern, text, process):
    while not (found := re.search(pattern, text())):
        assert process.poll() is None, text()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)
    return found


@pytest.fixture(scope="module")
def data(smeared_folder):
    return smeared_folder / "train.h5"


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    training = Training(data, tmp_path_factory.mktemp("undisturbed"))
    training.finish()
    return training


def check_same(found, expected):
    assert found.trials() == expected.trials()
    assert (found.output / "history.csv").read_text() == (expected.output / "history.csv").read_text()
    weights = [load_teacher(training.output / "best_model.keras").get_weights() for training in (found, expected)]
    for one, other in zip(*weights, strict=True):
        assert_array_equal(one, other)
    assert [path.name for path in found.output.iterdir() if path.name.startswith(".")] == [".l1_regression"]


def test_killed_at_several_moments_it_goes_on_where_it_stood(data, undisturbed, tmp_path):
    training = Training(data, tmp_path, TRIALS_A_PROCESS="2")  # after which a new process continues
    training.kill_at("trial 0001, epoch 1: loss")  # before the state of the epoch is kept
    again = training.kill_at("trial 0003, epoch 2: 0 of")
    assert re.findall(r"continues after (\d)", again) == ["1", "3"]
    assert again.count("a new process continues") == 1
    assert not training.is_over()
    again = training.kill_at("5 of at most 5 trials done")
    assert "continues after 3 of at most 5 trials" in again
    assert re.search(r"trial 0003, epoch \d", again).group() == "trial 0003, epoch 2"
    again = training.kill_at("final fit, epoch 3: 0 of")
    assert "trial 0004, epoch" not in again
    assert training.is_over()
    assert not training.is_over("--seed=2")
    again = training.finish()
    assert re.search(r"final fit, epoch \d", again).group() == "final fit, epoch 3"
    assert training.text.count("trial 0000, epoch 1: loss") == 1
    check_same(training, undisturbed)


def test_chief_and_two_workers_find_the_same_though_all_are_killed(data, undisturbed, tmp_path):
    training = Training(data, tmp_path)
    log_of_worker = training.partial / "workers" / "worker1.log"
    joined = training.start("--join=elsewhere")
    chief = training.start("--workers=1", "--chief_host=127.0.0.1")
    try:
        first = int(wait_for(r"worker1: process (\d+)", lambda: training.text, chief).group(1))
        wait_for("epoch 1: 0 of", lambda: log_of_worker.read_text() if log_of_worker.exists() else "", chief)
        os.kill(first, 9)
        second = wait_for(r"died in trial \d+: signal 9.*\n.*worker1: process (\d+)", lambda: training.text, chief)
        wait_for("2 of at most 5 trials done", lambda: training.text, chief)
    finally:
        chief.kill()
        chief.wait()
    again = training.finish("--workers=2")
    assert "continues after " in again
    assert joined.wait() == 1
    assert re.search(
        "^error: the (search has another chief|chief of the search at .* does not answer)", training.text, re.M
    )
    assert not Path(f"/proc/{second.group(1)}").exists()
    check_same(training, undisturbed)


def test_a_worker_that_comes_after_the_end_has_nothing_to_do(undisturbed):
    start = len(undisturbed.text)
    assert undisturbed.start("--join=late").wait() == 0
    assert "the search is over" in undisturbed.text[start:]
    assert not undisturbed.partial.exists()
    assert undisturbed.is_over("--final_epochs=4")  # the search is used again
    assert not undisturbed.is_over("--seed=2")
    assert not undisturbed.is_over("--force")


def test_each_trial_and_the_final_fit_have_logs_for_tensorboard(undisturbed):
    def losses(folder):
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
        events.Reload()
        return {event.step: float(make_ndarray(event.tensor_proto)) for event in events.Tensors("epoch_loss")}

    with (undisturbed.output / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    logs = undisturbed.output / "tensorboard"
    assert {path.name for path in (logs / "search").iterdir()} == {row["trial"] for row in rows}
    for row in rows:
        found = losses(logs / "search" / row["trial"] / "validation")
        assert list(found) == list(range(int(row["initial_epoch"]), int(row["epochs"])))
        assert min(found.values()) == pytest.approx(float(row["val_loss"]), rel=1e-6)
    with (undisturbed.output / "history.csv").open(newline="") as file:
        expected = [float(row["val_loss"]) for row in csv.DictReader(file)]
    assert list(losses(logs / "final" / "validation").values()) == pytest.approx(expected, rel=1e-6)
