"""How batches of graphs reach a model, for the training and for predictions."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from utils.training.batches import Batches
from utils.training.ragged_graphs import RaggedGraphs


def as_dataset(batches: Batches, model: keras.Model, epochs: Iterator[int]) -> tf.data.Dataset:
    """Make a data set for a model, whose number of nodes may differ from batch to batch.

    Parameters
    ----------
    batches : Batches
    model : keras.Model
        Of one or several inputs.
    epochs : iterator of int
        Numbers of the epochs, of which each pass over the data set takes the next.
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
    """Fit a compiled model; what else keras' ``fit`` takes is passed on."""
    return model.fit(
        as_dataset(training, model, itertools.count(initial_epoch)),
        validation_data=as_dataset(validation, model, itertools.repeat(0)),
        initial_epoch=initial_epoch,
        shuffle=False,
        **{**kwargs, "verbose": 0},
    )


def predict(model: keras.Model, features: np.ndarray, batch_size: int = 2048) -> np.ndarray:
    """Predict the correction of graphs, or whatever else a model gives of them.

    Parameters
    ----------
    model : keras.Model
    features : np.ndarray, shape (n_graphs, n_nodes, n_features), float32
        Node features, zero where empty.
    batch_size : int
        Graphs that the model sees at a time.

    Returns
    -------
    np.ndarray, shape (n_graphs,) or, of several outputs, (n_graphs, n_outputs), float32
    """
    graphs = RaggedGraphs.from_padded(features)
    order = np.argsort(graphs.sizes, kind="stable")
    output = np.empty((len(order), model.output_shape[-1]), np.float32)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        output[rows] = model.predict_on_batch(graphs.take(rows).padded())
    return output[:, 0] if output.shape[1] == 1 else output
