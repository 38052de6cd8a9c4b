"""What events count in the loss, against numbers worked out by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import l1_events
from utils.runtime.errors import UserError
from utils.training.loss_weights import LossSpectrum, LossWeights

NAMES = ("QCD", "W", "Z")


def spectrum_of(processes, values, weights, edges=(0, 10, 20)):
    """Add events in two parts."""
    spectrum = LossSpectrum.empty(NAMES, edges)
    for rows in (slice(0, 2), slice(2, None)):
        spectrum.add(np.array(processes)[rows], np.array(values)[rows], np.array(weights, float)[rows])
    return spectrum


@pytest.fixture
def spectrum():
    return spectrum_of([0, 0, 1, 0, 1], [5, 15, 5, 100, 20], [1, 2, 3, -1, 5])


class TestWeights:
    @pytest.mark.parametrize(
        ("power", "expected"), [(1, [4, -9, 0, 1]), (0.5, [2, -3, 0, 1]), (2, [16, -81, 0, 1]), (0, [1, -1, 0, 1])]
    )
    def test_keep_their_sign_and_have_a_power_of_their_size(self, power, expected):
        assert_array_equal(LossWeights(power).powers(np.float32([4, -9, 0, 1])), expected)

    def test_of_a_sample_are_those_before_the_sampling_unless_the_physical_ones_are_wanted(self):
        events = l1_events(np.zeros((2, 18, 3)), weights=[8, 3], keep_probability=[0.25, 1])
        assert_array_equal(LossWeights().event_weights(events), [2, 3])
        assert_array_equal(LossWeights(sampled_spectrum=False).event_weights(events), [8, 3])

    def test_are_as_they_are_where_nothing_was_sampled(self):
        events = l1_events(np.zeros((2, 18, 3)), weights=[8, 3])
        assert_array_equal(LossWeights().event_weights(events), [8, 3])


class TestShares:
    def test_are_equal_by_default_among_processes_with_events(self):
        assert_array_equal(LossWeights().shares(NAMES, np.array([100, 0, 1])), [0.5, 0, 0.5])

    def test_are_normalised(self):
        rule = LossWeights(process_shares={"W": 1, "QCD": 4, "Z": 5})
        assert_allclose(rule.shares(NAMES, np.array([1, 1, 1])), [0.4, 0.1, 0.5])

    def test_of_processes_that_are_not_named_are_1_and_of_those_that_are_not_there_nothing(self):
        rule = LossWeights(process_shares={"QCD": 3, "ttbar": 7})
        assert_allclose(rule.shares(NAMES, np.array([1, 1, 0])), [0.75, 0.25, 0])
        assert_allclose(rule.shares(NAMES, np.array([0, 1, 1])), [0, 0.5, 0.5])


class TestSpectrum:
    def test_has_the_sums_of_each_bin_the_last_one_without_an_end(self, spectrum):
        assert_array_equal(spectrum.counts, [[1, 1, 1], [1, 0, 1], [0, 0, 0]])
        assert_array_equal(spectrum.sums, [[1, 2, -1], [3, 0, 5], [0, 0, 0]])

    def test_share_of_the_loss_adds_up_to_the_share_of_the_process(self, spectrum):
        share = spectrum.share_of_loss(LossWeights(process_shares={"QCD": 3, "W": 1}))
        assert_allclose(share, [[0.375, 0.75, -0.375], [0.25 * 3 / 8, 0, 0.25 * 5 / 8], [0, 0, 0]])

    def test_factors_give_each_process_its_share_and_a_mean_of_1(self, spectrum):
        factors = spectrum.factors(LossWeights(process_shares={"QCD": 3, "W": 1}))
        assert_allclose(factors, [0.75 * 5 / 2, 0.25 * 5 / 8, 0])

    def test_is_merged_but_for_the_last_bin(self, spectrum):
        merged = spectrum_of([0, 0, 1, 0, 1], [1, 2, 3, 4, 5], [1, 1, 1, 1, 1], [0, 1, 2, 3, 4]).merged(3)
        assert_array_equal(merged.edges, [0, 3, 4])
        assert_array_equal(merged.counts[:2], [[2, 0, 1], [0, 1, 1]])

    def test_text_is_a_table(self, spectrum):
        rows = [line.split() for line in spectrum.text("true_met", LossWeights()).splitlines()]
        assert rows[0] == ["true_met", "[GeV]", "QCD", "(events)", "W", "(events)"]
        assert rows[1] == ["0", "-", "10", "25%", "(1)", "18.8%", "(1)"]
        assert rows[3] == ["20", "-", "inf", "-25%", "(1)", "31.2%", "(1)"]
        assert rows[4] == ["all", "50%", "(3)", "50%", "(2)"]

    @pytest.mark.parametrize("weights", [[1, -1, 1], [1, -2, 1], [1, np.inf, 1]])
    def test_a_process_whose_weights_do_not_add_up_to_more_than_0_is_refused(self, weights):
        spectrum = spectrum_of([1, 1, 0], [0, 0, 0], weights)
        with pytest.raises(UserError, match=r"x\.h5: process 'W': the weights of its 2 events add up to "):
            spectrum.refuse_sums_below_0("x.h5")
