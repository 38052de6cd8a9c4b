"""Signals of a batch system, a closed terminal or Ctrl-C: the script ends with one line and leaves no temporary files.

At the first signal the main thread unwinds, as after an error. At the second signal, or if the unwinding takes too long
in the code of a library, the process ends at once. Temporary files are removed in both cases.
"""

import atexit
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

SIGNALS = (
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGXCPU,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
SECONDS_TO_UNWIND = 5


class Ended(BaseException):
    """A signal ends this process; the argument is its number."""


class _State:
    """State of the process for its signal handlers."""

    number: int | None = None  # number of the first signal
    raised = False
    leaves = False
    exit_code: int | None = None
    n_deferring = 0
    said = False
    temporary: tuple[Path, ...] = ()


_uninterrupted: set[CodeType] = set()
_resending = threading.Lock()  # held while a signal is sent again


def handled() -> list[signal.Signals]:
    """Return the signals that end this process; nohup and shells may make it ignore some."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def received() -> int | None:
    """Return the number of the signal that ends this process, or None."""
    return _State.number


def report(number: int) -> int:
    """Report once that a signal ends this process, and return its exit code."""
    if not _State.said:
        _State.said = True
        reason = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        with suppress(OSError, AttributeError):  # the terminal is closed
            sys.stderr.write(f"error: {reason}\n")
            sys.stderr.flush()
    return 128 + number


def end(number: int) -> None:
    """End this process at once, without waiting for its threads."""
    for _ in range(3):  # a thread may still write a file into a folder
        remove_temporary()
    os._exit(report(number))


def end_now(number: int, frame: FrameType | None) -> None:
    """Signal handler that ends this process at once."""
    end(number)


def leave() -> None:
    """Leave the process without finalising the interpreter, during which threads of TensorFlow may crash."""
    if _State.exit_code is not None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, AttributeError, ValueError):
                stream.flush()
        os._exit(_State.exit_code)


def leave_at_end() -> None:
    """Let this process of a script end by :func:`leave`; called before any library is loaded.

    The function that is registered first is called last.
    """
    _State.leaves = True
    atexit.register(leave)


def leave_with(exit_code: int) -> None:
    """Set the exit code of :func:`leave`."""
    if _State.leaves:
        _State.exit_code = exit_code


@contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Remove a file or folder when the block ends, or when a signal ends the process."""
    with deferred():
        _State.temporary = (*_State.temporary, path)
    try:
        yield path
    finally:
        with deferred():
            _remove(path)
            _State.temporary = tuple(other for other in _State.temporary if other != path)


def remove_temporary() -> None:
    """Remove all files and folders of :func:`temporary`."""
    for path in reversed(_State.temporary):
        with suppress(OSError):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def deferred() -> Iterator[None]:
    """Defer signals during a block; they take effect soon after."""
    if not _in_main_thread():
        yield
        return
    _State.n_deferring += 1
    try:
        yield
    finally:
        _State.n_deferring -= 1


def uninterrupted(function: Function) -> Function:
    """Mark a function that signals do not interrupt; they take effect soon after it returns.

    For a context manager this holds for its entry and exit, not for the block.
    """
    _uninterrupted.add(function.__code__)
    return function


def _within_uninterrupted(frame: FrameType | None) -> bool:
    while frame is not None:
        # h5py would report an interrupted clean-up as a failure.
        if frame.f_code in _uninterrupted or frame.f_globals.get("__name__", "").startswith("h5py."):
            return True
        frame = frame.f_back
    return False


@contextmanager
def handling() -> Iterator[None]:
    """Raise :class:`Ended` in the main thread at the first signal, and ensure that the process ends."""
    if not _in_main_thread():
        yield
        return
    reading, writing = os.pipe()  # a byte for each signal
    os.set_blocking(writing, False)
    before = {number: signal.signal(number, _raise) for number in handled()}
    descriptor = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watching = threading.Thread(target=_watch, args=(reading, threading.get_ident()), daemon=True)
    watching.start()
    try:
        yield
    finally:
        with _resending:
            _State.raised = True  # nothing is interrupted from here on
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        if _State.number is None or _State.exit_code is None:  # otherwise the process still has to end
            os.close(writing)
            watching.join(timeout=1)
            _State.number, _State.raised, _State.said = None, False, False


def _forget() -> None:
    """Restore the default actions of signals in a child process, and leave temporary files to its parent."""
    if any(signal.getsignal(number) in (_raise, end_now) for number in SIGNALS):
        if (descriptor := signal.set_wakeup_fd(-1)) >= 0:
            os.close(descriptor)
        for number in handled():
            signal.signal(number, signal.SIG_DFL)
        _State.temporary = ()


os.register_at_fork(after_in_child=_forget)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _raise(number: int, frame: FrameType | None) -> None:
    """Note the first signal, and interrupt the main thread as soon as that is allowed."""
    _State.number = _State.number or number
    if not _State.n_deferring and not _State.raised and not _within_uninterrupted(frame):
        _State.raised = True
        raise Ended(number)


def _watch(reading: int, main_thread: int) -> None:
    """Wait for a signal, then for the end of the main thread, and end the process if the main thread does not end.

    The descriptor delivers a byte for each signal, and is closed when the watch is over.
    """
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while (byte := pipe.read(1)) and byte[0] not in SIGNALS:
            pass
        if not byte:
            return
        number, end_by, n_came, n_repeated = byte[0], time.monotonic() + SECONDS_TO_UNWIND, 1, 0
        while time.monotonic() < end_by and n_came <= 1 + n_repeated:
            with _resending:
                if not _State.raised:  # it came in an uninterrupted function
                    n_repeated += 1
                    signal.pthread_kill(main_thread, number)
            if select.select([pipe], [], [], 0.1)[0]:
                if not (byte := pipe.read(1)):
                    return
                n_came += byte[0] in SIGNALS
        end(number)
