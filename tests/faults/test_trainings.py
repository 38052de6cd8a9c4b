"""Faults while a network is trained or exported: full and read-only disks, two runs at once, kills."""

import json
import signal
import subprocess

import pytest

from tests.faults.steps import SCRIPTS, Step, end_at, preload, stop_at_file

pytestmark = pytest.mark.faults

SLOW = ("keras", "hgq", "nn.training.fit", "nn.student", "nn.firmware.trace", "nn.training.resume", "nn.trained")
STEPS = ("train_teacher", "train_student", "export_firmware")


@pytest.fixture(scope="module", autouse=True)
def networks_are_imported():
    preload(*STEPS, *SLOW)
    yield
    preload(*SCRIPTS)


@pytest.fixture(scope="module")
def argvs(smeared_folder, student_dir, tmp_path_factory):
    """Return for each step a function that gives its flags, from the folder of its outputs."""
    fixed = tmp_path_factory.mktemp("fixed") / "hyperparameters.json"
    fixed.write_text(json.dumps({"graph_layers": 2, "units": 4, "heads": 2, "readout": [16]}))
    training = [f"--input={smeared_folder}/train.h5", "--max_events=300", "--batch_size=64"]
    small = ["--epochs=2", "--object_units=2", "--event_units=3", "--variable=ht"]
    data = f"--data={smeared_folder}/test.h5"
    return {
        "train_teacher": lambda folder: [
            *(*training, f"--output={folder}/out", f"--hyperparameters={fixed}", "--final_epochs=2")
        ],
        "train_student": lambda folder: [*training, f"--output={folder}/out", *small],
        "export_firmware": lambda folder: [
            *(f"--model_dir={student_dir}", data, f"--output={folder}/out", "--rtl_events=0")
        ],
    }


def check_refused(step, output, reason):
    """Check that a step ended in one line of its own."""
    assert step.end() == 1, step.log.read_text()
    text = step.log.read_text()
    assert [line for line in step.errors if line.startswith("error: ")] == [f"error: {output}: {reason}"], text
    assert "Traceback" not in text


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", STEPS)
def test_on_a_read_only_disk_is_one_line(name, argvs, small_disk, tmp_path):
    disk = small_disk("ro,size=1m")
    step = Step(name, argvs[name](disk), tmp_path / "log")
    check_refused(step, disk / "out", "cannot be written: Read-only file system")


@pytest.mark.parametrize(("name", "kib"), [("train_student", 4), ("export_firmware", 60)])
def test_on_a_full_disk_is_one_line_and_no_output(name, kib, argvs, small_disk, tmp_path):
    disk = small_disk(f"size={kib}k")
    step = Step(name, argvs[name](disk), tmp_path / "log")
    check_refused(step, disk / "out", "cannot be written: No space left on device")
    left = {path.split("/")[0] for path in files(disk)}
    assert left == ({"out.partial"} if name == "train_student" else set())


def test_with_more_room_a_training_goes_on(argvs, small_disk, tmp_path):
    disk = small_disk("size=100k")
    step = Step("train_teacher", argvs["train_teacher"](disk), tmp_path / "log")
    check_refused(step, disk / "out", "cannot be written: No space left on device")
    assert not (disk / "out").exists()
    subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
    step = Step("train_teacher", argvs["train_teacher"](disk), tmp_path / "log")
    assert step.end() == 0, step.log.read_text()
    assert "epoch 1" not in step.log.read_text()
    assert {"best_model.keras", "training.json", "history.pdf"} <= {path.name for path in (disk / "out").iterdir()}
    assert not (disk / "out.partial").exists()


@pytest.fixture
def stopped():
    """Return a function that starts a step and waits until it has stopped itself; what is left of it is killed."""
    steps = []

    def start(*words):
        steps.append(Step(*words))
        steps[-1].wait_until_stopped()
        return steps[-1]

    yield start
    for step in steps:
        step.process.kill()
        step.end()


@pytest.mark.parametrize("name", STEPS[:2])
def test_asked_to_end_a_training_keeps_what_it_has_done_and_goes_on(name, argvs, tmp_path):
    """The state of its first epoch is kept when it writes that of the second."""
    log = tmp_path / "log"
    step = Step(name, argvs[name](tmp_path), log, end_at(2, signal.SIGTERM, ".npz"))
    assert step.end() == 128 + signal.SIGTERM, log.read_text()
    assert [line for line in step.errors if line.startswith("error: ")] == ["error: ended by SIGTERM"]
    kept = files(tmp_path / "out.partial")
    assert any(path.endswith(".npz") for path in kept)
    assert not [path for path in kept if path.endswith("lock") or ".npz." in path or "/part." in path]
    assert not (tmp_path / "out").exists()
    step = Step(name, argvs[name](tmp_path), log)
    assert step.end() == 0, log.read_text()
    assert "resumes the work of an earlier run" in log.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"out", "log"}


@pytest.mark.parametrize("name", STEPS[:2])
def test_a_second_training_at_once_is_refused(name, argvs, stopped, tmp_path):
    partial = tmp_path / "out.partial"
    stopped(name, argvs[name](tmp_path), tmp_path / "first", stop_at_file("made_for"))
    before = files(partial)
    second = Step(name, argvs[name](tmp_path), tmp_path / "second")
    check_refused(second, partial, "another process is at work here; wait for it, or end it")
    assert files(partial) == before


def test_an_export_that_is_killed_ends_the_same_the_next_time(argvs, stopped, tmp_path):
    """And while it is at work a second one is refused."""
    argv = argvs["export_firmware"](tmp_path)
    assert Step("export_firmware", argv, tmp_path / "log").end() == 0
    expected = files(tmp_path / "out")
    first = stopped("export_firmware", argv, tmp_path / "log", stop_at_file("firmware.json"))
    assert any(path.startswith(".part.out/verilog") for path in files(tmp_path))
    second = Step("export_firmware", argv, tmp_path / "second")
    check_refused(second, tmp_path / "out", "another process is at work here; wait for it, or end it")
    first.process.kill()
    assert first.end() == -signal.SIGKILL
    assert files(tmp_path / "out") == expected
    assert Step("export_firmware", argv, tmp_path / "log").end() == 0
    assert files(tmp_path / "out") == expected
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"out"}
