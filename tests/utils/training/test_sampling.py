"""The probability to keep an event, against values worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import l1_events, random_l1_events
from utils.training.sampling import Flattening, SamplingCounts, count_for_flattening, jet_count_probability

JETS = np.array([0, 1, 2, 3, 10])


class TestJetCount:
    @pytest.mark.parametrize(
        ("fractions", "mode", "expected"),
        [
            ([], "==", [1, 1, 1, 1, 1]),
            ([], ">=", [1, 1, 1, 1, 1]),
            ([1.0, 0.2], "==", [1, 0.2, 1, 1, 1]),
            ([0.5, 0, 0.25], "==", [0.5, 0, 0.25, 1, 1]),
            ([0.5], ">=", [0.5, 0.5, 0.5, 0.5, 0.5]),
            ([1.0, 0.5, 0.1], ">=", [1, 0.5, 0.05, 0.05, 0.05]),
            ([0.5, 0, 1], ">=", [0.5, 0, 0, 0, 0]),
            ([0.1] * 11, "==", [0.1, 0.1, 0.1, 0.1, 0.1]),
        ],
    )
    def test_probability(self, fractions, mode, expected):
        assert_allclose(jet_count_probability(JETS, fractions, mode), expected)

    @given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from(["==", ">="]))
    def test_is_a_probability_and_falls_with_the_jets_in_the_inclusive_mode(self, fractions, mode):
        probability = jet_count_probability(np.arange(11), fractions, mode)
        assert ((probability >= 0) & (probability <= 1)).all()
        if mode == ">=":
            assert (np.diff(probability) <= 0).all()


class TestFlattening:
    def test_brings_bins_down_to_the_one_above_the_threshold(self):
        flattening = Flattening.fit(np.array([1000, 400, 100, 50]), threshold=30.0)
        assert_allclose(flattening.probability, [0.05, 0.125, 0.5])
        assert_allclose(flattening([0, 9.99, 10, 19, 20, 29.99, 30, 1e6]), [0.05, 0.05, 0.125, 0.125, 0.5, 0.5, 1, 1])

    def test_bins_with_too_few_events_are_kept_whole(self):
        flattening = Flattening.fit(np.array([10, 0, 200, 50]), threshold=30.0)
        assert_allclose(flattening.probability, [1, 1, 0.25])

    @given(st.lists(st.integers(1, 10**6), min_size=2, max_size=20), st.floats(1, 1000))
    def test_expects_equal_numbers_in_all_bins_that_have_enough(self, counts, threshold):
        flattening = Flattening.fit(np.array(counts), threshold)
        n_bins = len(counts) - 1
        centres = (np.arange(n_bins) + 0.5) * threshold / n_bins
        expected = flattening(centres) * counts[:-1]
        assert_allclose(expected, np.minimum(counts[:-1], counts[-1]), rtol=1e-9)

    def test_counts_have_one_bin_more_above_the_threshold(self):
        values = np.float32([0, 4.9, 5, 9.9, 10, 14.9, 15.1, 500])
        assert_array_equal(count_for_flattening(values, threshold=10.0, n_bins=2), [2, 2, 2])

    @given(st.lists(st.floats(0, 100, width=32), max_size=50), st.integers(0, 50), st.integers(1, 10))
    def test_counts_of_parts_add_up(self, values, cut, n_bins):
        values = np.array(values, np.float32)
        parts = [count_for_flattening(part, 30.0, n_bins) for part in (values[:cut], values[cut:])]
        assert_array_equal(sum(parts), count_for_flattening(values, 30.0, n_bins))


class TestCounts:
    @pytest.fixture
    def counts(self):
        objects = np.zeros((6, 18, 3), np.float32)
        for event, n_jets in enumerate([0, 1, 1, 2, 2, 10]):
            objects[event, 8 : 8 + n_jets, 0] = 30
        events = l1_events(objects, true_met=[5, 15, 25, 35, 299, 301])
        counts = SamplingCounts.empty("true_met", 100.0, {1: "QCD", 2: "W"})
        prescaled = np.array([False, True, True, True, True, True])
        for rows in (slice(0, 2), slice(2, 6)):
            chosen = np.ones(rows.stop - rows.start, bool)
            counts.add(events[rows], chosen, prescaled[rows], (prescaled & (np.arange(6) != 2))[rows])
        return counts

    def test_counts_jets_before_and_after(self, counts):
        assert counts.jets_before.tolist() == [1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 1]
        assert counts.jets_after.tolist() == [0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
        assert counts.n_kept == 4

    def test_spectra_go_to_three_times_the_threshold(self, counts):
        assert counts.edges[[0, 1, -1]].tolist() == [0, 5, 300]
        assert np.flatnonzero(counts.before).tolist() == [1, 3, 5, 7, 59]
        assert np.flatnonzero(counts.prescaled).tolist() == [3, 5, 7, 59]
        assert np.flatnonzero(counts.after).tolist() == [3, 7, 59]

    def test_text_is_a_table(self, counts):
        rows = [line.split() for line in counts.text().splitlines()]
        assert rows[0] == ["L1", "jets", "before", "after", "kept"]
        assert rows[1:4] == [["0", "1", "0", "0.00%"], ["1", "2", "1", "50.00%"], ["2", "2", "2", "100.00%"]]
        assert rows[4] == ["3", "0", "0", "-"]
        assert rows[12] == ["all", "6", "4", "66.67%"]

    def test_text_has_the_share_of_the_loss_of_events_with_a_jet(self, counts):
        _, without, sampled = counts.text().split("\n\n")
        assert "without the selection" in without
        assert without.splitlines()[2].split() == ["0", "-", "25", "20%", "(1)"]
        assert sampled.splitlines()[2].split() == ["0", "-", "25", "25%", "(1)"]
        assert sampled.splitlines()[3].split() == ["25", "-", "50", "25%", "(1)"]
        assert sampled.splitlines()[-2].split() == ["300", "-", "inf", "25%", "(1)"]
        assert sampled.splitlines()[-1].split() == ["all", "100%", "(4)"]

    def test_counts_of_random_events_are_those_of_numpy_in_any_chunks(self):
        rng = np.random.default_rng(5)
        events = replace(random_l1_events(3000), keep_probability=rng.uniform(0.1, 1, 3000).astype(np.float32))
        events.smeared_met[::9] = 0
        chosen = events.ids == 2
        prescaled = chosen & (rng.random(3000) < 0.7)
        kept = prescaled & (rng.random(3000) < 0.5)
        n_jets = (events.smeared_data[:, 8:, 0] > 0).sum(1)
        trainable = (n_jets > 0) & (events.smeared_met > 0)
        for size in (3000, 700, 1):
            counts = SamplingCounts.empty("true_met", 20.0, {2: "W", 1: "QCD"})
            for rows in (slice(start, start + size) for start in range(0, 3000, size)):
                counts.add(events[rows], chosen[rows], prescaled[rows], kept[rows])
            assert_array_equal(counts.jets_before, np.bincount(n_jets, minlength=11))
            assert_array_equal(counts.jets_after, np.bincount(n_jets[kept], minlength=11))
            for found, rows in ((counts.before, slice(None)), (counts.prescaled, prescaled), (counts.after, kept)):
                assert_array_equal(found, np.histogram(events.true_met[rows], counts.edges)[0])
            bins = np.append(counts.edges, np.inf)
            for spectrum, rows, weights in (
                (counts.chosen, chosen, events.weights),
                (counts.physical, chosen & trainable, events.weights),
                (counts.sampled, kept & trainable, events.weights * events.keep_probability),
            ):
                assert spectrum.names == ["QCD", "W"]
                assert_array_equal(spectrum.counts[0], 0)
                assert_array_equal(spectrum.counts[1], np.histogram(events.true_met[rows], bins)[0])
                expected = np.histogram(events.true_met[rows], bins, weights=weights[rows].astype(float))[0]
                assert_allclose(spectrum.sums[1], expected, rtol=1e-12)
            outcomes = (~chosen, chosen & ~prescaled, prescaled & ~kept, kept)
            for n_passed, rows in enumerate(outcomes):
                assert counts.by_process(n_passed) == {i: (events.ids[rows] == i).sum() for i in (1, 2)}
