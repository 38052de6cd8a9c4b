"""The plain teacher is the same network as the teacher: reference vectors, corrections, gradients, training."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from benchmarks.common import SAME_NETWORK
from benchmarks.plain_network import PlainGraphAttention, build_plain_teacher, copy_weights, plain_inputs
from nn.losses import get_loss
from nn.teacher import build_teacher
from tests.rounding import EPSILON, assert_equal_but_for_rounding

# Inputs, weights, outputs and gradients of keras_dgl's MultiGraphAttentionCNN.
VECTORS = np.load(Path(__file__).parents[1] / "nn" / "reference" / "keras_dgl_vectors.npz")
CASES = [case for case in json.loads(bytes(VECTORS["meta"])) if case["graph_conv_filters"] and not case["use_bias"]]
FEATURES = ("pt", "eta", "phi", "met", "ht", "pid")
STATISTICS = ([0.5] * 5, [2.0] * 5)
SMALL = dataclasses.replace(SAME_NETWORK, graph_layers=3, units=8, heads=2)
# Operations one after the other: in each layer sums over its inputs, its units and, three times, 18 nodes.
IN_NETWORK = SMALL.graph_layers * (2 * SMALL.heads * SMALL.units + 3 * 18)


def events(n_events=40, n_objects=18, seed=0):
    """Return events with holes among their objects, the first one empty, the last one full, and their labels."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_events, n_objects, len(FEATURES))).astype(np.float32)
    features[..., 0] = rng.exponential(2, (n_events, n_objects)) + 0.1
    features[..., -1] = rng.integers(1, 4, (n_events, n_objects))
    empty = rng.random((n_events, n_objects)) < np.linspace(1, 0, n_events)[:, None]
    features[empty] = 0
    labels = np.stack([1 + 0.1 * features[..., 1].sum(axis=1), rng.exponential(80, n_events)], axis=1)
    return features, labels.astype(np.float32)


def teachers(hyperparameters=SMALL, seed=3):
    """Return a teacher and the plain one with the same weights."""
    keras.utils.set_random_seed(seed)
    teacher = build_teacher(hyperparameters, FEATURES, *STATISTICS)
    plain = build_plain_teacher(hyperparameters, FEATURES, *STATISTICS, n_nodes=18)
    copy_weights(teacher, plain)
    return teacher, plain


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"case{case['case']}")
def test_layer_agrees_with_reference_in_output_and_gradient(case):
    """Empty nodes included."""

    def vector(name):
        return VECTORS[f"case{case['case']}__{name}"]

    x, adjacency = tf.constant(vector("x")), vector("adjacency")
    layer = PlainGraphAttention(
        case["output_dim"], case["heads"], case["combine"], case["activation"], 0.0, kernel_regularizer=None
    )
    layer.build(x.shape, adjacency.shape, adjacency.shape)
    for head in range(case["heads"]):
        layer.kernels[head].assign(vector(f"head{head}__kernel"))
        layer.attention_kernels[head].assign(vector(f"head{head}__attention_kernel"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, adjacency, adjacency)
        total = tf.reduce_sum(y**2)
    # Sums over features, over units and, in the softmax, the convolution and the weighted sum, over nodes; the gradient
    # goes there and back.
    there = case["features"] + case["output_dim"] + 3 * case["nodes"]
    assert_equal_but_for_rounding(y, vector("y"), there)
    assert_equal_but_for_rounding(tape.gradient(total, x), vector("grad_x_of_sum_y2"), n_terms=2 * there)


@pytest.mark.parametrize("activation", ["relu", "elu"])
def test_same_corrections_of_padded_events(activation):
    teacher, plain = teachers(dataclasses.replace(SMALL, activation=activation))
    features, _ = events()
    assert plain.count_params() == teacher.count_params()
    assert_equal_but_for_rounding(plain(plain_inputs(features)), teacher(features), IN_NETWORK)


def test_same_gradients():
    (teacher, plain), (features, labels) = teachers(), events()
    loss = get_loss("huber_1.0")
    gradients = []
    for model, inputs in ((teacher, features), (plain, plain_inputs(features))):
        with tf.GradientTape() as tape:
            total = loss(labels, model(inputs)) + sum(model.losses)
        gradients.append([tf.convert_to_tensor(g) for g in tape.gradient(total, model.trainable_variables)])
    for model, values in zip((teacher, plain), gradients, strict=True):
        for variable, gradient in zip(model.trainable_variables, values, strict=True):
            variable.assign(gradient)
    expected = build_plain_teacher(SMALL, FEATURES, *STATISTICS, n_nodes=18)
    copy_weights(teacher, expected)
    largest = max(np.abs(desired).max() for desired in expected.trainable_variables)
    for variable, desired in zip(plain.trainable_variables, expected.trainable_variables, strict=True):
        assert np.abs(desired).max() > 0
        tolerance = 2 * IN_NETWORK * EPSILON  # there and back
        assert_allclose(variable, desired, rtol=tolerance, atol=tolerance * largest, err_msg=variable.path)


@pytest.mark.slow
def test_same_losses_in_the_training():
    (teacher, plain), (features, labels) = teachers(), events()
    losses = []
    for model, inputs in ((teacher, features), (plain, plain_inputs(features))):
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=get_loss("huber_1.0"))
        losses.append([float(model.train_on_batch(inputs, labels)) for _ in range(5)])
    assert losses[0][-1] < 0.99 * losses[0][0]
    assert_allclose(losses[1], losses[0], rtol=2 * IN_NETWORK * EPSILON)
