"""The best classifiers of the L1 objects, signal against background: a bound on what a correction can reach.

At a fixed background rate no trigger on these objects keeps more signal than a cut on the likelihood ratio of signal
and background, whatever it measures (Neyman and Pearson 1933). Boosted trees and a graph network estimate it. They are
trained on the signal events above several true values, since the best trigger for high true values is another one than
the best for all events, and with weights that make each factor of the background rate count the same, since the tail
decides.

Events are divided into equal folds. In turn one fold is the test, the next one chooses, for each range of the true
variable and each working point, the classifier that keeps most there, and the others train. So no event is used twice
in a turn, and each event is tested once. The figures are means over the folds; their errors contain the statistics of
signal and background, and errors of differences are paired. The bound of one range is not reached in all ranges at
once.

The signal may be the background itself: then its events above a true value are ranked against those below, which bounds
what a trigger on that variable can reach.
"""

import itertools
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import cost, project_script, report, table
from benchmarks.efficiencies import RANGES, Range, efficiencies_in_ranges, in_range, range_name, working_points
from benchmarks.folds import Sample, read_samples
from benchmarks.methods.calibrations import JetFactors
from benchmarks.methods.classifiers import CLASSIFIERS, LabelledEvents
from utils.data_processing import graph_creator
from utils.evaluation.bootstrap import (
    bootstrap_efficiency,
    bootstrap_estimate,
    bootstrap_ratio,
    difference,
    named_rng,
    with_limit,
)
from utils.evaluation.ranking import Ranking, Rankings
from utils.evaluation.run_conditions import WorkingPoint
from utils.evaluation.thresholds import background_thresholds
from utils.formats.fingerprints import TrainedOn
from utils.formats.l1_files import ROWS_A_CHUNK
from utils.l1_events import L1Events
from utils.predictions import BASELINE, Model, predict_events
from utils.runtime.errors import UserError
from utils.runtime.options import Seed, flag, parse
from utils.runtime.progress import progress
from utils.runtime.text_files import read_json
from utils.steps.analyze_results_teacher import named_folder
from utils.training.records import TRAINING_FILE, read_training
from utils.variables import full_variable

RATES = (30.0, 10.0, 3.0)  # kHz
L1, CALIBRATED, MEAN, BOUND = "L1", "eta-calibration", "mean", "bound"
ABOVE = {"true_met": (0.0, 80.0), "true_ht": (200.0, 320.0, 450.0)}  # GeV

Names = dict[str, tuple[str, ...]]


def named_model(text: str) -> tuple[str, Path]:
    """Read the folder of a model, or its name and folder, NAME=FOLDER."""
    return named_folder(text if "=" in text else f"{Path(text).name}={text}")


@dataclass(frozen=True, kw_only=True)
class Options(Seed):
    """Flags of the benchmark."""

    output: Path = flag(help="JSON file of the numbers and the machine")
    input: list[str] = flag([], help="events of a process; may be repeated", metavar="NAME=FILES")
    data: list[Path] = flag([], help="L1 regression files, in place of events", many=True, metavar="FILE")
    training_data: list[Path] = flag(
        [], help="L1 regression files whose events only train, such as those of a teacher", many=True, metavar="FILE"
    )
    variable: str = flag("true_met", help="met or ht", parse=full_variable)
    background: str = flag("QCD", help="background process")
    signals: tuple[str, ...] | None = flag(
        None, help="signal processes, of which the background may be one; if not given, all others"
    )
    model_dir: list[tuple[str, Path]] = flag(
        [],
        help="folder of a trained model, with or without a name; may be repeated",
        parse=named_model,
        metavar="[NAME=]FOLDER",
    )
    classifiers: tuple[str, ...] = flag(tuple(CLASSIFIERS), help="classifiers to train", choices=tuple(CLASSIFIERS))
    above: tuple[float, ...] | None = flag(
        None,
        help="train on the signal above each of these true values; if not given, those of the variable",
        unit="GeV",
    )
    weight_powers: tuple[float, ...] = flag(
        (1.0, 0.5), help="train with each of these powers of the weights", minimum=0
    )
    shares: tuple[float, ...] = flag(
        (0.125, 0.25, 0.5, 1.0), help="shares of the training events, for the learning curve", above=0, maximum=1
    )
    folds: int = flag(4, help="folds of the events", minimum=3)

    def check(self) -> None:
        """Refuse a command without events."""
        if not (self.input or self.data):
            raise ValueError("one of the arguments --input and --data is required")


@dataclass(frozen=True)
class ScoredEvents:
    """Events of a process with the quantities that rank them.

    Attributes
    ----------
    true, weights : np.ndarray, shape (n_events,)
    scores : dict of str to np.ndarray, shape (n_events,)
        L1 sum, corrected sums, and logits of classifiers.
    """

    true: np.ndarray
    weights: np.ndarray
    scores: dict[str, np.ndarray]

    @classmethod
    def of(cls, events: L1Events, variable: str, models: Mapping[str, Model], alike: Names) -> "ScoredEvents":
        """Predict events, and average the logits of classifiers that are trained alike."""
        predictions = predict_events([events], np.unique(events.ids).tolist(), variable, models)
        scores = predictions.measured
        means = {name: np.mean([scores[one] for one in names], axis=0) for name, names in alike.items()}
        return cls(predictions.true, predictions.weight, scores | means)

    def only(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return some of the quantities."""
        return {name: self.scores[name] for name in names}


def train(
    options: Options, signal: L1Events, background: L1Events, same: bool, seed: int
) -> tuple[dict[str, Model], Names]:
    """Train all classifiers.

    Parameters
    ----------
    options : Options
    signal, background : L1Events
    same : bool
        Whether the signal events are those of the background.
    seed : int

    Returns
    -------
    models : dict of str to Model
        By name: the classifier, a comma, its training.
    alike : dict of str to tuple of str
        Names of the classifiers of the same training, by the name of their mean; empty for a single classifier.
    """
    models: dict[str, Model] = {}
    alike: Names = {}
    for above, power in itertools.product(options.above or ABOVE[options.variable], options.weight_powers):
        chosen = signal[getattr(signal, options.variable) >= above]
        others = background[getattr(background, options.variable) < above] if same else background
        training = LabelledEvents.of(chosen, others, options.variable, power, seed)
        how = f"true above {above:g}, weight power {power:g}"
        trained = {f"{name}, {how}": CLASSIFIERS[name](training) for name in options.classifiers}
        models |= trained
        if len(trained) > 1:
            alike[f"{MEAN}, {how}"] = tuple(trained)
    return models, alike


def grouped(names: Sequence[str]) -> Names:
    """Return the names of classifiers by column of the table: those of each kind, and all and L1 for the bound."""
    kinds = dict.fromkeys(name.partition(",")[0] for name in names)
    groups = {kind: tuple(name for name in names if name.partition(",")[0] == kind) for kind in kinds}
    return {**groups, BOUND: (BASELINE, *names)}


def best(
    signal: ScoredEvents,
    background: ScoredEvents,
    names: Sequence[str],
    efficiencies: np.ndarray,
    ranges: Sequence[Range],
) -> list[list[str]]:
    """Return which of the quantities keeps most signal, for each range and each background efficiency."""
    passed = np.empty((len(names), len(ranges), len(efficiencies)))
    for i, name in enumerate(names):
        thresholds = Ranking.of(background.scores[name], background.weights).thresholds(efficiencies)
        for j, limits in enumerate(ranges):
            inside = in_range(signal.true, limits)
            passed[i, j], _ = Ranking.of(signal.scores[name][inside], signal.weights[inside]).passed(thresholds)
    return [[names[i] for i in row] for row in passed.argmax(0).tolist()]


@dataclass(frozen=True)
class Result:
    """Efficiencies in ranges of the true variable.

    Attributes
    ----------
    n_events : np.ndarray, shape (n_ranges,)
        Effective number of test events.
    replicas : dict of str to np.ndarray, shape (n_ranges, 1 + n_replicas, n_points)
        By column of the table.
    n_training : int
        Events that train the classifiers.
    chosen : dict of str to list
        For each column of classifiers the chosen ones, by range and working point.
    """

    n_events: np.ndarray
    replicas: dict[str, np.ndarray]
    n_training: int
    chosen: dict[str, list[list[str]]]

    @classmethod
    def test(
        cls,
        signal: ScoredEvents,
        background: ScoredEvents,
        fixed: Sequence[str],
        chosen: dict[str, list[list[str]]],
        efficiencies: np.ndarray,
        ranges: Sequence[Range],
        n_training: int,
        seed: int,
    ) -> "Result":
        """Find the efficiencies of fixed quantities and of the chosen classifiers."""
        names = sorted({*fixed, *(name for rows in chosen.values() for row in rows for name in row)})
        scores, weights = background.only(names), background.weights
        rng = named_rng(seed, "background")
        thresholds = background_thresholds(scores, weights, Rankings(scores, weights), efficiencies, rng)
        found = efficiencies_in_ranges(signal.true, signal.only(names), signal.weights, thresholds, ranges, seed)
        replicas = {name: np.stack([part.replicas[name] for part in found]) for name in fixed}
        for column, rows in chosen.items():
            replicas[column] = np.stack(
                [
                    np.stack([part.replicas[name][:, i] for i, name in enumerate(row)], axis=1)
                    for part, row in zip(found, rows, strict=True)
                ]
            )
        return cls(np.array([part.n_events for part in found]), replicas, n_training, chosen)

    @classmethod
    def mean(cls, folds: Sequence["Result"]) -> "Result":
        """Average over folds, whose test events are independent; the choice is that of the first fold."""
        replicas = {name: np.mean([fold.replicas[name] for fold in folds], axis=0) for name in folds[0].replicas}
        n_events = np.sum([fold.n_events for fold in folds], axis=0)
        return cls(n_events, replicas, round(np.mean([fold.n_training for fold in folds])), folds[0].chosen)


def evaluate(
    options: Options,
    samples: Mapping[str, Sample],
    teachers: Mapping[str, Model],
    points: Sequence[WorkingPoint],
    name: str,
    fold: int,
    share: float,
) -> Result:
    """Train, choose and test the classifiers of a signal in one turn, with a share of the training events."""
    used, same = (fold, (fold + 1) % options.folds), name == options.background
    variable, process = options.variable, options.background
    signal, background = (samples[one].training(used, share) for one in (name, process))
    models, alike = train(options, signal, background, same, options.seed + fold)
    fixed = {CALIBRATED: jet_calibration(background, variable), **teachers}
    efficiencies, ranges = np.array([point.background_efficiency for point in points]), RANGES[variable]

    def scored(process: str, fold: int, models: Mapping[str, Model]) -> ScoredEvents:
        return ScoredEvents.of(samples[process].fold(fold), variable, models, alike)

    choice = scored(name, used[1], models), scored(process, used[1], models)
    groups = grouped((*models, *alike))
    chosen = {column: best(*choice, names, efficiencies, ranges) for column, names in groups.items()}
    test = scored(name, fold, {**fixed, **models}), scored(process, fold, {**fixed, **models})
    n_training = len(background) if same else len(signal) + len(background)
    return Result.test(*test, (BASELINE, *fixed), chosen, efficiencies, ranges, n_training, options.seed + fold)


def jet_calibration(events: L1Events, variable: str) -> Model:
    """Return the calibration of jets in bins of |eta| and pT, from events."""
    chunks = (events[start : start + ROWS_A_CHUNK] for start in range(0, len(events), ROWS_A_CHUNK))
    factors, creator = JetFactors.of_events(chunks), graph_creator(variable)
    return Model(creator.features, lambda features: factors.correction(features, creator))


def figures(
    result: Result, teachers: Sequence[str], ranges: Sequence[Range], points: Sequence[WorkingPoint]
) -> list[dict[str, Any]]:
    """Return efficiencies, gains over L1 and, of each teacher, the share of the bound's gain, as rows of numbers."""
    rows = []
    for i, limits in enumerate(ranges):
        n_events = float(result.n_events[i])
        replicas = {L1 if name == BASELINE else name: found[i] for name, found in result.replicas.items()}
        gains = {name: difference(found, replicas[L1]) for name, found in replicas.items() if name != L1}
        gain = {name: with_limit(bootstrap_estimate(found), n_events) for name, found in gains.items()}
        estimates = {name: bootstrap_efficiency(found, n_events) for name, found in replicas.items()}
        estimates |= {f"{name} - {L1}": estimate for name, estimate in gain.items()}
        for name in teachers:
            to_bound = bootstrap_estimate(difference(replicas[name], replicas[BOUND]))
            estimates[f"{name} - {BOUND}"] = with_limit(to_bound, n_events)
            estimates[f"share of {name}"] = bootstrap_ratio(gains[name], gains[BOUND], gain[BOUND], n_events)
        for (j, point), (name, estimate) in itertools.product(enumerate(points), estimates.items()):
            one = estimate.at(j)
            place = {"true": range_name(limits), "background": point.label}
            rows.append({**place, "figure": name, "value": one.value, "error": one.error})
    return rows


def as_table(rows: Sequence[dict[str, Any]], column: str, keys: Sequence[str]) -> list[dict[str, str]]:
    """Return percentages with errors: a row for each combination of the keys, a column for each value of `column`."""
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        place = tuple(str(row[key]) for key in keys)
        line = lines.setdefault(place, dict(zip(keys, place, strict=True)))
        line[str(row[column])] = f"{100 * row['value']:.1f} +- {100 * row['error']:.1f}"
    return list(lines.values())


def refuse_training_events(folders: Sequence[tuple[str, Path]], samples: Mapping[str, Sample]) -> None:
    """Refuse events that a model was trained on, as far as the record of its training tells."""
    for name, folder in folders:
        trained_on = TrainedOn.from_record(read_json(folder / TRAINING_FILE))
        if trained_on is None:
            continue
        for sample in samples.values():
            trained_on.count(sample.divided)
        if trained_on.n_found:
            raise UserError(
                f"{folder}: {name} was trained on {trained_on.n_found} of {trained_on.n_compared} events that could be "
                "compared, expected events that are new to it; --training_data takes the others"
            )


def load_teachers(folders: Sequence[tuple[str, Path]]) -> dict[str, Model]:
    """Load trained models by name; Keras is imported only if there are some."""
    if not folders:
        return {}
    from nn.trained import load_trained

    return {name: load_trained(read_training(folder)).model for name, folder in folders}


def read_events(options: Options) -> dict[str, Sample]:
    """Read the events of all processes and divide them; events files are smeared first."""
    with tempfile.TemporaryDirectory() as folder:
        smeared = Path(folder) / "events.h5"
        if options.input:
            inputs = [f"--input={text}" for text in options.input]
            output = ("--test_output", smeared, f"--seed={options.seed}")
            cost(project_script("create_L1regression_data.py", *inputs, *output))
        paths = [*options.data, *([smeared] if options.input else [])]
        return read_samples(paths, options.training_data, options.folds, options.seed)


def main(argv: Sequence[str] | None = None) -> None:
    """Train, choose, test and report."""
    options = parse(Options, __doc__, argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    samples = read_events(options)
    signals = options.signals or tuple(name for name in samples if name != options.background)
    for name in (options.background, *signals):
        if name not in samples:
            raise UserError(f"unknown process '{name}', the events have {', '.join(samples)}")
    refuse_training_events(options.model_dir, samples)
    teachers = load_teachers(options.model_dir)
    cross_section = float(samples[options.background].divided.weights.sum(dtype=np.float64))
    points = working_points(RATES, cross_section)
    rows: list[dict[str, Any]] = []
    trainings = []
    turns = list(itertools.product(signals, options.shares))
    with progress(len(turns) * options.folds, "train and test", "folds") as bar:
        for signal, share in turns:
            folds = []
            for fold in range(options.folds):
                folds.append(evaluate(options, samples, teachers, points, signal, fold, share))
                bar.update(1)
            result = Result.mean(folds)
            found = figures(result, tuple(teachers), RANGES[options.variable], points)
            where = {"signal": signal, "training events": result.n_training, "share": share}
            rows += [{**where, **row} for row in found]
            trainings.append({**where, "chosen": result.chosen})
    keys = ("signal", "true", "background")
    curve = [row for row in rows if row["figure"] == BOUND]
    print(f"{BOUND} [%] by the number of training events\n{table(as_table(curve, 'training events', keys))}\n")
    whole = [row for row in rows if row["share"] == max(options.shares)]
    report(options, as_table(whole, "figure", keys), figures=rows, trainings=trainings)


if __name__ == "__main__":
    main()
