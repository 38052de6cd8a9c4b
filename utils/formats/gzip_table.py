"""Writing of compressed columns: threads compress whole chunks with ISA-L, and HDF5 stores the compressed bytes.

The files are plain gzip for any HDF5 library. Creating a million L1 events took 2.1 CPU-seconds this way and 4.2 with
the gzip filter of the HDF5 library, which also blocks all other threads: see docs/results/speed.md.
"""

from collections import deque
from concurrent.futures import Executor, Future

import h5py
import numpy as np
from isal import isal_zlib

from utils.compat.h5py import write_chunk

# Every HDF5 library has gzip. Shuffling the bytes of mostly empty slots makes files larger and slower.
LEVEL = 1
GZIP = {"compression": "gzip", "compression_opts": LEVEL}

MAX_WAITING = 4  # chunks in compression, which bounds the memory


class GzipTable:
    """Columns of equal length in an HDF5 file, to which rows are appended.

    Parameters
    ----------
    file : h5py.File
    columns : dict of str to tuple
        Shape of a row and type of each column.
    rows_a_chunk : int
    workers : Executor
        Threads that compress the chunks.
    """

    def __init__(
        self, file: h5py.File, columns: dict[str, tuple[tuple[int, ...], type]], rows_a_chunk: int, workers: Executor
    ):
        self._rows_a_chunk, self._workers = rows_a_chunk, workers
        self._columns = {
            name: file.create_dataset(
                name, (0, *row), dtype, maxshape=(None, *row), chunks=(rows_a_chunk, *row), **GZIP
            )
            for name, (row, dtype) in columns.items()
        }
        self._compressing: deque[dict[str, Future[bytes]]] = deque()
        self._n_rows, self._written = 0, 0
        self._chunk = self._empty_chunk()

    def __len__(self) -> int:
        """Return the number of rows appended."""
        return self._n_rows

    def _empty_chunk(self) -> dict[str, np.ndarray]:
        return {name: np.zeros(column.chunks, column.dtype) for name, column in self._columns.items()}

    def append(self, columns: dict[str, np.ndarray]) -> None:
        """Append rows, by column."""
        n_new, start = len(columns[next(iter(self._columns))]), 0
        while start < n_new:
            filled = self._n_rows % self._rows_a_chunk
            n_taken = min(n_new - start, self._rows_a_chunk - filled)
            for name, chunk in self._chunk.items():
                chunk[filled : filled + n_taken] = columns[name][start : start + n_taken]
            start, self._n_rows = start + n_taken, self._n_rows + n_taken
            if self._n_rows % self._rows_a_chunk == 0:
                self._compress()
                self._write(MAX_WAITING)

    def finish(self) -> None:
        """Write the last rows, padded with zeros to a whole chunk; HDF5 shows only the rows that exist."""
        if self._n_rows % self._rows_a_chunk:
            self._compress()
        self._write(0)
        for column in self._columns.values():
            column.resize(self._n_rows, axis=0)

    def _compress(self) -> None:
        self._compressing.append(
            {name: self._workers.submit(_compressed, values) for name, values in self._chunk.items()}
        )
        self._chunk = self._empty_chunk()

    def _write(self, n_waiting: int) -> None:
        """Write compressed chunks in order, until only `n_waiting` are left."""
        while len(self._compressing) > n_waiting:
            start, self._written = self._written, self._written + self._rows_a_chunk
            for name, compressed in self._compressing.popleft().items():
                column = self._columns[name]
                column.resize(self._written, axis=0)
                write_chunk(column, (start,) + (0,) * (column.ndim - 1), compressed.result())


def _compressed(values: np.ndarray) -> bytes:
    """Compress a chunk; the output of `isal_zlib.compress` is not reproducible for a few bytes."""
    stream = isal_zlib.compressobj(LEVEL)
    return stream.compress(values) + stream.flush()
