"""Paths of inputs and outputs: how they are resolved, found, and refused."""

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from utils.runtime.errors import UserError

MOST_LINKS = 40  # in a path, the limit of Linux


def resolved(path: str | Path) -> Path:
    """Return an absolute path without links; unlike in `Path.resolve`, circular links are no error."""
    return Path(os.path.realpath(path))


def missing_error(path: str | Path, what: str = "file") -> UserError:
    """Return the error of an input that does not exist or is of another kind; a dangling link is named."""
    path = Path(path)
    if path.exists():
        return UserError(f"{path}: is a {file_kind(path)}, expected a {what}")
    if path.is_symlink():
        return UserError(f"{path}: is a link to {path.readlink()}, which does not exist")
    return UserError(f"{path}: no such {what}")


def file_kind(path: Path) -> str:
    """Return the kind of a path that is not a regular file."""
    kinds = {
        "folder": Path.is_dir,
        "pipe": Path.is_fifo,
        "socket": Path.is_socket,
        "device": lambda path: path.is_char_device() or path.is_block_device(),
    }
    return next((kind for kind, applies in kinds.items() if applies(path)), "file")


def find_files(source: str, start: Path = Path()) -> list[Path]:
    """Find the files of a glob; a part of the path that exists literally is not a pattern.

    Parameters
    ----------
    source : str
    start : Path, optional
        Base of a relative path; by default the working directory.
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


def unreadable_error(path: str | Path, error: BaseException, otherwise: str) -> UserError:
    """Return the error of an unreadable input: the reason of the operating system, or else `otherwise`."""
    if isinstance(error, OSError) and error.errno is not None:
        return UserError(f"{path}: cannot be read: {os.strerror(error.errno)}")
    return UserError(f"{path}: {otherwise}")


def refuse_dangling(path: str | Path) -> None:
    """Refuse an output with a dangling link in its path: the target may not be mounted."""
    for part in (*reversed(Path(path).parents), Path(path)):
        if part.is_symlink() and not part.exists():
            raise missing_error(part)


def refuse_special(path: str | Path) -> None:
    """Refuse an output that is a device, a pipe or a socket, or a descriptor of this process such as /dev/stdout.

    The finished file would replace the device.
    """
    part = Path(path)
    for _ in range(MOST_LINKS):
        part = resolved(part.parent) / part.name
        if part.is_relative_to("/proc"):
            raise UserError(f"{path}: is a descriptor of this process, expected the name of a file")
        if not part.is_symlink():
            break
        part = part.parent / part.readlink()
    if part.exists() and not (part.is_file() or part.is_dir()):
        raise UserError(f"{path}: is a {file_kind(part)}, expected the name of a file")


def prepare_output(path: str | Path) -> Path:
    """Make the parent of an output, and return its absolute path without links."""
    refuse_dangling(path)
    path = resolved(path)  # the target of a link is replaced, not the link
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written, its folder cannot be made: {error.strerror}") from None
    return path


def refuse_overlaps(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuse an output that is an input or another output, directly or by a link, or a folder that contains one.

    Parameters
    ----------
    outputs : mapping of str to Path or None
        Path of each output by its flag; None if not given.
    inputs : iterable of Path or None
    """
    given = [(flag, path) for flag, path in outputs.items() if path is not None]
    others = [("the input", path) for path in inputs if path is not None]
    for i, (flag, output) in enumerate(given):
        for name, path in [*others, *given[:i], *given[i + 1 :]]:
            if _same_file(output, path):
                raise UserError(f"{flag} {output}: is the same file as {name} {path}")
            if resolved(output) in resolved(path).parents:
                raise UserError(f"{flag} {output}: is replaced as a whole, but {name} {path} is in it")


def _same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file, also by symbolic or hard links."""
    return resolved(one) == resolved(other) or (one.exists() and other.exists() and one.samefile(other))


def refuse_inputs_in(output: Path, *inputs: Path) -> None:
    """Refuse an output folder whose replacement would remove an input."""
    for path in inputs:
        if resolved(output) in (resolved(path), *resolved(path).parents):
            raise UserError(f"--output {output}: is replaced as a whole, but {path} is in it")
