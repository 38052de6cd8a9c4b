"""Graphs without padding: nothing is lost or mixed up, in memory or in a file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.toys import random_l1_events
from utils.data_processing import graph_creator
from utils.training.ragged_graphs import GraphFile, RaggedGraphs


def graphs_with_holes(n_graphs, n_nodes, seed):
    """Return node features with empty nodes anywhere, and labels."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(0.1, 9, (n_graphs, n_nodes, 3)).astype(np.float32)
    features[rng.random((n_graphs, n_nodes)) < rng.random()] = 0
    return features, rng.normal(size=(n_graphs, 2)).astype(np.float32)


def by_hand(features):
    """Return the real nodes of each graph, by a loop."""
    return [[node.tolist() for node in graph if node[0] > 0] for graph in features]


class TestRaggedGraphs:
    @given(st.integers(1, 8), st.integers(1, 18), st.integers(0, 2**32 - 1))
    def test_padding_puts_real_nodes_first_and_loses_none(self, n_graphs, n_nodes, seed):
        features, labels = graphs_with_holes(n_graphs, n_nodes, seed)
        ragged = RaggedGraphs.from_padded(features, labels)
        padded = ragged.padded()
        assert by_hand(padded) == by_hand(features)
        assert_array_equal(ragged.sizes, [len(nodes) for nodes in by_hand(features)])
        assert padded.shape[1] == max(1, *ragged.sizes)
        for graph, size in zip(padded, ragged.sizes, strict=True):
            assert (graph[:size, 0] > 0).all()
            assert not graph[size:].any()

    @given(st.lists(st.integers(0, 7), max_size=20), st.integers(0, 2**32 - 1))
    def test_taking_rows_agrees_with_indexing(self, rows, seed):
        features, labels = graphs_with_holes(8, 10, seed)
        rows = np.array(rows, int)
        taken = RaggedGraphs.from_padded(features, labels).take(rows)
        assert by_hand(taken.padded()) == by_hand(features[rows])
        assert_array_equal(taken.labels, labels[rows])
        assert len(taken) == len(rows)

    def test_parts_are_joined_in_order(self):
        features, labels = graphs_with_holes(9, 6, 1)
        cuts = (slice(0, 2), slice(2, 2), slice(2, 9))
        joined = RaggedGraphs.concatenate([RaggedGraphs.from_padded(features[rows], labels[rows]) for rows in cuts])
        assert by_hand(joined.padded()) == by_hand(features)
        assert_array_equal(joined.labels, labels)

    def test_graphs_without_nodes_are_padded_too(self):
        ragged = RaggedGraphs.from_padded(np.zeros((3, 18, 6), np.float32))
        assert_array_equal(ragged.sizes, [0, 0, 0])
        assert ragged.padded().shape == (3, 1, 6)
        assert_array_equal(ragged.labels, np.zeros((3, 2)))

    @pytest.mark.parametrize(
        ("variable", "log_features"),
        [("met", ()), ("met", ("pt", "met", "ht")), ("original_met", ("ht",)), ("ht", ("pt",))],
    )
    def test_of_events_are_those_of_the_padded_graphs(self, variable, log_features):
        events = random_l1_events(300)
        events.smeared_data[::7, 3] = [5, -1, 2]
        creator = graph_creator(variable, log_features)
        labels = creator.labels(events)
        found = RaggedGraphs.from_events(creator, events, labels, np.ones(300, np.float32), np.zeros(300, np.int16))
        expected = RaggedGraphs.from_padded(creator.features(events), labels)
        assert sorted(set(found.sizes)) == ([0, 1, 2, 3, 4, 5] if variable == "ht" else [0, 1, 2, 3, 4, 5, 6, 7, 8])
        for name in ("nodes", "sizes", "labels", "weights"):
            assert_array_equal(getattr(found, name), getattr(expected, name))
            assert getattr(found, name).dtype == getattr(expected, name).dtype


class TestGraphFile:
    @pytest.fixture
    def parts(self):
        sizes = [np.array(sizes, np.int16) for sizes in ([2, 0, 3], [], [0, 0], [1])]
        rng = np.random.default_rng(1)
        return [
            RaggedGraphs(
                rng.random((s.sum(), 5), np.float32),
                s,
                rng.random((len(s), 2), np.float32),
                rng.random(len(s), np.float32),
                np.arange(len(s), dtype=np.int16),
            )
            for s in sizes
        ]

    def test_gives_back_its_parts_in_any_order(self, parts, tmp_path):
        kept = GraphFile(tmp_path)
        for i, part in enumerate(parts):
            kept.append(part)
            for number in (*range(i, -1, -1), i):
                for name in ("nodes", "sizes", "labels", "weights"):
                    assert_array_equal(getattr(kept[number], name), getattr(parts[number], name))

    def test_leaves_nothing_in_the_folder(self, parts, tmp_path):
        kept = GraphFile(tmp_path)
        kept.append(parts[0])
        assert list(tmp_path.iterdir()) == []

    def test_that_lost_its_end_is_refused(self, parts, tmp_path):
        kept = GraphFile(tmp_path)
        kept.append(parts[0])
        kept._file.truncate(100)
        with pytest.raises(OSError, match="temporary file of the graphs cannot be read"):
            kept[0]
