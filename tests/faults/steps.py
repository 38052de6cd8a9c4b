"""Scripts that run in processes of their own, in which something goes wrong."""

import locale
import multiprocessing
import multiprocessing.forkserver
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np

SCRIPTS = (
    *("generate_events", "create_L1regression_data", "selective_sampling_jets", "analyze_results_teacher"),
    "apply_correction",
)

# Processes are forked from one that has imported the scripts and nothing of TensorFlow.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([*SCRIPTS, "utils.plotting.selective_sampling", "tests.faults.steps"])


def preload(*modules: str) -> None:
    """Fork the processes from now on from one that has imported other modules, which may be slow."""
    multiprocessing.forkserver._forkserver._stop()  # a new one is started with the next process
    processes.set_forkserver_preload([*modules, "tests.faults.steps"])


Fault = Callable[[], None]
CHANGES_OF_FILES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "fcntl.flock")


class Step:
    """A call of a script; its process has no descriptor of the test's, and writes to a log.

    Parameters
    ----------
    script : str
    argv : sequence
    log : Path
    fault : callable, optional
        Called in the process before the script.
    """

    def __init__(self, script: str, argv: Sequence[object], log: Path, fault: Fault | None = None):
        self.log = log
        words = [str(word) for word in argv]
        self.process = processes.Process(target=_run, args=(script, words, log, fault), daemon=True)
        self.process.start()

    def end(self) -> int:
        """Wait for its end and return its exit code, below 0 for a signal."""
        self.process.join()
        return self.process.exitcode

    @property
    def errors(self) -> list[str]:
        """The lines that are not of the log, which begin with the time."""
        return [line for line in self.log.read_text().splitlines() if not re.match(r"\d\d:\d\d", line)]

    def wait_until_stopped(self) -> None:
        """Wait until the process has stopped itself."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            assert self.process.is_alive()
            time.sleep(0.02)


def _run(script: str, argv: list[str], log: Path, fault: Fault | None) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    module = import_module(script)
    if script == "analyze_results_teacher":
        module.load = _halving_model
        module.figures = lambda results: {}
    if script == "apply_correction":
        module.load = _halving_correction
    if fault:
        fault()
    sys.exit(module.main(argv))


def _halving_model(training):
    """Stand for a network, whose import and prediction are not what is tested here."""
    from utils.predictions import Model

    correct = Model(training.creator.features, lambda features: np.full(len(features), 0.5, np.float32))
    return SimpleNamespace(model=correct, attention=None)


def _halving_correction(folder):
    """Stand for the correction of a network."""
    from utils.predictions import CorrectedSums
    from utils.training.records import read_training

    model = _halving_model(read_training(folder)).model
    return SimpleNamespace(sums=partial(CorrectedSums.predicted, variable="true_met", model=model))


# Faults


def _signal_at(change: int, number: int, name: str = "") -> None:
    """Send a signal to this process just before it changes files, of a name with some text in it, for the nth time."""
    left, process = [change], os.getpid()

    def hook(event: str, args: tuple) -> None:
        if os.getpid() != process:  # a child that reads
            return
        opened = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (opened or event in CHANGES_OF_FILES) and name in str(args[0]):
            left[0] -= 1
            if left[0] == -1:
                signal.raise_signal(number)

    sys.addaudithook(hook)


def kill_at(change: int) -> Fault:
    """Kill the process just before a change of the files, counted from 0."""
    return partial(_signal_at, change, signal.SIGKILL)


def end_at(change: int, number: int, name: str = "") -> Fault:
    """Ask the process to end there, as batch systems do with SIGTERM; `name` as in stop_at_file."""
    return partial(_signal_at, change, number, name)


def stop_at(change: int) -> Fault:
    """Stop the process there."""
    return partial(_signal_at, change, signal.SIGSTOP)


def stop_at_file(name: str) -> Fault:
    """Stop the process just before its first change of a file with some text in its name."""
    return partial(_signal_at, 0, signal.SIGSTOP, name)


def kill_after(seconds: float) -> Fault:
    """Kill the process after a time."""
    return partial(_kill_after, seconds)


def _kill_after(seconds: float) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)  # whose signal ends a process at once, like SIGKILL


def largest_file(n_bytes: int) -> Fault:
    """Let no file grow beyond a size."""
    return partial(resource.setrlimit, resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def elsewhere(languages: Path, language: str, zone: str) -> Fault:
    """Set the language, one of those in a folder, for all that C and C++ do, and the time zone."""
    return partial(_elsewhere, languages, language, zone)


def _elsewhere(languages: Path, language: str, zone: str) -> None:
    os.environ |= {"LOCPATH": str(languages), "TZ": zone}
    locale.setlocale(locale.LC_ALL, language)
    assert locale.localeconv()["decimal_point"] == ","
    time.tzset()


def jumping_clock() -> None:
    """Let the clock jump by hours, forth and back, each time that it is read."""
    true, jumps = time.time, np.random.default_rng(1)
    time.time = lambda: true() + jumps.uniform(-1e4, 1e4)
