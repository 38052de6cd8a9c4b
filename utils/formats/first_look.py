"""First look at foreign files in a child process, with bounds on its time and memory.

A few wrong bytes may crash the HDF5 library, or send it into an endless loop that only SIGKILL ends. The child process
contains both, and this process reports the file.
"""

import functools
import math
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from utils.formats.child_process import ChildEndedError, child_items, limit
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
    seconds, found = seconds or CPU_SECONDS, list[Found]()
    try:
        for result in child_items(functools.partial(_results, look, paths, seconds), MEMORY):
            found.append(result)
    except MemoryError:
        raise UserError(f"{paths[len(found)]}: takes more than {MEMORY >> 20} MiB of memory to be looked at") from None
    except ChildEndedError as ended:
        path = Path(paths[len(found)])
        too_long = f"does not come to an end within {_cpu_seconds(path, seconds)} s of CPU time"
        end = too_long if ended.code == -signal.SIGXCPU else ended
        raise UserError(f"{path}: cannot be read, the file is damaged: {library} {end}") from None
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


def _results(look: Callable[[Path], Found], paths: Sequence[str | Path], seconds: int) -> Iterator[Found]:
    """Yield the result of each file, with a limit of CPU time for each."""
    for path in map(Path, paths):
        cpu_seconds = math.ceil(time.process_time()) + _cpu_seconds(path, seconds)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (min(cpu_seconds, hard) if hard >= 0 else cpu_seconds, hard))
        yield look(path)


def _cpu_seconds(path: Path, seconds: int) -> int:
    """Return the CPU time that a file may take, by its size on disk."""
    return seconds * (1 + (512 * path.stat().st_blocks >> 30 if path.exists() else 0))
