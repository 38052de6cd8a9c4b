"""Batches as a data set of TensorFlow, and the fit of a model with them."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nn.devices import only_gpu
from utils.training.batches import Batch, Batches


def as_dataset(
    batches: Batches, model: keras.Model, epochs: Iterator[int]
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Make a data set for a model; the number of rows may differ from batch to batch.

    Parameters
    ----------
    batches : Batches
        Each batch in as many parts as the model has devices.
    model : keras.Model
        Model of one or several inputs.
    epochs : iterator of int
        Numbers of the epochs; each pass over the data set takes the next. For several devices it has no end.
    """
    inputs = tuple(tf.TensorSpec(x.shape, x.dtype) for x in model.inputs)
    labels, weights = (tf.TensorSpec(shape, tf.float32) for shape in ((None, batches.n_labels), (None,)))
    signature = inputs if len(inputs) > 1 else inputs[0], labels, weights
    specs = tf.nest.flatten(signature)
    epoch: Iterator[Batch] = iter(())

    def next_batch(number: np.ndarray) -> list[np.ndarray]:
        nonlocal epoch
        if number == 0:
            epoch = batches.epoch(next(epochs))
        return tf.nest.flatten(next(epoch))

    def batch(number: tf.Tensor) -> Any:
        tensors = tf.numpy_function(next_batch, [number], [spec.dtype for spec in specs])
        return tf.nest.pack_sequence_as(
            signature, [tf.ensure_shape(x, spec.shape) for x, spec in zip(tensors, specs, strict=True)]
        )

    # `from_generator` would take three times as long to begin an epoch.
    n_devices = model.distribute_strategy.num_replicas_in_sync
    data = tf.data.Dataset.range(len(batches) * n_devices).map(batch)
    if n_devices == 1:
        data, gpu = data.prefetch(4), only_gpu()
        return data if gpu is None else data.apply(tf.data.experimental.prefetch_to_device(gpu, 2))
    # Each device takes an element in turn, while a data set that TensorFlow divides would be cut across the events.
    data = data.repeat().prefetch(4 * n_devices)
    return model.distribute_strategy.distribute_datasets_from_function(lambda context: data)


def fit(
    model: keras.Model, training: Batches, validation: Batches, initial_epoch: int = 0, **kwargs: Any
) -> keras.callbacks.History:
    """Fit a compiled model; other arguments of keras' ``fit`` are passed on."""
    several = model.distribute_strategy.num_replicas_in_sync > 1
    return model.fit(
        as_dataset(training, model, itertools.count(initial_epoch)),
        validation_data=as_dataset(validation, model, itertools.repeat(0)),
        steps_per_epoch=len(training) if several else None,
        validation_steps=len(validation) if several else None,
        initial_epoch=initial_epoch,
        shuffle=False,
        **{**kwargs, "verbose": 0},
    )
