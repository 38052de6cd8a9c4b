"""Reading of rows of HDF5 datasets, with a bound on the decompressed size of a chunk.

The HDF5 library has no such bound: a few bytes of a file could fill the memory. Chunks of whole rows compressed by gzip
alone are decompressed here by ISA-L, in parallel threads. The HDF5 library reads all others after a check.
"""

import itertools
import math
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib

from utils.compat.h5py import read_chunk
from utils.formats.hdf5 import unreadable_reason
from utils.runtime.errors import UserError

UNREADABLE: Any = (OSError, RuntimeError, ValueError, isal_zlib.error)

# Filters that keep the number of bytes, except for a checksum.
SIZE_PRESERVING = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
# Filters whose parameters state the number of decompressed values, and the bytes of a value.
SIZE_DECLARING = (h5py.h5z.FILTER_NBIT, h5py.h5z.FILTER_SCALEOFFSET)
CHECKSUM_BYTES = 64


def read_rows(source: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    """Read the rows [start, stop) of a dataset in its own type; an error names the file and the rows."""
    try:
        if _is_gzip_of_whole_rows(source):
            return _gzip_rows(source, start, stop)
        _refuse_bombs(source, start, stop)
        return source[start:stop]
    except UNREADABLE as error:
        raise UserError(
            f"{source.file.filename}: dataset '{source.name.lstrip('/')}' cannot be read in rows "
            f"{start} to {stop}, {unreadable_reason(error)}"
        ) from None


def _is_gzip_of_whole_rows(source: h5py.Dataset) -> bool:
    return (
        source.chunks is not None
        and source.chunks[1:] == source.shape[1:]
        and list(_filters(source)) == [h5py.h5z.FILTER_DEFLATE]
        and source.dtype.kind in "iuf"
        and source.dtype.isnative
    )


def _filters(source: h5py.Dataset) -> dict[int, tuple[int, ...]]:
    """Return the parameters of each filter of a dataset, by its number, in the order of their application."""
    properties = source.id.get_create_plist()
    filters = [properties.get_filter(i) for i in range(properties.get_nfilters())]
    if len({number for number, *_ in filters}) < len(filters):
        raise ValueError("compressed twice, expected once: rewrite the file with h5repack")
    return {number: values for number, _, values, _ in filters}


def _chunk_bytes(source: h5py.Dataset) -> int:
    return math.prod(source.chunks) * source.dtype.itemsize


def _gzip_rows(source: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    """Read the rows [start, stop) of a dataset in chunks of whole rows."""
    chunks, dtype = source.chunks, source.dtype
    rows = np.empty((stop - start, *chunks[1:]), dtype)
    length, size = chunks[0], _chunk_bytes(source)
    buffer, others = _buffer(size), (0,) * (len(chunks) - 1)
    for first in range(start - start % length, stop, length):
        skipped_filters, stored = _stored(source, (first, *others), buffer)
        low, high = max(start, first), min(stop, first + length)
        if skipped_filters or not stored:  # HDF5 reads chunks that were never written, or stored uncompressed
            rows[low - start : high - start] = source[low:high]
            continue
        content = isal_zlib.decompressobj().decompress(stored, size + 1)
        _check_size(len(content), range(size, size + 1))
        rows[low - start : high - start] = np.frombuffer(content, dtype).reshape(chunks)[low - first : high - first]
    return rows


def _buffer(n_bytes: int) -> np.ndarray:
    """Return room for a stored chunk of `n_bytes`: larger than incompressible content after gzip."""
    return np.empty(n_bytes + n_bytes // 64 + 4096, np.uint8)


def _stored(source: h5py.Dataset, offset: tuple[int, ...], buffer: np.ndarray) -> tuple[int, memoryview]:
    """Return a bit mask of the filters that were skipped for a chunk, and its stored bytes, none if never written.

    A chunk whose stored size exceeds the buffer is not read.
    """
    try:
        return read_chunk(source, offset, buffer)
    except RuntimeError:  # never written; the check for that would walk through all chunks
        return 0, memoryview(b"")


def _check_size(n_bytes: int, expected: range) -> None:
    if n_bytes not in expected:
        more = " or more" if n_bytes > expected.start else ""
        raise ValueError(f"a chunk has {n_bytes} bytes{more}, expected {expected.start}")


def _refuse_bombs(source: h5py.Dataset, start: int, stop: int) -> None:
    """Refuse rows [start, stop) with a chunk whose decompressed size is not the size of a chunk."""
    if source.chunks is None or not (filters := _filters(source)):
        return
    size = _chunk_bytes(source)
    buffer = _buffer(size)
    expected = range(size, size + CHECKSUM_BYTES + 1)
    compressing = [number for number in filters if number not in SIZE_PRESERVING]
    if len(compressing) > 1:
        raise ValueError("compressed in two ways, expected one: rewrite the file with h5repack")
    if compressing and compressing[0] in SIZE_DECLARING:
        _, _, n_numbers, _, n_bytes, *_ = filters[compressing[0]]
        if n_numbers * n_bytes != size:
            raise ValueError(f"a chunk has {n_numbers * n_bytes} bytes, expected {size}")
    steps = zip((start, *[0] * (source.ndim - 1)), (stop, *source.shape[1:]), source.chunks, strict=True)
    for offset in itertools.product(*(range(low - low % length, high, length) for low, high, length in steps)):
        skipped_filters, stored = _stored(source, offset, buffer)
        if not stored or not compressing or skipped_filters & (1 << list(filters).index(compressing[0])):
            continue
        if compressing[0] == h5py.h5z.FILTER_DEFLATE:
            _check_size(len(isal_zlib.decompressobj().decompress(stored, expected.stop)), expected)
        elif compressing[0] == h5py.h5z.FILTER_SZIP:
            _check_size(int.from_bytes(stored[:4], "little"), expected)
