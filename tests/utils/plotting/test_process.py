import itertools
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.utils.plotting.drawn import EDGES, legend, lengths_of_errors, points_of, process_result, turn_on
from utils.evaluation.binning import BINNINGS
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.efficiencies import Efficiency
from utils.evaluation.histograms import Histogram, Histogram2D, histogram
from utils.evaluation.process_result import Response, evaluate_process
from utils.evaluation.response import BinnedResponse, fit_core
from utils.plotting import overview as plotting_overview
from utils.plotting import process as plotting_process
from utils.plotting import turn_ons as plotting_turn_ons
from utils.predictions import BASELINE, TRUE, Predictions


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
    fig, axes = plotting_process.draw_response_slices(
        {BASELINE: contents}, edges, "true_met", "W", ", models calibrated"
    )
    fig.canvas.draw()
    labels = [ax.xaxis.label.get_window_extent() for ax in axes if ax.get_xlabel()]
    assert labels
    assert not any(one.overlaps(other) for one, other in itertools.combinations(labels, 2))
    for ax, low, high in zip(axes, edges[:-1], edges[1:], strict=True):
        assert ax.patches[0].get_data().values.tolist() == [0.25, 0.75]
        title = ax.get_legend().get_title().get_text()
        assert title.startswith(f"{low:g} <")
        assert title.endswith(f"< {high:g} GeV")


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
