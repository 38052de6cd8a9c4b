import numpy as np
import pytest

from utils.data_processing import graph_creator
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import HardwareEvents, HardwareScales
from utils.hardware.logic import (
    Port,
    events_of,
    input_words,
    logic_of,
    port_map,
    ports_of,
    random_words,
    symbolic_inputs,
    symbols_of,
)


def inputs_of(variable, **scales):
    return StudentInputs(graph_creator(variable), HardwareScales(**scales))


@pytest.mark.parametrize(
    ("low", "high", "width"),
    [(0, 1, 1), (0, 143, 8), (0, 1023, 10), (0, 1024, 11), (-127, 127, 8), (-128, 127, 8), (-129, 127, 9), (-1, 0, 1)],
)
def test_width_of_a_port(low, high, width):
    assert Port("pt", 1, low, high).width == width


def test_a_student_for_ht_takes_neither_angles_nor_met():
    assert [(port.name, port.size) for port in ports_of(inputs_of("true_ht"))] == [("pt", 10), ("eta", 10), ("ht", 1)]


def test_ports_of_met():
    ports = ports_of(inputs_of("true_met", object_saturation=2047, eta_step=0.0435))
    assert [(port.name, port.size, port.width) for port in ports] == [
        ("pt", 18, 11),
        ("eta", 18, 8),
        ("phi", 18, 8),
        ("met_phi", 1, 8),
        ("met", 1, 11),
        ("ht", 1, 11),
    ]


@pytest.mark.parametrize("variable", ["true_met", "true_ht"])
def test_words_and_back(variable):
    ports = ports_of(inputs_of(variable))
    words = random_words(ports, 50, seed=1)
    np.testing.assert_array_equal(input_words(ports, events_of(ports, words)), words)


def test_random_words_reach_both_ends_of_each_port():
    ports = [Port("eta", 2, -127, 127), Port("met", 1, 0, 3)]
    words = random_words(ports, 2000, seed=1)
    assert words[:3].tolist() == [[-127, -127, 0], [127, 127, 3], [0, 0, 0]]
    assert set(words[3:, 2]) == {0, 1, 2, 3}


def test_an_integer_out_of_range_is_named():
    ports = ports_of(inputs_of("true_ht"))
    events = events_of(ports, random_words(ports, 5, seed=1))
    events.pt[3, 1] = 1024
    with pytest.raises(ValueError, match=r"^103: pt is \[.*1024.*\], expected 0 to 1023$"):
        input_words(ports, events, first=100)


@pytest.mark.parametrize("variable", ["true_met", "true_ht"])
def test_the_logic_of_the_front_end_gives_what_the_network_is_trained_on(variable):
    inputs = inputs_of(variable)
    ports = ports_of(inputs)
    event = symbols_of(ports)
    logic = logic_of(ports, event, np.concatenate([part.ravel() for part in symbolic_inputs(inputs, event)]))
    words = random_words(ports, 2000, seed=1)
    words[1000:, : inputs.n_slots] *= np.arange(2000)[1000:, None] % 3 == 0  # without objects
    expected = inputs.inputs_of(events_of(ports, words))
    found = logic.predict(words)
    np.testing.assert_array_equal(found, np.concatenate([part.reshape(len(words), -1) for part in expected], axis=1))


def test_the_logic_of_the_front_end_knows_each_angle():
    inputs = inputs_of("true_met", phi_steps=8, table_bits=4, feature_bits=1)
    ports = ports_of(inputs)
    event = symbols_of(ports)
    objects, *_ = symbolic_inputs(inputs, event)
    logic = logic_of(ports, event, objects[0, 0, 1:3])
    angles = np.arange(8)
    zeros = np.zeros((64, 18), int)
    phi, met_phi = zeros.copy(), np.repeat(angles, 8)
    phi[:, 0] = np.tile(angles, 8)
    words = input_words(ports, HardwareEvents(zeros + 2, zeros, phi, zeros[:, 0], met_phi, zeros[:, 0]))
    turn = (phi[:, 0] - met_phi) * np.pi / 4
    expected = np.stack([np.cos(turn), np.abs(np.sin(turn))], axis=1)
    np.testing.assert_allclose(logic.predict(words), expected, atol=1 / 32 + 1e-6)  # a table of multiples of 1/16


def test_port_map_divides_the_input_word():
    ports = [Port("eta", 2, -127, 127), Port("met", 1, 0, 3, 0.5, "GeV"), Port("ht", 1, 0, 7, 0.5, "GeV")]
    event = symbols_of(ports)
    logic = logic_of(ports, event, event.eta[:, :1] * 0.5 + event.eta[:, 1:] - event.met)
    found = port_map(ports, logic, energy_unit=4.0)
    one, energy = {"value": 1.0, "unit": ""}, {"value": 0.5, "unit": "GeV"}
    assert found["inputs"] == [
        {"name": "eta[0]", "bits": [7, 0], "signed": True, "step": one},
        {"name": "eta[1]", "bits": [15, 8], "signed": True, "step": one},
        {"name": "met", "bits": [17, 16], "signed": False, "step": energy},
        {"name": "ht", "bits": None, "signed": False, "step": energy},
    ]
    # from -63.5 - 127 - 3 to 63.5 + 127 in steps of 0.5: 9 bits before the point with the sign, 1 after
    output = {"step": {"value": 2.0, "unit": "GeV"}, "saturation": {"value": 4 * 190.5, "unit": "GeV"}}
    assert found["output"] == {"bits": [9, 0], "signed": True, **output}
