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
    n_effective,
    with_limit,
)
from utils.evaluation.event_groups import EventGroups


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
    """Efficiencies of the events of one kind, with bootstrap replicas.

    Attributes
    ----------
    inside : EfficiencyReplicas
        Fractions of the events of this kind.
    shares : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        Contributions of this kind to the efficiencies of all events, by quantity.
    """

    inside: EfficiencyReplicas
    shares: dict[str, np.ndarray]


def signal_efficiencies(
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    kinds: np.ndarray | None = None,
) -> tuple[EfficiencyReplicas, list[PartReplicas]]:
    """Find the efficiencies of the same signal events above thresholds on several quantities, also for each kind.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
    weights : np.ndarray, shape (n_events,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        From :func:`background_thresholds`. Replica i of the signal uses replica i of the thresholds, so that the
        result contains the statistics of both samples.
    rng : np.random.Generator
    kinds : np.ndarray, shape (n_events,), int, optional
        0 or 1; without it there are no parts.
    """
    distinct = {name: np.unique(thresholds[name]) for name in scores}
    groups = EventGroups.of(scores, weights, distinct, kinds)
    shape = np.shape(next(iter(thresholds.values())))
    n_kinds = 0 if kinds is None else 2

    def unknown() -> dict[str, np.ndarray]:
        return {name: np.full(shape, np.nan) for name in scores}

    whole, inside, shares = unknown(), [unknown() for _ in range(n_kinds)], [unknown() for _ in range(n_kinds)]
    for i, sums in enumerate(groups.replicas(rng, shape[0] - 1)):
        total = sums.sum()
        sums_by_kind = [groups.only(kind, sums) for kind in range(n_kinds)]
        for name in scores:
            at = np.searchsorted(distinct[name], thresholds[name][i])
            if total > 0:
                whole[name][i] = np.clip(groups.above(name, sums)[at] / total, 0, 1)
            for kind, kind_sums in enumerate(sums_by_kind):
                passed = groups.above(name, kind_sums)[at]
                if total > 0:
                    shares[kind][name][i] = passed / total
                if (kind_total := kind_sums.sum()) > 0:
                    inside[kind][name][i] = np.clip(passed / kind_total, 0, 1)
    parts = [
        PartReplicas(EfficiencyReplicas(n_effective(weights[kinds == kind]), inside[kind]), shares[kind])
        for kind in range(n_kinds)
    ]
    return EfficiencyReplicas(n_effective(weights), whole), parts


@dataclass(frozen=True)
class PartGains:
    """Efficiencies of the events of one kind, and their contribution to the gains.

    Attributes
    ----------
    efficiency : dict of str to Estimate, shape (n_points,)
        Fraction of the events of this kind, by quantity.
    gain : dict of str to Estimate
        Contribution to the gain of each model; the contributions of all kinds sum to the gain.
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
        For each kind of events.
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
    masks = {name: np.where(np.isnan(replicas[0]), np.nan, 0) for name, replicas in thresholds.items()}

    def masked(replicas: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: values + masks[name] for name, values in replicas.items()}

    def estimate(differences: np.ndarray, n_events: float = n_events) -> Estimate[np.ndarray]:
        return with_limit(bootstrap_estimate(differences), n_events)

    replicas = masked(efficiencies.replicas)
    efficiency = {name: bootstrap_efficiency(values, n_events) for name, values in replicas.items()}
    before, ideal_gain = replicas[baseline], replicas[ideal] - replicas[baseline]
    models = {name: after for name, after in replicas.items() if name not in (baseline, ideal)}
    gains = {name: after - before for name, after in models.items()}
    first = next(iter(gains))
    gain, gap = {name: estimate(values) for name, values in gains.items()}, estimate(ideal_gain)

    def part_gains(part: PartReplicas) -> PartGains:
        shares, inside = masked(part.shares), masked(part.inside.replicas)
        contributions = {name: shares[name] - shares[baseline] for name in models}
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
