"""Les Houches event files (J. Alwall et al., Comput. Phys. Commun. 176 (2007) 300, arXiv:hep-ph/0609017)."""

import gzip
import zlib
from pathlib import Path
from typing import IO

from utils.cli import UserError
from utils.files import not_there, unreadable

GZIP_MAGIC = b"\x1f\x8b"
LONGEST_LINE = 1 << 20
LARGEST_PART = 1 << 26  # bytes of the header, and of what is between the ends of two events, decompressed


def copy_events(path: str | Path, wanted: range, to: IO[bytes]) -> None:
    """Copy the header and some of the events of a file, compressed or not.

    Parameters
    ----------
    path : str or Path
    wanted : range
        Numbers of the events, from 0.
    to : file
        Where the new file is written.

    Raises
    ------
    UserError
        If the file is not there, is no Les Houches file, is damaged, or has fewer events.
    """
    if not Path(path).is_file():
        raise not_there(path)
    try:
        with Path(path).open("rb") as raw:
            is_gzip = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if is_gzip else Path(path).open("rb") as lines:
            n_events = _copy(lines, wanted, to)
    except (EOFError, OSError, zlib.error) as error:
        raise unreadable(path, error, f"not a readable Les Houches file, damaged or cut short ({error})") from None
    if n_events is None:
        raise UserError(f"{path}: not a Les Houches file: expected a block <init>, found none")
    if n_events < wanted.stop:
        raise UserError(
            f"{path}: has {n_events} events, expected {wanted.stop}: "
            f"this shard takes the events from {wanted.start} to {wanted.stop - 1}; give fewer --events or shards"
        )


def _copy(lines: IO[bytes] | gzip.GzipFile, wanted: range, to: IO[bytes]) -> int | None:
    """Copy the lines and return the number of events up to the last one wanted; None if there is no header."""
    n_begun, n_whole, inside, has_header, n_bytes = 0, 0, False, False, 0
    while n_whole < wanted.stop and (line := lines.readline(LONGEST_LINE)):
        n_bytes += len(line)
        if n_bytes > LARGEST_PART:
            raise OSError(f"its header or an event is larger than {LARGEST_PART >> 20} MiB")
        text = line.lstrip()
        if text.startswith((b"<event>", b"<event ")):
            inside, n_begun = True, n_begun + 1
        if n_begun == 0:
            has_header = has_header or text.startswith(b"<init")
            to.write(line)
        elif inside and n_begun > wanted.start:
            to.write(line)
        if inside and b"</event>" in line:
            inside, n_whole, n_bytes = False, n_whole + 1, 0
    to.write(b"</LesHouchesEvents>\n")
    return n_whole if has_header else None
