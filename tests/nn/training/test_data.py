"""How batches reach a model: predictions in the order of the events, epochs that are counted on."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nn.prediction import predict
from nn.teacher import TeacherHyperModel, TeacherHyperparameters
from nn.training.data import fit
from utils.training.packing import pack
from utils.training.ragged_graphs import RaggedGraphs

NAMES = ("pt", "eta", "phi", "ht")
RNG = np.random.default_rng(5)
FEATURES = np.where(RNG.random((50, 6, 1)) < 0.5, RNG.exponential(1, (50, 6, 4)), 0).astype(np.float32)
FEATURES[..., 3] = np.where(FEATURES[..., 0] > 0, RNG.exponential(1, (50, 1)), 0)  # HT of the event
LABELS = RNG.exponential(1, (50, 2)).astype(np.float32)


class FixedBatches:
    """Batches of 20, 20 and 10 events, the same in each epoch."""

    n_labels = 2

    def __len__(self):
        return 3

    def epoch(self, number):
        for start in range(0, 50, 20):
            rows = slice(start, start + 20)
            labels = LABELS[rows]
            yield packed(FEATURES[rows]), labels, np.ones(len(labels), np.float32)


HYPERMODEL = TeacherHyperModel(NAMES, [0.5] * 4, [1.0] * 4, "mse")
HYPERPARAMETERS = TeacherHyperparameters(units=4, heads=2)


def packed(features):
    return pack(RaggedGraphs.from_padded(features)).inputs


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_predictions_are_in_the_order_of_the_events(batch_size):
    training_model = HYPERMODEL.build_fixed(HYPERPARAMETERS)
    model = HYPERMODEL.padded(training_model, HYPERPARAMETERS)
    expected = np.asarray(training_model(packed(FEATURES)))[:, 0]
    assert_allclose(predict(model, FEATURES, batch_size), expected, rtol=1e-5)


def test_epochs_are_counted_on():
    history = fit(HYPERMODEL.build_fixed(HYPERPARAMETERS), FixedBatches(), FixedBatches(), epochs=3, initial_epoch=1)
    assert history.epoch == [1, 2]
