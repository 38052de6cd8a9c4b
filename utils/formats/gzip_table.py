"""Writing of compressed columns: threads compress whole chunks with libdeflate, and HDF5 stores the compressed bytes.

The files are plain gzip for any HDF5 library, whose own filter takes nearly twice as long and blocks all other threads:
see docs/results/speed.md.
"""

from collections import deque
from concurrent.futures import Executor, Future

import deflate
import h5py
import numpy as np

from utils.compat.h5py import write_chunk

# Every HDF5 library has gzip. Shuffling the bytes of mostly empty slots makes files larger and slower.
LEVEL = 1
GZIP = {"compression": "gzip", "compression_opts": LEVEL}

MAX_WAITING = 4  # chunks in compression, which bounds the memory
CHUNKS_A_RESIZE = 64  # HDF5 takes longer to change the length of a column than to store a chunk


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
        self._compressing: deque[Future[dict[str, bytes]]] = deque()
        self._n_rows, self._written = 0, 0
        self._chunk = self._empty_chunk()

    def __len__(self) -> int:
        """Return the number of rows appended."""
        return self._n_rows

    def _empty_chunk(self) -> dict[str, np.ndarray]:
        return {name: np.zeros(column.chunks, column.dtype) for name, column in self._columns.items()}

    def append(self, columns: dict[str, np.ndarray]) -> None:
        """Append rows, by column. Whole chunks are not copied, so the arrays must not change afterwards."""
        n_new, start = len(columns[next(iter(self._columns))]), 0
        while start < n_new:
            filled = self._n_rows % self._rows_a_chunk
            n_taken = min(n_new - start, self._rows_a_chunk - filled)
            rows = {name: columns[name][start : start + n_taken] for name in self._columns}
            start, self._n_rows = start + n_taken, self._n_rows + n_taken
            if n_taken == self._rows_a_chunk:
                self._compress({name: np.ascontiguousarray(rows[name], self._chunk[name].dtype) for name in rows})
                continue
            for name, chunk in self._chunk.items():
                chunk[filled : filled + n_taken] = rows[name]
            if self._n_rows % self._rows_a_chunk == 0:
                self._compress_last()

    def finish(self) -> None:
        """Write the last rows, padded with zeros to a whole chunk; HDF5 shows only the rows that exist."""
        if self._n_rows % self._rows_a_chunk:
            self._compress_last()
        self._write(0)
        self._resize(self._n_rows)

    def _compress_last(self) -> None:
        """Compress the chunk that was filled row by row, and begin another."""
        chunk, self._chunk = self._chunk, self._empty_chunk()
        self._compress(chunk)

    def _compress(self, chunk: dict[str, np.ndarray]) -> None:
        self._compressing.append(self._workers.submit(_compressed, chunk))
        self._write(MAX_WAITING)

    def _write(self, n_waiting: int) -> None:
        """Write compressed chunks in order, until only `n_waiting` are left."""
        while len(self._compressing) > n_waiting:
            start, self._written = self._written, self._written + self._rows_a_chunk
            if start % (CHUNKS_A_RESIZE * self._rows_a_chunk) == 0:
                self._resize(start + CHUNKS_A_RESIZE * self._rows_a_chunk)
            for name, content in self._compressing.popleft().result().items():
                write_chunk(self._columns[name], (start,) + (0,) * (self._chunk[name].ndim - 1), content)

    def _resize(self, n_rows: int) -> None:
        for column in self._columns.values():
            column.resize(n_rows, axis=0)


def _compressed(chunk: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Compress the columns of a chunk: equal values give equal bytes, which ISA-L does not do on every processor."""
    return {name: bytes(deflate.zlib_compress(values, LEVEL)) for name, values in chunk.items()}
