import numpy as np
import pytest

from utils.evaluation.bootstrap import zero_event_limit
from utils.evaluation.efficiencies import clopper_pearson
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import crossing_rate, rate_ratios
from utils.evaluation.zero_bias_rates import zero_bias_rates, zero_bias_thresholds


def ratios(numerator, denominator, weights, thresholds):
    both = np.minimum(numerator, denominator)
    return rate_ratios(*(Ranking.of(values, weights).passed(thresholds) for values in (numerator, denominator, both)))


class TestZeroBiasRates:
    VALUES = np.arange(1, 101, dtype=np.float32)  # of 100 crossings
    RANKING = Ranking.of(VALUES, np.ones(100, np.float32))

    def test_a_crossing_is_one_turn_of_a_pair_of_bunches(self):
        assert crossing_rate(1) == pytest.approx(11.2455)
        # All 3564 places of the ring filled, bunches cross every 25 ns: 40.08 MHz.
        assert crossing_rate(3564) == pytest.approx(40.079e3, rel=1e-5)

    def test_rate_is_the_share_above_the_threshold_times_the_crossings(self):
        found = zero_bias_rates(self.RANKING, np.array([0, 90, 99.5, 100]), 2000)
        khz = 2000 * 11.2455
        assert found.n_events.tolist() == [100, 10, 1, 0]
        assert found.value == pytest.approx(np.array([1, 0.1, 0.01, 0]) * khz)
        low, high = clopper_pearson(np.array([100, 10, 1, 0]), np.full(4, 100))
        assert found.low == pytest.approx(low * khz)
        assert found.high == pytest.approx(high * khz)
        assert found.high[0] == found.value[0]
        assert found.low[3] == 0 < found.high[3]

    def test_thresholds_let_at_most_the_rate_pass(self):
        khz = crossing_rate(2000)
        found = zero_bias_thresholds(self.RANKING, [khz * share for share in (0.1, 0.015, 0.005, 5)], 2000)
        assert found.value == pytest.approx([90, 99, np.nan, -np.inf], nan_ok=True)
        # 6.88 to 14.15 events are the interval of Clopper and Pearson of 10 of 100.
        low, high = clopper_pearson(np.array([10.0]), np.array([100.0]))
        assert found.low[0] == 100 - int(100 * high[0])
        assert found.high[0] == 100 - int(100 * low[0])
        assert zero_bias_rates(self.RANKING, found.value[:2], 2000).n_events.tolist() == [10, 1]

    def test_ratio_of_a_quantity_to_itself_is_one_without_an_error(self):
        found = ratios(self.VALUES, self.VALUES, np.ones(100), np.array([0, 90, 100]))
        assert found.value == pytest.approx([1, 1, np.nan], nan_ok=True)
        assert found.error == pytest.approx([*zero_event_limit(np.array([100, 10])), np.nan], nan_ok=True)

    def test_error_of_a_ratio_knows_of_common_events(self):
        # 40 pass the one, 50 the other, 30 of them both.
        one, other = np.zeros(100), np.zeros(100)
        one[:40], other[10:60] = 1, 1
        found = ratios(one, other, np.ones(100), np.array([0.5]))
        assert found.value == pytest.approx([0.8])
        assert found.error == pytest.approx([0.8 * np.sqrt(1 / 40 + 1 / 50 - 2 * 30 / 2000)])

    def test_a_weight_counts_as_in_the_rates(self):
        one, other, weights = np.array([2.0, 2, 0]), np.array([2.0, 0, 2]), np.array([3.0, 5, 2])
        found = ratios(one, other, weights, np.array([1.0]))
        assert found.value == pytest.approx([8 / 5])
        assert found.error == pytest.approx([1.6 * np.sqrt(34 / 64 + 13 / 25 - 2 * 9 / 40)])

    def test_errors_and_intervals_are_as_wide_as_the_spread(self):
        """Of 300 samples of 5,000 crossings of two correlated quantities."""
        rng = np.random.default_rng(1)
        values, errors, thresholds, widths = [], [], [], []
        for _ in range(300):
            first = rng.exponential(10, 5000)
            second = first * rng.normal(1, 0.3, 5000)
            ratio = ratios(second, first, np.ones(5000), np.array([30.0]))
            values.append(ratio.value[0])
            errors.append(ratio.error[0])
            found = zero_bias_thresholds(Ranking.of(first, np.ones(5000)), [0.01 * crossing_rate(1)], 1)
            thresholds.append(found.value[0])
            widths.append((found.high[0] - found.low[0]) / 2)
        assert np.mean(errors) == pytest.approx(np.std(values), rel=0.15)
        assert np.mean(widths) == pytest.approx(np.std(thresholds), rel=0.15)
