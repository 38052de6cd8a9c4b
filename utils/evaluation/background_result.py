"""Rates and thresholds of the background."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.binning import Binning
from utils.evaluation.bootstrap import Estimate, named_rng
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import Rates, efficiencies_at_rates, rate_ratios, rates
from utils.evaluation.run_conditions import RunConditions, WorkingPoint
from utils.evaluation.thresholds import background_thresholds
from utils.predictions import Predictions


@dataclass(frozen=True)
class BackgroundResult:
    """What the background does to a trigger.

    Attributes
    ----------
    working_points : list of WorkingPoint
        At each working point.
    rates : dict of str to Rates
        Of all quantities, against thresholds over the range of the spectrum.
    ratios : dict of str to Estimate
        Of the rates of the models to that of the baseline, at the same thresholds.
    at_working_points : dict of str to Rates
        At the thresholds of the working points; what ties and single events leave of them.
    parts : dict of str to dict of str to Rates
        The same of the events with and without a jet at L1, each kind by itself.
    threshold_replicas : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        These thresholds and their bootstrap replicas.
    rankings : dict of str to Ranking
        The events, 12 bytes each, in the order of each quantity.
    """

    working_points: list[WorkingPoint]
    rates: dict[str, Rates]
    ratios: dict[str, Estimate[np.ndarray]]
    at_working_points: dict[str, Rates]
    parts: dict[str, dict[str, Rates]]
    threshold_replicas: dict[str, np.ndarray]
    rankings: dict[str, Ranking]

    @property
    def beyond_sample(self) -> dict[str, np.ndarray]:
        """At which working points no event passes: the threshold lies beyond the sample and is not known."""
        return {name: rates.n_events == 0 for name, rates in self.at_working_points.items()}

    @property
    def known_thresholds(self) -> dict[str, np.ndarray]:
        """The rows of the thresholds, NaN where they are beyond the sample."""
        beyond = self.beyond_sample
        return {name: np.where(beyond[name], np.nan, rows) for name, rows in self.threshold_replicas.items()}


def evaluate_background(
    predictions: Predictions,
    binning: Binning,
    background_efficiencies: Sequence[float],
    run_conditions: RunConditions | None,
    fixed_rates: Sequence[float],
    seed: int,
) -> BackgroundResult:
    """Find the rates and the thresholds of the background, all its processes together.

    Parameters
    ----------
    predictions : Predictions
    binning : Binning
    background_efficiencies : sequence of float
        Of the first working points.
    run_conditions : RunConditions or None
        None where weights are not cross sections, so that there are no rates.
    fixed_rates : sequence of float
        In kHz, of more working points where there are rates.
    seed : int
    """
    scores, weight = predictions.scores, predictions.weight
    rankings = {name: Ranking.of(values, weight) for name, values in scores.items()}
    working_points = [WorkingPoint(efficiency) for efficiency in background_efficiencies]
    luminosity, bunches = (
        (run_conditions.luminosity, run_conditions.colliding_bunches) if run_conditions else (math.nan, 1)
    )
    if run_conditions:
        cross_section = float(weight.sum(dtype=np.float64))
        efficiencies = efficiencies_at_rates(fixed_rates, cross_section, luminosity, bunches)
        working_points += [WorkingPoint(*of_rate) for of_rate in zip(efficiencies.tolist(), fixed_rates, strict=True)]
    rows = background_thresholds(
        scores,
        weight,
        rankings,
        np.array([point.background_efficiency for point in working_points]),
        named_rng(seed, "background"),
    )

    def rates_at(of: Mapping[str, Ranking], thresholds: Mapping[str, np.ndarray]) -> dict[str, Rates]:
        return {name: rates(of[name], of_name, luminosity, bunches) for name, of_name in thresholds.items()}

    at_points = {name: of_name[0] for name, of_name in rows.items()}
    parts = {}
    for part, chosen in predictions.parts.items():
        rankings_of_part = {name: Ranking.of(values[chosen], weight[chosen]) for name, values in scores.items()}
        parts[part] = rates_at(rankings_of_part, at_points)

    return BackgroundResult(
        working_points,
        rates_at(rankings, dict.fromkeys(rankings, binning.spectrum)),
        {
            name: rate_ratios(scores[name], predictions.reco, weight, binning.spectrum)
            for name in predictions.corrections
        },
        rates_at(rankings, at_points),
        parts,
        rows,
        rankings,
    )
