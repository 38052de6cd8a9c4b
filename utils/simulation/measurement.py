"""Measurement of generated particles by the detector, each on its own."""

import numpy as np

from utils.simulation.detector import Detector
from utils.simulation.particles import EGAMMA, HADRON, INVISIBLE, MUON, Detected, Particles


def measure(particles: Particles, detector: Detector, rng: np.random.Generator) -> Detected:
    """Measure each particle on its own.

    An electron or charged hadron with a track is measured by the better of tracker and calorimeter. Without a track it
    is measured by the calorimeter, like photons and neutral hadrons. A muon is measured by its track. Particles that
    are invisible, outside the acceptance or too soft for the calorimeter are lost. As in Delphes, the four-momentum is
    multiplied by a log-normal factor of mean 1, and the direction is kept.

    Parameters
    ----------
    particles : Particles
    detector : Detector
    rng : np.random.Generator

    Returns
    -------
    Detected
    """
    kind = detector_kind(particles.pid, particles.charge)
    pt = np.hypot(particles.px, particles.py)
    reached = np.flatnonzero((kind != INVISIBLE) & (np.abs(particles.pz) < pt * np.sinh(detector.max_eta)))
    kind, pt, charged = kind[reached], pt[reached], particles.charge[reached] != 0
    px, py, pz, energy = (column[reached] for column in (particles.px, particles.py, particles.pz, particles.energy))
    eta = np.arcsinh(pz / pt)

    tracked = charged & (rng.random(len(pt)) < _tracking_efficiency(detector, kind, pt, eta))
    identified = rng.random(len(pt)) < _identification_efficiency(detector, kind, pt, eta)
    scale = lognormal_factors(_resolution(detector, kind, tracked, pt, energy, eta), rng)
    threshold = np.choose(kind, [detector.min_ecal_energy, np.inf, detector.min_hcal_energy])
    seen = tracked | (energy * scale > threshold)

    event = np.repeat(np.arange(len(particles.counts)), particles.counts)[reached]
    return Detected(
        counts=np.bincount(event, minlength=len(particles.counts)),
        kind=kind,
        tracked=tracked,
        identified=identified,
        pileup=np.zeros(len(kind), bool),
        px=px * scale,
        py=py * scale,
        pz=pz * scale,
        energy=energy * scale,
    ).select(seen)


def detector_kind(pid: np.ndarray, charge: np.ndarray) -> np.ndarray:
    """Classify stable particles by their interaction with the detector.

    Parameters
    ----------
    pid : np.ndarray, shape (n,), int
        PDG particle numbers.
    charge : np.ndarray, shape (n,)
        Electric charges.

    Returns
    -------
    np.ndarray, shape (n,), int8
        ``EGAMMA`` for electrons and photons, ``MUON`` for muons, ``HADRON`` for hadrons, nuclei and other charged
        particles, ``INVISIBLE`` for other neutral particles: neutrinos, neutralinos, dark matter.
    """
    number = np.abs(pid)
    hadron = ((number > 100) & (number < 1_000_000)) | (number > 1_000_000_000)
    return np.select(
        [(number == 11) | (number == 22), number == 13, hadron | (charge != 0)],
        [np.int8(EGAMMA), np.int8(MUON), np.int8(HADRON)],
        np.int8(INVISIBLE),
    )


def lognormal_factors(sigma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw positive factors of mean 1 and standard deviation `sigma`, shape as `sigma`."""
    variance = np.log1p(sigma**2)
    return np.exp(np.sqrt(variance) * rng.standard_normal(len(sigma)) - variance / 2)


def _tracking_efficiency(detector: Detector, kind: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the probability that a charged particle has a track."""
    by_kind = (detector.electron_tracking, detector.muon_tracking, detector.hadron_tracking)
    return np.choose(kind, [efficiency(pt, eta) for efficiency in by_kind])


def _identification_efficiency(detector: Detector, kind: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the probability that a particle is identified as an electron, photon or muon."""
    egamma, muon = detector.egamma_identification(pt, eta), detector.muon_identification(pt, eta)
    return np.choose(kind, [egamma, muon, 0.0])


def _resolution(
    detector: Detector, kind: np.ndarray, tracked: np.ndarray, pt: np.ndarray, energy: np.ndarray, eta: np.ndarray
) -> np.ndarray:
    """Return the relative resolution of each particle; zero for muons without a track, which are not measured."""
    tracks = (detector.electron_track, detector.muon_track, detector.hadron_track)
    track = np.choose(kind, [resolution(pt, eta) for resolution in tracks])
    calorimeter = np.choose(kind, [detector.ecal(energy, eta), np.inf, detector.hcal(energy, eta)])
    best = np.where(tracked, np.minimum(track, calorimeter), calorimeter)
    return np.where(np.isfinite(best), best, 0.0)
