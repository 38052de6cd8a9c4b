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
    """Central 68.27% interval of a binomial efficiency (Clopper and Pearson, Biometrika 26 (1934) 404).

    It covers the truth at least so often, whatever the truth is. The counts may be fractions. With no events it is
    [0, 1].
    """
    some, not_all = passed > 0, passed < total
    low = np.where(some, beta.ppf(TAIL, np.where(some, passed, 1), total - passed + 1), 0)
    high = np.where(not_all, beta.ppf(1 - TAIL, passed + 1, np.where(not_all, total - passed, 1)), 1)
    return low, high


def efficiency(passed: np.ndarray, total: np.ndarray, total_squares: np.ndarray) -> Efficiency:
    """Weighted efficiency with its interval.

    The interval is that of Clopper and Pearson for effective counts: n_eff = (sum of w)^2 / sum of w^2 events (Kish,
    "Survey Sampling", 1965), of which value * n_eff passed. ROOT's TEfficiency scales weighted counts in the same way
    for its Bayesian intervals. Without weights it is the interval of Clopper and Pearson itself. It assumes that
    passing does not depend on the weight, as in narrow bins of the true variable; else it may be too wide.

    Parameters
    ----------
    passed, total, total_squares : np.ndarray, shape (n,)
        Sum of the weights of the events that pass; of all events; and of their squares.

    Returns
    -------
    Efficiency
        Where there are no events, or their weights do not sum to more than 0, the value is NaN, with the interval
        [0, 1]; likewise where it is not known what passes.
    """
    n_events = np.where(total > 0, divide(total**2, total_squares, 0), 0)
    value = np.where(total > 0, np.clip(divide(passed, total), 0, 1), np.nan)
    known = np.isfinite(value)
    low, high = clopper_pearson(np.where(known, value, 0) * n_events, n_events)
    return Efficiency(value, np.where(known, low, 0), np.where(known, high, 1), n_events)
