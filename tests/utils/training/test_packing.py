"""Packed graphs: each in one row, none lost, few rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.toys import unpacked
from utils.training.packing import PLACES_A_ROW, pack
from utils.training.ragged_graphs import RaggedGraphs


def graphs_of_sizes(sizes):
    """Return graphs whose nodes are numbered from 1 in their first feature."""
    sizes = np.array(sizes, np.int16)
    n_nodes = int(sizes.sum())
    nodes = np.stack([1 + np.arange(n_nodes), np.random.default_rng(1).normal(size=n_nodes)], axis=1)
    labels, ones = np.zeros((len(sizes), 2), np.float32), np.ones(len(sizes), np.float32)
    return RaggedGraphs(nodes.astype(np.float32), sizes, labels, ones, np.zeros(len(sizes), np.int16))


@given(st.lists(st.integers(0, 18), max_size=60))
def test_each_graph_lies_in_neighbouring_places_of_one_row(sizes):
    graphs = graphs_of_sizes(sizes)
    found = pack(graphs)
    assert found.features.shape[:2] == found.graphs.shape
    assert sorted(found.features[found.graphs > 0][:, 0]) == list(range(1, 1 + sum(sizes)))
    assert_array_equal(found.features[found.graphs == 0], 0)
    numbers, nodes = found.graphs.ravel(), found.features.reshape(-1, 2)
    for graph, (first, size) in enumerate(zip(found.first, sizes, strict=True)):
        places = np.arange(first, first + size)
        assert_array_equal(np.flatnonzero(numbers == graph + 1), places)
        assert_array_equal(nodes[places], graphs.nodes[graphs.starts[graph] : graphs.starts[graph] + size])
        if size:
            assert len(set(places // found.graphs.shape[1])) == 1
        else:
            assert numbers[first] == 0


def test_graphs_fill_the_places_by_hand():
    """The largest first, each into the first row with places left: 7 5 | 4 3 2 2 1."""
    found = pack(graphs_of_sizes([1, 5, 2, 7, 4, 3, 2]))
    assert_array_equal(found.graphs, [[4] * 7 + [2] * 5, [5] * 4 + [6] * 3 + [3] * 2 + [7] * 2 + [1]])
    assert_array_equal(found.first, [23, 7, 19, 0, 12, 16, 21])


def test_events_of_three_objects_waste_few_places():
    sizes = np.clip(np.random.default_rng(1).poisson(2, 1024) + 1, 1, 12)
    found = pack(graphs_of_sizes(sizes))
    assert len(found.graphs) <= np.ceil(sizes.sum() / PLACES_A_ROW) + 1


@pytest.mark.parametrize("size", [PLACES_A_ROW, PLACES_A_ROW + 1, 18])
def test_rows_are_as_long_as_the_largest_graph(size):
    assert pack(graphs_of_sizes([1, size])).graphs.shape[1] == size


def test_features_come_back():
    graphs = graphs_of_sizes([3, 0, 12, 1, 1, 7])
    padded = graphs.padded()
    assert_array_equal(unpacked(pack(graphs).inputs)[:, : padded.shape[1]], padded)


def test_without_graphs():
    found = pack(graphs_of_sizes([]))
    assert found.features.shape == (0, PLACES_A_ROW, 2)
    assert found.first.shape == (0,)


class TestRowMultiple:
    @given(st.lists(st.integers(0, PLACES_A_ROW), max_size=60), st.integers(2, 9))
    def test_adds_empty_rows_at_the_end(self, sizes, multiple):
        exact, found = pack(graphs_of_sizes(sizes)), pack(graphs_of_sizes(sizes), row_multiple=multiple)
        n_rows = len(exact.graphs)
        assert len(found.graphs) % multiple == 0
        assert 0 <= len(found.graphs) - n_rows < multiple
        assert_array_equal(found.first, exact.first)
        for name in ("graphs", "features"):
            assert_array_equal(getattr(found, name)[:n_rows], getattr(exact, name))
            assert_array_equal(getattr(found, name)[n_rows:], 0)


@pytest.mark.parametrize(("largest", "n_places"), [(3, 12), (12, 12), (13, 13), (20, 20)])
def test_rows_have_twelve_places_or_those_of_the_largest_graph(largest, n_places):
    assert pack(graphs_of_sizes([1, largest])).graphs.shape[1] == n_places
