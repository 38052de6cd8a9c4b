"""Work in threads: results in order, bounded, and stopped after an error."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from utils.runtime import workers
from utils.runtime.workers import in_order, worker_threads


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
    root = Path(workers.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
