"""Graph layers for events with a varying number of objects.

Everywhere `mask` is boolean of shape (batch, nodes) and True means a real object. What padded nodes hold, NaN
included, never reaches an output, and the rows of padded nodes in an output are zero.
"""

import math

import keras
from keras import ops

PACKAGE = "l1regression"

# Scores are values of an ELU, hence not below -1: exp(MASKED_SCORE - score) is exactly 0 in every float type,
# and the number itself still fits into float16.
MASKED_SCORE = -3.0e4


def complete_graph_convolution(x, mask):
    """Multiply by the normalised adjacency of the complete graph over the real nodes, in O(nodes).

    With A complete over the n real nodes, self-connections included, D^-1/2 (A + I) D^-1/2 (Kipf & Welling
    2017, arXiv:1609.02907) is 2 / (n + 1) on the diagonal and 1 / (n + 1) elsewhere, so that the product with
    it needs a sum only.

    Parameters
    ----------
    x : tensor, shape (batch, nodes, features), float
        Node features, zero where padded.
    mask : tensor, shape (batch, nodes), bool
        True for real nodes.

    Returns
    -------
    tensor, shape (batch, nodes, features), float
        (sum of x + x_i) / (n + 1) in row i. Rows of padded nodes have no meaning.
    """
    n_real = ops.sum(ops.cast(mask, x.dtype), axis=1)[:, None, None]
    return (ops.sum(x, axis=1, keepdims=True) + x) / (n_real + 1)


def masked_softmax(scores, mask):
    """Softmax over the last axis among the entries where `mask` is True.

    Parameters
    ----------
    scores : tensor, shape (..., n), float
        Values of an ELU, hence not below -1.
    mask : tensor, broadcastable to the shape of `scores`, bool
        True for the entries that take part.

    Returns
    -------
    tensor, shape (..., n), float
        Zero where `mask` is False; a row without any True entry is zero, not NaN.
    """
    weights = ops.softmax(ops.where(mask, scores, MASKED_SCORE), axis=-1)
    return ops.where(mask, weights, 0)


def _glorot_uniform(fan_in, fan_out):
    """Glorot's uniform initializer with explicit fans; keras would take a 3-d kernel for a convolution's."""
    limit = math.sqrt(6 / (fan_in + fan_out))
    return keras.initializers.RandomUniform(-limit, limit)


def _check_positive_integer(name, value):
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
    and the attention is that of Velickovic et al. 2018 (arXiv:1710.10903) with ELU in the place of LeakyReLU.
    The numbers are those of `MultiGraphAttentionCNN` of the keras_dgl library on real nodes.

    Without an explicit adjacency the graph is complete over the real nodes, and no adjacency array is made.

    Parameters
    ----------
    units : int
        Number of output features of a head.
    num_heads : int
        Number of attention heads.
    combine : {"concat", "average"}
        How the heads are joined.
    graph_convolution : bool
        Whether x is multiplied by A_hat first; otherwise the graph only tells which nodes attend to which.
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
        units,
        num_heads,
        combine="concat",
        graph_convolution=True,
        use_bias=False,
        activation=None,
        attention_dropout=0.0,
        kernel_regularizer=None,
        **kwargs,
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
        self.attention_dropout = attention_dropout
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True
        self._dropout = keras.layers.Dropout(attention_dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
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

    def call(self, x, mask=None, adjacency=None, training=None):
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
        if mask is None:
            mask = ops.ones(ops.shape(x)[:2], dtype="bool")
        x = ops.where(mask[:, :, None], x, 0)
        neighbours = mask[:, None, None, :]  # (batch, 1, 1, j)
        if adjacency is not None:
            neighbours = ops.logical_and(neighbours, ops.not_equal(adjacency, 0)[:, None])  # (batch, 1, i, j)
        if self.graph_convolution:
            x = complete_graph_convolution(x, mask) if adjacency is None else ops.matmul(adjacency, x)

        # Heads come before nodes, so that what follows are matrix products batched over (batch, heads).
        weights = masked_softmax(self._scores(x), neighbours)  # (batch, heads, i, j)
        weights = self._dropout(weights, training=training)
        h = ops.einsum("bnf,fhu->bhnu", x, self.kernel)
        if self.bias is not None:
            h = h + self.bias[:, None, :]
        if self.combine == "concat":
            y = self.activation(ops.einsum("bhij,bhju->bihu", weights, h))
            y = ops.reshape(y, (-1, ops.shape(x)[1], self.num_heads * self.units))
        else:
            y = self.activation(ops.einsum("bhij,bhju->biu", weights, h) / self.num_heads)
        return ops.where(mask[:, :, None], y, 0)

    def _scores(self, x):
        """Scores e_ij, shape (batch, num_heads, i, j), of A_hat x, shape (batch, nodes, features)."""
        score_self = self._project(x, self.attention_self)
        score_neighbour = self._project(x, self.attention_neighbour)
        if self.attention_bias is not None:
            score_self = score_self + self.attention_bias[:, None]
        return ops.elu(score_self[:, :, :, None] + score_neighbour[:, :, None, :])

    def _project(self, x, attention):
        """Products a . h_i, shape (batch, num_heads, nodes), as (W a) . (A_hat x)_i + a . bias, without h."""
        product = ops.einsum("bnf,fh->bhn", x, ops.einsum("fhu,hu->fh", self.kernel, attention))
        if self.bias is not None:
            product = product + ops.sum(self.bias * attention, axis=-1)[:, None]
        return product

    def compute_output_shape(self, input_shape):
        """Shape of the output for x of shape `input_shape`."""
        width = self.num_heads * self.units if self.combine == "concat" else self.units
        return (*input_shape[:-1], width)

    def get_config(self):
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

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x, mask=None):
        """Sum x, shape (batch, nodes, features), where `mask` is True, to shape (batch, features)."""
        if mask is not None:
            x = ops.where(mask[:, :, None], x, 0)
        return ops.sum(x, axis=1)

    def compute_mask(self, inputs, previous_mask):
        """Give no mask, None: the nodes are summed away."""

    def compute_output_shape(self, input_shape):
        """Shape of the output for x of shape `input_shape`."""
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable(package=PACKAGE)
class RealNodes(keras.layers.Layer):
    """Which nodes are real objects: those whose first feature, pT or log(1 + pT), is positive."""

    def call(self, features):
        """Mask of shape (batch, nodes), bool, of `features`, shape (batch, nodes, n_features)."""
        return ops.greater(features[:, :, 0], 0)


@keras.saving.register_keras_serializable(package=PACKAGE)
class SplitPid(keras.layers.Layer):
    """Separate the particle id, the last feature, from the other features."""

    def call(self, features):
        """Split `features`, shape (batch, nodes, n_features).

        Returns
        -------
        tensor, shape (batch, nodes, n_features - 1), float
            All features but the last.
        tensor, shape (batch, nodes), int32
            Particle id.
        """
        return features[:, :, :-1], ops.cast(features[:, :, -1], "int32")
