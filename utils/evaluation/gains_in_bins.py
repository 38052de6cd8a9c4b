"""Signal efficiencies at fixed background in bins of the true variable, and the differences of the models."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import Estimate, bootstrap_efficiency, bootstrap_estimate, difference, with_limit
from utils.evaluation.efficiency_gains import EfficiencyReplicas, at_known_thresholds

SIGNIFICANT = 2  # errors


@dataclass(frozen=True)
class GainsInBins:
    """Absolute efficiencies in bins of the true variable at each working point, and the differences to the baseline.

    All errors contain the statistics of the signal and, through the thresholds, of the background. Errors of
    differences also contain the correlation between quantities of the same events.

    Attributes
    ----------
    edges : np.ndarray, shape (n_bins + 1,)
    n_effective : np.ndarray, shape (n_bins,)
        Effective number of events.
    efficiency : dict of str to Estimate, shape (n_points, n_bins)
        By quantity.
    gain : dict of str to Estimate, shape (n_points, n_bins)
        Efficiency of each model minus the efficiency of the baseline.
    """

    edges: np.ndarray
    n_effective: np.ndarray
    efficiency: dict[str, Estimate[np.ndarray]]
    gain: dict[str, Estimate[np.ndarray]]

    def below_baseline(self, model: str) -> np.ndarray:
        """Mask of the points and bins in which a model is below the baseline by more than two errors."""
        gain = self.gain[model]
        return gain.value < -SIGNIFICANT * gain.error


def gains_in_bins(
    edges: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    bins: Sequence[EfficiencyReplicas],
    baseline: str,
    models: Collection[str],
) -> GainsInBins:
    """Estimate efficiencies and gains in bins from the results of `signal_efficiencies`.

    Parameters
    ----------
    edges : np.ndarray, shape (n_bins + 1,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        NaN where a threshold is unknown; all results at this point are then NaN.
    bins : sequence of EfficiencyReplicas
        Of the events of each bin.
    baseline : str
        Quantity to compare with.
    models : collection of str
        Quantities that are compared with it.
    """
    replicas = [at_known_thresholds(events.replicas, thresholds) for events in bins]

    def gain(i: int, model: str) -> Estimate[np.ndarray]:
        return with_limit(bootstrap_estimate(difference(replicas[i][model], replicas[i][baseline])), bins[i].n_events)

    return GainsInBins(
        edges,
        np.array([events.n_events for events in bins]),
        {
            name: _side_by_side([bootstrap_efficiency(replicas[i][name], bins[i].n_events) for i in range(len(bins))])
            for name in thresholds
        },
        {model: _side_by_side([gain(i, model) for i in range(len(bins))]) for model in models},
    )


def _side_by_side(estimates: Sequence[Estimate[np.ndarray]]) -> Estimate[np.ndarray]:
    """Return estimates of shape (n_points,) in each bin as one of shape (n_points, n_bins)."""
    return Estimate(*(np.stack([getattr(of, name) for of in estimates], axis=1) for name in ("value", "error")))
