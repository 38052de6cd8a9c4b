"""ROC curves and the areas under them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import ROUNDING, Estimate, n_effective, zero_event_limit
from utils.evaluation.histograms import blocks, sum_of_blocks
from utils.evaluation.ranking import Ranking


@dataclass(frozen=True)
class Roc:
    """Signal efficiency against background efficiency.

    Attributes
    ----------
    background_efficiency, signal_efficiency : np.ndarray, shape (n_points,)
        Points of the exact curve. Where negative weights would let it fall, it stays at the same height.
    area : Estimate
        Area under the exact curve.
    """

    background_efficiency: np.ndarray
    signal_efficiency: np.ndarray
    area: Estimate[float]


def roc_curve(signal: Ranking, background: Ranking, background_efficiencies: np.ndarray) -> Roc:
    """Find the ROC curve at the lowest thresholds that at most given fractions of the background pass.

    Parameters
    ----------
    signal, background : Ranking
    background_efficiencies : np.ndarray, shape (n,)
        Rising. Efficiencies with the same threshold become one point.
    """
    thresholds = np.unique(background.thresholds(background_efficiencies))[::-1]
    passed = [ranking.sums()[[*ranking.n_above(thresholds), -1]] for ranking in (background, signal)]
    x, y = (np.maximum.accumulate(np.clip(sums[:-1] / sums[-1], 0, 1)) for sums in passed)
    return Roc(x, y, roc_area(signal, background))


def roc_area(signal: Ranking, background: Ranking) -> Estimate[float]:
    """Find the area under the ROC curve with a point at each value.

    The area is the probability that a signal event has a larger value than a background event; a tie counts one half.
    The error follows DeLong et al. (Biometrics 44 (1988) 837), with weights: the area is both a mean over signal
    events, of the background fraction below, and a mean over background events, of the signal fraction above. The
    variances of both means add. Where the samples do not overlap, the error is the limit for none of the events of the
    smaller sample.
    """
    _, signal_variance = _mean_and_variance(signal, _share_above(signal, background).__getitem__)
    area, background_variance = _mean_and_variance(background, _share_above(background, signal).__getitem__)
    return _area(min(max(area, 0.0), 1.0), signal_variance + background_variance, (signal, background))


def _area(value: float, variance: float, samples: Sequence[Ranking]) -> Estimate[float]:
    """Return an area, or a difference of areas, with an error above 0."""
    error = math.sqrt(variance)
    limit = float(zero_event_limit(np.asarray(min(n_effective(sample.unsorted_weights) for sample in samples))))
    return Estimate(value, error if error > ROUNDING else limit)


def roc_area_gain(before: tuple[Ranking, Ranking], after: tuple[Ranking, Ranking]) -> Estimate[float]:
    """Find the difference of the areas under the ROC curves of two quantities of the same events.

    The error follows DeLong et al. as in :func:`roc_area`, from the difference that each event makes. Where no event
    makes a difference, it is the limit for none of the events of the smaller sample.

    Parameters
    ----------
    before, after : tuple of Ranking
        Signal and background.
    """

    def differences(i: int) -> Callable[[slice], np.ndarray]:
        """Share of the other sample above each event, after less before, of rows in the order before."""
        found = np.empty(len(after[i].order))  # in the order before sorting, the only array of all events
        for rows, shares in _shares_above(after[i], after[1 - i]):
            found[after[i].order[rows]] = shares
        for rows, shares in _shares_above(before[i], before[1 - i]):
            found[before[i].order[rows]] -= shares
        return lambda rows: found[before[i].order[rows]]

    _, signal_variance = _mean_and_variance(before[0], differences(0))
    gain, background_variance = _mean_and_variance(before[1], differences(1))
    return _area(gain, signal_variance + background_variance, before)


def _share_above(events: Ranking, others: Ranking) -> np.ndarray:
    """Return the weighted fraction of other events above each event, with one half for equal values."""
    found = np.empty(len(events.order))
    for rows, shares in _shares_above(events, others):
        found[rows] = shares
    return found


def _shares_above(events: Ranking, others: Ranking) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows of blocks of events, and the weighted fractions of other events above them."""
    sums, falling = others.sums(), others.values
    for rows in blocks(len(events.order)):
        values = events.values[rows]
        n_above = others.n_above(values)
        n_from = n_above.copy()
        equal = (n_above < len(falling)) & (falling[np.minimum(n_above, len(falling) - 1)] == values)
        n_from[equal] = others.n_from(values[equal])
        yield rows, (sums[n_above] + sums[n_from]) / (2 * sums[-1])


def _mean_and_variance(events: Ranking, values: Callable[[slice], np.ndarray]) -> tuple[float, float]:
    """Return the weighted mean of values, a function of rows in the order of the events, and its variance."""
    total = events.weights.sum(dtype=np.float64)

    def weighted(rows: slice, mean: float) -> np.ndarray:
        return events.unsorted_weights[events.order[rows]] / total * (values(rows) - mean)

    mean = sum_of_blocks(lambda rows: weighted(rows, 0.0), 0, len(events.order))
    return mean, sum_of_blocks(lambda rows: weighted(rows, mean) ** 2, 0, len(events.order))
