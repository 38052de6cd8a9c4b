"""Libraries that Keras imports if they are there, and that this project never hands to it.

Apart from `nn.compat.keras`, which imports Keras. No issue about these imports is known.
An import that finds None in `sys.modules` fails: https://docs.python.org/3/reference/import.html#the-module-cache.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXTRAS = ("pandas", "sklearn")  # the first also loads pyarrow


@contextmanager
def keras_without_extras() -> Iterator[None]:
    """Import Keras in this block without its extras, 80 MiB of memory, unless they are imported."""
    left_out = [name for name in EXTRAS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]  # None is what makes an import fail
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]
