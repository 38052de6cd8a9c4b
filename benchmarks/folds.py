"""Events of processes, divided into folds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.formats.duplicates import refuse_duplicates
from utils.formats.fingerprints import fingerprints
from utils.formats.l1_files import ROWS_A_CHUNK, L1Dataset
from utils.l1_events import L1Events

FOR_TRAINING = -1  # fold of events that only train


@dataclass(frozen=True)
class Sample:
    """The events of a process, divided into folds.

    Attributes
    ----------
    events : L1Events
        The weights of the divided events add up to the cross section.
    folds : np.ndarray, shape (n_events,), int
        Fold of each event, from 0; `FOR_TRAINING` for events that are not divided.
    """

    events: L1Events
    folds: np.ndarray

    @classmethod
    def divide(cls, events: L1Events, for_training: L1Events | None, n_folds: int, seed: int) -> "Sample":
        """Divide events at random into folds, copies of an event into the same, and append those that only train."""
        numbers = fingerprints(events) // np.uint64(2**32) + np.uint64(seed)
        folds = np.random.default_rng(seed).permutation(2**16)[numbers % np.uint64(2**16)] % n_folds
        if for_training is None:
            return cls(events, folds)
        scaled = replace(for_training, weights=for_training.weights * np.float32(len(for_training) / len(events)))
        joined = L1Events.concatenate([events, scaled])
        return cls(joined, np.concatenate([folds, np.full(len(scaled), FOR_TRAINING)]))

    @property
    def divided(self) -> L1Events:
        """Events of all folds."""
        return self.events[self.folds != FOR_TRAINING]

    def fold(self, number: int) -> L1Events:
        """Return the events of a fold; their weights add up to the cross section, but for fluctuations."""
        inside = self.folds == number
        events, n_divided = self.events[inside], np.count_nonzero(self.folds != FOR_TRAINING)
        return replace(events, weights=events.weights * np.float32(n_divided / len(events)))

    def training(self, but: Collection[int], share: float) -> L1Events:
        """Return a share of the events outside some folds; a smaller share is part of a larger one."""
        rows = np.flatnonzero(~np.isin(self.folds, list(but)))
        rows = np.random.default_rng(len(rows)).permutation(rows)
        return self.events[rows[: max(1, round(share * len(rows)))]]


def read_processes(files: Sequence[L1Dataset]) -> dict[str, L1Events]:
    """Read the events of each process in some files.

    The weights of a process add up to its cross section in each file. Here they do in all files together: a file with n
    of the N events of a process counts n/N.
    """
    parts: dict[str, list[L1Events]] = {}
    for data in files:
        events = L1Events.concatenate(list(data.chunks(ROWS_A_CHUNK)))
        for number, name in data.process_names.items():
            parts.setdefault(name, []).append(events[events.ids == number])
    processes = {}
    for name, found in parts.items():
        total = sum(map(len, found))
        scaled = [
            replace(
                events,
                weights=events.weights * np.float32(len(events) / max(total, 1)),
                ids=np.zeros_like(events.ids),
                keep_probability=None,
            )
            for events in found
        ]
        processes[name] = L1Events.concatenate(scaled)
    return processes


def read_samples(paths: Sequence[Path], for_training: Sequence[Path], n_folds: int, seed: int) -> dict[str, Sample]:
    """Read the processes of L1 regression files and divide their events; those of `for_training` only train."""
    files, others = ([L1Dataset.check(path) for path in some] for some in (paths, for_training))
    refuse_duplicates([*files, *others])
    only_train = read_processes(others)
    return {
        name: Sample.divide(events, only_train.get(name), n_folds, seed)
        for name, events in read_processes(files).items()
    }
