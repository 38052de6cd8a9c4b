"""Signal efficiencies at fixed background, and the gains of the models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import (
    Estimate,
    bootstrap_efficiency,
    bootstrap_estimate,
    bootstrap_ratio,
    difference,
    divide,
    with_limit,
)
from utils.evaluation.event_groups import EventGroups
from utils.evaluation.histograms import squares_in_bins, sums_in_bins


@dataclass(frozen=True)
class EfficiencyReplicas:
    """Efficiencies of the same events above thresholds on several quantities, with bootstrap replicas.

    Attributes
    ----------
    n_events : float
        Effective number of events.
    replicas : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        By quantity.
    """

    n_events: float
    replicas: dict[str, np.ndarray]


@dataclass(frozen=True)
class PartReplicas:
    """Efficiencies of a part of the events, with bootstrap replicas.

    Attributes
    ----------
    inside : EfficiencyReplicas
        Fractions of the events of this part.
    shares : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        Contributions of this part to the efficiencies of all events, by quantity.
    """

    inside: EfficiencyReplicas
    shares: dict[str, np.ndarray]


def signal_efficiencies(
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    kinds: np.ndarray | None = None,
    parts: np.ndarray | None = None,
) -> tuple[EfficiencyReplicas, list[PartReplicas]]:
    """Find the efficiencies of the same signal events above thresholds on several quantities, also of parts of them.

    All efficiencies come from the same replicas, so that differences of any two contain their correlation.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
    weights : np.ndarray, shape (n_events,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        From :func:`background_thresholds`. Replica i of the signal uses replica i of the thresholds, so that the
        result contains the statistics of both samples.
    rng : np.random.Generator
    kinds : np.ndarray, shape (n_events,), int, optional
        Kind of each event, from 0; without it all events are of one kind, and there are no parts.
    parts : np.ndarray, shape (n_parts, n_kinds), bool, optional
        Kinds that each part consists of; by default each kind is a part.
    """
    distinct = {name: np.unique(thresholds[name]) for name in scores}
    groups = EventGroups.of(scores, weights, distinct, kinds)
    shape = np.shape(next(iter(thresholds.values())))
    if parts is None:
        parts = np.eye(0 if kinds is None else groups.n_kinds, groups.n_kinds, dtype=bool)
    members = np.vstack([np.ones(groups.n_kinds), parts[:, : groups.n_kinds]])  # the whole is the first part
    inside = {name: np.full((len(members), *shape), np.nan) for name in scores}
    shares = {name: np.full((len(members), *shape), np.nan) for name in scores}
    for i, sums in enumerate(groups.replicas(rng, shape[0] - 1)):
        for name in scores:
            at = 1 + np.searchsorted(distinct[name], thresholds[name][i])
            passed = _sums_of_parts(members, groups.passing(name, sums)[:, [0, *at]])
            total, passed = passed[:, :1], passed[:, 1:]
            inside[name][:, i] = np.clip(np.where(total > 0, divide(passed, total), np.nan), 0, 1)
            shares[name][:, i] = divide(passed, total[0]) if total[0] > 0 else np.nan
    n_events = _effective_of_parts(weights, kinds, members)
    whole, *found = [
        PartReplicas(
            EfficiencyReplicas(float(n_events[part]), {name: values[part] for name, values in inside.items()}),
            {name: values[part] for name, values in shares.items()},
        )
        for part in range(len(members))
    ]
    return whole.inside, found


def _sums_of_parts(members: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Sum numbers of the kinds, shape (n_kinds, n), over the kinds of each part, always in the same order."""
    return np.einsum("pk,kn->pn", members, sums)


def _effective_of_parts(weights: np.ndarray, kinds: np.ndarray | None, members: np.ndarray) -> np.ndarray:
    """Return the effective numbers of events of parts; 0 where the sum of the weights is not above 0."""
    kinds = np.zeros(len(weights), np.int8) if kinds is None else kinds
    n_kinds = members.shape[1]
    sums = _sums_of_parts(members, sums_in_bins(kinds, n_kinds, weights)[:, None])
    squares = _sums_of_parts(members, squares_in_bins(kinds, n_kinds, weights)[:, None])
    return np.where(sums > 0, divide(sums**2, squares, 0), 0)[:, 0]


@dataclass(frozen=True)
class PartGains:
    """Efficiencies of a part of the events, and its contribution to the gains.

    Attributes
    ----------
    efficiency : dict of str to Estimate, shape (n_points,)
        Fraction of the events of this part, by quantity.
    gain : dict of str to Estimate
        Contribution to the gain of each model; the contributions of all parts sum to the gain.
    share : dict of str to Estimate
        Contribution over the gain.
    """

    efficiency: dict[str, Estimate[np.ndarray]]
    gain: dict[str, Estimate[np.ndarray]]
    share: dict[str, Estimate[np.ndarray]]


@dataclass(frozen=True)
class EfficiencyGains:
    """Signal efficiencies at fixed background efficiencies, and the gains of the corrections.

    All errors contain the statistics of the signal and, through the thresholds, of the background. Errors of gains
    also contain the correlation between quantities of the same events.

    Attributes
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds, efficiency : dict of str to Estimate, shape (n_points,)
        By quantity.
    gain : dict of str to Estimate
        Efficiency of each model minus the baseline efficiency.
    ratio : dict of str to Estimate
        Efficiency of each model over the baseline efficiency.
    gap_closed : dict of str to Estimate
        Gain over the gain of the ideal.
    kept : dict of str to Estimate
        Gain over the gain of the first model.
    parts : list of PartGains
    """

    background_efficiency: np.ndarray
    thresholds: dict[str, Estimate[np.ndarray]]
    efficiency: dict[str, Estimate[np.ndarray]]
    gain: dict[str, Estimate[np.ndarray]]
    ratio: dict[str, Estimate[np.ndarray]]
    gap_closed: dict[str, Estimate[np.ndarray]]
    kept: dict[str, Estimate[np.ndarray]]
    parts: list[PartGains]


def efficiency_gains(
    background_efficiency: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    efficiencies: EfficiencyReplicas,
    baseline: str,
    ideal: str,
    parts: Sequence[PartReplicas] = (),
) -> EfficiencyGains:
    """Estimate efficiencies and gains from the results of :func:`background_thresholds` and `signal_efficiencies`.

    Parameters
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        NaN where a threshold is unknown; all results at this point are then NaN.
    efficiencies : EfficiencyReplicas
    baseline, ideal : str
        Quantities to compare with; all others are models.
    parts : sequence of PartReplicas
    """
    n_events = efficiencies.n_events

    def masked(replicas: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return at_known_thresholds(replicas, thresholds)

    def estimate(differences: np.ndarray, n_events: float = n_events) -> Estimate[np.ndarray]:
        return with_limit(bootstrap_estimate(differences), n_events)

    replicas = masked(efficiencies.replicas)
    efficiency = {name: bootstrap_efficiency(values, n_events) for name, values in replicas.items()}
    before, ideal_gain = replicas[baseline], difference(replicas[ideal], replicas[baseline])
    models = {name: after for name, after in replicas.items() if name not in (baseline, ideal)}
    gains = {name: difference(after, before) for name, after in models.items()}
    first = next(iter(gains))
    gain, gap = {name: estimate(values) for name, values in gains.items()}, estimate(ideal_gain)

    def part_gains(part: PartReplicas) -> PartGains:
        shares, inside = masked(part.shares), masked(part.inside.replicas)
        contributions = {name: difference(shares[name], shares[baseline]) for name in models}
        n_known = n_events if part.inside.n_events > 0 else math.nan  # a part without events contributes exactly 0
        return PartGains(
            {name: bootstrap_efficiency(values, part.inside.n_events) for name, values in inside.items()},
            {name: estimate(values, n_known) for name, values in contributions.items()},
            {name: bootstrap_ratio(values, gains[name], gain[name], n_known) for name, values in contributions.items()},
        )

    return EfficiencyGains(
        background_efficiency=np.asarray(background_efficiency),
        thresholds={name: bootstrap_estimate(values) for name, values in thresholds.items()},
        efficiency=efficiency,
        gain=gain,
        ratio={name: bootstrap_ratio(after, before, efficiency[baseline], n_events) for name, after in models.items()},
        gap_closed={name: bootstrap_ratio(values, ideal_gain, gap, n_events) for name, values in gains.items()},
        kept={name: bootstrap_ratio(values, gains[first], gain[first], n_events) for name, values in gains.items()},
        parts=[part_gains(part) for part in parts],
    )


def at_known_thresholds(
    replicas: Mapping[str, np.ndarray], thresholds: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return replicas by quantity, NaN at the points whose threshold is unknown."""
    return {name: values + np.where(np.isnan(thresholds[name][0]), np.nan, 0) for name, values in replicas.items()}
