"""Work that a killed process can resume: a folder beside the output keeps the finished part.

The folder is named after the output, with `.partial` at its end, and takes the name of the output when the work is
complete. Its subfolder `SCRATCH` holds files that are needed only until then.
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
    """Return the folder of the unfinished content of an output."""
    path = resolved(output)
    return path.with_name(f"{path.name}.partial")


def finished_for(output: str | Path) -> dict[str, Any]:
    """Return the settings of a finished output, see :func:`unfinished_folder`; empty if they are unknown."""
    try:
        record = read_json(Path(output) / FOLDER_MARK)
    except UserError:
        return {}
    return record if isinstance(record, dict) else {}


@contextmanager
def unfinished_folder(
    output: str | Path, made_for: Mapping[str, Any], whole_for: Mapping[str, Any] | None = None
) -> Iterator[Path]:
    """Yield a folder that outlives the process, and takes the name of the output when the block ends without an error.

    One process at a time may use it. After an error or a kill the folder and its content stay, and the next call for
    the same output continues the work. An empty folder is removed.

    Parameters
    ----------
    output : str or Path
        As for `utils.runtime.whole_files.whole_folder`.
    made_for : mapping
        All settings on which the work depends, as JSON. Work begun with other settings is removed, which is logged.
    whole_for : mapping, optional
        Settings on which the complete output depends, stored in it for :func:`finished_for`. By default `made_for`.

    Yields
    ------
    Path

    Raises
    ------
    UserError
        If another process uses the folder, or this project did not make the output.
    """
    output = replaceable_folder(output)
    partial = partial_path(output)
    with name_output_in_errors(output), sole_writer(partial / SCRATCH / LOCK, partial):
        try:
            _resume_or_clear(partial, json.loads(json.dumps(made_for)))
            yield partial
            write_json(partial / FOLDER_MARK, made_for if whole_for is None else whole_for)
            replace_folder(output, by=partial)
            shutil.rmtree(output / SCRATCH)
        finally:
            if partial.is_dir() and not _content(partial):
                shutil.rmtree(partial)


def _content(partial: Path) -> list[Path]:
    """List the content of the folder except its lock, its settings and folders without files."""
    found = [path for path in partial.iterdir() if path.name != SCRATCH]
    found += [path for path in (partial / SCRATCH).iterdir() if path.name not in (LOCK, MADE_FOR)]
    return [path for path in found if path.is_file() or any(inner.is_file() for inner in path.rglob("*"))]


def _resume_or_clear(partial: Path, made_for: dict[str, Any]) -> None:
    """Keep work begun with the same settings, or remove it."""
    path = partial / SCRATCH / MADE_FOR
    before = read_json(path) if path.exists() else {}
    content = _content(partial)
    if before == made_for and content:
        logger.info("%s: resumes the work of an earlier run", partial)
        return
    if content:
        changed = sorted(key for key in {*before, *made_for} if before.get(key) != made_for.get(key))
        logger.info("%s: was begun with another %s; starts again", partial, ", ".join(changed))
    for found in content:
        shutil.rmtree(found) if found.is_dir() else found.unlink()
    write_json(path, made_for)


def write_state(path: Path, record: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> None:
    """Write a JSON record and arrays to one file; a kill leaves the old or the new file, never a part."""
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
    """Read a file of :func:`write_state`; None if there is none."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as content:
        record, *arrays = (content[f"arr_{i}"] for i in range(len(content.files)))
    return json.loads(str(record)), arrays


def wait_for_file(path: Path, seconds: float) -> bool:
    """Wait until a file exists; return False if it does not appear in time."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
