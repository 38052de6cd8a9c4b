"""Distillation of a student: closed forms of its loss, and the models that it is applied to."""

import keras
import numpy as np
import pytest
from hgq.utils.sugar import BetaScheduler
from numpy.testing import assert_allclose

from nn.losses import get_loss
from nn.student import StudentHyperparameters, build_student, count_ebops
from nn.training.distillation import DistillationLoss, compile_student, student_models
from tests.toys import random_l1_events
from utils.data_processing import METGraphCreator
from utils.hardware.inputs import StudentInputs
from utils.hardware.scales import HardwareScales

INPUTS = StudentInputs(METGraphCreator(), HardwareScales())


def models(n_features=0):
    """Return the models of a small student."""
    keras.utils.set_random_seed(3)
    shape = StudentHyperparameters(object_units=4, event_units=(4,))
    network = build_student(shape, INPUTS.n_slots, INPUTS.n_object_features, INPUTS.n_sums)
    return student_models(network, INPUTS.input_step, n_features)


@pytest.fixture
def events():
    """Network inputs of events with objects."""
    features = INPUTS.features(random_l1_events(200))
    return list(INPUTS.split_features(features[features.any((1, 2))]))


def test_correction_is_the_ratio_to_the_sum_of_l1(events):
    student = models()
    found, corrected = (model.predict_on_batch(events) for model in (student.corrected, student.network))
    assert_allclose(found[:, 0] * events[2][:, 0], corrected[:, 0], rtol=1e-5)


def test_projection_of_features_is_not_in_the_student(events):
    student = models(n_features=3)
    assert student.trained.predict_on_batch(events).shape == (len(events[1]), 4)
    assert student.network.count_params() == models().network.count_params()


def test_ebops_penalty_is_in_the_loss(events):
    student = models()
    compile_student(student.trained, 1e-3, DistillationLoss("mse", 1.0))
    for beta in (0.0, 1e-3):
        scheduler = BetaScheduler(lambda epoch, beta=beta: beta)
        scheduler.set_model(student.network)
        scheduler.on_epoch_begin(0)
        student.network(events, training=True)
        penalty = sum(float(loss) for loss in student.network.losses)
        assert_allclose(penalty, beta * count_ebops(student.network), rtol=1e-3, atol=1e-3)


class TestDistillationLoss:
    LABELS = np.array([[1.0, 40.0, 0.5, 2.0], [0.2, 5.0, 0.4, 1.0]], np.float32)
    PREDICTIONS = np.array([[0.8, 1.0], [0.3, 3.0]], np.float32)

    def test_is_the_mean_of_the_losses_of_truth_and_teacher(self):
        found = DistillationLoss("mse", 0.25)(self.LABELS[:, :3], self.PREDICTIONS[:, :1])
        truth, teacher = np.mean([0.2**2, 0.1**2]), np.mean([0.3**2, 0.1**2])
        assert_allclose(found, 0.25 * truth + 0.75 * teacher, rtol=1e-5)

    def test_features_count_by_their_weight(self):
        found = DistillationLoss("mse", 1.0, feature_weight=0.1)(self.LABELS, self.PREDICTIONS)
        assert_allclose(found, np.mean([0.2**2, 0.1**2]) + 0.1 * np.mean([1.0, 4.0]), rtol=1e-5)

    def test_loss_of_the_truth_alone_is_the_loss_of_the_teacher(self):
        for name in ("log_huber_3.0", "huber_1.0", "quantile_0.3"):
            labels, predictions = self.LABELS[:, :2], self.PREDICTIONS[:, :1]
            assert_allclose(
                DistillationLoss(name, 1.0)(labels, predictions), get_loss(name)(labels, predictions), rtol=1e-5
            )

    def test_weights_of_events_count(self):
        loss = DistillationLoss("mse", 1.0)
        alone = loss(self.LABELS[:1, :2], self.PREDICTIONS[:1, :1])
        weighted = loss(self.LABELS[:, :2], self.PREDICTIONS[:, :1], sample_weight=np.array([2.0, 0.0], np.float32))
        assert_allclose(weighted, alone, rtol=1e-6)

    def test_config_makes_an_equal_loss(self):
        config = DistillationLoss("mse", 0.3, 0.2).get_config()
        assert DistillationLoss.from_config(config).get_config() == config
