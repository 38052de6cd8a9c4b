"""Signal efficiencies at fixed background and gains, against Gaussians and pseudo-experiments."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.utils.evaluation.samples import many_quantities
from utils.evaluation.bootstrap import N_REPLICAS, ONE_SIGMA, n_effective, zero_event_limit
from utils.evaluation.efficiency_gains import EfficiencyReplicas, PartReplicas, efficiency_gains, signal_efficiencies
from utils.evaluation.ranking import Ranking
from utils.evaluation.thresholds import background_thresholds


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
        # The events pass both or none: the error is the limit for none of 500 events, over the gap.
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


def test_thresholds_and_efficiencies_of_eight_quantities_are_those_of_each(rng):
    """Exact to the last digit in row 0; the replicas of single events are the same events."""
    scores = {f"model {i}": rng.normal(0, 1, 5000) for i in range(8)}
    weights, allowed = np.ones(5000), np.array([0.1, 0.02, 0.005])
    rankings = {name: Ranking.of(values, weights) for name, values in scores.items()}
    rows = background_thresholds(scores, weights, rankings, allowed, rng)
    found = signal_efficiencies(scores, weights, rows, rng)[0].replicas
    for name, ranking in rankings.items():
        assert rows[name].shape == found[name].shape == (1 + N_REPLICAS, 3)
        assert rows[name][0].tolist() == ranking.thresholds(allowed).tolist()
        assert found[name][0] == pytest.approx(allowed)
        # The thresholds and the signal are each a sample: twice the binomial variance.
        assert found[name][1:].std(0) == pytest.approx(np.sqrt(2 * allowed * (1 - allowed) / 5000), rel=0.3)


def test_parts_of_the_efficiencies_sum_to_them_in_every_replica(rng):
    scores, thresholds = many_quantities(rng, 2, n_events=500, n_thresholds=3)
    rows = {name: np.tile(values, (1 + N_REPLICAS, 1)) for name, values in thresholds.items()}
    weights, kinds = rng.lognormal(0, 0.5, 500), rng.random(500) < 0.3
    whole, parts = signal_efficiencies(scores, weights, rows, rng, kinds)
    for name, values in scores.items():
        assert sum(part.shares[name] for part in parts) == pytest.approx(whole.replicas[name])
        for kind, part in enumerate(parts):
            chosen = kinds == kind
            passed = np.array([weights[chosen & (values > t)].sum() for t in thresholds[name]])
            assert part.inside.replicas[name][0] == pytest.approx(passed / weights[chosen].sum())
            assert part.shares[name][0] == pytest.approx(passed / weights.sum())
            assert part.inside.n_events == pytest.approx(n_effective(weights[chosen]))


def test_a_part_of_several_kinds_is_their_mean_in_every_replica(rng):
    """And the part of all kinds is the whole, to the last digit; a part without events is unknown."""
    scores, thresholds = many_quantities(rng, 2, n_events=500, n_thresholds=3)
    rows = {name: np.tile(values, (1 + N_REPLICAS, 1)) for name, values in thresholds.items()}
    weights, kinds = rng.lognormal(0, 0.5, 500), rng.integers(0, 3, 500)
    parts = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]], bool)
    whole, found = signal_efficiencies(scores, weights, rows, rng, kinds, parts)
    for name in scores:
        both, first, second, all_kinds, none = (part.inside.replicas[name] for part in found)
        assert found[0].shares[name] == pytest.approx(found[1].shares[name] + found[2].shares[name])
        assert (np.minimum(first, second) <= both + 1e-12).all() and (both <= np.maximum(first, second) + 1e-12).all()
        assert all_kinds.tolist() == whole.replicas[name].tolist()
        assert np.isnan(none).all()
    assert [part.inside.n_events for part in found] == pytest.approx(
        [n_effective(weights[kinds < 2]), *(n_effective(weights[kinds == i]) for i in (0, 1)), whole.n_events, 0]
    )


def test_where_all_events_of_a_part_pass_the_efficiency_is_1_to_the_last_digit(rng):
    weights, kinds = rng.lognormal(0, 2, 3000), rng.integers(0, 6, 3000)
    scores = {"baseline": rng.normal(5, 1, 3000), "true": np.full(3000, 9.0)}
    rows = {name: np.tile(np.sort(rng.normal(0, 0.1, 40)), (1 + N_REPLICAS, 1)) for name in scores}
    _, (part,) = signal_efficiencies(scores, weights, rows, rng, kinds, np.array([[0, 1, 1, 0, 1, 1]], bool))
    assert (part.inside.replicas["true"] == 1).all()
