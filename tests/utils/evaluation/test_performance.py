import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest, ks_2samp, mannwhitneyu, norm

from utils.evaluation.bootstrap import (
    ONE_SIGMA,
    Estimate,
    bootstrap_efficiency,
    bootstrap_estimate,
    bootstrap_ratio,
    replica_sums,
    zero_event_limit,
)
from utils.evaluation.efficiencies import clopper_pearson, efficiency
from utils.evaluation.efficiency_gains import EfficiencyReplicas, PartReplicas, efficiency_gains, signal_efficiencies
from utils.evaluation.histograms import Histogram, bin_index, histogram, histogram_2d
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import crossing_rate, rate_ratios, rates
from utils.evaluation.response import binned_response, fit_core
from utils.evaluation.roc import roc_area, roc_curve
from utils.evaluation.thresholds import background_thresholds
from utils.evaluation.turn_on import turn_on_curves
from utils.evaluation.turn_on_fit import TurnOnFit, error_function
from utils.evaluation.zero_bias_rates import zero_bias_rates, zero_bias_thresholds


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def pull(estimate: Estimate, truth: float) -> float:
    return (estimate.value - truth) / estimate.error


# Replicas and estimates


def test_replicas_are_the_weights_and_then_poisson_multiples(rng):
    weights = rng.random(200_000)
    rows = np.stack(list(replica_sums(weights, weights**2, rng, 4)))
    assert np.array_equal(rows[0], weights)
    numbers = rows[1:] / weights
    assert numbers.mean() == pytest.approx(1, abs=0.005)
    assert numbers.var() == pytest.approx(1, abs=0.01)
    assert np.mean(numbers == 0) == pytest.approx(np.exp(-1), abs=0.003)
    assert np.corrcoef(rows[1:])[0, 1] == pytest.approx(np.corrcoef(rows[1:])[1, 2], abs=0.02)


def test_replicas_of_groups_have_mean_and_variance_of_those_of_their_events(rng):
    weights, group = rng.lognormal(0, 1, 600), rng.integers(0, 3, 600)
    sums, squares = (np.bincount(group, w) for w in (weights, weights**2))
    of_groups = np.stack(list(replica_sums(sums, squares, rng, 4000)))[1:]
    assert of_groups.mean(0) == pytest.approx(sums, rel=0.01)
    assert of_groups.std(0) == pytest.approx(np.sqrt(squares), rel=0.05)


def test_a_group_without_weight_has_none_in_replicas(rng):
    assert all((sums == 0).all() for sums in replica_sums(np.zeros(3), np.zeros(3), rng, 5))


def test_estimate_is_row_0_and_the_central_spread_of_the_others(rng):
    rows = np.concatenate([[[5.0, np.nan, 2.0]], rng.normal(0, [3, 1, 1], (4000, 3))])
    rows[1::2, 2] = np.nan
    estimate = bootstrap_estimate(rows)
    assert estimate.value[0] == 5
    assert estimate.error[0] == pytest.approx(3, rel=0.05)
    assert np.isnan(estimate.value[1]) and np.isnan(estimate.error[1])
    assert estimate.error[2] == pytest.approx(1, rel=0.05)


@pytest.mark.filterwarnings("error")
def test_the_threshold_that_all_pass_is_minus_infinity_without_an_error(rng):
    values = {"": rng.random(50)}
    rankings = {"": unweighted(values[""])}
    rows = background_thresholds(values, np.ones(50), rankings, np.array([1.0]), rng)[""]
    assert np.isneginf(rows).all()
    assert np.isnan(bootstrap_estimate(rows).error)


# Histograms


def test_histogram_sums_weights_and_leaves_out_what_is_outside():
    content = histogram(np.array([-1, 0, 0.5, 1, 2, np.nan]), np.array([9, 1, 2, 3, 9, 9.0]), np.array([0.0, 1, 2]))
    assert content.values.tolist() == [3, 3]
    assert content.errors.tolist() == pytest.approx([np.sqrt(5), 3])
    assert content.centres.tolist() == [0.5, 1.5]


def test_histogram_of_no_events_has_sums_of_0_like_any_other():
    content = histogram(np.empty(0), np.empty(0, np.float32), np.array([0.0, 1, 2]))
    for sums in (content.values, content.errors):
        assert sums.tolist() == [0, 0]
        assert sums.dtype == np.float64


def test_histogram_2d_has_x_in_rows():
    edges = np.array([0.0, 1, 2])
    content = histogram_2d(np.array([0.5, 1.5]), np.array([1.5, 1.5]), np.array([2.0, 3.0]), edges, edges)
    assert content.values.tolist() == [[0, 2], [0, 3]]


def test_histogram_2d_has_the_bins_of_histograms(rng):
    x, y, weights = rng.normal(0, 1, 5000), rng.normal(0, 1, 5000), rng.random(5000)
    x_edges, y_edges = np.linspace(-1, 1, 6), np.array([-0.5, 0, 2])
    content = histogram_2d(x, y, weights, x_edges, y_edges)
    expected, _, _ = np.histogram2d(x, y, (x_edges, y_edges), weights=weights)
    assert content.values == pytest.approx(expected)
    within = (y >= -0.5) & (y < 2)
    assert content.values.sum(1) == pytest.approx(histogram(x[within], weights[within], x_edges).values)


# Efficiencies


@pytest.mark.parametrize(("passed", "total"), [(0, 1), (0, 20), (1, 1), (3, 20), (10, 20), (20, 20), (999, 1000)])
def test_clopper_pearson_is_that_of_scipy(passed, total):
    expected = binomtest(passed, total).proportion_ci(ONE_SIGMA, "exact")
    assert clopper_pearson(np.array([passed]), np.array([total])) == (
        pytest.approx([expected.low]),
        pytest.approx([expected.high]),
    )


def test_efficiency_without_events_is_unknown():
    result = efficiency(np.array([0.0]), np.array([0.0]), np.array([0.0]))
    assert np.isnan(result.value[0])
    assert (result.low[0], result.high[0], result.n_effective[0]) == (0, 1, 0)


def test_efficiency_of_equal_weights_is_that_of_counts():
    counts = efficiency(np.array([3.0]), np.array([20.0]), np.array([20.0]))
    weighted = efficiency(np.array([3 * 7.0]), np.array([20 * 7.0]), np.array([20 * 49.0]))
    for name in vars(counts):
        assert getattr(weighted, name) == pytest.approx(getattr(counts, name))


@pytest.mark.parametrize("truth", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("spread", [0, 1])
def test_interval_covers_the_truth(rng, truth, spread):
    n_experiments, n_events = 4000, 60
    weights = rng.lognormal(0, spread, (n_experiments, n_events)) if spread else np.ones((n_experiments, n_events))
    passed = rng.random(weights.shape) < truth
    result = efficiency((weights * passed).sum(1), weights.sum(1), (weights**2).sum(1))
    coverage = np.mean((result.low <= truth) & (truth <= result.high))
    assert coverage > ONE_SIGMA - 3 * np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / n_experiments)
    assert coverage < 0.9  # few counts are discrete: the exact interval has 0.89 at 3 of 60


# Turn-on curves


def turn_on_curve(true, values, weights, threshold, edges):
    return turn_on_curves(true, {"": values}, weights, {"": [threshold]}, edges)[""][0]


def fit_turn_on(true, passed, weights, low, high) -> TurnOnFit:
    return turn_on_curve(true, passed, weights, 0.5, np.array([low, high])).fit


def gaussian_turn_on(rng, n_events, sigma=12.0):
    true = rng.uniform(0, 200, n_events)
    return true, true + rng.normal(0, sigma, n_events)


def test_turn_on_of_hand_computed_events():
    true = np.array([5, 5, 15, 15, 15, 99])
    values = np.array([10, 11, 20, 20, 5, 99])
    curve = turn_on_curve(true, values, np.array([1, 1, 1, 2, 1, 1.0]), 10, np.array([0.0, 10, 20, 30]))
    assert curve.threshold == 10
    assert curve.efficiency.value[:2].tolist() == [0.5, 0.75]
    assert np.isnan(curve.efficiency.value[2])
    assert curve.efficiency.n_effective.tolist() == pytest.approx([2, 16 / 6, 0])


def test_curves_of_several_quantities_and_thresholds_are_those_of_each(rng):
    true, values = gaussian_turn_on(rng, 3000)
    scores, weights, edges = {"a": values, "b": true}, rng.lognormal(0, 1, 3000), np.arange(0, 201, 20.0)
    curves = turn_on_curves(true, scores, weights, {"a": [50, 80], "b": [70]}, edges)
    assert {name: [curve.threshold for curve in of_name] for name, of_name in curves.items()} == {
        "a": [50, 80],
        "b": [70],
    }
    for name, i in (("a", 0), ("a", 1), ("b", 0)):
        threshold, found = curves[name][i].threshold, curves[name][i].efficiency
        for low, value in zip(edges[:-1], found.value, strict=True):
            inside = (true >= low) & (true < low + 20)
            assert value == pytest.approx(np.average(scores[name][inside] > threshold, weights=weights[inside]))


def test_turn_on_of_the_true_variable_is_a_step(rng):
    true = rng.uniform(0, 200, 10_000)
    curve = turn_on_curve(true, true, np.ones(10_000), 100, np.arange(0, 201, 20.0))
    assert curve.efficiency.value.tolist() == [0] * 5 + [1] * 5


def test_fit_finds_resolution_and_threshold(rng):
    true, values = gaussian_turn_on(rng, 40_000)
    passed = (values > 80) & (rng.random(len(true)) < 0.9)
    fit = fit_turn_on(true, passed, rng.lognormal(0, 0.5, len(true)), 0, 200)
    for estimate, truth in ((fit.plateau, 0.9), (fit.midpoint, 80), (fit.width, 12)):
        assert estimate.value == pytest.approx(truth, rel=0.03)
        assert abs(pull(estimate, truth)) < 3


def test_errors_of_the_fit_are_those_of_pseudo_experiments(rng):
    pulls = []
    for _ in range(80):
        true, values = gaussian_turn_on(rng, 1500)
        fit = fit_turn_on(true, (values > 80) & (rng.random(1500) < 0.8), np.ones(1500), 0, 200)
        pulls.append([pull(fit.plateau, 0.8), pull(fit.midpoint, 80), pull(fit.width, 12)])
    assert np.std(pulls, axis=0) == pytest.approx(1, abs=0.25)
    assert np.mean(pulls, axis=0) == pytest.approx(0, abs=0.35)


@pytest.mark.parametrize("passed", [False, True])
def test_fit_without_a_turn_on_is_unknown(rng, passed):
    true = rng.uniform(0, 200, 500)
    fit = fit_turn_on(true, np.full(500, passed), np.ones(500), 0, 200)
    assert np.isnan([fit.plateau.value, fit.midpoint.error, fit.width.value]).all()


def test_fit_without_events_is_unknown():
    assert np.isnan(fit_turn_on(np.empty(0), np.empty(0, bool), np.empty(0), 0, 200).midpoint.value)


def test_error_function_is_a_cumulative_normal():
    x = np.linspace(50, 150, 11)
    assert error_function(x, 0.8, 100, 10) == pytest.approx(0.8 * norm.cdf(x, 100, 10))


# Response


def test_half_width_of_a_gaussian_is_its_sigma(rng):
    true = np.repeat([10.0, 30.0], 20_000)
    response = rng.normal(np.where(true < 20, 1.2, 0.9), np.where(true < 20, 0.3, 0.1))
    result = binned_response(true, response, np.full(40_000, 3.0), np.array([0.0, 20, 40]), rng)
    for i, (mean, sigma) in enumerate(((1.2, 0.3), (0.9, 0.1))):
        assert result.median.value[i] == pytest.approx(mean, abs=4 * sigma * 1.2533 / np.sqrt(20_000))
        assert result.half_width.value[i] == pytest.approx(sigma, rel=0.03)
        assert result.resolution.value[i] == pytest.approx(sigma / mean, rel=0.03)
        # The standard error of the median of a Gaussian is sqrt(pi/2) sigma/sqrt(n).
        assert result.median.error[i] == pytest.approx(sigma * 1.2533 / np.sqrt(20_000), rel=0.3)
    assert result.n_effective == pytest.approx([20_000, 20_000])


def test_bootstrap_errors_are_those_of_pseudo_experiments(rng):
    edges, values, errors = np.array([0.0, 1]), [], []
    for _ in range(120):
        weights = rng.lognormal(0, 0.7, 400)
        result = binned_response(np.full(400, 0.5), rng.normal(1, 0.2, 400), weights, edges, rng)
        values.append([result.median.value[0], result.half_width.value[0], result.resolution.value[0]])
        errors.append([result.median.error[0], result.half_width.error[0], result.resolution.error[0]])
    assert np.mean(errors, axis=0) == pytest.approx(np.std(values, axis=0), rel=0.2)


def test_weights_count_like_repeated_events(rng):
    response, repeats = rng.normal(1, 0.3, 500), rng.integers(1, 4, 500)
    edges = np.array([0.0, 1])
    weighted = binned_response(np.full(500, 0.5), response, repeats, edges, rng)
    repeated = binned_response(
        np.full(repeats.sum(), 0.5), np.repeat(response, repeats), np.ones(repeats.sum()), edges, rng
    )
    assert weighted.median.value == repeated.median.value
    assert weighted.half_width.value == repeated.half_width.value


def test_bins_with_few_events_and_events_without_response_are_unknown(rng):
    true = np.concatenate([np.full(9, 0.5), np.full(10, 1.5), np.full(50, 2.5)])
    response = np.concatenate([np.ones(19), np.full(50, np.nan)])
    result = binned_response(true, response, np.ones(69), np.arange(5.0), rng)
    assert np.isnan(result.median.value).tolist() == [True, False, True, True]
    assert result.n_effective.tolist() == [9, 10, 0, 0]


def test_core_fit_ignores_tails(rng):
    core, tail = rng.normal(1.1, 0.15, 30_000), rng.uniform(0, 3, 3000)
    fit = fit_core(histogram(np.concatenate([core, tail]), np.full(33_000, 2.0), np.arange(0, 3.01, 0.05)))
    assert fit.mean.value == pytest.approx(1.1, abs=0.005)
    assert fit.sigma.value == pytest.approx(0.15, rel=0.08)
    assert fit.low == pytest.approx(fit.mean.value - 1.5 * fit.sigma.value, abs=0.01)


def test_core_fit_recovers_a_gaussian_within_its_errors(rng):
    pulls = []
    for _ in range(100):
        values, weights = rng.normal(1, 0.2, 2000), rng.lognormal(0, 0.5, 2000)
        fit = fit_core(histogram(values, weights, np.arange(0, 3.01, 0.05)))
        pulls.append([pull(fit.mean, 1), pull(fit.sigma, 0.2)])
    assert np.std(pulls, axis=0) == pytest.approx(1, abs=0.3)
    assert np.mean(pulls, axis=0) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("values", [np.zeros(10), np.eye(10)[3]])
def test_core_fit_without_a_core_is_unknown(values):
    assert np.isnan(fit_core(Histogram(np.arange(11.0), values, np.sqrt(values))).sigma.value)


# Thresholds and rates


@pytest.mark.parametrize(
    ("allowed", "threshold"),
    [(0, 5), (0.19, 5), (0.2, 4), (0.59, 4), (0.6, 2), (0.8, 1), (0.99, 1), (1, -np.inf)],
)
def test_threshold_of_hand_computed_events_with_ties(allowed, threshold):
    values = np.array([4, 1, 5, 4, 2])  # 5 passes alone, both 4 only together
    assert Ranking.of(values, np.ones(5)).thresholds(np.array([allowed])) == [threshold]


def test_threshold_of_weighted_events():
    values, weights = np.array([3, 2, 1]), np.array([1.0, 0, 9])
    assert Ranking.of(values, weights).thresholds(np.array([0.05, 0.1, 0.5])).tolist() == [3, 1, 1]


samples = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        arrays(np.float32, n, elements=st.integers(0, 12).map(float)),
        arrays(np.float32, n, elements=st.integers(1, 5).map(float)),
    )
)


@given(samples, st.floats(0, 1))
def test_threshold_is_the_lowest_that_does_not_let_more_pass(sample, allowed):
    values, weights = sample
    threshold = Ranking.of(values, weights).thresholds(np.array([allowed]))[0]
    fractions = {t: weights[values > t].sum() / weights.sum() for t in (-np.inf, *values)}
    assert threshold == min(t for t, fraction in fractions.items() if fraction <= allowed * (1 + 1e-9))


@given(samples, st.floats(0, 1), st.floats(0.01, 100))
def test_threshold_does_not_depend_on_the_scale_of_the_weights(sample, allowed, scale):
    values, weights = sample
    thresholds = [Ranking.of(values, weights.astype(float) * s).thresholds(np.array([allowed])) for s in (1, scale)]
    assert thresholds[0] == thresholds[1]


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


def test_a_ratio_to_what_is_0_within_its_error_is_no_number(rng):
    denominator = np.array([0.02, 0.5]) + rng.normal(0, 0.1, (201, 2)) * np.append([0], np.ones(200))[:, None]
    found = bootstrap_ratio(denominator / 2, denominator, bootstrap_estimate(denominator), 100)
    assert np.isnan([found.value[0], found.error[0]]).all()
    assert (found.value[1], found.error[1]) == (
        pytest.approx(0.5),
        pytest.approx(2 * zero_event_limit(np.array(100.0))),
    )


# Negative weights


def signed_sample(rng, n):
    """Values and weights, of which a quarter is negative, whatever the value."""
    return rng.exponential(20, n), np.where(rng.random(n) < 0.25, -1.0, 1) * rng.lognormal(0, 0.3, n)


def test_replicas_whose_weights_sum_to_less_than_0_have_the_highest_threshold(rng):
    values = {"baseline": rng.uniform(0, 100, 60)}
    weights = np.where(np.arange(60) % 2, 1.0, -0.97)
    rankings = {name: Ranking.of(of_name, weights) for name, of_name in values.items()}
    rows = background_thresholds(values, weights, rankings, np.array([0.1, 1.0]), rng)["baseline"]
    assert rows.shape == (201, 2)
    assert (rows[1:].max(0) == values["baseline"].max()).all()


def test_threshold_of_signed_weights_is_where_the_sum_from_above_first_exceeds_the_target():
    values, weights = np.array([6, 5, 4, 4, 3, 2, 1.0]), np.array([1, 2, 3, -3, -1, 4, 4.0])
    # Sums from above: 1, 3, 3 (the two at 4 go together), 2, 6, 10.
    ranking = Ranking.of(values, weights)
    assert ranking.thresholds(np.array([0.05, 0.1, 0.29, 0.3, 0.59, 0.61, 1])).tolist() == [6, 5, 5, 2, 2, 1, -np.inf]


@pytest.mark.parametrize("ties", [False, True])
def test_thresholds_of_signed_weights_are_those_of_a_scan(rng, ties):
    values, weights = signed_sample(rng, 400)
    values = np.round(values) if ties else values
    for allowed in rng.uniform(0, 1, 30):
        expected = -np.inf
        for value in np.unique(values)[::-1]:  # from above
            if weights[values >= value].sum() > allowed * weights.sum() * (1 + 1e-12):
                expected = value
                break
        assert Ranking.of(values, weights).thresholds(np.array([allowed])) == [expected]


def test_replicas_of_thresholds_of_signed_weights_are_those_of_the_bootstrap_of_each_event(rng):
    values, weights = signed_sample(rng, 4000)
    allowed = np.array([0.1, 0.02])
    rows = background_thresholds({"": values}, weights, {"": Ranking.of(values, weights)}, allowed, rng)[""]
    direct = [Ranking.of(values, weights * rng.poisson(1, 4000)).thresholds(allowed) for _ in range(200)]
    assert rows[1:].mean(0) == pytest.approx(np.mean(direct, axis=0), rel=0.03)
    assert rows[1:].std(0) == pytest.approx(np.std(direct, axis=0), rel=0.3)


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


def test_curves_of_signed_weights_rise_between_0_and_1(rng):
    signal, background = (Ranking.of(*signed_sample(rng, 300)) for _ in range(2))
    roc = roc_curve(signal, background, np.geomspace(1e-3, 1, 100))
    for efficiencies in (roc.background_efficiency, roc.signal_efficiency):
        assert (np.diff(efficiencies) >= 0).all()
        assert efficiencies[0] >= 0 and efficiencies[-1] <= 1


# ROC curves and working points


def unweighted(values):
    return Ranking.of(values, np.ones(len(values)))


def test_area_is_that_of_mann_whitney(rng):
    signal, background = rng.integers(0, 30, 700) + 3.0, rng.integers(0, 30, 900) * 1.0
    area = roc_area(unweighted(signal), unweighted(background))
    assert area.value == pytest.approx(mannwhitneyu(signal, background).statistic / 700 / 900)


def test_area_is_that_under_the_curve(rng):
    signal, background = unweighted(rng.normal(1, 1, 300)), unweighted(rng.normal(0, 1, 400))
    roc = roc_curve(signal, background, np.arange(401) / 400)
    # Without ties the curve consists of steps; the points are their upper ends.
    assert np.mean(roc.signal_efficiency[:-1]) == pytest.approx(roc.area.value)


def test_distance_of_a_roc_curve_from_the_diagonal_is_that_of_kolmogorov_and_smirnov(rng):
    signal, background = rng.normal(1, 1, 300), rng.normal(0, 1, 400)
    roc = roc_curve(unweighted(signal), unweighted(background), np.arange(401) / 400)
    distance = np.max(np.abs(roc.signal_efficiency - roc.background_efficiency))
    assert distance == pytest.approx(ks_2samp(signal, background).statistic)


def test_error_of_the_area_is_that_of_pseudo_experiments(rng):
    areas = []
    for _ in range(300):
        signal, background = (
            Ranking.of(rng.normal(mean, 1, n), rng.lognormal(0, 0.6, n)) for mean, n in ((1, 150), (0, 250))
        )
        areas.append(roc_area(signal, background))
    assert np.mean([area.value for area in areas]) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)
    assert np.mean([area.error for area in areas]) == pytest.approx(np.std([area.value for area in areas]), rel=0.15)


@given(samples, samples)
def test_points_of_a_roc_curve_are_exact_and_the_area_knows_the_exchange_of_samples(signal, background):
    rankings = Ranking.of(*signal), Ranking.of(*background)
    wanted = np.linspace(0, 1, 21)
    roc = roc_curve(*rankings, wanted)
    points = {
        tuple(weights[values > threshold].sum() / weights.sum() for values, weights in (background, signal))
        for threshold in (-np.inf, *background[0])
    }
    # Of each background efficiency that occurs, the largest signal efficiency.
    largest = {x: max(s for b, s in points if b == x) for x, _ in points}
    expected = sorted({max(x for x in largest if x <= allowed * (1 + 1e-9)) for allowed in wanted})
    assert roc.background_efficiency == pytest.approx(expected)
    assert roc.signal_efficiency == pytest.approx([largest[x] for x in expected])
    assert (roc.background_efficiency[-1], roc.signal_efficiency[-1]) == (1, 1)
    assert roc.area.value + roc_area(*rankings[::-1]).value == pytest.approx(1)


@pytest.mark.parametrize("n_efficiencies", [1, 3])
def test_thresholds_of_many_events_have_the_errors_of_the_bootstrap_of_each_event(rng, n_efficiencies):
    """The groups of the replicas are as good as single events: compare with what an order statistic has."""
    efficiencies = np.array([0.1, 0.02, 0.005])[:n_efficiencies]
    values = {"baseline": rng.normal(0, 1, 100_000).astype(np.float32)}
    rankings = {name: unweighted(of_name) for name, of_name in values.items()}
    rows = background_thresholds(values, np.ones(100_000), rankings, efficiencies, rng)["baseline"]
    estimate = bootstrap_estimate(rows)
    expected = np.sqrt(efficiencies * (1 - efficiencies) / 100_000) / norm.pdf(norm.isf(efficiencies))
    assert estimate.value == pytest.approx(norm.isf(efficiencies), abs=4 * expected.max())
    assert estimate.error == pytest.approx(expected, rel=0.2)
    assert len(np.unique(rows[:, 0])) > 50


def samples_of_a_correction(rng, n_signal, n_background):
    """Signal and background whose corrected value is the baseline with part of its smearing taken back."""
    scores = []
    for mean, n in ((1.5, n_signal), (0, n_background)):
        true, smear = rng.normal(mean, 1, n), rng.normal(0, 1.5, n)
        scores.append({"baseline": true + smear, "corrected": true + 0.7 * smear, "true": true})
    return scores


def points_of(rng, signal, background, efficiencies, scale=1.0):
    n_signal, n_background = len(signal["true"]), len(background["true"])
    weights = np.full(n_background, scale)
    rankings = {name: Ranking.of(values, weights) for name, values in background.items()}
    thresholds = background_thresholds(background, weights, rankings, efficiencies, rng)
    found, _ = signal_efficiencies(signal, np.full(n_signal, scale), thresholds, rng)
    return efficiency_gains(efficiencies, thresholds, found, "baseline", "true")


def test_working_points_of_gaussians_and_their_errors(rng):
    allowed = np.array([0.1, 0.02])
    results = [points_of(rng, *samples_of_a_correction(rng, 800, 1500), allowed) for _ in range(60)]
    sigmas = {name: np.hypot(1, smear) for name, smear in (("baseline", 1.5), ("corrected", 1.05), ("true", 0))}
    before, after, best = (norm.sf(norm.isf(allowed) - 1.5 / sigma) for sigma in sigmas.values())
    coverage, scale = [], []
    for quantity, truth in (
        (lambda result: result.efficiency["baseline"], before),
        (lambda result: result.efficiency["corrected"], after),
        (lambda result: result.efficiency["true"], best),
        (lambda result: result.gain["corrected"], after - before),
        (lambda result: result.ratio["corrected"], after / before),
        (lambda result: result.gap_closed["corrected"], (after - before) / (best - before)),
    ):
        values, errors = (
            np.array([getattr(quantity(result), name) for result in results]) for name in ("value", "error")
        )
        assert values.mean(0) == pytest.approx(truth, rel=0.1)
        coverage.append(np.mean(np.abs(values - truth) < errors))
        scale.append(errors.mean(0) / values.std(0))
    assert np.mean(coverage) == pytest.approx(ONE_SIGMA, abs=0.1)
    assert np.mean(scale) == pytest.approx(1, abs=0.25)


def test_errors_of_a_gain_know_that_the_events_are_the_same(rng):
    points = points_of(rng, *samples_of_a_correction(rng, 2000, 4000), np.array([0.1, 0.05]))
    unpaired = np.hypot(points.efficiency["baseline"].error, points.efficiency["corrected"].error)
    assert (points.gain["corrected"].error < 0.8 * unpaired).all()


def test_perfect_and_missing_corrections(rng):
    signal, background = samples_of_a_correction(rng, 500, 800)
    for correction, gap in (("true", 1), ("baseline", 0)):
        corrected = [{**scores, "corrected": scores[correction]} for scores in (signal, background)]
        points = points_of(rng, *corrected, np.array([0.1]))
        assert points.efficiency["corrected"].value == points.efficiency[correction].value
        closed = points.gap_closed["corrected"]
        # No event tells the two apart: the error is that of none of 500 events, over the gap.
        baseline, ideal = (points.efficiency[name].value for name in ("baseline", "true"))
        assert (closed.value, closed.error) == (
            [gap],
            pytest.approx(zero_event_limit(np.array(500.0)) / (ideal - baseline)),
        )


def test_working_points_do_not_depend_on_the_scale_of_the_weights(rng):
    samples = samples_of_a_correction(rng, 300, 500)
    points = [points_of(np.random.default_rng(2), *samples, np.array([0.1]), scale) for scale in (1, 2.0**20)]
    assert points[0].gap_closed == points[1].gap_closed
    assert points[0].thresholds == points[1].thresholds


def test_a_loss_has_no_share_and_no_gap_is_closed_where_the_ideal_is_worse(rng):
    signal, background = samples_of_a_correction(rng, 500, 800)
    worse = [{**scores, "baseline": scores["true"], "true": scores["baseline"]} for scores in (signal, background)]
    points = points_of(rng, *worse, np.array([0.1]))
    assert points.gain["corrected"].value < -points.gain["corrected"].error
    closed, kept = points.gap_closed["corrected"], points.kept["corrected"]
    assert np.isnan([closed.value, closed.error, kept.value, kept.error]).all()


def test_events_that_do_not_exist_contribute_0_without_an_error(rng):
    rows = {name: rng.uniform(low, low + 0.1, (201, 1)) for name, low in (("baseline", 0.2), ("c", 0.4), ("true", 0.6))}
    nothing = {name: np.zeros((201, 1)) for name in rows}
    part = PartReplicas(EfficiencyReplicas(0, {name: np.full((201, 1), np.nan) for name in rows}), nothing)
    points = efficiency_gains(np.array([0.1]), rows, EfficiencyReplicas(100, rows), "baseline", "true", [part])
    for of in (points.parts[0].gain["c"], points.parts[0].share["c"]):
        assert of.value == [0]
        assert np.isnan(of.error).all()


def test_ratio_to_a_signal_that_never_passes_is_unknown(rng):
    rows = {"baseline": np.zeros((4, 1)), "corrected": np.ones((4, 1)), "true": np.zeros((4, 1))}
    points = efficiency_gains(np.array([0.1]), rows, EfficiencyReplicas(10, rows), "baseline", "true")
    ratio = points.ratio["corrected"]
    assert np.isnan([ratio.value, ratio.error, points.gap_closed["corrected"].value]).all()
    assert points.gain["corrected"].value == [1]


def test_bin_index_puts_edges_into_the_bin_above():
    assert bin_index(np.array([-1, 0, 1, 2, np.nan, np.inf]), np.array([0, 1, 2])).tolist() == [2, 0, 1, 2, 2, 2]


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
        found = rate_ratios(self.VALUES, self.VALUES, np.ones(100), np.array([0, 90, 100]))
        assert found.value == pytest.approx([1, 1, np.nan], nan_ok=True)
        assert found.error == pytest.approx([*zero_event_limit(np.array([100, 10])), np.nan], nan_ok=True)

    def test_error_of_a_ratio_knows_of_common_events(self):
        # 40 pass the one, 50 the other, 30 of them both.
        one, other = np.zeros(100), np.zeros(100)
        one[:40], other[10:60] = 1, 1
        found = rate_ratios(one, other, np.ones(100), np.array([0.5]))
        assert found.value == pytest.approx([0.8])
        assert found.error == pytest.approx([0.8 * np.sqrt(1 / 40 + 1 / 50 - 2 * 30 / 2000)])

    def test_a_weight_counts_as_in_the_rates(self):
        one, other, weights = np.array([2.0, 2, 0]), np.array([2.0, 0, 2]), np.array([3.0, 5, 2])
        found = rate_ratios(one, other, weights, np.array([1.0]))
        assert found.value == pytest.approx([8 / 5])
        assert found.error == pytest.approx([1.6 * np.sqrt(34 / 64 + 13 / 25 - 2 * 9 / 40)])

    def test_errors_and_intervals_are_as_wide_as_the_spread(self):
        """Of 300 samples of 5,000 crossings of two correlated quantities."""
        rng = np.random.default_rng(1)
        ratios, errors, thresholds, widths = [], [], [], []
        for _ in range(300):
            first = rng.exponential(10, 5000)
            second = first * rng.normal(1, 0.3, 5000)
            ratio = rate_ratios(second, first, np.ones(5000), np.array([30.0]))
            ratios.append(ratio.value[0])
            errors.append(ratio.error[0])
            found = zero_bias_thresholds(Ranking.of(first, np.ones(5000)), [0.01 * crossing_rate(1)], 1)
            thresholds.append(found.value[0])
            widths.append((found.high[0] - found.low[0]) / 2)
        assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.15)
        assert np.mean(widths) == pytest.approx(np.std(thresholds), rel=0.15)
