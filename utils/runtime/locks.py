"""Locks that let one process at a time write to a place."""

import errno
import fcntl
import functools
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from utils.runtime import signals
from utils.runtime.errors import UserError

logger = logging.getLogger(__name__)

# Errors of a file system without locks.
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def lock_file(path: Path, place: str | Path) -> IO[str]:
    """Open a file and hold its lock until the file is closed or the process ends.

    Raises
    ------
    UserError
        If another process holds the lock, or the file cannot be made. The message names the `place` that it protects.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        except OSError as error:
            raise UserError(f"{place}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise UserError(f"{place}: another process is at work here; wait for it, or end it") from None
        except OSError as error:
            _warn_of_no_locks(path.parent, str(error))
        # The process that held the lock may have removed the file in the meantime.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()


@functools.cache
def _warn_of_no_locks(folder: Path, error: str) -> None:
    logger.warning("%s: this file system has no locks (%s): start one process at a time", folder, error)


@contextmanager
@signals.uninterrupted
def sole_writer(lock: Path, place: Path) -> Iterator[None]:
    """Hold the lock of a file, so that one process at a time writes to a place; remove the file at the end."""
    with ExitStack() as stack:
        stack.enter_context(lock_file(lock, place))
        stack.enter_context(signals.temporary(lock))
        yield
