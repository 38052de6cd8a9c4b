"""Faults while a script runs: kills, full disks, two runs at once, other clocks, places and languages."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.faults.steps import (
    Step,
    elsewhere,
    end_at,
    jumping_clock,
    kill_after,
    kill_at,
    largest_file,
    stop_at,
)

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
SEED = 20261125
STEPS = ("generate", "create", "select", "analyse")
FORMATS = ("h5", "parquet", "root")  # of apply_correction.py


class Run:
    """A step in a folder of its own, the same each time, and what it writes when nothing disturbs it."""

    def __init__(self, name, script, argv, folder, log):
        self.name, self.script, self.folder, self._log = name, script, folder, log
        self._argv = [str(word) for word in argv(folder)]
        start = time.monotonic()
        step = self.start()
        assert step.end() == 0, step.log.read_text()
        self.seconds = time.monotonic() - start
        self.expected = self.content()

    def start(self, fault=None, log=None, argv=None):
        return Step(self.script, argv or self._argv, log or self._log, fault)

    def content(self):
        """Return the bytes of all files."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        }

    def empty(self):
        shutil.rmtree(self.folder)
        self.folder.mkdir()


@pytest.fixture(scope="module")
def argvs(smeared_folder, tmp_path_factory):
    """Return for each step a function that gives its script and flags, from the folder of its outputs."""
    model = tmp_path_factory.mktemp("model")
    record = {"variable": "true_met", "log_features": ["pt", "met"], "loss_function": "mse", "seed": 1}
    (model / "training.json").write_text(json.dumps(record))
    train, test = smeared_folder / "train.h5", smeared_folder / "test.h5"
    return {
        "generate": (
            "generate_events",
            lambda folder: [
                *(f"--output={folder}/W.h5", "--process=W", "--events=30", "--underlying_event=0"),
                *("--settings", "WeakSingleBoson:ffbar2W = on"),
            ],
        ),
        "create": (
            "create_L1regression_data",
            lambda folder: [
                *(f"--input=QCD={smeared_folder}/qcd.h5", f"--input=W={smeared_folder}/w.h5"),
                *(f"--train_output={folder}/train.h5", f"--test_output={folder}/test.h5", f"--plots={folder}/plots"),
            ],
        ),
        "select": (
            "selective_sampling_jets",
            lambda folder: [
                *(f"--input={train}", f"--output={folder}/train.h5", f"--discarded_output={folder}/discarded.h5"),
                *(f"--summary={folder}/summary.txt", f"--plots={folder}/plots", "--sampling_var=met"),
                "--sampling_threshold=30",
            ],
        ),
        "analyse": (
            "analyze_results_teacher",
            lambda folder: [
                *(f"--model_dir={model}", f"--data={test}", f"--output={folder}/plots"),
                *("--signal_names=W", "--inclusive_thresholds=30", "--background_efficiencies=0.1"),
            ],
        ),
        **{
            suffix: (
                "apply_correction",
                lambda folder, suffix=suffix: [
                    *(f"--model_dir={model}", f"--input={test}", f"--output={folder}/out.{suffix}"),
                ],
            )
            for suffix in FORMATS
        },
    }


@pytest.fixture(scope="module")
def undisturbed(argvs, tmp_path_factory):
    """Return a function that gives a step, after one run that nothing disturbed."""
    runs = {}

    def get(name):
        if name not in runs:
            folder = tmp_path_factory.mktemp(name)
            (folder / "out").mkdir()
            runs[name] = Run(name, *argvs[name], folder / "out", folder / "log")
        return runs[name]

    return get


@pytest.mark.parametrize("name", STEPS)
class TestKilled:
    def test_at_any_change_of_the_files_the_next_run_ends_as_if_undisturbed(self, name, undisturbed):
        """Each run is killed at another change, in the folder that the earlier ones left; the last one is not."""
        run, rng = undisturbed(name), np.random.default_rng(SEED)
        n_kills, change = 0, -1
        while True:
            change += int(rng.integers(8, 20))
            code = run.start(kill_at(change)).end()
            if code == 0:
                break
            assert code == -signal.SIGKILL
            n_kills += 1
            assert all(run.expected[name] == content for name, content in run.content().items() if shown(name))
        assert n_kills >= 1
        assert run.content() == run.expected

    def test_at_any_time_the_next_run_ends_as_if_undisturbed(self, name, undisturbed):
        run, rng = undisturbed(name), np.random.default_rng(SEED)
        for _ in range(2):
            run.start(kill_after(rng.uniform(0, run.seconds))).end()
            assert all(run.expected[name] == content for name, content in run.content().items() if shown(name))
        assert run.start().end() == 0
        assert run.content() == run.expected


@pytest.mark.parametrize("name", STEPS)
def test_asked_to_end_at_any_change_of_the_files_it_leaves_what_was_there(name, undisturbed):
    run, rng = undisturbed(name), np.random.default_rng(SEED)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
        before = run.content()
        step = run.start(end_at(int(rng.integers(0, 12)), number))
        assert step.end() == 128 + number
        assert len([line for line in step.errors if line.startswith("error: ")]) == 1, step.log.read_text()
        assert run.content() == before


def shown(name):
    """Return whether a file has a name under which it, and the folder that it is in, would be taken for an output."""
    return not any(part.startswith((".part.", ".lock.", ".former.")) for part in Path(name).parts)


@pytest.mark.parametrize("name", STEPS)
def test_a_second_run_at_once_is_refused_and_the_first_one_goes_on(name, undisturbed, tmp_path):
    run = undisturbed(name)
    run.empty()
    first = run.start(stop_at(6))
    first.wait_until_stopped()
    second = run.start(log=tmp_path / "log")
    assert second.end() == 1
    (line,) = second.errors
    assert line.startswith(f"error: {run.folder}/")
    assert line.endswith(": another process is at work here; wait for it, or end it")
    os.kill(first.process.pid, signal.SIGCONT)
    assert first.end() == 0
    assert run.content() == run.expected


def check_refused(step, folder, message):
    """Check that a step ended in one line, and left no file."""
    assert step.end() == 1
    (line,) = step.errors
    assert line.startswith("error: ")
    assert message in line
    assert str(folder) in line
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", [*STEPS, *FORMATS])
class TestNoRoom:
    @pytest.mark.parametrize("kib", [4, 8])
    def test_on_a_full_disk_is_one_line_and_no_file(self, name, kib, argvs, small_disk, tmp_path):
        script, argv = argvs[name]
        disk = small_disk(f"size={kib}k")
        check_refused(Step(script, argv(disk / "out"), tmp_path / "log"), disk, "No space left on device")

    def test_on_a_read_only_disk_is_one_line(self, name, argvs, small_disk, tmp_path):
        script, argv = argvs[name]
        disk = small_disk("ro,size=1m")
        check_refused(Step(script, argv(disk / "out"), tmp_path / "log"), disk, "Read-only file system")

    @pytest.mark.parametrize("n_bytes", [0, 3000])
    def test_of_a_quota_is_one_line_and_no_file(self, name, n_bytes, argvs, tmp_path):
        script, argv = argvs[name]
        (tmp_path / "out").mkdir()
        step = Step(script, argv(tmp_path / "out"), Path("/dev/null"), largest_file(n_bytes))
        assert step.end() == 1
        assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["create", "select"])
def test_outputs_are_all_new_or_all_former_ones(name, argvs, tmp_path):
    """A limit on the size of files stops the second run in the larger one of its files, after others are whole."""
    script, argv = argvs[name]
    folder = tmp_path / "out"

    def files():
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert Step(script, argv(folder), tmp_path / "log").end() == 0
    former = files()
    largest, second = sorted((len(content) for path, content in former.items() if path.suffix == ".h5"), reverse=True)
    step = Step(script, [*argv(folder), "--seed=2"], tmp_path / "log", largest_file((largest + second) // 2))
    assert step.end() == 1, step.log.read_text()
    assert files() == former
    assert Step(script, [*argv(folder), "--seed=2"], tmp_path / "log").end() == 0
    assert not {path for path, content in files().items() if path.suffix == ".h5" and former[path] == content}


@pytest.fixture(scope="module")
def languages(tmp_path_factory):
    """Return a folder with a language whose decimal point is a comma, in an encoding of its own."""
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(folder / "de_DE.iso88591")]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no language can be compiled here, for which Debian has the package locales: {error}")
    return folder


@pytest.mark.parametrize("name", ["create", "select", "analyse"])
def test_language_time_zone_and_clock_change_nothing(name, undisturbed, languages, tmp_path):
    run = undisturbed(name)
    for fault in (elsewhere(languages, "de_DE.iso88591", "Pacific/Kiritimati"), jumping_clock):
        run.empty()
        assert run.start(fault).end() == 0
        assert run.content() == run.expected


def test_a_name_of_any_language_is_written_the_same_everywhere(smeared_folder, languages, tmp_path):
    """Text is in UTF-8 whatever that of the machine is; the whole interpreter runs in its language."""
    words = [ROOT / "create_L1regression_data.py", f"--input=Z\u00fcrich={smeared_folder}/w.h5"]
    words += [f"--train_output={tmp_path}/a b/train.h5", f"--test_output={tmp_path}/a b/test.h5"]
    written = []
    for language, encoding in (("C", "utf-8"), ("de_DE.iso88591", "latin-1")):
        run = subprocess.run(
            [sys.executable, *(str(word).encode(encoding) for word in words)],
            env={**os.environ, "LC_ALL": language, "LOCPATH": str(languages)},
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        written.append([path.read_bytes() for path in sorted((tmp_path / "a b").iterdir())])
    assert written[0] == written[1]
    with h5py.File(tmp_path / "a b" / "test.h5") as file:
        assert file["ids_names"][0].decode() == "Z\u00fcrich_1"


@pytest.mark.parametrize("name", ["generate", "create"])
def test_a_name_that_is_no_text_is_refused(name, argvs, tmp_path):
    script, argv = argvs[name]
    odd = "--process=\udcff" if name == "generate" else f"--input=\udcff={tmp_path}"
    step = Step(script, [*argv(tmp_path / "out"), odd], tmp_path / "log")
    assert step.end() in (1, 2)
    assert "expected" in step.errors[-1]
    assert not any("Traceback" in line for line in step.errors)


@pytest.mark.parametrize("name", STEPS)
def test_an_output_through_a_link_that_leads_nowhere_is_one_line(name, argvs, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    script, argv = argvs[name]
    step = Step(script, argv(tmp_path / "link"), tmp_path / "log")
    assert step.end() == 1
    assert step.errors == [f"error: {tmp_path}/link: is a link to {tmp_path}/nowhere, which does not exist"]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(("name", "flag"), [("create", "--input=QCD="), ("select", "--input="), ("analyse", "--data=")])
def test_an_input_that_is_a_link_that_leads_nowhere_is_one_line(name, flag, argvs, tmp_path):
    link = tmp_path / "link.h5"
    link.symlink_to(tmp_path / "nowhere.h5")
    script, argv = argvs[name]
    step = Step(script, [*argv(tmp_path / "out"), f"{flag}{link}"], tmp_path / "log")
    assert step.end() == 1
    assert step.errors == [f"error: {link}: is a link to {tmp_path}/nowhere.h5, which does not exist"]
