"""Zero-bias events of CMS: Level-1 objects of random crossings of colliding bunches, in Parquet files.

The files have the layout of the public data set Zenodo 21787779, in either of two forms:

- A folder for each kind of object, ``RUN/SPLIT/OBJECT/*.parquet``. Files of all folders are paired in the order of
  their names, and rows of the same number belong to the same event.
- All columns in each file, ``data/SAMPLE/SPLIT-*.parquet``.

Objects are lists of integers: ``jets_jetIEt``, ``jets_jetIEta``, ``jets_jetIPhi`` (at most 12 per event),
``egammas_egIEt``, ``egammas_egIEta``, ``egammas_egIPhi`` (12), ``muons_muonIEt``, ``muons_muonIEtaAtVtx``,
``muons_muonIPhiAtVtx`` (8). Energy sums are numbers: ``MET_Et``, ``HT_Et``. These are the names on the card of the data
set. A name may lack its prefix, which is an assumption and not on the card: ``egIEt`` for ``egammas_egIEt``, and in the
folder of an object also ``Et`` for ``MET_Et``. Other columns are not read.

An energy sum is in steps of 0.5 GeV if its column holds integers, and in GeV if it holds floats. The steps of the
objects are those of `utils.formats.trigger_objects`.
"""

import glob
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from utils.event_layout import N_SLOTS
from utils.formats.duplicates import LOOKED_AT, fingerprint, refuse_duplicates
from utils.formats.parquet import Table, open_parquet, read_batches
from utils.formats.physical import LARGEST_L1_PT
from utils.formats.trigger_objects import KINDS, LARGEST_SUM, ObjectKind, OutOfRangeError, fill_slots
from utils.formats.trigger_scales import ENERGY_STEP, JET_THRESHOLD
from utils.formats.zero_bias_events import PROCESS_ID, ZeroBiasEvents
from utils.formats.zero_bias_layout import REFERENCES, find_parts, group_files
from utils.l1_events import L1Events
from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error


@dataclass(frozen=True)
class _Beginning:
    """Fingerprint of the first events of paired files, and the path of the first file."""

    path: Path
    fingerprint: str | None


@dataclass(frozen=True)
class ZeroBiasData:
    """A checked folder of zero-bias events.

    Attributes
    ----------
    folder : Path
    n_events : int
    reference : str
        Column of the energy sum of the CMS trigger.
    parts : tuple of tuple of Table
        Files that hold the same events, in the order of the events.
    jet_threshold : float
        In GeV; jets below are left out.
    """

    folder: Path
    n_events: int
    reference: str
    parts: tuple[tuple[Table, ...], ...]
    jet_threshold: float = JET_THRESHOLD

    cut = 0.0  # threshold that the jets of a file have already
    reasons = ()  # for which events are left out

    @classmethod
    def check(cls, folder: str | Path, reconstructed: str, jet_threshold: float = JET_THRESHOLD) -> "ZeroBiasData":
        """Check the layout of all files; raise a :class:`UserError` that says what differs.

        Parameters
        ----------
        folder : str or Path
            Folder, or one file with all columns.
        reconstructed : str
            Corrected L1 sum, ``smeared_met`` or ``smeared_ht``, which decides the reference.
        jet_threshold : float
            In GeV; jets below are left out.
        """
        folder = Path(folder)
        if not folder.exists():
            raise missing_error(folder, "folder")
        pattern = f"{glob.escape(str(folder))}/**/*.parquet"
        paths = [folder] if folder.is_file() else sorted(map(Path, glob.glob(pattern, recursive=True)))
        if not paths:
            raise UserError(f"{folder}: expected Parquet files, *.parquet, in it or its folders, found none")
        reference = REFERENCES[reconstructed]
        schemas, n_rows = {}, {}
        for path in paths:
            with open_parquet(path) as file:
                schemas[path], n_rows[path] = file.schema_arrow, file.metadata.num_rows
        parts = tuple(
            part for files in group_files(paths, schemas) for part in find_parts(files, schemas, n_rows, reference)
        )
        n_events = sum(n_rows[part[0].path] for part in parts)
        if n_events == 0:
            raise UserError(f"{folder}: the files hold no events")
        data = cls(folder, n_events, reference, parts, jet_threshold)
        refuse_duplicates(_Beginning(part[0].path, data.first_fingerprint(part)) for part in parts)
        return data

    def first_fingerprint(self, part: tuple[Table, ...]) -> str | None:
        """Return the fingerprint of the first events of paired files, see `utils.formats.duplicates`."""
        first = next(self._part_chunks(part, LOOKED_AT), None)
        return None if first is None else fingerprint(first.events.smeared_data)

    def chunks(self, size: int) -> Iterator[ZeroBiasEvents]:
        """Read the events in order, at most `size` at a time."""
        for part in self.parts:
            yield from self._part_chunks(part, size)

    def _part_chunks(self, part: tuple[Table, ...], size: int) -> Iterator[ZeroBiasEvents]:
        """Read the events of paired files."""
        first = 0
        for batches in zip(*(read_batches(table, size) for table in part), strict=True):
            merged = {name: array for batch in batches for name, array in batch.items()}
            yield self._events(_Columns(part, merged, first))
            first += size

    def _events(self, columns: "_Columns") -> ZeroBiasEvents:
        """Convert columns to events."""
        reference, saturated = columns.energy_sum(self.reference)
        n_saturated = {self.reference: saturated}
        objects = np.zeros((len(reference), N_SLOTS, 3), np.float32)
        for kind in (*KINDS[:-1], replace(KINDS[-1], threshold=self.jet_threshold)):
            try:
                n_saturated[kind.prefix] = fill_slots(objects, kind, *columns.objects(kind))
            except OutOfRangeError as error:
                columns.refuse(kind.names[error.quantity], f"event {columns.first + error.event}: {error}")
        return ZeroBiasEvents(L1Events.of_objects(objects, PROCESS_ID), reference, n_saturated)


@dataclass(frozen=True)
class _Columns:
    """Columns of a chunk of events, their files, and the number of the first event in these files."""

    tables: tuple[Table, ...]
    arrays: dict[str, pa.Array]
    first: int

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise an error about a column."""
        (table,) = (table for table in self.tables if name in table.columns)
        raise UserError(f"{table.path}: column '{table.columns[name]}': {problem}")

    def energy_sum(self, name: str) -> tuple[np.ndarray, int]:
        """Return an energy sum in GeV, float32, and the number of saturated ones."""
        array = self.arrays[name]
        step = ENERGY_STEP if types.is_integer(array.type) else 1.0
        values = pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False) * step
        fits = (values >= 0) & (values <= LARGEST_L1_PT)
        if not fits.all():
            event = int(np.argmin(fits))
            self.refuse(
                name, f"event {self.first + event}: expected GeV from 0 to {LARGEST_L1_PT:g}, found {values[event]:g}"
            )
        return values.astype(np.float32), int(np.sum(values >= LARGEST_SUM))

    def objects(self, kind: ObjectKind) -> tuple[np.ndarray, ...]:
        """Return the number of objects of each event, and the integers of energy, eta and phi of all objects."""
        lists = [self.arrays[name] for name in kind.names]
        sizes = [pc.fill_null(pc.list_value_length(array), 0).to_numpy().astype(np.int64) for array in lists]
        for name, size in zip(kind.names, sizes, strict=True):
            if not np.array_equal(size, sizes[0]):
                self.refuse(name, f"expected lists as long as in '{kind.names[0]}', found other lengths")
        return (sizes[0], *(self._integers(name) for name in kind.names))

    def _integers(self, name: str) -> np.ndarray:
        """Return the concatenated lists of a column, int32."""
        values = self.arrays[name].flatten()
        if values.null_count:
            self.refuse(name, "expected integers in the lists, found empty entries")
        try:
            return pc.cast(values, pa.int32()).to_numpy()
        except pa.ArrowInvalid as error:
            self.refuse(name, f"expected integers of 32 bits ({error})")
