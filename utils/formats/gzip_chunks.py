"""Whole chunks of HDF5 datasets, compressed and read by ISA-L instead of by the HDF5 library.

What is written is what HDF5's own gzip filter reads, and the other way round; ISA-L takes a fifth of the time for the
same size, and other threads go on meanwhile.
"""

import itertools
import math
from collections import deque
from concurrent.futures import Executor, Future
from typing import Any

import h5py
import numpy as np
from h5py._objects import phil  # h5py's lock, which its direct access to chunks does not take before version 3.16
from isal import isal_zlib

from utils.formats.hdf5 import unreadable_reason
from utils.runtime.errors import UserError

# Gzip is in every HDF5 library. Shuffling the bytes of mostly empty slots makes files larger and slower.
LEVEL = 1
GZIP = {"compression": "gzip", "compression_opts": LEVEL}

GROWTH = 64  # chunks by which a column is extended at a time

UNREADABLE: Any = (OSError, RuntimeError, ValueError, isal_zlib.error)


class GzipTable:
    """Columns of one length in an HDF5 file, to which rows are appended.

    Parameters
    ----------
    file : h5py.File
    columns : dict of str to tuple
        Shape of a row and type of each column.
    rows_a_chunk : int
    workers : Executor
        Where chunks are compressed.
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
        """Append rows, given by the name of the column."""
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
        """Write what is left, padded with zeros to a whole chunk of which HDF5 shows only the rows that exist."""
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
        """Write the compressed chunks in order, until so many are waiting."""
        while len(self._compressing) > waiting:
            start, self._written = self._written, self._written + self._rows_a_chunk
            if self._written > self._extent:
                self._extent += GROWTH * self._rows_a_chunk
                for column in self._datasets.values():
                    column.resize(self._extent, axis=0)
            for name, compressed in self._compressing.popleft().items():
                content, place = compressed.result(), (start,) + (0,) * len(self._columns[name][0])
                with phil:
                    self._datasets[name].id.write_direct_chunk(place, content)


def _compressed(values: np.ndarray) -> bytes:
    """Compress a chunk.

    Not by `isal_zlib.compress`: of one and the same few bytes that one makes now these, now those compressed ones.
    """
    stream = isal_zlib.compressobj(LEVEL)
    return stream.compress(values) + stream.flush()


def read_rows(source: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    """Read the rows [start, stop) of a dataset as they are stored, or name the file and rows that fail.

    A dataset in chunks of whole rows with no filter but gzip is decompressed here, any other by the HDF5 library, which
    does not bound what a chunk unfolds to: that is done here before.
    """
    try:
        if not _is_gzip_of_whole_rows(source):
            _refuse_bombs(source, start, stop)
            return source[start:stop]
        rows = np.empty((stop - start, *source.shape[1:]), source.dtype)
        length = source.chunks[0]
        for first in range(start - start % length, stop, length):
            chunk = _read_chunk(source, first)
            low, high = max(start, first), min(stop, first + length)
            rows[low - start : high - start] = chunk[low - first : high - first]
    except UNREADABLE as error:
        raise UserError(
            f"{source.file.filename}: dataset '{source.name.lstrip('/')}' cannot be read in rows "
            f"{start} to {stop}, {unreadable_reason(error)}"
        ) from None
    return rows


def _is_gzip_of_whole_rows(source: h5py.Dataset) -> bool:
    return (
        source.chunks is not None
        and source.chunks[1:] == source.shape[1:]
        and list(_filters(source)) == [h5py.h5z.FILTER_DEFLATE]
        and source.dtype.kind in "iuf"
        and source.dtype.isnative
    )


def _filters(source: h5py.Dataset) -> dict[int, tuple[int, ...]]:
    """Return the numbers and parameters of the filters of a dataset, in the order in which they are applied."""
    properties = source.id.get_create_plist()
    of_each = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    if len({number for number, *_ in of_each}) < len(of_each):
        raise ValueError("compressed twice, expected once: rewrite the file with h5repack")
    return {number: values for number, _, values, _ in of_each}


def _chunk_bytes(source: h5py.Dataset) -> int:
    return math.prod(source.chunks) * source.dtype.itemsize


def _stored(source: h5py.Dataset, place: tuple[int, ...]) -> tuple[int, memoryview]:
    """Return which filters a chunk was stored without, as bits, and its bytes; none of one that was never written.

    A chunk that says it is larger than its content can be is not read.
    """
    n_bytes = _chunk_bytes(source)
    buffer = np.empty(n_bytes + n_bytes // 64 + 4096, np.uint8)  # more than gzip makes of what it cannot compress
    try:
        with phil:
            filters_left_out, stored = source.id.read_direct_chunk(place, out=buffer)
    except RuntimeError:  # it was never written; to ask HDF5 for that it would walk through all chunks
        return 0, memoryview(b"")
    return filters_left_out, stored


def _read_chunk(source: h5py.Dataset, first: int) -> np.ndarray:
    """Read the whole chunk that begins with a row; one never written, or stored without its filter, as HDF5 has it."""
    filters_left_out, stored = _stored(source, (first,) + (0,) * (source.ndim - 1))
    if filters_left_out or not stored:
        return source[first : first + source.chunks[0]]
    size = _chunk_bytes(source)
    content = isal_zlib.decompressobj().decompress(stored, size + 1)
    if len(content) != size:
        raise ValueError(f"a chunk has {len(content)} bytes{' or more' * (len(content) > size)}, expected {size}")
    return np.frombuffer(content, source.dtype).reshape(source.chunks)


# Filters that leave as many bytes as there are, but for a checksum.
KEEP_THE_SIZE = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
# Filters whose parameters say how many numbers of how many bytes they unfold to.
OF_DECLARED_SIZE = (h5py.h5z.FILTER_NBIT, h5py.h5z.FILTER_SCALEOFFSET)


def _refuse_bombs(source: h5py.Dataset, start: int, stop: int) -> None:
    """Refuse chunks of the rows [start, stop) that unfold to more or less than a chunk, which the library believes."""
    if source.chunks is None or not (filters := _filters(source)):
        return
    size = _chunk_bytes(source)
    expected = range(size, size + 65)  # with checksums
    compressing = [number for number in filters if number not in KEEP_THE_SIZE]
    if len(compressing) > 1:
        raise ValueError("compressed in two ways, expected one: rewrite the file with h5repack")
    if compressing and compressing[0] in OF_DECLARED_SIZE:
        _, _, n_numbers, _, n_bytes, *_ = filters[compressing[0]]
        if n_numbers * n_bytes != size:
            raise ValueError(f"a chunk has {n_numbers * n_bytes} bytes, expected {size}")
    steps = zip((start, *[0] * (source.ndim - 1)), (stop, *source.shape[1:]), source.chunks, strict=True)
    for place in itertools.product(*(range(low - low % length, high, length) for low, high, length in steps)):
        filters_left_out, stored = _stored(source, place)
        if not stored or not compressing or filters_left_out & (1 << list(filters).index(compressing[0])):
            continue
        n_bytes = size
        if compressing[0] == h5py.h5z.FILTER_DEFLATE:
            n_bytes = len(isal_zlib.decompressobj().decompress(stored, expected.stop))
        elif compressing[0] == h5py.h5z.FILTER_SZIP:
            n_bytes = int.from_bytes(stored[:4], "little")
        if n_bytes not in expected:
            raise ValueError(f"a chunk has {n_bytes} bytes{' or more' * (n_bytes > size)}, expected {size}")
