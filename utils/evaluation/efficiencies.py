"""Weighted efficiencies with their intervals."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from utils.evaluation.bootstrap import TAIL, divide


@dataclass(frozen=True)
class Efficiency:
    """Efficiencies with their intervals and the effective number of events behind each."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_effective: np.ndarray


def clopper_pearson(passed: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the central 68.27% interval of a binomial efficiency (Clopper and Pearson, Biometrika 26 (1934) 404).

    Its coverage is at least 68.27%, for each true efficiency. The counts may be fractions. Without events it is [0, 1].
    """
    some, not_all = passed > 0, passed < total
    low = np.where(some, beta.ppf(TAIL, np.where(some, passed, 1), total - passed + 1), 0)
    high = np.where(not_all, beta.ppf(1 - TAIL, passed + 1, np.where(not_all, total - passed, 1)), 1)
    return low, high


def efficiency(passed: np.ndarray, total: np.ndarray, total_squares: np.ndarray) -> Efficiency:
    """Return weighted efficiencies with their intervals.

    Intervals are Clopper-Pearson intervals of effective counts: value * n_eff of n_eff events pass, with n_eff =
    (sum of w)^2 / sum of w^2 (Kish, "Survey Sampling", 1965). ROOT's TEfficiency scales weighted counts in the same way
    for its Bayesian intervals. The interval assumes that passing does not depend on the weight, as in narrow bins of
    the true variable; otherwise it may be too wide.

    Parameters
    ----------
    passed, total, total_squares : np.ndarray, shape (n,)
        Sums of weights of the events that pass, and of all events; sum of the squared weights of all events.

    Returns
    -------
    Efficiency
        Without events, where the sum of weights is not above 0, and where `passed` is NaN, the value is NaN with the
        interval [0, 1].
    """
    n_events = np.where(total > 0, divide(total**2, total_squares, 0), 0)
    value = np.where(total > 0, np.clip(divide(passed, total), 0, 1), np.nan)
    known = np.isfinite(value)
    low, high = clopper_pearson(np.where(known, value, 0) * n_events, n_events)
    return Efficiency(value, np.where(known, low, 0), np.where(known, high, 1), n_events)
