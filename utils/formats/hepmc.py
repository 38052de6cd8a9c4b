"""HepMC files of versions 2 and 3 (A. Buckley et al., Comput. Phys. Commun. 260 (2021) 107310, arXiv:1912.08005)."""

import io
import operator
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyhepmc

from utils.formats.child_process import from_child
from utils.formats.text_events import LARGEST_ENERGY, LARGEST_NUMBER, HardEvents, open_events
from utils.runtime.errors import UserError

VERSIONS = {b"HepMC::Asciiv3-START": "hepmc3", b"HepMC::IO_GenEvent-START": "hepmc2"}
BEGINNING = "a line HepMC::Asciiv3-START_EVENT_LISTING or HepMC::IO_GenEvent-START_EVENT_LISTING"
STABLE, BEAM = 1, 4
MEMORY = 1 << 30  # bytes to parse an event, whose text has at most 64 MiB

# Lines of version 3, whose numbers have at most 9 digits, so that they fit into the integers of the library.
EVENT = re.compile(rb"E -?\d+ (\d{1,9}) (\d{1,9})\b")
VERTEX = re.compile(rb"V -([1-9]\d{0,8}) -?\d+ \[((?:\d{1,9},)*\d{1,9})?\][^,]*")
ATTRIBUTE = re.compile(rb"A -?\d{1,9} ")

pyhepmc.Setup.print_errors = pyhepmc.Setup.print_warnings = False  # this module says in one line what is wrong


@dataclass(frozen=True)
class Event:
    """An event of a generator.

    Attributes
    ----------
    pid : np.ndarray, shape (n_particles,), int32
        PDG numbers of its stable particles, those of status 1.
    px, py, pz, energy : np.ndarray, shape (n_particles,), float64
        Their four-momenta [GeV].
    weight : float
        The first of its weights, 1 without any.
    cross_section : tuple of float or None
        Cross section and its error [pb], as the generator knew them at this event.
    beam_energy : float or None
        Centre-of-mass energy [GeV] of the beams, the particles of status 4.
    """

    pid: np.ndarray
    px: np.ndarray
    py: np.ndarray
    pz: np.ndarray
    energy: np.ndarray
    weight: float
    cross_section: tuple[float, float] | None
    beam_energy: float | None


@contextmanager
def open_hepmc(path: Path, wanted: range) -> Iterator[tuple[HardEvents, Iterator[Event]]]:
    """Open a file, compressed or not, and read some of its events one by one.

    Parameters
    ----------
    path : Path
    wanted : range
        Numbers of the events, from 0.

    Raises
    ------
    UserError
        If the file does not exist, is of another format, is damaged, has fewer events or numbers that are not physical.
    """
    with closing(from_child(lambda: _read(path, wanted), path, "the HepMC library", MEMORY)) as found:
        yield next(found), found


def _read(path: Path, wanted: range) -> Iterator[Any]:
    """Yield the range of the events, then the events."""
    with open_events(path, wanted, _divide, "HepMC", BEGINNING) as found:
        yield found.hard_events
        version = next(version for word, version in VERSIONS.items() if word in found.header)
        if re.search(rb"^[PV]", found.header, re.MULTILINE):
            raise UserError(f"{path}: cannot be read, it is damaged: it has particles before the first event")
        for number, text in enumerate(found.texts, start=wanted.start):
            yield _parsed(found.header, text, version, f"{path}: event {number}")


def _divide(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Divide the lines of a file into its header and its events.

    An event ends where the next one begins, at the end of the list, or at the end of a file of whole lines: the library
    refuses an event that lacks some. What follows the end of a list is another file, such as of `cat`: its header is
    left out.
    """
    part: list[bytes] = []
    in_header, in_event = True, False
    for line in lines:
        begins, ends = line.startswith(b"E "), line.startswith(b"HepMC::")
        if in_event and (begins or ends):
            yield b"".join(part)
        elif in_header and begins:
            header = b"".join(part)
            yield header if any(word in header for word in VERSIONS) else b""
        if begins:
            part, in_header, in_event = [], False, True
        elif ends:
            in_event = False
        if in_header or in_event:
            part.append(line)
    if in_event and part[-1].endswith(b"\n"):
        yield b"".join(part)
    if in_header and any(word in b"".join(part) for word in VERSIONS):
        yield b"".join(part)


def _parsed(header: bytes, text: bytes, version: str, where: str) -> Event:
    """Parse a file with one event."""
    if version == "hepmc2" and not _has_particles_of_vertices(text):
        raise UserError(f"{where}: cannot be read, it is damaged: a vertex has not the particles it declares")
    if version == "hepmc3" and not _refers_to_itself(text):
        raise UserError(f"{where}: cannot be read, it is damaged: a line names a particle or vertex that it has not")
    try:
        with pyhepmc.open(io.BytesIO(header + text), format=version) as file:
            event = file.read()
    except (MemoryError, ValueError, RuntimeError) as error:
        raise UserError(f"{where}: cannot be read, it is damaged ({str(error) or 'too large'})") from None
    if event is None:
        raise UserError(f"{where}: cannot be read, it is damaged, cut short or has no particles")
    weights = re.search(rb"^W (.*)$", text, re.MULTILINE)  # in version 2 they are on another line, and none is left out
    if weights and len(weights[1].split()) != len(event.weights):
        raise UserError(f"{where}: weights: expected finite numbers, found {weights[1][:100].decode(errors='replace')}")
    unit = 1e-3 if event.momentum_unit == pyhepmc.Units.MEV else 1.0
    particles = event.numpy.particles
    momenta = np.array([particles.px, particles.py, particles.pz, particles.e]) * unit
    status = np.array(particles.status)
    stable = status == STABLE
    wrong = (stable | (status == BEAM)) & ~((np.abs(momenta) <= LARGEST_ENERGY).all(0) & (momenta[3] >= 0))
    if wrong.any():
        number = int(np.argmax(wrong))
        values = ", ".join(f"{value:g}" for value in momenta[:, number])
        raise UserError(
            f"{where}, particle {number + 1}: expected px, py, pz within +-{LARGEST_ENERGY:g} and an energy from 0 to "
            f"{LARGEST_ENERGY:g} GeV, found {values}"
        )
    px, py, pz, energy = momenta[:, stable]
    return Event(
        pid=np.array(particles.pid)[stable],
        px=px,
        py=py,
        pz=pz,
        energy=energy,
        weight=_checked(event.weights[0] if event.weights else 1.0, f"{where}: weight"),
        cross_section=_cross_section(event, where),
        beam_energy=_mass(momenta[:, status == BEAM]),
    )


def _has_particles_of_vertices(text: bytes) -> bool:
    """Return whether each vertex of an event of version 2 is followed by the particles that it declares, or more.

    The library does not check it: it takes an event that lacks some, and reads beyond its memory where a particle comes
    before the first vertex. By its source, files of Pythia are known to declare too few. ``V barcode id x y z t n_in
    n_out ...`` (M. Dobbs, J. B. Hansen, Comput. Phys. Commun. 134 (2001) 41).
    """
    declared, found = [0], [0]
    for line in text.splitlines():
        if line.startswith(b"V "):
            numbers = line.split()[7:9]
            if len(numbers) < 2 or not all(number.isdigit() for number in numbers):
                return False
            declared.append(sum(map(int, numbers)))
            found.append(0)
        elif line.startswith(b"P "):
            found[-1] += 1
    return found[0] == 0 and all(map(operator.ge, found, declared))


def _refers_to_itself(text: bytes) -> bool:
    """Return whether the vertices and attributes of an event of version 3 name only what it declares.

    The library does not check it, and reads and writes beyond its memory. ``E number n_vertices n_particles``,
    ``V number status [incoming particles]``, ``A number name value``: particles count from 1 up, vertices from -1 down.
    """
    declared = EVENT.match(text)
    if not declared:
        return False
    n_vertices, n_particles = map(int, declared.groups())
    for line in re.findall(rb"^[VA].*", text, re.MULTILINE):
        if line.startswith(b"V"):
            found = VERTEX.fullmatch(line)
            if not found or int(found[1]) > n_vertices or max(map(int, (found[2] or b"0").split(b","))) > n_particles:
                return False
        elif not ATTRIBUTE.match(line):
            return False
    return True


def _cross_section(event: pyhepmc.GenEvent, where: str) -> tuple[float, float] | None:
    found = event.cross_section
    if found is None:
        return None
    return _checked(found.xsec(), f"{where}: cross section"), _checked(found.xsec_err(), f"{where}: its error")


def _checked(number: float, where: str) -> float:
    """Refuse a number that is not finite or too large."""
    if not abs(number) <= LARGEST_NUMBER:
        raise UserError(f"{where}: expected a finite number, at most {LARGEST_NUMBER:g}, found {number:g}")
    return float(number)


def _mass(momenta: np.ndarray) -> float | None:
    """Return the invariant mass of two particles of momenta of shape (4, n); None if there are not two."""
    px, py, pz, energy = momenta.sum(1)
    squared = energy**2 - px**2 - py**2 - pz**2
    return float(np.sqrt(squared)) if momenta.shape[1] == 2 and squared > 0 else None
