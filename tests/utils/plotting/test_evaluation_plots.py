from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.binning import BINNINGS
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.efficiencies import Efficiency
from utils.evaluation.efficiency_gains import EfficiencyGains
from utils.evaluation.histograms import Histogram, Histogram2D, histogram
from utils.evaluation.process_result import Response, evaluate_process
from utils.evaluation.rates import Rates
from utils.evaluation.response import BinnedResponse, fit_core
from utils.evaluation.roc import Roc
from utils.evaluation.run_conditions import RunConditions, WorkingPoint
from utils.evaluation.turn_on import TurnOnGain
from utils.evaluation.turn_on_fit import error_function
from utils.evaluation.zero_bias_result import evaluate_zero_bias
from utils.plotting import overview as plotting_overview
from utils.plotting import process as plotting_process
from utils.plotting import trigger as plotting_trigger
from utils.plotting import turn_ons as plotting_turn_ons
from utils.plotting.quantities import LOOKS, looks, quantity_label
from utils.predictions import BASELINE, TRUE, Predictions

EDGES = np.array([0.0, 10, 30])
RUN_CONDITIONS = RunConditions(luminosity=2e34, colliding_bunches=2448)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def points_of(ax, i):
    """x, y of the markers of the i-th set of points with errors."""
    return ax.containers[i].lines[0].get_xydata().T


def lengths_of_errors(ax, i):
    """Full lengths of the vertical error bars of the i-th set of points."""
    bars = ax.containers[i].lines[2][-1]
    return np.array([np.ptp(path.vertices[:, 1]) if len(path.vertices) else np.nan for path in bars.get_paths()])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def process_result(n_events=4000):
    rng = np.random.default_rng(1)
    true = rng.exponential(60, n_events).astype(np.float32)
    reco = true * rng.normal(1.2, 0.2, n_events).astype(np.float32)
    predictions = Predictions(
        true,
        reco,
        {"teacher": np.full(n_events, 0.8, np.float32), "student": np.full(n_events, 0.9, np.float32)},
        np.full(n_events, 2, np.float32),
        np.ones(n_events, np.int32),
        np.ones(n_events, np.int8),
    )
    return evaluate_process(predictions, BINNINGS["true_met"], (100,), 1, "W")


def test_given_axes_are_used_and_the_style_stays_inside():
    before = dict(plt.rcParams)
    own, axes = plt.subplots(1, 2)
    fig, ax = plotting_turn_ons.draw_turn_on(turn_on(process_result()), "true_met", "W", axes[1])
    assert fig is own
    assert ax is axes[1]
    assert not axes[0].lines
    assert dict(plt.rcParams) == before


def test_every_plot_says_simulation_and_the_process():
    _, ax = plotting_turn_ons.draw_turn_on(turn_on(process_result()), "true_met", "W")
    texts = [text.get_text() for text in ax.texts]
    assert "Simulation" in texts
    assert "W" in texts


def turn_on(result):
    return {quantity: curves[0] for quantity, curves in result.turn_on.items()}


def test_turn_on_shows_efficiencies_fits_and_the_ideal_step():
    curves = turn_on(process_result())
    _, ax = plotting_turn_ons.draw_turn_on(curves, "true_met", "W")
    for i, curve in enumerate(curves.values()):
        x, y = points_of(ax, i)
        assert x == pytest.approx((curve.edges[1:] + curve.edges[:-1]) / 2)
        assert y == pytest.approx(curve.efficiency.value, nan_ok=True)
        assert lengths_of_errors(ax, i) == pytest.approx(curve.efficiency.high - curve.efficiency.low)
    described = [curve.fit for curve in curves.values() if curve.described]
    lines = [line for line in ax.lines if len(line.get_xdata()) == 400]
    assert 0 < len(described) < len(curves)
    for fit, line in zip(described, lines, strict=True):
        assert line.get_ydata() == pytest.approx(
            error_function(line.get_xdata(), fit.plateau.value, fit.midpoint.value, fit.width.value)
        )
    assert [", no fit (" in text for text in legend(ax)[:3]] == [not curve.described for curve in curves.values()]
    step = ax.patches[0].get_data()
    assert step.values.tolist() == [0, 1]
    assert step.edges.tolist() == [0, 100, 300]
    assert ax.get_legend().get_title().get_text() == "Threshold 100 GeV"
    assert ax.get_xlabel() == "True $p_T^{miss}$ [GeV]"


@pytest.mark.parametrize("n_models", [1, 2, 4])
def test_the_legend_of_a_turn_on_is_above_the_plateau(n_models):
    curves, known = turn_on(process_result()), Estimate(-12.3, 1.04)
    models = {f"model {i}": curves["teacher"] for i in range(n_models)}
    quantities = {BASELINE: curves[BASELINE], **models, TRUE: curves[BASELINE]}
    gains = dict.fromkeys(models, TurnOnGain(*[known] * 3))
    fig, ax = plotting_turn_ons.draw_turn_on_at_equal_rate(
        quantities, gains, WorkingPoint(0.01), None, "true_met", "W", "QCD"
    )
    fig.canvas.draw()
    frame = ax.get_legend().get_window_extent().transformed(ax.transData.inverted())
    assert 1.02 < frame.y0 < 1.5


def test_quantities_differ_without_colour():
    found = list(looks([*LOOKS, "a", "b", "c", "d"]).values())
    for attribute in ("line", "marker", "colour"):
        assert len({getattr(look, attribute) for look in found}) == len(found) == 7


def test_models_have_their_looks_by_their_order_and_their_names_in_legends():
    assert looks(["a", BASELINE, "b"]) == {**looks(["a", "b"]), BASELINE: LOOKS[BASELINE]}
    assert looks(["b", "a"])["b"] == looks(["a", "b"])["a"]
    assert quantity_label("student", "true_ht") == "Student $H_T$"


@pytest.mark.parametrize(("weighted", "unit"), [(True, "[pb / GeV]"), (False, "Events / GeV")])
def test_spectra_are_densities(weighted, unit):
    content = Histogram(EDGES, np.array([20.0, 10]), np.array([2.0, 1]))
    _, ax = plotting_process.draw_spectra({BASELINE: content, TRUE: content}, "true_ht", "W", weighted)
    assert [patch.get_data().values.tolist() for patch in ax.patches] == [[2, 0.5]] * 2
    assert lengths_of_errors(ax, 0) == pytest.approx([0.4, 0.1])
    assert ax.get_yscale() == "log"
    assert ax.get_ylabel().endswith(unit)
    assert legend(ax) == ["L1 $H_T$", "True $H_T$"]


def test_target_and_prediction_are_shares():
    target = Histogram(EDGES, np.array([20.0, 60]), np.zeros(2))
    prediction = Histogram(EDGES, np.array([5.0, 0]), np.zeros(2))
    _, ax = plotting_process.draw_target_prediction(target, {"teacher": prediction}, "original_met", "W")
    assert [patch.get_data().values.tolist() for patch in ax.patches] == [[0.25, 0.75], [1, 0]]
    assert legend(ax) == ["Target", "Prediction, teacher"]
    assert ax.get_xlabel() == "Original $p_T^{miss}$ / L1 $p_T^{miss}$"


def test_target_is_along_x_and_prediction_along_y():
    _, ax = plotting_process.draw_target_vs_prediction(
        Histogram2D(EDGES, EDGES, np.array([[1.0, 3], [0, 4]])), "true_met", "W", "teacher"
    )
    shown = ax.collections[0].get_array()
    assert shown.filled(0).tolist() == [[1 / 8, 0], [3 / 8, 4 / 8]]
    assert shown.mask[0, 1]


def test_response_shows_shares_and_fits():
    result = process_result()
    _, ax = plotting_process.draw_response(result.response, 40, "true_met", "W")
    for i, response in enumerate(result.response.values()):
        content, core = response.histogram, response.core
        assert points_of(ax, i)[1] == pytest.approx(content.values / content.values.sum())
        curve = [line for line in ax.lines if len(line.get_xdata()) == 200][i]
        assert curve.get_xdata()[[0, -1]] == pytest.approx([core.low, core.high])
        assert curve.get_ydata().max() == pytest.approx(core.height / content.values.sum(), rel=1e-3)
        written = float(legend(ax)[i].split("sigma$ = ")[1].split()[0])
        assert written == pytest.approx(core.sigma.value, abs=core.sigma.error / 10)
    assert "> 40 GeV" in ax.get_legend().get_title().get_text()


@pytest.mark.parametrize(
    ("draw", "shown"),
    [(plotting_process.draw_resolution, "resolution"), (plotting_process.draw_median_response, "median")],
)
def test_quantities_in_bins_are_drawn_with_errors(draw, shown):
    estimates = {
        name: Estimate(np.array([i, np.nan]), np.array([0.1 * i, np.nan]))
        for i, name in enumerate(("median", "half_width", "resolution"), start=1)
    }
    _, ax = draw({"teacher": BinnedResponse(EDGES, np.array([20, 0]), **estimates)}, "true_met", "W")
    x, y = points_of(ax, 0)
    assert x.tolist() == [5, 20]
    assert y[0] == estimates[shown].value[0]
    assert lengths_of_errors(ax, 0)[0] == pytest.approx(2 * estimates[shown].error[0])


@pytest.mark.parametrize(
    ("run_conditions", "height", "unit"),
    [(RUN_CONDITIONS, 50, "Rate [kHz]"), (None, 0.5, "Fraction")],
)
def test_rates_are_in_khz_or_fractions_without_cross_sections(run_conditions, height, unit):
    thresholds = np.array([0.0, 100])
    rate, fraction = (Estimate(np.array([h, 0]), np.array([h / 10, 0])) for h in (50.0, 0.5))
    of_quantity = Rates(thresholds, np.array([5, 0]), fraction, rate)
    ratio = Estimate(np.array([0.5, np.nan]), np.array([0.1, np.nan]))
    result = BackgroundResult([], {BASELINE: of_quantity, "teacher": of_quantity}, {"teacher": ratio}, {}, {}, {}, {})
    fig, ax = plotting_trigger.draw_rates(result, run_conditions, "true_met", "QCD")
    assert ax.lines[0].get_xydata().tolist() == [[0, height]]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.9 * height, 1.1 * height))
    assert ax.get_ylabel().startswith(unit)
    assert any("cm" in text.get_text() for text in ax.texts) == (run_conditions is not None)
    (panel,) = (other for other in fig.axes if other is not ax)
    assert panel.lines[0].get_ydata() == pytest.approx([0.5, np.nan], nan_ok=True)


@pytest.mark.filterwarnings("error")
def test_rates_of_a_background_that_passes_nothing_are_said_to_be_none():
    none = Estimate(np.zeros(2), np.full(2, 0.1))
    of_quantity = Rates(np.array([0.0, 100]), np.zeros(2, int), none, none)
    ratio = Estimate(np.full(2, np.nan), np.full(2, np.nan))
    result = BackgroundResult([], {BASELINE: of_quantity, "teacher": of_quantity}, {"teacher": ratio}, {}, {}, {}, {})
    _, ax = plotting_trigger.draw_rates(result, RUN_CONDITIONS, "true_met", "QCD")
    assert any("No events" in text.get_text() for text in ax.texts)
    assert 0 < ax.get_ylim()[0] < ax.get_ylim()[1]


def test_zero_bias_rates_are_drawn_with_their_intervals_and_ratios():
    rng = np.random.default_rng(1)
    reco = rng.exponential(40, 2000).astype(np.float32)
    nothing = np.full_like(reco, np.nan)
    halved = {"teacher": np.full_like(reco, 0.5)}
    predictions = Predictions(nothing, reco, halved, np.ones_like(reco), nothing, np.ones(2000, np.int8))
    result = evaluate_zero_bias(predictions, reco * 0.8, {}, BINNINGS["true_met"], (100,), 2000)
    fig, ax = plotting_trigger.draw_zero_bias_rates(result, "true_met")
    for line, rates in zip(ax.lines, result.rates.values(), strict=True):
        shown = rates.n_events > 0
        assert line.get_xydata() == pytest.approx(np.stack([rates.thresholds, rates.value], axis=1)[shown])
    assert legend(ax) == ["$p_T^{miss}$ of L1 objects", "Teacher $p_T^{miss}$", "CMS $p_T^{miss}$"]
    texts = [text.get_text() for text in ax.texts]
    assert "Simulation" not in texts
    assert {"CMS zero-bias data", "2000 colliding bunches"} <= set(texts)
    (panel,) = (other for other in fig.axes if other is not ax)
    for line, ratio in zip(panel.lines, result.ratios.values(), strict=False):
        assert line.get_ydata() == pytest.approx(ratio.value, nan_ok=True)


def test_roc_shows_curves_working_points_and_areas():
    x, y = np.array([0, 0.01, 1]), np.array([0, 0.3, 1])
    estimate = Estimate(np.array([0.25, 0, np.nan]), np.array([0.02, 0.005, np.nan]))
    points = EfficiencyGains(np.array([0.01, 0.003, 0.001]), {}, {"teacher": estimate}, {}, {}, {}, {}, [])
    roc = {"teacher": Roc(x, y, Estimate(0.7123, 0.0101))}
    working_points = [WorkingPoint(0.05), WorkingPoint(0.01, 100.0), WorkingPoint(0.001)]
    _, ax = plotting_trigger.draw_roc(roc, points, working_points, RUN_CONDITIONS, "true_met", "W", "QCD")
    named = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert (named["5%"], named["100 kHz"]) == (0.05, 0.01)
    assert "cm" in ax.get_legend().get_title().get_text()
    assert ax.get_legend().get_title().get_text().endswith("\n0.1%: beyond the sample")
    curve = next(line for line in ax.lines if len(line.get_xdata()) == 3)
    assert curve.get_xydata().tolist() == [[0, 0], [0.01, 0.3], [1, 1]]
    assert points_of(ax, 0).tolist() == [[0.01], [0.25]]
    assert lengths_of_errors(ax, 0) == pytest.approx([0.04])
    limit = next(line for line in ax.lines if line.get_marker() == "v")  # none pass: an upper limit
    assert limit.get_xydata().tolist() == [[0.003, 0.005]]
    assert "area 0.712 $\\pm$ 0.010" in legend(ax)[0]
    assert ax.get_xscale() == ax.get_yscale() == "log"


@pytest.mark.parametrize(
    ("working_point", "title"), [(WorkingPoint(0.01), "1% of QCD"), (WorkingPoint(0.0123, 100.0), "100 kHz of QCD")]
)
def test_turn_on_at_equal_rate_says_what_may_pass_and_what_is_gained(working_point, title):
    curves = turn_on(process_result())
    known, unknown = Estimate(-12.3, 1.04), Estimate(np.nan, np.nan)
    gains = {"teacher": TurnOnGain(known, known, known), "student": TurnOnGain(*[unknown] * 3)}
    _, ax = plotting_turn_ons.draw_turn_on_at_equal_rate(
        curves, gains, working_point, RUN_CONDITIONS, "true_met", "W", "QCD"
    )
    assert ax.get_legend().get_title().get_text() == title
    of_quantity = {
        "baseline": "L1 $p_T^{miss}$ > 100 GeV",
        "teacher": "Teacher $p_T^{miss}$ > 100 GeV,\n50% point moved by -12.3 $\\pm$ 1.0 GeV",
        "student": "Student $p_T^{miss}$ > 100 GeV",
    }
    for name, found in zip(of_quantity, legend(ax), strict=True):
        fit = curves[name].fit
        quality = f"$\\chi^2$/n {fit.chi2 / fit.n_degrees:.1f}"
        drawn = f", fit: plateau {fit.plateau.value:.2f}, {quality}"
        assert found == of_quantity[name] + (drawn if curves[name].described else f", no fit ({quality})")
    assert any("cm" in text.get_text() for text in ax.texts) == (working_point.rate is not None)


def test_corrections_show_medians_and_bands():
    estimates = [Estimate(np.array([i, np.nan]), np.array([0.1, np.nan])) for i in (1.0, 0.25, 0.25)]
    result = BinnedResponse(EDGES, np.array([20, 0]), *estimates)
    _, ax = plotting_process.draw_correction({TRUE: result, "teacher": result}, "Number of L1 jets", "true_met", "W")
    assert points_of(ax, 0)[1] == pytest.approx([1, np.nan], nan_ok=True)
    assert [patch.get_data().values[0] for patch in ax.patches] == [0.75, 1.25] * 2
    assert legend(ax)[1:] == ["Target", "Prediction, teacher"]


def test_numbers_of_jets_are_marked_and_nothing_between_them():
    result = process_result()
    _, ax = plotting_process.draw_correction(result.correction_in_jets, "Number of L1 jets", "true_met", "W")
    assert ax.get_xlim() == (0.5, 1.5)  # all events have one jet
    assert [tick for tick in ax.get_xticks() if 0.5 < tick < 1.5] == [1]
    assert len(ax.get_xticks(minor=True)) == 0


def test_slices_have_a_panel_each_with_shares_of_their_own():
    contents = [Histogram(EDGES, np.array([i, 3.0 * i]), np.zeros(2)) for i in (1, 2, 4, 5)]
    edges = np.array([20.0, 40, 60, 100, 200])
    _, axes = plotting_process.draw_response_slices({BASELINE: contents}, edges, "true_met", "W")
    for ax, low, high in zip(axes, edges[:-1], edges[1:], strict=True):
        assert ax.patches[0].get_data().values.tolist() == [0.25, 0.75]
        title = ax.get_legend().get_title().get_text()
        assert title.startswith(f"{low:g} <")
        assert title.endswith(f"< {high:g} GeV")


def test_overviews_show_each_process_before_and_after():
    results = {"QCD": process_result(2000), "W": process_result(300)}
    resolutions = {name: result.resolution for name, result in results.items()}
    for draw, of in (
        (plotting_overview.draw_all_resolutions, "resolution"),
        (plotting_overview.draw_all_median_responses, "median"),
    ):
        _, ax = draw(resolutions, "student", "true_met")
        expected = [getattr(resolutions[name][q], of).value for q in (BASELINE, "student") for name in results]
        for i, values in enumerate(expected):
            assert points_of(ax, i)[1] == pytest.approx(values, nan_ok=True)
        assert legend(ax) == ["QCD", "W", "Student $p_T^{miss}$", "L1 $p_T^{miss}$"]
    curves = {name: turn_on(result) for name, result in results.items()}
    _, ax = plotting_overview.draw_all_turn_ons(curves, "student", "Threshold 100 GeV", "true_met")
    efficiency = curves["W"]["student"].efficiency
    known = efficiency.high - efficiency.low <= 0.5
    assert 0 < known.sum() < len(known)
    assert points_of(ax, 3)[1] == pytest.approx(np.where(known, efficiency.value, np.nan), nan_ok=True)
    x, y = np.array([0, 0.01, 1]), np.array([0, 0.3, 1])
    rocs = {"W": {BASELINE: Roc(x, y / 2, Estimate(0.6, 0.1)), "student": Roc(x, y, Estimate(0.7, 0.1))}}
    _, ax = plotting_overview.draw_all_rocs(rocs, "student", "true_met", "QCD")
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [(y / 2).tolist(), y.tolist()]


def test_a_threshold_beyond_the_sample_is_said_to_be_so():
    curves = turn_on(process_result(300))
    unknown = replace(curves["teacher"], threshold=np.nan)
    of = ({}, WorkingPoint(1e-9, 0.001), RUN_CONDITIONS, "true_met", "W", "QCD")
    _, ax = plotting_turn_ons.draw_turn_on_at_equal_rate({**curves, "teacher": unknown}, *of)
    assert legend(ax)[1] == "Teacher $p_T^{miss}$: beyond the sample"
    assert len(ax.containers) == 2  # points of the others
    _, ax = plotting_turn_ons.draw_turn_on_at_equal_rate(dict.fromkeys(curves, unknown), *of)
    assert "All thresholds are beyond the sample" in [text.get_text() for text in ax.texts]
    of_processes = {"W": {BASELINE: unknown, "teacher": curves["teacher"]}}
    _, ax = plotting_overview.draw_all_turn_ons(of_processes, "teacher", "0.001 kHz of QCD", "true_met")
    title = ax.get_legend().get_title().get_text()
    assert title == "0.001 kHz of QCD\nL1 $p_T^{miss}$: beyond the sample"


def test_a_gaussian_that_does_not_describe_a_spike_and_a_hump_is_not_drawn():
    """Events without a jet stay as they are, which makes the spike."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(1, 0.3, 4000), rng.normal(0.7, 0.04, 500)])
    content = histogram(values, np.ones(4500), np.arange(0, 3.01, 0.05))
    core = fit_core(content)
    assert core.chi2 / core.n_degrees > 5
    _, ax = plotting_process.draw_response({BASELINE: Response(content, core)}, 40, "true_met", "W")
    assert legend(ax) == [f"L1 $p_T^{{miss}}$\nno Gaussian: $\\chi^2$/n {core.chi2 / core.n_degrees:.1f}"]
    assert not [line for line in ax.lines if len(line.get_xdata()) == 200]


def test_negative_sums_of_weights_are_not_drawn_on_logarithmic_scales():
    content = Histogram2D(EDGES, EDGES, np.array([[-1.0, 3], [0, 4]]))
    _, ax = plotting_process.draw_target_vs_prediction(content, "true_met", "W", "teacher")
    assert ax.collections[0].get_array().mask.tolist() == [[True, True], [False, False]]
    spectrum = Histogram(EDGES, np.array([20.0, -10]), np.array([2.0, 20]))
    fig, ax = plotting_process.draw_spectra({BASELINE: spectrum}, "true_met", "W", True)
    fig.canvas.draw()
    assert 0 < ax.get_ylim()[0] < 2


def test_a_plot_with_nothing_to_show_says_so():
    """No prediction, all true values 0: no warning or error comes."""
    nothing = np.zeros(3, np.float32)
    predictions = Predictions(nothing, nothing, {"teacher": nothing + 1}, nothing + 1, nothing, nothing)
    result = evaluate_process(predictions, BINNINGS["true_ht"], (100,), 1, "W")
    unknown = replace(turn_on(result)[BASELINE], efficiency=Efficiency(*[np.full(32, np.nan)] * 4))
    resolutions, of = {"W": result.resolution}, ("true_ht", "W")
    for (fig, ax), text in (
        (plotting_process.draw_target_prediction(result.target, result.prediction, *of), "No events"),
        (plotting_process.draw_target_vs_prediction(result.target_prediction["teacher"], *of, "teacher"), "No events"),
        (plotting_process.draw_spectra({TRUE: Histogram(EDGES, np.zeros(2), np.zeros(2))}, *of, True), "No events"),
        (plotting_process.draw_response(result.response, 40, *of), "No events"),
        (plotting_process.draw_correction(result.correction_in_jets, "Number of L1 jets", *of), "Too few events"),
        (plotting_process.draw_resolution(result.resolution, *of), "Too few events"),
        (plotting_process.draw_median_response(result.resolution, *of), "Too few events"),
        (plotting_overview.draw_all_resolutions(resolutions, "teacher", "true_ht"), "Too few events"),
        (plotting_turn_ons.draw_turn_on({BASELINE: unknown}, *of), "No events"),
    ):
        fig.canvas.draw()
        assert text in [found.get_text() for found in ax.texts]
    fig, axes = plotting_process.draw_response_slices(result.response_slices, BINNINGS["true_ht"].slices, *of)
    fig.canvas.draw()
    assert all("No events" in [text.get_text() for text in ax.texts] for ax in axes)
