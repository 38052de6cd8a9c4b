"""Predictions of a model for events with a varying number of objects."""

import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from utils.runtime.threads import n_threads
from utils.training.ragged_graphs import RaggedGraphs

_FUNCTIONS: weakref.WeakKeyDictionary[keras.Model, Callable[[np.ndarray], Any]] = weakref.WeakKeyDictionary()


def _function(model: keras.Model) -> Callable[[np.ndarray], Any]:
    """Return a model as a function of TensorFlow, which keeps no reference to it; a call of Keras takes longer."""
    if model not in _FUNCTIONS:
        reference: Callable[[], Any] = weakref.ref(model)
        signature = [tf.TensorSpec(model.input.shape, model.input.dtype)]
        _FUNCTIONS[model] = tf.function(lambda x: reference()(x, training=False), signature, autograph=False)
    return _FUNCTIONS[model]


def predict(model: keras.Model, features: np.ndarray, batch_size: int = 1024) -> np.ndarray:
    """Predict the correction of graphs, or the other outputs of a model.

    Batches hold graphs of similar size. Several are predicted at the same time, which uses the processors better than
    to divide each operation.

    Parameters
    ----------
    model : keras.Model
    features : np.ndarray, shape (n_graphs, n_nodes, n_features), float32
        Node features, zero where empty.
    batch_size : int
        Graphs in a batch.

    Returns
    -------
    np.ndarray, shape (n_graphs,) or, for several outputs, (n_graphs, n_outputs), float32
    """
    return predict_graphs(model, RaggedGraphs.from_padded(features), batch_size)


def predict_graphs(model: keras.Model, graphs: RaggedGraphs, batch_size: int = 1024) -> np.ndarray:
    """Predict as `predict` does, for graphs without their padding."""
    order = np.argsort(graphs.sizes, kind="stable")
    output = np.empty((len(order), model.output_shape[-1]), np.float32)
    function = _function(model)

    def predict_batch(start: int) -> None:
        rows = order[start : start + batch_size]
        output[rows] = function(graphs.take(rows).padded())

    # The largest graphs first, so that all threads end together; one more thread makes a batch while the others wait.
    with ThreadPoolExecutor(n_threads() + 1) as threads:
        list(threads.map(predict_batch, reversed(range(0, len(order), batch_size))))
    return output[:, 0] if output.shape[1] == 1 else output
