"""Graph layers against the reference vectors, explicit loops and their invariances."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from nn.layers import (
    GraphAttention,
    RealNodes,
    RelativeKinematics,
    SplitPid,
    SumRealNodes,
    complete_graphs,
    masked_softmax,
)
from tests.rounding import assert_equal_but_for_rounding

# Inputs, weights, outputs and gradients of keras_dgl's MultiGraphAttentionCNN, five configurations.
VECTORS = np.load(Path(__file__).parent / "reference" / "keras_dgl_vectors.npz")
CASES = json.loads(bytes(VECTORS["meta"]))


def n_operations(features, units, nodes):
    """Return how many operations follow each other in a layer, for comparisons within rounding.

    The projection sums over features, the scores over units; the softmax, the convolution and the weighted sum over
    nodes.
    """
    return features + units + 3 * nodes


IN_RANDOM_LAYER = n_operations(features=3, units=4, nodes=5)


def vector(case, name):
    return VECTORS[f"case{case['case']}__{name}"]


def layer_of_case(case):
    """Return the layer of a reference case, with the weights of its heads."""

    def stacked(name, axis=0):
        return np.stack([vector(case, f"head{head}__{name}") for head in range(case["heads"])], axis=axis)

    units = case["output_dim"]
    layer = GraphAttention(
        units,
        case["heads"],
        combine=case["combine"],
        graph_convolution=case["graph_conv_filters"],
        use_bias=case["use_bias"],
        activation=case["activation"],
    )
    layer.build(vector(case, "x").shape)
    attention = stacked("attention_kernel")[..., 0]
    layer.kernel.assign(stacked("kernel", axis=1))
    layer.attention_self.assign(attention[:, :units])
    layer.attention_neighbour.assign(attention[:, units:])
    if case["use_bias"]:
        layer.bias.assign(stacked("bias"))
        layer.attention_bias.assign(stacked("attention_bias")[:, 0])
    return layer


def random_layer(features=3, use_bias=True, **kwargs):
    """Return a small layer with random weights, biases included."""
    layer = GraphAttention(4, 2, use_bias=use_bias, activation="elu", **kwargs)
    layer.build((None, None, features))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


def random_events(n_events=6, nodes=5, features=3, seed=2):
    """Return features and masks with holes; the first event is empty, the last is full."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_events, nodes, features)).astype(np.float32)
    real = rng.random((n_events, nodes)) < 0.6
    real[0], real[-1] = False, True
    return np.where(real[..., None], x, 0).astype(np.float32), real


def elu(z):
    return np.where(z > 0, z, np.expm1(z))


def numpy_graph_attention(layer, x, real):
    """Compute the layer with loops over events, heads and nodes, in float64, from the definition."""
    weights = {weight.name: weight.numpy().astype(float) for weight in layer.weights}
    n_events, nodes, _ = x.shape
    heads = np.zeros((n_events, nodes, layer.num_heads, layer.units))
    for event in range(n_events):
        index = np.flatnonzero(real[event])
        adjacency = np.ones((len(index), len(index))) + np.eye(len(index))
        degree = adjacency.sum(axis=1)
        convolved = adjacency / np.sqrt(np.outer(degree, degree)) @ x[event, index]
        for head in range(layer.num_heads):
            h = convolved @ weights["kernel"][:, head] + weights["bias"][head]
            for row, i in enumerate(index):
                score_self = h[row] @ weights["attention_self"][head] + weights["attention_bias"][head]
                weight = np.exp(elu(score_self + h @ weights["attention_neighbour"][head]))
                heads[event, i, head] = weight @ h / weight.sum()
    if layer.combine == "average":
        return elu(heads.mean(axis=2))
    return elu(heads).reshape(n_events, nodes, -1)


@pytest.mark.parametrize("explicit_adjacency", [False, True], ids=["complete", "adjacency"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"case{case['case']}")
def test_agrees_with_reference_in_output_and_gradient(case, explicit_adjacency):
    layer = layer_of_case(case)
    x, real = tf.constant(vector(case, "x")), vector(case, "real")
    adjacency = vector(case, "adjacency") if explicit_adjacency else None
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, mask=real, adjacency=adjacency)
        total = tf.reduce_sum(y**2)
    gradient = tape.gradient(total, x).numpy()
    there = n_operations(case["features"], case["output_dim"], case["nodes"])
    assert_equal_but_for_rounding(y.numpy()[real], vector(case, "y")[real], there)
    # Empty nodes attend to themselves only, so their part of the reference sum has no gradient at real nodes.
    expected = vector(case, "grad_x_of_sum_y2")[real]
    assert_equal_but_for_rounding(gradient[real], expected, n_terms=2 * there)  # there and back
    assert_array_equal(y.numpy()[~real], 0)
    assert_array_equal(gradient[~real], 0)


def test_closed_form_equals_reference_adjacency():
    for case in CASES:
        real = vector(case, "real")
        both_real = real[:, :, None] & real[:, None, :]
        actual = np.asarray(complete_graphs(tf.constant(both_real, tf.float32)))
        expected = np.where(both_real, vector(case, "adjacency"), 0)  # empty nodes of the reference have loops
        assert_equal_but_for_rounding(actual, expected, case["nodes"])


def test_closed_form_by_hand():
    same_graph = tf.constant([[[1.0, 1, 0], [1, 1, 0], [0, 0, 0]]])
    assert_allclose(complete_graphs(same_graph), [[[2 / 3, 1 / 3, 0], [1 / 3, 2 / 3, 0], [0, 0, 0]]], rtol=1e-6)


@pytest.mark.parametrize("combine", ["concat", "average"])
def test_agrees_with_loops(combine):
    layer = random_layer(combine=combine)
    x, real = random_events()
    expected = numpy_graph_attention(layer, x, real)
    assert_equal_but_for_rounding(layer(x, mask=real), expected, IN_RANDOM_LAYER)
    assert layer.compute_output_shape(x.shape) == expected.shape


@pytest.mark.filterwarnings("error")
def test_one_real_node_is_projected():
    layer = random_layer(use_bias=False, combine="average")
    x, real = random_events(n_events=1, nodes=1)
    projected = np.einsum("bnf,fhu->bnhu", x, layer.kernel.numpy()) / layer.num_heads
    assert_equal_but_for_rounding(layer(x, mask=real), elu(projected.sum(axis=2)), IN_RANDOM_LAYER)


def test_no_mask_means_all_real():
    layer = random_layer()
    x, _ = random_events()
    assert_array_equal(layer(x), layer(x, mask=np.ones(x.shape[:2], bool)))


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 3), st.integers(0, 2**31))
def test_permutation_equivariant_and_padding_invariant(order, n_padded, seed):
    layer = random_layer()
    x, real = random_events(seed=seed)
    y = layer(x, mask=real).numpy()
    assert_equal_but_for_rounding(layer(x[:, order], mask=real[:, order]), y[:, order], IN_RANDOM_LAYER)
    padded = np.pad(x, ((0, 0), (0, n_padded), (0, 0)), constant_values=7.0)
    padded_real = np.pad(real, ((0, 0), (0, n_padded)))
    assert_equal_but_for_rounding(layer(padded, mask=padded_real)[:, :5], y, IN_RANDOM_LAYER)
    pool = SumRealNodes()
    assert_equal_but_for_rounding(pool(y[:, order], mask=real[:, order]), pool(y, mask=real), n_terms=5)


@pytest.mark.parametrize("garbage", [-7.0, 1e30])
def test_padded_nodes_never_send(garbage):
    layer, pool = random_layer(), SumRealNodes()
    x, real = random_events()
    spoiled = tf.constant(np.where(real[..., None], x, np.float32(garbage)))
    with tf.GradientTape() as tape:
        tape.watch(spoiled)
        y = layer(spoiled, mask=real)
        total = tf.reduce_sum(pool(y, mask=real) ** 2)
    gradients = tape.gradient(total, [spoiled, *(weight.value for weight in layer.weights)])
    assert_array_equal(y, layer(x, mask=real))
    assert_array_equal(y.numpy()[~real], 0)
    assert_array_equal(gradients[0].numpy()[~real], 0)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_event_without_real_nodes_is_zero_with_zero_gradient():
    # A sigmoid of nothing would be 1/2.
    layer = GraphAttention(4, 2, use_bias=True, activation="sigmoid")
    x = tf.constant(np.full((2, 3, 3), 1e9, np.float32))
    real = np.zeros((2, 3), bool)
    with tf.GradientTape() as tape:
        y = SumRealNodes()(layer(x, mask=real), mask=real)
    assert_array_equal(y, np.zeros((2, 8)))
    for gradient in tape.gradient(y, layer.trainable_variables):
        assert_array_equal(gradient, 0)


def test_explicit_adjacency_restricts_the_neighbours():
    """A graph of two components is what the components are by themselves."""
    layer = random_layer()
    x, _ = random_events(n_events=2, nodes=5)
    adjacency = np.zeros((2, 5, 5), np.float32)
    adjacency[:, :2, :2] = (1 + np.eye(2)) / 3
    adjacency[:, 2:, 2:] = (1 + np.eye(3)) / 4
    together = layer(x, adjacency=adjacency)
    assert_equal_but_for_rounding(together[:, :2], layer(x[:, :2]), IN_RANDOM_LAYER)
    assert_equal_but_for_rounding(together[:, 2:], layer(x[:, 2:]), IN_RANDOM_LAYER)


def test_node_without_neighbours_receives_nothing():
    layer = random_layer()
    x, _ = random_events(n_events=1)
    assert_array_equal(layer(x, adjacency=np.zeros((1, 5, 5), np.float32)), np.zeros((1, 5, 8)))


def test_masked_softmax_by_hand():
    scores = np.log(np.array([[1.0, 3.0, 5.0], [1.0, 1.0, 1.0]], np.float32))
    mask = np.array([[True, True, False], [False, False, False]])
    expected = np.array([[0.25, 0.75, 0], [0, 0, 0]])
    assert_allclose(masked_softmax(tf.constant(scores), tf.constant(mask)), expected, rtol=1e-6)
    assert_allclose(masked_softmax(tf.constant(scores.T), tf.constant(mask.T), axis=0), expected.T, rtol=1e-6)


def test_masked_softmax_of_large_scores_is_finite():
    scores, mask = tf.constant([[3e4, 2e4, 3e38, -1.0]]), tf.constant([[True, True, False, True]])
    assert_array_equal(masked_softmax(scores, mask), [[1, 0, 0, 0]])


def test_attention_dropout_acts_in_training_only():
    x, real = random_events()
    layer = random_layer(attention_dropout=0.5)
    without = random_layer()
    assert_array_equal(layer(x, mask=real, training=False), without(x, mask=real))
    assert not np.allclose(layer(x, mask=real, training=True), without(x, mask=real))


def test_compiled_by_xla_gives_the_same():
    layer = random_layer()
    x, real = random_events()
    compiled = tf.function(layer, jit_compile=True)
    y = compiled(tf.constant(x), mask=tf.constant(real))
    assert_equal_but_for_rounding(y, layer(x, mask=real), IN_RANDOM_LAYER)


@pytest.mark.parametrize(("policy", "bits"), [("mixed_float16", 10), ("mixed_bfloat16", 7)])
def test_mixed_precision(policy, bits):
    """Numbers of so many bits behind the first round to 2^-bits."""
    x, real = random_events()
    expected = random_layer()(x, mask=real)
    y = random_layer(dtype=policy)(x, mask=real)
    assert y.dtype == policy.removeprefix("mixed_")
    assert_equal_but_for_rounding(keras.ops.cast(y, "float32"), expected, IN_RANDOM_LAYER, epsilon=2.0**-bits)
    assert_array_equal(np.asarray(keras.ops.cast(y, "float32"))[~real], 0)


@pytest.mark.parametrize("explicit_adjacency", [False, True])
def test_saved_and_loaded_in_safe_mode(tmp_path, explicit_adjacency):
    x, real = random_events()
    inputs = {"x": keras.Input((None, 3), name="x"), "mask": keras.Input((None,), dtype="bool", name="mask")}
    values = {"x": x, "mask": real}
    if explicit_adjacency:
        inputs["adjacency"] = keras.Input((None, None), name="adjacency")
        values["adjacency"] = np.broadcast_to(np.eye(5, dtype=np.float32), (6, 5, 5))
    y = SumRealNodes()(random_layer(kernel_regularizer="l2")(**inputs), mask=inputs["mask"])
    model = keras.Model(inputs, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert_array_equal(loaded.predict(values, verbose=0), model.predict(values, verbose=0))


def test_config_round_trip():
    layer = GraphAttention(
        5,
        3,
        "average",
        False,
        True,
        "relu",
        0.25,
        kernel_regularizer=keras.regularizers.L2(0.5),
        name="heads",
    )
    copy = GraphAttention.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.get_config()["kernel_regularizer"]["config"]["l2"] == 0.5
    assert (copy.units, copy.num_heads, copy.combine, copy.name) == (5, 3, "average", "heads")
    assert (copy.graph_convolution, copy.use_bias, copy.attention_dropout) == (False, True, 0.25)


def test_weights_have_their_names_shapes_and_scale():
    layer = GraphAttention(50, 4, use_bias=True, kernel_regularizer=keras.regularizers.L2(1.0))
    layer.build((None, None, 30))
    shapes = {weight.name: tuple(weight.shape) for weight in layer.weights}
    assert shapes == {
        "kernel": (30, 4, 50),
        "attention_self": (4, 50),
        "attention_neighbour": (4, 50),
        "bias": (4, 50),
        "attention_bias": (4,),
    }
    # Glorot: each head is a dense layer of 30 to 50, variance 2 / (30 + 50); attention one of 100 to 1.
    assert np.var(layer.kernel) == pytest.approx(2 / 80, rel=0.1)
    assert np.abs(layer.attention_self).max() <= np.sqrt(6 / 101)
    regularized = [layer.kernel, layer.attention_self, layer.attention_neighbour]
    assert_allclose(sum(layer.losses), sum(np.sum(np.square(weight)) for weight in regularized), rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"units": 0}, "expected a positive integer, received: units=0"),
        ({"units": 2.5}, "expected a positive integer, received: units=2.5"),
        ({"num_heads": True}, "expected a positive integer, received: num_heads=True"),
        ({"combine": "sum"}, "expected 'concat' or 'average', received: combine='sum'"),
        ({"attention_dropout": 1.0}, r"expected a fraction in \[0, 1\), received: attention_dropout=1.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        GraphAttention(**{"units": 4, "num_heads": 2, **arguments})


def test_input_of_wrong_rank_is_named():
    with pytest.raises(ValueError, match=r"expected x of shape \(batch, nodes, features\), received: x.shape="):
        GraphAttention(4, 2)(np.zeros((5, 3), np.float32))


def test_sum_real_nodes_by_hand():
    x = np.array([[[1.0, 10.0], [2.0, 20.0], [np.nan, np.nan]]], np.float32)
    assert_array_equal(SumRealNodes()(x, mask=np.array([[True, True, False]])), [[3, 30]])
    assert_array_equal(SumRealNodes()(x[:, :2]), [[3, 30]])
    assert SumRealNodes().compute_output_shape((None, None, 2)) == (None, 2)


def test_real_nodes_are_those_with_pt():
    features = np.array([[[25.0, -1.0], [0.0, 3.0]], [[np.log1p(30.0), 0.0], [0.0, 0.0]]], np.float32)
    assert_array_equal(RealNodes()(features), [[True, False], [True, False]])


def test_split_pid():
    features = np.array([[[25.0, -1.0, 3.0], [0.0, 0.0, 0.0]]], np.float32)
    continuous, pid = SplitPid()(features)
    assert_array_equal(continuous, features[..., :2])
    assert_array_equal(pid, [[3, 0]])
    assert pid.dtype == "int32"


class TestRelativeKinematics:
    # Momenta (30, 0) and (0, 40) GeV: their sum is 50 GeV long, at cosines of 0.6 and 0.8 to them.
    FEATURES = np.array([[[30, -1.5, 0], [np.nan, 1, 1], [40, 0.5, np.pi / 2]]], np.float32)
    EXPECTED = (
        [1.5, 0.6, -0.8, 18 / 40, -24 / 40, np.log(31 / 51)],
        [0, 0, 0, 0, 0, 0],
        [0.5, 0.8, 0.6, 32 / 40, 24 / 40, np.log(41 / 51)],
    )
    MASK = np.array([[True, False, True]])

    @pytest.mark.parametrize("log_pt", [False, True])
    def test_two_perpendicular_momenta(self, log_pt):
        features = self.FEATURES.copy()
        if log_pt:
            features[:, :, 0] = np.log1p(features[:, :, 0])
        assert_allclose(RelativeKinematics(log_pt)(features, self.MASK)[0], self.EXPECTED, rtol=1e-5, atol=1e-6)

    def test_a_small_sum_of_large_momenta_has_the_digits_of_float32(self):
        features = np.array([[[2000, 0.5, 0.3], [1990, -1, 0.3 + np.pi - 1e-3]]], np.float32)
        pt, _, phi = np.moveaxis(features.astype(np.float64), -1, 0)
        momenta = pt * np.exp(1j * phi)
        along = (momenta * momenta.sum().conj()).real / abs(momenta.sum())
        found = RelativeKinematics(False)(features, np.array([[True, True]]))[:, :, 3]
        assert abs(momenta.sum()) < 15
        assert_allclose(found, along / 40, rtol=3e-7)

    def test_is_finite_where_the_sum_is_zero_and_where_nothing_is_real(self):
        features = np.array([[[0.0, 0, 0], [20, 1, 0], [20, 1, np.pi]]], np.float32)
        for mask in ([[False] * 3], [[False, True, True]]):
            assert np.isfinite(RelativeKinematics(False)(features, np.array(mask))).all()
