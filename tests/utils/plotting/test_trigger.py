import numpy as np
import pytest

from tests.utils.plotting.drawn import RUN_CONDITIONS, legend, lengths_of_errors, points_of
from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.binning import BINNINGS
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.efficiency_gains import EfficiencyGains
from utils.evaluation.rates import Rates
from utils.evaluation.roc import Roc
from utils.evaluation.run_conditions import WorkingPoint
from utils.evaluation.section_rates import section_rates
from utils.evaluation.zero_bias_result import evaluate_zero_bias
from utils.plotting import trigger as plotting_trigger
from utils.predictions import BASELINE, Predictions


@pytest.mark.parametrize(
    ("run_conditions", "height", "unit"),
    [(RUN_CONDITIONS, 50, "Rate [kHz]"), (None, 0.5, "Fraction")],
)
def test_rates_are_in_khz_or_fractions_without_cross_sections(run_conditions, height, unit):
    thresholds = np.array([0.0, 100])
    rate, fraction = (Estimate(np.array([h, 0]), np.array([h / 10, 0])) for h in (50.0, 0.5))
    found_rates = Rates(thresholds, np.array([5, 0]), fraction, rate)
    ratio = Estimate(np.array([0.5, np.nan]), np.array([0.1, np.nan]))
    result = BackgroundResult([], {BASELINE: found_rates, "teacher": found_rates}, {"teacher": ratio}, {}, {}, {}, {})
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
    found_rates = Rates(np.array([0.0, 100]), np.zeros(2, int), none, none)
    ratio = Estimate(np.full(2, np.nan), np.full(2, np.nan))
    result = BackgroundResult([], {BASELINE: found_rates, "teacher": found_rates}, {"teacher": ratio}, {}, {}, {}, {})
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


@pytest.mark.parametrize("runs", [[1], [1, 2]])
def test_rates_of_luminosity_sections_are_drawn_for_the_lowest_threshold(runs):
    rng = np.random.default_rng(1)
    sections = np.stack([rng.choice(runs, 2000), rng.integers(5, 9, 2000)], axis=1)
    values = rng.exponential(40, 2000)
    result = section_rates(sections, {"baseline": values, "teacher": values / 2}, (100, 60), 2000)
    _, ax = plotting_trigger.draw_section_rates(result, "true_met")
    assert ax.lines[0].get_ydata() == pytest.approx(result.value["baseline"][1])
    assert ax.lines[1].get_ydata() == pytest.approx(result.value["teacher"][1])
    assert ax.lines[0].get_xdata().tolist() == ([5, 6, 7, 8] if len(runs) == 1 else list(range(8)))
    assert legend(ax) == ["$p_T^{miss}$ of L1 objects", "Teacher $p_T^{miss}$"]
    assert [line.get_xdata() for line in ax.lines[2:]] == [[3.5, 3.5]] * (len(runs) - 1)
    assert "$p_T^{miss}$ > 60 GeV" in [text.get_text() for text in ax.texts]


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
