"""Which plots an evaluation has, under which names, and how each is drawn; the same for MET and HT."""

import functools
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from utils.evaluation.binning import BINNINGS
from utils.evaluation.process_result import ProcessResult
from utils.evaluation.results import Results
from utils.evaluation.run_conditions import WorkingPoint
from utils.evaluation.signal_result import SignalResult
from utils.plotting import overview as overview
from utils.plotting import process as of_process
from utils.plotting import trigger as of_trigger
from utils.plotting.quantities import SYMBOLS

Figures = dict[str, Callable[[], tuple[Figure, Any]]]


def allowed_stem(allowed: WorkingPoint) -> str:
    """Write in names of plots what of the background may pass."""
    if allowed.rate is None:
        return f"at_{100 * allowed.background_efficiency:g}_percent"
    return f"at_{allowed.rate:g}_kHz"


def figures(results: Results) -> Figures:
    """Name the plots, and say how each is drawn."""
    plots: Figures = {}
    for name, process in results.processes.items():
        plots |= process_figures(results, name, process)
    background = results.background_name
    of_rates = (results.background, results.beams, results.variable, background)
    plots["rate"] = functools.partial(of_trigger.draw_rates, *of_rates)
    if results.zero_bias:
        plots["rate_zero_bias"] = functools.partial(
            of_trigger.draw_zero_bias_rates, results.zero_bias, results.variable
        )
    for name, signal in results.signals.items():
        plots |= signal_figures(results, name, signal)
    return plots | overview_figures(results)


def process_figures(results: Results, name: str, process: ProcessResult) -> Figures:
    """Name the plots of a process."""
    binning, of = BINNINGS[results.variable], (results.variable, name)
    plots: Figures = {}

    def plot(stem: str, draw: Callable[..., tuple[Figure, Any]], *args: Any) -> None:
        plots[f"{stem}_{name}"] = functools.partial(draw, *args)

    plot("target_prediction", of_process.draw_target_prediction, process.target, process.prediction, *of)
    for model, content in process.target_prediction.items():
        stem = "target_vs_prediction" if model == results.models[0] else f"target_vs_prediction_{model}"
        plot(stem, of_process.draw_target_vs_prediction, content, *of, model)
    sum_label = f"L1 {SYMBOLS[results.variable]} [GeV]"
    plot("correction_vs_sum", of_process.draw_correction, process.correction_in_reco, sum_label, *of)
    jets = (process.correction_in_jets, "Number of L1 jets")
    plot("correction_vs_jets", of_process.draw_correction, *jets, *of)
    plot("spectrum", of_process.draw_spectra, process.spectra, *of, name not in results.unweighted)
    plot("response", of_process.draw_response, process.response, binning.response_above, *of)
    plot("response_slices", of_process.draw_response_slices, process.response_slices, binning.slices, *of)
    plot("resolution", of_process.draw_resolution, process.resolution, *of)
    plot("median_response", of_process.draw_median_response, process.resolution, *of)
    for i, first in enumerate(next(iter(process.turn_on.values()))):
        curves = {quantity: of_quantity[i] for quantity, of_quantity in process.turn_on.items()}
        plot(f"turn_on_{first.threshold:g}", of_process.draw_turn_on, curves, *of)
    return plots


def signal_figures(results: Results, name: str, signal: SignalResult) -> Figures:
    """Name the plots of a signal against the background."""
    plots: Figures = {}
    of = (results.variable, name, results.background_name)
    for i, allowed in enumerate(results.background.allowed):
        curves = {quantity: of_quantity[i] for quantity, of_quantity in signal.turn_on.items()}
        gains = {model: of_model[i] for model, of_model in signal.turn_on_gain.items()}
        plots[f"turn_on_{allowed_stem(allowed)}_{name}"] = functools.partial(
            of_trigger.draw_turn_on_at_equal_rate, curves, gains, allowed, results.beams, *of
        )
    plots[f"roc_{name}"] = functools.partial(
        of_trigger.draw_roc, signal.roc, signal.gains, results.background.allowed, results.beams, *of
    )
    return plots


def overview_figures(results: Results) -> Figures:
    """Name the plots of all processes together, of the baseline and the first model."""
    plots: Figures = {}
    model, variable, background = results.models[0], results.variable, results.background_name
    resolutions = {name: process.resolution for name, process in results.processes.items()}
    plots["resolution_all"] = functools.partial(overview.draw_all_resolutions, resolutions, model, variable)
    plots["median_response_all"] = functools.partial(overview.draw_all_median_responses, resolutions, model, variable)

    def turn_ons(stem: str, title: str, of_results: dict[str, Any], i: int, luminosity: str = "") -> None:
        curves = {
            name: {quantity: of_quantity[i] for quantity, of_quantity in result.turn_on.items()}
            for name, result in of_results.items()
        }
        draw = functools.partial(overview.draw_all_turn_ons, curves, model, title, variable, luminosity)
        plots[f"turn_on_{stem}_all"] = draw

    for i, curve in enumerate(next(iter(results.processes.values())).turn_on[model]):
        turn_ons(f"{curve.threshold:g}", f"Threshold {curve.threshold:g} GeV", results.processes, i)
    for i, allowed in enumerate(results.background.allowed):
        title = f"{of_trigger.allowed_text(allowed)} of {background}"
        turn_ons(allowed_stem(allowed), title, results.signals, i, of_trigger.luminosity_of(allowed, results.beams))
    rocs = {name: signal.roc for name, signal in results.signals.items()}
    plots["roc_all"] = functools.partial(overview.draw_all_rocs, rocs, model, variable, background)
    return plots
