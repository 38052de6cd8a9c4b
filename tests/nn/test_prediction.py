"""Predictions are in the order of the events, whatever the size of a batch."""

import gc
import weakref

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nn.prediction import predict
from nn.teacher import TeacherHyperModel, TeacherHyperparameters
from utils.training.packing import pack
from utils.training.ragged_graphs import RaggedGraphs

NAMES = ("pt", "eta", "phi", "ht")
RNG = np.random.default_rng(5)
FEATURES = np.where(RNG.random((50, 6, 1)) < 0.5, RNG.exponential(1, (50, 6, 4)), 0).astype(np.float32)
FEATURES[..., 3] = np.where(FEATURES[..., 0] > 0, RNG.exponential(1, (50, 1)), 0)  # HT of the event
HYPERMODEL = TeacherHyperModel(NAMES, [0.5] * 4, [1.0] * 4, "mse")
HYPERPARAMETERS = TeacherHyperparameters(units=4, heads=2)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_predictions_are_in_the_order_of_the_events(batch_size):
    training_model = HYPERMODEL.build_fixed(HYPERPARAMETERS)
    model = HYPERMODEL.padded(training_model, HYPERPARAMETERS)
    expected = np.asarray(training_model(pack(RaggedGraphs.from_padded(FEATURES)).inputs))[:, 0]
    assert_allclose(predict(model, FEATURES, batch_size), expected, rtol=1e-5, atol=1e-8)


def test_predictions_follow_the_weights_and_keep_no_model():
    keras.utils.set_random_seed(1)
    model = HYPERMODEL.padded(HYPERMODEL.build_fixed(HYPERPARAMETERS), HYPERPARAMETERS)
    first = predict(model, FEATURES)
    model.set_weights([1.1 * weight for weight in model.get_weights()])
    assert_allclose(predict(model, FEATURES), np.asarray(model(FEATURES))[:, 0], rtol=1e-5, atol=1e-8)
    assert not np.allclose(predict(model, FEATURES), first)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
