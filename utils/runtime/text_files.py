"""Short text files and JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error
from utils.runtime.whole_files import whole_file

MAX_TEXT_BYTES = 1 << 24  # of a text file, a text attribute, or all entries of a text dataset


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON; NaN and infinities become null."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(json_ready(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def json_ready(content: Any) -> Any:
    """Convert `content` to types of JSON: arrays to lists, paths to text, NaN and infinities to None."""
    if isinstance(content, Mapping):
        return {str(key): json_ready(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [json_ready(value) for value in content]
    if isinstance(content, np.ndarray | np.generic):
        return json_ready(content.tolist())
    if isinstance(content, Path):
        return str(content)
    if isinstance(content, float) and not np.isfinite(content):
        return None
    return content


def read_text(path: str | Path, encoding: str = "utf-8") -> str:
    """Read a text file of at most `MAX_TEXT_BYTES`; devices and pipes, which may be endless, are refused.

    Raises
    ------
    UserError
        If it does not exist, is not a file, or is larger.
    ValueError
        If it is not text.
    """
    path = Path(path)
    if not path.is_file():
        raise missing_error(path)
    with path.open("rb") as file:
        content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise UserError(f"{path}: is larger than {MAX_TEXT_BYTES >> 20} MiB, expected a short text")
    return content.decode(encoding)


def read_json(path: str | Path) -> Any:
    """Read a JSON file; the error names a file that is missing or not JSON."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a JSON file ({error})") from None
