"""Les Houches event files (J. Alwall et al., Comput. Phys. Commun. 176 (2007) 300, arXiv:hep-ph/0609017)."""

import gzip
import hashlib
import itertools
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from utils.formats.kinds import GZIP_MAGIC
from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error, unreadable_error

LONGEST_LINE = 1 << 20
LARGEST_PART = 1 << 26  # decompressed bytes of the header, and from the end of an event to the end of the next


@dataclass(frozen=True)
class HardEvents:
    """Range of events of a Les Houches file.

    Attributes
    ----------
    sha256 : str
        Hash of the file up to the end of its first event.
    start, stop : int
        Number of the first event, and of the first event after the range.
    """

    sha256: str
    start: int
    stop: int

    def record(self) -> str:
        """Return the text for an attribute of a file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_record(cls, text: str | None) -> "HardEvents | None":
        """Parse the text of an attribute; None if it is something else."""
        try:
            found = cls(**json.loads(text or ""))
        except (RecursionError, TypeError, ValueError):
            return None
        fits = isinstance(found.sha256, str) and all(isinstance(number, int) for number in (found.start, found.stop))
        return found if fits else None


def refuse_shared_events(hard_events: Mapping[Path, HardEvents | None]) -> None:
    """Refuse files made of the same Les Houches events: they are correlated, even after different showers."""
    taken = sorted((events.sha256, events.start, events.stop, path) for path, events in hard_events.items() if events)
    for (one, start, stop, path), (other, other_start, other_stop, other_path) in itertools.pairwise(taken):
        if one == other and other_start < stop:
            raise UserError(
                f"{other_path}: has the events from {other_start} to {other_stop - 1} of a Les Houches file, "
                f"and {path} those from {start} to {stop - 1}: expected each event once, as in shards of equal length"
            )


def copy_events(path: str | Path, wanted: range, to: IO[bytes]) -> HardEvents:
    """Copy the header and some events of a file, compressed or not.

    Parameters
    ----------
    path : str or Path
    wanted : range
        Numbers of the events, from 0.
    to : file
        New file.

    Returns
    -------
    HardEvents

    Raises
    ------
    UserError
        If the file does not exist, is not a Les Houches file, is damaged, or has fewer events.
    """
    if not Path(path).is_file():
        raise missing_error(path)
    try:
        with Path(path).open("rb") as raw:
            is_gzip = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if is_gzip else Path(path).open("rb") as lines:
            n_events, sha256 = _copy(lines, wanted, to)
    except (EOFError, OSError, zlib.error) as error:
        raise unreadable_error(
            path, error, f"not a readable Les Houches file, damaged or cut short ({error})"
        ) from None
    if n_events is None:
        raise UserError(f"{path}: not a Les Houches file: expected a block <init>, found none")
    if n_events < wanted.stop:
        raise UserError(
            f"{path}: has {n_events} events, expected {wanted.stop}: "
            f"this shard takes the events from {wanted.start} to {wanted.stop - 1}; give fewer --events or shards"
        )
    return HardEvents(sha256, wanted.start, wanted.stop)


def _copy(lines: IO[bytes] | gzip.GzipFile, wanted: range, to: IO[bytes]) -> tuple[int | None, str]:
    """Copy the lines; return the number of events read (None without a header), and the hash up to the first event."""
    n_begun, n_whole, inside, has_header, n_bytes = 0, 0, False, False, 0
    digest = hashlib.sha256()
    while n_whole < wanted.stop and (line := lines.readline(LONGEST_LINE)):
        n_bytes += len(line)
        if n_bytes > LARGEST_PART:
            raise OSError(f"its header or an event is larger than {LARGEST_PART >> 20} MiB")
        text = line.lstrip()
        if text.startswith((b"<event>", b"<event ")):
            inside, n_begun = True, n_begun + 1
        if n_whole == 0:
            digest.update(line)
        if n_begun == 0:
            has_header = has_header or text.startswith(b"<init")
            to.write(line)
        elif inside and n_begun > wanted.start:
            to.write(line)
        if inside and b"</event>" in line:
            inside, n_whole, n_bytes = False, n_whole + 1, 0
    to.write(b"</LesHouchesEvents>\n")
    return n_whole if has_header else None, digest.hexdigest()
