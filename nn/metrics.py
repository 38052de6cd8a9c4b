"""Metrics of the correction factor, monitored in training."""

import math

import keras
from keras import ops

from nn.compat.keras import PACKAGE
from nn.tensors import Config, Tensor


@keras.saving.register_keras_serializable(package=PACKAGE)
class MseThesholdMetric(keras.metrics.Metric):
    """Mean squared error of the events whose true variable is above a threshold.

    Labels have shape (batch, 2): the target of the regression, and the true variable in GeV, which is compared with the
    threshold. Predictions have shape (batch, 1). The metric keeps the sum of squares and the sum of weights, so the
    result is the mean over all those events, whatever the batches. It is NaN without an event above the threshold.

    Parameters
    ----------
    threshold : float
        In GeV, not negative; events at the threshold are left out.
    name : str, optional
        "mse_above_THRESHOLD" by default.
    dtype : str, optional
        Type of the sums, as for every keras.metrics.Metric.
    """

    def __init__(self, threshold: float, name: str | None = None, dtype: str | None = None):
        if not 0 <= threshold < math.inf:
            raise ValueError(f"expected a finite threshold >= 0 in GeV, received: threshold={threshold!r}")
        super().__init__(name=name or f"mse_above_{threshold:g}", dtype=dtype)
        self.threshold = threshold
        self.sum_of_squares = self.add_variable(shape=(), initializer="zeros", name="sum_of_squares")
        self.sum_of_weights = self.add_variable(shape=(), initializer="zeros", name="sum_of_weights")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Add a batch of labels (batch, 2), predictions (batch, 1) and, if given, weights (batch,)."""
        y_true = ops.cast(y_true, self.dtype)
        y_pred = ops.cast(y_pred, self.dtype)
        above = y_true[:, 1] > self.threshold
        weights = ops.ones_like(y_true[:, 0])
        if sample_weight is not None:
            weights = ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))
        squares = weights * ops.square(y_true[:, 0] - y_pred[:, 0])
        self.sum_of_squares.assign_add(ops.sum(ops.where(above, squares, 0)))
        self.sum_of_weights.assign_add(ops.sum(ops.where(above, weights, 0)))

    def result(self) -> Tensor:
        """Mean squared error, float; NaN if no event was above the threshold."""
        return self.sum_of_squares / self.sum_of_weights

    def get_config(self) -> Config:
        """Arguments that make an equal metric."""
        return {**super().get_config(), "threshold": self.threshold}


MseThresholdMetric = MseThesholdMetric
