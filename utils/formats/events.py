"""Events files: the HDF5 layout of the public ADC2021 data set, optionally with cross-section weights."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import h5py
import numpy as np

from utils.cutflow import EVENT_COUNTS, Cutflow
from utils.event_layout import (
    CLASS,
    ETA,
    EVENT_CLASS_NAMES,
    EVENT_CLASSES,
    EVENT_FEATURE_NAMES,
    EVENT_MET,
    N_EVENT_SLOTS,
    PHI,
    PT,
)
from utils.formats.duplicates import LOOKED_AT, fingerprint
from utils.formats.first_look import first_look
from utils.formats.gzip_table import GZIP
from utils.formats.hdf5 import checked_dataset, has_entry, new_hdf5, open_hdf5, read_text_attribute
from utils.formats.physical import (
    LARGEST_TRUE_PT,
    QUANTITIES,
    VALID,
    describe_invalid,
    invalid_quantity,
    wrap_phi,
)
from utils.formats.rows import read_rows
from utils.formats.text_events import HardEvents
from utils.runtime.compiled import compiled
from utils.runtime.errors import UserError

CHUNK = 4096
HARD_EVENTS = "les_houches_events"  # or those of a HepMC file: the name is older
LARGEST_WEIGHT = 1e20  # sums and products of larger weights may overflow


class EventsWriter:
    """Writer of an events file, see :func:`new_events_file`."""

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
        """Multiply all weights by a factor that is known only at the end, and write the attributes of the file."""
        for start in range(0, len(self._weights), CHUNK):
            self._weights[start : start + CHUNK] *= weight_scale
        self._file.attrs.update(attributes)


@contextmanager
def new_events_file(path: str | Path) -> Iterator[EventsWriter]:
    """Open a new events file, which appears at `path` when the block ends."""
    with new_hdf5(path) as file:
        yield EventsWriter(file)


class OfflineFile(ABC):
    """A checked file of objects at offline resolution, which are smeared to Level-1."""

    @abstractmethod
    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the events [start, stop).

        Returns
        -------
        particles : np.ndarray, shape (n, 19, 4), float32
            With phi in (-pi, pi], and zeros in empty slots.
        weights : np.ndarray, shape (n,), float32
            Cross-section weights in pb, 1 in files without weights.
        """


@dataclass(frozen=True)
class EventsFile(OfflineFile):
    """A checked events file.

    Attributes
    ----------
    path : Path
    n_events : int
    weighted : bool
        Whether its events have weights.
    cutflow : Cutflow
    fingerprint : str or None
        Hash of the first events, the same in any copy; None if they have no objects.
    hard_events : HardEvents or None
        Range of the file of another generator from which the events were made, if it is recorded.
    """

    path: Path
    n_events: int
    weighted: bool
    cutflow: Cutflow
    fingerprint: str | None
    hard_events: HardEvents | None
    weights_name: ClassVar[str] = "dataset 'Weights'"
    weights_from: ClassVar[str] = "dataset 'Weights'"

    @classmethod
    def check(cls, path: str | Path) -> "EventsFile":
        """Check the layout of a file; a :class:`UserError` names what differs."""
        (file,) = check_events_files([path])
        return file

    @classmethod
    def look(cls, path: Path) -> "EventsFile":
        """Check the layout of a file, in the child process of `first_look`."""
        with open_hdf5(path) as file:
            found = checked_dataset(file, "Particles", (None, N_EVENT_SLOTS, 4))
            n_events = len(found)
            weighted = has_entry(file, "Weights")
            if weighted:
                checked_dataset(file, "Weights", (n_events,))
            first = read_rows(found, 0, min(n_events, LOOKED_AT))[:, :, :CLASS]
            cutflow, hard = (
                Cutflow.from_json(read_text_attribute(file, EVENT_COUNTS)),
                HardEvents.from_record(read_text_attribute(file, HARD_EVENTS)),
            )
            return cls(path, n_events, weighted, cutflow, fingerprint(first), hard)

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the events [start, stop), and their weights."""
        with open_hdf5(self.path) as file, np.errstate(over="ignore"):  # infinite values are refused below
            particles = read_rows(file["Particles"], start, stop).astype(np.float32, copy=False)
            weights = (
                read_rows(file["Weights"], start, stop).astype(np.float32, copy=False)
                if self.weighted
                else np.ones(stop - start, np.float32)
            )
        self._check_rows(particles, weights, start)
        return particles, weights

    def _check_rows(self, particles: np.ndarray, weights: np.ndarray, start: int) -> None:
        """Refuse rows that are not physical; the error names the first."""
        event, slot, wrong = _normalise(particles, EVENT_CLASSES)
        if wrong != VALID:
            found = particles[event, slot, wrong]
            quantity, reason = (
                ("class", f"expected {EVENT_CLASSES[slot]}, found {found:g}")
                if wrong == CLASS
                else (QUANTITIES[wrong], describe_invalid(wrong, found, LARGEST_TRUE_PT))
            )
            raise UserError(
                f"{self.path}: dataset 'Particles', event {start + event}, slot {slot}, {quantity}: {reason}"
            )
        finite = np.abs(weights) <= LARGEST_WEIGHT
        if not finite.all():
            event = int(np.argmin(finite))
            raise UserError(
                f"{self.path}: dataset 'Weights', event {start + event}: "
                f"expected finite numbers, at most {LARGEST_WEIGHT:g}, found {weights[event]:g}"
            )


@compiled
def _normalise(particles: np.ndarray, classes: np.ndarray) -> tuple[int, int, int]:
    """Clear empty slots and wrap phi; return event, slot and quantity of the first invalid object, or `VALID`."""
    for event in range(len(particles)):
        for slot in range(particles.shape[1]):
            pt, eta, phi = particles[event, slot, PT], particles[event, slot, ETA], particles[event, slot, PHI]
            if pt == 0:
                for feature in (PT, ETA, PHI, CLASS):
                    particles[event, slot, feature] = 0
                continue
            wrong = invalid_quantity(pt, eta if slot != EVENT_MET else np.float32(0), phi, LARGEST_TRUE_PT)
            if wrong != VALID:
                return event, slot, wrong
            if particles[event, slot, CLASS] != classes[slot]:
                return event, slot, CLASS
            particles[event, slot, PHI] = wrap_phi(phi)
    return 0, 0, VALID


def check_events_files(paths: Sequence[str | Path]) -> list[EventsFile]:
    """Check several files of one process; either all of them have weights or none has."""
    files = first_look(EventsFile.look, paths)
    refuse_mixed_weights({str(file.path): file for file in files})
    return files


class Weighted(Protocol):
    """A file whose events have weights or not."""

    @property
    def weighted(self) -> bool:
        """Whether its events have weights."""

    @property
    def weights_from(self) -> str:
        """What gives weights to its events."""


def refuse_mixed_weights(files: Mapping[str, Weighted]) -> None:
    """Refuse a mixture of files with and without weights; the keys are the names in the error."""
    with_weights = [name for name, file in files.items() if file.weighted]
    without = [(name, file.weights_from) for name, file in files.items() if not file.weighted]
    if with_weights and without:
        name, missing = without[0]
        has = "has it" if missing == files[with_weights[0]].weights_from else "has weights"
        raise UserError(f"{name}: {missing} is missing, but {with_weights[0]} {has}")
