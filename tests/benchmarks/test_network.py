"""What the comparison with the plain implementation computes, with numbers known from elsewhere."""

import argparse
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks import network
from benchmarks.common import SAME_NETWORK
from utils.training.ragged_graphs import RaggedGraphs

CASES = [network.Case(Path("train.h5"), name, SAME_NETWORK, 256) for name in (network.OURS, network.PLAIN)]


@pytest.fixture
def processes():
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        yield dict(zip(CASES, (first, second), strict=True))


def test_networks_are_named_by_layers_units_and_heads():
    expected = dataclasses.replace(SAME_NETWORK, graph_layers=4, units=96, heads=5)
    assert network.network("4x96x5") == expected


@pytest.mark.parametrize(("text", "found"), [("4x96", "found '4x96'"), ("0x64x3", "graph_layers=0")])
def test_other_names_are_refused(text, found):
    with pytest.raises(argparse.ArgumentTypeError, match=found):
        network.network_name(text)


def test_useful_operations_are_those_of_the_products():
    # Six features, the particle id embedded in two. An event of three objects, with multiplications and additions:
    # first layer 3 x 7 x 192 and 3 x 3 x 192, second layer 3 x 192 x 192 and 3 x 3 x 192.
    one = 2 * (4032 + 1728 + 110592 + 1728)
    assert network.useful_operations(SAME_NETWORK, 6, np.array([3])) == one
    assert network.useful_operations(SAME_NETWORK, 6, np.array([3, 0])) == one / 2


def test_graphs_with_all_slots():
    features = np.zeros((3, 18, 2), np.float32)
    features[0, :2], features[2] = [[1, 2], [3, 4]], np.arange(1, 37).reshape(18, 2)
    np.testing.assert_array_equal(network.all_slots(RaggedGraphs.from_padded(features)), features)


def test_implementations_measure_in_turn(processes, monkeypatch):
    order = []
    seconds = {network.OURS: iter(([[1, 2], [3, 4]], [[100, 0], [3, 4]])), network.PLAIN: iter(([[9, 9]] * 2,) * 2)}

    def times(case, task, epochs):
        order.append((case.implementation, task, epochs))
        return np.array(next(seconds[case.implementation]))

    monkeypatch.setattr(network, "times", times)
    found = network.measured(processes, "training", epochs=2, rounds=2)
    assert order == [(network.OURS, "training", 2), (network.PLAIN, "training", 2)] * 2
    assert {name: value.tolist() for name, value in found.items()} == {network.OURS: [3, 3], network.PLAIN: [9, 9]}


def test_other_corrections_are_an_error(processes, monkeypatch):
    monkeypatch.setattr(network, "corrections", lambda case: np.ones(3))
    network.check_corrections(processes)
    monkeypatch.setattr(network, "corrections", lambda case: np.array([1, 1, 1 + 0.001 * (case is CASES[1])]))
    with pytest.raises(RuntimeError, match=r"differ by up to 0\.001"):
        network.check_corrections(processes)
