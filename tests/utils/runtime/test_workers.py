"""Work in threads and processes: results in order, bounded, and stopped after an error."""

import operator
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from utils.runtime import workers
from utils.runtime.errors import UserError
from utils.runtime.workers import in_order, process_map, worker_threads

ROOT = Path(workers.__file__).parents[2]


@pytest.mark.parametrize("n_workers", [1, 2, 7])
def test_results_are_in_the_order_of_the_items(n_workers):
    first_may_end = threading.Event()

    def square(number):
        if number == 0 and n_workers > 1:
            first_may_end.wait(10)
        if number == 1:
            first_may_end.set()
        return number**2

    with worker_threads(n_workers) as workers:
        assert list(in_order(workers, square, range(100), ahead=5)) == [number**2 for number in range(100)]


def test_no_more_items_are_taken_than_allowed_to_wait():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    with worker_threads(3) as workers:
        for number in in_order(workers, lambda number: number, items(), ahead=4):
            assert len(taken) <= number + 5


def test_the_error_of_an_item_is_raised_and_pending_work_is_dropped():
    done = []

    def work(number):
        if number == 3:
            raise ValueError("item 3")
        done.append(number)

    with pytest.raises(ValueError, match="item 3"), worker_threads(1) as workers:
        list(in_order(workers, work, range(1000), ahead=500))
    assert len(done) < 1000


def test_an_error_of_the_block_drops_pending_work():
    hold, done = threading.Event(), []

    def work(number):
        hold.wait(10)
        done.append(number)

    with pytest.raises(ValueError, match="block"), worker_threads(1) as workers:
        for number in range(50):
            workers.submit(work, number)
        threading.Timer(0.2, hold.set).start()
        raise ValueError("block")
    assert len(done) <= 1


def test_compilers_are_loaded_before_threads_start():
    """Otherwise a thread that compiles may find Numba's tables changing."""
    code = """
import sys
from utils.runtime.random_streams import uniforms
from utils.runtime.workers import worker_threads

with worker_threads(2) as workers:
    before = set(sys.modules)
    workers.submit(uniforms, 1, "validation", "", 0, 10).result()
loaded = {name for name in set(sys.modules) - before if name.split(".")[0] in ("awkward", "vector")}
sys.exit(bool(loaded))
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


PID = "__import__('os').getpid()"


def test_processes_give_results_in_order_and_the_first_error_and_ignore_ctrl_c():
    with process_map(2) as map_in_processes:
        (worker,) = map_in_processes(eval, [PID])
        assert worker != os.getpid()
        os.kill(worker, signal.SIGINT)
        assert list(map_in_processes(pow, range(20), [2] * 20)) == [number**2 for number in range(20)]
        with pytest.raises(ZeroDivisionError):
            list(map_in_processes(operator.truediv, [1, 1], [1, 0]))


def test_one_worker_is_this_process():
    with process_map(1) as map_here:
        assert list(map_here(eval, [PID])) == [os.getpid()]


def test_a_killed_process_is_one_line():
    with pytest.raises(UserError, match="one of 2 worker processes was killed"), process_map(2) as map_in_processes:
        list(map_in_processes(signal.raise_signal, [signal.SIGKILL]))


def test_processes_end_when_their_parent_is_killed():
    """They have its standard output, whose end is seen here only when all of them have ended."""
    code = """
import os, signal
from utils.runtime.workers import process_map

with process_map(2) as map_in_processes:
    print(*map_in_processes(pow, [3], [4]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout) == (-signal.SIGKILL, "81\n")
