"""Compare the teacher with baselines, on the same events, over several seeds.

All baselines learn the same correction from the same events with the same weights in the loss. They are tested on other
events, and do not correct an event without a jet at L1. Each seed divides and smears the events and trains again.
"""

import itertools
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import cost, project_script, report
from benchmarks.efficiencies import BACKGROUND_EFFICIENCIES, RANGES, efficiencies_in_ranges, range_name
from benchmarks.methods.calibrations import calibration, eta_calibration, uncorrected
from benchmarks.methods.training import Baseline, Training
from benchmarks.methods.trees import trees
from utils.data_processing import graph_creator
from utils.evaluation.background_result import evaluate_background
from utils.evaluation.binning import BINNINGS
from utils.evaluation.bootstrap import Estimate, bootstrap_efficiency
from utils.evaluation.response import binned_response
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.signal_result import evaluate_signal
from utils.formats.l1_files import L1Dataset
from utils.predictions import Model, Predictions, predict_events
from utils.runtime.options import flag, parse
from utils.training.options import LossOptions
from utils.variables import full_variable

BACKGROUND, CORRECTED, TEACHER = "QCD", "corrected", "teacher"
RATES = (30.0, 10.0)  # kHz
TEST_FRACTION = 0.5
CONFIGURED_SHARES = {BACKGROUND: 4.0}
RESPONSE_EDGES = {"true_met": (20, 40, 60, 100, 200), "true_ht": (50, 100, 200, 400, 800)}
THRESHOLDS = {"true_met": (50, 100), "true_ht": (200, 320)}

Figures = dict[str, dict[str, Any]]  # estimates by process and name


def network(name: str) -> Callable[[Training], Baseline]:
    """Return the training of a network; Keras is imported only when it trains, since its import takes seconds."""

    def train(training: Training) -> Baseline:
        from benchmarks.methods import networks

        return networks.train(training, getattr(networks, name))

    return train


BASELINES: dict[str, Callable[[Training], Baseline]] = {
    "L1": uncorrected,
    "calibration": calibration,
    "eta-calibration": eta_calibration,
    "trees": trees,
    "object-weights": network("object_weights"),
    "DeepSets": network("deep_sets"),
    "JEDI-linear": network("jedi_linear"),
    TEACHER: network("teacher"),
}


def squared_error(predictions: Predictions, threshold: float) -> Estimate:
    """Return the mean squared error of the correction of events above a true value in GeV, all counting the same."""
    rows = (predictions.true > threshold) & (predictions.reco > 0) & (predictions.jets > 0)
    squares = (predictions.corrections[CORRECTED][rows] - predictions.true[rows] / predictions.reco[rows]) ** 2
    return Estimate(squares.mean(), squares.std() / math.sqrt(rows.sum()))


def figures(events: dict[str, Predictions], variable: str, weighted: bool, seed: int) -> Figures:
    """Evaluate corrected events of each process; without weights there are no rates."""
    binning, edges, ranges = BINNINGS[variable], np.array(RESPONSE_EDGES[variable], float), RANGES[variable]
    conditions = RunConditions() if weighted else None
    background = evaluate_background(events[BACKGROUND], binning, BACKGROUND_EFFICIENCIES, conditions, RATES, seed)
    points = [point.label for point in background.working_points]
    found: Figures = {}
    for name, predictions in events.items():
        corrected, true = predictions.scores[CORRECTED], predictions.true
        response = np.divide(corrected, true, where=true > 0, out=np.full(len(true), np.nan))
        rng = np.random.default_rng([seed, len(found)])
        resolution = binned_response(true, response, predictions.weight, edges, rng)
        found[name] = {
            f"{of} {low:g}-{high:g}": Estimate(estimate.value[i], estimate.error[i])
            for of, estimate in (("resolution", resolution.half_width), ("median", resolution.median))
            for i, (low, high) in enumerate(itertools.pairwise(edges))
        }
        for threshold in THRESHOLDS[variable]:
            found[name][f"squared error above {threshold:g}"] = squared_error(predictions, threshold)
        if name != BACKGROUND:
            signal = evaluate_signal(predictions, background, binning, seed, name)
            found[name]["area"] = signal.roc[CORRECTED].area
            for of, estimate in (
                ("efficiency", signal.gains.efficiency[CORRECTED]),
                ("gap closed", signal.gains.gap_closed[CORRECTED]),
            ):
                found[name] |= {f"{of} {point}": estimate.at(i) for i, point in enumerate(points)}
            scores = {CORRECTED: corrected}
            thresholds = {CORRECTED: background.threshold_replicas[CORRECTED]}
            in_ranges = efficiencies_in_ranges(true, scores, predictions.weight, thresholds, ranges, seed)
            for limits, efficiencies in zip(ranges, in_ranges, strict=True):
                estimate = bootstrap_efficiency(efficiencies.replicas[CORRECTED], efficiencies.n_events)
                for i, point in enumerate(points):
                    found[name][f"efficiency {point}, true {range_name(limits)}"] = estimate.at(i)
    return found


@dataclass(frozen=True, kw_only=True)
class Options(LossOptions):
    """Flags of the benchmark; the default shares of the processes are those of config.yaml."""

    input: list[str] = flag(help="events of a process; may be repeated", metavar="NAME=FILES")
    output: Path = flag(help="JSON file of the numbers and the machine")
    variable: str = flag("true_met", help="met or ht", parse=full_variable)
    processes: tuple[str, ...] = flag(("QCD", "Wjets"), help="processes of the training")
    smearings: int = flag(5, help="times that each training event is smeared", minimum=1)
    flat: float | None = flag(None, help="flatten the spectrum below this; none: leave it", unit="GeV", above=0)
    baselines: tuple[str, ...] = flag(tuple(BASELINES), help="baselines to train", choices=tuple(BASELINES))
    seeds: int = flag(3, help="number of seeds", minimum=1)


def compare(options: Options, seed: int, folder: Path) -> dict[str, Figures]:
    """Divide, smear, train all baselines and evaluate them with one seed: figures by baseline, process and name."""
    train, test, selected = (folder / f"{name}.h5" for name in ("train", "test", "selected"))
    inputs = [f"--input={text}" for text in options.input]
    outputs = ("--train_output", train, "--test_output", test)
    flags = (f"--seed={seed}", f"--test_fraction={TEST_FRACTION}", f"--smearings={options.smearings}")
    cost(project_script("create_L1regression_data.py", *inputs, *outputs, *flags))
    sampling = [f"--sampling_var={options.variable}", f"--sampling_threshold={options.flat}"] if options.flat else []
    processes = f"--processes={','.join(options.processes)}"
    files = ("--input", train, "--output", selected)
    cost(project_script("selective_sampling_jets.py", *files, processes, *sampling, f"--seed={seed}"))
    training = Training(L1Dataset.check(selected), seed, options, graph_creator(options.variable))
    data = L1Dataset.check(test)
    found = {}
    for name in options.baselines:
        baseline = BASELINES[name](training)
        chunks = data.chunks(1 << 16, true_objects=False)
        model = Model(baseline.creator.features, baseline.predict)
        predictions = predict_events(chunks, list(data.process_names), options.variable, {CORRECTED: model})
        events = {process: predictions[predictions.process_id == i] for i, process in data.process_names.items()}
        found[name] = figures(events, options.variable, data.weighted, seed)
    return found


def table_rows(seeds: Sequence[dict[str, Figures]]) -> list[dict[str, Any]]:
    """Average over the seeds.

    The error is the statistical error of one test sample, which the seeds mostly share. The spread is the standard
    deviation over the seeds, from the division and smearing of the events and from the training. The excess of the
    teacher is the difference on the same events with the same seed; its error is the spread over the root of the seeds.
    """
    first = next(iter(seeds[0].values()))
    rows = []
    keys = ((process, name) for process, of_process in first.items() for name in of_process)

    def values_of(baseline: str, process: str, name: str) -> np.ndarray:
        return np.array([float(seed[baseline][process][name].value) for seed in seeds])

    def spread(values: np.ndarray) -> float:
        return float(values.std(ddof=1)) if len(values) > 1 else math.nan

    for (process, name), baseline in itertools.product(keys, seeds[0]):
        estimates = [seed[baseline][process][name] for seed in seeds]
        values = values_of(baseline, process, name)
        more = values_of(TEACHER, process, name) - values if TEACHER in seeds[0] else np.full(len(seeds), math.nan)
        rows.append(
            {
                "process": process,
                "figure": name,
                "baseline": baseline,
                "mean": float(values.mean()),
                "error": math.sqrt(np.mean([float(estimate.error) ** 2 for estimate in estimates])),
                "spread": spread(values),
                "teacher's more": float(more.mean()),
                "its error": spread(more) / math.sqrt(len(more)),
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Compare the baselines with each seed."""
    options = parse(Options, __doc__, argv)
    if options.process_shares is None:
        options = replace(options, process_shares=CONFIGURED_SHARES)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    found = []
    for seed in range(1, 1 + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(compare(options, seed, Path(folder)))
    report(options, table_rows(found))


if __name__ == "__main__":
    main()
