"""Dependencies of a workflow step by content: hashes of its code and of the files of the user."""

import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from utils.runtime.errors import UserError
from utils.runtime.imports import imported_modules
from utils.runtime.paths import resolved
from utils.runtime.provenance import sha256


@functools.cache
def code_hash(script: Path) -> str:
    """Return a hash of a script and the modules that it imports, independent of the folder of the project.

    Files that belong to a module stand beside it in a folder ``NAME_files`` and count as well.
    """
    digest = hashlib.sha256()
    for module in (script, *imported_modules(script)):
        files = sorted(path for path in module.with_name(f"{module.stem}_files").rglob("*") if path.is_file())
        for path in (module, *files):
            digest.update(f"{path.relative_to(script.parent)} {sha256(path)}\n".encode())
    return digest.hexdigest()


def content_hash(path: Path) -> str:
    """Return a hash of the content of a file, or of the names and contents of all files in a folder."""
    if not path.is_dir():
        return _file_hash(path, *_state(path))
    digest = hashlib.sha256()
    for inner in sorted(path.rglob("*")):
        if inner.is_file():
            digest.update(f"{inner.relative_to(path)} {_file_hash(inner, *_state(inner))}\n".encode())
    return digest.hexdigest()


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@functools.cache
def _file_hash(path: Path, size: int, time: int) -> str:
    """Hash a file once, as long as its size and modification time stay the same."""
    return sha256(path)


def refuse_inputs_of_outputs(inputs: Iterable[tuple[str, Path]], output: Path, names: Iterable[str]) -> None:
    """Refuse an input inside an output of the workflow, which is replaced when it is made again.

    Parameters
    ----------
    inputs : iterable of (str, Path)
        Key of the configuration and file or folder.
    output : Path
        Folder of all results.
    names : iterable of str
        Outputs in that folder, including those that do not exist yet.
    """
    given = list(inputs)
    outputs = {place for name in names for place in _places(output / name)} if given else set()
    for key, path in given:
        for place in (place for way in _ways(path) for place in (way, *way.parents) if place in outputs):
            raise UserError(
                f"configuration: {key}: {path} is in an output of the workflow, {place}, which is replaced as a whole "
                "when it is made again: copy the file to another place"
            )


def _ways(path: Path) -> Iterator[Path]:
    """Yield the absolute path as given, and with its links resolved."""
    yield Path(os.path.normpath(path.absolute()))
    yield resolved(path)


def _places(output: Path) -> Iterator[Path]:
    """Yield the paths of an output and of its temporary forms, as given and with links resolved."""
    for path in _ways(output):
        yield path
        for name in (f"{path.name}.partial", f".part.{path.name}", f".former.{path.name}"):
            yield path.with_name(name)
