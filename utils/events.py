"""Events files: the HDF5 layout of the public ADC2021 data set, with cross-section weights where they are known."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utils.cli import UserError
from utils.compiled import compiled
from utils.data_processing import (
    CLASS,
    ETA,
    EVENT_CLASS_NAMES,
    EVENT_CLASSES,
    EVENT_FEATURE_NAMES,
    N_EVENT_SLOTS,
    PHI,
    PT,
)
from utils.event_counts import History
from utils.files import dataset, holds, new_hdf5, open_hdf5
from utils.first_look import first_look
from utils.gzip_chunks import GZIP, read_rows

CHUNK = 4096
LARGEST = 1e20  # of all numbers: sums and products of larger ones may overflow


class EventsWriter:
    """Append events to an events file that is being made; see :func:`new_events_file`."""

    def __init__(self, file: h5py.File):
        self._file = file
        self._particles = file.create_dataset(
            "Particles",
            (0, N_EVENT_SLOTS, 4),
            np.float32,
            maxshape=(None, N_EVENT_SLOTS, 4),
            chunks=(CHUNK, N_EVENT_SLOTS, 4),
            **GZIP,
        )
        self._weights = file.create_dataset("Weights", (0,), np.float32, maxshape=(None,), chunks=(CHUNK,), **GZIP)
        file["Particles_Names"] = np.array(EVENT_FEATURE_NAMES)
        file["Particles_Classes"] = np.array(EVENT_CLASS_NAMES)

    def append(self, particles: np.ndarray, weights: np.ndarray) -> None:
        """Append events: particles of shape (n, 19, 4), weights of shape (n,)."""
        start, stop = len(self._weights), len(self._weights) + len(weights)
        self._particles.resize(stop, axis=0)
        self._weights.resize(stop, axis=0)
        self._particles[start:] = particles
        self._weights[start:] = weights

    def finish(self, weight_scale: float, attributes: dict[str, Any]) -> None:
        """Multiply all weights by a factor known only at the end, and say what made the file."""
        for start in range(0, len(self._weights), CHUNK):
            self._weights[start : start + CHUNK] *= weight_scale
        self._file.attrs.update(attributes)


@contextmanager
def new_events_file(path: str | Path) -> Iterator[EventsWriter]:
    """Open an events file for writing that is there only once it is whole."""
    with new_hdf5(path) as file:
        yield EventsWriter(file)


@dataclass(frozen=True)
class EventsFile:
    """An events file that was checked.

    Attributes
    ----------
    path : Path
    n_events : int
    weighted : bool
        Whether its events are weighted.
    history : History
        What is on record of its events.
    """

    path: Path
    n_events: int
    weighted: bool
    history: History

    @classmethod
    def check(cls, path: str | Path) -> "EventsFile":
        """Check the layout of a file; raise a :class:`UserError` that says what differs."""
        (file,) = check_events_files([path])
        return file

    @classmethod
    def look(cls, path: Path) -> "EventsFile":
        """Check the layout of a file, in the child process of a first look."""
        with open_hdf5(path) as file:
            n_events = len(dataset(file, "Particles", (None, N_EVENT_SLOTS, 4)))
            weighted = holds(file, "Weights")
            if weighted:
                dataset(file, "Weights", (n_events,))
            return cls(path, n_events, weighted, History.of_attribute(file))

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the events [start, stop).

        Returns
        -------
        particles : np.ndarray, shape (n, 19, 4), float32
        weights : np.ndarray, shape (n,), float32
            Cross-section weight in pb, 1 in files that have none.
        """
        with open_hdf5(self.path) as file, np.errstate(over="ignore"):  # what becomes infinite is refused below
            particles = read_rows(file["Particles"], start, stop).astype(np.float32, copy=False)
            weights = (
                read_rows(file["Weights"], start, stop).astype(np.float32, copy=False)
                if self.weighted
                else np.ones(stop - start, np.float32)
            )
        self._check_rows(particles, weights, start)
        return particles, weights

    def _check_rows(self, particles: np.ndarray, weights: np.ndarray, start: int) -> None:
        """Refuse rows that are not physical, naming the first."""
        event, expected = _first_wrong(particles, EVENT_CLASSES)
        if event < len(particles):
            raise UserError(
                f"{self.path}: dataset 'Particles', event {start + event}: expected {EXPECTED_PARTICLES[expected]}"
            )
        finite = np.abs(weights) <= LARGEST
        if not finite.all():
            event = start + int(np.argmin(finite))
            raise UserError(f"{self.path}: dataset 'Weights', event {event}: expected {EXPECTED_PARTICLES[FINITE]}")


FINITE, NOT_NEGATIVE, OF_CLASS = 0, 1, 2
EXPECTED_PARTICLES = {
    FINITE: f"finite numbers, at most {LARGEST:g}",
    NOT_NEGATIVE: "pT of at least 0",
    OF_CLASS: "classes 1 (MET), 2 (e/g), 3 (muons), 4 (jets) in slots 0, 1-4, 5-8, 9-18",
}


@compiled
def _first_wrong(particles: np.ndarray, classes: np.ndarray) -> tuple[int, int]:
    """Return the first event that is not physical and what it lacks; the number of events if all are."""
    for event in range(len(particles)):
        for slot in range(particles.shape[1]):
            pt = particles[event, slot, PT]
            for feature in (PT, ETA, PHI, CLASS):
                if not abs(particles[event, slot, feature]) <= LARGEST:
                    return event, FINITE
            if pt < 0:
                return event, NOT_NEGATIVE
            if pt > 0 and particles[event, slot, CLASS] != classes[slot]:
                return event, OF_CLASS
    return len(particles), FINITE


def check_events_files(paths: Sequence[str | Path]) -> list[EventsFile]:
    """Check several files of one process; either all or none may have weights."""
    files = first_look(EventsFile.look, paths)
    for file in files[1:]:
        if file.weighted != files[0].weighted:
            without, having = (files[0], file) if file.weighted else (file, files[0])
            raise UserError(f"{without.path}: dataset 'Weights' is missing, but {having.path} has it")
    return files
