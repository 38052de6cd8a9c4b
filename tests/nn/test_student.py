"""The student and its loss: closed forms, invariances, and what is kept in its file."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nn.losses import get_loss
from nn.student import (
    DistillationLoss,
    StudentHyperparameters,
    build_student,
    calibrate,
    compile_student,
    ebops_of,
    load_student,
    predict_corrections,
    with_correction,
    with_features,
)
from utils.data_processing import METGraphCreator
from utils.hardware import HardwareScales
from utils.student_inputs import StudentInputs

INPUTS = StudentInputs(METGraphCreator(), HardwareScales())
SMALL = {"object_units": 4, "event_units": (4,)}


def student(**changes):
    keras.utils.set_random_seed(3)
    shape = INPUTS.n_slots, INPUTS.n_object_features, INPUTS.n_sums
    return build_student(StudentHyperparameters(**SMALL | changes), *shape)


@pytest.fixture
def events(random_l1_events):
    """Return the inputs of the network of events with objects."""
    features = INPUTS.features(random_l1_events(200))
    return INPUTS.network_inputs(features[features.any((1, 2))])


class AllEvents:
    """One batch of all events."""

    def __init__(self, events):
        self.events = events

    def __len__(self):
        return 1

    def epoch(self, number):
        yield self.events, None, None


class TestStudent:
    @pytest.mark.parametrize("quantised", [True, False])
    def test_the_order_of_objects_and_what_empty_slots_hold_do_not_matter(self, events, quantised):
        network = student(quantised=quantised)
        objects, real, sums = events
        order = np.random.default_rng(1).permutation(INPUTS.n_slots)
        garbage = np.where(real[:, :, None] > 0, objects, np.float32(0.25))
        expected = network.predict_on_batch(list(events))
        assert_allclose(network.predict_on_batch([objects[:, order], real[:, order], sums]), expected, rtol=1e-5)
        assert_allclose(network.predict_on_batch([garbage, real, sums]), expected, rtol=1e-5)

    def test_output_is_a_number_of_the_hardware(self, events):
        network = student()
        calibrate(network, INPUTS, [AllEvents(events)])
        steps = network.predict_on_batch(list(events)) * 2**7
        assert_array_equal(steps, np.rint(steps))
        assert steps.min() >= 0
        assert steps.max() < 2**11
        assert len(np.unique(steps)) > 3

    def test_calibrated_for_hotter_events_it_does_not_wrap_around(self, events):
        """Twice the momenta give what a student of the same weights and many integer bits gives."""
        network, wide = student(), student()
        wide.set_weights(network.get_weights())
        calibrate(network, INPUTS, [AllEvents(events)])
        calibrate(wide, INPUTS, [AllEvents(INPUTS.hotter(events, 16))])
        hot = INPUTS.hotter(events, 2)
        assert_array_equal(network.predict_on_batch(list(hot)), wide.predict_on_batch(list(hot)))

    def test_file_holds_the_same_network(self, events, tmp_path):
        network = student()
        ebops = calibrate(network, INPUTS, [AllEvents(events)])
        network.save(tmp_path / "student.keras")
        loaded = load_student(tmp_path / "student.keras")
        assert_array_equal(loaded.predict_on_batch(list(events)), network.predict_on_batch(list(events)))
        assert ebops_of(loaded) == ebops > 0

    def test_price_of_bits_is_in_the_loss(self, events):
        network = student()
        compile_student(with_correction(network, "sum", INPUTS.least), 1e-3, "mse", alpha=1.0)
        for beta in (0.0, 1e-3):
            for layer in network.layers:
                if getattr(layer, "enable_ebops", False):
                    layer._beta.assign(beta)
            network(list(events), training=True)
            price = sum(float(loss) for loss in network.losses)
            assert_allclose(price, beta * ebops_of(network), rtol=1e-3, atol=1e-3)

    def test_a_student_of_floats_has_no_bits(self, events):
        network = student(quantised=False)
        assert calibrate(network, INPUTS, [AllEvents(events)]) == 0

    @pytest.mark.parametrize("change", [{"object_units": 0}, {"event_units": ()}, {"target": "ratio"}])
    def test_what_cannot_be_is_named(self, change):
        with pytest.raises(ValueError, match=next(iter(change))):
            StudentHyperparameters(**change)


class TestCorrection:
    def test_of_a_sum_is_the_ratio_to_that_of_l1(self, events):
        network = student()
        found = with_correction(network, "sum", INPUTS.least).predict_on_batch(list(events))
        corrected = network.predict_on_batch(list(events))
        assert_allclose(found[:, 0] * events[2][:, 0], corrected[:, 0], rtol=1e-5)

    def test_of_a_factor_is_the_output(self, events):
        network = student(target="factor")
        assert with_correction(network, "factor", INPUTS.least) is network

    def test_predictions_do_not_depend_on_the_company(self, random_l1_events):
        features = INPUTS.features(random_l1_events(100))
        network = student()
        one_by_one, together = (predict_corrections(network, INPUTS, "sum", features, size) for size in (7, 100))
        assert_allclose(one_by_one, together, rtol=1e-6)


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

    def test_of_the_truth_alone_is_that_of_the_teacher(self):
        for name in ("log_huber_3.0", "huber_1.0", "quantile_0.3"):
            labels, predictions = self.LABELS[:, :2], self.PREDICTIONS[:, :1]
            assert_allclose(DistillationLoss(name, 1.0)(labels, predictions), get_loss(name)(labels, predictions))

    def test_weights_of_events_count(self):
        loss = DistillationLoss("mse", 1.0)
        alone = loss(self.LABELS[:1, :2], self.PREDICTIONS[:1, :1])
        weighted = loss(self.LABELS[:, :2], self.PREDICTIONS[:, :1], sample_weight=np.array([2.0, 0.0], np.float32))
        assert_allclose(weighted, alone, rtol=1e-6)

    def test_config_makes_an_equal_loss(self):
        config = DistillationLoss("mse", 0.3, 0.2).get_config()
        assert DistillationLoss.from_config(config).get_config() == config

    def test_projection_of_features_is_not_in_the_student(self, events):
        network = student()
        n_before = network.count_params()
        model = with_features(with_correction(network, "sum", INPUTS.least), 3)
        assert model.predict_on_batch(list(events)).shape == (len(events[1]), 4)
        assert network.count_params() == n_before
