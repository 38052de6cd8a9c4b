"""Test vectors: each kind is what its name says, and the files hold the integers in the bits of the port map."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.toys import random_l1_events
from utils.data_processing import graph_creator
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import hardware_events
from utils.hardware.ports import input_ports, input_words, word_events
from utils.hardware.scales import HardwareScales
from utils.hardware.vectors import make_vectors, packed_words, write_vectors


def vectors_of(variable, seed=1):
    """Return the events of each kind, of a student whose jets saturate later than its muons and e/g."""
    inputs = StudentInputs(
        graph_creator(variable), HardwareScales(muon_saturation=1023, egamma_saturation=1023, jet_saturation=2047)
    )
    ports = input_ports(inputs)
    typical = input_words(ports, hardware_events(random_l1_events(40), inputs.slots, inputs.scales))
    made = make_vectors(inputs, ports, typical, seed)
    return {part.kind: word_events(ports, part.words) for part in made}, made


@pytest.fixture(scope="module")
def kinds():
    return vectors_of("true_met")[0]


@pytest.mark.parametrize(("variable", "n_others"), [("true_met", 400), ("true_ht", 360)])
def test_each_kind_has_its_events(variable, n_others):
    _, made = vectors_of(variable)
    assert sum(len(part.words) for part in made) == 40 + n_others
    assert {part.kind for part in made} >= {"typical", "without_jet", "saturated", "empty", "one_jet", "random"}


def test_are_the_same_for_an_equal_seed_and_others_for_another():
    (_, first), (_, second), (_, other) = vectors_of("true_met"), vectors_of("true_met"), vectors_of("true_met", 2)
    assert all((one.words == two.words).all() for one, two in zip(first, second, strict=True))
    assert any((one.words != two.words).any() for one, two in zip(first, other, strict=True))


def test_without_jets_and_without_met(kinds):
    assert not kinds["without_jet"].pt[:, 8:].any()
    assert kinds["without_jet"].met.any()
    assert not kinds["met_0"].met.any()
    assert kinds["met_0"].pt[:, 8:].any()


def test_saturated_has_one_integer_at_its_largest_in_turn(kinds):
    events = kinds["saturated"]
    largest = np.array([1023] * 8 + [2047] * 10)
    saturated = np.column_stack([events.pt == largest, events.met == 4095, events.ht == 4095])
    assert_array_equal(saturated.sum(axis=1), 1)
    assert_array_equal(saturated.argmax(axis=1), np.arange(100) % 20)


@pytest.mark.parametrize(("kind", "slots"), [("muon", range(4)), ("egamma", range(4, 8)), ("jet", range(8, 18))])
def test_one_object_has_the_sums_that_follow_from_it(kinds, kind, slots):
    events = kinds[f"one_{kind}"]
    assert_array_equal((events.pt > 0).sum(axis=1), 1)
    assert set(events.pt.argmax(axis=1)) == set(slots)
    assert_array_equal(events.met, events.pt.max(axis=1))
    assert_array_equal(events.met_phi, (events.phi.max(axis=1) + 72) % 144)  # opposite to the object
    assert_array_equal(events.ht, events.met if kind == "jet" else 0)


def test_integers_are_packed_into_their_bits_in_twos_complement():
    bits = [[3, 0], None, [7, 4]]
    words = np.array([[5, 99, -1], [15, 99, -8]])
    assert packed_words(words, [{"bits": one} for one in bits]) == [0xF5, 0x8F]


def test_files_have_an_event_a_line(tmp_path):
    _, made = vectors_of("true_ht")
    n_events = sum(len(part.words) for part in made)
    names = [f"integer{i}" for i in range(21)]
    inputs = [{"name": name, "bits": [12 * i + 11, 12 * i]} for i, name in enumerate(names)]
    ports = {
        "module": {"input_bits": 252, "output_bits": 11},
        "inputs": inputs,
        "output": {"step": {"value": 0.5, "unit": "GeV"}},
    }
    outputs = np.arange(n_events) * 3
    kinds = write_vectors(tmp_path / "vectors", made, outputs, ports)
    header, *lines = (tmp_path / "vectors" / "vectors.txt").read_text().splitlines()[2:]
    assert header.split() == ["#", "event", "kind", *names, "output"]
    rows = [line.split() for line in lines]
    words = (tmp_path / "vectors" / "inputs.mem").read_text().split()
    assert {len(word) for word in words} == {63}
    for row, word, output in zip(rows, words, (tmp_path / "vectors" / "outputs.mem").read_text().split(), strict=True):
        integers = [(int(word, 16) >> 12 * i) % 4096 for i in range(21)]
        assert [int(value) % 4096 for value in row[2:-1]] == integers
        assert int(row[-1]) == int(output, 16)
    for kind in kinds:
        assert {row[1] for row in rows[kind["first"] : kind["first"] + kind["events"]]} == {kind["kind"]}
