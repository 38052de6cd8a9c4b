"""Trigger rates, against closed forms, sorting and pseudo-experiments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tests.utils.evaluation.samples import signed_sample, unweighted
from utils.evaluation.bootstrap import ONE_SIGMA, bootstrap_efficiency, zero_event_limit
from utils.evaluation.efficiencies import efficiency
from utils.evaluation.histograms import histogram
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import collision_rate, crossing_rate, efficiencies_at_rates, passing_rate, rates
from utils.evaluation.roc import roc_area

LUMINOSITY, BUNCHES = 2e34, 2448


def test_rate_of_the_inelastic_cross_section_is_that_of_the_crossings():
    # 80 mb at 2e34 cm^-2 s^-1 are 1.6 GHz of collisions: 58 in each of 27.53 million crossings a second.
    assert collision_rate(np.array(80e9), LUMINOSITY) == pytest.approx(1.6e6)
    assert passing_rate(np.array(80e9), LUMINOSITY, BUNCHES) == pytest.approx(BUNCHES * 11.2455)


def test_rate_of_one_collision_a_crossing_is_that_of_a_poisson_number_above_0():
    assert collision_rate(np.array(1.3764492e9), LUMINOSITY) == pytest.approx(BUNCHES * 11.2455)
    found = passing_rate(np.array([1.3764492e9]), LUMINOSITY, BUNCHES)
    assert found == pytest.approx([0.6321205588 * BUNCHES * 11.2455])


@given(st.just(0.0) | st.floats(1e-100, 1e12), st.floats(1e30, 1e35), st.integers(1, 3564))
def test_rate_is_below_those_of_crossings_and_of_collisions(cross_section, luminosity, bunches):
    found = passing_rate(np.array(cross_section), luminosity, bunches)
    assert 0 <= found <= crossing_rate(bunches)
    assert found <= collision_rate(np.array(cross_section), luminosity) * (1 + 1e-12)


@pytest.mark.parametrize("cross_section", [1e-9, 1.0, 1e3])
def test_rate_of_rare_collisions_is_luminosity_times_cross_section(cross_section):
    """To the next order, mu/2 of it; without the loss of digits of 1 - exp(-mu)."""
    found = passing_rate(np.array(cross_section), LUMINOSITY, BUNCHES)
    collisions = collision_rate(np.array(cross_section), LUMINOSITY)
    assert found / collisions == pytest.approx(1 - collisions / crossing_rate(BUNCHES) / 2, rel=1e-12)


def test_rate_of_a_simulated_fill(rng):
    """Collisions are thrown into crossings; those pass with at least one above the threshold."""
    n_crossings, mean, passing = 200_000, 3.0, 0.2
    n_collisions = rng.poisson(mean, n_crossings)
    crossing = np.repeat(np.arange(n_crossings), n_collisions)
    n_passing = len(np.unique(crossing[rng.random(len(crossing)) < passing]))
    cross_section = mean * passing * crossing_rate(BUNCHES) / (LUMINOSITY * 1e-39)
    share = passing_rate(np.array(cross_section), LUMINOSITY, BUNCHES) / crossing_rate(BUNCHES)
    assert share == pytest.approx(n_passing / n_crossings, abs=4 * np.sqrt(share * (1 - share) / n_crossings))


@pytest.mark.parametrize("total", [1e5, 1.4e9, 8e9])  # pb: from few passing collisions a crossing to several
def test_errors_of_rates_are_those_of_pseudo_experiments(rng, total):
    """Of samples that a generator makes: a Poisson number of events, of weights that spread."""
    values, errors = [], []
    for _ in range(400):
        n_events = rng.poisson(1000)
        weights = rng.lognormal(0, 0.5, n_events) * total / 1000 / np.exp(0.125)
        found = rates(Ranking.of(rng.exponential(1, n_events), weights), np.array([0.5, 1.5]), LUMINOSITY, BUNCHES)
        values.append(found.rate.value)
        errors.append(found.rate.error)
    expected = passing_rate(total * np.exp([-0.5, -1.5]), LUMINOSITY, BUNCHES)
    covered = np.mean(np.abs(np.array(values) - expected) < errors, axis=0)
    assert covered == pytest.approx(ONE_SIGMA, abs=3 * np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / 400))
    assert np.mean(errors, axis=0) == pytest.approx(np.std(values, axis=0), rel=0.12)


def test_errors_of_weighted_efficiencies_cover_the_truth(rng):
    """Of the fraction above a threshold, whose events have larger weights than the others."""
    found = []
    for _ in range(800):
        values = rng.exponential(1, 1000)
        found.append(rates(Ranking.of(values, 1 + values), np.array([0.5, 2.0]), LUMINOSITY, BUNCHES).efficiency)
    # The integral of (1 + x) exp(-x) above t is (2 + t) exp(-t), and 2 above 0.
    expected = np.array([(2 + t) * np.exp(-t) / 2 for t in (0.5, 2)])
    covered = np.mean([np.abs(one.value - expected) < one.error for one in found], axis=0)
    assert covered == pytest.approx(ONE_SIGMA, abs=3 * np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / 800))


def test_thresholds_beyond_the_spectrum_and_samples_without_weight_have_defined_rates():
    found = rates(Ranking.of(np.array([1.0, 2]), np.ones(2)), np.array([-np.inf, 99, np.inf]), LUMINOSITY, BUNCHES)
    assert found.n_events.tolist() == [2, 0, 0]
    assert found.efficiency.value.tolist() == [1, 0, 0]
    assert found.rate.value[1:].tolist() == [0, 0]
    assert (found.rate.error > 0).all() and (found.efficiency.error > 0).all()
    for nothing in (Ranking.of(np.empty(0), np.empty(0)), Ranking.of(np.ones(3), np.zeros(3))):
        found = rates(nothing, np.array([0.0]), LUMINOSITY, BUNCHES)
        assert np.isnan([found.rate.value, found.rate.error, found.efficiency.value, found.efficiency.error]).all()


def test_rates_without_a_luminosity_are_unknown_and_efficiencies_are_not():
    found = rates(Ranking.of(np.arange(4.0), np.ones(4)), np.array([1.0]), np.nan, BUNCHES)
    assert np.isnan([found.rate.value, found.rate.error]).all()
    assert found.efficiency.value == [0.5]


@given(st.floats(1e-6, 1), st.floats(1, 1e11))
def test_efficiency_of_the_rate_of_an_efficiency_is_that_efficiency(fraction, cross_section):
    khz = passing_rate(np.array([fraction * cross_section]), LUMINOSITY, BUNCHES)
    found = efficiencies_at_rates(khz, cross_section, LUMINOSITY, BUNCHES)
    # Where all crossings pass the rate says little of the efficiency: 1e-16 of it is exp(mu)/mu of the cross section.
    mean = fraction * collision_rate(np.array(cross_section), LUMINOSITY) / crossing_rate(BUNCHES)
    assert found == pytest.approx([fraction], rel=1e-12 + 1e-15 * np.exp(min(mean, 100)))


@pytest.mark.parametrize("cross_section", [0.0, 1.0, 1e9, 80e9])
def test_rates_that_all_events_do_not_exceed_are_of_all_events(cross_section):
    everything = float(passing_rate(np.array(cross_section), LUMINOSITY, BUNCHES))
    asked = [everything, 1.01 * everything, crossing_rate(BUNCHES), 1e9]
    assert efficiencies_at_rates(asked, cross_section, LUMINOSITY, BUNCHES).tolist() == [1, 1, 1, 1]


def test_efficiencies_of_no_rate_and_of_an_unknown_luminosity():
    assert efficiencies_at_rates([0], 1e9, LUMINOSITY, BUNCHES).tolist() == [0]
    assert np.isnan(efficiencies_at_rates([1, 1e9], 1e9, np.nan, BUNCHES)).all()


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("total", [1e8, 2e10])
def test_thresholds_at_fixed_rates_are_the_lowest_by_sorting(rng, ties, total):
    values, weights = rng.exponential(20, 3000), rng.lognormal(0, 1, 3000)
    values = np.round(values) if ties else values
    weights *= total / weights.sum()
    khz = np.array([10_000.0, 3000, 300, 100])
    ranking = Ranking.of(values, weights)
    thresholds = ranking.thresholds(efficiencies_at_rates(khz, weights.sum(), LUMINOSITY, BUNCHES))
    # At each value the rate of what is above it, one after the other; 1 pb is 2e-5 kHz.
    at = np.array([-np.inf, *np.sort(np.unique(values))])
    crossings = BUNCHES * 11.2455
    above = np.array([crossings * (1 - np.exp(-weights[values > t].sum() * 2e-5 / crossings)) for t in at])
    assert thresholds.tolist() == [at[above <= wanted][0] for wanted in khz]
    found = rates(ranking, thresholds, LUMINOSITY, BUNCHES).rate.value
    assert (found <= khz).all()


def test_rates_of_hand_computed_events():
    values, weights = np.array([10, 20, 20, 30]), np.array([4.0, 1, 2, 3])
    result = rates(Ranking.of(values, weights), np.array([0, 20, 30]), 2e34, 2448)
    # 1 pb at 2e34 cm^-2 s^-1 is 0.02 Hz.
    assert result.rate.value == pytest.approx([2e-4, 0.6e-4, 0])
    assert result.efficiency.value == pytest.approx([1, 0.3, 0])
    # None or all of 100/30 effective events: the limits of Clopper and Pearson.
    limit = binomtest(0, 1).proportion_ci(ONE_SIGMA, "exact").high  # of one event, 1 - tail
    limit = 1 - (1 - limit) ** 0.3
    assert result.rate.error == pytest.approx([2e-5 * np.sqrt(30), 2e-5 * 3, 2e-5 * 10 * limit])
    assert result.efficiency.error == pytest.approx([limit, np.sqrt(0.7**2 * 9 + 0.3**2 * 21) / 10, limit])
    assert result.n_events.tolist() == [4, 1, 0]


@pytest.mark.parametrize("n", [1, 7, 250])
def test_none_and_all_of_n_events_have_the_limits_of_clopper_and_pearson(n):
    expected = binomtest(0, n).proportion_ci(ONE_SIGMA, "exact").high
    assert zero_event_limit(np.array(n)) == pytest.approx(expected)
    result = rates(unweighted(np.arange(n)), np.array([-1, n]), 2e34, 2448)
    assert result.efficiency.value.tolist() == [1, 0]
    assert result.efficiency.error == pytest.approx([expected, expected])
    rows = np.tile([0.0, 1, 0.5], (5, 1))
    estimate = bootstrap_efficiency(rows, n)
    assert estimate.value.tolist() == [0, 1, 0.5]
    assert estimate.error == pytest.approx([expected] * 3)


def test_limits_cover_the_truth(rng):
    """Of weighted samples in which none pass, the truth is above the limit in 15.87% at most."""
    truth, n_events, covered = 0.012, 100, []
    for _ in range(2000):
        weights = rng.lognormal(0, 0.7, n_events)
        passes = rng.random(n_events) < truth
        found = rates(Ranking.of(passes * 1.0, weights), np.array([0.5]), 2e34, 2448).efficiency
        covered.append(truth <= found.value[0] + found.error[0] if not passes.any() else True)
    assert np.mean(covered) > 1 - 0.1587


def test_errors_of_signed_weights_are_those_of_pseudo_experiments(rng):
    """Histograms, rates, efficiencies and areas of samples of which a quarter of the events is negative."""
    found = []
    for _ in range(300):
        values, weights = signed_sample(rng, rng.poisson(2000))
        content = histogram(values, weights, np.array([0.0, 20, 40]))
        passing = rates(Ranking.of(values, weights), np.array([30.0]), 2e34, 2448)
        area = roc_area(Ranking.of(values + 5, weights), Ranking.of(*signed_sample(rng, 2000)))
        inside = efficiency(np.array([weights[values > 30].sum()]), weights.sum()[None], np.sum(weights**2)[None])
        found.append(
            [
                (content.values[0], content.errors[0]),
                (passing.rate.value[0], passing.rate.error[0]),
                (passing.efficiency.value[0], passing.efficiency.error[0]),
                (area.value, area.error),
                (inside.value[0], (inside.high[0] - inside.low[0]) / 2),
            ]
        )
    values, errors = np.moveaxis(found, 2, 0)
    assert errors.mean(0) == pytest.approx(values.std(0), rel=0.15)
