"""The student: closed forms, invariances, and its file."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nn.compat.hgq import add_integer_bits, input_quantisers
from nn.student import INPUTS as INPUT_NAMES
from nn.student import (
    StudentHyperparameters,
    build_student,
    calibrate,
    count_ebops,
    load_student,
    predict_sums,
    student_model,
)
from tests.toys import random_l1_events
from utils.data_processing import METGraphCreator
from utils.hardware.inputs import StudentInputs
from utils.hardware.ports import input_ports, random_words, word_events
from utils.hardware.scales import HardwareScales
from utils.predictions import predict_events

INPUTS = StudentInputs(METGraphCreator(), HardwareScales())
SMALL = {"object_units": 4, "event_units": (4,)}
WRAPPING = ("object_1", "own", "first_sum", "others", "object_2", "second_sum", "event_1", "sum")


def student(**changes):
    keras.utils.set_random_seed(3)
    shape = INPUTS.n_slots, INPUTS.n_object_features, INPUTS.n_sums
    return build_student(StudentHyperparameters(**SMALL | changes), *shape)


@pytest.fixture
def events():
    """Network inputs of events with objects."""
    features = INPUTS.features(random_l1_events(200))
    return INPUTS.split_features(features[features.any((1, 2))])


@pytest.fixture
def extreme_events():
    """Network inputs of 12,000 events of integers from the whole range, a third of them soft.

    In every fourth event momenta and sums are saturated, or one step below, in random slots.
    """
    ports = input_ports(INPUTS)
    words = random_words(ports, 12000, seed=1)
    integers = word_events(ports, words)
    rng = np.random.default_rng(2)
    integers.pt[3::3] //= 16
    largest = np.repeat([510, 511, 2047], [4, 4, 10])  # muons, e/g, jets
    integers.pt[::4] = largest * rng.choice([0, 1], (3000, 18)) - rng.choice([0, 1], (3000, 18), p=[0.1, 0.9])
    integers.pt[::4] = np.maximum(integers.pt[::4], 0)
    integers.met[::4], integers.ht[::4] = rng.choice([0, 4094, 4095], (2, 3000))
    integers.phi[::2] = rng.integers(0, 3, (6000, INPUTS.n_slots)) * 36
    integers.met_phi[::2] = 0
    return INPUTS.network_inputs(integers)


def widened(network, bits, names):
    """Return a network of the same weights with more integer bits in the activations of some layers."""
    wide = student()
    wide.set_weights(network.get_weights())
    for name in names:
        add_integer_bits(input_quantisers(wide.get_layer(name))[0], bits)
    return wide


def all_layers(network, events):
    """Return the output of each layer."""
    model = keras.Model(network.inputs, [layer.output for layer in network.layers if layer.name not in INPUT_NAMES])
    return model.predict_on_batch(list(events))


class TestStudent:
    @pytest.mark.parametrize("quantised", [True, False])
    def test_the_order_of_objects_and_the_content_of_empty_slots_do_not_matter(self, events, quantised):
        network = student(quantised=quantised)
        objects, real, *sums = events
        order = np.random.default_rng(1).permutation(INPUTS.n_slots)
        garbage = np.where(real[:, :, None] > 0, objects, np.float32(0.25))
        expected = network.predict_on_batch(list(events))
        assert_allclose(network.predict_on_batch([objects[:, order], real[:, order], *sums]), expected, rtol=1e-5)
        assert_allclose(network.predict_on_batch([garbage, real, *sums]), expected, rtol=1e-5)

    def test_output_is_a_number_of_the_hardware(self, events):
        network = student()
        calibrate(network, INPUTS)
        steps = network.predict_on_batch(list(events)) * 2**9
        assert_array_equal(steps, np.rint(steps))
        assert steps.min() >= 0
        assert steps.max() < 2**13
        assert set(np.unique(steps) % 4) == {0, 1, 2, 3}

    @pytest.mark.slow
    def test_no_integers_of_the_hardware_overflow_it(self, extreme_events):
        """Eight more integer bits change the output of no layer; with a few bits less some layers wrap around."""
        network = student()
        calibrate(network, INPUTS)
        expected = all_layers(widened(network, 8, WRAPPING), extreme_events)
        for found, expected_output in zip(all_layers(network, extreme_events), expected, strict=True):
            assert_array_equal(found, expected_output)
        for name in ("object_1", "others"):
            too_few = all_layers(widened(network, -2, [name]), extreme_events)
            assert any(
                (found != expected_output).any() for found, expected_output in zip(too_few, expected, strict=True)
            )

    def test_saturated_events_stay_saturated_and_events_without_a_jet_uncorrected(self):
        events = random_l1_events(300)
        events.smeared_data[::7, 8:] = 0
        events.smeared_data[::5, 8, 0] = 1200
        events.smeared_met[::9] = 3000
        network = student()
        calibrate(network, INPUTS)
        found = predict_events([events], [1, 2], "true_met", {"student": student_model(network, INPUTS)})
        measured = found.measured["student"]
        largest = np.repeat([254.75, 255.25, 1023.25], [4, 4, 10])  # half a step below that of muons, e/g and jets
        saturated = (
            (events.smeared_data[:, :, 0] > largest).any(1) | (events.smeared_ht > 2047) | (events.smeared_met > 2047)
        )
        assert (measured[saturated] == 2047.5).all()
        kept = ~saturated & (found.jets == 0)
        assert kept.sum() > 10
        assert_array_equal(measured[kept], np.rint(events.smeared_met[kept] * 2) / 2)
        assert_array_equal(measured * 8, np.rint(measured * 8))
        assert set(measured * 8 % 4) == {0, 1, 2, 3}

    def test_file_holds_the_same_network(self, events, tmp_path):
        network = student()
        ebops = calibrate(network, INPUTS)
        network.save(tmp_path / "student.keras")
        loaded = load_student(tmp_path / "student.keras")
        assert_array_equal(loaded.predict_on_batch(list(events)), network.predict_on_batch(list(events)))
        assert count_ebops(loaded) == ebops > 0

    def test_a_file_of_an_earlier_version_is_refused_by_name(self, tmp_path):
        network = student()
        keras.Model(network.inputs[:3], network.get_layer("sum").output).save(tmp_path / "student.keras")
        with pytest.raises(ValueError, match="a student of an earlier version: inputs objects, real, sums, expected"):
            load_student(tmp_path / "student.keras")

    def test_a_student_of_floats_has_no_bits(self, events):
        network = student(quantised=False)
        assert calibrate(network, INPUTS) == 0

    @pytest.mark.parametrize("change", [{"object_units": 0}, {"event_units": ()}, {"target": "ratio"}])
    def test_a_value_out_of_range_is_named(self, change):
        with pytest.raises(ValueError, match=next(iter(change))):
            StudentHyperparameters(**change)


class TestPredictions:
    @pytest.mark.parametrize("quantised", [True, False])
    def test_a_factor_is_multiplied_by_the_sum_of_l1(self, events, quantised):
        """Of steps of 1/128 where it is quantised; the product is rounded to the steps of the hardware."""
        network = student(target="factor", quantised=quantised)
        layer = network.get_layer("factor").output
        factor, corrected = keras.Model(network.inputs, [layer, network.output]).predict_on_batch(list(events))
        _, _, sums, lowest, highest = events
        free = lowest[:, 0] < highest[:, 0]
        if quantised:
            factor = np.floor(factor * 128 + 0.5) / 128
        expected = factor * sums[:, :1]
        assert_allclose(corrected[free], expected[free], atol=2**-8 if quantised else 1e-6, rtol=1e-5)

    def test_predictions_do_not_depend_on_the_batch(self):
        integers = INPUTS.integers(random_l1_events(100))
        network = student()
        one_by_one, together = (predict_sums(network, INPUTS, integers, size) for size in (7, 100))
        assert_array_equal(one_by_one, together)
