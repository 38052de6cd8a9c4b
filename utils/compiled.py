"""How loops over events are compiled."""

import functools
import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core import entrypoints

# Loops here are over NumPy arrays. At its first compilation Numba would load what other packages add to it, of which
# awkward's part takes a second, and has no setting for that.
entrypoints._already_initialized = True


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile a function with Numba at its first call.

    The machine code is kept beside the source, or in the user's cache where that cannot be written. Without the
    interpreter's lock loops run side by side in threads.
    """
    dispatcher = numba.njit(function, cache=True, nogil=True, error_model="numpy", **options)
    forget_outdated(dispatcher.stats.cache_path)
    return dispatcher


@functools.cache
def forget_outdated(folder: str) -> None:
    """Remove the machine code in a folder that is older than a source here.

    Numba compares the age with the file of a function, not with those of the functions that it calls.
    """
    newest = max(source.stat().st_mtime for source in Path(__file__).parent.glob("*.py"))
    for index in Path(folder).glob("*.nbi"):
        with suppress(FileNotFoundError):  # another process has removed it
            if index.stat().st_mtime < newest:
                index.unlink()


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a part of a loop into what calls it: passing an array costs as much as what is done with an object."""
    return compiled(function, forceinline=True)


@functools.cache
def compile_in_threads() -> None:
    """Make it safe that threads compile: at its first compilation Numba fills its tables of types.

    The first call of a compiled function is a compilation even where the machine code is kept. What is loaded by now
    stays, so that the garbage collector need not search it, which at the end takes half a second.
    """
    numba.njit(_nothing)()
    gc.freeze()


def _nothing() -> None:
    """Compile at once."""
