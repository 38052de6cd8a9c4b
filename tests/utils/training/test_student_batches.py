"""Corrected sums of the teacher for the weights of a student's training events."""

import numpy as np
from numpy.testing import assert_array_equal

from tests.toys import l1_events
from utils.data_processing import graph_creator
from utils.event_layout import N_SLOTS
from utils.hardware.inputs import StudentInputs
from utils.hardware.scales import HardwareScales
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.student_batches import StudentCreator, teacher_sums


def test_sums_of_the_teacher_are_its_corrections_of_l1_sums_in_steps():
    """An event whose jets all have less than half a step is one without nodes, also where it is the last one."""
    objects = np.zeros((4, N_SLOTS, 3))
    objects[[0, 2], 8, 0] = 30
    objects[[0, 1, 2, 3], 9, 0] = [20, 0.2, 0, 0.2]
    events = l1_events(objects, smeared_met=[50.1, 60, 30, 70])
    inputs = StudentInputs(graph_creator("true_met"), HardwareScales())
    corrections = np.array([0.5, 2, 3, 4], np.float32)
    creator = StudentCreator(graph_creator("true_met"), inputs, lambda events: corrections[:, None])
    graphs = RaggedGraphs.from_events(
        creator, events, creator.labels(events), np.ones(4, np.float32), np.zeros(4, np.int16)
    )
    assert graphs.sizes.tolist() == [2, 0, 1, 0]
    assert_array_equal(teacher_sums(graphs, inputs), [25, 0, 90, 0])
