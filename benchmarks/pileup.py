"""Teachers at several pile-ups: each is trained at one of them and evaluated at all of them.

A folder of events for each pile-up has a folder of files for each process, as `output/events`. A part of the background
and of the other processes of the training train the teacher, by the scripts and the defaults of the project but without
a search. All other events test. Thresholds are those at fixed rates of the background.

Crossings of minimum bias alone are a second background, if there are some. Each of their events is a whole crossing, so
the rate is the share that passes times the rate of crossings. The table of rates compares both backgrounds at the same
thresholds. Pile-up comes from a pool of a few thousand collisions for each file, so the errors of the crossings at high
thresholds are underestimated.
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
from benchmarks.efficiencies import RANGES, efficiencies_in_ranges, range_name, working_points
from benchmarks.folds import read_processes
from utils.evaluation.bootstrap import bootstrap_efficiency, bootstrap_estimate, named_rng, with_limit
from utils.evaluation.ranking import Ranking, Rankings
from utils.evaluation.rates import crossing_rate, rates
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.thresholds import background_thresholds
from utils.evaluation.zero_bias_rates import zero_bias_rates
from utils.formats.l1_files import L1Dataset
from utils.predictions import BASELINE, Model, Predictions, predict_events
from utils.runtime.errors import UserError
from utils.runtime.options import Seed, flag, parse
from utils.runtime.paths import find_files
from utils.runtime.text_files import write_json
from utils.training.hyperparameters import TeacherHyperparameters
from utils.training.records import read_training
from utils.variables import full_variable

RATES = (30.0, 10.0)  # kHz
TEST_FRACTION = 0.6  # of the processes that train
HIGHEST_RATES = (3000.0, 1000.0, 300.0, 100.0, 30.0)  # kHz, of the table of rates


def named_events(text: str) -> tuple[str, Path]:
    """Read a pile-up and the folder of its events, PILEUP=FOLDER."""
    name, equals, folder = text.partition("=")
    if not (equals and name.isdigit() and folder):
        raise ValueError(f"expected PILEUP=FOLDER, received: {text!r}")
    return name, Path(folder)


@dataclass(frozen=True, kw_only=True)
class Options(Seed):
    """Flags of the benchmark."""

    events: list[tuple[str, Path]] = flag(
        help="mean pile-up and the folder of its events; may be repeated", parse=named_events, metavar="PILEUP=FOLDER"
    )
    output: Path = flag(help="JSON file of the numbers and the machine")
    variable: str = flag("true_met", help="met or ht", parse=full_variable)
    background: str = flag("QCD", help="background process")
    minimum_bias: str = flag("MinBias", help="process whose events are whole crossings of minimum bias")
    processes: tuple[str, ...] = flag(("QCD", "Wjets"), help="processes of the training")


@dataclass(frozen=True)
class Sample:
    """The events of a pile-up.

    Attributes
    ----------
    train : Path
        L1 regression file of the training.
    test : list of Path
        Files of the evaluation.
    times : dict of str to float
        CPU time in seconds of each step.
    """

    train: Path
    test: list[Path]
    times: dict[str, float]


def create(options: Options, name: str, events: Path, folder: Path) -> Sample:
    """Smear the events of a pile-up and choose those of the training."""
    found = {path.name: find_files(str(path / "*.h5")) for path in sorted(events.iterdir())}
    missing = [process for process in options.processes if not found.get(process)]
    if missing:
        raise UserError(f"{events}: expected a folder with events of {missing[0]}, found {', '.join(found) or 'none'}")

    def inputs(training: bool) -> list[str]:
        return [
            f"--input={process}={path}"
            for process, paths in found.items()
            if (process in options.processes) == training
            for path in paths
        ]

    train, test, other, selected = (folder / f"{name}_{part}.h5" for part in ("train", "test", "other", "selected"))
    seed = f"--seed={options.seed}"
    divided = ("--train_output", train, "--test_output", test, f"--test_fraction={TEST_FRACTION}", seed)
    measured = [cost(project_script("create_L1regression_data.py", *inputs(True), *divided))]
    tests = [test]
    if inputs(False):
        create_other = project_script("create_L1regression_data.py", *inputs(False), "--test_output", other, seed)
        measured.append(cost(create_other))
        tests.append(other)
    chosen = ("--input", train, "--output", selected, f"--processes={','.join(options.processes)}", seed)
    measured.append(cost(project_script("selective_sampling_jets.py", *chosen)))
    return Sample(selected, tests, {"create and select": sum(one.cpu for one in measured)})


def train(options: Options, sample: Sample, folder: Path) -> Model:
    """Train a teacher with the default hyperparameters."""
    from nn.trained import load_trained

    hyperparameters = folder.with_suffix(".json")
    write_json(hyperparameters, vars(TeacherHyperparameters()))
    flags = ("--input", sample.train, "--output", folder, f"--variable={options.variable}", f"--seed={options.seed}")
    sample.times["train"] = cost(project_script("train_teacher.py", *flags, "--hyperparameters", hyperparameters)).cpu
    return load_trained(read_training(folder)).model


def predict(options: Options, sample: Sample, models: Mapping[str, Model]) -> dict[str, Predictions]:
    """Predict the test events of each process."""
    processes = read_processes([L1Dataset.check(path) for path in sample.test])
    return {name: predict_events([events], [0], options.variable, models) for name, events in processes.items()}


def efficiency_rows(
    options: Options, events: Mapping[str, Predictions], background: str, efficiencies: np.ndarray
) -> list[dict[str, Any]]:
    """Return the efficiencies of the signals at equal rate: a row for each model, rate, signal and range."""
    others = events[background]
    scores, seed = others.measured, options.seed
    ranked = Rankings(scores, others.weight)
    thresholds = background_thresholds(scores, others.weight, ranked, efficiencies, named_rng(seed, background))
    ranges = RANGES[options.variable]
    rows = []
    for signal, predictions in events.items():
        if signal in (options.background, options.minimum_bias, *options.processes):
            continue
        found = efficiencies_in_ranges(
            predictions.true, predictions.measured, predictions.weight, thresholds, ranges, seed
        )
        for limits, part in zip(ranges, found, strict=True):
            for name, replicas in part.replicas.items():
                efficiency = bootstrap_efficiency(replicas, part.n_events)
                gain = with_limit(bootstrap_estimate(replicas - part.replicas[BASELINE]), part.n_events)
                rows += [
                    {
                        "background": background,
                        "rate [kHz]": rate,
                        "model": name,
                        "threshold [GeV]": float(thresholds[name][0, i]),
                        "signal": signal,
                        "true": range_name(limits),
                        "efficiency": efficiency.at(i).value,
                        "error": efficiency.at(i).error,
                        "gain": gain.at(i).value,
                        "gain error": gain.at(i).error,
                    }
                    for i, rate in enumerate(RATES)
                ]
    return rows


def rate_rows(options: Options, events: Mapping[str, Predictions]) -> list[dict[str, Any]]:
    """Return the rates of the background and of crossings of minimum bias at the same thresholds."""
    conditions = RunConditions()
    hard, crossings = events[options.background], events.get(options.minimum_bias)
    points = [point.background_efficiency for point in working_points(HIGHEST_RATES, float(hard.weight.sum()))[-5:]]
    rows = []
    for name, score in hard.measured.items():
        ranking = Ranking.of(score, hard.weight)
        thresholds = ranking.thresholds(np.array(points))
        of_hard = rates(ranking, thresholds, conditions.luminosity, conditions.colliding_bunches).rate
        if crossings is not None:
            ones = Ranking.of(crossings.measured[name], np.ones_like(crossings.weight))
            found = zero_bias_rates(ones, thresholds, conditions.colliding_bunches)
            intervals = np.stack([found.value, found.low, found.high], axis=1)
        else:
            intervals = np.full((len(thresholds), 3), np.nan)
        rows += [
            {
                "model": name,
                "threshold [GeV]": float(threshold),
                "rate [kHz]": float(of_hard.value[i]),
                "error": float(of_hard.error[i]),
                **dict(zip(("crossings [kHz]", "from", "to"), intervals[i].tolist(), strict=True)),
            }
            for i, threshold in enumerate(thresholds)
        ]
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Create, train, evaluate and report."""
    options = parse(Options, __doc__, argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    rows: list[dict[str, Any]] = []
    rates_found: list[dict[str, Any]] = []
    times: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        samples = {name: create(options, name, events, folder) for name, events in options.events}
        models = {f"teacher at {name}": train(options, one, folder / name) for name, one in samples.items()}
        for name, sample in samples.items():
            events = predict(options, sample, models)
            cross_section = float(events[options.background].weight.sum(dtype=np.float64))
            points = working_points(RATES, cross_section)[-len(RATES) :]
            at_rates = {options.background: np.array([point.background_efficiency for point in points])}
            if options.minimum_bias in events:
                at_rates[options.minimum_bias] = np.array(RATES) / crossing_rate(RunConditions().colliding_bunches)
            found = itertools.chain.from_iterable(
                efficiency_rows(options, events, background, points) for background, points in at_rates.items()
            )
            rows += [{"pile-up": name, **row} for row in found]
            rates_found += [{"pile-up": name, **row} for row in rate_rows(options, events)]
            times.append({"pile-up": name, **{f"{step} [CPU s]": value for step, value in sample.times.items()}})
    print(f"{table(times)}\n\n{table(rates_found)}\n")
    report(options, rows, rates=rates_found, times=times)


if __name__ == "__main__":
    main()
