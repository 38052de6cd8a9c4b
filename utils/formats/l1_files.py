"""L1 regression files: true and smeared objects and energy sums of events, their processes and weights."""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utils.cutflow import EVENT_COUNTS, Cutflow
from utils.event_layout import ETA, N_SLOTS, PHI, PT, SLOT_NAMES
from utils.formats.duplicates import LOOKED_AT, fingerprint
from utils.formats.first_look import first_look
from utils.formats.gzip_table import GzipTable
from utils.formats.hdf5 import (
    checked_dataset,
    has_entry,
    new_hdf5,
    open_hdf5,
    read_number_attribute,
    read_text_attribute,
)
from utils.formats.physical import (
    ANGLES,
    LARGEST_L1_PT,
    QUANTITIES,
    VALID,
    describe_invalid,
    invalid_quantity,
    wrap_phi,
)
from utils.formats.rows import read_rows
from utils.l1_events import L1_DIRECTIONS, L1_SUMS, L1Events
from utils.processes import is_process_name
from utils.runtime.compiled import compiled
from utils.runtime.errors import UserError
from utils.runtime.text_files import MAX_TEXT_BYTES
from utils.runtime.whole_files import OutputGroup
from utils.runtime.workers import worker_threads

FORMAT_VERSION = 1
MAX_PROCESSES = 10_000
LARGEST_ID = 2**31 - 1
LONGEST_ID = 100  # digits
LARGEST_WEIGHT = 1e30  # sums and products of larger weights may overflow
ROWS_A_CHUNK = 4096
OBJECTS = ("smeared_data", "true_data")
TRUE_DIRECTION = "true_met_phi"
DIRECTIONS = (*L1_DIRECTIONS.values(), TRUE_DIRECTION)
PILEUP = ("PV_npvs", "Pileup_nTrueInt")
KEPT = (*L1_SUMS, *DIRECTIONS, *PILEUP)  # of files with objects of L1, NaN in other events
OPTIONAL = ("weights", "keep_probability", *KEPT)
SUMS = ("smeared_met", "smeared_ht", "true_met", "true_ht", "original_met")
RANGES = {
    **dict.fromkeys(SUMS, (0.0, LARGEST_L1_PT, f"GeV from 0 to {LARGEST_L1_PT:g}")),
    "weights": (-LARGEST_WEIGHT, LARGEST_WEIGHT, f"finite numbers, at most {LARGEST_WEIGHT:g}"),
    **dict.fromkeys(KEPT, (0.0, LARGEST_L1_PT, f"numbers from 0 to {LARGEST_L1_PT:g}, or NaN")),
    **dict.fromkeys(DIRECTIONS, (*ANGLES[:2], f"{ANGLES[2]}, or NaN")),
    "keep_probability": (float(np.finfo(np.float32).tiny), 1.0, "a probability above 0 and of at most 1"),
}


def process_label(name: str, process_id: int) -> bytes:
    """Return the entry of a process in ``ids_names``, for example ``QCD_1``."""
    return f"{name}_{process_id}".encode()


class L1Writer:
    """Writer of an L1 regression file, see :func:`new_l1_file`."""

    def __init__(self, file: h5py.File, process_names: dict[int, str], workers: Executor, optional: Sequence[str]):
        self._file = file
        objects = dict.fromkeys(OBJECTS, ((N_SLOTS, 3), np.float32))
        numbers = dict.fromkeys((*SUMS, *optional), ((), np.float32))
        self._table = GzipTable(file, {**objects, **numbers, "ids": ((), np.int32)}, ROWS_A_CHUNK, workers)
        file["ids_names"] = np.array([process_label(name, number) for number, name in process_names.items()])

    def __len__(self) -> int:
        """Return the number of events appended."""
        return len(self._table)

    def append(self, events: L1Events) -> None:
        """Append events; of their columns in `KEPT` those that are missing become NaN."""
        columns = vars(events)
        missing = [name for name in KEPT if columns[name] is None]
        self._table.append({**columns, **dict.fromkeys(missing, np.full(len(events), np.nan, np.float32))})

    def record(self, cutflow: Cutflow, attributes: Mapping[str, float] | None = None) -> None:
        """Write the cutflow of the events, and other attributes."""
        self._file.attrs.update({**cutflow.attribute(), **(attributes or {})})

    def finish(self) -> None:
        """Write the events that are still buffered."""
        self._table.finish()


class L1Content:
    """Hash of events by their values, independent of chunks and of other content of their file.

    Parameters
    ----------
    process_names : dict
        Name of each process id that occurs. The hash depends on the names, not on the ids.
    """

    def __init__(self, process_names: dict[int, str]):
        self._names = sorted(process_names.values())
        self._ids = np.array(sorted(process_names))
        self._ranks = np.array([self._names.index(process_names[number]) for number in sorted(process_names)], np.int32)
        self._columns: dict[str, Any] = {}

    def add(self, events: L1Events) -> None:
        """Add events."""
        ranks = self._ranks[np.searchsorted(self._ids, events.ids)]
        for name, values in {**vars(events), "ids": ranks}.items():
            if values is not None:
                self._columns.setdefault(name, hashlib.sha256()).update(np.ascontiguousarray(values).data)

    def hexdigest(self) -> str:
        """Return the hash of all events added."""
        parts = [*self._names, *(f"{name} {column.hexdigest()}" for name, column in sorted(self._columns.items()))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@contextmanager
def new_l1_file(
    path: str | Path,
    process_names: dict[int, str],
    seed: int,
    made_by: dict[str, Any],
    workers: Executor | None = None,
    optional: Sequence[str] = ("weights",),
    group: OutputGroup | None = None,
) -> Iterator[L1Writer]:
    """Open a new L1 regression file, which appears at `path` when the block ends.

    Parameters
    ----------
    path : str or Path
    process_names : dict
        Name of each process id.
    seed : int
    made_by : dict
        Configuration and versions that made the file, stored in its attributes.
    workers : Executor, optional
        Threads that compress chunks; by default one new thread.
    optional : sequence of str
        Optional datasets of the file, of `OPTIONAL`.
    group : OutputGroup, optional
        Outputs that take their names together, see `utils.runtime.whole_files.replaced_together`.
    """
    with (
        new_hdf5(path, group) as file,
        nullcontext(workers) if workers else worker_threads(1) as executor,
    ):
        writer = L1Writer(file, process_names, executor, optional)
        yield writer
        writer.finish()
        slots = {name: [slots.start, slots.stop] for name, slots in SLOT_NAMES.items()}
        file.attrs.update(
            format_version=FORMAT_VERSION,
            slots=json.dumps(slots),
            seed=seed,
            configuration=json.dumps(made_by),
        )


@dataclass(frozen=True)
class L1Dataset:
    """A checked L1 regression file.

    Attributes
    ----------
    path : Path
    n_events : int
    process_names : dict
        Name of each process id.
    weighted : bool
        Whether it has weights; foreign files may have none.
    sampled : bool
        Whether it has the keep probabilities of the selective sampling.
    kept : tuple of str
        Datasets of `KEPT` that it has.
    jet_threshold : float or None
        Threshold of the L1 jets in GeV, if it is recorded.
    cutflow : Cutflow
    fingerprint : str or None
        Hash of the true objects of its first events, see `utils.formats.duplicates`.
    """

    path: Path
    n_events: int
    process_names: dict[int, str]
    weighted: bool
    sampled: bool
    kept: tuple[str, ...]
    jet_threshold: float | None
    cutflow: Cutflow
    fingerprint: str | None

    @classmethod
    def check(cls, path: str | Path) -> "L1Dataset":
        """Check the layout of a file; a :class:`UserError` names what differs."""
        (data,) = first_look(cls._look, [path])
        return data

    @classmethod
    def _look(cls, path: Path) -> "L1Dataset":
        with open_hdf5(path) as file:
            n_events = len(checked_dataset(file, OBJECTS[0], (None, N_SLOTS, 3)))
            for name in OBJECTS[1:]:
                checked_dataset(file, name, (n_events, N_SLOTS, 3))
            for name in SUMS:
                checked_dataset(file, name, (n_events,))
            checked_dataset(file, "ids", (n_events,), "iuf")
            optional = tuple(name for name in OPTIONAL if has_entry(file, name))
            for name in optional:
                checked_dataset(file, name, (n_events,))
            names = _parse_labels(path, _read_labels(file))
            first = fingerprint(read_rows(file["true_data"], 0, min(n_events, LOOKED_AT)))
            return cls(
                path,
                n_events,
                names,
                "weights" in optional,
                "keep_probability" in optional,
                tuple(name for name in KEPT if name in optional),
                read_number_attribute(file, "jet_threshold"),
                Cutflow.from_json(read_text_attribute(file, EVENT_COUNTS)),
                first,
            )

    @property
    def optional(self) -> tuple[str, ...]:
        """Optional datasets of the file."""
        return (*itertools.compress(OPTIONAL[:2], (self.weighted, self.sampled)), *self.kept)

    def process_ids(self, names: tuple[str, ...]) -> list[int]:
        """Return the process ids of names; a :class:`UserError` names an unknown one."""
        known = {name: process_id for process_id, name in self.process_names.items()}
        for name in names:
            if name not in known:
                raise UserError(f"{self.path}: unknown process '{name}', the file has {', '.join(known)}")
        return [known[name] for name in names]

    @contextmanager
    def opened(self) -> Iterator["L1Rows"]:
        """Open the file to read rows; threads may read at the same time."""
        with open_hdf5(self.path) as file:
            yield L1Rows(self, file)

    def chunks(self, size: int, true_objects: bool = True) -> Iterator[L1Events]:
        """Read the events in order, `size` at a time; ``true_data`` only on request."""
        with self.opened() as rows:
            for start in range(0, self.n_events, size):
                yield rows.events(start, min(start + size, self.n_events), true_objects)

    def rows(self, start: int, stop: int, true_objects: bool = True) -> L1Events:
        """Read the events [start, stop); ``true_data`` only on request."""
        with self.opened() as rows:
            return rows.events(start, stop, true_objects)

    def process_rows(self, process_id: int, indices: Sequence[int]) -> list[int]:
        """Find the rows of events of a process by their number within the process, from 0.

        Parameters
        ----------
        process_id : int
        indices : sequence of int

        Returns
        -------
        list of int
            The row of each, in the order of `indices`.
        """
        found: dict[int, int] = {}
        n_before = 0
        with self.opened() as rows:
            for start in range(0, self.n_events, ROWS_A_CHUNK):
                if len(found) == len(set(indices)):
                    break
                ids = rows.column("ids", start, min(start + ROWS_A_CHUNK, self.n_events))
                places = start + np.flatnonzero(ids == process_id)
                found |= {i: int(places[i - n_before]) for i in indices if n_before <= i < n_before + len(places)}
                n_before += len(places)
        return [found[i] for i in indices]


class L1Rows:
    """Rows of an open L1 regression file, see `L1Dataset.opened`."""

    def __init__(self, data: L1Dataset, file: h5py.File):
        self._data = data
        self._known = list(data.process_names)
        self._columns = {name: file[name] for name in (*OBJECTS, *SUMS, "ids", *data.optional)}

    def events(self, start: int, stop: int, true_objects: bool = True) -> L1Events:
        """Read the events [start, stop); ``true_data`` only on request."""
        names = [name for name in self._columns if true_objects or name != "true_data"]
        columns: dict[str, Any] = {name: self.column(name, start, stop) for name in names}
        if not self._data.weighted:  # an event kept with probability p stands for 1 / p events
            kept = columns.get("keep_probability")
            columns["weights"] = np.ones(stop - start, np.float32) if kept is None else 1 / kept
        return L1Events(**{"true_data": None, **columns})

    def column(self, name: str, start: int, stop: int) -> np.ndarray:
        """Read and check the rows [start, stop) of a dataset."""
        with np.errstate(over="ignore", invalid="ignore"):  # such values are refused below
            values = read_rows(self._columns[name], start, stop)
            values = values.astype(np.int32 if name == "ids" else np.float32, copy=False)
        if name == "ids":
            known = np.isin(values, self._known)
            if not known.all():
                self._refuse(name, start + int(np.argmin(known)), f"one of {sorted(self._known)}")
            return values
        if name in OBJECTS:
            event, slot, wrong = _normalise(values)
            if wrong != VALID:
                reason = describe_invalid(wrong, values[event, slot, wrong], LARGEST_L1_PT)
                raise UserError(
                    f"{self._data.path}: dataset '{name}', event {start + event}, slot {slot}, "
                    f"{QUANTITIES[wrong]}: {reason}"
                )
            return values
        lowest, largest, expected = RANGES[name]
        fits = (values >= lowest) & (values <= largest)
        if name in KEPT:
            fits |= np.isnan(values)
        if not fits.all():
            event = int(np.argmin(fits))
            self._refuse(name, start + event, f"{expected}, found {values[event]:g}")
        return values

    def _refuse(self, name: str, event: int, expected: str) -> None:
        raise UserError(f"{self._data.path}: dataset '{name}', event {event}: expected {expected}")


@compiled
def _normalise(objects: np.ndarray) -> tuple[int, int, int]:
    """Clear empty slots and wrap phi; return event, slot and quantity of the first invalid object, or `VALID`."""
    for event in range(len(objects)):
        for slot in range(objects.shape[1]):
            pt, eta, phi = objects[event, slot, PT], objects[event, slot, ETA], objects[event, slot, PHI]
            if pt == 0:
                for feature in (PT, ETA, PHI):
                    objects[event, slot, feature] = 0
                continue
            wrong = invalid_quantity(pt, eta, phi, LARGEST_L1_PT)
            if wrong != VALID:
                return event, slot, wrong
            objects[event, slot, PHI] = wrap_phi(phi)
    return 0, 0, VALID


def _read_labels(file: h5py.File) -> list[str]:
    """Read the entries of ``ids_names``, of fixed or variable length; bytes that are not UTF-8 are replaced."""
    found = checked_dataset(file, "ids_names", (None,), "SO")
    where = f"{file.filename}: dataset 'ids_names'"
    if len(found) > MAX_PROCESSES:
        raise UserError(f"{where} has {len(found)} entries, expected {MAX_PROCESSES} at most")
    variable_length = found.dtype.kind == "O"
    entries: list[bytes] = []
    n_bytes = 0 if variable_length else len(found) * found.dtype.itemsize
    # An entry of variable length has a size of its own, and many entries may share one stored text.
    rows_at_a_time = 1 if variable_length else max(1, len(found))
    for row in range(0, len(found), rows_at_a_time):
        if n_bytes <= MAX_TEXT_BYTES:
            entries += list(read_rows(found, row, row + rows_at_a_time))
            n_bytes += len(entries[-1]) if variable_length else 0
    if n_bytes > MAX_TEXT_BYTES:
        raise UserError(f"{where} is more than {MAX_TEXT_BYTES >> 20} MiB of text, expected names of processes")
    return [entry.decode(errors="replace") for entry in entries]


def _parse_labels(path: str | Path, labels: Iterable[str]) -> dict[int, str]:
    """Parse the entries of ``ids_names``; no two may share an id or a name."""
    names: dict[int, str] = {}
    for text in labels:
        name, _, number = text.rpartition("_")
        if not (is_process_name(name) and number.isascii() and number.isdigit() and len(number) <= LONGEST_ID):
            raise UserError(f"{path}: dataset 'ids_names' has {text!r}, expected NAME_ID such as QCD_1")
        if int(number) > LARGEST_ID:
            raise UserError(f"{path}: dataset 'ids_names' has {text!r}, expected an ID of at most {LARGEST_ID}")
        if int(number) in names or name in names.values():
            raise UserError(f"{path}: dataset 'ids_names' has '{text}', but another entry has that id or name")
        names[int(number)] = name
    return names
