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

# Errors of a file system without room for an output, of a quota, of a limit on the size of a file, and of one that
# cannot be written at all.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


FOLDER_MARK = ".l1_regression"


@contextmanager
def name_output_in_errors(path: Path) -> Iterator[None]:
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


class OutputGroup:
    """Outputs that belong together, of :func:`replaced_together`."""

    def __init__(self) -> None:
        self.whole: list[tuple[Path, Path]] = []  # each with the temporary path of what is to take its place
        self.stack = ExitStack()  # releases their locks and removes what is temporary


@contextmanager
def replaced_together() -> Iterator[OutputGroup]:
    """Let outputs take their names together when the block ends without an error; after one all stay as they were.

    The outputs are those of :func:`whole_file` and its like that are given what this yields. Killed in the moment in
    which they take their names, some may be missing, but new ones never stand beside former ones.
    """
    together = OutputGroup()
    with together.stack:
        yield together
        if together.whole:
            with name_output_in_errors(together.whole[0][0]):
                _put_in_place(together.whole)


@contextmanager
def _output(path: Path, together: OutputGroup | None) -> Iterator[Path]:
    """Give a temporary path beside an output that takes its name, at the end of the block or together with others."""
    with ExitStack() as own, name_output_in_errors(path):
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
@signals.uninterrupted
def whole_file(path: str | Path, together: OutputGroup | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its name when the block ends without an error.

    After an error neither file is left; a temporary file that a killed run left is overwritten. While another process
    writes the file it is refused. Of an output of :func:`replaced_together` the whole of that is the block.
    """
    refuse_special(path)
    if Path(path).is_dir():
        raise UserError(f"{path}: is a folder, expected the name of a file")
    path = prepare_output(path)
    with _output(path, together) as temporary:
        yield temporary


def replaceable_folder(path: str | Path) -> Path:
    """Return the absolute path of a folder that may be written or replaced, without links, and make its parent.

    A folder with content that was not made here is never replaced: a :class:`UserError` says so.
    """
    refuse_special(path)
    if Path(path).exists() and not Path(path).is_dir():
        raise UserError(f"{path}: is not a folder")
    path = prepare_output(path)
    if path.is_dir() and any(path.iterdir()) and not (path / FOLDER_MARK).exists():
        raise UserError(f"{path}: the folder has files that are not from here and would be lost; name another one")
    return path


def replace_folder(path: Path, by: Path) -> None:
    """Put a folder that is whole in the place of another or of none; killed at any moment, both or one are whole."""
    (by / FOLDER_MARK).touch()
    _put_in_place([(path, by)])


@contextmanager
@signals.uninterrupted
def whole_folder(path: str | Path, together: OutputGroup | None = None) -> Iterator[Path]:
    """Like :func:`whole_file` for a folder: what stood at `path` is replaced at the end, or stays as it was.

    The folder has to be one that :func:`replaceable_folder` accepts.
    """
    path = replaceable_folder(path)
    with _output(path, together) as temporary:
        _remove(temporary)
        temporary.mkdir()
        yield temporary
        (temporary / FOLDER_MARK).touch()
