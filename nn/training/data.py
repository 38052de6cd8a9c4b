"""Batches as a data set of TensorFlow, and the fit of a model with them."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from utils.training.batches import Batches


def as_dataset(batches: Batches, model: keras.Model, epochs: Iterator[int]) -> tf.data.Dataset:
    """Make a data set for a model; the number of nodes may differ from batch to batch.

    Parameters
    ----------
    batches : Batches
    model : keras.Model
        Model of one or several inputs.
    epochs : iterator of int
        Numbers of the epochs; each pass over the data set takes the next.
    """
    inputs, labels, weights = (
        tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes)
        for shapes in ([x.shape for x in model.inputs], [(None, batches.n_labels)], [(None,)])
    )
    signature = inputs if len(inputs) > 1 else inputs[0], *labels, *weights
    data = tf.data.Dataset.from_generator(lambda: batches.epoch(next(epochs)), output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(len(batches))).prefetch(4)


def fit(
    model: keras.Model, training: Batches, validation: Batches, initial_epoch: int = 0, **kwargs: Any
) -> keras.callbacks.History:
    """Fit a compiled model; other arguments of keras' ``fit`` are passed on."""
    return model.fit(
        as_dataset(training, model, itertools.count(initial_epoch)),
        validation_data=as_dataset(validation, model, itertools.repeat(0)),
        initial_epoch=initial_epoch,
        shuffle=False,
        **{**kwargs, "verbose": 0},
    )
