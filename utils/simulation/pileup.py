"""Pile-up: overlay of collisions, and the estimate of their density for its subtraction."""

import numpy as np

from utils.simulation.particles import Detected, ranges

DENSITY_ETA_EDGES = (-5.0, -2.5, 2.5, 5.0)
DENSITY_ETA_CELLS, DENSITY_PHI_CELLS = 20, 12


def overlay(events: Detected, pool: Detected, mean: float, rng: np.random.Generator) -> Detected:
    """Add a Poisson number of pile-up collisions to each event, each rotated by a random angle around the beams.

    Parameters
    ----------
    events : Detected
    pool : Detected
        Collisions to draw from, with replacement.
    mean : float
        Mean number of collisions added to an event.
    rng : np.random.Generator

    Returns
    -------
    Detected
    """
    collisions = rng.poisson(mean, len(events.counts))
    drawn = rng.integers(len(pool.counts), size=collisions.sum())
    angle = rng.uniform(-np.pi, np.pi, len(drawn))

    counts = pool.counts[drawn]
    particles = ranges((np.cumsum(pool.counts) - pool.counts)[drawn], counts)
    cosine, sine = np.repeat(np.cos(angle), counts), np.repeat(np.sin(angle), counts)
    added = {name: values[particles] for name, values in vars(pool).items() if name != "counts"}
    added["pileup"] = np.ones(len(particles), bool)
    added["px"], added["py"] = (
        cosine * added["px"] - sine * added["py"],
        sine * added["px"] + cosine * added["py"],
    )

    event = np.concatenate([events.event, np.repeat(np.repeat(np.arange(len(collisions)), collisions), counts)])
    order = np.argsort(event, kind="stable")
    columns = {name: np.concatenate([getattr(events, name), values])[order] for name, values in added.items()}
    return Detected(np.bincount(event, minlength=len(events.counts)), **columns)


def pileup_density(detected: Detected) -> np.ndarray:
    """Estimate the pT density of pile-up in each event.

    It is the median, over the cells of a grid in (eta, phi), of the pT of particles without a track per area. It is
    taken separately within the tracker and on the two sides beyond it.

    Parameters
    ----------
    detected : Detected

    Returns
    -------
    np.ndarray, shape (n_events, 3)
        Density in GeV per unit of area in (eta, phi), in the strips between ``DENSITY_ETA_EDGES``.
    """
    untracked = detected.select(~detected.tracked)
    pt = np.hypot(untracked.px, untracked.py)
    low, high = DENSITY_ETA_EDGES[0], DENSITY_ETA_EDGES[-1]
    eta_cell = (np.arcsinh(untracked.pz / pt) - low) / (high - low) * DENSITY_ETA_CELLS
    phi_cell = (np.arctan2(untracked.py, untracked.px) / (2 * np.pi) % 1) * DENSITY_PHI_CELLS
    shape = (len(untracked.counts), DENSITY_ETA_CELLS, DENSITY_PHI_CELLS)
    cells = np.ravel_multi_index(
        (untracked.event, eta_cell.astype(int), phi_cell.astype(int)), shape, mode=("raise", "clip", "clip")
    )
    area = (high - low) / DENSITY_ETA_CELLS * 2 * np.pi / DENSITY_PHI_CELLS
    density = np.bincount(cells, pt, np.prod(shape)).reshape(shape) / area
    edges = np.interp(DENSITY_ETA_EDGES, (low, high), (0, DENSITY_ETA_CELLS)).astype(int)
    strips = np.split(density, edges[1:-1], axis=1)
    return np.stack([np.median(strip, axis=(1, 2)) for strip in strips], axis=1)


def density_at(density: np.ndarray, event: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the density of pile-up [GeV] by event and pseudorapidity."""
    return density[event, np.digitize(eta, DENSITY_ETA_EDGES[1:-1])]
