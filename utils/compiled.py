"""How loops over events are compiled."""

import functools
import gc
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with Numba at its first call.

    The machine code is kept beside the source, or in the user's cache where that cannot be written. Without the
    interpreter's lock loops run side by side in threads.
    """
    return numba.njit(function, cache=True, nogil=True, error_model="numpy")


@functools.cache
def compile_in_threads() -> None:
    """Make it safe that threads compile: at its first compilation Numba loads what other packages add to it.

    A second thread that compiles meanwhile may find tables of types changing. The first call of a compiled function is
    a compilation even where the machine code is kept.

    What is loaded are hundreds of thousands of objects that stay. The garbage collector, which would search them again
    and again for a third of the time, rests meanwhile.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        numba.njit(_nothing)()
    finally:
        if collecting:
            gc.enable()


def _nothing() -> None:
    """Compile at once."""
