"""Training on a GPU, and on several devices of one machine, over which each batch is divided.

On one GPU, XLA compiles a step for the shape of its batch, so the batches have few shapes. Several devices give the
results of one.

A batch comes in parts, one for each device. Keras averages the means of the parts, which gives other results where the
batch cannot be divided evenly.
"""

import functools
import os
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nn.compat.keras import PACKAGE, BuiltModel

# Batches of n events have a multiple of n / BATCH_FRACTION rows, so that they have a few shapes. Of three objects an
# event, 6% of the rows are empty on average.
BATCH_FRACTION = 32

# XLA by itself adds with atomic operations, in an order that changes from run to run.
DETERMINISTIC_XLA = "--xla_gpu_exclude_nondeterministic_ops=true"


def only_gpu(n_devices: int = 1) -> str | None:
    """Return the name of the GPU on which a training on so many devices runs, None if it is not a single GPU."""
    return "/device:GPU:0" if n_devices == 1 and tf.config.list_physical_devices("GPU") else None


def row_multiple(batch_size: int, n_devices: int = 1) -> int:
    """Return the `row_multiple` of `utils.training.packing.pack` for a training: 1 unless it is on a single GPU."""
    return 1 if only_gpu(n_devices) is None else max(2, batch_size // BATCH_FRACTION)


def make_gpus_reproducible(n_devices: int = 1) -> None:
    """Where there are GPUs, let one seed give one result, in float32 without the shorter numbers of tensor cores.

    This has no effect on XLA once a function has been compiled.
    """
    if not tf.config.list_physical_devices("GPU"):
        return
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if only_gpu(n_devices) is None:
        tf.config.experimental.enable_op_determinism()
    else:  # Keras would leave out XLA for a TensorFlow of deterministic operations
        flags = os.environ.get("XLA_FLAGS", "").split()
        os.environ["XLA_FLAGS"] = " ".join(dict.fromkeys([*flags, DETERMINISTIC_XLA]))


def devices_for_training(n_devices: int) -> list[str]:
    """Return the names of the devices to train on: GPUs, or logical CPU devices without a GPU.

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


@functools.cache  # two strategies in one process would mix up their exchanges
def distribution_strategy(n_devices: int) -> tf.distribute.Strategy:
    """Return the strategy in whose scope a model for so many devices is built; TensorFlow's default for one device.

    Raises
    ------
    ValueError
        If there are fewer devices.
    """
    if n_devices == 1:
        return tf.distribute.get_strategy()
    tf.get_logger().setLevel("WARNING")  # otherwise each exchange between devices is logged
    return tf.distribute.MirroredStrategy(devices_for_training(n_devices))


@keras.saving.register_keras_serializable(package=PACKAGE)
class DividedModel(BuiltModel):
    """A model for packed graphs of one output, whose batches (inputs, labels, weights) are divided over devices.

    It is built in the scope of a `tf.distribute` strategy and fitted with batches of any size. An event counts the same
    on each device, and a device may have no event of a batch. Arguments are those of keras.Model.
    """

    def _share_of_loss(self, data: tuple[Any, Any, Any], training: bool) -> tuple[Any, Any]:
        """Compute the contribution of this device's events to the loss of the batch, and count the events.

        Returns
        -------
        share : tensor, shape ()
            The sum over the devices is the loss of the batch, with each regularization once.
        predictions : tensor, shape (events on this device, 1)
        """
        inputs, labels, weights = data
        context = tf.distribute.get_replica_context()
        n_devices = context.num_replicas_in_sync
        n_here = ops.cast(ops.shape(labels)[0], weights.dtype)
        n_events = context.all_reduce(tf.distribute.ReduceOp.SUM, n_here)
        predictions = self(inputs, training=training)
        # Keras takes the mean over the events of this device, and divides by the number of devices.
        share = self.compute_loss(inputs, labels, predictions, weights * (n_here * n_devices / n_events), training)
        # The metric sums both its numerator, losses times numbers of events, and its denominator over the devices.
        self.metrics[0].update_state(share * n_devices, sample_weight=n_events / n_devices)
        return share, predictions

    def train_step(self, data: tuple[Any, Any, Any]) -> dict[str, Any]:
        """Make a step with a device's part of a batch."""
        with tf.GradientTape() as tape:
            share, predictions = self._share_of_loss(data, training=True)
        gradients = tape.gradient(share, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self.compute_metrics(data[0], data[1], predictions, data[2])

    def test_step(self, data: tuple[Any, Any, Any]) -> dict[str, Any]:
        """Compute loss and metrics of a device's part of a batch."""
        _, predictions = self._share_of_loss(data, training=False)
        return self.compute_metrics(data[0], data[1], predictions, data[2])
