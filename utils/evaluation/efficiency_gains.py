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
    """Efficiencies of the same events above thresholds on several quantities.

    Attributes
    ----------
    n_events : float
        Effective number of events.
    rows : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        For each quantity.
    """

    n_events: float
    rows: dict[str, np.ndarray]


@dataclass(frozen=True)
class PartReplicas:
    """The same for the events of one kind.

    Attributes
    ----------
    inside : EfficiencyReplicas
        Of the events of this kind.
    shares : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        What they contribute to the efficiencies of all events, for each quantity.
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
    """Efficiencies of the same signal events above thresholds on several quantities, of all and of each kind of them.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
    weights : np.ndarray, shape (n_events,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        As :func:`background_thresholds` gives them. Replica i of the signal meets replica i of the thresholds, so
        that the statistics of both samples are in the result.
    rng : np.random.Generator
    kinds : np.ndarray, shape (n_events,), int, optional
        0 or 1; without it there are no parts.
    """
    distinct = {name: np.unique(thresholds[name]) for name in scores}
    groups = EventGroups.of(scores, weights, distinct, kinds)
    shape = np.shape(next(iter(thresholds.values())))
    n_kinds = 0 if kinds is None else 2

    def rows() -> dict[str, np.ndarray]:
        return {name: np.full(shape, np.nan) for name in scores}

    whole, inside, shares = rows(), [rows() for _ in range(n_kinds)], [rows() for _ in range(n_kinds)]
    for i, sums in enumerate(groups.replicas(rng, shape[0] - 1)):
        total = sums.sum()
        of_kinds = [groups.only(kind, sums) for kind in range(n_kinds)]
        for name in scores:
            at = np.searchsorted(distinct[name], thresholds[name][i])
            if total > 0:
                whole[name][i] = np.clip(groups.above(name, sums)[at] / total, 0, 1)
            for kind, of_kind in enumerate(of_kinds):
                passed = groups.above(name, of_kind)[at]
                if total > 0:
                    shares[kind][name][i] = passed / total
                if (total_of_kind := of_kind.sum()) > 0:
                    inside[kind][name][i] = np.clip(passed / total_of_kind, 0, 1)
    parts = [
        PartReplicas(EfficiencyReplicas(n_effective(weights[kinds == kind]), inside[kind]), shares[kind])
        for kind in range(n_kinds)
    ]
    return EfficiencyReplicas(n_effective(weights), whole), parts


@dataclass(frozen=True)
class PartGains:
    """What the events of one kind do at working points.

    Attributes
    ----------
    efficiency : dict of str to Estimate, shape (n_points,)
        Of the events of this kind, for each quantity.
    gain : dict of str to Estimate
        What they contribute to the gain of each model: the contributions of all kinds sum to the gain.
    share : dict of str to Estimate
        That over the gain.
    """

    efficiency: dict[str, Estimate[np.ndarray]]
    gain: dict[str, Estimate[np.ndarray]]
    share: dict[str, Estimate[np.ndarray]]


@dataclass(frozen=True)
class EfficiencyGains:
    """Signal efficiencies at fixed background efficiencies, and what a correction gains.

    All errors contain the statistics of the signal and, through the thresholds, of the background; those of the gains
    also that the quantities are of the same events.

    Attributes
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds, efficiency : dict of str to Estimate, shape (n_points,)
        For each quantity.
    gain : dict of str to Estimate
        For each model: difference of its efficiency and that of the baseline.
    ratio : dict of str to Estimate
        Its efficiency over that of the baseline.
    gap_closed : dict of str to Estimate
        Gain over the difference between the ideal and the baseline efficiency.
    kept : dict of str to Estimate
        Gain over that of the first model.
    parts : list of PartGains
        Of the kinds of events that were told apart.
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
    """Put together what :func:`background_thresholds` and :func:`signal_efficiencies` found.

    Parameters
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        NaN where a threshold is not known: so is what follows from it.
    efficiencies : EfficiencyReplicas
    baseline, ideal : str
        Keys of the quantities to compare with; all others are models.
    parts : sequence of PartReplicas
    """
    n_events = efficiencies.n_events
    known = {name: np.where(np.isnan(thresholds[name][0]), np.nan, 0) for name in thresholds}

    def only_known(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: of_name + known[name] for name, of_name in rows.items()}

    rows = only_known(efficiencies.rows)
    efficiency = {name: bootstrap_efficiency(of_name, n_events) for name, of_name in rows.items()}
    before, best = rows[baseline], rows[ideal]
    models = {name: after for name, after in rows.items() if name not in (baseline, ideal)}
    gain_rows = {name: after - before for name, after in models.items()}
    first = next(iter(gain_rows))

    def difference(of_rows: np.ndarray, n_events: float = n_events) -> Estimate[np.ndarray]:
        return with_limit(bootstrap_estimate(of_rows), n_events)

    gains = {name: difference(gain) for name, gain in gain_rows.items()}
    gap = difference(best - before)

    def part(of: PartReplicas) -> PartGains:
        shares = only_known(of.shares)
        contributions = {name: shares[name] - shares[baseline] for name in models}
        inside = only_known(of.inside.rows)
        behind = n_events if of.inside.n_events > 0 else math.nan  # no events contribute 0, which has no error
        return PartGains(
            {name: bootstrap_efficiency(of_name, of.inside.n_events) for name, of_name in inside.items()},
            {name: difference(contribution, behind) for name, contribution in contributions.items()},
            {
                name: bootstrap_ratio(contribution, gain_rows[name], gains[name], behind)
                for name, contribution in contributions.items()
            },
        )

    return EfficiencyGains(
        np.asarray(background_efficiency),
        {name: bootstrap_estimate(of_name) for name, of_name in thresholds.items()},
        efficiency,
        gains,
        {name: bootstrap_ratio(after, before, efficiency[baseline], n_events) for name, after in models.items()},
        {name: bootstrap_ratio(gain, best - before, gap, n_events) for name, gain in gain_rows.items()},
        {name: bootstrap_ratio(gain, gain_rows[first], gains[first], n_events) for name, gain in gain_rows.items()},
        [part(of) for of in parts],
    )
