"""Compilation of loops over events with Numba."""

import functools
import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba

from utils.compat.numba import use_forgiving_cache, warn_of_no_cache


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile a function with Numba at its first call.

    The machine code is stored beside the source, or in the user's cache if that folder cannot be written. It is not
    stored if neither can be written. The loop releases the interpreter's lock, so threads run in parallel.
    """
    dispatcher: Any = numba.njit(function, nogil=True, error_model="numpy", **options)
    try:
        folder = use_forgiving_cache(dispatcher, function)
    except RuntimeError:
        warn_of_no_cache(str(Path(__file__).parent), "neither this folder nor the user's cache can be written")
    else:
        remove_outdated(folder)
    return dispatcher


@functools.cache
def remove_outdated(folder: str) -> None:
    """Remove machine code that is older than a source of this project.

    Numba checks the file of a function, but not the files of the functions that it calls.
    """
    newest = max(source.stat().st_mtime for source in Path(__file__).parents[1].rglob("*.py"))
    for index in Path(folder).glob("*.nbi"):
        with suppress(OSError):  # another process removed it, or another user owns it
            if index.stat().st_mtime < newest:
                index.unlink()


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function into its callers, since a call with an array costs as much as the work on one object."""
    return compiled(function, forceinline=True)


@functools.cache
def compile_in_threads() -> None:
    """Make compilation in threads safe: Numba fills its tables of types at the first compilation.

    The first call of a compiled function compiles even if the machine code is stored. The objects loaded so far are
    excluded from garbage collection, which would take half a second at the end of the process.
    """
    numba.njit(_nothing)()
    gc.freeze()


def _nothing() -> None:
    """Do nothing; the compilation of this function fills the tables."""
