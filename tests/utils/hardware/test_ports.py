"""Ports of the firmware: their widths, and words of integers."""

import numpy as np
import pytest

from utils.data_processing import graph_creator
from utils.hardware.inputs import StudentInputs
from utils.hardware.ports import Port, input_ports, input_words, random_words, word_events
from utils.hardware.scales import HardwareScales


def student_inputs(variable, **scales):
    return StudentInputs(graph_creator(variable), HardwareScales(**scales))


@pytest.mark.parametrize(
    ("low", "high", "width"),
    [(0, 1, 1), (0, 143, 8), (0, 1023, 10), (0, 1024, 11), (-127, 127, 8), (-128, 127, 8), (-129, 127, 9), (-1, 0, 1)],
)
def test_width_of_a_port(low, high, width):
    assert Port("pt", 1, low, high).width == width


def test_a_student_for_ht_takes_neither_angles_nor_met():
    assert [(port.name, port.size) for port in input_ports(student_inputs("true_ht"))] == [
        ("pt", 10),
        ("eta", 10),
        ("ht", 1),
    ]


def test_ports_of_met():
    ports = input_ports(student_inputs("true_met", eta_step=0.0435))
    assert [(port.name, port.size, port.width) for port in ports] == [
        ("pt", 18, 11),
        ("eta", 18, 8),
        ("phi", 18, 8),
        ("met_phi", 1, 8),
        ("met", 1, 12),
        ("ht", 1, 12),
    ]


def test_each_kind_of_object_has_its_own_range():
    (pt, *_) = input_ports(student_inputs("true_met"))
    assert pt.highs.tolist() == [510] * 4 + [511] * 4 + [2047] * 10
    assert pt.width == 11
    assert random_words([pt], 3, seed=1)[1].tolist() == pt.highs.tolist()


def test_each_slot_has_the_name_of_its_object():
    (pt, *_) = input_ports(student_inputs("true_met"))
    assert pt.objects[2:10] == ("muon 3", "muon 4", "egamma 1", "egamma 2", "egamma 3", "egamma 4", "jet 1", "jet 2")
    (pt, *_, ht) = input_ports(student_inputs("true_ht"))
    assert (pt.objects[0], pt.objects[9], ht.objects) == ("jet 1", "jet 10", ())


@pytest.mark.parametrize("variable", ["true_met", "true_ht"])
def test_words_and_back(variable):
    ports = input_ports(student_inputs(variable))
    words = random_words(ports, 50, seed=1)
    np.testing.assert_array_equal(input_words(ports, word_events(ports, words)), words)


def test_random_words_reach_both_ends_of_each_port():
    ports = [Port("eta", 2, -127, 127), Port("met", 1, 0, 3)]
    words = random_words(ports, 2000, seed=1)
    assert words[:3].tolist() == [[-127, -127, 0], [127, 127, 3], [0, 0, 0]]
    assert set(words[3:, 2]) == {0, 1, 2, 3}


def test_an_integer_out_of_range_is_named():
    ports = input_ports(student_inputs("true_ht"))
    events = word_events(ports, random_words(ports, 5, seed=1))
    events.pt[3, 1] = 2048
    with pytest.raises(ValueError, match=r"^103: pt is \[.*2048.*\], expected 0 to 2047$"):
        input_words(ports, events, first=100)
