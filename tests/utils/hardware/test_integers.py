"""The integers of the hardware and the features made of them: closed forms, symmetries, and what saturates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import l1_events, random_l1_events
from utils.data_processing import JETS, N_SLOTS, SLOT_PIDS, HTGraphCreator, METGraphCreator
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import HardwareEvents, HardwareScales, bounds, front_end, hardware_events, numpy_lookup
from utils.hardware.logic import events_of, ports_of, random_words

SCALES = HardwareScales()
ALL = slice(0, N_SLOTS)
TURN = 2 * np.pi


def one_event(*objects, **columns):
    """Return an event with objects (slot, pT, eta, phi)."""
    data = np.zeros((1, N_SLOTS, 3))
    for slot, *values in objects:
        data[0, slot] = values
    return l1_events(data, **columns)


class TestIntegers:
    def test_are_the_nearest_steps(self):
        events = one_event((8, 30.3, -0.44, TURN * 10.4 / 144), smeared_met=[30.3], smeared_ht=[30.2])
        found = hardware_events(events, ALL, SCALES)
        assert (found.pt[0, 8], found.eta[0, 8], found.phi[0, 8]) == (61, -10, 10)
        assert (found.met[0], found.met_phi[0], found.ht[0]) == (61, 10, 60)

    def test_phi_is_within_a_turn(self):
        events = one_event((8, 30, 0, -TURN / 144), (9, 30, 0, np.pi), (10, 30, 0, -np.pi))
        assert_array_equal(hardware_events(events, ALL, SCALES).phi[0, 8:11], [143, 72, 72])

    def test_saturate(self):
        events = one_event((8, 9000, 6, 0), smeared_met=[9000], smeared_ht=[9000])
        found = hardware_events(events, ALL, SCALES)
        assert found.eta[0, 8] == 127  # 5.52, in the 8 bits of its port
        assert (found.pt[0, 8], found.met[0], found.ht[0]) == (1023, 2047, 2047)

    def test_empty_slots_are_zero_whatever_else_they_hold(self):
        events = one_event((8, 0, 1, 1))
        assert_array_equal(hardware_events(events, ALL, SCALES).eta, 0)
        assert_array_equal(hardware_events(events, ALL, SCALES).phi, 0)

    def test_direction_of_met_is_of_all_objects_also_where_only_jets_are_kept(self):
        events = one_event((0, 50, 0, np.pi / 2), (8, 30, 0, 0))
        for slots in (ALL, JETS):
            assert hardware_events(events, slots, SCALES).met_phi[0] == round(np.arctan2(50, 30) * 144 / TURN)


class TestFrontEnd:
    def test_components_are_those_of_plane_geometry(self):
        phi = np.arange(144)[None, :]
        pt = np.full_like(phi, 100)
        event = HardwareEvents(pt, 0 * phi, phi, *np.zeros((3, 1, 1), int))
        along, across = front_end(event, np.zeros(144), ("along", "across"), SCALES)
        angle = phi * TURN / 144
        assert_allclose(along, 100 / 128 * np.cos(angle), atol=100 / 128 / 256)
        assert_allclose(across, 100 / 128 * np.abs(np.sin(angle)), atol=100 / 128 / 256)

    def test_look_ups_are_rounded_to_the_bits_of_the_table(self):
        values = numpy_lookup(lambda i: i / 3, np.array([0, 1, 2, 3]), bits=2)
        assert_array_equal(values, [0, 0.25, 0.75, 1])

    def test_features_are_multiples_of_a_power_of_two(self):
        events = random_l1_events(300)
        features = StudentInputs(METGraphCreator(), SCALES).features(events)
        assert_array_equal(features * 2**14, np.rint(features * 2**14))


class TestStudentInputs:
    def test_turning_and_mirroring_an_event_changes_nothing(self):
        """Turned by whole steps, and mirrored in phi and in eta."""
        events = random_l1_events(300)
        data = events.smeared_data.astype(np.float64)
        data[..., 1] = np.rint(data[..., 1] / SCALES.eta_step) * SCALES.eta_step
        data[..., 2] = (np.rint(data[..., 2] * 144 / TURN) + 0.01) * TURN / 144
        inputs = StudentInputs(METGraphCreator(), SCALES)
        turned = data * [1, -1, 1]
        turned[..., 2] += np.where(data[..., 0] > 0, 37 * TURN / 144, 0)
        columns = {"smeared_met": events.smeared_met, "smeared_ht": events.smeared_ht}
        before, after = (inputs.features(l1_events(objects, **columns)) for objects in (data, turned))
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
        objects, real, sums, *_ = inputs.network_inputs(inputs.features(events))
        assert_allclose(objects[:, :, 0] * SCALES.energy_unit, events.smeared_data[:, JETS, 0], atol=0.26)
        with_jet = real.any(1)
        assert_allclose(sums[with_jet, 0] * SCALES.energy_unit, events.smeared_ht[with_jet], atol=0.26)

    def test_inputs_of_the_network_are_parts_of_the_features(self):
        inputs = StudentInputs(METGraphCreator(), SCALES)
        events = random_l1_events(100)
        events.smeared_data[::3, JETS] = 0
        direct = inputs.inputs_of(hardware_events(events, ALL, SCALES))
        with_object = direct[1].any(1)
        for found, expected in zip(inputs.network_inputs(inputs.features(events)), direct, strict=True):
            assert_array_equal(found[with_object], expected[with_object])
        reversed_order = inputs.network_inputs(inputs.features(events)[:, ::-1])
        for found, expected in zip(reversed_order[2:], direct[2:], strict=True):
            assert_array_equal(found[with_object], expected[with_object])

    @pytest.mark.parametrize("creator", [METGraphCreator, HTGraphCreator])
    def test_inputs_of_extreme_events_are_at_the_ends_of_their_ranges(self, creator):
        """Each object is in one of the cells of its kind."""
        inputs = StudentInputs(creator(), SCALES)
        ranges = inputs.ranges()
        ports = ports_of(inputs)
        words = random_words(ports, 100, seed=1)
        objects, _, sums, *_ = inputs.inputs_of(events_of(ports, words))
        kinds = np.unique(SLOT_PIDS[inputs.slots])
        for slot, pid in enumerate(SLOT_PIDS[inputs.slots]):
            low, high = (ends[:, kinds.tolist().index(pid)] for ends in (ranges.object_lowest, ranges.object_highest))
            of_slot = objects[objects[:, slot, 0] > 0, slot][:, None]
            assert ((low <= of_slot) & (of_slot <= high)).all(2).any(1).all()
        assert_array_equal(sums.max(0), ranges.sum_highest)
        assert ranges.counts.sum() == inputs.n_slots

    def test_table_of_integers_and_back(self):
        found = hardware_events(random_l1_events(10), JETS, SCALES)
        again = HardwareEvents.of_table(found.table())
        for name, column in vars(found).items():
            assert_array_equal(getattr(again, name), column)


class TestBounds:
    """Of the corrected MET, in steps."""

    @pytest.fixture
    def bounds_of(self):
        def bounds_of(*objects, met, ht):
            events = one_event(*objects, smeared_met=[met], smeared_ht=[ht])
            found = bounds(hardware_events(events, ALL, SCALES), SLOT_PIDS, ("met", "ht"), SCALES)
            return [int(bound[0]) for bound in found]

        return bounds_of

    def test_an_event_with_a_jet_has_the_whole_range(self, bounds_of):
        assert bounds_of((8, 40, 0, 0), met=40, ht=40) == [0, 2047]

    def test_without_a_jet_the_sum_of_l1_stays(self, bounds_of):
        assert bounds_of((4, 40, 0, 0), met=40.2, ht=0) == [80, 80]
        assert bounds_of(met=0, ht=0) == [0, 0]

    def test_a_sum_of_0_stays(self, bounds_of):
        assert bounds_of((8, 40, 0, 0), (9, 40, 0, np.pi), met=0, ht=80) == [0, 0]

    @pytest.mark.parametrize(
        ("slot", "momentum", "met", "ht"),
        [(8, 511.5, 40, 40), (4, 9000, 40, 0), (8, 40, 1023.5, 40), (8, 40, 40, 5000)],
    )
    def test_what_is_saturated_is_accepted(self, bounds_of, slot, momentum, met, ht):
        assert bounds_of((slot, momentum, 0, 0), met=met, ht=ht) == [2047, 2047]

    def test_one_step_below_is_not_saturated(self, bounds_of):
        assert bounds_of((8, 511, 0, 0), met=1023, ht=1023) == [0, 2047]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("energy_step", 0.0),
        ("eta_step", float("nan")),
        ("phi_steps", 143),
        ("sum_saturation", 0),
        ("table_bits", 15),
    ],
)
def test_scales_that_cannot_be_are_named(name, value):
    with pytest.raises(ValueError, match=name):
        HardwareScales(**{name: value})
