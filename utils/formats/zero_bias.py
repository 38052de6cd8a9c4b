"""Objects of the CMS Level-1 trigger in zero-bias events, random crossings of colliding bunches, from Parquet files.

The layout is that of the public data set Zenodo 21787779, in either of its two forms:

- a folder for each kind of object, ``RUN/SPLIT/OBJECT/*.parquet``, where an event is the row of the same number in the
  files of all folders, taken in the order of their names;
- all columns in each file, ``data/SAMPLE/SPLIT-*.parquet``.

Objects are lists of integers: ``jets_jetIEt``, ``jets_jetIEta``, ``jets_jetIPhi`` (up to 12 an event),
``egammas_egIEt``, ``egammas_egIEta``, ``egammas_egIPhi`` (12), ``muons_muonIEt``, ``muons_muonIEtaAtVtx``,
``muons_muonIPhiAtVtx`` (8). Energy sums are numbers: ``MET_Et``, ``HT_Et``. That is how the card of the data set names
them. It is assumed, and accepted as well, that a name may lack its prefix: ``egIEt`` for ``egammas_egIEt``, and in the
folder of an object also ``Et`` for ``MET_Et``. Whatever else a file holds is not read.

An energy step is 0.5 GeV; that of a muon counts from 1. Calorimeter objects have steps of 0.0870/2 in eta and 2 pi/144
in phi, muons of 0.0870/8 and 2 pi/576. An energy sum is in such steps where its column holds integers, and in GeV where
it holds floats.
"""

import glob
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from utils.data_processing import EGAMMAS, ETA, JETS, MUONS, N_SLOTS, PHI, PT, L1Events, ht, met
from utils.formats.first_look import memory_limited
from utils.formats.physical import FINE, LARGEST_ETA, LARGEST_L1_PT
from utils.formats.repeated import LOOKED_AT, fingerprint, refuse_repeated
from utils.formats.trigger_scales import (
    CALORIMETER_ETA_STEP,
    CALORIMETER_PHI_STEPS,
    ENERGY_STEP,
    MUON_ETA_STEP,
    MUON_PHI_STEPS,
)
from utils.runtime.compiled import compiled
from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error, unreadable_error

JET_THRESHOLD = 20.0  # GeV; what create_L1regression_data.py applies unless told otherwise
READ_AHEAD = 1 << 20
READING_BYTES = 1 << 29  # of memory, that a batch may take
MAX_VALUES = 100  # of a column an event, on average: a few bytes of a file may stand for any number of equal ones
SATURATED_SUM = 4095
PROCESS_ID = 0


@dataclass(frozen=True)
class ObjectKind:
    """How the objects of a kind are written.

    Attributes
    ----------
    prefix : str
        Of the columns, and name of the folder.
    columns : tuple of str
        Transverse energy, eta, phi; without the prefix.
    slots : slice
    saturated : int
        The largest energy; it stands for all energies beyond it.
    first_step : int
        The integer that means 0 GeV.
    eta_step : float
    phi_steps : int
        A full turn.
    threshold : float
        In GeV; what is below is left out.
    """

    prefix: str
    columns: tuple[str, str, str]
    slots: slice
    saturated: int
    first_step: int
    eta_step: float
    phi_steps: int
    threshold: float

    @property
    def names(self) -> tuple[str, ...]:
        """The columns with their prefix."""
        return tuple(f"{self.prefix}_{column}" for column in self.columns)


CALORIMETER_STEPS = (CALORIMETER_ETA_STEP, CALORIMETER_PHI_STEPS)
MUON_STEPS = (MUON_ETA_STEP, MUON_PHI_STEPS)
KINDS = (
    ObjectKind("muons", ("muonIEt", "muonIEtaAtVtx", "muonIPhiAtVtx"), MUONS, 511, 1, *MUON_STEPS, 0.0),
    ObjectKind("egammas", ("egIEt", "egIEta", "egIPhi"), EGAMMAS, 511, 0, *CALORIMETER_STEPS, 0.0),
    ObjectKind("jets", ("jetIEt", "jetIEta", "jetIPhi"), JETS, 2047, 0, *CALORIMETER_STEPS, JET_THRESHOLD),
)
REFERENCES = {"smeared_met": "MET_Et", "smeared_ht": "HT_Et"}


@dataclass(frozen=True)
class ZeroBiasEvents:
    """Zero-bias events.

    Attributes
    ----------
    events : L1Events
        Without a generator level: ``true_data`` is None and the true sums are NaN; process ``PROCESS_ID``, weight 1.
    reference : np.ndarray, shape (n_events,), float32
        The energy sum of CMS itself, in GeV.
    n_saturated : dict of str to int
        Objects of each kind in the slots, and reference sums, whose energy is the largest that can be written.
    """

    events: L1Events
    reference: np.ndarray
    n_saturated: dict[str, int]


@dataclass(frozen=True)
class _Table:
    """Columns of a Parquet file: what each is called in it."""

    path: Path
    columns: dict[str, str]


@dataclass(frozen=True)
class _Beginning:
    """The first events of some files, and the path of the first of these."""

    path: Path
    fingerprint: str | None


@dataclass(frozen=True)
class ZeroBiasData:
    """A folder of zero-bias events that was checked.

    Attributes
    ----------
    folder : Path
    n_events : int
    reference : str
        Column of the energy sum of CMS.
    parts : tuple of tuple of _Table
        Files that hold the same events, in the order of the events.
    """

    folder: Path
    n_events: int
    reference: str
    parts: tuple[tuple[_Table, ...], ...]

    @classmethod
    def check(cls, folder: str | Path, reconstructed: str) -> "ZeroBiasData":
        """Check the layout of all files; raise a :class:`UserError` that says what differs.

        Parameters
        ----------
        folder : str or Path
        reconstructed : str
            The L1 sum that is corrected, ``smeared_met`` or ``smeared_ht``, which says what the reference is.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise missing_error(folder, "folder")
        paths = sorted(map(Path, glob.glob(f"{glob.escape(str(folder))}/**/*.parquet", recursive=True)))
        if not paths:
            raise UserError(f"{folder}: expected Parquet files, *.parquet, in it or its folders, found none")
        reference = REFERENCES[reconstructed]
        schemas, n_rows = {}, {}
        for path in paths:
            with _open(path) as file:
                schemas[path], n_rows[path] = file.schema_arrow, file.metadata.num_rows
        parts = tuple(part for files in _groups(paths, schemas) for part in _parts(files, schemas, n_rows, reference))
        n_events = sum(n_rows[part[0].path] for part in parts)
        if n_events == 0:
            raise UserError(f"{folder}: the files hold no events")
        data = cls(folder, n_events, reference, parts)
        refuse_repeated(_Beginning(part[0].path, data.fingerprint_of(part)) for part in parts)
        return data

    def fingerprint_of(self, part: tuple[_Table, ...]) -> str | None:
        """Return the fingerprint of the first events of some files: see `utils.formats.repeated`."""
        first = next(self._chunks_of(part, LOOKED_AT), None)
        return None if first is None else fingerprint(first.events.smeared_data)

    def chunks(self, size: int) -> Iterator[ZeroBiasEvents]:
        """Read the events in order, at most `size` at a time."""
        for part in self.parts:
            yield from self._chunks_of(part, size)

    def _chunks_of(self, part: tuple[_Table, ...], size: int) -> Iterator[ZeroBiasEvents]:
        """Read the events of some files."""
        first = 0
        for columns in zip(*(_batches(table, size) for table in part), strict=True):
            merged = {name: array for of_table in columns for name, array in of_table.items()}
            yield self._events(_Columns(part, merged, first))
            first += size

    def _events(self, columns: "_Columns") -> ZeroBiasEvents:
        """Convert the columns of some events."""
        reference, saturated = columns.energy_sum(self.reference)
        n_saturated = {self.reference: saturated}
        objects = np.zeros((len(reference), N_SLOTS, 3), np.float32)
        for kind in KINDS:
            try:
                n_saturated[kind.prefix] = fill_slots(objects, kind, *columns.objects(kind))
            except OutOfRangeError as error:
                columns.refuse(kind.names[error.quantity], f"event {columns.first + error.event}: {error}")
        unknown = np.full(len(objects), np.nan, np.float32)
        events = L1Events(
            smeared_data=objects,
            true_data=None,
            smeared_met=met(objects),
            smeared_ht=ht(objects),
            true_met=unknown,
            true_ht=unknown,
            original_met=unknown,
            ids=np.full(len(objects), PROCESS_ID, np.int32),
            weights=np.ones(len(objects), np.float32),
        )
        return ZeroBiasEvents(events, reference, n_saturated)


# Which files hold what


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; whatever goes wrong while it is read becomes a :class:`UserError` that names it."""
    if not path.is_file():
        raise missing_error(path)
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_AHEAD) as file:
            yield file
    except MemoryError:
        limit = f"{READING_BYTES >> 20} MiB"
        raise UserError(f"{path}: takes more than {limit} of memory to be read: write it in smaller pages") from None
    except pa.ArrowNotImplementedError as error:
        raise UserError(f"{path}: written in a way that pyarrow {pa.__version__} does not read ({error})") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable_error(path, error, f"not a readable Parquet file, damaged or cut short ({error})") from None


def _groups(paths: Sequence[Path], schemas: Mapping[Path, pa.Schema]) -> list[dict[Path, list[Path]]]:
    """Sort files into groups of folders whose files hold the same events.

    A folder whose first file has several kinds of objects is a group of its own, others are one with their siblings.
    """
    of_folder: dict[Path, list[Path]] = {}
    for path in paths:
        of_folder.setdefault(path.parent, []).append(path)
    groups: dict[Path, dict[Path, list[Path]]] = {}
    for folder, files in of_folder.items():
        names = schemas[files[0]].names
        n_kinds = sum(kind.names[0] in names or kind.columns[0] in names for kind in KINDS)
        groups.setdefault(folder if n_kinds > 1 else folder.parent, {})[folder] = files
    return list(groups.values())


def _parts(
    folders: Mapping[Path, list[Path]],
    schemas: Mapping[Path, pa.Schema],
    n_rows: Mapping[Path, int],
    reference: str,
) -> list[tuple[_Table, ...]]:
    """Find the columns in a group of folders, and pair the files that hold the same events."""
    wanted = [*(name for kind in KINDS for name in kind.names), reference]
    found: dict[Path, list[str]] = {}
    for name in wanted:
        holding = [folder for folder, files in folders.items() if _name_in(schemas[files[0]], folder, name)]
        if not holding:
            where = ", ".join(f"{folder}/*.parquet" for folder in folders)
            raise UserError(f"{where}: expected column '{name}' (or '{name.partition('_')[2]}'), found it in none")
        own = [folder for folder in holding if folder.name == name.partition("_")[0]]
        found.setdefault((own or holding)[0], []).append(name)
    first, *others = found
    for folder in others:
        if len(folders[folder]) != len(folders[first]):
            counts = [f"{len(folders[of])} in {of}" for of in (first, folder)]
            raise UserError(f"{folder}: expected as many files for each kind of object, found {' and '.join(counts)}")
    parts = []
    for paths in zip(*(folders[folder] for folder in found), strict=True):
        for path in paths[1:]:
            if n_rows[path] != n_rows[paths[0]]:
                raise UserError(
                    f"{path}: expected {n_rows[paths[0]]} rows as in {paths[0]}, whose events it describes, "
                    f"found {n_rows[path]}"
                )
        parts.append(
            tuple(_table(path, schemas[path], names) for path, names in zip(paths, found.values(), strict=True))
        )
    return parts


def _name_in(schema: pa.Schema, folder: Path, name: str) -> str | None:
    """Return what a column is called in a file: its name, or that without the prefix where it can mean nothing else."""
    prefix, _, bare = name.partition("_")
    is_object = any(name in kind.names for kind in KINDS)
    allowed = [name, bare] if is_object or folder.name == prefix else [name]
    return next((candidate for candidate in allowed if candidate in schema.names), None)


def _table(path: Path, schema: pa.Schema, names: Sequence[str]) -> _Table:
    """Check the columns of a file."""
    columns = {}
    for name in names:
        column = _name_in(schema, path.parent, name)
        if column is None:
            raise UserError(f"{path}: column '{name}' is missing, found {', '.join(schema.names)}")
        kind = schema.field(column).type
        if name in REFERENCES.values():
            fits, expected = types.is_integer(kind) or types.is_floating(kind), "integers or floats"
        else:
            is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
            fits, expected = is_list and types.is_integer(kind.value_type), "lists of integers"
        if not fits:
            raise UserError(f"{path}: column '{column}': expected {expected}, found {kind}")
        columns[name] = column
    return _Table(path, columns)


# From columns to objects


def _batches(table: _Table, size: int) -> Iterator[dict[str, pa.Array]]:
    """Read columns of a file, exactly `size` rows at a time but for the last, whatever its row groups."""
    with _open(table.path) as file:
        _refuse_long_lists(file.metadata, table)
        waiting: list[pa.RecordBatch] = []
        batches = file.iter_batches(size, columns=list(table.columns.values()), use_threads=False)
        while (batch := _next(batches)) is not None:
            waiting.append(batch)
            while sum(map(len, waiting)) >= size:
                joined = pa.concat_batches(waiting)
                yield _named(joined[:size], table)
                waiting = [joined[size:]]
        rest = pa.concat_batches(waiting) if waiting else []
        if len(rest):
            yield _named(rest, table)


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    """Read a batch, or None at the end; a page says itself how much memory it takes, up to 2 GiB."""
    with memory_limited(READING_BYTES):
        return next(batches, None)


def _refuse_long_lists(metadata: pq.FileMetaData, table: _Table) -> None:
    """Refuse lists that are so long that they may not fit into memory."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            name = column.path_in_schema.partition(".")[0]
            if name in table.columns.values() and column.total_uncompressed_size > READING_BYTES:
                raise UserError(
                    f"{table.path}: column '{name}': {column.total_uncompressed_size >> 20} MiB in a group of rows, "
                    f"expected at most {READING_BYTES >> 20}: write it in smaller groups"
                )
            if name in table.columns.values() and column.num_values > MAX_VALUES * group.num_rows:
                raise UserError(
                    f"{table.path}: column '{name}': {column.num_values} entries in {group.num_rows} events, "
                    f"expected {MAX_VALUES} an event at most"
                )


def _named(batch: pa.RecordBatch, table: _Table) -> dict[str, pa.Array]:
    """Return the columns by the names that they have here."""
    return {name: batch.column(column) for name, column in table.columns.items()}


@dataclass(frozen=True)
class _Columns:
    """Columns of some events, the files that they come from, and the number of the first event in these."""

    tables: tuple[_Table, ...]
    arrays: dict[str, pa.Array]
    first: int

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise an error about a column."""
        (table,) = (table for table in self.tables if name in table.columns)
        raise UserError(f"{table.path}: column '{table.columns[name]}': {problem}")

    def energy_sum(self, name: str) -> tuple[np.ndarray, int]:
        """Return an energy sum in GeV, float32, and how many are saturated."""
        array = self.arrays[name]
        step = ENERGY_STEP if types.is_integer(array.type) else 1.0
        values = pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False) * step
        fits = (values >= 0) & (values <= LARGEST_L1_PT)
        if not fits.all():
            event = int(np.argmin(fits))
            self.refuse(
                name, f"event {self.first + event}: expected GeV from 0 to {LARGEST_L1_PT:g}, found {values[event]:g}"
            )
        return values.astype(np.float32), int(np.sum(values >= SATURATED_SUM * ENERGY_STEP))

    def objects(self, kind: ObjectKind) -> tuple[np.ndarray, ...]:
        """Return the number of objects of each event, and energy, eta and phi of all of them, as integers."""
        lists = [self.arrays[name] for name in kind.names]
        sizes = [pc.fill_null(pc.list_value_length(array), 0).to_numpy().astype(np.int64) for array in lists]
        for name, size in zip(kind.names, sizes, strict=True):
            if not np.array_equal(size, sizes[0]):
                self.refuse(name, f"expected lists as long as those of '{kind.names[0]}', found others")
        return (sizes[0], *(self._integers(name) for name in kind.names))

    def _integers(self, name: str) -> np.ndarray:
        """Return what the lists of a column hold, one after the other, int32."""
        values = self.arrays[name].flatten()
        if values.null_count:
            self.refuse(name, "expected integers in the lists, found empty entries")
        try:
            return pc.cast(values, pa.int32()).to_numpy()
        except pa.ArrowInvalid as error:
            self.refuse(name, f"expected integers of 32 bits ({error})")


class OutOfRangeError(ValueError):
    """An object whose energy, eta or phi (`quantity`) no object can have; the message says what was found."""

    def __init__(self, event: int, quantity: int, expected: str, found: int):
        super().__init__(f"expected {expected}, found {found}")
        self.event, self.quantity = event, quantity


def fill_slots(
    objects: np.ndarray, kind: ObjectKind, sizes: np.ndarray, et: np.ndarray, eta: np.ndarray, phi: np.ndarray
) -> int:
    """Put the leading objects of a kind into its slots, in falling order of their energy.

    Parameters
    ----------
    objects : np.ndarray, shape (n_events, 18, 3), float32
        Changed in place: pT [GeV], eta, phi in (-pi, pi].
    kind : ObjectKind
    sizes : np.ndarray, shape (n_events,), int64
        Number of objects of each event.
    et, eta, phi : np.ndarray, shape (n_objects,), int32
        In steps; the objects of one event after the other, in any order within an event.

    Returns
    -------
    int
        How many of the objects in slots are saturated.

    Raises
    ------
    OutOfRangeError
        If an object in a slot cannot be one.
    """
    first_kept = kind.first_step + max(1, int(np.ceil(kind.threshold / ENERGY_STEP)))
    energies = kind.first_step, first_kept, kind.saturated
    largest = int(LARGEST_L1_PT / ENERGY_STEP), int(LARGEST_ETA / kind.eta_step), kind.phi_steps
    steps = kind.eta_step, kind.phi_steps
    n_saturated, event, quantity, found = _fill(objects[:, kind.slots], sizes, et, eta, phi, energies, steps, largest)
    if quantity != FINE:
        lowest = 0 if quantity == PT else -largest[quantity]
        raise OutOfRangeError(event, quantity, f"steps from {lowest} to {largest[quantity]}", found)
    return int(n_saturated)


@compiled
def _fill(
    slots: np.ndarray,
    sizes: np.ndarray,
    et: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    energies: tuple[int, int, int],
    steps: tuple[float, int],
    largest: tuple[int, int, int],
) -> tuple[int, int, int, int]:
    """Fill the slots; return the number of saturated objects, and event, quantity and value of the first wrong one."""
    zero, first_kept, saturated = energies
    eta_step, phi_steps = steps
    n_slots, n_saturated, first = slots.shape[1], 0, 0
    leading = np.empty(n_slots, np.int64)
    for event in range(len(sizes)):
        n_kept = 0
        for i in range(first, first + sizes[event]):
            if et[i] < first_kept:
                continue
            place = n_kept
            while place > 0 and et[leading[place - 1]] < et[i]:
                if place < n_slots:
                    leading[place] = leading[place - 1]
                place -= 1
            if place < n_slots:
                leading[place] = i
                n_kept = min(n_kept + 1, n_slots)
        for slot in range(n_kept):
            i = leading[slot]
            if et[i] > largest[PT]:
                return 0, event, PT, et[i]
            if abs(eta[i]) > largest[ETA]:
                return 0, event, ETA, eta[i]
            if abs(phi[i]) > largest[PHI]:
                return 0, event, PHI, phi[i]
            n_saturated += et[i] >= saturated
            beyond = phi_steps // 2 - 1  # steps from the first one in (-pi, pi] to 0
            slots[event, slot, PT] = (et[i] - zero) * ENERGY_STEP
            slots[event, slot, ETA] = eta[i] * eta_step
            slots[event, slot, PHI] = ((phi[i] + beyond) % phi_steps - beyond) * (2 * np.pi / phi_steps)
        first += sizes[event]
    return n_saturated, 0, FINE, 0
