"""Evaluate trained models as trigger quantities: turn-on curves, resolution, rates and ROC curves, with errors.

Takes the output folder of a training, or several of them to compare, and an L1 regression file of events that no
training used. Applies the corrections to the MET or HT of Level-1, and compares the corrected sums with the uncorrected
and with the true ones. Events without a prediction stay uncorrected. With zero-bias events of CMS it also gives the
rates in data. Writes plots (PDF and PNG), summary.txt, events.txt, scalings.yaml and
results.json.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from utils.cli import script
from utils.cutflow import EVENT_COUNTS, Cutflow, cutflow_table
from utils.evaluation.binning import BINNINGS
from utils.evaluation.results import evaluate
from utils.evaluation.results_file import numbers
from utils.evaluation.sample_predictions import ZERO_BIAS, predict_sample, predict_zero_bias
from utils.evaluation.samples import Sample, read_samples, training_notes, weight_notes
from utils.evaluation.scaling_tables import menu_scalings
from utils.evaluation.summary import summary
from utils.evaluation.trainings import read_trainings, refuse_contradictions
from utils.evaluation.zero_bias_result import ZeroBiasResult, evaluate_zero_bias
from utils.formats.fingerprints import TrainedOn
from utils.formats.luminosity_mask import LuminosityMask
from utils.formats.trigger_scales import JET_THRESHOLD
from utils.formats.zero_bias_sources import check_zero_bias
from utils.plotting.figures import attention_figures, figures
from utils.plotting.style import draw_and_save
from utils.predictions import Model, Predictions
from utils.runtime import threads
from utils.runtime.options import parse
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.progress import progress
from utils.runtime.provenance import provenance
from utils.runtime.text_files import read_json, write_json
from utils.runtime.whole_files import whole_folder
from utils.runtime.workers import process_map
from utils.steps.analyze_results_teacher import Options
from utils.training.records import MODEL_FILE, TRAINING_FILE, Training
from utils.variables import reconstructed

if TYPE_CHECKING:
    from nn.trained import Loaded
    from utils.formats.zero_bias_sources import ZeroBias

logger = logging.getLogger("analyze_results_teacher")


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    return parse(Options, __doc__, argv)


def load(training: Training) -> "Loaded":
    """Load a model; Keras is imported only here, because its import takes seconds and logs much."""
    from nn.compat.keras_extras import keras_without_extras

    with keras_without_extras():
        from nn.trained import load_trained

    return load_trained(training)


def zero_bias_events(path: Path, variable: str, options: Options, samples: Sequence[Sample]) -> "ZeroBias":
    """Check zero-bias events, whose jets shall have the threshold of the events that are evaluated."""
    mask = LuminosityMask.read(options.zero_bias_mask, options.zero_bias_runs)
    recorded = (sample.data.jet_threshold for sample in samples)
    threshold = max((found for found in recorded if found is not None), default=JET_THRESHOLD)
    data = check_zero_bias(path, reconstructed(variable), mask, threshold, options.zero_bias_l1)
    if data.cut > threshold:
        logger.warning(
            "%s: its L1 jets begin at %g GeV, those of the evaluated events at %g: the corrections are not for such "
            "events",
            path,
            data.cut,
            threshold,
        )
    return data


def zero_bias_result(
    data: "ZeroBias", variable: str, models: Mapping[str, Model], options: Options
) -> tuple[ZeroBiasResult, Cutflow]:
    """Predict the corrections of zero-bias events and find the rates."""
    found, cutflow = predict_zero_bias(data, variable, models, options.chunk_size)
    thresholds, bunches = options.thresholds(variable), options.colliding_bunches
    binning = BINNINGS[variable]
    result = evaluate_zero_bias(
        found.predictions, found.reference, found.n_saturated, binning, thresholds, bunches, found.sections
    )
    return result, cutflow


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Read, predict, evaluate, draw and write."""
    options = parse_args(argv)
    inputs = [*(folder / MODEL_FILE for _, folder in options.models), *options.data]
    refuse_inputs_in(options.output, *inputs, *filter(None, (options.zero_bias, options.zero_bias_mask)))
    trainings = read_trainings(options.models)
    first, training = next(iter(trainings.items()))
    refuse_contradictions(training, options.variable, options.log_features, options.loss_function)
    variable = training.creator.variable
    samples = read_samples(options.data, options)
    zero_bias_data = zero_bias_events(options.zero_bias, variable, options, samples) if options.zero_bias else None
    records = {name: read_json(trained.folder / TRAINING_FILE) for name, trained in trainings.items()}
    threads.divide_operations(1)  # batches are predicted at the same time
    # From now on another process is refused.
    with whole_folder(options.output) as folder, process_map(options.workers) as map_in_processes:
        loaded = {name: load(trained) for name, trained in trainings.items()}
        models = {name: model.model for name, model in loaded.items()}
        notes = weight_notes(samples, options)
        cutflows = [(name, Cutflow.from_record(record.get(EVENT_COUNTS))) for name, record in records.items()]
        predictions: dict[str, Predictions] = {}
        for sample in samples:
            trained_on = {name: TrainedOn.from_record(record) for name, record in records.items()}
            compared = [fingerprints for fingerprints in trained_on.values() if fingerprints is not None]
            found, cutflow = predict_sample(sample, variable, models, options.chunk_size, compared)
            predictions |= found
            for name, record in records.items():
                notes += training_notes(sample, name, record, trained_on[name])
            cutflows.append(("evaluation" if len(samples) == 1 else f"evaluation, {sample.data.path}", cutflow))
        notes += [
            f"{name} has no calibration: its sums are on the scale of its output."
            for name, trained in trainings.items()
            if trained.calibration is None
        ]
        for note in notes:
            logger.warning("%s", note)
        zero_bias = None
        if zero_bias_data:
            zero_bias, cutflow = zero_bias_result(zero_bias_data, variable, models, options)
            cutflows.append((ZERO_BIAS, cutflow))
        results = evaluate(predictions, samples, variable, options, options.seed, notes, zero_bias)
        text = summary(results)
        plots = figures(results)
        if attention := loaded[first].attention:
            plots |= attention_figures(results, samples, predictions, training.creator, attention)
        with progress(len(plots), "draw", "plots") as bar:
            for _ in map_in_processes(draw_and_save, plots.values(), map(folder.joinpath, plots)):
                bar.update()
        (folder / "summary.txt").write_text(text, encoding="utf-8")
        (folder / "events.txt").write_text(cutflow_table(cutflows), encoding="utf-8")
        scalings = yaml.safe_dump(menu_scalings(results.scalings, variable), sort_keys=True)
        (folder / "scalings.yaml").write_text(scalings, encoding="utf-8")
        write_json(folder / "results.json", numbers(results, cutflows, records, provenance(options)))
    logger.info("%s", text)


if __name__ == "__main__":
    raise SystemExit(main())
