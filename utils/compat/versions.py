"""Check of the versions that a module of this folder is written for, and temporary replacement of an attribute."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def require_version(library: str, minimum: str, below: str) -> None:
    """Refuse a library whose private interface may differ from the known one.

    Parameters
    ----------
    library : str
        Name of the distribution.
    minimum, below : str
        The known versions: from `minimum` up to, but not including, `below`.

    Raises
    ------
    ImportError
        If another version is installed, naming it.
    """
    found = version(library)
    if not _numbers(minimum) <= _numbers(found) < _numbers(below):
        raise ImportError(
            f"{library} {found}: expected a version from {minimum} and below {below}, since parts of its private "
            "interface are used: install such a version, see requirements.txt"
        )


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module or an object for the duration of a block."""
    former = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, former)
