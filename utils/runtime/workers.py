"""Work in threads or processes with results in order, so that the output does not depend on their number.

Threads are faster only where the work releases Python's lock: compiled loops, random numbers and compression.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from utils.runtime.compiled import compile_in_threads
from utils.runtime.errors import EXIT_FAILED, UserError
from utils.runtime.signals import SIGNALS

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


@contextmanager
def process_map(n_workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Give a function like `map` that works in other processes; with one worker it is `map` itself.

    The processes load the libraries while this one goes on. They are new ones, since a fork of a process with threads
    of TensorFlow may hang. The function and its arguments have to be picklable.

    Raises
    ------
    UserError
        If a process is killed, as the system does where memory is short.
    """
    if n_workers == 1:
        yield map
        return
    workers = ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn"), _end_with_parent)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # which the processes keep: only this one unwinds
    try:
        for _ in range(n_workers):  # each task starts a process
            workers.submit(os.getpid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield workers.map
    except BrokenProcessPool:
        raise UserError(f"one of {n_workers} worker processes was killed; fewer --workers take less memory") from None
    finally:
        workers.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """End this worker process when its parent is killed, or when the pool terminates it after another was killed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(EXIT_FAILED)

    threading.Thread(target=watch, daemon=True).start()
