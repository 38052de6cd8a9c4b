"""A plain implementation of the teacher, for comparison: dense arrays of all slots and a loop over heads.

It follows the keras_dgl library (keras-deep-graph-learning, MIT licence): each event comes as arrays of all its slots,
with the adjacency that tells who attends to whom and the filter of the graph convolution, both (n_nodes, n_nodes).
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from nn.layers import GraphAttention, RealNodes, SplitPid, SumRealNodes
from nn.teacher import L2, PID_CODES, SOFTPLUS_INVERSE_OF_ONE, TeacherHyperparameters
from nn.tensors import Shape, Tensor
from utils.data_processing import normalised_adjacency
from utils.event_layout import PT


class PlainGraphAttention(keras.layers.Layer):
    """Graph convolution and multi-head attention, one head after the other, masked by the adjacency.

    Parameters
    ----------
    units, num_heads, combine, activation, attention_dropout, kernel_regularizer
        As for nn.layers.GraphAttention.
    **kwargs
        Passed to keras.layers.Layer.
    """

    def __init__(
        self,
        units: int,
        num_heads: int,
        combine: str,
        activation: str,
        attention_dropout: float,
        kernel_regularizer: keras.Regularizer,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.num_heads = num_heads
        self.combine = combine
        self.activation = keras.activations.get(activation)
        self.kernel_regularizer = kernel_regularizer
        self._dropout = keras.layers.Dropout(attention_dropout)

    def build(self, x_shape: Shape, adjacency_shape: Shape, filters_shape: Shape) -> None:
        """Create a kernel and an attention kernel, first half for the node itself, for each head."""
        self.kernels, self.attention_kernels = (
            [self._add_kernel(shape, f"head{head}_{name}") for head in range(self.num_heads)]
            for name, shape in (
                ("kernel", (x_shape[-1], self.units)),
                ("attention_kernel", (2 * self.units, 1)),
            )
        )

    def _add_kernel(self, shape: Shape, name: str) -> keras.Variable:
        return self.add_weight(
            name=name, shape=shape, initializer="glorot_uniform", regularizer=self.kernel_regularizer
        )

    def call(self, x: Tensor, adjacency: Tensor, filters: Tensor, training: bool | None = None) -> Tensor:
        """Apply the layer.

        Parameters
        ----------
        x : tensor, shape (batch, nodes, features), float
        adjacency : tensor, shape (batch, nodes, nodes), float
            Node i attends to node j where element (i, j) is not zero.
        filters : tensor, shape (batch, nodes, nodes), float
            Filter of the graph convolution, the normalised adjacency.
        training : bool, optional
            Whether attention weights are dropped.

        Returns
        -------
        tensor, shape (batch, nodes, num_heads * units or units), float
        """
        outputs = []
        for kernel, attention_kernel in zip(self.kernels, self.attention_kernels, strict=True):
            h = ops.dot(ops.matmul(filters, x), kernel)
            score_self = ops.dot(h, attention_kernel[: self.units])  # (batch, i, 1)
            score_neighbour = ops.dot(h, attention_kernel[self.units :])  # (batch, j, 1)
            scores = ops.elu(score_self + ops.transpose(score_neighbour, (0, 2, 1)))
            masked = scores + ops.exp(adjacency * -1e10) * -1e10
            weights = self._dropout(ops.softmax(masked), training=training)
            outputs.append(ops.matmul(weights, h))
        if self.combine == "concat":
            return ops.concatenate([self.activation(y) for y in outputs], axis=-1)
        return self.activation(ops.mean(ops.stack(outputs), axis=0))


def build_plain_teacher(
    hyperparameters: TeacherHyperparameters,
    feature_names: Sequence[str],
    mean: Sequence[float],
    variance: Sequence[float],
    n_nodes: int,
) -> keras.Model:
    """Build the network of nn.teacher.build_teacher in the plain way, not compiled.

    Parameters
    ----------
    hyperparameters, feature_names, mean, variance
        As for nn.teacher.build_teacher.
    n_nodes : int
        Nodes of every event, the empty ones included.

    Returns
    -------
    keras.Model
        From [features, adjacency, filters], as `plain_inputs` makes them, to the correction, shape (batch, 1).
    """
    regularizer = keras.regularizers.L2(L2)
    features = keras.Input((n_nodes, len(feature_names)), name="features")
    adjacency = keras.Input((n_nodes, n_nodes), name="adjacency")
    filters = keras.Input((n_nodes, n_nodes), name="filters")
    normalization = keras.layers.Normalization(mean=list(mean), variance=list(variance), name="normalization")
    if "pid" in feature_names:
        continuous, pid = SplitPid(name="split_pid")(features)
        embedded = keras.layers.Embedding(PID_CODES, hyperparameters.embedding, name="pid_embedding")(pid)
        x = keras.layers.Concatenate(name="nodes")([normalization(continuous), embedded])
    else:
        x = normalization(features)
    for number in range(1, hyperparameters.graph_layers + 1):
        x = PlainGraphAttention(
            hyperparameters.units,
            hyperparameters.heads,
            "average" if number == hyperparameters.graph_layers else "concat",
            hyperparameters.activation,
            hyperparameters.attention_dropout,
            regularizer,
            name=f"graph_attention_{number}",
        )(x, adjacency, filters)
        x = keras.layers.Dropout(hyperparameters.dropout, name=f"dropout_{number}")(x)
    x = SumRealNodes(name="sum_real_nodes")(x, mask=RealNodes(name="real_nodes")(features))
    correction = keras.layers.Dense(
        1,
        activation="softplus",
        bias_initializer=keras.initializers.Constant(SOFTPLUS_INVERSE_OF_ONE),
        kernel_regularizer=regularizer,
        name="factor",
    )(x)
    return keras.Model([features, adjacency, filters], correction, name="plain_teacher")


def plain_inputs(features: np.ndarray) -> list[np.ndarray]:
    """Return the inputs of the plain teacher for node features, shape (n_graphs, n_nodes, n_features).

    Without bias or attention across components an empty node, joined only with itself, does not reach a real one.
    """
    adjacency = normalised_adjacency(features[:, :, PT] > 0)
    return [features, adjacency, adjacency.copy()]


def copy_weights(teacher: keras.Model, plain: keras.Model) -> None:
    """Give the plain teacher the weights of a teacher of the same hyperparameters."""
    for layer in teacher.layers:
        if isinstance(layer, GraphAttention):
            other = plain.get_layer(layer.name)
            attention = np.concatenate([layer.attention_self.numpy(), layer.attention_neighbour.numpy()], axis=1)
            for head in range(layer.num_heads):
                other.kernels[head].assign(layer.kernel.numpy()[:, head])
                other.attention_kernels[head].assign(attention[head][:, None])
        elif layer.weights:
            plain.get_layer(layer.name).set_weights(layer.get_weights())
