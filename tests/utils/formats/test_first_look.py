"""First look at foreign files: it ends with a result or an error that names the file, within its bounds."""

import os
import resource
import signal

import psutil
import pytest

from tests.toys import random_l1_events
from utils.cutflow import Cutflow, StepCounts
from utils.formats import first_look as first_look_module
from utils.formats.first_look import first_look, memory_limited
from utils.formats.l1_files import L1Dataset, new_l1_file
from utils.runtime.errors import UserError

CUTFLOW = Cutflow((StepCounts("generate", "generated", {"QCD": 4}, {"events": {"QCD": 4}}, {}),), "events")


@pytest.fixture(autouse=True)
def one_second(monkeypatch):
    monkeypatch.setattr(first_look_module, "CPU_SECONDS", 1)


@pytest.fixture(autouse=True)
def no_child_is_left():
    before = psutil.Process().children()
    yield
    assert psutil.Process().children() == before


@pytest.fixture
def paths(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name * 3)
    return paths


def only(bad, what):
    """Return what does something at one file, and reads the others."""

    def look(path):
        return what() if path == bad else path.read_text()

    return look


def loop():
    while True:
        pass


def test_results_come_in_the_order_of_the_files(paths):
    assert first_look(lambda path: (path, path.read_text()), paths) == [(path, path.name * 3) for path in paths]
    assert first_look(loop, []) == []


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (loop, "b: cannot be read, .* within 1 s of CPU time"),
        (lambda: bytearray(1 << 30), "b: takes more than 512 MiB of memory"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "b: cannot be read, .* ends with SIGKILL"),
    ],
)
def test_the_file_that_goes_beyond_a_bound_is_named(what, message, paths):
    with pytest.raises(UserError, match=message):
        first_look(only(paths[1], what), paths)


def test_the_error_of_a_file_is_raised_as_it_is(paths):
    def missing():
        raise UserError("b: dataset 'x' is missing")

    with pytest.raises(UserError, match=r"^b: dataset 'x' is missing$"):
        first_look(only(paths[1], missing), paths)
    with pytest.raises(EOFError):
        first_look(only(paths[1], lambda: (_ for _ in ()).throw(EOFError())), paths)


def test_an_interrupt_ends_it_at_once(paths, monkeypatch):
    """By the CPU time of the child, which does not depend on what else runs: it ends long before its bound."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr(first_look_module, "CPU_SECONDS", 20)
    former = signal.signal(signal.SIGALRM, interrupt)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            first_look(only(paths[1], loop), paths)
    finally:
        signal.signal(signal.SIGALRM, former)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10


def test_memory_is_limited_until_the_end_of_the_block():
    with memory_limited(1 << 27), pytest.raises(MemoryError):
        bytearray(1 << 30)
    assert len(bytearray(1 << 28)) == 1 << 28


@pytest.fixture
def l1_file(tmp_path):
    """A file with a cutflow, whose text is in a heap of the HDF5 library."""
    with new_l1_file(tmp_path / "x.h5", {1: "QCD", 2: "W"}, seed=1, made_by={}) as file:
        file.append(random_l1_events(10))
        file.record(CUTFLOW)
    return tmp_path / "x.h5"


def test_the_cutflow_comes_with_the_file(l1_file):
    assert L1Dataset.check(l1_file).cutflow == CUTFLOW


def test_a_zeroed_heap_is_not_an_endless_loop(l1_file):
    """It is one in HDF5 1.14, where the bound on the time ends it; another version may end with an error."""
    content = bytearray(l1_file.read_bytes())
    heap = content.find(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)
    l1_file.write_bytes(content)
    with pytest.raises(UserError, match=r"^\S*x\.h5: "):
        L1Dataset.check(l1_file)
