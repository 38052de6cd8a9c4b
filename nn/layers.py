"""Graph layers for events with a varying number of objects.

Every `mask` is boolean of shape (batch, nodes), and True means a real object. The features of padded nodes, which have
to be finite, never reach an output, and the rows of padded nodes in an output are zero.

An event has a row of its own, or several events share one: the relations of the nodes of a row are then given by two
arrays, which `PackedRows` makes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from nn.compat.keras import PACKAGE
from nn.tensors import Config, Shape, Tensor

# Scores are values of an ELU, hence not below -1: exp(MASKED_SCORE - score) is exactly 0 in every float type,
# and the number itself still fits into float16.
MASKED_SCORE = -3.0e4


PT_SCALE = 40.0  # GeV, a typical jet, so that momenta are of order 1


def complete_graphs(same_graph: Tensor) -> Tensor:
    """Return the normalised adjacency of graphs that are complete over their nodes.

    With A complete over n nodes, self-connections included, D^-1/2 (A + I) D^-1/2 (Kipf & Welling 2017,
    arXiv:1609.02907) is 2 / (n + 1) on the diagonal and 1 / (n + 1) elsewhere.

    Parameters
    ----------
    same_graph : tensor, shape (batch, nodes, nodes), float
        1 where both nodes are real and of the same graph, otherwise 0.

    Returns
    -------
    tensor, shape (batch, nodes, nodes), float
    """
    itself = ops.eye(ops.shape(same_graph)[1], dtype=same_graph.dtype)
    n_nodes = ops.sum(same_graph, axis=-1, keepdims=True)
    return same_graph * ((1 + itself) / (n_nodes + 1))


def masked_softmax(scores: Tensor, mask: Tensor, axis: int = -1) -> Tensor:
    """Softmax over an axis among the entries where `mask` is True.

    Parameters
    ----------
    scores : tensor, float
        Values of an ELU, hence not below -1.
    mask : tensor, broadcastable to the shape of `scores`, bool
        True for the entries that take part.
    axis : int
        Axis over which the softmax sums to 1.

    Returns
    -------
    tensor, of the shape of `scores`, float
        Zero where `mask` is False; zero, not NaN, where no entry along the axis takes part.
    """
    scores = ops.where(mask, scores, MASKED_SCORE)
    largest = ops.maximum(ops.max(scores, axis=axis, keepdims=True), -1)
    weights = ops.exp(scores - ops.stop_gradient(largest))
    # The largest of the entries that take part is exp(0), so that only a sum without entries is below 1.
    return weights * (1 / ops.maximum(ops.sum(weights, axis=axis, keepdims=True), 1))


def _glorot_uniform(fan_in: int, fan_out: int) -> keras.initializers.Initializer:
    """Return Glorot's uniform initializer with explicit fans, because Keras takes a 3-d kernel for a convolution."""
    limit = math.sqrt(6 / (fan_in + fan_out))
    return keras.initializers.RandomUniform(-limit, limit)


def _product(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply each node of x, shape (batch, nodes, features), by a matrix, in one product for all nodes."""
    features, width = matrix.shape
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, features)), matrix), (-1, ops.shape(x)[1], width))


def _all_real(x: Tensor) -> Tensor:
    """Return the mask of x, shape (batch, nodes, features), if all nodes are real."""
    return ops.ones(ops.shape(x)[:2], dtype="bool")


def _check_positive_integer(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a positive integer, received: {name}={value!r}")


@keras.saving.register_keras_serializable(package=PACKAGE)
class GraphAttention(keras.layers.Layer):
    """Graph convolution followed by multi-head attention over the neighbours.

    For each head with kernel W and attention vectors a (self) and b (neighbour),

        h = A_hat x W + bias
        e_ij = ELU(a . h_i + b . h_j + attention_bias)
        y_i = sum_j softmax_j(e_ij) h_j,   j over the neighbours of i and i itself,

    where A_hat = D^-1/2 (A + I) D^-1/2 is the normalised adjacency of Kipf & Welling 2017 (arXiv:1609.02907)
    and the attention follows Velickovic et al. 2018 (arXiv:1710.10903), with ELU in place of LeakyReLU.
    On real nodes the output equals the output of `MultiGraphAttentionCNN` of the keras_dgl library.

    Without an explicit adjacency the graph is complete over the real nodes.

    Parameters
    ----------
    units : int
        Number of output features of a head.
    num_heads : int
        Number of attention heads.
    combine : {"concat", "average"}
        How the heads are joined.
    graph_convolution : bool
        Whether x is multiplied by A_hat first; otherwise the graph only defines the neighbours.
    use_bias : bool
        Whether h and the scores have a bias.
    activation : str, callable or None
        Applied to each head if they are concatenated, to their mean if they are averaged.
    attention_dropout : float
        Fraction of the attention weights dropped in training, in [0, 1).
    kernel_regularizer : keras.Regularizer, str or None
        Regulariser of the kernel and of the two attention vectors.
    **kwargs
        Passed to keras.layers.Layer.

    Attributes
    ----------
    kernel : shape (features, num_heads, units)
    attention_self, attention_neighbour : shape (num_heads, units)
    bias : shape (num_heads, units), or None without `use_bias`
    attention_bias : shape (num_heads,), or None without `use_bias`
    """

    def __init__(
        self,
        units: int,
        num_heads: int,
        combine: str = "concat",
        graph_convolution: bool = True,
        use_bias: bool = False,
        activation: str | Callable[[Tensor], Tensor] | None = None,
        attention_dropout: float = 0.0,
        kernel_regularizer: keras.Regularizer | str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _check_positive_integer("units", units)
        _check_positive_integer("num_heads", num_heads)
        if combine not in ("concat", "average"):
            raise ValueError(f"expected 'concat' or 'average', received: combine={combine!r}")
        if not 0 <= attention_dropout < 1:
            raise ValueError(f"expected a fraction in [0, 1), received: attention_dropout={attention_dropout!r}")
        self.units = units
        self.num_heads = num_heads
        self.combine = combine
        self.graph_convolution = graph_convolution
        self.use_bias = use_bias
        self.activation = keras.activations.get(activation)
        self._activation_of_0_is_0 = float(self.activation(ops.zeros((1,)))[0]) == 0
        self.attention_dropout = attention_dropout
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True
        self._dropout = keras.layers.Dropout(attention_dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Create the weights for nodes of `input_shape[-1]` features."""
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(f"expected x of shape (batch, nodes, features), received: x.shape={input_shape}")
        features = input_shape[-1]
        head_shape = (self.num_heads, self.units)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, *head_shape),
            initializer=_glorot_uniform(features, self.units),
            regularizer=self.kernel_regularizer,
        )
        self.attention_self, self.attention_neighbour = (
            self.add_weight(
                name=name,
                shape=head_shape,
                initializer=_glorot_uniform(2 * self.units, 1),
                regularizer=self.kernel_regularizer,
            )
            for name in ("attention_self", "attention_neighbour")
        )
        self.bias = self.attention_bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=head_shape, initializer="zeros")
            self.attention_bias = self.add_weight(name="attention_bias", shape=(self.num_heads,), initializer="zeros")

    def call(
        self, x: Tensor, mask: Tensor | None = None, adjacency: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        """Apply the layer.

        Parameters
        ----------
        x : tensor, shape (batch, nodes, features), float
            Node features.
        mask : tensor, shape (batch, nodes), bool, optional
            True for real nodes; without it all nodes are real.
        adjacency : tensor, shape (batch, nodes, nodes), float, optional
            Normalised adjacency; node i attends to node j where element (i, j) is not zero, to itself where
            the diagonal is not. Without it the graph is complete over the real nodes.
        training : bool, optional
            Whether attention weights are dropped.

        Returns
        -------
        tensor, shape (batch, nodes, num_heads * units or units), float
            Zero in the rows of padded nodes.
        """
        mask = _all_real(x) if mask is None else mask
        graph = self._graph(x, mask, adjacency)
        weights = self._dropout(self._attention_weights(x, graph), training=training)
        y = self._weighted_sum(weights, x, graph)
        if self.bias is not None:
            bias = ops.transpose(ops.sum(weights, axis=2))[..., None] * self.bias  # (batch, i, heads, units)
            bias = bias if self.combine == "concat" else ops.mean(bias, axis=2, keepdims=True)
            y = y + ops.reshape(bias, ops.shape(y))
        y = self.activation(y)
        return y if self._activation_of_0_is_0 else y * ops.cast(mask, y.dtype)[:, :, None]

    def attention(self, x: Tensor, mask: Tensor | None = None, adjacency: Tensor | None = None) -> Tensor:
        """Compute the attention weights by which the layer sums over the neighbours, without dropout.

        Parameters
        ----------
        x, mask, adjacency
            As for `call`.

        Returns
        -------
        tensor, shape (batch, num_heads, nodes, nodes), float
            Element (i, j) of a head is the attention of node i to node j. The rows of nodes with a neighbour sum to
            1; rows and columns of padded nodes are zero.
        """
        mask = _all_real(x) if mask is None else mask
        return ops.transpose(self._attention_weights(x, self._graph(x, mask, adjacency)), (3, 0, 1, 2))

    @property
    def _width(self) -> int:
        return self.num_heads * self.units if self.combine == "concat" else self.units

    def _graph(self, x: Tensor, mask: Tensor, adjacency: Tensor | None) -> Tensor:
        """Return the normalised adjacency without the padded nodes, shape (batch, nodes, nodes)."""
        both_real = ops.logical_and(mask[:, :, None], mask[:, None, :])
        if adjacency is None:
            return complete_graphs(ops.cast(both_real, x.dtype))
        return ops.where(both_real, adjacency, 0)

    def _attention_weights(self, x: Tensor, graph: Tensor) -> Tensor:
        """Attention of node i to node j, shape (num_heads, i, j, batch), zero where j is not a neighbour of i.

        Operations on many small arrays are fast if the batch is their last axis.
        """
        vectors = ops.concatenate([self.attention_self, self.attention_neighbour])
        scores = _product(x, ops.sum(ops.tile(self.kernel, (1, 2, 1)) * vectors, axis=-1))
        if self.graph_convolution:
            scores = ops.matmul(graph, scores)
        if self.bias is not None:
            attention = self.attention_self + self.attention_neighbour
            bias = ops.sum(self.bias * attention, axis=-1) + self.attention_bias
            scores = scores + ops.pad(bias, (0, self.num_heads))
        score_self, score_neighbour = ops.split(ops.transpose(scores, (2, 1, 0)), 2)
        scores = ops.elu(score_self[:, :, None] + score_neighbour[:, None])
        return masked_softmax(scores, ops.not_equal(ops.transpose(graph, (1, 2, 0)), 0), axis=2)

    def _weighted_sum(self, weights: Tensor, x: Tensor, graph: Tensor) -> Tensor:
        """Sum the projected neighbours of each node and join the heads, shape (batch, nodes, output features).

        A_hat is applied to the attention weights, which are fewer numbers than x. Features that are fewer than the
        units of a head are summed before they are projected. Concatenated heads come from one product by a matrix that
        is block-diagonal in the heads, which takes more multiplications, but no transposition of a large array.
        """
        (features, heads, units), n_nodes = self.kernel.shape, ops.shape(x)[1]
        a_hat = graph if self.graph_convolution else ops.eye(n_nodes, dtype=x.dtype)[None]
        weights = ops.reshape(ops.transpose(weights, (3, 1, 0, 2)), (-1, n_nodes * heads, n_nodes))
        if features < units:
            summed = ops.reshape(ops.matmul(ops.matmul(weights, a_hat), x), (-1, n_nodes, heads * features))
            kernel = ops.transpose(self.kernel, (1, 0, 2))
            if self.combine == "concat":
                kernel = kernel[:, :, None] * ops.eye(heads, dtype=x.dtype)[:, None, :, None]
            else:
                kernel = kernel / heads
            return _product(summed, ops.reshape(kernel, (heads * features, self._width)))
        projected = _product(x, ops.reshape(self.kernel, (features, heads * units)))
        if self.combine == "concat":
            one_head = ops.tile(ops.eye(heads, dtype=x.dtype), (n_nodes, n_nodes))
            weights = ops.matmul(weights, ops.repeat(a_hat, heads, axis=2)) * one_head  # ((i, heads), (j, heads))
        else:
            weights = ops.reshape(ops.matmul(weights, a_hat), (-1, n_nodes, heads, n_nodes))
            weights = ops.reshape(ops.transpose(weights, (0, 1, 3, 2)), (-1, n_nodes, n_nodes * heads)) / heads
        y = ops.matmul(weights, ops.reshape(projected, (-1, n_nodes * heads, units)))
        return ops.reshape(y, (-1, n_nodes, self._width))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output for x of shape `input_shape`."""
        return (*input_shape[:-1], self._width)

    def get_config(self) -> Config:
        """Arguments that make an equal layer."""
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "combine": self.combine,
            "graph_convolution": self.graph_convolution,
            "use_bias": self.use_bias,
            "activation": keras.activations.serialize(self.activation),
            "attention_dropout": self.attention_dropout,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class SumRealNodes(keras.layers.Layer):
    """Sum over the real nodes: an output that depends neither on their order nor on the padding."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Sum x, shape (batch, nodes, features), where `mask` is True, to shape (batch, features)."""
        if mask is not None:
            x = ops.where(mask[:, :, None], x, 0)
        return ops.sum(x, axis=1)

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> None:
        """Return None: the output has no nodes to mask."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output for x of shape `input_shape`."""
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable(package=PACKAGE)
class RealNodes(keras.layers.Layer):
    """Mask of the real objects: their first feature, pT or log(1 + pT), is positive."""

    def call(self, features: Tensor) -> Tensor:
        """Return the mask, shape (batch, nodes), bool, of `features`, shape (batch, nodes, n_features)."""
        return ops.greater(features[:, :, 0], 0)


@keras.saving.register_keras_serializable(package=PACKAGE)
class PackedRows(keras.layers.Layer):
    """Relations of the nodes of rows that several events share."""

    def call(self, events: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compare the events of the nodes.

        Parameters
        ----------
        events : tensor, shape (rows, nodes), int
            Number of the event of each node, from 1; 0 where padded.

        Returns
        -------
        mask : tensor, shape (rows, nodes), bool
            True for real nodes.
        same_event : tensor, shape (rows, nodes, nodes), float
            1 where both nodes are real and of the same event, otherwise 0.
        adjacency : tensor, shape (rows, nodes, nodes), float
            Normalised adjacency of the graphs, each complete over the nodes of an event.
        """
        mask = events > 0
        same_event = ops.logical_and(events[:, :, None] == events[:, None, :], mask[:, :, None])
        same_event = ops.cast(same_event, self.compute_dtype)
        return mask, same_event, complete_graphs(same_event)

    def compute_output_shape(self, events_shape: Shape) -> tuple[Shape, Shape, Shape]:
        """Shapes of the outputs for events of shape `events_shape`."""
        pairs = (*events_shape, events_shape[1])
        return events_shape, pairs, pairs

    def compute_output_spec(self, events: keras.KerasTensor) -> tuple[keras.KerasTensor, ...]:
        """Shapes and types of the outputs."""
        mask, *pairs = self.compute_output_shape(events.shape)
        return keras.KerasTensor(mask, "bool"), *(keras.KerasTensor(shape, self.compute_dtype) for shape in pairs)


@keras.saving.register_keras_serializable(package=PACKAGE)
class SumEvents(keras.layers.Layer):
    """Sum over the nodes of each event in rows that several events share."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Tensor, previous_mask: Tensor | None) -> None:
        """Return None: the output has no nodes to mask."""

    def call(self, x: Tensor, same_event: Tensor, first: Tensor) -> Tensor:
        """Sum the nodes.

        Parameters
        ----------
        x : tensor, shape (rows, nodes, features), float
        same_event : tensor, shape (rows, nodes, nodes), float
            1 where both nodes are real and of the same event, otherwise 0.
        first : tensor, shape (n_events,), int
            Place of the first node of each event among the places of all rows; an empty place for an event without
            nodes.

        Returns
        -------
        tensor, shape (n_events, features), float
        """
        sums = ops.matmul(same_event, x)  # at each node of an event; faster than a sum over numbered segments
        return ops.take(ops.reshape(sums, (-1, x.shape[-1])), first, axis=0)

    def compute_output_shape(self, x_shape: Shape, same_event_shape: Shape, first_shape: Shape) -> Shape:
        """Shape of the output for inputs of these shapes."""
        return (first_shape[0], x_shape[-1])


@keras.saving.register_keras_serializable(package=PACKAGE)
class FirstNodes(keras.layers.Layer):
    """The first node of each event in rows that several events share, as events of one node."""

    def call(self, features: Tensor, first: Tensor) -> Tensor:
        """Take nodes by their places.

        Parameters
        ----------
        features : tensor, shape (rows, nodes, n_features), float
        first : tensor, shape (n_events,), int
            Place of the first node of each event among the places of all rows.

        Returns
        -------
        tensor, shape (n_events, 1, n_features), float
        """
        return ops.take(ops.reshape(features, (-1, features.shape[-1])), first, axis=0)[:, None]

    def compute_output_shape(self, features_shape: Shape, first_shape: Shape) -> Shape:
        """Shape of the output for inputs of these shapes."""
        return (first_shape[0], 1, features_shape[-1])


@keras.saving.register_keras_serializable(package=PACKAGE)
class RelativeKinematics(keras.layers.Layer):
    """Momenta relative to the vector sum of the transverse momenta of an event, the axis of MET.

    The output does not change if the event is rotated around the beams or reflected in eta. If it is reflected in phi,
    only the sine and the momentum across the sum change their sign.

    Parameters
    ----------
    log_pt : bool
        Whether the first feature is log(pT + 1), not pT.
    """

    N_FEATURES = 6

    def __init__(self, log_pt: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.log_pt = log_pt

    def call(self, features: Tensor, mask: Tensor, same_event: Tensor | None = None) -> Tensor:
        """Compute the relative momenta.

        Parameters
        ----------
        features : tensor, shape (batch, nodes, n_features), float
            pT in GeV or log(pT + 1), eta, phi, and others without effect.
        mask : tensor, shape (batch, nodes), bool
            True for real nodes.
        same_event : tensor, shape (batch, nodes, nodes), float, optional
            1 where two real nodes of a row belong to the same event, otherwise 0; without it a row is an event.

        Returns
        -------
        tensor, shape (batch, nodes, 6), float
            |eta|; cosine and sine of the angle to the vector sum; momentum along and across the sum in units of
            `PT_SCALE`; log((1 + pT) / (1 + length of the sum)). Zero where padded.
        """
        features = ops.where(mask[:, :, None], features, 0)
        if same_event is None:  # a prediction; the sum may be the small difference of large momenta
            features = ops.cast(features, "float64")
        pt = ops.expm1(features[:, :, 0]) if self.log_pt else features[:, :, 0]
        px, py = pt * ops.cos(features[:, :, 2]), pt * ops.sin(features[:, :, 2])
        if same_event is None:
            x, y = ops.sum(px, axis=1, keepdims=True), ops.sum(py, axis=1, keepdims=True)
        else:
            sums = ops.matmul(same_event, ops.stack([px, py], axis=-1))
            x, y = sums[:, :, 0], sums[:, :, 1]
        length = ops.sqrt(x**2 + y**2 + keras.config.epsilon())  # with a gradient where the sum is 0
        along, across = (px * x + py * y) / length, (py * x - px * y) / length
        relative = (
            ops.abs(features[:, :, 1]),
            along / (pt + keras.config.epsilon()),
            across / (pt + keras.config.epsilon()),
            along / PT_SCALE,
            across / PT_SCALE,
            ops.log1p(pt) - ops.log1p(length),
        )
        relative = ops.cast(ops.stack(relative, axis=-1), self.compute_dtype)
        return relative * ops.cast(mask, self.compute_dtype)[:, :, None]

    def compute_output_shape(self, features_shape: Shape, mask_shape: Shape | None = None) -> Shape:
        """Shape of the output for features of shape `features_shape`."""
        return (*features_shape[:-1], self.N_FEATURES)

    def get_config(self) -> Config:
        """Arguments that make an equal layer."""
        return {**super().get_config(), "log_pt": self.log_pt}


@keras.saving.register_keras_serializable(package=PACKAGE)
class WithinRange(keras.layers.Layer):
    """Scale the momenta of events beyond the range of a training down to its end, by one factor for each event.

    The correction of such an event is then the correction of the same event at the end of the range.

    Parameters
    ----------
    momenta : sequence of int
        Indices of the features in GeV, or their logarithms.
    log_momenta : sequence of int
        Indices of those that are log(x + 1).
    largest : dict of int to float
        Largest value [GeV] of features that all real nodes of an event share.
    """

    def __init__(self, momenta: Sequence[int], log_momenta: Sequence[int], largest: Mapping[int, float], **kwargs: Any):
        super().__init__(**kwargs)
        self.momenta, self.log_momenta = sorted(momenta), sorted(log_momenta)
        # a saved configuration has strings as keys
        self.largest = {int(feature): float(value) for feature, value in largest.items()}

    def call(self, features: Tensor) -> Tensor:
        """Return the features, shape (batch, nodes, n_features); those of events within the range keep all bits."""
        columns = [features[:, :, i : i + 1] for i in range(features.shape[-1])]
        momenta = {i: ops.cast(columns[i], "float64") for i in self.momenta}
        momenta |= {i: ops.expm1(momenta[i]) for i in self.log_momenta}
        factor = ops.ones_like(momenta[self.momenta[0]])
        for i, value in self.largest.items():
            factor = ops.minimum(factor, value / ops.maximum(momenta[i], value))
        for i, momentum in momenta.items():
            scaled = ops.log1p(momentum * factor) if i in self.log_momenta else momentum * factor
            columns[i] = ops.where(factor < 1, ops.cast(scaled, self.compute_dtype), columns[i])
        return ops.concatenate(columns, axis=-1)

    def get_config(self) -> Config:
        """Arguments that make an equal layer."""
        own = {"momenta": self.momenta, "log_momenta": self.log_momenta, "largest": self.largest}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package=PACKAGE)
class WithoutAngles(keras.layers.Layer):
    """Remove the second and third feature, eta and phi."""

    def call(self, features: Tensor) -> Tensor:
        """Reduce features of shape (batch, nodes, n_features) to (batch, nodes, n_features - 2)."""
        return ops.concatenate([features[:, :, :1], features[:, :, 3:]], axis=-1)


@keras.saving.register_keras_serializable(package=PACKAGE)
class SplitPid(keras.layers.Layer):
    """Separate the particle id, the last feature, from the other features."""

    def call(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Split `features`, shape (batch, nodes, n_features).

        Returns
        -------
        tensor, shape (batch, nodes, n_features - 1), float
            All features but the last.
        tensor, shape (batch, nodes), int32
            Particle id.
        """
        return features[:, :, :-1], ops.cast(features[:, :, -1], "int32")


@keras.saving.register_keras_serializable(package=PACKAGE)
class EventSum(keras.layers.Layer):
    """MET or HT at L1, which each real node of an event has among its features.

    Parameters
    ----------
    feature : int
        Index of the feature.
    log : bool
        Whether the feature is log(sum + 1).
    unit : float
        Unit of the output [GeV].
    """

    def __init__(self, feature: int, log: bool, unit: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.feature, self.log, self.unit = feature, log, unit

    def call(self, features: Tensor) -> Tensor:
        """Return the sum, shape (batch, 1), of features, shape (batch, nodes, n_features); 0 without a real node."""
        value = ops.max(features[:, :, self.feature : self.feature + 1], axis=1)
        return (ops.expm1(value) if self.log else value) / self.unit

    def get_config(self) -> Config:
        """Arguments that make an equal layer."""
        return {**super().get_config(), "feature": self.feature, "log": self.log, "unit": self.unit}


@keras.saving.register_keras_serializable(package=PACKAGE)
class Correction(keras.layers.Layer):
    """Correction factor: the corrected sum over the L1 sum, which is the first of the inputs `sums`.

    Parameters
    ----------
    least : float
        Smallest divisor, in the unit of the inputs; smaller L1 sums count as this.
    """

    def __init__(self, least: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.least = least

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """Divide corrected, shape (batch, 1), by the first column of sums, shape (batch, n_sums)."""
        corrected, sums = inputs
        return corrected / ops.maximum(sums[:, :1], self.least)

    def get_config(self) -> Config:
        """Arguments that make an equal layer."""
        return {**super().get_config(), "least": self.least}
