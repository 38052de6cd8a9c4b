"""Floor of corrected sums: the highest L1 sums pass a threshold whatever their correction."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from utils.formats.l1_files import ROWS_A_CHUNK, L1Dataset
from utils.l1_events import L1Events
from utils.training.rate_weights import rates_above
from utils.training.rising_tables import LARGEST_SUM, MOST_EVENTS, RisingTable, rising_points
from utils.variables import reconstructed

logger = logging.getLogger(__name__)

POINTS_PER_DECADE = 8  # of the rate
LEAST_EVENTS = 10  # effective number of events above the highest L1 sum of the table


@dataclass(frozen=True)
class SumFloor(RisingTable):
    """Lowest corrected sum by the L1 sum.

    A correction takes a MET that points along a jet for a mismeasured jet, and some signals look the same. The floor
    acts like an OR with a threshold on L1, at every threshold on the corrected sum at once.

    Attributes
    ----------
    l1, corrected : np.ndarray, shape (n_points,), float64
        L1 sums and the lowest corrected sums, in GeV.
    """

    l1: np.ndarray
    corrected: np.ndarray
    key: ClassVar[str] = "floor"

    def raised(self, corrections: np.ndarray, l1_sums: np.ndarray) -> np.ndarray:
        """Return corrections of L1 sums above 0, shape (n_events,), that are not below the floor."""
        return np.maximum(corrections, self(l1_sums) / l1_sums)


def fit_floor(l1: np.ndarray, corrected: np.ndarray, weights: np.ndarray, share: float) -> SumFloor | None:
    """Find the floor that lets a share of the rate at each threshold pass by the L1 sum alone.

    Where a rate R of events has corrected sums above c, and a rate of share x R has L1 sums above s, c is the floor of
    the L1 sum s. Beyond the last point both grow in proportion.

    Parameters
    ----------
    l1, corrected, weights : np.ndarray, shape (n_events,)
        Sums in GeV; the corrected ones without a floor. Events with NaN are left out.
    share : float
        From 0 to 1.

    Returns
    -------
    SumFloor or None
        None for a share of 0, and where there are too few events.
    """
    used = np.isfinite(corrected)
    l1, corrected, weights = l1[used], corrected[used], weights[used]
    l1_thresholds, l1_above = rates_above(l1, weights)
    corrected_thresholds, corrected_above = rates_above(corrected, weights)
    _, squares = rates_above(l1, np.square(weights, dtype=np.float64))
    enough = (l1_above > 0) & (l1_above**2 >= LEAST_EVENTS * squares)  # effective number of events
    if not share or not enough.any():
        return None
    least, total = l1_above[enough.argmax()], l1_above[-1]
    n_points = 1 + max(0, int(POINTS_PER_DECADE * np.log10(share * total / least)))
    rates = total * 10.0 ** (-np.arange(n_points) / POINTS_PER_DECADE)
    floors = (
        np.interp(share * rates, l1_above, l1_thresholds),
        np.interp(rates, corrected_above, corrected_thresholds),
    )
    l1_points, points = rising_points(*(np.append(0, values) for values in floors))
    if len(l1_points) < 2:
        return None
    end = LARGEST_SUM * points[-1] / l1_points[-1]
    return SumFloor(np.append(l1_points, LARGEST_SUM), np.append(points, round(end, 3)))


def training_floor(
    data: L1Dataset, variable: str, corrected_sums: Callable[[L1Events], np.ndarray], share: float
) -> SumFloor | None:
    """Find the floor of a network from the events of its training file, with their cross-section weights.

    Of more than `MOST_EVENTS` a random part is taken, so that time and memory are bounded.

    Parameters
    ----------
    data : L1Dataset
    variable : str
    corrected_sums : callable
        Function of L1Events that returns their corrected sums in GeV, without a floor.
    share : float
        As of `fit_floor`.
    """
    if not share:
        return None
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    taken, rng = MOST_EVENTS / data.n_events, np.random.default_rng(0)
    for chunk in data.chunks(ROWS_A_CHUNK, true_objects=False):
        events = chunk[rng.random(len(chunk)) < taken] if taken < 1 else chunk
        columns.append((getattr(events, reconstructed(variable)), corrected_sums(events), events.weights))
    l1, corrected, weights = (np.concatenate(column) for column in zip(*columns, strict=True))
    floor = fit_floor(l1, corrected, weights, share)
    if floor is None:
        logger.warning("%s: too few events for the floor of the corrected sums", data.path)
    return floor
