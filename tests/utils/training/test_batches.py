"""Batches of graphs: each event once an epoch, whatever the memory, the chunks and the buffer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import random_l1_events, unpacked, write_l1
from tests.utils.training.test_ragged_graphs import graphs_with_holes
from utils.data_processing import graph_creator
from utils.formats.l1_files import L1Dataset
from utils.runtime.errors import UserError
from utils.training import batches, training_graphs
from utils.training.batches import GraphBatches, ShareOfBatches, rotated_and_reflected
from utils.training.loss_weights import LossWeights
from utils.training.options import EventSplit
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import read_training_graphs, subset_counts


class TestSubset:
    @given(st.integers(1, 50000), st.data())
    def test_has_exactly_the_number_wanted_and_no_more_than_a_chunk_has(self, n_events, data):
        n_wanted = data.draw(st.integers(0, n_events))
        counts = subset_counts(n_events, n_wanted, seed=1)
        sizes = [len(range(n_events)[start : start + 4096]) for start in range(0, n_events, 4096)]
        assert counts.sum() == n_wanted
        assert len(counts) == len(sizes)
        assert (counts <= sizes).all()


class TestRotatedAndReflected:
    @given(st.integers(1, 8), st.integers(0, 2**32 - 1))
    def test_keeps_momenta_and_all_sums_of_momenta_and_labels(self, n_graphs, seed):
        features, labels = graphs_with_holes(n_graphs, 18, seed)
        before = RaggedGraphs.from_padded(features, labels)
        after = rotated_and_reflected(before, np.random.default_rng(seed))
        assert_array_equal(after.sizes, before.sizes)
        assert_array_equal(after.labels, labels)
        assert_array_equal(after.nodes[:, 0], before.nodes[:, 0])
        assert_array_equal(np.abs(after.nodes[:, 1]), np.abs(before.nodes[:, 1]))
        assert (np.abs(after.nodes[:, 2]) <= np.float32(np.pi)).all()
        met = []
        for graphs in (before, after):
            padded = graphs.padded().astype(np.float64)
            met.append(np.abs((padded[:, :, 0] * np.exp(1j * padded[:, :, 2])).sum(1)))
        assert_allclose(met[1], met[0], atol=1e-4)

    @given(st.integers(0, 2**32 - 1))
    def test_keeps_distances_between_objects(self, seed):
        features, _ = graphs_with_holes(1, 10, seed)
        before = RaggedGraphs.from_padded(features)
        after = rotated_and_reflected(before, np.random.default_rng(seed))
        distances = []
        for nodes in (before.nodes.astype(np.float64), after.nodes.astype(np.float64)):
            eta, phi = (nodes[:, None, i] - nodes[None, :, i] for i in (1, 2))
            distances.append(np.stack([np.abs(eta), np.cos(phi)]))
        assert_allclose(distances[1], distances[0], atol=1e-5)

    def test_angles_and_signs_are_uniform_and_those_of_the_whole_event(self):
        n = 20000
        features = np.tile(np.float32([[10, 1, 0.5], [5, 2, 1.5]]), (n, 1, 1))
        nodes = rotated_and_reflected(RaggedGraphs.from_padded(features), np.random.default_rng(1)).padded()
        counts = np.histogram(nodes[:, 0, 2], 20, (-np.pi, np.pi))[0]
        assert ((counts - n / 20) ** 2).sum() / (n / 20) < 19 + 5 * np.sqrt(2 * 19)
        assert_array_equal(nodes[:, 1, 1], 2 * nodes[:, 0, 1])
        rotation = np.sin(nodes[:, 1, 2] - nodes[:, 0, 2]) / np.sin(1)  # -1 if reflected
        assert_allclose(np.abs(rotation), 1, rtol=1e-4)
        for signs in (nodes[:, 0, 1], rotation, nodes[:, 0, 1] * rotation):
            assert abs(signs.mean()) < 5 / np.sqrt(n)


@pytest.fixture
def small_chunks(monkeypatch):
    """Read 100 events at a time, and shuffle the graphs of about 3 chunks together."""
    monkeypatch.setattr(training_graphs, "ROWS_A_CHUNK", 100)
    monkeypatch.setattr(batches, "GRAPHS_A_BUFFER", 180)


@pytest.fixture(scope="module")
def events():
    """Return 1050 events, each with a true MET of its own, some without a jet and some without a target."""
    events = random_l1_events(1050)
    events.true_met[:] = 1 + np.arange(1050)
    events.smeared_met[::17] = 0
    return events


@pytest.fixture(scope="module")
def trainable(events):
    """Return the true MET of the events that have a jet and a target."""
    has_jet = (events.smeared_data[:, 8:, 0] > 0).any(1)
    return events.true_met[has_jet & (events.smeared_met > 0)]


@pytest.fixture(scope="module")
def data(events, tmp_path_factory):
    return L1Dataset.check(write_l1(tmp_path_factory.mktemp("batches") / "x.h5", events))


def read_graphs(data, scratch=None, loss_weights=None, **changes):
    split = EventSplit(**{"test_split": 0.2, **changes})
    return read_training_graphs(data, graph_creator("met", ["pt"]), split, scratch, loss_weights)


def epoch_of(graphs, validation=False, batch_size=32, seed=1, number=0):
    """Return features with a row for each graph, labels and weights of the batches of an epoch."""
    epoch = GraphBatches(graphs, validation, batch_size, seed).epoch(number)
    return [(unpacked(inputs), labels, weights) for inputs, labels, weights in epoch]


def true_met_of(epoch):
    return np.concatenate([labels[:, 1] for _, labels, _ in epoch])


@pytest.mark.usefixtures("small_chunks")
class TestEpoch:
    @pytest.mark.parametrize("in_memory", [True, False])
    def test_has_each_trainable_event_exactly_once(self, data, trainable, in_memory, tmp_path):
        graphs = read_graphs(data, scratch=None if in_memory else tmp_path)
        parts = [true_met_of(epoch_of(graphs, validation)) for validation in (False, True)]
        assert sorted(np.concatenate(parts)) == sorted(trainable)
        assert [len(part) for part in parts] == [graphs.n_training, graphs.n_validation]

    def test_carries_features_and_labels_of_the_same_event(self, data, events):
        for features, labels, _ in epoch_of(read_graphs(data)):
            for graph, (correction, true_met) in zip(features, labels, strict=True):
                row = int(true_met) - 1
                objects = events.smeared_data[row][events.smeared_data[row, :, 0] > 0]
                assert_allclose(graph[graph[:, 0] > 0][:, 0], np.log(objects[:, 0] + 1), rtol=1e-6)
                assert correction == pytest.approx(true_met / events.smeared_met[row], rel=1e-6)

    @pytest.mark.parametrize("in_memory", [True, False])
    @pytest.mark.parametrize("validation", [False, True])
    def test_gives_each_process_its_share_of_the_loss(self, data, events, validation, in_memory, tmp_path):
        rule = LossWeights(0.5, process_shares={"QCD": 4, "W": 1})
        graphs = read_graphs(data, loss_weights=rule, scratch=None if in_memory else tmp_path)
        epoch = epoch_of(graphs, validation)
        rows = true_met_of(epoch).astype(int) - 1
        weights = np.concatenate([weights for _, _, weights in epoch])
        ids, roots = events.ids[rows], np.sqrt(events.weights[rows].astype(float))
        for number, share in ((1, 0.8), (2, 0.2)):
            of_it = ids == number
            assert_allclose(weights[of_it], share * len(rows) * roots[of_it] / roots[of_it].sum(), rtol=1e-5)

    def test_counts_all_events_the_same_without_a_rule(self, data):
        assert {weight for _, _, weights in epoch_of(read_graphs(data)) for weight in weights} == {1}

    @pytest.mark.parametrize("batch_size", [1, 7, 32, 300, 5000])
    def test_has_as_many_batches_as_it_says_and_all_full_but_one(self, data, batch_size):
        graphs = read_graphs(data)
        found = epoch_of(graphs, batch_size=batch_size)
        assert len(found) == len(GraphBatches(graphs, False, batch_size, 1))
        lengths = sorted(len(labels) for _, labels, _ in found)
        assert lengths[1:] == [batch_size] * (len(found) - 1)

    @pytest.mark.parametrize("max_events", [None, 333])
    @pytest.mark.parametrize("validation", [False, True])
    def test_is_the_same_to_the_bit_in_memory_and_streamed(self, data, validation, max_events, tmp_path):
        epochs = [
            epoch_of(read_graphs(data, scratch=scratch, max_events=max_events), validation, number=4)
            for scratch in (None, tmp_path)
        ]
        assert len(epochs[0]) == len(epochs[1]) > 1
        for (features, labels, _), (streamed_features, streamed_labels, _) in zip(*epochs, strict=True):
            assert_array_equal(features, streamed_features)
            assert_array_equal(labels, streamed_labels)

    def test_is_the_same_when_made_again_and_differs_from_others(self, data):
        graphs = read_graphs(data)
        first = true_met_of(epoch_of(graphs))
        assert_array_equal(true_met_of(epoch_of(graphs)), first)
        for other in ({"number": 1}, {"seed": 2}):
            assert not np.array_equal(true_met_of(epoch_of(graphs, **other)), first)
            assert sorted(true_met_of(epoch_of(graphs, **other))) == sorted(first)

    def test_rotates_training_events_anew_and_leaves_those_of_the_validation(self, data, events):
        graphs = read_graphs(data)

        def angles(validation, number):
            batches = epoch_of(graphs, validation, number=number)
            return {labels[i, 1]: x[i, 0, 2] for x, labels, _ in batches for i in range(len(x))}

        first, second = angles(False, 0), angles(False, 1)
        assert np.mean([first[event] == second[event] for event in first]) < 0.01
        for event, phi in angles(True, 0).items():
            objects = events.smeared_data[int(event) - 1]
            assert phi == objects[objects[:, 0] > 0][0, 2]

    def test_mixes_events_of_all_chunks_of_a_buffer(self, data):
        graphs = read_graphs(data)
        chunks_of_batches = [set((labels[:, 1] - 1) // 100) for _, labels, _ in epoch_of(graphs, batch_size=50)]
        assert np.mean([len(chunks) for chunks in chunks_of_batches]) > 2.5

    @pytest.mark.parametrize("n_parts", [2, 3, 40])
    def test_in_parts_has_the_events_of_each_batch_in_turn(self, data, n_parts):
        graphs = read_graphs(data)
        whole = GraphBatches(graphs, False, 32, 1)
        in_parts = GraphBatches(graphs, False, 32, 1, n_parts)
        assert len(in_parts) == len(whole)
        parts = list(in_parts.epoch(0))
        for number, (inputs, labels, weights) in enumerate(whole.epoch(0)):
            some = parts[number * n_parts : (number + 1) * n_parts]
            assert_array_equal(np.concatenate([part[1] for part in some]), labels)
            assert_array_equal(np.concatenate([part[2] for part in some]), weights)
            features = np.concatenate([unpacked(part[0]) for part in some])
            assert_array_equal(features, unpacked(inputs))
        assert len(parts) == n_parts * len(whole)

    def test_with_a_multiple_of_rows_has_the_same_events_in_few_shapes(self, data):
        graphs = read_graphs(data)
        shapes = set()
        few = GraphBatches(graphs, False, 64, 1, row_multiple=16)
        for found, exact in zip(few.epoch(2), GraphBatches(graphs, False, 64, 1).epoch(2), strict=True):
            n_nodes = int((exact[0][2] > 0).sum())
            assert (found[0][2] > 0).sum() == n_nodes
            assert found[0][2].shape[0] % 16 == 0
            for one, other in zip(found[1:], exact[1:], strict=True):
                assert_array_equal(one, other)
            shapes.add((len(found[1]), *found[0][2].shape))
        assert len(few) > 10
        assert len(shapes) <= 4


def test_a_file_of_several_chunks_is_read_the_same_with_any_buffer(monkeypatch, data, trainable):
    for rows, buffer in ((1050, 5000), (1049, 1), (350, 700), (210, 800), (17, 50)):
        monkeypatch.setattr(training_graphs, "ROWS_A_CHUNK", rows)
        monkeypatch.setattr(batches, "GRAPHS_A_BUFFER", buffer)
        graphs = read_graphs(data)
        assert graphs.n_training + graphs.n_validation == len(trainable)
        found = epoch_of(graphs, batch_size=40)
        assert sorted(true_met_of(found)) == sorted(true_met_of(epoch_of(graphs, batch_size=1000)))
        assert len(found) == -(-graphs.n_training // 40)


class NumberedGraphs:
    """Training graphs of random sizes, numbered in their labels, in chunks of given lengths."""

    def __init__(self, lengths, seed):
        self.n_chunks, self.n_training = len(lengths), sum(lengths)
        self.sizes = np.random.default_rng(seed).integers(1, 19, self.n_training, np.int16)
        self.largest = max(self.sizes)
        labels = np.repeat(np.arange(self.n_training, dtype=np.float32)[:, None], 2, axis=1)
        rows = np.split(np.arange(self.n_training), np.cumsum(lengths)[:-1])
        self.chunks = [
            RaggedGraphs(
                np.ones((self.sizes[row].sum(), 3), np.float32),
                self.sizes[row],
                labels[row],
                np.ones(len(row), np.float32),
                np.zeros(len(row), np.int16),
            )
            for row in rows
        ]

    def chunk(self, number, validation):
        return self.chunks[number]


class TestShareOfBatches:
    @pytest.mark.parametrize(("share", "n_batches"), [(1, 19), (0.5, 10), (0.01, 1)])
    @pytest.mark.parametrize("n_parts", [1, 2])
    def test_are_the_first_of_each_epoch(self, share, n_batches, n_parts):
        source = GraphBatches(NumberedGraphs([100, 90], seed=1), False, 10, 1, n_parts)
        batches = ShareOfBatches(source, share, n_parts)
        assert len(batches) == n_batches
        for number in (0, 1):
            found, expected = list(batches.epoch(number)), list(source.epoch(number))
            assert len(found) == n_batches * n_parts
            for one, other in zip(found, expected[: len(found)], strict=True):
                assert_array_equal(one[1], other[1])


class TestEndOfEpoch:
    @given(
        st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any),
        st.integers(1, 200),
        st.integers(1, 70),
        st.integers(0, 2**32 - 1),
    )
    def test_each_graph_is_there_once_whatever_the_chunks_the_buffer_and_the_batches(
        self, lengths, buffer, batch_size, seed
    ):
        graphs = NumberedGraphs(lengths, seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batches, "GRAPHS_A_BUFFER", buffer)
            found = epoch_of(graphs, batch_size=batch_size, seed=seed)
        n = sum(lengths)
        assert len(found) == len(GraphBatches(graphs, False, batch_size, seed)) == -(-n // batch_size)
        assert [len(labels) for _, labels, _ in found[:-1]] == [batch_size] * (len(found) - 1)
        assert sorted(true_met_of(found)) == list(range(n))
        for features, labels, _ in found:
            assert_array_equal((features[:, :, 0] > 0).sum(1), graphs.sizes[labels[:, 1].astype(int)])

    def test_rows_of_all_batches_have_a_place_for_each_node_of_the_largest_graph(self):
        graphs = NumberedGraphs([100, 90], seed=1)
        lengths = {inputs[2].shape[1] for inputs, _, _ in GraphBatches(graphs, False, 10, 1).epoch(0)}
        assert lengths == {graphs.sizes.max()} == {18}

    def test_the_batch_that_is_not_full_is_of_no_special_size(self):
        graphs = NumberedGraphs([100, 90], seed=1)
        last = [graphs.sizes[epoch_of(graphs, number=i)[-1][1][:, 1].astype(int)] for i in range(100)]
        assert {len(sizes) for sizes in last} == {190 % 32}
        error = graphs.sizes.std() / np.sqrt(100 * (190 % 32))
        assert abs(np.mean(last) - graphs.sizes.mean()) < 5 * error


@pytest.mark.usefixtures("small_chunks")
class TestParts:
    def test_validation_has_its_share(self, data, trainable):
        graphs = read_graphs(data, test_split=0.3)
        expected, width = 0.3 * len(trainable), np.sqrt(len(trainable) * 0.3 * 0.7)
        assert abs(graphs.n_validation - expected) < 5 * width

    def test_do_not_depend_on_memory_or_chunks(self, data, monkeypatch, tmp_path):
        first = sorted(true_met_of(epoch_of(read_graphs(data), validation=True)))
        monkeypatch.setattr(training_graphs, "ROWS_A_CHUNK", 333)
        assert sorted(true_met_of(epoch_of(read_graphs(data, scratch=tmp_path), validation=True))) == first

    def test_statistics_are_those_of_the_real_training_nodes_as_they_are_in_the_file(self, data, events):
        graphs = read_graphs(data)
        rows = np.sort(true_met_of(epoch_of(graphs)).astype(int) - 1)
        objects = events.smeared_data[rows].astype(np.float64)
        real = objects[:, :, 0] > 0
        n_real = real.sum(1)
        columns = [
            np.log1p(objects[:, :, 0][real]),
            objects[:, :, 1][real],
            objects[:, :, 2][real],
            np.repeat(events.smeared_met[rows].astype(np.float64), n_real),
            np.repeat(events.smeared_ht[rows].astype(np.float64), n_real),
        ]
        assert_allclose(graphs.moments.mean[:5], [column.mean() for column in columns], rtol=1e-6, atol=1e-7)
        assert_allclose(graphs.moments.variance[:5], [column.var() for column in columns], rtol=1e-6)

    @pytest.mark.parametrize(("test_split", "part"), [(1e-9, "validation"), (1 - 1e-9, "training")])
    def test_without_an_event_are_named(self, data, test_split, part):
        with pytest.raises(UserError, match=rf"x\.h5: no event is left for the {part}"):
            read_graphs(data, test_split=test_split)


def mean_correction(data, validation, **settings):
    """Return the weighted mean of the correction, which stands for any loss, over a part."""
    epoch = epoch_of(read_graphs(data, **settings), validation)
    labels, weights = (np.concatenate([batch[i] for batch in epoch]).astype(float) for i in (1, 2))
    assert weights.mean() == pytest.approx(1, rel=1e-6)
    return np.average(labels[:, 0], weights=weights)


@pytest.mark.usefixtures("small_chunks")
class TestShares:
    """Of the processes in the loss, by the weights of signed events."""

    @pytest.fixture(scope="class")
    @classmethod
    def signed(cls, events):
        """Return events a quarter of which have a negative weight."""
        return replace(events, weights=np.where(np.arange(len(events)) % 4, 1, -1) * events.weights)

    @pytest.mark.parametrize("validation", [False, True])
    @pytest.mark.parametrize("rule", [LossWeights(), LossWeights(0.5, process_shares={"QCD": 4, "W": 1})])
    def test_give_the_same_loss_whatever_the_number_of_events(self, signed, rule, validation, tmp_path):
        """Each event of W is there three times, and one without a jet, not trained on, a hundred times.

        Copies of an event belong to the same part, as its smearings do.
        """
        n = len(signed)
        no_jet = np.flatnonzero((signed.smeared_data[:, 8, 0] == 0) & (signed.ids == 2))[0]
        rows = np.concatenate([np.arange(n), np.tile(np.flatnonzero(signed.ids == 2), 2), np.full(100, no_jet)])
        once, more = (
            mean_correction(L1Dataset.check(write_l1(tmp_path / name, of)), validation, loss_weights=rule)
            for name, of in (("once.h5", signed), ("more.h5", signed[rows]))
        )
        assert more == pytest.approx(once, rel=1e-6)

    def test_of_a_process_without_a_positive_sum_are_refused(self, events, tmp_path):
        wrong = replace(events, weights=np.where(events.ids == 2, -1, 1).astype(np.float32))
        path = write_l1(tmp_path / "x.h5", wrong)
        message = r"x\.h5: training: process 'W': the weights of its \d+ events add up to -\d+, expected a finite sum"
        with pytest.raises(UserError, match=message):
            read_graphs(L1Dataset.check(path), loss_weights=LossWeights())

    def test_follow_the_sampled_spectrum_unless_told_otherwise(self, events, tmp_path):
        kept = np.where(events.true_met < 500, 0.1, 1).astype(np.float32)
        path = write_l1(tmp_path / "x.h5", replace(events, weights=events.weights / kept, keep_probability=kept))
        below = []
        for rule in (LossWeights(), LossWeights(sampled_spectrum=False)):
            epoch = epoch_of(read_graphs(L1Dataset.check(path), loss_weights=rule))
            labels, weights = (np.concatenate([batch[i] for batch in epoch]) for i in (1, 2))
            below.append(weights[labels[:, 1] < 500].sum() / weights.sum())
        odds = [share / (1 - share) for share in below]
        assert odds[1] / odds[0] == pytest.approx(10, rel=0.1)  # not quite, for the two processes


@pytest.fixture(scope="module")
def all_trainable(tmp_path_factory):
    """Return a file in which each event has a jet and a target."""
    events = random_l1_events(450)
    events.smeared_data[:, 8, 0] = 50
    events.true_met[:] = 1 + np.arange(450)
    return L1Dataset.check(write_l1(tmp_path_factory.mktemp("subset") / "x.h5", events))


@pytest.mark.usefixtures("small_chunks")
class TestMaxEvents:
    @pytest.mark.parametrize("max_events", [20, 100, 449, 450, 10000])
    def test_is_the_exact_number_of_events_used(self, all_trainable, max_events):
        graphs = read_graphs(all_trainable, max_events=max_events)
        assert graphs.n_training + graphs.n_validation == min(max_events, 450)

    def test_takes_each_event_with_equal_probability(self, all_trainable):
        n_seeds, n_wanted = 80, 150
        times = np.zeros(450)
        for seed in range(n_seeds):
            graphs = read_graphs(all_trainable, max_events=n_wanted, seed=seed)
            for validation in (False, True):
                taken = np.concatenate([graphs.chunk(i, validation).labels[:, 1] for i in range(graphs.n_chunks)])
                times[taken.astype(int) - 1] += 1
        share = n_wanted / 450
        chi2 = ((times - n_seeds * share) ** 2).sum() / (n_seeds * share * (1 - share))
        assert times.sum() == n_seeds * n_wanted
        assert abs(chi2 - 449) < 5 * np.sqrt(2 * 449)
        per_chunk = times.reshape(-1, 50).sum(1)  # nor is any part of the file preferred
        assert np.abs(per_chunk - n_seeds * share * 50).max() < 5 * np.sqrt(n_seeds * 50 * share * (1 - share))
