"""Events files: the HDF5 layout of the public ADC2021 data set, with cross-section weights where they are known."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utils.cli import UserError
from utils.data_processing import (
    CLASS,
    EVENT_CLASS_NAMES,
    EVENT_CLASSES,
    EVENT_FEATURE_NAMES,
    N_EVENT_SLOTS,
    PT,
)
from utils.files import COMPRESSION, dataset, open_hdf5, read_rows, whole_file

CHUNK = 4096


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
            **COMPRESSION,
        )
        self._weights = file.create_dataset(
            "Weights", (0,), np.float32, maxshape=(None,), chunks=(CHUNK,), **COMPRESSION
        )
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
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        yield EventsWriter(file)


@dataclass(frozen=True)
class EventsFile:
    """An events file that was checked: where it is, how many events it holds and whether they are weighted."""

    path: Path
    n_events: int
    weighted: bool

    @classmethod
    def check(cls, path: str | Path) -> "EventsFile":
        """Check the layout of a file; raise a :class:`UserError` that says what differs."""
        with open_hdf5(path) as file:
            n_events = len(dataset(file, "Particles", (None, N_EVENT_SLOTS, 4)))
            if "Weights" in file:
                dataset(file, "Weights", (n_events,))
            return cls(Path(path), n_events, "Weights" in file)

    def chunks(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Read the events in order.

        Parameters
        ----------
        size : int
            Events in a chunk.

        Yields
        ------
        particles : np.ndarray, shape (n, 19, 4), float32
        weights : np.ndarray, shape (n,), float32
            Cross-section weight in pb, 1 in files that have none.
        """
        with open_hdf5(self.path) as file:
            for start in range(0, self.n_events, size):
                stop = min(start + size, self.n_events)
                particles = read_rows(file["Particles"], start, stop).astype(np.float32, copy=False)
                weights = (
                    read_rows(file["Weights"], start, stop).astype(np.float32, copy=False)
                    if self.weighted
                    else np.ones(stop - start, np.float32)
                )
                self._check_rows(particles, weights, start)
                yield particles, weights

    def _check_rows(self, particles: np.ndarray, weights: np.ndarray, start: int) -> None:
        """Refuse rows that are not physical, naming the first."""
        pt, classes = particles[:, :, PT], particles[:, :, CLASS]
        unexpected = (pt > 0) & (classes != EVENT_CLASSES)
        for name, wrong, wanted in (
            ("Particles", ~np.isfinite(particles).all((1, 2)), "finite numbers"),
            ("Particles", (pt < 0).any(1), "pT of at least 0"),
            (
                "Particles",
                unexpected.any(1),
                "classes 1 (MET), 2 (e/g), 3 (muons), 4 (jets) in slots 0, 1-4, 5-8, 9-18",
            ),
            ("Weights", ~np.isfinite(weights), "finite numbers"),
        ):
            if wrong.any():
                raise UserError(
                    f"{self.path}: dataset '{name}', event {start + int(wrong.argmax())}: expected {wanted}"
                )


def check_events_files(paths: Sequence[str | Path]) -> list[EventsFile]:
    """Check several files of one process; either all or none may have weights."""
    files = [EventsFile.check(path) for path in paths]
    for file in files[1:]:
        if file.weighted != files[0].weighted:
            without, having = (files[0], file) if file.weighted else (file, files[0])
            raise UserError(f"{without.path}: dataset 'Weights' is missing, but {having.path} has it")
    return files
