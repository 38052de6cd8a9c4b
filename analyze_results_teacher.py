"""Evaluate a trained teacher as a trigger would use it: turn-on curves, resolution, rates and ROC curves, with errors.

Takes the output folder of the training and an L1 regression file of events it did not see, applies the correction to
the MET or HT of Level-1, and compares the two and the true value. Events without a prediction stay, uncorrected.
With zero-bias events of CMS it also gives the rates that data have. Writes plots (PDF and PNG), summary.txt and
results.json.
"""

import argparse
import functools
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from utils import plotting
from utils.cli import UserError, checked, comma_separated, number, parser, progress, script
from utils.data_processing import GraphCreator, L1Events, full_variable, graph_creator, reconstructed
from utils.evaluation import (
    BASELINE,
    BINNINGS,
    CORRECTED,
    REFERENCE,
    TRUE,
    BackgroundResult,
    Counts,
    Predictions,
    ProcessResult,
    SignalResult,
    ZeroBiasResult,
    count,
    evaluate_background,
    evaluate_process,
    evaluate_signal,
    evaluate_zero_bias,
    predict_events,
)
from utils.event_display import choose_events, event_displays
from utils.files import provenance, read_json, whole_folder, write_json
from utils.l1_dataset import L1Dataset
from utils.performance import Estimate
from utils.plotting_attention import draw_attention
from utils.plotting_style import Drawing, save
from utils.zero_bias import PROCESS_ID, ZeroBiasData

logger = logging.getLogger("analyze_results_teacher")

MODEL_FILE, TRAINING_FILE = "best_model.keras", "training.json"
Predictor = Callable[[np.ndarray], np.ndarray]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = parser(__doc__)
    args.add_argument("--model_dir", type=Path, required=True, help="output folder of the training")
    args.add_argument("--data", type=Path, required=True, help="L1 regression file of the evaluation")
    args.add_argument("--output", type=Path, required=True, help="folder for plots and numbers, replaced as a whole")
    names, positive = comma_separated(str), number(float, above=0)
    args.add_argument("--signal_names", type=names, default="W,hToTauTau,hChToTauNu", help="processes that are signals")
    args.add_argument("--bg_names", type=names, default="QCD", help="processes that are background, taken together")
    args.add_argument(
        "--inclusive_thresholds",
        type=comma_separated(number(float, 0)),
        help="thresholds of the turn-on curves in GeV; if not given 100,120,150 for MET and 200,320,450 for HT",
    )
    args.add_argument(
        "--background_efficiencies",
        type=comma_separated(number(float, above=0, maximum=1)),
        default="0.05,0.01,0.005",
        help="background efficiencies at which the signal efficiencies are compared",
    )
    args.add_argument("--luminosity", type=positive, default=2e34, help="for the rates, in cm^-2 s^-1")
    args.add_argument("--zero_bias", type=Path, help="folder of zero-bias events of CMS, for their rates")
    args.add_argument(
        "--colliding_bunches",
        type=number(int, 1, 3564),
        default=2448,
        help="pairs of bunches that collide in CMS, for the rates of zero-bias events; a parameter of the LHC fill",
    )
    args.add_argument("--variable", type=checked(full_variable), help="as trained: true_met, true_ht or original_met")
    args.add_argument("--log_features", type=names, help="as trained: features that the network takes as log(x+1)")
    args.add_argument("--loss_function", help="as trained")
    args.add_argument("--seed", type=number(int, 0), default=1, help="seed of the bootstrap errors")
    args.add_argument(
        "--chunk_size", type=number(int, 1), default=65536, help="events read at a time, without effect on the results"
    )
    parsed = args.parse_args(argv)
    for flag in ("signal_names", "bg_names", "background_efficiencies"):
        if not getattr(parsed, flag):
            args.error(f"argument --{flag}: expected at least one")
    named = parsed.signal_names + parsed.bg_names
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        args.error(f"arguments --signal_names, --bg_names: '{twice[0]}' is named twice")
    return parsed


@dataclass(frozen=True)
class Training:
    """What the evaluation has to know of the training."""

    creator: GraphCreator
    loss_function: str


def read_training(args: argparse.Namespace) -> Training:
    """Read what the training recorded, and refuse a flag that contradicts it."""
    path = args.model_dir / TRAINING_FILE
    record = read_json(path)
    for name, kind in (("variable", str), ("log_features", list), ("loss_function", str)):
        if not isinstance(record, dict) or not isinstance(record.get(name), kind):
            raise UserError(f"{path}: '{name}' is missing or no {kind.__name__}")
        given = getattr(args, name)
        if given is not None and _as_set(given) != _as_set(record[name]):
            shown = [",".join(sorted(_as_set(value))) for value in (given, record[name])]
            raise UserError(f"--{name}: '{shown[0]}' was given, but {path} says '{shown[1]}'")
    try:
        creator = graph_creator(record["variable"], record["log_features"])
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    return Training(creator, record["loss_function"])


def _as_set(value: str | Sequence[str]) -> set[str]:
    """Return one or several values as a set."""
    return {value} if isinstance(value, str) else set(value)


def check_output(args: argparse.Namespace) -> None:
    """Refuse an output folder whose replacement would remove an input."""
    output = args.output.resolve()
    for path in (args.model_dir / MODEL_FILE, args.data, *([args.zero_bias] if args.zero_bias else [])):
        if output in (path.resolve(), *path.resolve().parents):
            raise UserError(f"--output {args.output}: is replaced as a whole, but {path} is in it")


@dataclass(frozen=True)
class Teacher:
    """What the evaluation asks of a model: of features, the correction and, for each layer, the attention."""

    predict: Callable[[np.ndarray], np.ndarray]
    attention: Callable[[np.ndarray], list[np.ndarray]]


def load_model(model_dir: Path) -> Teacher:
    """Load the model; the only place that needs keras, whose import takes seconds and logs much."""
    path = model_dir / MODEL_FILE
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from nn.attention import attention_of
    from nn.data import predict
    from nn.models import load_teacher

    try:
        model = load_teacher(path)
    except Exception as error:  # a damaged file fails in many ways
        raise UserError(f"{path}: not a readable model ({error})") from None
    return Teacher(functools.partial(predict, model), functools.partial(attention_of, model))


def _read(data: L1Dataset, chunk_size: int) -> Iterator[L1Events]:
    """Read the events with a progress bar."""
    with progress(data.n_events, "predict") as bar:
        for events in data.chunks(chunk_size, true_objects=False):
            yield events
            bar.update(len(events))


def predict(
    args: argparse.Namespace, training: Training, teacher: Teacher, data: L1Dataset, processes: dict[str, int]
) -> dict[str, Predictions]:
    """Predict the correction of all events of the processes, and say how many there are."""
    events = _read(data, args.chunk_size)
    predictions = predict_events(events, list(processes.values()), training.creator, teacher.predict)
    if (predictions.weight < 0).any():
        raise UserError(f"{data.path}: dataset 'weights': expected none below 0")
    logger.info("%d of %d events are of the processes named", len(predictions), data.n_events)
    of_process = {name: predictions[predictions.process_id == number] for name, number in processes.items()}
    for name, process_predictions in of_process.items():
        counts = count(process_predictions)
        if counts.weight == 0:
            raise UserError(f"{data.path}: no events of process '{name}' or none with a weight")
        logger.info(
            "%s: %d events; %d without a jet at L1 and %d without a target keep their uncorrected value",
            name,
            counts.events,
            counts.without_jet,
            counts.without_target,
        )
    return of_process


def zero_bias_rates(
    args: argparse.Namespace, training: Training, predictor: Predictor, data: ZeroBiasData
) -> ZeroBiasResult:
    """Predict the correction of zero-bias events, and find the rates."""
    variable, binning = training.creator.variable, BINNINGS[training.creator.variable]
    references: list[np.ndarray] = []
    saturated: Counter[str] = Counter()

    def read() -> Iterator[L1Events]:
        with progress(data.n_events, "predict zero bias") as bar:
            for chunk in data.chunks(args.chunk_size):
                references.append(chunk.reference)
                saturated.update(chunk.n_saturated)
                yield chunk.events
                bar.update(len(chunk.events))

    predictions = predict_events(read(), [PROCESS_ID], training.creator, predictor)
    result = evaluate_zero_bias(
        predictions,
        np.concatenate(references),
        dict(saturated),
        binning,
        args.inclusive_thresholds or binning.inclusive_thresholds,
        args.colliding_bunches,
    )
    logger.info(
        "zero bias: %d events; %d without a jet and %d without an L1 %s keep their uncorrected value; saturated: %s",
        result.counts.events,
        result.counts.without_jet,
        result.counts.without_target,
        "HT" if variable == "true_ht" else "MET",
        ", ".join(f"{number} {name}" for name, number in saturated.items()),
    )
    return result


@dataclass(frozen=True)
class Results:
    """All results; `luminosity` is None where weights are no cross sections, `zero_bias` where no such events are."""

    variable: str
    background_name: str
    luminosity: float | None
    n_events: int
    processes: dict[str, ProcessResult]
    background: BackgroundResult
    signals: dict[str, SignalResult]
    zero_bias: ZeroBiasResult | None


def evaluate(
    args: argparse.Namespace,
    training: Training,
    data: L1Dataset,
    events: dict[str, Predictions],
    zero_bias: ZeroBiasResult | None,
) -> Results:
    """Evaluate each process, the background, and each signal against it."""
    variable = training.creator.variable
    binning = BINNINGS[variable]
    luminosity = args.luminosity if data.weighted else None
    thresholds = args.inclusive_thresholds or binning.inclusive_thresholds
    efficiencies = args.background_efficiencies
    processes = {}
    for name, predictions in events.items():
        logger.info("evaluate %s", name)
        processes[name] = evaluate_process(predictions, binning, thresholds, args.seed, name)
    background = evaluate_background(
        Predictions.concatenate([events[name] for name in args.bg_names]), binning, efficiencies, luminosity, args.seed
    )
    signals = {}
    for name in args.signal_names:
        logger.info("evaluate %s against the background", name)
        signals[name] = evaluate_signal(events[name], background, binning, efficiencies, args.seed, name)
    return Results(
        variable,
        "+".join(args.bg_names),
        luminosity,
        data.n_events,
        processes,
        background,
        signals,
        zero_bias,
    )


def figures(results: Results) -> dict[str, Callable[[], tuple[Figure, Any]]]:
    """Name the plots, the same for MET and HT, and say how each is drawn."""
    variable, above = results.variable, BINNINGS[results.variable].response_above
    plots: dict[str, Callable[[], tuple[Figure, Any]]] = {}

    def plot(stem: str, draw: Callable[..., Drawing], *args: Any) -> None:
        plots[stem] = functools.partial(draw, *args)

    for name, process in results.processes.items():
        of = (variable, name)
        plot(f"target_prediction_{name}", plotting.draw_target_prediction, process.target, process.prediction, *of)
        plot(f"target_vs_prediction_{name}", plotting.draw_target_vs_prediction, process.target_prediction, *of)
        plot(f"spectrum_{name}", plotting.draw_spectra, process.spectra, *of, results.luminosity is not None)
        plot(f"response_{name}", plotting.draw_response, process.response, above, *of)
        plot(f"resolution_{name}", plotting.draw_resolution, process.resolution, *of)
        plot(f"median_response_{name}", plotting.draw_median_response, process.resolution, *of)
        for curves in zip(*process.turn_on.values(), strict=True):
            of_threshold = dict(zip(process.turn_on, curves, strict=True))
            plot(f"turn_on_{curves[0].threshold:g}_{name}", plotting.draw_turn_on, of_threshold, *of)
    background = results.background_name
    plot("rate", plotting.draw_rates, results.background.rates, variable, background, results.luminosity)
    if results.zero_bias:
        plot("rate_zero_bias", plotting.draw_zero_bias_rates, results.zero_bias, variable)
    for name, signal in results.signals.items():
        for i, efficiency in enumerate(signal.working_points.background_efficiency):
            at_rate = {quantity: at_rates[i] for quantity, at_rates in signal.turn_on.items()}
            stem = f"turn_on_at_{100 * efficiency:g}_percent_{name}"
            plot(stem, plotting.draw_turn_on_at_equal_rate, at_rate, efficiency, variable, name, background)
        plot(f"roc_{name}", plotting.draw_roc, signal.roc, signal.working_points, variable, name, background)
    return plots


def attention_figures(
    training: Training,
    teacher: Teacher,
    data: L1Dataset,
    processes: dict[str, int],
    events: dict[str, Predictions],
    background: BackgroundResult,
) -> dict[str, Callable[[], tuple[Figure, Any]]]:
    """Name the plots of the attention in two events of each process, and say how each is drawn.

    The events are chosen by `choose_events` with the threshold on the corrected value that lets the least background
    pass.
    """
    threshold = float(background.threshold_rows[CORRECTED][0].max())
    plots: dict[str, Callable[[], tuple[Figure, Any]]] = {}
    for name, process_id in processes.items():
        chosen = choose_events(events[name], threshold)
        displays = event_displays(data, process_id, chosen, events[name], training.creator, teacher.attention)
        for i, display in enumerate(displays, start=1):
            plots[f"attention_{name}_{i}"] = functools.partial(draw_attention, display)
    return plots


def numbers(args: argparse.Namespace, training: Training, results: Results) -> dict[str, Any]:
    """Put all numbers into the structure of results.json; momenta are in GeV, weights in pb, rates in kHz."""
    background = results.background
    return {
        "variable": training.creator.variable,
        "reconstructed": reconstructed(training.creator.variable),
        "log_features": training.creator.log_features,
        "loss_function": training.loss_function,
        "luminosity": results.luminosity,
        "events": results.n_events,
        "processes": {name: asdict(process) for name, process in results.processes.items()},
        "background": {
            "processes": args.bg_names,
            "rates": {quantity: asdict(rates) for quantity, rates in background.rates.items()},
            "working_points": {quantity: asdict(rates) for quantity, rates in background.at_working_points.items()},
        },
        "signals": {name: asdict(signal) for name, signal in results.signals.items()},
        "zero_bias": asdict(results.zero_bias) if results.zero_bias else None,
        "made_by": provenance(args),
    }


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of text as right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _entry(estimate: Estimate[np.ndarray], i: int, digits: int, scale: float = 1) -> str:
    """Write a number and its error."""
    value, error = scale * estimate.value[i], scale * estimate.error[i]
    return f"{value:.{digits}f} +- {error:.{digits}f}" if np.isfinite(value) else "-"


def _count_table(processes: dict[str, Counts]) -> str:
    """Write how many events there are of each process."""
    rows = [("process", "events", "no jet at L1", "no target", "sum of weights")]
    rows += [
        (name, str(counts.events), str(counts.without_jet), str(counts.without_target), f"{counts.weight:.5g}")
        for name, counts in processes.items()
    ]
    return _columns(rows)


def _background_table(results: Results) -> str:
    """Write the thresholds at the fixed background efficiencies and what passes them."""
    points = results.background.at_working_points
    efficiencies = next(iter(results.signals.values())).working_points
    quantities = (BASELINE, CORRECTED, TRUE)
    rows = [
        (
            "background",
            *(f"{quantity} > [GeV]" for quantity in quantities),
            *(f"events, {quantity}" for quantity in quantities),
            *(("rate, baseline [kHz]",) if results.luminosity else ()),
        )
    ]
    for i, efficiency in enumerate(efficiencies.background_efficiency):
        rows.append(
            (
                f"{efficiency:.3%}",
                *(_entry(efficiencies.thresholds[quantity], i, 1) for quantity in quantities),
                *(str(points[quantity].n_events[i]) for quantity in quantities),
                *((_entry(points[BASELINE].rate, i, 1),) if results.luminosity else ()),
            )
        )
    return _columns(rows)


def _signal_table(signal: SignalResult) -> str:
    """Write the signal efficiencies at the fixed background efficiencies and what the correction gains."""
    points = signal.working_points
    quantities = (BASELINE, CORRECTED, TRUE)
    rows = [
        (
            "background",
            *(f"{quantity} [%]" for quantity in quantities),
            "gain [%]",
            "corrected/baseline",
            "gap closed [%]",
        )
    ]
    for i, background in enumerate(points.background_efficiency):
        rows.append(
            (
                f"{background:.3%}",
                *(_entry(points.efficiency[quantity], i, 2, 100) for quantity in quantities),
                _entry(points.gain, i, 2, 100),
                _entry(points.ratio, i, 3),
                _entry(points.gap_closed, i, 1, 100),
            )
        )
    return _columns(rows)


def _interval(value: float, low: float, high: float, digits: int) -> str:
    """Write a number and its interval."""
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(value) else "-"


def _zero_bias_text(result: ZeroBiasResult, variable: str) -> str:
    """Write the thresholds at fixed rates of zero-bias events, and the rates at fixed thresholds."""
    names = {BASELINE: "L1", CORRECTED: "corrected", REFERENCE: f"CMS {'HT' if variable == 'true_ht' else 'MET'}"}
    at_rates = [("rate [kHz]", *(f"{name} > [GeV]" for name in names.values()))]
    for i, rate in enumerate(result.at_rates[BASELINE].rates):
        found = [result.at_rates[quantity] for quantity in names]
        at_rates.append((f"{rate:g}", *(_interval(of.value[i], of.low[i], of.high[i], 1) for of in found)))
    at_thresholds = [("threshold [GeV]", *(f"rate, {name} [kHz]" for name in names.values()))]
    for i, threshold in enumerate(result.at_thresholds[BASELINE].thresholds):
        rates = [result.at_thresholds[quantity] for quantity in names]
        at_thresholds.append((f"{threshold:g}", *(_interval(of.value[i], of.low[i], of.high[i], 2) for of in rates)))
    saturated = ", ".join(f"{number} {name}" for name, number in result.n_saturated.items())
    heading = (
        f"Rates of {result.counts.events} zero-bias events of CMS, for {result.colliding_bunches} colliding bunches\n"
        "L1: sum of the objects that the network takes; CMS: the sum of the trigger itself. Intervals of 68.27%.\n"
        f"{result.counts.without_jet} events without a jet and {result.counts.without_target} without an L1 sum keep "
        f"their uncorrected value. Saturated: {saturated}."
    )
    return "\n\n".join((heading, _columns(at_rates), _columns(at_thresholds)))


def summary(results: Results) -> str:
    """Write the improvement of the signal efficiency at fixed background efficiencies."""
    parts = [
        f"Signal efficiency at fixed background efficiency: {results.variable}, background {results.background_name}",
        "baseline: L1; corrected: L1 times the prediction; true: the ideal. Gap closed: the gain over what the ideal\n"
        "would gain. Errors: one standard deviation, with the statistics of signal and background and, in gain, ratio\n"
        "and gap closed, with the correlation of quantities of the same events.",
        _count_table({name: process.counts for name, process in results.processes.items()}),
        _background_table(results),
    ]
    parts += [f"{name}\n{_signal_table(signal)}" for name, signal in results.signals.items()]
    if results.zero_bias:
        parts.append(_zero_bias_text(results.zero_bias, results.variable))
    return "\n\n".join(parts) + "\n"


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Predict, evaluate, draw and write."""
    args = parse_args(argv)
    check_output(args)
    training = read_training(args)
    data = L1Dataset.check(args.data)
    names = (*args.signal_names, *args.bg_names)
    processes = dict(zip(names, data.ids_of(names), strict=True))
    crossings = ZeroBiasData.check(args.zero_bias, reconstructed(training.creator.variable)) if args.zero_bias else None
    teacher = load_model(args.model_dir)
    events = predict(args, training, teacher, data, processes)
    zero_bias = zero_bias_rates(args, training, teacher.predict, crossings) if crossings else None
    results = evaluate(args, training, data, events, zero_bias)
    text = summary(results)
    with whole_folder(args.output) as folder:
        plots = figures(results) | attention_figures(training, teacher, data, processes, events, results.background)
        with progress(len(plots), "draw", "plots") as bar:
            for stem, draw in plots.items():
                save(draw()[0], folder / stem)
                bar.update()
        (folder / "summary.txt").write_text(text)
        write_json(folder / "results.json", numbers(args, training, results))
    logger.info("%s", text)


if __name__ == "__main__":
    raise SystemExit(main())
