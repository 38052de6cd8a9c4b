"""Les Houches event files (J. Alwall et al., Comput. Phys. Commun. 176 (2007) 300, arXiv:hep-ph/0609017)."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from utils.formats.text_events import HardEvents, open_events

END = b"</LesHouchesEvents>\n"


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
    with open_events(path, wanted, _divide, "Les Houches", "a block <init>") as events:
        to.write(events.header)
        for text in events.texts:
            to.write(text)
        to.write(END)
        return events.hard_events


def _divide(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Divide the lines of a file into its header, empty without a block <init>, and its complete events."""
    part: list[bytes] = []
    has_init, in_header, in_event = False, True, False
    for line in lines:
        text = line.lstrip()
        if has_init and text.startswith((b"<event>", b"<event ")):
            if in_header:
                yield b"".join(part)
            part, in_header, in_event = [], False, True
        if in_header:
            has_init = has_init or text.startswith((b"<init>", b"<init "))
        if in_header or in_event:
            part.append(line)
        if in_event and b"</event>" in line:
            yield b"".join(part)
            part, in_event = [], False
    if in_header and has_init:
        yield b"".join(part)
