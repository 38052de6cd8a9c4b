"""HDF5 files: opened, checked, and written whole."""

import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from utils.runtime import signals
from utils.runtime.errors import UserError
from utils.runtime.locks import NO_LOCKS
from utils.runtime.paths import missing_error, unreadable_error
from utils.runtime.text_files import MAX_TEXT_BYTES
from utils.runtime.whole_files import OutputGroup, whole_file

# Errors of h5py, depending on where a file is damaged.
HDF5_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError)

MAX_CHUNK_BYTES = 1 << 28


class _DeferredErrors(io.FileIO):
    """A file that accepts all writes and stores the first error: HDF5 cannot close a file after a failed write."""

    error: OSError | None = None

    @signals.uninterrupted
    def write(self, content: Any) -> int:
        """Write all of the content, or nothing after an error."""
        content, written = memoryview(content), 0
        try:
            while written < len(content) and self.error is None:
                written += super().write(content[written:])
        except OSError as error:
            self.error = error
        return len(content)


@contextmanager
@signals.uninterrupted
def new_hdf5(path: str | Path, group: OutputGroup | None = None) -> Iterator[h5py.File]:
    """Open a new HDF5 file, which appears at `path` when the block ends; arguments as for `whole_file`."""
    with whole_file(path, group) as temporary, _DeferredErrors(temporary, "w+") as raw:
        try:
            with h5py.File(raw, "w") as file:
                yield file
            os.fsync(raw.fileno())  # some file systems report a full disk only now
        finally:
            if raw.error is not None:
                raise raw.error


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, or raise a :class:`UserError` that names it."""
    path = Path(path)
    if not path.is_file():
        raise missing_error(path)
    with _opened(path) as file:
        yield file


def _opened(path: Path, locking: bool | None = None) -> h5py.File:
    """Open an HDF5 file, with a lock if the file system has locks."""
    try:
        return h5py.File(path, "r", locking=locking)
    except BlockingIOError:
        raise UserError(
            f"{path}: another program has locked it, perhaps to write it: wait for its end, or set "
            "HDF5_USE_FILE_LOCKING=FALSE to read it all the same"
        ) from None
    except OSError as error:
        if error.errno in NO_LOCKS and locking is None:
            return _opened(path, locking=False)
        damaged = "not a readable HDF5 file, damaged or cut short"
        raise unreadable_error(path, error, unreadable_reason(error, damaged)) from None


def unreadable_reason(error: BaseException, otherwise: str = "the file is damaged") -> str:
    """Explain why the HDF5 library cannot read, from its message."""
    text = " ".join(str(error).split())
    if "version" in text:
        return f"it is written by another version of HDF5 than {h5py.version.hdf5_version}, or damaged ({text})"
    return f"{otherwise} ({text})"


def has_entry(file: h5py.File, name: str) -> bool:
    """Return whether an open file has an entry of a name, without following links."""
    try:
        return file.id.links.exists(name.encode())
    except HDF5_ERRORS as error:
        raise UserError(f"{file.filename}: its list of datasets cannot be read, {unreadable_reason(error)}") from None


def read_number_attribute(file: h5py.File, name: str) -> float | None:
    """Return an attribute of an open file that is a finite number; anything else is None."""
    try:
        found = float(file.attrs[name])
    except HDF5_ERRORS:
        return None
    return found if math.isfinite(found) else None


def checked_dataset(file: h5py.File, name: str, shape: Sequence[int | None], kinds: str = "f") -> h5py.Dataset:
    """Return a dataset of an open file after checking it.

    All data that its shape declares must be in the file itself, in chunks that fit into memory.

    Parameters
    ----------
    file : h5py.File
    name : str
    shape : sequence of int or None
        Expected shape; None stands for any length.
    kinds : str
        Accepted kind letters of NumPy, for example ``"f"`` or ``"iu"``; ``"O"`` stands for text of any length.
    """
    try:
        return _checked_dataset(file, name, shape, kinds)
    except HDF5_ERRORS as error:
        raise UserError(f"{file.filename}: dataset '{name}' cannot be read, {unreadable_reason(error)}") from None


def _checked_dataset(file: h5py.File, name: str, shape: Sequence[int | None], kinds: str) -> h5py.Dataset:
    where = f"{file.filename}: dataset '{name}'"
    if not has_entry(file, name):
        raise UserError(f"{where} is missing, found {', '.join(sorted(file)) or 'none'}")
    if file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
        raise UserError(f"{where} is a link, expected the data themselves")
    found = file[name]
    wanted = "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
    if not isinstance(found, h5py.Dataset):
        raise UserError(
            f"{file.filename}: '{name}' is a {type(found).__name__.lower()}, expected a dataset of shape {wanted}"
        )
    if found.dtype.kind not in kinds or (found.dtype.kind == "O" and not h5py.check_string_dtype(found.dtype)):
        raise UserError(f"{where} has type {found.dtype}, expected one of kind {kinds}")
    fits = found.shape is not None and len(found.shape) == len(shape)
    if not fits or any(length not in (None, given) for length, given in zip(shape, found.shape, strict=True)):
        raise UserError(f"{where} has shape {found.shape}, expected {wanted}")
    if found.is_virtual or found.external:
        raise UserError(f"{where} takes its data from other files, expected the data themselves")
    _check_filters(found, where)
    _check_storage(found, where)
    return found


def _check_filters(found: h5py.Dataset, where: str) -> None:
    """Refuse a dataset that is compressed with a filter that this HDF5 library lacks."""
    properties = found.id.get_create_plist()
    for number, _, _, name in map(properties.get_filter, range(properties.get_nfilters())):
        if not h5py.h5z.filter_avail(number):
            raise UserError(
                f"{where} is compressed with filter {number} ({name.decode(errors='replace') or 'without a name'}), "
                "which is not installed: rewrite it, for example with h5repack -f GZIP=4"
            )


def _check_storage(found: h5py.Dataset, where: str) -> None:
    """Refuse a dataset that is incomplete or has too large chunks."""
    n_bytes = math.prod(found.shape) * found.dtype.itemsize
    if found.chunks is None:
        whole = found.id.get_storage_size() >= n_bytes
    else:
        chunk_bytes = math.prod(found.chunks) * found.dtype.itemsize
        if chunk_bytes > MAX_CHUNK_BYTES:
            raise UserError(
                f"{where} has chunks of {chunk_bytes >> 20} MiB, expected at most {MAX_CHUNK_BYTES >> 20}: "
                "rewrite it, for example with h5repack -l"
            )
        n_chunks = math.prod(-(-length // rows) for length, rows in zip(found.shape, found.chunks, strict=True))
        whole = found.id.get_num_chunks() >= n_chunks
    if not whole:
        raise UserError(f"{where} declares {len(found)} rows, but not all of them are written")


def read_text_attribute(file: h5py.File, name: str) -> str | None:
    """Return the text of an attribute; None if there is no text."""
    try:
        attribute = file.attrs.get_id(name)
        fits = attribute.shape == () and attribute.dtype.kind in "SO" and attribute.dtype.itemsize <= MAX_TEXT_BYTES
        text = file.attrs[name] if fits else None
    except HDF5_ERRORS:
        return None
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return text if isinstance(text, str) and len(text) <= MAX_TEXT_BYTES else None
