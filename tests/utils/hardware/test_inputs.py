"""Inputs of the student: symmetries, and agreement of features and inputs."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import l1_events, random_l1_events
from utils.data_processing import HTGraphCreator, METGraphCreator
from utils.event_layout import JETS, N_SLOTS, SLOT_PIDS
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import hardware_events
from utils.hardware.leading_objects import LeadingObjects
from utils.hardware.scales import HardwareScales

SCALES = HardwareScales()
ALL = np.arange(N_SLOTS)
TURN = 2 * np.pi


class TestStudentInputs:
    def test_rotating_and_reflecting_an_event_changes_nothing(self):
        """Rotated by whole steps, and reflected in phi and in eta."""
        events = random_l1_events(300)
        data = events.smeared_data.astype(np.float64)
        data[..., 1] = np.rint(data[..., 1] / SCALES.eta_step) * SCALES.eta_step
        data[..., 2] = (np.rint(data[..., 2] * 144 / TURN) + 0.01) * TURN / 144
        inputs = StudentInputs(METGraphCreator(), SCALES)
        rotated = data * [1, -1, 1]
        rotated[..., 2] += np.where(data[..., 0] > 0, 37 * TURN / 144, 0)
        columns = {"smeared_met": events.smeared_met, "smeared_ht": events.smeared_ht}
        before, after = (inputs.features(l1_events(objects, **columns)) for objects in (data, rotated))
        same = np.all(before == after, axis=(1, 2))
        assert same.mean() > 0.97  # others have a MET halfway between two steps in phi
        assert_allclose(before[~same], after[~same], atol=0.2)

    def test_permuting_objects_of_a_kind_permutes_their_features(self):
        events = random_l1_events(50)
        inputs = StudentInputs(METGraphCreator(), SCALES)
        before = inputs.features(events)
        events.smeared_data[:, JETS] = events.smeared_data[:, JETS][:, ::-1].copy()
        assert_array_equal(inputs.features(events)[:, JETS], before[:, JETS][:, ::-1])

    def test_kinds_are_those_of_the_slots(self):
        features = StudentInputs(METGraphCreator(), SCALES).features(random_l1_events(100))
        real = features[:, :, 0] > 0
        kinds = features[:, :, 4:7]
        assert_array_equal(kinds.sum(2), real)
        assert_array_equal(kinds.argmax(2)[real], np.broadcast_to(SLOT_PIDS - 1, real.shape)[real])

    def test_ht_has_the_jets_only(self):
        inputs = StudentInputs(HTGraphCreator(), SCALES)
        assert (inputs.n_slots, inputs.n_object_features, inputs.n_sums) == (10, 2, 1)
        events = random_l1_events(100)
        objects, real, sums, *_ = inputs.split_features(inputs.features(events))
        assert_allclose(objects[:, :, 0] * SCALES.energy_unit, events.smeared_data[:, JETS, 0], atol=0.26)
        with_jet = real.any(1)
        assert_allclose(sums[with_jet, 0] * SCALES.energy_unit, events.smeared_ht[with_jet], atol=0.26)

    def test_inputs_of_the_network_are_parts_of_the_features(self):
        inputs = StudentInputs(METGraphCreator(), SCALES)
        events = random_l1_events(100)
        events.smeared_data[::3, JETS] = 0
        direct = inputs.network_inputs(hardware_events(events, ALL, SCALES))
        with_object = direct[1].any(1)
        for found, expected in zip(inputs.split_features(inputs.features(events)), direct, strict=True):
            assert_array_equal(found[with_object], expected[with_object])
        reversed_order = inputs.split_features(inputs.features(events)[:, ::-1])
        for found, expected in zip(reversed_order[2:], direct[2:], strict=True):
            assert_array_equal(found[with_object], expected[with_object])

    def test_leading_objects_are_the_first_of_each_kind(self):
        """The sums and the direction of MET stay those of all objects."""
        events = random_l1_events(100)
        chosen = [0, 4, 5, 8, 9, 10]
        inputs = StudentInputs(METGraphCreator(), SCALES, leading=LeadingObjects(n_muons=1, n_egammas=2, n_jets=3))
        assert_array_equal(inputs.slots, chosen)
        integers = inputs.integers(events)
        every = StudentInputs(METGraphCreator(), SCALES).integers(events)
        columns = [18 * quantity + slot for quantity in range(3) for slot in chosen]
        assert_array_equal(integers, every[:, [*columns, 54, 55, 56]])

    def test_features_are_multiples_of_a_power_of_two(self):
        events = random_l1_events(300)
        features = StudentInputs(METGraphCreator(), SCALES).features(events)
        assert_array_equal(features * 2**14, np.rint(features * 2**14))
