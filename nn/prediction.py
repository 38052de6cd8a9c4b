"""Predictions of a model for events with a varying number of objects."""

import keras
import numpy as np

from utils.training.ragged_graphs import RaggedGraphs


def predict(model: keras.Model, features: np.ndarray, batch_size: int = 2048) -> np.ndarray:
    """Predict the correction of graphs, or the other outputs of a model.

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
    graphs = RaggedGraphs.from_padded(features)
    order = np.argsort(graphs.sizes, kind="stable")
    output = np.empty((len(order), model.output_shape[-1]), np.float32)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        output[rows] = model.predict_on_batch(graphs.take(rows).padded())
    return output[:, 0] if output.shape[1] == 1 else output
