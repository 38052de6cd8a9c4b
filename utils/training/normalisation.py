"""Mean, variance and range of features, for the normalisation in a network."""

import numpy as np


class Moments:
    """Moments and maximum of the rows of many arrays, by the pairwise update of Chan, Golub and LeVeque (1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray = np.zeros(1)
        self.largest: np.ndarray = np.full(1, -np.inf)
        self._squares: np.ndarray = np.zeros(1)

    def add(self, rows: np.ndarray) -> None:
        """Add rows, shape (n, n_features)."""
        if not len(rows):
            return
        mean, total = rows.mean(0, dtype=np.float64), self.count + len(rows)
        delta = mean - self.mean
        self._squares = self._squares + np.square(rows - mean).sum(0) + delta**2 * self.count * len(rows) / total
        self.mean = self.mean + delta * len(rows) / total
        self.count = total
        self.extend_range(rows)

    def extend_range(self, rows: np.ndarray) -> None:
        """Take rows into account for the maximum alone."""
        if len(rows):
            self.largest = np.maximum(self.largest, rows.max(0))

    @property
    def variance(self) -> np.ndarray:
        """Variance, the mean squared deviation."""
        return self._squares / self.count
