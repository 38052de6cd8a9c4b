"""Rates of crossings, working points at fixed rates, and thresholds, against closed forms, sorting and toys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.evaluation.bootstrap import N_REPLICAS, ONE_SIGMA
from utils.evaluation.efficiency_gains import signal_efficiencies
from utils.evaluation.event_groups import EventGroups
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import collision_rate, crossing_rate, efficiencies_at_rates, passing_rate, rates
from utils.evaluation.thresholds import background_thresholds

LUMINOSITY, BUNCHES = 2e34, 2448


@pytest.fixture
def rng():
    return np.random.default_rng(1)


# Rates of crossings


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
    of_collisions = collision_rate(np.array(cross_section), LUMINOSITY)
    assert found / of_collisions == pytest.approx(1 - of_collisions / crossing_rate(BUNCHES) / 2, rel=1e-12)


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
    covered = np.mean([np.abs(of_one.value - expected) < of_one.error for of_one in found], axis=0)
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


# Working points at fixed rates


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


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_thresholds_are_quantiles_of_numpy(rng, ties):
    for n_events in (1, 2, 50, 3000):
        values, weights = rng.exponential(20, n_events), rng.lognormal(0, 1, n_events)
        weights[rng.random(n_events) < 0.2] = 0
        weights[0] = 1
        values = np.round(values) if ties else values
        allowed = rng.uniform(0, 1, 50)
        expected = np.quantile(values, 1 - allowed, method="inverted_cdf", weights=weights)
        assert Ranking.of(values, weights).thresholds(allowed).tolist() == expected.tolist()


# Groups of events of many quantities


def many_quantities(rng, n_quantities, n_events=400, n_thresholds=600):
    names = [f"model {i}" for i in range(n_quantities)]
    scores = {name: rng.normal(0, 1, n_events) for name in names}
    return scores, {name: np.sort(rng.normal(0, 1, n_thresholds)) for name in names}


@pytest.mark.parametrize("n_quantities", [1, 3, 8])
def test_groups_are_of_the_events_that_pass_the_same_thresholds(rng, n_quantities):
    """With 8 quantities of 600 thresholds the product of the numbers of bins is 1.7e22: more than an integer holds."""
    scores, thresholds = many_quantities(rng, n_quantities, n_thresholds=4 if n_quantities < 8 else 600)
    weights = rng.random(400)
    rows = np.stack([np.searchsorted(thresholds[name], scores[name]) for name in scores], axis=1)
    expected, number = np.unique(rows, axis=0, return_inverse=True)
    groups = EventGroups.of(scores, weights, thresholds)
    assert np.array_equal(np.stack([groups.bins[name] for name in scores], axis=1), expected)
    assert groups.sums == pytest.approx(np.bincount(number, weights))
    assert groups.squares == pytest.approx(np.bincount(number, weights**2))
    for name in scores:
        passed = [weights[scores[name] > threshold].sum() for threshold in thresholds[name]]
        assert groups.above(name, groups.sums) == pytest.approx(passed)


@pytest.mark.parametrize("largest", [1, 700, 2**62])
def test_groups_do_not_depend_on_when_their_keys_are_numbered(rng, monkeypatch, largest):
    scores, thresholds = many_quantities(rng, 4, n_events=2000, n_thresholds=6)
    weights = rng.random(2000)
    plain = EventGroups.of(scores, weights, thresholds)
    monkeypatch.setattr("utils.evaluation.event_groups.LARGEST_KEY", largest)
    numbered = EventGroups.of(scores, weights, thresholds)
    assert plain.sums.tolist() == numbered.sums.tolist()
    assert plain.squares.tolist() == numbered.squares.tolist()
    assert all(np.array_equal(plain.bins[name], numbered.bins[name]) for name in scores)


def test_thresholds_and_efficiencies_of_eight_quantities_are_those_of_each(rng):
    """Exact to the last digit in row 0; the replicas of single events are the same events."""
    scores = {f"model {i}": rng.normal(0, 1, 5000) for i in range(8)}
    weights, allowed = np.ones(5000), np.array([0.1, 0.02, 0.005])
    rankings = {name: Ranking.of(values, weights) for name, values in scores.items()}
    rows = background_thresholds(scores, weights, rankings, allowed, rng)
    found = signal_efficiencies(scores, weights, rows, rng)[0].rows
    for name, ranking in rankings.items():
        assert rows[name].shape == found[name].shape == (1 + N_REPLICAS, 3)
        assert rows[name][0].tolist() == ranking.thresholds(allowed).tolist()
        assert found[name][0] == pytest.approx(allowed)
        # The thresholds and the signal are each a sample: twice the binomial variance.
        assert found[name][1:].std(0) == pytest.approx(np.sqrt(2 * allowed * (1 - allowed) / 5000), rel=0.3)


def test_parts_of_the_efficiencies_sum_to_them_in_every_replica(rng):
    scores, thresholds = many_quantities(rng, 2, n_events=500, n_thresholds=3)
    rows = {name: np.tile(of_name, (1 + N_REPLICAS, 1)) for name, of_name in thresholds.items()}
    weights, kinds = rng.lognormal(0, 0.5, 500), rng.random(500) < 0.3
    whole, parts = signal_efficiencies(scores, weights, rows, rng, kinds)
    for name, values in scores.items():
        assert sum(part.shares[name] for part in parts) == pytest.approx(whole.rows[name])
        for kind, part in enumerate(parts):
            chosen = kinds == kind
            passed = np.array([weights[chosen & (values > t)].sum() for t in thresholds[name]])
            assert part.inside.rows[name][0] == pytest.approx(passed / weights[chosen].sum())
            assert part.shares[name][0] == pytest.approx(passed / weights.sum())
