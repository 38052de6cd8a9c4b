"""How loops over events are compiled."""

import functools
import gc
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core import config, entrypoints
from numba.core.caching import FunctionCache

logger = logging.getLogger(__name__)

# Loops here are over NumPy arrays. At its first compilation Numba would load what other packages add to it, of which
# awkward's part takes a second, and has no setting for that.
entrypoints._already_initialized = True
vars(config)["DISABLE_JIT"] = 0  # which a file in the current folder may set


class _Kept(FunctionCache):
    """Machine code that is kept where that can be: a folder that is full or holds something else stops nothing."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever bytes may be there
            _warn_of_no_cache(self.cache_path, str(error))
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _warn_of_no_cache(self.cache_path, str(error))


@functools.cache
def _warn_of_no_cache(folder: str, error: str) -> None:
    logger.warning("%s: compiled loops are not kept here, so that each start takes longer: %s", folder, error)


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Compile a function with Numba at its first call.

    The machine code is kept beside the source, or in the user's cache where that cannot be written, or not at all
    where neither can. Without the interpreter's lock loops run side by side in threads.
    """
    dispatcher: Any = numba.njit(function, nogil=True, error_model="numpy", **options)
    try:
        dispatcher._cache = _Kept(function)
    except RuntimeError:
        _warn_of_no_cache(str(Path(__file__).parent), "neither this folder nor the user's cache can be written")
    else:
        forget_outdated(dispatcher.stats.cache_path)
    return dispatcher


@functools.cache
def forget_outdated(folder: str) -> None:
    """Remove the machine code in a folder that is older than a source here.

    Numba compares the age with the file of a function, not with those of the functions that it calls.
    """
    newest = max(source.stat().st_mtime for source in Path(__file__).parents[1].rglob("*.py"))
    for index in Path(folder).glob("*.nbi"):
        with suppress(OSError):  # another process has removed it, or it is of another user
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
