"""Work that goes on where it stood when its process was killed: a folder beside the output keeps what is done.

The folder has the name of the output with `.partial` at its end, and takes the output's name when the work is whole.
What is of use only until then is kept in its subfolder `SCRATCH`.
"""

import io
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from utils.runtime import signals
from utils.runtime.errors import UserError
from utils.runtime.locks import sole_writer
from utils.runtime.paths import resolved
from utils.runtime.text_files import read_json, write_json
from utils.runtime.whole_files import FOLDER_MARK, name_output_in_errors, replace_folder, replaceable_folder

logger = logging.getLogger(__name__)

SCRATCH = ".scratch"
LOCK = "lock"
MADE_FOR = "made_for.json"


def partial_path(output: str | Path) -> Path:
    """Return where the unfinished content of an output folder is kept."""
    path = resolved(output)
    return path.with_name(f"{path.name}.partial")


def finished_for(output: str | Path) -> dict[str, Any]:
    """Return what a finished output was made for, see :func:`unfinished_folder`; nothing where that is not known."""
    try:
        record = read_json(Path(output) / FOLDER_MARK)
    except UserError:
        return {}
    return record if isinstance(record, dict) else {}


@contextmanager
def unfinished_folder(
    output: str | Path, made_for: Mapping[str, Any], whole_for: Mapping[str, Any] | None = None
) -> Iterator[Path]:
    """Give a folder that outlives the process and takes the name of the output when the block ends without an error.

    One process at a time may use it. After an error, or a kill, it stays with all that is in it, and the next call for
    the same output goes on with it; one without any content is removed.

    Parameters
    ----------
    output : str or Path
        As for `utils.runtime.whole_files.whole_folder`.
    made_for : mapping
        All that the work depends on, as JSON. What was begun for something else is removed, and the log says so.
    whole_for : mapping, optional
        What the output as a whole depends on, kept in it for :func:`finished_for`; `made_for` where it is not given.

    Yields
    ------
    Path

    Raises
    ------
    UserError
        If another process uses the folder, or the output is not from here.
    """
    output = replaceable_folder(output)
    partial = partial_path(output)
    with name_output_in_errors(output), sole_writer(partial / SCRATCH / LOCK, partial):
        try:
            _start_or_go_on(partial, json.loads(json.dumps(made_for)))
            yield partial
            write_json(partial / FOLDER_MARK, made_for if whole_for is None else whole_for)
            replace_folder(output, by=partial)
            shutil.rmtree(output / SCRATCH)
        finally:
            if partial.is_dir() and not _content(partial):
                shutil.rmtree(partial)


def _content(partial: Path) -> list[Path]:
    """List what the folder holds but its lock and what it was made for; folders without files do not count."""
    found = [path for path in partial.iterdir() if path.name != SCRATCH]
    found += [path for path in (partial / SCRATCH).iterdir() if path.name not in (LOCK, MADE_FOR)]
    return [path for path in found if path.is_file() or any(inner.is_file() for inner in path.rglob("*"))]


def _start_or_go_on(partial: Path, made_for: dict[str, Any]) -> None:
    """Keep what was begun for the same, or remove it."""
    path = partial / SCRATCH / MADE_FOR
    before = read_json(path) if path.exists() else {}
    content = _content(partial)
    if before == made_for and content:
        logger.info("%s: goes on with what an earlier run has done", partial)
        return
    if content:
        changed = sorted(key for key in {*before, *made_for} if before.get(key) != made_for.get(key))
        logger.info("%s: was begun with another %s; all starts anew", partial, ", ".join(changed))
    for found in content:
        shutil.rmtree(found) if found.is_dir() else found.unlink()
    write_json(path, made_for)


def write_state(path: Path, record: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> None:
    """Write a JSON record and arrays in one file that is whole, old or new, whenever the process is killed."""
    content = io.BytesIO()
    np.savez(content, np.array(json.dumps(record)), *arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    with signals.temporary(path.with_name(f"{path.name}.{os.getpid()}")) as temporary:
        with temporary.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def read_state(path: Path) -> tuple[dict[str, Any], list[np.ndarray]] | None:
    """Read what :func:`write_state` wrote; None where there is nothing."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as content:
        record, *arrays = (content[f"arr_{i}"] for i in range(len(content.files)))
    return json.loads(str(record)), arrays


def wait_for_file(path: Path, seconds: float) -> bool:
    """Wait until a file is there; False if it does not come."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
