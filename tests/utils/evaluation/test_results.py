"""Results of the evaluation, from predictions."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.utils.evaluation.samples import predictions, random_predictions
from utils.evaluation.background_result import evaluate_background
from utils.evaluation.binning import BINNINGS
from utils.evaluation.bootstrap import ONE_SIGMA
from utils.evaluation.process_result import evaluate_process
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import rates
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.signal_result import ALL, evaluate_signal
from utils.evaluation.zero_bias_result import evaluate_zero_bias
from utils.predictions import BASELINE, REFERENCE, TRUE

BINNING = BINNINGS["true_met"]

EFFICIENCIES = (0.1, 0.02)

RUN_CONDITIONS = RunConditions(luminosity=2e34, colliding_bunches=2448)


def test_a_constant_correction_shifts_the_response_and_keeps_the_resolution(rng):
    events = random_predictions(rng, 5000, 40)
    halved = replace(events, corrections={"half": np.full(5000, 0.5, np.float32)})
    result = evaluate_process(halved, BINNING, (30,), 1, "W")
    before, after = result.resolution[BASELINE], result.resolution["half"]
    assert after.median.value == pytest.approx(before.median.value / 2, nan_ok=True)
    assert after.resolution.value == pytest.approx(before.resolution.value, nan_ok=True)
    assert after.resolution.error == pytest.approx(before.resolution.error, nan_ok=True)


def test_target_and_prediction_are_of_the_same_events(rng):
    result = evaluate_process(random_predictions(rng, 3000, 40, 2), BINNING, (30,), 1, "W")
    inside, prediction = result.target_prediction["teacher"].values, result.prediction["teacher"].values
    assert 0 < inside.sum() <= min(result.target.values.sum(), prediction.sum())
    assert (inside.sum(1) <= result.target.values).all()
    assert (inside.sum(0) <= prediction).all()


def test_background_efficiencies_are_at_most_those_asked_for(rng):
    events = random_predictions(rng, 4000, 20, rng.lognormal(0, 1, 4000))
    result = evaluate_background(events, BINNING, EFFICIENCIES, RUN_CONDITIONS, (), 1)
    for name, values in events.scores.items():
        for threshold, efficiency in zip(result.threshold_replicas[name][0], EFFICIENCIES, strict=True):
            passed = events.weight[values > threshold].sum() / events.weight.sum()
            assert 0.8 * efficiency < passed <= efficiency
        assert result.at_working_points[name].n_events.tolist() == [
            np.sum(values > threshold) for threshold in result.threshold_replicas[name][0]
        ]


def test_working_points_at_fixed_rates_let_pass_at_most_these_rates(rng):
    events = random_predictions(rng, 4000, 20, 1e4)
    result = evaluate_background(events, BINNING, EFFICIENCIES, RUN_CONDITIONS, (300.0, 30.0, 1e9), 1)
    assert [point.rate for point in result.working_points] == [None, None, 300, 30, 1e9]
    for name, at_points in result.at_working_points.items():
        assert (at_points.rate.value[2:] <= [300, 30, 1e9]).all()
        one_more = Ranking.of(events.scores[name], events.weight).values[at_points.n_events[2:4]]
        below = rates(
            result.rankings[name],
            np.nextafter(one_more, -np.inf),
            RUN_CONDITIONS.luminosity,
            RUN_CONDITIONS.colliding_bunches,
        )
        assert (below.rate.value > [300, 30]).all()
        assert at_points.n_events[4] == 4000
    assert [
        point.rate for point in evaluate_background(events, BINNING, EFFICIENCIES, None, (30.0,), 1).working_points
    ] == [
        None,
        None,
    ]


def test_several_models_are_compared_with_the_same_events(rng):
    """A model twice as large as another gains the same at equal rate, to the bit and whatever else there is."""
    signal, background = (random_predictions(rng, n_events, scale) for n_events, scale in ((3000, 40), (5000, 20)))
    both = [
        replace(events, corrections={"one": events.corrections["teacher"], "two": 2 * events.corrections["teacher"]})
        for events in (signal, background)
    ]
    against = evaluate_background(both[1], BINNING, EFFICIENCIES, RUN_CONDITIONS, (), 1)
    points = evaluate_signal(both[0], against, BINNING, 1, "W").gains
    for of in (points.gain, points.gap_closed):
        assert of["two"].value.tolist() == of["one"].value.tolist()
        assert of["two"].error.tolist() == of["one"].error.tolist()
    for kept in points.kept.values():
        assert kept.value.tolist() == [1, 1]
    alone = evaluate_background(background, BINNING, EFFICIENCIES, RUN_CONDITIONS, (), 1)
    alone_gains = evaluate_signal(signal, alone, BINNING, 1, "W").gains
    assert alone_gains.gain["teacher"].value.tolist() == points.gain["one"].value.tolist()


def test_events_with_and_without_a_jet_make_up_the_gain(rng):
    """Corrected are those with a jet, downwards: all of the gain is of those without, whose threshold falls."""

    def events(n, scale, without_jet):
        jets = (rng.random(n) >= without_jet).astype(int)
        reco = rng.exponential(scale, n)
        return predictions(reco, reco, np.where(jets, 0.5, 1), jets=jets)

    signal, background = events(4000, 30, 0.5), events(8000, 20, 0)
    against = evaluate_background(background, BINNING, (0.1,), None, (), 1)
    points = evaluate_signal(signal, against, BINNING, 1, "W").gains
    with_jet, without = points.parts
    assert with_jet.gain["teacher"].value + without.gain["teacher"].value == pytest.approx(points.gain["teacher"].value)
    assert with_jet.gain["teacher"].value == 0
    assert without.share["teacher"].value == [1]
    threshold = against.threshold_replicas["teacher"][0, 0]
    expected = np.mean(signal.reco[signal.jets == 0] > threshold)
    assert without.efficiency["teacher"].value == pytest.approx(expected)
    for name, rates_of_part in against.parts["with_jet"].items():
        assert rates_of_part.n_events.tolist() == against.at_working_points[name].n_events.tolist()
        assert against.parts["without_jet"][name].n_events.tolist() == [0]
        assert np.isnan(against.parts["without_jet"][name].efficiency.value).all()


def test_efficiencies_in_bins_add_up_to_those_of_all_events(rng):
    """And one bin that contains all events has all their numbers, errors too."""
    signal, background = random_predictions(rng, 4000, 60, 2), random_predictions(rng, 8000, 20)
    against = evaluate_background(background, BINNING, EFFICIENCIES, RUN_CONDITIONS, (), 1)
    wide = replace(BINNING, efficiency=np.array([0.0, 50, 1e4]))
    result = evaluate_signal(signal, against, wide, 1, "W")
    for part, chosen in {ALL: np.ones(4000, bool), **signal.parts}.items():
        found = result.in_bins[part]
        in_bins = [chosen & (signal.true < 50), chosen & (signal.true >= 50)]
        shares = np.array([np.sum(events) for events in in_bins])
        assert found.n_effective == pytest.approx(shares)
        for name, values in signal.scores.items():
            for i, threshold in enumerate(against.threshold_replicas[name][0]):
                passed = np.array([np.sum(values[events] > threshold) for events in in_bins])
                assert found.efficiency[name].value[i] == pytest.approx(passed / shares)
    one = evaluate_signal(signal, against, replace(BINNING, efficiency=np.array([0.0, 1e4])), 1, "W")
    for name, efficiency in one.in_bins[ALL].efficiency.items():
        assert efficiency.value[:, 0].tolist() == one.gains.efficiency[name].value.tolist()
        assert efficiency.error[:, 0].tolist() == one.gains.efficiency[name].error.tolist()
    assert one.in_bins[ALL].gain["teacher"].error[:, 0].tolist() == one.gains.gain["teacher"].error.tolist()
    for part, gains in zip(signal.parts, one.gains.parts, strict=True):
        expected = gains.efficiency[BASELINE]
        assert one.in_bins[part].efficiency[BASELINE].value[:, 0].tolist() == expected.value.tolist()


def test_the_inverse_response_is_the_response_turned_over(rng):
    """The median of the inverse is the inverse of the median; without a measured value there is none."""
    true, factor = rng.uniform(40, 50, 2001), rng.lognormal(0.3, 0.3, 2001)
    result = evaluate_process(predictions(true, true * factor), BINNING, (30,), 1, "W")
    response, inverse = (of[BASELINE].median.value[4] for of in (result.resolution, result.inverse_resolution))
    assert inverse == pytest.approx(1 / response, rel=1e-3)
    assert response == pytest.approx(np.exp(0.3), rel=5 * 1.25 * 0.3 / np.sqrt(2001))
    nothing = evaluate_process(predictions(true, 0), BINNING, (30,), 1, "W").inverse_resolution[BASELINE]
    assert (nothing.n_effective == 0).all() and np.isnan(nothing.median.value).all()


def test_the_resolution_of_the_direction_is_the_width_of_the_angle(rng):
    events = predictions(rng.uniform(60, 70, 20_000), 50)
    result = evaluate_process(
        replace(events, angle=rng.normal(0.1, 0.25, 20_000).astype(np.float16)), BINNING, (30,), 1, "W"
    )
    median, width = result.direction.median.at(6), result.direction.half_width.at(6)
    assert median.value == pytest.approx(0.1, abs=5 * median.error)
    assert width.value == pytest.approx(0.25, abs=5 * width.error)
    assert 0 < width.error < 0.005
    assert evaluate_process(events, BINNING, (30,), 1, "W").direction is None


def test_a_working_point_at_which_no_event_passes_is_beyond_the_sample(rng):
    signal, background = random_predictions(rng, 300, 40), random_predictions(rng, 500, 20)
    against = evaluate_background(background, BINNING, (0.1, 1e-4), RUN_CONDITIONS, (), 1)
    assert [beyond.tolist() for beyond in against.beyond_sample.values()] == [[False, True]] * 3
    result = evaluate_signal(signal, against, BINNING, 1, "W")
    points = result.gains
    for of in (points.thresholds, points.efficiency, points.gain, points.ratio, points.gap_closed, points.kept):
        for estimate in of.values():
            assert np.isnan([estimate.value[1], estimate.error[1]]).all()
    assert np.isfinite(points.efficiency[BASELINE].value[0])
    assert np.isnan(result.turn_on[BASELINE][1].efficiency.value).all()
    assert (against.at_working_points[BASELINE].rate.error > 0).all()


def test_a_signal_that_never_passes_has_limits(rng):
    signal, background = random_predictions(rng, 250, 1), random_predictions(rng, 4000, 60)
    against = evaluate_background(background, BINNING, (0.05,), RUN_CONDITIONS, (), 1)
    points = evaluate_signal(signal, against, BINNING, 1, "W").gains
    limit = 1 - ((1 - ONE_SIGMA) / 2) ** (1 / 250)
    for estimate in points.efficiency.values():
        assert (estimate.value, estimate.error) == ([0], pytest.approx(limit))
    assert (points.gain["teacher"].value, points.gain["teacher"].error) == ([0], pytest.approx(limit))
    for of in (points.ratio, points.gap_closed, points.kept):
        assert np.isnan([of["teacher"].value, of["teacher"].error]).all()


def test_a_signal_like_the_background_has_an_area_of_one_half(rng):
    events = random_predictions(rng, 2000, 20)
    background = evaluate_background(events, BINNING, EFFICIENCIES, None, (), 1)
    result = evaluate_signal(events, background, BINNING, 1, "W")
    for name in (BASELINE, "teacher", TRUE):
        assert result.roc[name].area.value == pytest.approx(0.5)
        assert result.roc[name].signal_efficiency == pytest.approx(result.roc[name].background_efficiency)
        assert result.gains.efficiency[name].value == pytest.approx(EFFICIENCIES)


def test_gains_of_areas_are_the_differences_of_those_of_the_same_events(rng):
    signal, background = (random_predictions(rng, n_events, scale) for n_events, scale in ((2000, 40), (3000, 20)))
    result = evaluate_signal(
        signal, evaluate_background(background, BINNING, EFFICIENCIES, None, (), 1), BINNING, 1, "W"
    )
    before, after = (result.roc[name].area for name in (BASELINE, "teacher"))
    assert result.area_gain["teacher"].value == pytest.approx(after.value - before.value)
    assert 0 < result.area_gain["teacher"].error < np.hypot(before.error, after.error)


def test_no_number_depends_on_the_order_of_the_events(rng):
    """Not even errors, although they are made with random numbers; weights of 1 leave no rounding."""

    def results(signal, background):
        against = evaluate_background(background, BINNING, EFFICIENCIES, RUN_CONDITIONS, (), 1)
        return (
            evaluate_process(signal, BINNING, (30,), 1, "W").resolution,
            against.at_working_points,
            evaluate_signal(signal, against, BINNING, 1, "W").gains,
        )

    samples = [random_predictions(rng, n_events, scale) for n_events, scale in ((3000, 40), (5000, 20))]
    shuffled = [events[rng.permutation(len(events))] for events in samples]
    assert repr(results(*samples)) == repr(results(*shuffled))


def test_errors_follow_the_seed_and_the_name(rng):
    events = random_predictions(rng, 1000, 40)
    first, other_seed, other_name = (
        evaluate_process(events, BINNING, (30,), seed, name).resolution[BASELINE].median
        for seed, name in ((1, "W"), (2, "W"), (1, "Z"))
    )
    for other in (other_seed, other_name):
        assert np.array_equal(first.value, other.value, equal_nan=True)
        assert not np.array_equal(first.error, other.error, equal_nan=True)


def test_zero_bias_events_are_ranked_by_each_quantity(rng):
    reco = rng.exponential(30, 20_000)
    events = predictions(np.nan, reco, 0.5, jets=rng.integers(0, 2, len(reco)))
    reference = (0.8 * reco).astype(np.float32)
    result = evaluate_zero_bias(events, reference, {"jets": 3}, BINNING, (40, 60), 2000)
    assert (result.colliding_bunches, result.n_saturated) == (2000, {"jets": 3})
    assert result.counts.without_jet == np.sum(events.jets == 0)
    for name, scale in ((BASELINE, 1), ("teacher", 0.5), (REFERENCE, 0.8)):
        values = np.float32(scale) * events.reco
        assert result.rates[name].n_events.tolist() == [np.sum(values > edge) for edge in BINNING.spectrum]
        assert result.at_thresholds[name].n_events.tolist() == [np.sum(values > threshold) for threshold in (40, 60)]
        at_rates = result.at_rates[name]
        assert at_rates.rates.tolist() == [100, 30, 10, 3, 1]
        assert at_rates.value[:4] == pytest.approx(scale * result.at_rates[BASELINE].value[:4])
        assert np.isnan(at_rates.value[4])  # 1 kHz of 22 MHz is 0.9 of 20,000 events
    for name in ("teacher", REFERENCE):
        n_passed, n_baseline = result.rates[name].n_events, result.rates[BASELINE].n_events
        some = n_baseline > 1
        assert np.isnan(result.ratios[name].value[n_baseline <= 1]).all()  # 0 within its error
        assert result.ratios[name].value[some] == pytest.approx(n_passed[some] / n_baseline[some])


def test_no_number_depends_on_the_blocks_in_which_events_are_read(rng, monkeypatch):
    signal, events = random_predictions(rng, 3000, 40, 2), random_predictions(rng, 4000, 20, 1e4)

    def found() -> list[str]:
        against = evaluate_background(events, BINNING, EFFICIENCIES, RUN_CONDITIONS, (300.0, 30.0), 1)
        process, result = (
            evaluate_process(signal, BINNING, (30,), 1, "W"),
            evaluate_signal(signal, against, BINNING, 1, "W"),
        )
        parts = {**vars(against), **vars(process), **vars(result), "rankings": dict(against.rankings)}
        return [repr(part) for part in parts.values()]

    with np.printoptions(threshold=sys.maxsize, precision=17):
        whole = found()
        monkeypatch.setattr("utils.evaluation.histograms.BLOCK", 130)
        assert found() == whole
