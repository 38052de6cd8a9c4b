"""Work in threads with results in order, so that the output does not depend on the number of threads.

Threads are faster only where the work releases Python's lock: compiled loops, random numbers and compression.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from utils.runtime.compiled import compile_in_threads

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def worker_threads(n_workers: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads; pending work is dropped when the block ends with an error."""
    compile_in_threads()
    workers = ThreadPoolExecutor(n_workers)
    try:
        yield workers
    except BaseException:
        workers.shutdown(cancel_futures=True)
        raise
    workers.shutdown()


def in_order(
    workers: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Apply a function to items in threads, and yield the results in the order of the items.

    Parameters
    ----------
    workers : Executor
    function : callable
    items : iterable
    ahead : int
        Largest number of results that wait, which bounds the memory.
    """
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(workers.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
