"""Ranges of the inputs of the student."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from utils.data_processing import HTGraphCreator, METGraphCreator
from utils.event_layout import SLOT_PIDS
from utils.hardware.inputs import StudentInputs
from utils.hardware.ports import input_ports, random_words, word_events
from utils.hardware.ranges import input_ranges
from utils.hardware.scales import HardwareScales


@pytest.mark.parametrize("creator", [METGraphCreator, HTGraphCreator])
@pytest.mark.parametrize("saturations", [{}, {"muon_saturation": 7, "egamma_saturation": 511, "jet_saturation": 2047}])
def test_inputs_of_extreme_events_are_at_the_ends_of_their_ranges(creator, saturations):
    """Each object is in one of the cells of its kind."""
    inputs = StudentInputs(creator(), HardwareScales(**saturations))
    ranges = input_ranges(inputs)
    ports = input_ports(inputs)
    words = random_words(ports, 100, seed=1)
    objects, _, sums, *_ = inputs.network_inputs(word_events(ports, words))
    kinds = np.unique(SLOT_PIDS[inputs.slots])
    for slot, pid in enumerate(SLOT_PIDS[inputs.slots]):
        low, high = (ends[:, kinds.tolist().index(pid)] for ends in (ranges.object_lowest, ranges.object_highest))
        in_slot = objects[objects[:, slot, 0] > 0, slot][:, None]
        assert objects[:, slot, 0].max() == high[:, 0].max()
        assert ((low <= in_slot) & (in_slot <= high)).all(2).any(1).all()
    assert_array_equal(sums.max(0), ranges.sum_highest)
    assert ranges.counts.sum() == inputs.n_slots
