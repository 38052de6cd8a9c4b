"""Training on several devices of one machine: each batch is divided over them, with the results of one device.

Keras alone gives other results where the batch cannot be divided evenly, since it averages the means of the parts, and
cannot accumulate gradients: TensorFlow has no exchange between devices within a condition.
"""

import functools
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nn.layers import PACKAGE


def devices_for_training(n_devices: int) -> list[str]:
    """Name the devices to train on: GPUs, or logical CPU devices where there is no GPU.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    found = tf.config.list_logical_devices(kind)
    if len(found) < n_devices:
        n_gpus = len(found) if kind == "GPU" else 0
        raise ValueError(f"expected {n_devices} GPUs, found {n_gpus}")
    return [device.name for device in found[:n_devices]]


@functools.cache  # the exchanges of two strategies in one process would be mistaken for each other
def strategy_of(n_devices: int) -> tf.distribute.Strategy:
    """Return the strategy in whose scope a model for so many devices is built; TensorFlow's default for one device.

    Raises
    ------
    ValueError
        If there are fewer devices.
    """
    if n_devices == 1:
        return tf.distribute.get_strategy()
    tf.get_logger().setLevel("WARNING")  # each exchange between devices is told otherwise
    return tf.distribute.MirroredStrategy(devices_for_training(n_devices))


@keras.saving.register_keras_serializable(package=PACKAGE)
class DividedAdam(keras.optimizers.Adam):
    """Adam that accumulates gradients on several devices: they are summed over the devices in each step.

    Arguments and variables are those of keras.optimizers.Adam.
    """

    def _backend_apply_gradients(self, grads, trainable_variables):
        """Exchange the gradients outside of any condition; what to do with them is decided on each device."""
        grads = [tf.convert_to_tensor(gradient) for gradient in grads]
        self._backend_update_step(grads, trainable_variables, self.learning_rate)

    def update_step(self, gradient, variable, learning_rate):
        """Add the gradient to those kept; at the last one of a step of the optimizer, go along their mean."""
        n_batches = self.gradient_accumulation_steps
        if not n_batches:
            super().update_step(gradient, variable, learning_rate)
            return
        kept = self._accumulated_gradients[self._get_variable_index(variable)]
        base = super()

        def step() -> None:
            base.update_step((gradient + kept) / n_batches, variable, learning_rate)
            self.assign(kept, ops.zeros_like(kept))

        ops.cond((self._iterations + 1) % n_batches == 0, step, lambda: self.assign_add(kept, gradient))


@keras.saving.register_keras_serializable(package=PACKAGE)
class DividedModel(keras.Model):
    """A model of one input and output, whose batches (features, labels, weights) are divided over devices.

    It is built in the scope of a `tf.distribute` strategy and fitted with batches of any size: an event counts the same
    on whichever device it is, and a device may go without any. Arguments are those of keras.Model.
    """

    def _share_of_loss(self, data, training: bool):
        """Compute what the events of this device add to the loss of the batch, and count the events.

        Returns
        -------
        share : tensor, shape ()
            The sum over the devices is the loss of the batch, with each regularization once.
        predictions : tensor, shape (events on this device, 1)
        """
        features, labels, weights = data
        context = tf.distribute.get_replica_context()
        n_devices = context.num_replicas_in_sync
        n_here = ops.cast(ops.shape(features)[0], weights.dtype)
        n_events = context.all_reduce(tf.distribute.ReduceOp.SUM, n_here)
        predictions = self(features, training=training)
        # Keras takes the mean over the events that are here, and divides by the number of devices.
        share = self.compute_loss(features, labels, predictions, weights * (n_here * n_devices / n_events), training)
        # The metric is summed over devices, both the losses times the numbers of events and the numbers of events.
        self.metrics[0].update_state(share * n_devices, sample_weight=n_events / n_devices)
        return share, predictions

    def _maybe_symbolic_build(self, iterator=None, data_batch=None) -> None:
        """Take no batch from the data to build the model with: it is built, and each epoch has its own batches."""

    def train_step(self, data) -> dict[str, Any]:
        """Make a step with a device's part of a batch."""
        with tf.GradientTape() as tape:
            share, predictions = self._share_of_loss(data, training=True)
        gradients = tape.gradient(share, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.compute_metrics(data[0], data[1], predictions, data[2])

    def test_step(self, data) -> dict[str, Any]:
        """Compute loss and metrics of a device's part of a batch."""
        _, predictions = self._share_of_loss(data, training=False)
        return self.compute_metrics(data[0], data[1], predictions, data[2])
