"""Saturation of the objects and energy sums of the trigger."""

import numpy as np
import pytest

from tests.toys import l1_events, objects_at
from utils.formats.trigger_objects import KINDS, saturated_events


def test_the_largest_energies_are_those_of_the_integers_of_the_trigger():
    """511 steps of 0.5 GeV for muons, which count from 1, and e/g, 2047 for jets."""
    largest = {kind.prefix: kind.largest_pt for kind in KINDS}
    assert largest == {"muons": 255.0, "egammas": 255.5, "jets": 1023.5}


@pytest.mark.parametrize(("slot", "largest"), [("muon3", 255.0), ("egamma0", 255.5), ("jet9", 1023.5)])
def test_an_event_is_saturated_from_the_largest_energy_of_any_object(slot, largest):
    for pt, expected in ((largest - 0.5, False), (largest, True), (largest + 100, True)):
        assert saturated_events(l1_events(objects_at(**{slot: (pt, 0, 0)}))).tolist() == [expected]


@pytest.mark.parametrize("name", ["smeared_met", "smeared_ht", "l1_htt", "l1_etmhf"])
def test_an_event_is_saturated_from_4095_steps_of_a_sum(name):
    events = l1_events(np.zeros((3, 18, 3)), **{name: [2047.0, 2047.5, 3000.0]})
    assert saturated_events(events).tolist() == [False, True, True]


def test_a_sum_of_the_trigger_that_is_not_known_is_not_saturated():
    assert saturated_events(l1_events(np.zeros((2, 18, 3)), l1_etm=[np.nan, 3000])).tolist() == [False, True]
