"""First look at foreign files in a child process, with bounds on its time and memory.

A few wrong bytes may crash the HDF5 library, or send it into an endless loop that only SIGKILL ends. The child process
contains both, and this process reports the file.
"""

import math
import os
import pickle
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from utils.formats.child_process import end, fork, limit, limit_memory
from utils.runtime.errors import UserError

Found = TypeVar("Found")

CPU_SECONDS = 5  # per file, and again per GiB: HDF5 counts 4 million chunks a second
MEMORY = 1 << 29  # bytes for all files, in addition to those of this process


def first_look(
    look: Callable[[Path], Found],
    paths: Sequence[str | Path],
    library: str = "the HDF5 library",
    seconds: int | None = None,
) -> list[Found]:
    """Apply a function that reads a file to several files, in one child process.

    Parameters
    ----------
    look : callable
        Takes a path, and returns an object that can be pickled.
    paths : sequence of str or Path
    library : str
        What reads the files, for errors.
    seconds : int, optional
        CPU time for a file; by default `CPU_SECONDS`.

    Returns
    -------
    list
        Result for each path.

    Raises
    ------
    UserError
        If a file exceeds the bounds on time or memory, or crashes the library. Errors of `look` are raised again.
    """
    seconds = seconds or CPU_SECONDS
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        _look_and_leave(look, paths, writing, seconds)
    os.close(writing)
    found: list[Found] = []
    error, status = None, None
    try:
        with os.fdopen(reading, "rb") as pipe:
            while len(found) < len(paths) and not error:
                result = pickle.load(pipe)
                if isinstance(result, Exception):
                    error = result
                found.append(result)
    except (EOFError, pickle.UnpicklingError):
        path, (_, status) = paths[len(found)], os.waitpid(child, 0)
        raise UserError(
            f"{path}: cannot be read, the file is damaged: {library} {_end(status, Path(path), seconds)}"
        ) from None
    finally:
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if error:
        raise error
    return found


@contextmanager
def memory_limited(n_bytes: int) -> Iterator[None]:
    """Limit the memory that this process may allocate in addition; a larger allocation is a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    _, _, _, _, _, data, _ = map(int, Path("/proc/self/statm").read_text().split())
    limit(resource.RLIMIT_DATA, data * resource.getpagesize() + n_bytes)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _look_and_leave(look: Callable[[Path], Any], paths: Sequence[str | Path], writing: int, seconds: int) -> NoReturn:
    """Write the result of each file to the pipe, until the first error."""
    try:
        limit_memory(MEMORY)
        with os.fdopen(writing, "wb") as pipe:
            for path in map(Path, paths):
                result = _result(look, path, seconds)
                pickle.dump(result, pipe)
                pipe.flush()
                if isinstance(result, Exception):
                    break
    finally:
        os._exit(0)


def _result(look: Callable[[Path], Any], path: Path, seconds: int) -> Any:
    """Return the result of a file, or its error."""
    try:
        cpu_seconds = math.ceil(time.process_time()) + _cpu_seconds(path, seconds)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (min(cpu_seconds, hard) if hard >= 0 else cpu_seconds, hard))
        return look(path)
    except MemoryError:
        return UserError(f"{path}: takes more than {MEMORY >> 20} MiB of memory to be looked at")
    except Exception as error:
        return error


def _cpu_seconds(path: Path, seconds: int) -> int:
    """Return the CPU time that a file may take, by its size on disk."""
    return seconds * (1 + (512 * path.stat().st_blocks >> 30 if path.exists() else 0))


def _end(status: int, path: Path, seconds: int) -> str:
    """Describe how a child process ended that gave no result."""
    if os.waitstatus_to_exitcode(status) == -signal.SIGXCPU:
        return f"does not come to an end within {_cpu_seconds(path, seconds)} s of CPU time"
    return end(status)
