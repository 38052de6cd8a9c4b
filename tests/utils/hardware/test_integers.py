"""Integers of the trigger: rounding, saturation, and scales that are refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.toys import l1_events, random_l1_events
from utils.evaluation.event_display import met_direction
from utils.event_layout import JETS, N_SLOTS
from utils.hardware.integers import HardwareEvents, hardware_events
from utils.hardware.scales import HardwareScales

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
        assert (found.met[0], found.met_phi[0], found.ht[0]) == (61, 72 + 10, 60)

    def test_phi_is_within_a_turn(self):
        events = one_event((8, 30, 0, -TURN / 144), (9, 30, 0, np.pi), (10, 30, 0, -np.pi))
        assert_array_equal(hardware_events(events, ALL, SCALES).phi[0, 8:11], [143, 72, 72])

    def test_saturate(self):
        events = one_event((8, 9000, 6, 0), smeared_met=[9000], smeared_ht=[9000])
        found = hardware_events(events, ALL, SCALES)
        assert found.eta[0, 8] == 127  # 5.52, in the 8 bits of its port
        assert (found.pt[0, 8], found.met[0], found.ht[0]) == (2047, 4095, 4095)

    def test_saturate_by_kind_of_object(self):
        events = one_event((0, 9000, 0, 0), (4, 9000, 0, 0), (8, 9000, 0, 0), smeared_met=[9000], smeared_ht=[1500])
        found = hardware_events(events, ALL, SCALES)
        assert found.pt[0, [0, 4, 8]].tolist() == [510, 511, 2047]
        assert (found.met[0], found.ht[0]) == (4095, 3000)

    def test_empty_slots_are_zero_whatever_else_they_hold(self):
        events = one_event((8, 0, 1, 1))
        assert_array_equal(hardware_events(events, ALL, SCALES).eta, 0)
        assert_array_equal(hardware_events(events, ALL, SCALES).phi, 0)

    def test_met_is_opposite_to_the_sum_of_all_objects_also_where_only_jets_are_kept(self):
        events = one_event((0, 50, 0, np.pi / 2), (8, 30, 0, 0))
        for slots in (ALL, JETS):
            assert hardware_events(events, slots, SCALES).met_phi[0] == 72 + round(np.arctan2(50, 30) * 144 / TURN)

    def test_met_has_the_direction_that_the_event_display_shows(self):
        events = random_l1_events(200)
        shown = np.array([met_direction(objects) for objects in events.smeared_data])
        assert_array_equal(hardware_events(events, ALL, SCALES).met_phi, np.rint(shown * 144 / TURN) % 144)

    def test_table_of_integers_and_back(self):
        found = hardware_events(random_l1_events(10), JETS, SCALES)
        again = HardwareEvents.from_table(found.table())
        for name, column in vars(found).items():
            assert_array_equal(getattr(again, name), column)


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


def test_a_kind_saturates_with_all_objects_unless_it_has_a_saturation_of_its_own():
    assert HardwareScales(object_saturation=600, jet_saturation=2047).saturations == (600, 600, 2047)
    assert HardwareScales().saturations == (510, 511, 2047)
    assert HardwareScales.from_record(HardwareScales(object_saturation=600).record()).saturations == (600, 600, 600)
    with pytest.raises(ValueError, match=r"^jet_saturation, table_bits: expected at most 24 bits together, found 25$"):
        HardwareScales(jet_saturation=1 << 19)


def test_output_and_its_bits_are_numbers_that_a_float32_holds():
    assert HardwareScales(sum_saturation=(1 << 22) - 1).largest_output == (1 << 24) - 4
    message = r"^sum_saturation, output_bits: expected at most 24 bits together, found 25$"
    with pytest.raises(ValueError, match=message):
        HardwareScales(sum_saturation=1 << 22)


def test_output_of_a_former_version_has_the_steps_of_the_energies():
    record = HardwareScales(sum_saturation=2047).record()
    assert HardwareScales.from_record(record).largest_output == 4 * 2047
    del record["output_bits"]
    assert HardwareScales.from_record(record).largest_output == 2047
