"""Loops over stacks of batches do the steps of Keras and HGQ2, one after the other."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hgq.utils.sugar import BetaScheduler
from numpy.testing import assert_allclose, assert_array_equal

from nn.student import StudentHyperparameters, build_student
from nn.training.distillation import DistillationLoss, compile_student, student_models
from nn.training.stacks import evaluate_stacks, fit_stacks
from tests.toys import random_l1_events
from utils.data_processing import METGraphCreator
from utils.hardware.inputs import StudentInputs
from utils.hardware.scales import HardwareScales
from utils.training import student_batches
from utils.training.student_batches import Stacks

INPUTS = StudentInputs(METGraphCreator(), HardwareScales())
LOSS = DistillationLoss("huber_1.0", 0.5)
BETA, LEARNING_RATE = 1e-5, 3e-3


class ToyBatches:
    """Five batches of 16 events an epoch, with labels of truth and teacher."""

    n_labels, batch_size = 3, 16

    def __init__(self):
        features = INPUTS.features(random_l1_events(150))
        self._inputs = INPUTS.split_features(features[features.any((1, 2))][:80])

    def __len__(self):
        return 5

    def epoch(self, number):
        rng = np.random.default_rng(number)
        for rows in rng.permutation(80).reshape(5, 16):
            labels = rng.uniform(0.5, 1.5, (16, 3)).astype(np.float32)
            yield tuple(array[rows] for array in self._inputs), labels, rng.exponential(size=16).astype(np.float32)


@pytest.fixture(scope="module")
def batches():
    return ToyBatches()


def trained_model(quantised=True, n_steps=0):
    """Return the model of a small student to train; `n_steps` decides whether it is compiled by XLA."""
    keras.utils.set_random_seed(3)
    shape = StudentHyperparameters(object_units=3, event_units=(4,), quantised=quantised)
    network = build_student(shape, INPUTS.n_slots, INPUTS.n_object_features, INPUTS.n_sums)
    model = student_models(network, INPUTS.input_step, 0).trained
    compile_student(model, LEARNING_RATE, LOSS, n_steps)
    scheduler = BetaScheduler(lambda epoch: BETA)
    scheduler.set_model(model)
    scheduler.on_epoch_begin(0)
    return model


def trained_step_by_step(batches):
    """Return a model after an epoch of steps that a gradient tape and Adam do; no part of them is compiled."""
    model, adam = trained_model(), keras.optimizers.Adam(LEARNING_RATE)
    for inputs, labels, weights in batches.epoch(0):
        with tf.GradientTape() as tape:
            predictions = model(list(inputs), training=True)
            loss = tf.reduce_mean(weights * LOSS.call(labels, predictions)) + tf.add_n(model.losses)
        adam.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return model


def weighted_means(model, batches):
    """Return the loss and the loss of the truth over all events, in NumPy."""
    truth, losses, weights = [], [], []
    for inputs, labels, batch_weights in batches.epoch(0):
        factor = model.predict_on_batch(list(inputs))[:, 0]
        errors = [np.abs(labels[:, column] - factor) for column in (0, 2)]
        one, other = (np.where(error < 1, error**2 / 2, error - 0.5) for error in errors)
        truth, losses = [*truth, one], [*losses, (one + other) / 2]
        weights.append(batch_weights)
    truth, losses, weights = (np.concatenate(values) for values in (truth, losses, weights))
    return np.mean(losses * weights), np.average(truth, weights=weights)


def test_a_loop_is_the_steps_of_a_gradient_tape(batches):
    model, expected = trained_model(), trained_step_by_step(batches)
    fit_stacks(model, batches, batches, epochs=1)
    for one, other in zip(model.weights, expected.weights, strict=True):
        assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=one.path)


def test_an_evaluation_is_the_mean_over_all_events(batches):
    model = trained_model()
    found = evaluate_stacks(model, batches)
    loss, truth = weighted_means(model, batches)
    regularisation = float(tf.add_n(model.losses))
    assert_allclose([found["loss"], found["truth"]], [loss + regularisation, truth], rtol=1e-5)


def test_the_size_of_the_stacks_and_xla_change_nothing(batches, monkeypatch):
    weights = []
    for events_a_stack, n_steps in ((1000, 0), (32, 10**6)):
        monkeypatch.setattr(student_batches, "EVENTS_A_STACK", events_a_stack)
        model = trained_model(quantised=False, n_steps=n_steps)
        assert model.jit_compile == (n_steps > 0)
        fit_stacks(model, batches, batches, epochs=1)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_stacks_are_the_batches_and_zeros(batches, monkeypatch):
    monkeypatch.setattr(student_batches, "EVENTS_A_STACK", 50)
    stacks = Stacks(batches)
    assert (len(stacks), stacks.n_batches) == (2, 3)
    found = list(stacks.epoch(4))
    assert [n_batches for _, n_batches in found] == [3, 2]
    expected = batches.epoch(4)
    for (inputs, labels, weights), n_batches in found:
        for number in range(n_batches):
            one = [*(array[number] for array in inputs), labels[number], weights[number]]
            batch_inputs, *others = next(expected)
            for array, other in zip(one, [*batch_inputs, *others], strict=True):
                assert_array_equal(array, other)
    assert next(expected, None) is None
    for array in itertools.chain(found[1][0][0], found[1][0][1:]):
        assert array.shape[:2] == (3, 16)
        assert not array[2].any()
