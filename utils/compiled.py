"""How loops over events are compiled."""

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with Numba at its first call.

    The machine code is kept beside the source, or in the user's cache where that cannot be written. Without the
    interpreter's lock loops run side by side in threads.
    """
    return numba.njit(function, cache=True, nogil=True, error_model="numpy")
