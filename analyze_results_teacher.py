"""Evaluate trained models as a trigger would use them: turn-on curves, resolution, rates and ROC curves, with errors.

Takes the output folder of a training, or several of them to compare, and an L1 regression file of events that no
training saw. Applies the corrections to the MET or HT of Level-1, and compares with it and with the true value. Events
without a prediction stay, uncorrected. With zero-bias events of CMS it also gives the rates that data have. Writes
plots (PDF and PNG), summary.txt and results.json.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import argparse
import functools
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli import progress, script
from utils.cutflow import EVENT_COUNTS, READ, Cutflow, StepCounter, cutflow_table
from utils.data_processing import L1Events
from utils.evaluation.background_result import evaluate_background
from utils.evaluation.binning import BINNINGS
from utils.evaluation.event_display import choose_events, event_displays
from utils.evaluation.process_result import evaluate_process
from utils.evaluation.results import Results
from utils.evaluation.results_file import numbers
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.signal_result import evaluate_signal
from utils.evaluation.summary import summary
from utils.evaluation.zero_bias_result import ZeroBiasResult, evaluate_zero_bias
from utils.formats.fingerprints import TrainedOn
from utils.formats.l1_files import L1Dataset
from utils.formats.repeated import refuse_repeated
from utils.formats.zero_bias import PROCESS_ID, ZeroBiasData
from utils.plotting.attention import draw_attention
from utils.plotting.figures import Figures, figures
from utils.plotting.style import save
from utils.predictions import NO_MODELS, Counts, Model, Predictions, count, predict_events
from utils.runtime.arguments import checked, comma_separated, number, parser
from utils.runtime.errors import UserError
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.provenance import provenance, sha256
from utils.runtime.text_files import read_json, write_json
from utils.runtime.whole_files import whole_folder
from utils.training.records import MODEL_FILE, TRAINING_FILE, Training, read_training
from utils.variables import full_variable, reconstructed

if TYPE_CHECKING:
    from nn.trained import Attention, Loaded

logger = logging.getLogger("analyze_results_teacher")

CORRECTED, NO_JET, NO_TARGET = "corrected", "as it is, no jet at L1", "as it is, no target"
NOT_EVALUATED = "process neither signal nor background"
ZERO_BIAS = "zero bias"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")


def named_folder(text: str) -> tuple[str, Path]:
    """Read the name and the folder of a model, NAME=FOLDER."""
    name, equals, folder = text.partition("=")
    if not (equals and folder and NAME.fullmatch(name)) or name in NO_MODELS:
        raise ValueError(
            f"expected NAME=FOLDER, NAME of letters, digits and _+- and none of {', '.join(NO_MODELS)}, found '{text}'"
        )
    return name, Path(folder)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = parser(__doc__)
    args.add_argument("--model_dir", type=Path, help="output folder of the training; as --model teacher=FOLDER")
    args.add_argument(
        "--model",
        type=checked(named_folder),
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="a model by a name for the plots; repeated to compare several with the first one",
    )
    args.add_argument(
        "--data",
        type=Path,
        nargs="+",
        action="extend",
        required=True,
        metavar="FILE",
        help="L1 regression file of the evaluation, or several, each with other processes",
    )
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
    args.add_argument(
        "--fixed_rates",
        type=comma_separated(positive),
        default="100,30",
        help="background rates in kHz at which they are compared as well; events without weights have no rates",
    )
    args.add_argument("--luminosity", type=positive, default=2e34, help="for the rates, in cm^-2 s^-1")
    args.add_argument(
        "--colliding_bunches",
        type=number(int, 1, 3564),
        default=2448,
        help="pairs of bunches that collide, for the rates; a parameter of the LHC fill",
    )
    args.add_argument("--zero_bias", type=Path, help="folder of zero-bias events of CMS, for their rates")
    args.add_argument("--variable", type=checked(full_variable), help="as trained: true_met, true_ht or original_met")
    args.add_argument("--log_features", type=names, help="as trained: features that the first model takes as log(x+1)")
    args.add_argument("--loss_function", help="as trained, of the first model")
    args.add_argument("--seed", type=number(int, 0), default=1, help="seed of the bootstrap errors")
    args.add_argument(
        "--chunk_size", type=number(int, 1), default=65536, help="events read at a time, without effect on the results"
    )
    parsed = args.parse_args(argv)
    for flag in ("signal_names", "bg_names", "background_efficiencies"):
        if not getattr(parsed, flag):
            args.error(f"argument --{flag}: expected at least one")
    if parsed.model_dir:
        parsed.model.insert(0, ("teacher", parsed.model_dir))
    if not parsed.model:
        args.error("one of the arguments --model_dir and --model is required")
    models = [name for name, _ in parsed.model]
    if len(set(models)) < len(models):
        args.error(f"argument --model: '{max(models, key=models.count)}' is named twice")
    named = parsed.signal_names + parsed.bg_names
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        args.error(f"arguments --signal_names, --bg_names: '{twice[0]}' is named twice")
    return parsed


def read_trainings(args: argparse.Namespace) -> dict[str, Training]:
    """Read what the trainings recorded, and refuse a flag that contradicts it and models of different variables."""
    trainings = {name: read_training(folder) for name, folder in args.model}
    first = next(iter(trainings.values()))
    for name, found in (
        ("variable", first.creator.variable),
        ("log_features", first.creator.log_features),
        ("loss_function", first.loss_function),
    ):
        given = getattr(args, name)
        if given is not None and _as_set(given) != _as_set(found):
            shown = [",".join(sorted(_as_set(value))) for value in (given, found)]
            raise UserError(f"--{name}: '{shown[0]}' was given, but {first.folder / TRAINING_FILE} says '{shown[1]}'")
    for training in trainings.values():
        if training.creator.variable != first.creator.variable:
            raise UserError(
                f"{training.folder / TRAINING_FILE}: a model for {training.creator.variable} cannot be compared with "
                f"one for {first.creator.variable}, {first.folder}"
            )
    return trainings


def _as_set(value: str | Sequence[str]) -> set[str]:
    """Return one or several values as a set."""
    return {value} if isinstance(value, str) else set(value)


def load(training: Training) -> "Loaded":
    """Load a model; the only place that needs keras, whose import takes seconds and logs much."""
    from nn.trained import load_trained

    return load_trained(training)


def _read(sample: "Sample", chunk_size: int, counter: StepCounter, seen: Sequence[TrainedOn]) -> Iterator[L1Events]:
    """Read the events with a progress bar, and count them, and those that are evaluated and were trained on."""
    with progress(sample.data.n_events, "predict") as bar:
        for events in sample.data.chunks(chunk_size, true_objects=False):
            counter.add(READ, events.ids)
            evaluated = events[np.isin(events.ids, list(sample.processes.values()))]
            for of_model in seen:
                of_model.count(evaluated)
            yield events
            bar.update(len(events))


def add_outcomes(counter: StepCounter, process_id: int, counts: Counts) -> None:
    """Count what became of the events of a process."""
    counter.add_number(CORRECTED, process_id, counts.events - counts.without_jet - counts.without_target)
    counter.add_number(NO_JET, process_id, counts.without_jet)
    counter.add_number(NO_TARGET, process_id, counts.without_target)


@dataclass(frozen=True)
class Sample:
    """An L1 regression file and the ids of the processes that are evaluated on its events."""

    data: L1Dataset
    processes: dict[str, int]


def read_samples(args: argparse.Namespace) -> list[Sample]:
    """Check the files, and find each process of the evaluation in just one of them."""
    files = [L1Dataset.check(path) for path in args.data]
    refuse_repeated(files)
    names = (*args.signal_names, *args.bg_names)
    having = {name: [data for data in files if name in data.process_names.values()] for name in names}
    for name, found in having.items():
        if len(found) > 1:
            raise UserError(f"{found[1].path}: process '{name}' is in {found[0].path} too, expected it in one file")
        if not found:
            known = ", ".join(name for data in files for name in data.process_names.values())
            subject = "the file has" if len(files) == 1 else "the files have"
            paths = ", ".join(str(data.path) for data in files)
            raise UserError(f"{paths}: unknown process '{name}', {subject} {known}")
    samples = []
    for data in files:
        of_file = tuple(name for name in names if data in having[name])
        samples.append(Sample(data, dict(zip(of_file, data.ids_of(of_file), strict=True))))
    background = [sample.data for sample in samples if set(args.bg_names) & set(sample.processes)]
    with_weights = [data for data in background if data.weighted]
    for data in background:
        if with_weights and not data.weighted:
            raise UserError(
                f"{data.path}: dataset 'weights' is missing, but {with_weights[0].path} has it: "
                "expected all of the background to have weights, or none"
            )
    return samples


def unweighted(samples: Sequence[Sample]) -> list[str]:
    """Name the processes whose events have no weights."""
    return [name for sample in samples if not sample.data.weighted for name in sample.processes]


def predict(
    args: argparse.Namespace, variable: str, models: dict[str, Model], sample: Sample, seen: Sequence[TrainedOn]
) -> tuple[dict[str, Predictions], Cutflow]:
    """Predict the corrections of all events of the processes, and say how many there are.

    Those that were trained on are counted in `seen`.
    """
    data, processes = sample.data, sample.processes
    counter = StepCounter(data.process_names, [CORRECTED, NO_JET, NO_TARGET], [NOT_EVALUATED])
    events = _read(sample, args.chunk_size, counter, seen)
    predictions = predict_events(events, list(processes.values()), variable, models)
    logger.info("%d of %d events are of the processes named", len(predictions), data.n_events)
    of_process = {name: predictions[predictions.process_id == number] for name, number in processes.items()}
    for name, process_predictions in of_process.items():
        counts = count(process_predictions)
        if not counts.events:
            raise UserError(f"{data.path}: no events of process '{name}'")
        if not counts.weight > 0:
            found = f"those of process '{name}' sum to {counts.weight:g}"
            raise UserError(f"{data.path}: dataset 'weights': {found}, expected more than 0")
        logger.info(
            "%s: %d events; %d without a jet at L1 and %d without a target keep their uncorrected value",
            name,
            counts.events,
            counts.without_jet,
            counts.without_target,
        )
        add_outcomes(counter, processes[name], counts)
    for process_id in data.process_names.keys() - set(processes.values()):
        counter.add_number(NOT_EVALUATED, process_id, counter.number(READ, process_id))
    return of_process, counter.append_to(data.cutflow, "analyze_results_teacher")


def trained_on(sample: Sample, name: str, record: Mapping[str, Any], seen: TrainedOn | None) -> list[str]:
    """Say whether a model was trained on events that are evaluated, or that this is not on record."""
    path = sample.data.path
    if seen is None:
        data = record.get("data")
        recorded = data.get("sha256") if isinstance(data, dict) else None
        if recorded == sha256(path):
            return [f"WARNING: no test: {path} is the file that {name} was trained on. Its results are too good."]
        return [f"WARNING: {name} has no record of its events: it may have been trained on those of {path}."]
    if not seen.n_found:
        return []
    return [
        f"WARNING: no test: {name} was trained on {seen.n_found} of {seen.n_compared} events of {path} that could be "
        f"compared ({seen.share:.2%}). Its results are too good."
    ]


def without_weights(args: argparse.Namespace, samples: Sequence[Sample]) -> list[str]:
    """Say that events without weights count alike, and that such a background has no rates."""
    notes = []
    for sample in samples:
        if not sample.data.weighted:
            notes.append(f"No weights in {sample.data.path}: its events count alike.")
    if args.bg_names[0] in unweighted(samples):
        ignored = " --fixed_rates has no effect." if args.fixed_rates else ""
        notes.append(f"The background has no weights: there are shares of events and no rates.{ignored}")
    return notes


def zero_bias_rates(
    args: argparse.Namespace, variable: str, models: dict[str, Model], data: ZeroBiasData
) -> tuple[ZeroBiasResult, Cutflow]:
    """Predict the corrections of zero-bias events, find the rates, and say how many events there are."""
    binning = BINNINGS[variable]
    counter = StepCounter({PROCESS_ID: ZERO_BIAS}, [CORRECTED, NO_JET, NO_TARGET])
    references: list[np.ndarray] = []
    saturated: Counter[str] = Counter()

    def read() -> Iterator[L1Events]:
        with progress(data.n_events, "predict zero bias") as bar:
            for chunk in data.chunks(args.chunk_size):
                references.append(chunk.reference)
                saturated.update(chunk.n_saturated)
                counter.add(READ, chunk.events.ids)
                yield chunk.events
                bar.update(len(chunk.events))

    result = evaluate_zero_bias(
        predict_events(read(), [PROCESS_ID], variable, models),
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
    add_outcomes(counter, PROCESS_ID, result.counts)
    return result, counter.append_to(Cutflow(), "analyze_results_teacher")


def evaluate(
    args: argparse.Namespace,
    variable: str,
    samples: Sequence[Sample],
    notes: list[str],
    events: dict[str, Predictions],
    zero_bias: ZeroBiasResult | None,
) -> Results:
    """Evaluate each process, the background, and each signal against it."""
    binning = BINNINGS[variable]
    no_weights = unweighted(samples)
    beams = None if args.bg_names[0] in no_weights else RunConditions(args.luminosity, args.colliding_bunches)
    thresholds = args.inclusive_thresholds or binning.inclusive_thresholds
    processes = {}
    for name, predictions in events.items():
        logger.info("evaluate %s", name)
        processes[name] = evaluate_process(predictions, binning, thresholds, args.seed, name)
    background = evaluate_background(
        Predictions.concatenate([events[name] for name in args.bg_names]),
        binning,
        args.background_efficiencies,
        beams,
        args.fixed_rates,
        args.seed,
    )
    signals = {}
    for name in args.signal_names:
        logger.info("evaluate %s against the background", name)
        signals[name] = evaluate_signal(events[name], background, binning, args.seed, name)
    return Results(
        variable,
        [name for name, _ in args.model],
        args.bg_names,
        beams,
        no_weights,
        notes,
        sum(sample.data.n_events for sample in samples),
        processes,
        background,
        signals,
        zero_bias,
    )


def attention_figures(
    name: str,
    training: Training,
    attention: "Attention",
    samples: Sequence[Sample],
    events: dict[str, Predictions],
    results: Results,
) -> Figures:
    """Name the plots of the attention of a model in two events of each process, and say how each is drawn.

    The events are chosen by `choose_events` with the threshold on the corrected value that lets the least background
    pass.
    """
    threshold = float(results.background.threshold_rows[name][0].max())
    plots: Figures = {}
    of_process = {process: (sample.data, number) for sample in samples for process, number in sample.processes.items()}
    for process, of in events.items():
        chosen = choose_events(of, name, threshold)
        displays = event_displays(*of_process[process], chosen, of, training.creator, attention)
        for i, display in enumerate(displays, start=1):
            plots[f"attention_{process}_{i}"] = functools.partial(draw_attention, display)
    return plots


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Predict, evaluate, draw and write."""
    args = parse_args(argv)
    inputs = [*(folder / MODEL_FILE for _, folder in args.model), *args.data]
    refuse_inputs_in(args.output, *inputs, *([args.zero_bias] if args.zero_bias else []))
    trainings = read_trainings(args)
    first, training = next(iter(trainings.items()))
    variable = training.creator.variable
    samples = read_samples(args)
    crossings = ZeroBiasData.check(args.zero_bias, reconstructed(variable)) if args.zero_bias else None
    records = {name: read_json(of_name.folder / TRAINING_FILE) for name, of_name in trainings.items()}
    with whole_folder(args.output) as folder:  # from now on another process is refused
        loaded = {name: load(of_name) for name, of_name in trainings.items()}
        models = {name: of_name.model for name, of_name in loaded.items()}
        notes = without_weights(args, samples)
        cutflows = [(name, Cutflow.from_record(record.get(EVENT_COUNTS))) for name, record in records.items()]
        of_process: dict[str, Predictions] = {}
        for sample in samples:
            seen = {name: TrainedOn.of_record(record) for name, record in records.items()}
            counted = [of_model for of_model in seen.values() if of_model is not None]
            of_sample, cutflow = predict(args, variable, models, sample, counted)
            of_process |= of_sample
            notes += [note for name in records for note in trained_on(sample, name, records[name], seen[name])]
            cutflows.append(("evaluation" if len(samples) == 1 else f"evaluation, {sample.data.path}", cutflow))
        events = {name: of_process[name] for name in (*args.signal_names, *args.bg_names)}
        for note in notes:
            logger.warning("%s", note)
        zero_bias = None
        if crossings:
            zero_bias, cutflow = zero_bias_rates(args, variable, models, crossings)
            cutflows.append((ZERO_BIAS, cutflow))
        results = evaluate(args, variable, samples, notes, events, zero_bias)
        text = summary(results)
        plots = figures(results)
        if attention := loaded[first].attention:
            plots |= attention_figures(first, training, attention, samples, events, results)
        with progress(len(plots), "draw", "plots") as bar:
            for stem, draw in plots.items():
                save(draw()[0], folder / stem)
                bar.update()
        (folder / "summary.txt").write_text(text, encoding="utf-8")
        (folder / "events.txt").write_text(cutflow_table(cutflows), encoding="utf-8")
        write_json(folder / "results.json", numbers(results, cutflows, records, provenance(args)))
    logger.info("%s", text)


if __name__ == "__main__":
    raise SystemExit(main())
