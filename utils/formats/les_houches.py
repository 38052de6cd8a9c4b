"""Les Houches event files (J. Alwall et al., Comput. Phys. Commun. 176 (2007) 300, arXiv:hep-ph/0609017)."""

import graphlib
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from utils.formats.text_events import LARGEST_ENERGY, LARGEST_NUMBER, HardEvents, open_events
from utils.runtime.errors import UserError

INIT = b"<init>", b"<init "
END = b"</LesHouchesEvents>\n"
RUN, PROCESS, EVENT, PARTICLE = 10, 4, 6, 13  # numbers in a line of each kind
STATUS, MOTHERS, MOMENTUM = 1, slice(2, 4), slice(6, 11)  # among those of a particle
STATUSES = (-9, -2, -1, 1, 2, 3)
INCOMING, OUTGOING = -1, 1
IMBALANCE = 0.01  # of the incoming energy; Pythia itself leaves out events of a smaller one


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
        If the file does not exist, is not a Les Houches file, is damaged, has fewer events, or declares numbers that do
        not fit its lines: Pythia trusts them.
    """
    with open_events(path, wanted, _divide, "Les Houches", "a block <init>") as events:
        _refuse_other_processes(events.header, path)
        to.write(events.header)
        for number, text in enumerate(events.texts, start=wanted.start):
            _refuse_damaged(text, f"{path}: event {number}")
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
            has_init = has_init or text.startswith(INIT)
        if in_header or in_event:
            part.append(line)
        if in_event and b"</event>" in line:
            yield b"".join(part)
            part, in_event = [], False
    if in_header and has_init:
        yield b"".join(part)


def _numbers(line: bytes, n_numbers: int) -> list[float]:
    """Return the first numbers of a line; nothing if it has fewer, or others than finite ones."""
    try:
        found = [float(word) for word in line.split()[:n_numbers]]
    except ValueError:
        return []
    return found if len(found) == n_numbers and all(map(math.isfinite, found)) else []


def _lines_of(lines: Sequence[bytes], n_numbers: int) -> list[list[float]]:
    """Return the numbers of the first lines, up to one of another kind."""
    return list(itertools.takewhile(len, (_numbers(line, n_numbers) for line in lines)))


def _refuse_other_processes(header: bytes, path: str | Path) -> None:
    """Refuse a block <init> that declares other numbers of processes than it has lines."""
    lines = header.splitlines()
    at = max(number for number, line in enumerate(lines) if line.lstrip().startswith(INIT))
    run, n_found = _numbers((lines[at + 1 :] or [b""])[0], RUN), len(_lines_of(lines[at + 2 :], PROCESS))
    if not run or not 0 < run[-1] == n_found:
        declared = f"{run[-1]:g}" if run else f"a line of {RUN} finite numbers, then"
        raise UserError(f"{path}: block <init>: expected {declared} lines of processes, found {n_found}")


def _refuse_damaged(text: bytes, where: str) -> None:
    """Refuse an event whose numbers do not fit its lines or are not physical."""
    lines = text.splitlines()[1:]
    event, particles = _numbers((lines or [b""])[0], EVENT), _lines_of(lines[1:], PARTICLE)
    if not event or event[0] != len(particles):
        declared = f"{event[0]:g}" if event else f"a line of {EVENT} finite numbers, then"
        raise UserError(
            f"{where}: expected {declared} lines of particles, of {PARTICLE} finite numbers each, "
            f"found {len(particles)}"
        )
    if not abs(event[2]) <= LARGEST_NUMBER:
        raise UserError(f"{where}: weight: expected at most {LARGEST_NUMBER:g}, found {event[2]:g}")
    for number, particle in enumerate(particles, start=1):
        if particle[STATUS] not in STATUSES or not all(0 <= mother <= len(particles) for mother in particle[MOTHERS]):
            status, mothers = f"{particle[STATUS]:g}", " and ".join(f"{mother:g}" for mother in particle[MOTHERS])
            raise UserError(
                f"{where}, particle {number}: expected a status among {', '.join(map(str, STATUSES))} and mothers from "
                f"0 to {len(particles)}, found {status} and {mothers}"
            )
        if not all(abs(value) <= LARGEST_ENERGY for value in particle[MOMENTUM]):
            values = ", ".join(f"{value:g}" for value in particle[MOMENTUM])
            raise UserError(
                f"{where}, particle {number}: expected px, py, pz, energy and mass within +-{LARGEST_ENERGY:g} GeV, "
                f"found {values}"
            )
    n_incoming = sum(particle[STATUS] == INCOMING for particle in particles)
    if n_incoming != 2:
        raise UserError(f"{where}: expected 2 incoming particles, of status {INCOMING}, found {n_incoming}")
    try:
        graphlib.TopologicalSorter(dict(enumerate((particle[MOTHERS] for particle in particles), start=1))).prepare()
    except graphlib.CycleError as error:
        circle = ", ".join(f"{number:g}" for number in error.args[1])
        raise UserError(f"{where}: expected mothers from which no particle descends itself, found {circle}") from None
    before, after = (
        [sum(particle[MOMENTUM][i] for particle in particles if particle[STATUS] == status) for i in range(4)]
        for status in (INCOMING, OUTGOING)
    )
    missing = max(abs(one - other) for one, other in zip(before, after, strict=True))
    if missing > IMBALANCE * abs(before[3]):
        raise UserError(
            f"{where}: expected outgoing particles, of status {OUTGOING}, with px, py, pz and energy of the incoming "
            f"ones, found a difference of {missing:g} GeV"
        )
