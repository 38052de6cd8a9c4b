"""Predictions of a model for events with a varying number of objects."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from utils.runtime.threads import n_threads
from utils.training.ragged_graphs import RaggedGraphs


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
    graphs = RaggedGraphs.from_padded(features)
    order = np.argsort(graphs.sizes, kind="stable")
    output = np.empty((len(order), model.output_shape[-1]), np.float32)
    model.make_predict_function()

    def predict_batch(start: int) -> None:
        rows = order[start : start + batch_size]
        output[rows] = model.predict_on_batch(graphs.take(rows).padded())

    with ThreadPoolExecutor(n_threads()) as threads:
        list(threads.map(predict_batch, range(0, len(order), batch_size)))
    return output[:, 0] if output.shape[1] == 1 else output
