"""Writing of compressed columns: threads compress whole chunks with ISA-L, and HDF5 stores them as they are.

The files are plain gzip for any HDF5 library. Creating a million L1 events takes 2.1 CPU-seconds this way and 4.2 with
the gzip filter of the HDF5 library, which also blocks all other threads (``benchmarks/storage.py``).
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

GROWTH = 64  # chunks by which a column is extended at a time


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
        self._datasets = {
            name: file.create_dataset(
                name, (0, *row), dtype, maxshape=(None, *row), chunks=(rows_a_chunk, *row), **GZIP
            )
            for name, (row, dtype) in columns.items()
        }
        self._columns = columns
        self._written, self._filled, self._extent = 0, 0, 0
        self._chunk = self._empty_chunk()
        self._compressing: deque[dict[str, Future[bytes]]] = deque()

    def __len__(self) -> int:
        """Return the number of rows appended."""
        return self._written + len(self._compressing) * self._rows_a_chunk + self._filled

    def _empty_chunk(self) -> dict[str, np.ndarray]:
        return {name: np.empty((self._rows_a_chunk, *row), dtype) for name, (row, dtype) in self._columns.items()}

    def append(self, columns: dict[str, np.ndarray]) -> None:
        """Append rows, by column."""
        n_rows, start = len(columns[next(iter(self._datasets))]), 0
        while start < n_rows:
            stop = min(n_rows, start + self._rows_a_chunk - self._filled)
            filled = self._filled + stop - start
            for name, chunk in self._chunk.items():
                chunk[self._filled : filled] = columns[name][start:stop]
            start, self._filled = stop, filled
            if filled == self._rows_a_chunk:
                self._compress()
                self._write(waiting=4)

    def finish(self) -> None:
        """Write the last rows, padded with zeros to a whole chunk; HDF5 shows only the rows that exist."""
        n_rows = len(self)
        if self._filled:
            for chunk in self._chunk.values():
                chunk[self._filled :] = 0
            self._compress()
        self._write(waiting=0)
        for column in self._datasets.values():
            column.resize(n_rows, axis=0)

    def _compress(self) -> None:
        self._compressing.append(
            {name: self._workers.submit(_compressed, values) for name, values in self._chunk.items()}
        )
        self._chunk, self._filled = self._empty_chunk(), 0

    def _write(self, waiting: int) -> None:
        """Write the compressed chunks in order, until only `waiting` are left."""
        while len(self._compressing) > waiting:
            start, self._written = self._written, self._written + self._rows_a_chunk
            if self._written > self._extent:
                self._extent += GROWTH * self._rows_a_chunk
                for column in self._datasets.values():
                    column.resize(self._extent, axis=0)
            for name, compressed in self._compressing.popleft().items():
                offset = (start,) + (0,) * len(self._columns[name][0])
                write_chunk(self._datasets[name], offset, compressed.result())


def _compressed(values: np.ndarray) -> bytes:
    """Compress a chunk; the output of `isal_zlib.compress` is not reproducible for a few bytes."""
    stream = isal_zlib.compressobj(LEVEL)
    return stream.compress(values) + stream.flush()
