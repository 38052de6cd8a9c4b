"""Rates of zero-bias events before and after the corrections."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.binning import Binning
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import rate_ratios
from utils.evaluation.section_rates import SectionRates, section_rates
from utils.evaluation.zero_bias_rates import RateThresholds, ZeroBiasRates, zero_bias_rates, zero_bias_thresholds
from utils.predictions import BASELINE, REFERENCE, Counts, Predictions, count

ZERO_BIAS_RATES = (100.0, 30.0, 10.0, 3.0, 1.0)  # kHz


@dataclass(frozen=True)
class ZeroBiasResult:
    """Rates of zero-bias events, for the trigger quantities and, as a reference, the sum of the CMS trigger itself.

    Attributes
    ----------
    colliding_bunches : int
    counts : Counts
    n_saturated : dict of str to int
        Number of objects and energy sums at the largest value of their integers.
    rates : dict of str to ZeroBiasRates
        Rates against the threshold, over the range of the spectrum.
    ratios : dict of str to Estimate
        Rate of each model, and of the reference, over the rate of the baseline, at the same thresholds.
    at_rates : dict of str to RateThresholds
        Thresholds at fixed rates.
    at_thresholds : dict of str to ZeroBiasRates
        Rates at the thresholds of the turn-on curves.
    sections : SectionRates or None
        The same in each luminosity section; None where the files do not say.
    """

    colliding_bunches: int
    counts: Counts
    n_saturated: dict[str, int]
    rates: dict[str, ZeroBiasRates]
    ratios: dict[str, Estimate[np.ndarray]]
    at_rates: dict[str, RateThresholds]
    at_thresholds: dict[str, ZeroBiasRates]
    sections: SectionRates | None = None


def evaluate_zero_bias(
    predictions: Predictions,
    reference: np.ndarray,
    n_saturated: dict[str, int],
    binning: Binning,
    thresholds: Sequence[float],
    colliding_bunches: int,
    sections: np.ndarray | None = None,
) -> ZeroBiasResult:
    """Find the rates of zero-bias events before and after the corrections.

    Parameters
    ----------
    predictions : Predictions
        Events of equal weight, without true values.
    reference : np.ndarray, shape (n_events,), float32
        Energy sum of the CMS trigger, in GeV.
    n_saturated : dict of str to int
    binning : Binning
    thresholds : sequence of float
        Thresholds of the turn-on curves, in GeV.
    colliding_bunches : int
    sections : np.ndarray, shape (n_events, 2), optional
        Run and luminosity section of each event.
    """
    quantities = {**predictions.measured, REFERENCE: reference}
    rankings = {name: Ranking.of(values, predictions.weight) for name, values in quantities.items()}

    def rates_at(edges: np.ndarray) -> dict[str, ZeroBiasRates]:
        return {name: zero_bias_rates(ranking, edges, colliding_bunches) for name, ranking in rankings.items()}

    return ZeroBiasResult(
        colliding_bunches=colliding_bunches,
        counts=count(predictions),
        n_saturated=n_saturated,
        rates=rates_at(binning.spectrum),
        ratios={
            name: rate_ratios(
                rankings[name].passed(binning.spectrum),
                rankings[BASELINE].passed(binning.spectrum),
                Ranking.of(np.minimum(values, predictions.reco), predictions.weight).passed(binning.spectrum),
            )
            for name, values in quantities.items()
            if name != BASELINE
        },
        at_rates={
            name: zero_bias_thresholds(ranking, ZERO_BIAS_RATES, colliding_bunches)
            for name, ranking in rankings.items()
        },
        at_thresholds=rates_at(np.asarray(thresholds, np.float64)),
        sections=None if sections is None else section_rates(sections, quantities, thresholds, colliding_bunches),
    )
