"""Attention weights of a trained network."""

import keras
import numpy as np

from nn.layers import GraphAttention


def attention_weights(model: keras.Model, features: np.ndarray) -> list[np.ndarray]:
    """Compute the attention of each graph attention layer, as in a prediction.

    Parameters
    ----------
    model : keras.Model
        Functional, such as the teacher.
    features : np.ndarray, shape (n_events, n_nodes, n_features), float32
        Node features, zero where empty.

    Returns
    -------
    list of np.ndarray, each of shape (n_events, n_heads, n_nodes, n_nodes), float32
        One for each layer, from the first to the last. Element (i, j) is the attention of node i to node j. Rows of
        real nodes sum to 1; rows and columns of empty nodes are zero.

    Raises
    ------
    ValueError
        If the model has no graph attention layer.
    """
    layers = [layer for layer in model.layers if isinstance(layer, GraphAttention)]
    if not layers:
        raise ValueError(f"expected a model with graph attention layers, received: model={model.name}")
    inputs = keras.Model(model.input, {layer.name: layer.input for layer in layers})(features)
    return [
        np.asarray(keras.ops.convert_to_numpy(layer.attention(*inputs[layer.name])), np.float32) for layer in layers
    ]
