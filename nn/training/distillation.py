"""Distillation of a student: the loss of truth and teacher, and the models that it is applied to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from nn.compat.hgq import lean_quantisers
from nn.compat.keras import PACKAGE, FlatAdam
from nn.layers import Correction
from nn.losses import find_loss
from nn.trained import Loaded, with_event_features
from utils.l1_events import L1Events, jet_count

DISTILLATION = "distillation"  # name of the loss of truth and teacher among the metrics
STEPS_WORTH_COMPILING = 1000  # XLA makes a step about ten times as fast, after about ten seconds of CPU


def distillation_targets(teacher: Loaded, n_features: int) -> Callable[[L1Events], np.ndarray]:
    """Return the function from events to distillation targets: the correction of a teacher, and its features.

    Events without a jet have zeros; they are not trained on.

    Parameters
    ----------
    teacher : Loaded
    n_features : int
        Number of the teacher's features of an event; 0: only the correction.
    """
    model = with_event_features(teacher) if n_features else teacher.model

    def targets(events: L1Events) -> np.ndarray:
        outputs = np.zeros((len(events), 1 + n_features), np.float32)
        has_jet = jet_count(events.smeared_data) > 0
        if has_jet.any():
            outputs[has_jet] = model.predict(model.inputs(events[has_jet])).reshape(-1, 1 + n_features)
        return outputs

    return targets


class LeanModel(keras.Model):
    """A model whose training and validation steps are traced with fewer operations of its quantisers."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """Make a step with a batch."""
        with lean_quantisers():
            return super().train_step(data)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Compute loss and metrics of a batch."""
        with lean_quantisers():
            return super().test_step(data)


def with_correction(network: keras.Model, input_step: float) -> LeanModel:
    """Return a model of the same weights whose output is the correction factor, shape (batch, 1).

    Parameters
    ----------
    network : keras.Model
        A student.
    input_step : float
        A step of the hardware in the unit of the inputs, which replaces a sum of 0.
    """
    corrected = Correction(input_step, name="correction")([network.output, network.inputs[2]])
    return LeanModel(network.inputs, corrected, name="student")


def with_features(model: keras.Model, n_features: int) -> LeanModel:
    """Append to the output of a student a linear map of its features of the event, to compare with a teacher's.

    The map serves the training only: the student has the same weights without it.
    """
    event = model.get_layer("event").output
    projection = keras.layers.Dense(n_features, name="teacher_features")(event)
    output = keras.layers.Concatenate(name="correction_and_features")([model.output, projection])
    return LeanModel(model.inputs, output, name="student")


@dataclass(frozen=True)
class StudentModels:
    """Models of a student in training, which share their weights.

    Attributes
    ----------
    network : keras.Model
        The student, from its inputs to the corrected sum.
    corrected : keras.Model
        From the same inputs to the correction factor.
    trained : keras.Model
        From the same inputs to the correction factor and, if features are distilled, to features of the event.
    """

    network: keras.Model
    corrected: keras.Model
    trained: keras.Model


def student_models(network: keras.Model, input_step: float, n_features: int) -> StudentModels:
    """Make the models in which a student is trained.

    Parameters
    ----------
    network : keras.Model
    input_step : float
        `StudentInputs.input_step`.
    n_features : int
        Features of the teacher to compare with; 0: none.
    """
    corrected = with_correction(network, input_step)
    return StudentModels(network, corrected, with_features(corrected, n_features) if n_features else corrected)


@keras.saving.register_keras_serializable(package=PACKAGE)
class DistillationLoss(keras.Loss):
    """Loss of a student that learns from truth and teacher: alpha x loss(truth) + (1 - alpha) x loss(teacher).

    After Hinton, Vinyals and Dean (arXiv:1503.02531), for a regression. keras.distillation does not serve: its
    Distiller omits the losses that layers add, here the EBOPs penalty, and the weights of events.

    Parameters
    ----------
    loss : str
        Name of a loss, as for `nn.losses.get_loss`.
    alpha : float
        From 0, the teacher alone, to 1, the truth alone.
    feature_weight : float
        Weight of the mean squared difference to the teacher's features.
    name, reduction : str
        As for every keras.Loss.
    """

    def __init__(
        self,
        loss: str,
        alpha: float,
        feature_weight: float = 0.0,
        name: str = "distillation",
        reduction: str = "sum_over_batch_size",
    ):
        super().__init__(name=name, reduction=reduction)
        self._function = find_loss(loss)
        self.loss, self.alpha, self.feature_weight = loss, alpha, feature_weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Compute one value a sample, shape (batch,).

        Labels have shape (batch, 2) of the truth alone, or (batch, 3 + n): truth, true variable, correction of the
        teacher, n features of the teacher. Predictions have shape (batch, 1 + n).
        """
        correction = y_pred[:, :1]
        loss = self.alpha * self._function(y_true[:, :2], correction)
        if self.alpha < 1:
            teacher_labels = ops.stack([y_true[:, 2], y_true[:, 1]], axis=1)
            loss = loss + (1 - self.alpha) * self._function(teacher_labels, correction)
        if self.feature_weight > 0:
            loss = loss + self.feature_weight * ops.mean(ops.square(y_true[:, 3:] - y_pred[:, 1:]), axis=-1)
        return loss

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal loss."""
        return {
            **super().get_config(),
            "loss": self.loss,
            "alpha": self.alpha,
            "feature_weight": self.feature_weight,
        }


def compile_student(model: keras.Model, learning_rate: float, loss: DistillationLoss, n_steps: int = 0) -> None:
    """Compile a model that gives corrections, and perhaps features, for the labels of a StudentCreator.

    Two losses are monitored without the EBOPs penalty and the features: `distillation`, of truth and teacher, and
    `truth`, of the truth alone. A training of many steps is compiled by XLA.

    Parameters
    ----------
    model : keras.Model
    learning_rate : float
    loss : DistillationLoss
    n_steps : int
        Steps of the training.
    """
    monitored = {
        name: DistillationLoss(loss.loss, alpha) for name, alpha in (("truth", 1.0), (DISTILLATION, loss.alpha))
    }
    model.compile(
        optimizer=FlatAdam(learning_rate),
        loss=loss,
        weighted_metrics=[keras.metrics.MeanMetricWrapper(f.call, name=name) for name, f in monitored.items()],
        jit_compile=n_steps >= STEPS_WORTH_COMPILING,
    )
    model.optimizer.build(model.trainable_variables)
