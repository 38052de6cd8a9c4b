"""Pareto front of cost and loss: no other network is both smaller and better."""

import numpy as np


def pareto_front(cost: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Find the points that no other point dominates: at least as good in both, and better in one.

    Parameters
    ----------
    cost, loss : np.ndarray, shape (n,)
        Less is better. A point without a finite loss is never on the front.

    Returns
    -------
    np.ndarray of int
        Indices in the order of increasing cost and decreasing loss; of equal points the first.
    """
    order = np.lexsort((np.arange(len(cost)), loss, cost))
    order = order[np.isfinite(loss[order])]
    best_before = np.minimum.accumulate(np.append(np.inf, loss[order]))[:-1]
    return order[loss[order] < best_before]


def spread(cost: np.ndarray, n_wanted: int) -> np.ndarray:
    """Choose some points of a front, the first and the last among them, at about equal ratios of the cost.

    Parameters
    ----------
    cost : np.ndarray, shape (n,)
        Increasing, not negative.
    n_wanted : int
        At least 2.

    Returns
    -------
    np.ndarray of int
        Increasing indices, at most `n_wanted`.
    """
    if len(cost) <= n_wanted:
        return np.arange(len(cost))
    logarithm = np.log(cost + 1)
    wanted = np.linspace(logarithm[0], logarithm[-1], n_wanted)
    return np.unique(np.abs(logarithm - wanted[:, None]).argmin(1))
