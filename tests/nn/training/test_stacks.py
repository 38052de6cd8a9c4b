"""Loops over stacks of batches do the steps of Keras and HGQ2, one after the other."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hgq.utils.sugar import BetaScheduler
from numpy.testing import assert_allclose

from nn.student import StudentHyperparameters, build_student
from nn.teacher import TeacherHyperModel, TeacherHyperparameters
from nn.training.distillation import DistillationLoss, compile_student, student_models
from nn.training.stacks import evaluate, fit
from tests.toys import random_l1_events
from utils.data_processing import METGraphCreator
from utils.hardware.inputs import StudentInputs
from utils.hardware.scales import HardwareScales
from utils.training import stacks
from utils.training.packing import pack
from utils.training.ragged_graphs import RaggedGraphs

INPUTS = StudentInputs(METGraphCreator(), HardwareScales())
LOSS = DistillationLoss("huber_1.0", 0.5)
BETA, LEARNING_RATE = 1e-5, 3e-3


class ToyBatches:
    """Five batches of 16 events an epoch, with labels of truth and teacher."""

    n_labels = 3

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


def step_by_step(model, batches, loss, learning_rate):
    """Train a model for an epoch of steps that a gradient tape and Adam do; no part of them is compiled."""
    adam = keras.optimizers.Adam(learning_rate)
    for inputs, labels, weights in batches.epoch(0):
        with tf.GradientTape() as tape:
            predictions = model(inputs, training=True)
            total = tf.reduce_mean(weights * loss(labels, predictions)) + tf.add_n(model.losses)
        adam.apply(tape.gradient(total, model.trainable_variables), model.trainable_variables)
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
    model = trained_model()
    expected = step_by_step(trained_model(), batches, LOSS.call, LEARNING_RATE)
    fit(model, batches, batches, epochs=1)
    for one, other in zip(model.weights, expected.weights, strict=True):
        assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=one.path)


def test_an_evaluation_is_the_mean_over_all_events(batches):
    model = trained_model()
    found = evaluate(model, batches)
    loss, truth = weighted_means(model, batches)
    regularisation = float(tf.add_n(model.losses))
    assert_allclose([found["loss"], found["truth"]], [loss + regularisation, truth], rtol=1e-5)


def test_the_size_of_the_stacks_and_xla_change_nothing(batches, monkeypatch):
    weights = []
    for events_a_stack, n_steps in ((1000, 0), (32, 10**6)):
        monkeypatch.setattr(stacks, "EVENTS_A_STACK", events_a_stack)
        model = trained_model(quantised=False, n_steps=n_steps)
        assert model.jit_compile == (n_steps > 0)
        fit(model, batches, batches, epochs=1)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        assert_allclose(one, other, rtol=1e-4, atol=1e-6)


NAMES = ("pt", "eta", "phi", "ht")
HYPERMODEL = TeacherHyperModel(NAMES, [0.5] * 4, [1.0] * 4, "mse")
HYPERPARAMETERS = TeacherHyperparameters(units=4, heads=2, learning_rate=LEARNING_RATE)


class GraphBatches:
    """Batches of 20, 20 and 10 events in different numbers of rows, the same in each epoch."""

    n_labels = 2

    def __len__(self):
        return 3

    def epoch(self, number):
        self.number = number
        rng = np.random.default_rng(5)
        for n in (20, 20, 10):
            features = rng.exponential(1, (n, 6, 4)).astype(np.float32) * (rng.random((n, 6, 1)) < 0.5)
            labels, weights = rng.exponential(1, (n, 2)), rng.exponential(1, n)
            graphs = RaggedGraphs.from_padded(features.astype(np.float32))
            yield pack(graphs).inputs, labels.astype(np.float32), weights.astype(np.float32)


def test_batches_of_different_rows_and_a_shorter_last_one(monkeypatch):
    """The steps of a teacher, with two batches in a stack and the last one in another."""
    model = HYPERMODEL.build_fixed(HYPERPARAMETERS)
    other = HYPERMODEL.build_fixed(HYPERPARAMETERS)
    other.set_weights(model.get_weights())
    squared = keras.losses.MeanSquaredError(reduction=None)
    step_by_step(other, GraphBatches(), lambda labels, factor: squared(labels[:, :1], factor), LEARNING_RATE)
    fit(model, GraphBatches(), GraphBatches(), epochs=1)
    for one, expected in zip(model.weights, other.weights, strict=True):
        assert_allclose(one, expected, rtol=1e-4, atol=1e-6, err_msg=one.path)


def test_epochs_are_counted_on():
    batches = GraphBatches()
    model = HYPERMODEL.build_fixed(HYPERPARAMETERS)
    assert fit(model, batches, GraphBatches(), epochs=3, initial_epoch=1).epoch == [1, 2]
    assert batches.number == 2


class Calls(keras.callbacks.Callback):
    """Record the batches after which a callback is called, and stop the training after one of them."""

    def __init__(self, last=None):
        super().__init__()
        self.ends, self._last = [], last

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(batch)
        self.model.stop_training = batch == self._last


def test_callbacks_learn_the_last_batch_of_each_stack():
    calls = Calls()
    fit(HYPERMODEL.build_fixed(HYPERPARAMETERS), GraphBatches(), GraphBatches(), epochs=2, callbacks=[calls])
    assert calls.ends == [1, 2, 1, 2]


def test_a_callback_stops_a_training_within_an_epoch():
    calls = Calls(last=1)
    history = fit(HYPERMODEL.build_fixed(HYPERPARAMETERS), GraphBatches(), GraphBatches(), epochs=2, callbacks=[calls])
    assert (calls.ends, history.epoch) == ([1], [0])


def test_an_error_of_the_source_ends_the_fit():
    class Broken(GraphBatches):
        def epoch(self, number):
            yield from super().epoch(number)
            raise OSError("the temporary file of the graphs cannot be read")

    with pytest.raises(OSError, match="temporary file"):
        fit(HYPERMODEL.build_fixed(HYPERPARAMETERS), Broken(), GraphBatches(), epochs=1)
