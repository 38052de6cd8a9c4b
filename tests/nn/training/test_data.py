"""How batches reach a model: predictions in the order of the events, epochs that are counted on."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nn.prediction import predict
from nn.teacher import TeacherHyperModel, TeacherHyperparameters
from nn.training.data import fit

NAMES = ("pt", "eta", "phi", "ht")
RNG = np.random.default_rng(5)
FEATURES = np.where(RNG.random((50, 6, 1)) < 0.5, RNG.exponential(1, (50, 6, 4)), 0).astype(np.float32)
LABELS = RNG.exponential(1, (50, 2)).astype(np.float32)


class FixedBatches:
    """Batches of 20, 20 and 10 events, the same in each epoch."""

    n_labels = 2

    def __len__(self):
        return 3

    def epoch(self, number):
        for start in range(0, 50, 20):
            yield (
                FEATURES[start : start + 20, : 4 + start // 20],
                LABELS[start : start + 20],
                np.ones(len(LABELS[start : start + 20])),
            )


def small_teacher():
    hypermodel = TeacherHyperModel(NAMES, [0.5] * 4, [1.0] * 4, "mse")
    return hypermodel.build_fixed(TeacherHyperparameters(units=4, heads=2))


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_predictions_are_in_the_order_of_the_events(batch_size):
    model = small_teacher()
    assert_allclose(predict(model, FEATURES, batch_size), np.asarray(model(FEATURES))[:, 0], rtol=1e-5)


def test_epochs_are_counted_on():
    history = fit(small_teacher(), FixedBatches(), FixedBatches(), epochs=3, initial_epoch=1)
    assert history.epoch == [1, 2]
