"""New files of numbers per event, a column each: HDF5, Parquet or a tree of ROOT, by the suffix of the name."""

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from utils.formats.gzip_table import GzipTable
from utils.formats.hdf5 import new_hdf5
from utils.runtime.whole_files import whole_file
from utils.runtime.workers import worker_threads

TREE = "l1_correction"  # name of the tree in a ROOT file
CONFIGURATION = "configuration"  # provenance of the file as JSON
ROWS_A_CHUNK = 1 << 14

Columns = Mapping[str, np.ndarray]
Append = Callable[[Columns], None]


def new_column_file(
    path: Path, types: Mapping[str, type], made_by: Mapping[str, Any]
) -> AbstractContextManager[Append]:
    """Open a new file, which appears at `path` when the block ends, and give a function that appends rows.

    Parameters
    ----------
    path : Path
        Its suffix is one of `SUFFIXES`.
    types : mapping of str to type
        NumPy type of each column.
    made_by : mapping
        Configuration and versions that made the file, stored in it.
    """
    return SUFFIXES[path.suffix](path, types, json.dumps(made_by))


@contextmanager
def _new_hdf5(path: Path, types: Mapping[str, type], made_by: str) -> Iterator[Append]:
    with new_hdf5(path) as file, worker_threads(1) as workers:
        table = GzipTable(file, {name: ((), dtype) for name, dtype in types.items()}, ROWS_A_CHUNK, workers)
        yield lambda columns: table.append(dict(columns))
        table.finish()
        file.attrs[CONFIGURATION] = made_by


@contextmanager
def _new_parquet(path: Path, types: Mapping[str, type], made_by: str) -> Iterator[Append]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [pa.field(name, pa.from_numpy_dtype(dtype), nullable=False) for name, dtype in types.items()]
    schema = pa.schema(fields, {CONFIGURATION: made_by})
    with _new_binary(path) as raw, pq.ParquetWriter(raw, schema) as writer:
        yield lambda columns: writer.write_table(pa.table(dict(columns), schema))


@contextmanager
def _new_root(path: Path, types: Mapping[str, type], made_by: str) -> Iterator[Append]:
    import uproot

    def identifier() -> uuid.UUID:
        """Identify equal files alike; that of uproot has the time and the address of the host."""
        return uuid.uuid5(uuid.NAMESPACE_OID, made_by)

    with _new_binary(path) as raw, uproot.recreate(raw, uuid_function=identifier) as file:
        tree = file.mktree(TREE, types)
        yield tree.extend
        file[CONFIGURATION] = made_by


@contextmanager
def _new_binary(path: Path) -> Iterator[BinaryIO]:
    """Open a new file, which appears at `path` when the block ends; the block may close it."""
    with whole_file(path) as temporary:
        with temporary.open("w+b") as raw:
            yield raw
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # some file systems report a full disk only now


SUFFIXES = {".h5": _new_hdf5, ".hdf5": _new_hdf5, ".parquet": _new_parquet, ".root": _new_root}
