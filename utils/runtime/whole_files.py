"""Output files and folders that are whole or absent, whenever the process fails or is killed."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from utils.runtime import signals
from utils.runtime.errors import UserError
from utils.runtime.locks import sole_writer
from utils.runtime.paths import prepare_output, refuse_special

# Errors of a full disk, a quota, a limit on the size of a file, and a read-only file system.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

FOLDER_MARK = ".l1_regression"


@contextmanager
def name_output_in_errors(path: Path) -> Iterator[None]:
    """Name the output in the error of a full disk, which libraries wrap in errors of their own."""
    try:
        yield
    except Exception as error:
        messages = "\n".join(map(str, _with_causes(error)))
        for reason in map(os.strerror, NO_ROOM):
            if reason in messages:
                raise UserError(f"{path}: cannot be written: {reason}") from None
        raise


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class OutputGroup:
    """Outputs that take their names together, see :func:`replaced_together`."""

    def __init__(self) -> None:
        self.whole: list[tuple[Path, Path]] = []  # path and temporary path of each output
        self.stack = ExitStack()  # releases the locks and removes the temporary files


@contextmanager
def replaced_together() -> Iterator[OutputGroup]:
    """Replace several outputs together when the block ends without an error, or none of them after an error.

    An output joins the group if `whole_file`, `whole_folder` or `new_hdf5` gets the yielded object. If the process is
    killed during the replacement, outputs may be missing, but new ones never stand beside previous ones.
    """
    group = OutputGroup()
    with group.stack:
        yield group
        if group.whole:
            with name_output_in_errors(group.whole[0][0]):
                _put_in_place(group.whole)


@contextmanager
def _output(path: Path, group: OutputGroup | None) -> Iterator[Path]:
    """Yield a temporary path beside an output, which takes the name of the output at the end of the block or group."""
    with ExitStack() as own, name_output_in_errors(path):
        stack = group.stack if group else own
        stack.enter_context(sole_writer(path.with_name(f".lock.{path.name}"), path))
        temporary = stack.enter_context(signals.temporary(path.with_name(f".part.{path.name}")))
        yield temporary
        if group:
            group.whole.append((path, temporary))
        else:
            _put_in_place([(path, temporary)])


def _put_in_place(whole: Sequence[tuple[Path, Path]]) -> None:
    """Give finished outputs their names. All previous outputs are moved away first, and back after an error.

    A previous folder is moved in one step, because a folder that is half removed would look like a foreign one.
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
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
@signals.uninterrupted
def whole_file(path: str | Path, group: OutputGroup | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes its name when the block ends without an error.

    After an error no new file is left. A temporary file of a killed run is overwritten. A second process that writes
    the same file is refused. The output of a group takes its name at the end of :func:`replaced_together`.
    """
    refuse_special(path)
    if Path(path).is_dir():
        raise UserError(f"{path}: is a folder, expected the name of a file")
    path = prepare_output(path)
    with _output(path, group) as temporary:
        yield temporary


def replaceable_folder(path: str | Path) -> Path:
    """Check that a folder may be written or replaced, make its parent, and return its absolute path without links.

    Raises
    ------
    UserError
        If the folder holds files that this project did not make.
    """
    refuse_special(path)
    if Path(path).exists() and not Path(path).is_dir():
        raise UserError(f"{path}: is not a folder")
    path = prepare_output(path)
    if path.is_dir() and any(path.iterdir()) and not (path / FOLDER_MARK).exists():
        raise UserError(f"{path}: the folder has files of other origin, which would be lost; name another folder")
    return path


def replace_folder(path: Path, by: Path) -> None:
    """Put a finished folder in the place of another, if there is one; after a kill, at least one of them is whole."""
    (by / FOLDER_MARK).touch()
    _put_in_place([(path, by)])


@contextmanager
@signals.uninterrupted
def whole_folder(path: str | Path, group: OutputGroup | None = None) -> Iterator[Path]:
    """Yield a temporary folder, which replaces `path` when the block ends without an error.

    The folder must be one that :func:`replaceable_folder` accepts. See :func:`whole_file` for the rest.
    """
    path = replaceable_folder(path)
    with _output(path, group) as temporary:
        _remove(temporary)
        temporary.mkdir()
        yield temporary
        (temporary / FOLDER_MARK).touch()
