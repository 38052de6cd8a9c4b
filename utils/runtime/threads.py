"""The threads of a process, and of TensorFlow's operations in it."""

import functools
import os

VARIABLE = "TF_NUM_INTRAOP_THREADS"

# A step of fewer events takes longer if its operations are divided: to wake a thread costs as much as its work.
EVENTS_A_THREAD = 1024


@functools.cache
def n_threads() -> int:
    """Return the number of threads that this process may use: the value of `VARIABLE`, or the number of processors."""
    return int(os.environ.get(VARIABLE, len(os.sched_getaffinity(0))))


def divide_operations(n_events: int) -> None:
    """Let TensorFlow divide each operation over as many threads as pay for a batch of so many events.

    Independent operations of a step still run at the same time. This has no effect once TensorFlow has begun.
    """
    os.environ[VARIABLE] = str(max(1, min(n_threads(), n_events // EVENTS_A_THREAD)))
