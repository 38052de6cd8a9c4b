"""ROC curves and the areas under them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import ROUNDING, Estimate, n_effective, zero_event_limit
from utils.evaluation.ranking import Ranking


@dataclass(frozen=True)
class Roc:
    """Signal efficiency against background efficiency.

    Attributes
    ----------
    background_efficiency, signal_efficiency : np.ndarray, shape (n_points,)
        Points of the exact curve. It never falls: where negative weights let it, it stays as high as it was.
    area : Estimate
        Under the exact curve, and its error.
    """

    background_efficiency: np.ndarray
    signal_efficiency: np.ndarray
    area: Estimate[float]


def roc_curve(signal: Ranking, background: Ranking, background_efficiencies: np.ndarray) -> Roc:
    """ROC curve at the lowest thresholds that at most given fractions of the background pass.

    Parameters
    ----------
    signal, background : Ranking
    background_efficiencies : np.ndarray, shape (n,)
        Rising. Those that no value of the background tells apart become one point.
    """
    thresholds = np.unique(background.thresholds(background_efficiencies))[::-1]
    passed = [ranking.sums()[[*ranking.n_above(thresholds), -1]] for ranking in (background, signal)]
    x, y = (np.maximum.accumulate(np.clip(sums[:-1] / sums[-1], 0, 1)) for sums in passed)
    return Roc(x, y, roc_area(signal, background))


def roc_area(signal: Ranking, background: Ranking) -> Estimate[float]:
    """Area under the ROC curve whose points are all values that occur.

    It is the probability that a signal event has the larger value of the two, ties counting one half. Its error is
    that of DeLong et al. (Biometrics 44 (1988) 837), with weights: the area is a mean over signal events of the
    background fraction below them, and over background events of the signal fraction above them, and each mean adds
    its variance. Where the samples do not overlap it is the limit on what none of the events of the smaller one do.
    """
    _, of_signal = _mean_and_variance(signal.weights, _share_above(signal, background))
    area, of_background = _mean_and_variance(background.weights, _share_above(background, signal))
    return _area(min(max(area, 0.0), 1.0), of_signal + of_background, (signal, background))


def _area(value: float, variance: float, samples: Sequence[Ranking]) -> Estimate[float]:
    """Area, or difference of areas, with an error that is not 0."""
    error = math.sqrt(variance)
    limit = float(zero_event_limit(np.asarray(min(n_effective(sample.weights) for sample in samples))))
    return Estimate(value, error if error > ROUNDING else limit)


def roc_area_gain(before: tuple[Ranking, Ranking], after: tuple[Ranking, Ranking]) -> Estimate[float]:
    """Difference of the areas under the ROC curves of two quantities of the same events.

    Its error is that of DeLong et al. as for an area, of the differences that each event makes. Where no event makes
    one it is the limit on what none of the events of the smaller sample do.

    Parameters
    ----------
    before, after : tuple of Ranking
        Of the signal and of the background.
    """

    def differences(i: int) -> np.ndarray:
        """Share of the other sample above each event, after less before, in the order before."""
        of_events = np.empty(len(after[i].order))
        of_events[after[i].order] = _share_above(after[i], after[1 - i])
        return of_events[before[i].order] - _share_above(before[i], before[1 - i])

    _, of_signal = _mean_and_variance(before[0].weights, differences(0))
    gain, of_background = _mean_and_variance(before[1].weights, differences(1))
    return _area(gain, of_signal + of_background, before)


def _share_above(events: Ranking, others: Ranking) -> np.ndarray:
    """Weighted fraction of other events above each event, those of equal value counting one half."""
    sums = others.sums()
    return (sums[others.n_above(events.values)] + sums[others.n_from(events.values)]) / (2 * sums[-1])


def _mean_and_variance(weights: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Weighted mean and its variance."""
    shares = weights / weights.sum(dtype=np.float64)
    mean = np.sum(shares * values)
    return float(mean), float(np.sum((shares * (values - mean)) ** 2))
