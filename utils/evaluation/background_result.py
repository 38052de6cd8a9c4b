"""Rates and thresholds of the background."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.binning import Binning
from utils.evaluation.bootstrap import Estimate, named_rng
from utils.evaluation.ranking import Ranking, Rankings
from utils.evaluation.rates import Rates, efficiencies_at_rates, rate_ratios, rates
from utils.evaluation.run_conditions import RunConditions, WorkingPoint
from utils.evaluation.thresholds import background_thresholds
from utils.predictions import BASELINE, Predictions


@dataclass(frozen=True)
class BackgroundResult:
    """Rates and thresholds of the background.

    Attributes
    ----------
    working_points : list of WorkingPoint
    rates : dict of str to Rates
        Rates of all quantities against the threshold, over the range of the spectrum.
    ratios : dict of str to Estimate
        Rate of each model over the rate of the baseline, at the same thresholds.
    at_working_points : dict of str to Rates
        Rates at the thresholds of the working points; ties and single events keep them below the values asked for.
    parts : dict of str to dict of str to Rates
        Rates of the events with and without a jet at L1, at the same thresholds.
    threshold_replicas : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        Thresholds of the working points and their bootstrap replicas, by quantity.
    rankings : mapping of str to Ranking
        The events in the order of each quantity.
    """

    working_points: list[WorkingPoint]
    rates: dict[str, Rates]
    ratios: dict[str, Estimate[np.ndarray]]
    at_working_points: dict[str, Rates]
    parts: dict[str, dict[str, Rates]]
    threshold_replicas: dict[str, np.ndarray]
    rankings: Mapping[str, Ranking]

    @property
    def beyond_sample(self) -> dict[str, np.ndarray]:
        """Masks of the working points at which no event passes: the threshold is beyond the sample and unknown."""
        return {name: rates.n_events == 0 for name, rates in self.at_working_points.items()}

    @property
    def known_thresholds(self) -> dict[str, np.ndarray]:
        """Thresholds and their replicas, NaN where they are beyond the sample."""
        beyond = self.beyond_sample
        return {name: np.where(beyond[name], np.nan, replicas) for name, replicas in self.threshold_replicas.items()}


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
        Background efficiencies of working points.
    run_conditions : RunConditions or None
        None where weights are not cross sections, so that there are no rates.
    fixed_rates : sequence of float
        Background rates of further working points, in kHz; ignored without rates.
    seed : int
    """
    scores, weight = predictions.scores, predictions.weight
    rankings = Rankings(scores, weight)
    working_points = [WorkingPoint(efficiency) for efficiency in background_efficiencies]
    luminosity, bunches = (
        (run_conditions.luminosity, run_conditions.colliding_bunches) if run_conditions else (math.nan, 1)
    )
    if run_conditions:
        cross_section = float(weight.sum(dtype=np.float64))
        efficiencies = efficiencies_at_rates(fixed_rates, cross_section, luminosity, bunches)
        working_points += [WorkingPoint(*pair) for pair in zip(efficiencies.tolist(), fixed_rates, strict=True)]
    replicas = background_thresholds(
        scores,
        weight,
        rankings,
        np.array([point.background_efficiency for point in working_points]),
        named_rng(seed, "background"),
    )

    def rates_at(thresholds: Mapping[str, np.ndarray]) -> dict[str, Rates]:
        return {name: rates(rankings[name], values, luminosity, bunches) for name, values in thresholds.items()}

    thresholds = {name: values[0] for name, values in replicas.items()}
    parts = {}
    for part, chosen in predictions.parts.items():
        parts[part] = {
            name: rates(Ranking.of(values[chosen], weight[chosen]), thresholds[name], luminosity, bunches)
            for name, values in scores.items()
        }

    return BackgroundResult(
        working_points=working_points,
        rates=rates_at(dict.fromkeys(rankings, binning.spectrum)),
        ratios={
            name: rate_ratios(
                rankings[name].passed(binning.spectrum),
                rankings[BASELINE].passed(binning.spectrum),
                Ranking.of(np.minimum(scores[name], predictions.reco), weight).passed(binning.spectrum),
            )
            for name in predictions.corrections
        },
        at_working_points=rates_at(thresholds),
        parts=parts,
        threshold_replicas=replicas,
        rankings=rankings,
    )
