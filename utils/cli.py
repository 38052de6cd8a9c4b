"""The frame of the command-line scripts: logging, errors, exit codes, progress."""

import functools
import logging
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from utils.runtime import signals
from utils.runtime.errors import EXIT_DONE, EXIT_FAILED, UserError

logger = logging.getLogger(__name__)

LONGEST_LINE = 900
CPU_TIME = "%.1f s of CPU time"  # the last line of the log of a script that has done its work


def script(main: Callable[..., None]) -> Callable[..., int]:
    """Turn the body of a script into ``main(argv=None) -> int``.

    Progress is logged to stderr, at the end with the CPU time. A :class:`~utils.runtime.errors.UserError` or an error
    of the operating system becomes one line ``error: ...`` on stderr and exit code 1. A signal that ends the process
    becomes one line and exit code 128 plus its number. Wrong usage exits with code 2.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
        whole_process = argv is None
        if whole_process:
            sys.excepthook = sys.__excepthook__  # an unexpected error from here on is a bug
        try:
            with signals.handling():
                code = _exit_code(main, argv)
                if whole_process and code == EXIT_DONE:
                    logger.info(CPU_TIME, cpu_seconds())
                if whole_process:
                    signals.leave_with(code)
        except signals.Ended as ended:  # after the work, or before it
            code = signals.report(*ended.args)
        except SystemExit as left:
            if whole_process and isinstance(left.code, int):
                signals.leave_with(left.code)
            raise
        return code

    return run


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _exit_code(main: Callable[..., None], argv: Sequence[str] | None) -> int:
    """Run the body of a script, and report a failure in one line."""
    try:
        main(argv)
    except BaseException as error:
        if (number := signals.received()) is not None:
            return signals.report(number)
        if isinstance(error, KeyboardInterrupt):
            return signals.report(signal.SIGINT)
        if isinstance(error, MemoryError):
            return _fail(f"not enough memory: {error}")
        if isinstance(error, UserError | OSError | ImportError):
            return _fail(_one_line(error))
        raise
    return EXIT_DONE


def _fail(message: str) -> int:
    """Report why a script fails, if stderr is open."""
    with suppress(OSError):
        print(f"error: {message}", file=sys.stderr, flush=True)
    return EXIT_FAILED


def _one_line(error: Exception) -> str:
    """Return the message of an error as one line, shortened in the middle if it is very long."""
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE // 2]} [...] {text[-LONGEST_LINE // 4 :]}"
