"""Complete events of another generator, from a HepMC file."""

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pythia8mc

from utils.formats.hepmc import Event, open_hepmc
from utils.formats.text_events import HardEvents
from utils.runtime.errors import UserError
from utils.simulation.event_source import EventSource
from utils.simulation.generator import NO_EVENTS, Charges
from utils.simulation.particles import Particles
from utils.simulation.pythia_settings import DEFAULT_ENERGY, captured_output


class HepMCEvents(EventSource):
    """Events of a HepMC file, see :func:`open_source`."""

    def __init__(
        self,
        process: str,
        file: Path,
        hard_events: HardEvents,
        events: Iterator[Event],
        energy: float | None,
        cross_section_pb: float | None,
    ):
        super().__init__(process, cross_section_pb)
        self.file, self.hard_events = file, hard_events
        first = next(events)
        self._events = itertools.chain([first], events)
        self._estimate = first.cross_section
        if cross_section_pb is None and first.cross_section is None:
            raise UserError(f"{file}: expected events with a cross section, found none: give it by --cross_section")
        if energy and first.beam_energy and not math.isclose(first.beam_energy, energy, rel_tol=1e-4):
            raise UserError(
                f"process {process}: --energy is {energy:g} GeV, but {file} has beams with {first.beam_energy:g} GeV"
            )
        self._energy = energy or first.beam_energy or DEFAULT_ENERGY
        with captured_output():
            self._charges = Charges(pythia8mc.Pythia("", False))

    def batch(self, n_events: int) -> tuple[Particles, np.ndarray]:
        """Read the next events."""
        events = list(itertools.islice(self._events, n_events))
        weights = np.array([event.weight for event in events])
        self._n_asked += len(events)
        self._weight_sum += weights.sum()
        if not events:
            return NO_EVENTS, weights
        self._estimate = events[-1].cross_section or self._estimate
        pid = np.concatenate([event.pid for event in events])
        momenta = (np.concatenate([getattr(event, name) for event in events]) for name in ("px", "py", "pz", "energy"))
        counts = np.array([len(event.pid) for event in events])
        return Particles(counts, pid, self._charges(pid), *momenta), weights

    @property
    def energy(self) -> float:
        """Centre-of-mass energy in GeV."""
        return self._energy

    def estimate(self) -> tuple[float, float]:
        """Return the cross section and its error in pb that the last event with one has."""
        return self._estimate or (0.0, 0.0)


@contextmanager
def open_source(
    process: str, path: Path, *, energy: float | None, cross_section_pb: float | None, hard_events: range
) -> Iterator[HepMCEvents]:
    """Open a HepMC file as the source of a process.

    Parameters
    ----------
    process : str
        Name for messages.
    path : Path
    energy : float, optional
        Centre-of-mass energy in GeV; by default that of the beams in the file, or 13,000.
    cross_section_pb : float, optional
        Cross section in pb in place of that of the file.
    hard_events : range
        Numbers of the events to read.

    Raises
    ------
    UserError
        If the file cannot be used, see :func:`utils.formats.hepmc.open_hepmc`; has other beams; or has no cross section
        and none is given.
    """
    with open_hepmc(path, hard_events) as (found, events):
        yield HepMCEvents(process, path, found, events, energy, cross_section_pb)
