"""Particles of several events, as a generator makes them and as the detector measures them.

They are in flat arrays, event after event, beside the number of particles of each event. Momenta and energies are in
GeV, angles in radians.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EGAMMA, MUON, HADRON, INVISIBLE = 0, 1, 2, 3


@dataclass(frozen=True)
class Particles:
    """Generated particles of several events.

    Attributes
    ----------
    counts : np.ndarray, shape (n_events,), int64
        Particles in each event.
    pid : np.ndarray, shape (n_particles,), int32
        PDG particle numbers.
    charge : np.ndarray, shape (n_particles,), float64
        Electric charges in units of the elementary charge.
    px, py, pz, energy : np.ndarray, shape (n_particles,), float64
        Four-momenta [GeV].
    """

    counts: np.ndarray
    pid: np.ndarray
    charge: np.ndarray
    px: np.ndarray
    py: np.ndarray
    pz: np.ndarray
    energy: np.ndarray


@dataclass(frozen=True)
class Detected:
    """Particles of several events, measured by the detector.

    Attributes
    ----------
    counts : np.ndarray, shape (n_events,), int64
        Particles in each event.
    kind : np.ndarray, shape (n_particles,), int8
        ``EGAMMA`` (electrons and photons), ``MUON`` or ``HADRON``.
    tracked : np.ndarray, shape (n_particles,), bool
        Whether the particle has a track, so that its vertex is known.
    identified : np.ndarray, shape (n_particles,), bool
        Whether an electron, photon or muon is identified.
    pileup : np.ndarray, shape (n_particles,), bool
        Whether the particle comes from a pile-up collision.
    px, py, pz, energy : np.ndarray, shape (n_particles,), float64
        Four-momenta [GeV].
    """

    counts: np.ndarray
    kind: np.ndarray
    tracked: np.ndarray
    identified: np.ndarray
    pileup: np.ndarray
    px: np.ndarray
    py: np.ndarray
    pz: np.ndarray
    energy: np.ndarray

    @property
    def event(self) -> np.ndarray:
        """Event of each particle, shape (n_particles,), int64."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def select(self, particles: np.ndarray) -> "Detected":
        """Keep the particles of a mask; all events stay."""
        counts = np.bincount(self.event[particles], minlength=len(self.counts))
        columns = {name: values[particles] for name, values in vars(self).items() if name != "counts"}
        return Detected(counts, **columns)

    @classmethod
    def concatenate(cls, parts: "Sequence[Detected]") -> "Detected":
        """Join the events of several parts in their order."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenate the ranges of integers that begin at `starts` and have the given lengths."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
