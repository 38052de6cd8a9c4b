"""Logic of the front end: equal to its arithmetic."""

import numpy as np
import pytest

from utils.data_processing import graph_creator
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import HardwareEvents
from utils.hardware.leading_objects import ALL_OBJECTS, LeadingObjects
from utils.hardware.logic import event_symbols, symbolic_inputs, trace_logic
from utils.hardware.ports import input_ports, input_words, random_words, word_events
from utils.hardware.scales import HardwareScales


def student_inputs(variable, floor=None, leading=ALL_OBJECTS, **scales):
    return StudentInputs(graph_creator(variable), HardwareScales(**scales), floor, leading)


@pytest.mark.parametrize("leading", [ALL_OBJECTS, LeadingObjects(), LeadingObjects(n_muons=0, n_egammas=2, n_jets=1)])
@pytest.mark.parametrize("floor", [None, lambda sums: 0.7 * np.maximum(0, sums - 50)])
@pytest.mark.parametrize("variable", ["true_met", "true_ht"])
def test_the_logic_of_the_front_end_gives_what_the_network_is_trained_on(variable, floor, leading):
    inputs = student_inputs(variable, floor, leading)
    ports = input_ports(inputs)
    event = event_symbols(ports)
    logic = trace_logic(ports, event, np.concatenate([part.ravel() for part in symbolic_inputs(inputs, event)]))
    words = random_words(ports, 2000, seed=1)
    words[1000:, : inputs.n_slots] *= np.arange(2000)[1000:, None] % 3 == 0  # without objects
    expected = inputs.network_inputs(word_events(ports, words))
    found = logic.predict(words)
    np.testing.assert_array_equal(found, np.concatenate([part.reshape(len(words), -1) for part in expected], axis=1))


def test_the_logic_of_the_front_end_knows_each_angle():
    inputs = student_inputs("true_met", phi_steps=8, table_bits=4, feature_bits=1)
    ports = input_ports(inputs)
    event = event_symbols(ports)
    objects, *_ = symbolic_inputs(inputs, event)
    logic = trace_logic(ports, event, objects[0, 0, 1:3])
    angles = np.arange(8)
    zeros = np.zeros((64, 18), int)
    phi, met_phi = zeros.copy(), np.repeat(angles, 8)
    phi[:, 0] = np.tile(angles, 8)
    words = input_words(ports, HardwareEvents(zeros + 2, zeros, phi, zeros[:, 0], met_phi, zeros[:, 0]))
    turn = (phi[:, 0] - (met_phi + 4)) * np.pi / 4  # MET is opposite to the axis
    expected = np.stack([np.cos(turn), np.abs(np.sin(turn))], axis=1)
    np.testing.assert_allclose(logic.predict(words), expected, atol=1 / 32 + 1e-6)  # a table of multiples of 1/16
