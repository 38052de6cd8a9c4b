import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nn.attention import attention_weights
from nn.layers import GraphAttention
from nn.teacher import TeacherHyperparameters, build_teacher
from tests.rounding import EPSILON, assert_equal_but_for_rounding

NAMES = ("pt", "eta", "phi", "met", "ht", "pid")
HYPERPARAMETERS = TeacherHyperparameters(graph_layers=3, units=5, heads=2)
N_NODES = 7
# Operations one after the other in a layer: sums over its inputs and units, and over nodes in the softmax, the
# convolution and the weighted sum.
IN_LAYER = 2 * HYPERPARAMETERS.heads * HYPERPARAMETERS.units + 3 * N_NODES


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(1)
    return build_teacher(HYPERPARAMETERS, NAMES, [40, 0, 0, 50, 150], [400, 4, 3, 900, 1e4])


def random_features(n_events=5, n_nodes=N_NODES, seed=1):
    """Make events of 1 to all nodes; padded nodes are zero."""
    rng = np.random.default_rng(seed)
    shape = (n_events, n_nodes)
    columns = (
        rng.exponential(40, shape) + 5,
        rng.normal(0, 2, shape),
        rng.uniform(-np.pi, np.pi, shape),
        np.broadcast_to(rng.exponential(50, (n_events, 1)), shape),
        np.broadcast_to(rng.exponential(150, (n_events, 1)), shape),
        rng.integers(1, 4, shape),
    )
    real = np.arange(n_nodes) < np.linspace(1, n_nodes, n_events).astype(int)[:, None]
    return (np.stack(columns, axis=-1) * real[:, :, None]).astype(np.float32)


def softmax_of_elu(layer, x):
    """Attention of one event without padding from the weights of a layer, an element at a time; double precision."""
    x, n = x.astype(np.float64), len(x)
    convolution = (np.ones((n, n)) + np.eye(n)) / (n + 1)
    kernel, to_self, to_neighbour = (
        np.asarray(weight, np.float64) for weight in (layer.kernel, layer.attention_self, layer.attention_neighbour)
    )
    attention = np.empty((layer.num_heads, n, n))
    for head in range(layer.num_heads):
        h = convolution @ x @ kernel[:, head]
        for i in range(n):
            scores = np.array([h[i] @ to_self[head] + h[j] @ to_neighbour[head] for j in range(n)])
            weights = np.exp(np.where(scores > 0, scores, np.expm1(scores)))
            attention[head, i] = weights / weights.sum()
    return attention


def test_rows_of_real_nodes_sum_to_1_and_padded_nodes_are_zero(teacher):
    features = random_features()
    real = features[:, :, 0] > 0
    attention = attention_weights(teacher, features)
    assert len(attention) == HYPERPARAMETERS.graph_layers
    for layer in attention:
        assert layer.shape == (5, HYPERPARAMETERS.heads, 7, 7)
        assert layer.dtype == np.float32
        expected = np.broadcast_to(real[:, None], layer.shape[:3])
        assert_equal_but_for_rounding(layer.sum(axis=-1), expected, n_terms=3 * N_NODES)
        assert not layer[~np.broadcast_to(real[:, None, None, :], layer.shape)].any()


def test_agrees_with_the_formula_in_each_layer(teacher):
    """The input of a layer comes from a model that ends there, as keras computes it."""
    event = random_features()[-1:]
    layers = [layer for layer in teacher.layers if isinstance(layer, GraphAttention)]
    for layer, attention in zip(layers, attention_weights(teacher, event), strict=True):
        x = keras.Model(teacher.input, layer.input[0]).predict_on_batch(event)[0]
        expected = softmax_of_elu(layer, x)
        assert np.ptp(expected) > 1e-3
        # An error of a score is a relative one of its exponential, and scores are of size 10.
        assert_allclose(attention[0], expected, rtol=10 * IN_LAYER * EPSILON)


@settings(max_examples=10)
@given(order=st.permutations(range(7)), n_padded=st.integers(0, 4))
def test_permutation_equivariant_and_independent_of_padding(teacher, order, n_padded):
    features = random_features()
    padded = np.pad(features[:, order], ((0, 0), (0, n_padded), (0, 0)))
    for layer, other in zip(attention_weights(teacher, features), attention_weights(teacher, padded), strict=True):
        expected = layer[:, :, order][:, :, :, order]
        n_terms = HYPERPARAMETERS.graph_layers * IN_LAYER
        assert_equal_but_for_rounding(other[:, :, :7, :7], expected, n_terms)
        assert not other[:, :, 7:].any()
        assert not other[:, :, :, 7:].any()


def test_a_teacher_of_one_layer():
    plain = {"relative": False, "residual": False, "readout": (), "target": "factor"}
    small = TeacherHyperparameters(graph_layers=1, units=4, heads=1, **plain)
    attention = attention_weights(build_teacher(small, NAMES[:3], [40, 0, 0], [400, 4, 3]), random_features()[:, :, :3])
    assert [layer.shape for layer in attention] == [(5, 1, 7, 7)]


def test_dropout_does_not_act():
    dropping = TeacherHyperparameters(graph_layers=1, units=4, heads=1, attention_dropout=0.5, target="factor")
    model = build_teacher(dropping, NAMES[:3], [40, 0, 0], [400, 4, 3])
    attention = attention_weights(model, random_features()[-1:, :, :3])
    assert_equal_but_for_rounding(attention[0].sum(axis=-1), 1, n_terms=3 * N_NODES)


def test_a_model_without_attention_is_named():
    inputs = keras.Input((None, 3))
    with pytest.raises(ValueError, match="model=plain"):
        attention_weights(keras.Model(inputs, keras.layers.Dense(1)(inputs), name="plain"), random_features()[:, :, :3])


def test_attention_of_a_layer_is_what_it_sums_with():
    """With an identity for a kernel the output of a layer without convolution is its attention times x."""
    layer = GraphAttention(3, 1, graph_convolution=False)
    x = random_features()[:, :, 3:] / 100
    mask = x[:, :, 2] > 0
    layer.build(x.shape)
    layer.kernel.assign(np.eye(3)[:, None])
    attention = np.asarray(layer.attention(x, mask=mask))
    assert_equal_but_for_rounding(attention[:, 0] @ x, layer(x, mask=mask), IN_LAYER)
    assert_array_equal(layer.attention(x[-1:]), layer.attention(x[-1:], mask=np.ones((1, 7), bool)))
