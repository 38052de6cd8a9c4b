"""Private parts of Numba: its extensions, its configuration, and its cache of machine code.

- At its first compilation Numba loads the extensions of all installed packages; the one of awkward takes a second. The
  loops here are over NumPy arrays and need none. No setting prevents it, see the pull request that introduced the
  extensions: https://github.com/numba/numba/pull/4427.
- A file ``.numba_config.yaml`` in the working directory may switch the compiler off:
  https://numba.readthedocs.io/en/stable/reference/envvars.html.
- A damaged or unreadable file in the cache is an error instead of a reason to compile again:
  https://github.com/numba/numba/issues/10434.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

from numba.core import config, entrypoints
from numba.core.caching import FunctionCache

from utils.compat.versions import require_version

require_version("numba", "0.61", "0.69")

logger = logging.getLogger(__name__)

entrypoints._already_initialized = True
vars(config)["DISABLE_JIT"] = 0


class ForgivingCache(FunctionCache):
    """Cache of machine code on disk: where it cannot be read or written, the function is compiled again."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # a file in the cache may hold anything
            warn_of_no_cache(self.cache_path, str(error))
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store the machine code for a signature."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            warn_of_no_cache(self.cache_path, str(error))


@functools.cache
def warn_of_no_cache(folder: str, error: str) -> None:
    """Warn once that machine code is not stored in a folder."""
    logger.warning("%s: compiled loops are not stored here, so each start takes longer: %s", folder, error)


def use_forgiving_cache(dispatcher: Any, function: Callable[..., Any]) -> str:
    """Let a compiled function keep its machine code in a `ForgivingCache`, and return its folder.

    Raises
    ------
    RuntimeError
        If no folder can be written.
    """
    dispatcher._cache = ForgivingCache(function)
    return dispatcher.stats.cache_path
