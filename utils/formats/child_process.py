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

END = None  # after the last item


def fork() -> int:
    """Fork without the warning on threads: the child does not inherit those of this process, and needs none of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def limit(what: int, value: int) -> None:
    """Limit a resource of this process, at most as far as it is limited already."""
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (min(value, soft) if soft >= 0 else value, hard))


def limit_memory(n_bytes: int) -> None:
    """Limit the address space of this process to what it has and so many bytes more, without a core file of a crash."""
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_AS, virtual + n_bytes)


def end(status: int) -> str:
    """Describe the end of a child process by the status of `os.waitpid`."""
    code = os.waitstatus_to_exitcode(status)
    return f"ends with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"


def from_child(
    produce: Callable[[], Iterator[Item]], path: Path, library: str, memory: int
) -> Generator[Item, None, None]:
    """Yield what a function yields in a child process, one item after the other.

    Parameters
    ----------
    produce : callable
        Returns an iterator of objects that can be pickled, none of them None. Its output to stdout is lost.
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
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        os.close(reading)
        _produce_and_leave(produce, path, memory, writing)
    os.close(writing)
    status = None
    try:
        with os.fdopen(reading, "rb") as pipe:
            while (item := pickle.load(pipe)) is not END:
                if isinstance(item, Exception):
                    raise item
                yield item
    except (EOFError, pickle.UnpicklingError):
        _, status = os.waitpid(child, 0)
        raise UserError(f"{path}: cannot be read, the file is damaged: {library} {end(status)}") from None
    finally:
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _produce_and_leave(produce: Callable[[], Iterator[Item]], path: Path, memory: int, writing: int) -> NoReturn:
    """Write the items to the pipe, then the end or the error."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        limit_memory(memory)
        with os.fdopen(writing, "wb") as pipe, contextlib.suppress(BrokenPipeError):
            try:
                for item in produce():
                    pickle.dump(item, pipe)
                    pipe.flush()
                pickle.dump(END, pipe)
            except MemoryError:
                pickle.dump(UserError(f"{path}: takes more than {memory >> 20} MiB of memory to be read"), pipe)
            except Exception as error:
                pickle.dump(error, pipe)
    finally:
        os._exit(0)
