"""What a library reads from a file, read in a child process: damaged files crash libraries written in C++."""

import contextlib
import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

from utils.runtime.errors import UserError

Item = TypeVar("Item")


class ChildEndedError(Exception):
    """A child process ended before its last item; `code` is its exit code, or a negative number of a signal."""

    def __init__(self, code: int):
        super().__init__(f"ends with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}")
        self.code = code


def limit(what: int, value: int) -> None:
    """Limit a resource of this process, at most as far as it is limited already."""
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (min(value, soft) if soft >= 0 else value, hard))


def limit_memory(n_bytes: int) -> None:
    """Limit the address space of this process to what it has and so many bytes more, without a core file of a crash."""
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, virtual + n_bytes)


def from_child(
    produce: Callable[[], Iterator[Item]], path: Path, library: str, memory: int
) -> Generator[Item, None, None]:
    """Yield what a function yields in a child process that reads a file, one item after the other.

    Parameters
    ----------
    produce : callable
        As of :func:`child_items`.
    path : Path
        File that it reads, for messages.
    library : str
        Library that reads it, for messages.
    memory : int
        Bytes that the child may take beyond what this process has.

    Raises
    ------
    UserError
        If the child crashes or takes more memory. Errors of `produce` are raised again.
    """
    try:
        yield from child_items(produce, memory)
    except MemoryError:
        raise UserError(f"{path}: takes more than {memory >> 20} MiB of memory to be read") from None
    except ChildEndedError as ended:
        raise UserError(f"{path}: cannot be read, the file is damaged: {library} {ended}") from None


def child_items(produce: Callable[[], Iterator[Item]], memory: int) -> Generator[Item, None, None]:
    """Yield what a function yields in a child process, one item after the other.

    Parameters
    ----------
    produce : callable
        Returns an iterator of objects that can be pickled. Its output to stdout is lost.
    memory : int
        Bytes that the child may take beyond what this process has.

    Raises
    ------
    ChildEndedError
        If the child ends before its last item. Errors of `produce` are raised again.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # The child does not inherit the threads of this process, and needs none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _produce_and_leave(produce, memory, writing)
    os.close(writing)
    status = None
    try:
        with os.fdopen(reading, "rb") as pipe:
            while True:
                try:
                    item = pickle.load(pipe)
                except (EOFError, pickle.UnpicklingError):
                    _, status = os.waitpid(child, 0)
                    raise ChildEndedError(os.waitstatus_to_exitcode(status)) from None
                if isinstance(item, StopIteration):
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
    finally:
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _produce_and_leave(produce: Callable[[], Iterator[Item]], memory: int, writing: int) -> NoReturn:
    """Write the items to the pipe, then StopIteration or the error."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        limit_memory(memory)
        with os.fdopen(writing, "wb") as pipe, contextlib.suppress(BrokenPipeError):
            try:
                for item in produce():
                    pickle.dump(item, pipe)
                    pipe.flush()
                pickle.dump(StopIteration(), pipe)
            except Exception as error:
                pickle.dump(error, pipe)
    finally:
        os._exit(0)
