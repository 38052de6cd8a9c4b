"""Thresholds at fixed background efficiencies, with bootstrap replicas."""

import math
from collections.abc import Mapping
from itertools import islice

import numpy as np

from utils.evaluation.event_groups import EventGroups
from utils.evaluation.ranking import Ranking, allowed_weight

N_CANDIDATES, CANDIDATE_SIGMAS = 200, 5


def background_thresholds(
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    rankings: Mapping[str, Ranking],
    efficiencies: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Find thresholds on several quantities of the same background events at fixed background efficiencies.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
        The quantities, for example before and after a correction.
    weights : np.ndarray, shape (n_events,)
    rankings : mapping of str to Ranking
        The same events in the order of each quantity.
    efficiencies : np.ndarray, shape (n_points,)
    rng : np.random.Generator

    Returns
    -------
    dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        The thresholds and their bootstrap replicas, which all quantities share.
    """
    candidates, replicas = {}, {}
    for name in rankings:
        ranking = rankings[name]
        candidates[name], replicas[name] = (
            threshold_candidates(ranking, efficiencies),
            [ranking.thresholds(efficiencies)],
        )
        del ranking  # before the next one is made
    groups = EventGroups.of(scores, weights, candidates)
    for sums in islice(groups.replicas(rng), 1, None):
        allowed = allowed_weight(efficiencies, sums.sum())
        for name, found in replicas.items():
            from_above = np.maximum.accumulate(groups.passing(name, sums)[0, :0:-1])
            n_may_pass = np.searchsorted(from_above, allowed, side="right")
            found.append(candidates[name][np.maximum(len(from_above) - n_may_pass, 0)])
    return {name: np.stack(found) for name, found in replicas.items()}


def threshold_candidates(ranking: Ranking, efficiencies: np.ndarray) -> np.ndarray:
    """Return the rising values among which replicas of thresholds are searched; the first one is minus infinity.

    For each efficiency these are all values within 5 standard deviations of the weight that passes, or 200 of them at
    equal distances of 1/20 of a standard deviation.
    """
    passed, squares = ranking.sums()[1:], ranking.sums(squared=True)[1:]
    found, signed = [np.array([-np.inf], ranking.values.dtype), ranking.values[:1]], ranking.signed
    for fraction in efficiencies:
        rows = slice(0, len(passed)) if signed else _rows_around(passed, squares[-1], fraction)
        # Passing events enter the variance with (1 - fraction)^2, the others with fraction^2.
        variance = fraction**2 * squares[-1] + (1 - 2 * fraction) * squares[rows]
        distance = passed[rows] - fraction * passed[-1]
        distance *= distance
        near = rows.start + np.flatnonzero(distance <= np.maximum(CANDIDATE_SIGMAS**2 * variance, distance.min()))
        found.append(ranking.values[np.linspace(near[0], near[-1], N_CANDIDATES).astype(int)])
    return np.unique(np.concatenate(found))


def _rows_around(passed: np.ndarray, total_squares: float, fraction: float) -> slice:
    """Return rows that contain all within 5 standard deviations of a fraction of the weight, and all nearest to it.

    Parameters
    ----------
    passed : np.ndarray, shape (n_events,)
        Rising sums of weights.
    total_squares : float
        Sum of the squared weights. The variance is at most this times fraction^2 or (1 - fraction)^2.
    fraction : float
    """
    wanted = fraction * passed[-1]
    width = 1.001 * CANDIDATE_SIGMAS * max(fraction, 1 - fraction) * math.sqrt(total_squares)
    nearest = min(int(np.searchsorted(passed, wanted)), len(passed) - 1)
    start = np.searchsorted(passed, min(wanted - width, passed[max(nearest - 1, 0)]), side="left")
    stop = np.searchsorted(passed, max(wanted + width, passed[nearest]), side="right")
    return slice(int(start), int(stop))
