"""Losses of the correction factor.

Labels have shape (batch, 2): the target of the regression, and the true variable in GeV, which only metrics use.
Predictions have shape (batch, 1). Each function gives one value a sample, shape (batch,).
"""

import functools
from collections.abc import Callable

import keras
from keras import ops

from nn.compat.keras import PACKAGE
from nn.tensors import Config, Tensor
from utils.training.loss_names import PARAMETERS, parse_loss

LossFunction = Callable[..., Tensor]

# Targets far below this count as 0. It stands for 1 GeV of true MET at 20 GeV of L1 MET, practically no true MET.
LOG_OFFSET = 0.05


def regression_target(labels: Tensor, predictions: Tensor) -> Tensor:
    """Return the target, shape (batch, 1), of labels, shape (batch, 2), for predictions, shape (batch, 1)."""
    if tuple(labels.shape[1:]) != (2,) or tuple(predictions.shape[1:]) != (1,):
        raise ValueError(
            "expected labels of shape (batch, 2) and predictions of shape (batch, 1), "
            f"received: labels.shape={tuple(labels.shape)}, predictions.shape={tuple(predictions.shape)}"
        )
    return labels[:, :1]


def mse(labels: Tensor, predictions: Tensor) -> Tensor:
    """Squared error."""
    return keras.losses.mean_squared_error(regression_target(labels, predictions), predictions)


def mae(labels: Tensor, predictions: Tensor) -> Tensor:
    """Absolute error."""
    return keras.losses.mean_absolute_error(regression_target(labels, predictions), predictions)


def mape(labels: Tensor, predictions: Tensor) -> Tensor:
    """Absolute error in percent of the target."""
    return keras.losses.mean_absolute_percentage_error(regression_target(labels, predictions), predictions)


def msle(labels: Tensor, predictions: Tensor) -> Tensor:
    """Squared difference of log(1 + value)."""
    return keras.losses.mean_squared_logarithmic_error(regression_target(labels, predictions), predictions)


def huber(labels: Tensor, predictions: Tensor, delta: float) -> Tensor:
    """Half the squared error up to `delta`, growing linearly above (Huber 1964)."""
    return keras.losses.huber(regression_target(labels, predictions), predictions, delta=delta)


def quantile(labels: Tensor, predictions: Tensor, tau: float) -> Tensor:
    """Pinball loss, least for the `tau` quantile of the target (Koenker & Bassett 1978)."""
    error = (regression_target(labels, predictions) - predictions)[:, 0]
    return ops.maximum(tau * error, (tau - 1) * error)


def dice(labels: Tensor, predictions: Tensor, epsilon: float) -> Tensor:
    """Dice loss 1 - (2 y p + epsilon) / (y^2 + p^2 + epsilon) of the target y and the prediction p.

    Computed as the identical (y - p)^2 / (y^2 + p^2 + epsilon), which does not cancel where p is close to y.
    """
    target = regression_target(labels, predictions)
    union = ops.square(target) + ops.square(predictions) + epsilon
    return (ops.square(target - predictions) / union)[:, 0]


def log_huber(labels: Tensor, predictions: Tensor, delta: float) -> Tensor:
    """Huber loss of the logarithm of the prediction over the target, each plus `LOG_OFFSET`.

    A relative error costs the same for large and small corrections. The tail of the targets, from low momenta at L1,
    costs little.
    """
    target = regression_target(labels, predictions)
    return keras.losses.huber(ops.log(target + LOG_OFFSET), ops.log(predictions + LOG_OFFSET), delta=delta)


FUNCTIONS: dict[str, LossFunction] = {"mse": mse, "mae": mae, "mape": mape, "msle": msle}
PARAMETRIC_FUNCTIONS: dict[str, LossFunction] = {
    "huber": huber,
    "log_huber": log_huber,
    "quantile": quantile,
    "dice": dice,
}


def find_loss(name: str) -> LossFunction:
    """Return the function of labels and predictions with the name of a loss, for example "huber_1.0".

    Raises
    ------
    ValueError
        If the name is unknown or its parameter is missing, superfluous or out of range.
    """
    kind, parameter = parse_loss(name)
    if parameter is None:
        return FUNCTIONS[kind]
    return functools.partial(PARAMETRIC_FUNCTIONS[kind], **{PARAMETERS[kind]: parameter})


@keras.saving.register_keras_serializable(package=PACKAGE)
class TargetLoss(keras.Loss):
    """Loss of the target component of the labels.

    Parameters
    ----------
    loss : {"mse", "mae", "mape", "msle", "huber_DELTA", "log_huber_DELTA", "quantile_TAU", "dice_EPSILON"}
        Which loss, with a number in place of the word in capitals: "huber_1.0".
    name : str, optional
        Name of the object; `loss` by default.
    reduction : str
        As for every keras.Loss.
    """

    def __init__(self, loss: str, name: str | None = None, reduction: str = "sum_over_batch_size"):
        self._function = find_loss(loss)
        self.loss = loss
        super().__init__(name=name or loss, reduction=reduction)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """One value a sample, shape (batch,), of labels (batch, 2) and predictions (batch, 1)."""
        return self._function(y_true, y_pred)

    def get_config(self) -> Config:
        """Arguments that make an equal loss."""
        return {**super().get_config(), "loss": self.loss}


def get_loss(name: str) -> keras.Loss:
    """Return the loss of a name, for example "mse" or "huber_1.0".

    Parameters
    ----------
    name : str
        One of mse, mae, mape, msle, huber_DELTA, log_huber_DELTA, quantile_TAU, dice_EPSILON.

    Returns
    -------
    keras.Loss

    Raises
    ------
    ValueError
        If the name is unknown or its parameter is missing, superfluous or out of range.
    """
    return TargetLoss(name)
