"""Files with the same events: a file given twice, a link, a copy, or a shard made with the same seed."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.event_layout import PT
from utils.runtime.errors import UserError

LOOKED_AT = 256  # events at the beginning of a file that are searched for events with objects
N_EVENTS = 10  # events that are hashed: too many to be equal by chance


class EventSource(Protocol):
    """A file with events."""

    @property
    def path(self) -> Path:
        """Path of the file."""

    @property
    def fingerprint(self) -> str | None:
        """Hash of its first events, from `fingerprint`."""


def fingerprint(objects: np.ndarray) -> str | None:
    """Return the SHA-256 of the first ten events with objects, given objects of shape (n_events, n_slots, 3).

    It does not depend on the number of events, their weights, the compression or attributes. It is None if there are no
    such events, or if some of them are equal.
    """
    with np.errstate(over="ignore"):
        objects = np.where(objects[:, :, PT, None] > 0, objects, 0).astype(np.float32)
    events = [event.tobytes() for event in objects[(objects != 0).any((1, 2))][:N_EVENTS]]
    distinct = len(set(events)) == len(events) > 0
    return hashlib.sha256(b"".join(events)).hexdigest() if distinct else None


def find_duplicates(files: Iterable[EventSource]) -> Iterator[tuple[Path, Path]]:
    """Yield files that are identical, also through links, or that begin with the same events.

    Yields
    ------
    path, first : Path
        A file, and the first one with the same events.
    """
    known: dict[object, Path] = {}
    for file in files:
        status = file.path.stat()
        keys = [key for key in ((status.st_dev, status.st_ino), file.fingerprint) if key is not None]
        first = next(filter(None, map(known.get, keys)), file.path)
        if first is not file.path:
            yield file.path, first
        known |= dict.fromkeys(keys, first)


def refuse_duplicates(files: Iterable[EventSource]) -> None:
    """Refuse files with the same events."""
    for path, first in find_duplicates(files):
        raise UserError(
            f"{path}: has the events of {first}, expected each event once: it is the same file, a copy of "
            "it, or a shard made with the same seed and number"
        )
