"""Rates of zero-bias events before and after the corrections."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.binning import Binning
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import rate_ratios
from utils.evaluation.zero_bias_rates import RateThresholds, ZeroBiasRates, zero_bias_rates, zero_bias_thresholds
from utils.predictions import BASELINE, REFERENCE, Counts, Predictions, count

ZERO_BIAS_RATES = (100.0, 30.0, 10.0, 3.0, 1.0)  # kHz


@dataclass(frozen=True)
class ZeroBiasResult:
    """Rates of zero-bias events, of the measured quantities and, as a reference, of the sum of CMS itself.

    Attributes
    ----------
    colliding_bunches : int
    counts : Counts
    n_saturated : dict of str to int
        Objects and energy sums whose energy is the largest that their integers can express.
    rates : dict of str to ZeroBiasRates
        Against thresholds over the range of the spectrum.
    ratios : dict of str to Estimate
        Of the rates of the models and of the reference to that of the baseline, at the same thresholds.
    at_rates : dict of str to RateThresholds
        Thresholds at fixed rates.
    at_thresholds : dict of str to ZeroBiasRates
        At the thresholds of the turn-on curves.
    """

    colliding_bunches: int
    counts: Counts
    n_saturated: dict[str, int]
    rates: dict[str, ZeroBiasRates]
    ratios: dict[str, Estimate[np.ndarray]]
    at_rates: dict[str, RateThresholds]
    at_thresholds: dict[str, ZeroBiasRates]


def evaluate_zero_bias(
    predictions: Predictions,
    reference: np.ndarray,
    n_saturated: dict[str, int],
    binning: Binning,
    thresholds: Sequence[float],
    colliding_bunches: int,
) -> ZeroBiasResult:
    """Find the rates of zero-bias events before and after the corrections.

    Parameters
    ----------
    predictions : Predictions
        Of events of equal weight, without true values.
    reference : np.ndarray, shape (n_events,), float32
        Energy sum of CMS, in GeV.
    n_saturated : dict of str to int
    binning : Binning
    thresholds : sequence of float
        Of the turn-on curves, in GeV.
    colliding_bunches : int
    """
    quantities = {**predictions.measured, REFERENCE: reference}
    rankings = {name: Ranking.of(values, predictions.weight) for name, values in quantities.items()}

    def rates_at(at: np.ndarray) -> dict[str, ZeroBiasRates]:
        return {name: zero_bias_rates(ranking, at, colliding_bunches) for name, ranking in rankings.items()}

    return ZeroBiasResult(
        colliding_bunches,
        count(predictions),
        n_saturated,
        rates_at(binning.spectrum),
        {
            name: rate_ratios(values, predictions.reco, predictions.weight, binning.spectrum)
            for name, values in quantities.items()
            if name != BASELINE
        },
        {name: zero_bias_thresholds(ranking, ZERO_BIAS_RATES, colliding_bunches) for name, ranking in rankings.items()},
        rates_at(np.asarray(thresholds, np.float64)),
    )
