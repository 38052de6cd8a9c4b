"""Plots of an evaluation: their names and how each is drawn, the same for MET and HT."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from utils.data_processing import GraphCreator
from utils.evaluation.binning import BINNINGS
from utils.evaluation.event_display import choose_events, event_displays
from utils.evaluation.process_result import ProcessResult
from utils.evaluation.results import Results
from utils.evaluation.samples import Sample
from utils.evaluation.scaling_result import ScalingResult
from utils.evaluation.signal_result import ALL, SignalResult
from utils.plotting import equal_rate, overview, process, scaling, trigger, turn_ons
from utils.plotting.attention import draw_attention
from utils.plotting.plot_names import working_point_name
from utils.plotting.quantities import SYMBOLS, scale_note
from utils.predictions import Predictions

Figures = dict[str, Callable[[], tuple[Figure, Any]]]


def figures(results: Results) -> Figures:
    """List the plots of all results, by file name without suffix."""
    plots: Figures = {}
    for name, process_result in results.processes.items():
        plots |= process_figures(results, name, process_result)
    plots["rate"] = functools.partial(
        trigger.draw_rates,
        results.background,
        results.run_conditions,
        results.variable,
        results.background_name,
        scale_note=note_of(results),
    )
    if results.zero_bias:
        plots["rate_zero_bias"] = functools.partial(
            trigger.draw_zero_bias_rates, results.zero_bias, results.variable, scale_note=note_of(results)
        )
        if results.zero_bias.sections:
            plots["rate_zero_bias_sections"] = functools.partial(
                trigger.draw_section_rates, results.zero_bias.sections, results.variable
            )
    for name, signal in results.signals.items():
        plots |= signal_figures(results, name, signal)
    for name, scaling_result in results.scalings.items():
        plots |= scaling_figures(results, name, scaling_result)
    return plots | overview_figures(results)


def process_figures(results: Results, name: str, result: ProcessResult) -> Figures:
    """List the plots of a process."""
    binning, labels, note = BINNINGS[results.variable], (results.variable, name), note_of(results)
    plots: Figures = {}

    def plot(stem: str, draw: Callable[..., tuple[Figure, Any]], *args: Any, **more: Any) -> None:
        plots[f"{stem}_{name}"] = functools.partial(draw, *args, **more)

    plot("target_prediction", process.draw_target_prediction, result.target, result.prediction, *labels)
    for model, content in result.target_prediction.items():
        stem = "target_vs_prediction" if model == results.models[0] else f"target_vs_prediction_{model}"
        plot(stem, process.draw_target_vs_prediction, content, *labels, model)
    sum_label = f"L1 {SYMBOLS[results.variable]} [GeV]"
    plot("correction_vs_sum", process.draw_correction, result.correction_in_reco, sum_label, *labels)
    plot("correction_vs_jets", process.draw_correction, result.correction_in_jets, "Number of L1 jets", *labels)
    plot("spectrum", process.draw_spectra, result.spectra, *labels, name not in results.unweighted, scale_note=note)
    plot("response", process.draw_response, result.response, binning.response_above, *labels, scale_note=note)
    plot(
        "response_slices",
        process.draw_response_slices,
        result.response_slices,
        binning.slices,
        *labels,
        scale_note=note,
    )
    plot("resolution", process.draw_resolution, result.resolution, *labels, scale_note=note)
    plot("median_response", process.draw_median_response, result.resolution, *labels, scale_note=note)
    plot("inverse_response", process.draw_inverse_response, result.inverse_resolution, *labels, scale_note=note)
    for i, first in enumerate(next(iter(result.turn_on.values()))):
        plot(f"turn_on_{first.threshold:g}", turn_ons.draw_turn_on, _at(result.turn_on, i), *labels, scale_note=note)
    return plots


def signal_figures(results: Results, name: str, signal: SignalResult) -> Figures:
    """List the plots of a signal against the background."""
    working_points, run_conditions = results.background.working_points, results.run_conditions
    labels = (results.variable, name, results.background_name)
    plots: Figures = {}
    for i, point in enumerate(working_points):
        plots[f"efficiency_{working_point_name(point)}_{name}"] = functools.partial(
            equal_rate.draw_efficiencies_in_bins, signal.in_bins[ALL], i, point, run_conditions, *labels
        )
        curves, gains = _at(signal.turn_on, i), _at(signal.turn_on_gain, i)
        plots[f"turn_on_{working_point_name(point)}_{name}"] = functools.partial(
            turn_ons.draw_turn_on_at_equal_rate,
            curves,
            gains,
            point,
            run_conditions,
            *labels,
            scale_note=note_of(results),
        )
    plots[f"roc_{name}"] = functools.partial(
        trigger.draw_roc, signal.roc, signal.gains, working_points, run_conditions, *labels
    )
    return plots


def scaling_figures(results: Results, name: str, result: ScalingResult) -> Figures:
    """List the plots of the online-to-offline scaling of a signal."""
    return {
        f"scaling_{name}": functools.partial(
            scaling.draw_scaling, result.scaling, results.variable, name, scale_note=note_of(results)
        ),
        f"rate_offline_{name}": functools.partial(
            scaling.draw_offline_rates,
            result.rates,
            results.run_conditions,
            results.variable,
            name,
            results.background_name,
        ),
    }


def note_of(results: Results) -> str:
    """Return the note on the scale of the models."""
    return scale_note(results.calibrated, results.models)


def overview_figures(results: Results) -> Figures:
    """List the plots of all processes together, with the baseline and the first model."""
    plots: Figures = {}
    model, variable, background = results.models[0], results.variable, results.background_name
    note = note_of(results)
    resolutions = {name: result.resolution for name, result in results.processes.items()}
    plots["resolution_all"] = functools.partial(
        overview.draw_all_resolutions, resolutions, model, variable, scale_note=note
    )
    plots["median_response_all"] = functools.partial(
        overview.draw_all_median_responses, resolutions, model, variable, scale_note=note
    )

    directions = {name: result.direction for name, result in results.processes.items() if result.direction}
    if directions:
        plots["direction_all"] = functools.partial(overview.draw_all_directions, directions, variable)

    def add_turn_ons(stem: str, title: str, turn_on: dict[str, Any], i: int, luminosity: str = "") -> None:
        curves = {name: _at(quantities, i) for name, quantities in turn_on.items()}
        draw = functools.partial(overview.draw_all_turn_ons, curves, model, title, variable, luminosity)
        plots[f"turn_on_{stem}_all"] = draw

    process_turn_ons = {name: result.turn_on for name, result in results.processes.items()}
    for i, curve in enumerate(next(iter(process_turn_ons.values()))[model]):
        add_turn_ons(f"{curve.threshold:g}", f"Threshold {curve.threshold:g} GeV{note}", process_turn_ons, i)
    signal_turn_ons = {name: signal.turn_on for name, signal in results.signals.items()}
    for i, point in enumerate(results.background.working_points):
        luminosity = turn_ons.luminosity_label(point, results.run_conditions)
        add_turn_ons(working_point_name(point), f"{point.label} of {background}{note}", signal_turn_ons, i, luminosity)
    rocs = {name: signal.roc for name, signal in results.signals.items()}
    plots["roc_all"] = functools.partial(overview.draw_all_rocs, rocs, model, variable, background)
    return plots


def attention_figures(
    results: Results,
    samples: Sequence[Sample],
    predictions: Mapping[str, Predictions],
    creator: GraphCreator,
    attention: Callable[[np.ndarray], list[np.ndarray]],
) -> Figures:
    """List plots of the attention of the first model in two events of each process.

    The events are chosen by `choose_events`, with the highest threshold of the working points.
    """
    model, plots = results.models[0], Figures()
    threshold = float(results.background.threshold_replicas[model][0].max())
    for sample in samples:
        for name, process_id in sample.processes.items():
            chosen = choose_events(predictions[name], model, threshold)
            displays = event_displays(sample.data, process_id, chosen, predictions[name], creator, attention)
            for i, display in enumerate(displays, start=1):
                plots[f"attention_{name}_{i}"] = functools.partial(draw_attention, display)
    return plots


def _at(results: Mapping[str, Sequence[Any]], i: int) -> dict[str, Any]:
    """Return one of the results of each quantity."""
    return {quantity: found[i] for quantity, found in results.items()}
