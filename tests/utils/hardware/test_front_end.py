"""Front end: closed forms, and the bounds of the output."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import l1_events
from utils.event_layout import N_SLOTS, SLOT_PIDS
from utils.hardware.front_end import front_end, numpy_lookup, output_bounds
from utils.hardware.integers import HardwareEvents, hardware_events
from utils.hardware.scales import HardwareScales

SCALES = HardwareScales(object_saturation=1023, sum_saturation=2047, table_bits=7)
ALL = slice(0, N_SLOTS)
TURN = 2 * np.pi


class TestFrontEnd:
    def test_components_are_those_of_plane_geometry_with_met_opposite_to_the_axis(self):
        phi = np.arange(144)[None, :]
        pt = np.full_like(phi, 100)
        event = HardwareEvents(pt, 0 * phi, phi, 0, np.array([[72]]), 0)
        along, across = front_end(event, np.zeros(144), ("along", "across"), SCALES)
        angle = phi * TURN / 144
        assert_allclose(along, 100 / 128 * np.cos(angle), atol=100 / 128 / 256)
        assert_allclose(across, 100 / 128 * np.abs(np.sin(angle)), atol=100 / 128 / 256)

    def test_look_ups_are_rounded_to_the_bits_of_the_table(self):
        values = numpy_lookup(lambda i: i / 3, np.array([0, 1, 2, 3]), bits=2)
        assert_array_equal(values, [0, 0.25, 0.75, 1])


def bounds(*objects, met, ht, scales=SCALES, floor=None):
    """Return the bounds of the corrected MET, in steps, of an event with objects (slot, pT, eta, phi)."""
    data = np.zeros((1, N_SLOTS, 3))
    for slot, *values in objects:
        data[0, slot] = values
    integers = hardware_events(l1_events(data, smeared_met=[met], smeared_ht=[ht]), ALL, scales)
    return [int(bound[0]) for bound in output_bounds(integers, SLOT_PIDS, ("met", "ht"), scales, floor)]


class TestBounds:
    def test_an_event_with_a_jet_has_the_whole_range(self):
        assert bounds((8, 40, 0, 0), met=40, ht=40) == [0, 2047]

    @pytest.mark.parametrize(("met", "lowest"), [(40.0, 26), (43.5, 26), (44.0, 29), (3.5, 0)])
    def test_a_floor_is_that_of_multiples_of_8_steps_rounded_down(self, met, lowest):
        """A third of 40 GeV is 26.7 steps of 0.5 GeV."""
        found = bounds((8, 40, 0, 0), met=met, ht=40, floor=lambda sums: sums / 3)
        assert found == [lowest, 2047]

    def test_a_floor_leaves_uncorrected_and_saturated_events(self):
        assert bounds((4, 40, 0, 0), met=40.2, ht=0, floor=lambda sums: sums / 3) == [80, 80]
        assert bounds((8, 40, 0, 0), met=40, ht=5000, floor=lambda sums: sums / 3) == [2047, 2047]

    def test_without_a_jet_the_sum_is_uncorrected(self):
        assert bounds((4, 40, 0, 0), met=40.2, ht=0) == [80, 80]
        assert bounds(met=0, ht=0) == [0, 0]

    def test_a_sum_of_0_is_uncorrected(self):
        assert bounds((8, 40, 0, 0), (9, 40, 0, np.pi), met=0, ht=80) == [0, 0]

    @pytest.mark.parametrize(
        ("slot", "momentum", "met", "ht"),
        [(8, 511.5, 40, 40), (4, 9000, 40, 0), (8, 40, 1023.5, 40), (8, 40, 40, 5000)],
    )
    def test_a_saturated_event_is_accepted(self, slot, momentum, met, ht):
        assert bounds((slot, momentum, 0, 0), met=met, ht=ht) == [2047, 2047]

    @pytest.mark.parametrize(("slot", "largest"), [(0, 255), (4, 255.5), (8, 1023.5)])
    def test_each_kind_of_object_saturates_at_its_own_momentum(self, slot, largest):
        others = {"met": 40, "ht": 40, "scales": HardwareScales()}
        assert bounds((slot, largest, 0, 0), (17, 40, 0, 0), **others) == [4095, 4095]
        assert bounds((slot, largest - 0.5, 0, 0), (17, 40, 0, 0), **others) == [0, 4095]

    def test_one_step_below_is_not_saturated(self):
        assert bounds((8, 511, 0, 0), met=1023, ht=1023) == [0, 2047]
