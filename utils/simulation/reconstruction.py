"""Reconstruction of the objects of an event from measured particles."""

import numpy as np

from utils.event_layout import (
    CLASS,
    ETA,
    EVENT_CLASSES,
    EVENT_EGAMMAS,
    EVENT_JETS,
    EVENT_MET,
    EVENT_MUONS,
    N_EVENT_SLOTS,
    PHI,
    PT,
)
from utils.simulation.detector import Detector
from utils.simulation.jets import cluster_jets
from utils.simulation.particles import EGAMMA, MUON, Detected, ranges
from utils.simulation.pileup import DENSITY_ETA_EDGES, density_at, pileup_density


def reconstruct(detected: Detected, detector: Detector, *, subtract_pileup: bool) -> np.ndarray:
    """Reconstruct the objects of each event.

    The missing momentum is minus the vector sum of all particles, including pile-up. For the other objects the tracks
    of pile-up are removed, assuming a perfect assignment to their collisions. Isolated e/g and muons are found first,
    at most four of each, in order of pT. All other particles, including leptons that are not isolated, are clustered to
    jets, so no particle is in two objects.

    Parameters
    ----------
    detected : Detected
    detector : Detector
    subtract_pileup : bool
        Whether isolation and jets are corrected for pile-up: its density from `pileup_density`, times the area of the
        cone, is subtracted (M. Cacciari, G. Salam, Phys. Lett. B 659 (2008) 119). The missing momentum is never
        corrected.

    Returns
    -------
    np.ndarray, shape (n_events, 19, 4), float32
        pT [GeV], eta, phi and class of MET, 4 e/g, 4 muons and 10 jets, ordered by pT; zero in empty slots.
    """
    missing_pt, missing_phi = missing_momentum(detected)
    detected = detected.select(~(detected.pileup & detected.tracked))
    n_events, event = len(detected.counts), detected.event
    pt = np.hypot(detected.px, detected.py)
    eta, phi = np.arcsinh(detected.pz / pt), np.arctan2(detected.py, detected.px)
    density = pileup_density(detected) if subtract_pileup else np.zeros((n_events, len(DENSITY_ETA_EDGES) - 1))
    objects = np.zeros((n_events, N_EVENT_SLOTS, 4), np.float32)

    _fill_slots(
        objects, slice(EVENT_MET, EVENT_MET + 1), np.arange(n_events), missing_pt, np.zeros(n_events), missing_phi
    )

    min_pt = np.where(detected.tracked, detector.min_lepton_pt, detector.min_photon_pt)
    clustered = np.ones(len(pt), bool)
    for kind, slots, max_eta, max_isolation in (
        (EGAMMA, EVENT_EGAMMAS, detector.max_egamma_eta, detector.max_egamma_isolation),
        (MUON, EVENT_MUONS, detector.max_muon_eta, detector.max_muon_isolation),
    ):
        accepted = (pt > min_pt) & (np.abs(eta) < max_eta)
        found = np.flatnonzero((detected.kind == kind) & detected.identified & accepted)
        activity = cone_activity(found, detected.counts, pt, eta, phi, detector)
        background = density_at(density, event[found], eta[found]) * np.pi * detector.isolation_cone**2
        found = found[activity - background < max_isolation * pt[found]]
        written = _fill_slots(objects, slots, event[found], pt[found], eta[found], phi[found])
        clustered[found[written]] = False

    _fill_slots(objects, EVENT_JETS, *cluster_jets(detected.select(clustered), detector, density))
    return objects


def missing_momentum(detected: Detected) -> tuple[np.ndarray, np.ndarray]:
    """Return length [GeV] and azimuth of minus the vector sum of all particles, each of shape (n_events,)."""
    event, n_events = detected.event, len(detected.counts)
    px = 0 - np.bincount(event, detected.px, n_events)
    py = 0 - np.bincount(event, detected.py, n_events)
    return np.hypot(px, py), np.arctan2(py, px)


def cone_activity(
    candidates: np.ndarray,
    counts: np.ndarray,
    pt: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    detector: Detector,
) -> np.ndarray:
    """Return the scalar sum of the pT of the other particles in a cone around each candidate.

    Parameters
    ----------
    candidates : np.ndarray, shape (n_candidates,), int64
        Indices of the particles.
    counts : np.ndarray, shape (n_events,), int64
        Particles in each event.
    pt, eta, phi : np.ndarray, shape (n_particles,)
        pT [GeV], pseudorapidity and azimuth of all particles.
    detector : Detector
        Radius of the cone, and minimum pT in it.

    Returns
    -------
    np.ndarray, shape (n_candidates,)
        Sums in GeV.
    """
    event = np.repeat(np.arange(len(counts)), counts)[candidates]
    pair = np.repeat(np.arange(len(candidates)), counts[event])
    others = ranges((np.cumsum(counts) - counts)[event], counts[event])
    own = candidates[pair]
    turn = np.abs(phi[others] - phi[own])
    distance = np.hypot(eta[others] - eta[own], np.minimum(turn, 2 * np.pi - turn))
    counted = (distance < detector.isolation_cone) & (pt[others] > detector.isolation_min_pt) & (others != own)
    return np.bincount(pair[counted], pt[others[counted]], len(candidates))


def _fill_slots(
    objects: np.ndarray, slots: slice, event: np.ndarray, pt: np.ndarray, eta: np.ndarray, phi: np.ndarray
) -> np.ndarray:
    """Write the objects of largest pT of each event into its slots, in place; return the indices of these objects."""
    order = np.lexsort((-pt, event))
    counts = np.bincount(event, minlength=len(objects))
    rank = ranges(np.zeros_like(counts), counts)
    fits = rank < slots.stop - slots.start
    written, slot = order[fits], slots.start + rank[fits]
    columns = {PT: pt[written], ETA: eta[written], PHI: phi[written], CLASS: EVENT_CLASSES[slot]}
    for column, values in columns.items():
        objects[event[written], slot, column] = values
    return written
