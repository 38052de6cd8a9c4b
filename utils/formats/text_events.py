"""Texts with one event after the other, plain or gzipped: a range of events is read, in bounded memory."""

import gzip
import hashlib
import itertools
import json
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from utils.formats.kinds import GZIP_MAGIC
from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error, unreadable_error

LARGEST_ENERGY = 1e6  # GeV
LARGEST_NUMBER = 1e30  # of weights and cross sections, whose products must not overflow
LONGEST_LINE = 1 << 20
LARGEST_PART = 1 << 26  # unfolded bytes of the header, and from the end of an event to the end of the next

# Divides the lines of a file into its header, which is empty in a file of another format, and the text of each event.
Divide = Callable[[Iterator[bytes]], Iterator[bytes]]


@dataclass(frozen=True)
class HardEvents:
    """Range of events of a file of another generator.

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
    """Refuse files made of the same events of a generator: they are correlated, even after different showers."""
    taken = sorted((events.sha256, events.start, events.stop, path) for path, events in hard_events.items() if events)
    for (one, start, stop, path), (other, other_start, other_stop, other_path) in itertools.pairwise(taken):
        if one == other and other_start < stop:
            raise UserError(
                f"{other_path}: has the events from {other_start} to {other_stop - 1} of a HepMC or Les Houches file, "
                f"and {path} those from {start} to {stop - 1}: expected each event once, as in shards of equal length"
            )


@dataclass(frozen=True)
class EventTexts:
    """Header of a file, the range of its events, and their texts, which can be read once."""

    header: bytes
    hard_events: HardEvents
    texts: Iterator[bytes]


@contextmanager
def open_events(path: str | Path, wanted: range, divide: Divide, name: str, beginning: str) -> Iterator[EventTexts]:
    """Open a file and find its first event.

    Parameters
    ----------
    path : str or Path
    wanted : range
        Numbers of the events, from 0.
    divide : callable
        Divides the lines into the header and the text of each event.
    name : str
        Name of the format, for messages.
    beginning : str
        What a file of the format has in its header, for messages.

    Raises
    ------
    UserError
        If the file does not exist, is of another format, is damaged, or has fewer events.
    """
    path = Path(path)
    with closing(_lines(path, name)) as lines, closing(_bounded(path, name, divide, lines)) as parts:
        header = next(parts, b"")
        if not header:
            raise UserError(f"{path}: not a {name} file: expected {beginning}, found none")
        first = next(parts, b"")
        digest = hashlib.sha256(header + first).hexdigest()
        texts = itertools.chain([first] if first else [], parts)
        yield EventTexts(header, HardEvents(digest, wanted.start, wanted.stop), _selected(path, wanted, texts))


def _lines(path: Path, name: str) -> Generator[bytes, None, None]:
    """Read the lines of a file, compressed or not; longer ones in pieces."""
    if not path.is_file():
        raise missing_error(path)
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            while line := file.readline(LONGEST_LINE):
                yield line
    except (EOFError, OSError, zlib.error) as error:
        raise unreadable_error(path, error, _damaged(name, error)) from None


def _damaged(name: str, reason: object) -> str:
    return f"not a readable {name} file, damaged or cut short ({reason})"


def _bounded(path: Path, name: str, divide: Divide, lines: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Divide lines into parts, none of which is made of more than `LARGEST_PART` bytes."""
    n_bytes = 0

    def counted() -> Iterator[bytes]:
        nonlocal n_bytes
        for line in lines:
            n_bytes += len(line)
            if n_bytes > LARGEST_PART:
                reason = f"its header or an event is larger than {LARGEST_PART >> 20} MiB"
                raise UserError(f"{path}: {_damaged(name, reason)}")
            yield line

    for part in divide(counted()):
        n_bytes = 0
        yield part


def _selected(path: Path, wanted: range, texts: Iterator[bytes]) -> Iterator[bytes]:
    """Select a range of events; the file has to have all of them."""
    found = 0
    for text in itertools.islice(texts, wanted.stop):
        if found >= wanted.start:
            yield text
        found += 1
    if found < wanted.stop:
        raise UserError(
            f"{path}: has {found} events, expected {wanted.stop}: "
            f"this shard takes the events from {wanted.start} to {wanted.stop - 1}; give fewer --events or shards"
        )
