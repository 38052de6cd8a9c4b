"""Gain of distillation: students from the truth alone and from a teacher, quantised and of floats, over seeds.

All students learn from the same events, with other random numbers for each seed. The test events are new to them and to
the teacher. Students are compared at equal cost: the look-up tables of all networks of the front of a quantised
training are estimated. For each budget the network of the lowest validation loss within it is evaluated, as the
integers of the firmware. Students that are in --folder already are not trained again.
"""

import argparse
import itertools
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.baselines import BACKGROUND, RATES, RESPONSE_EDGES
from benchmarks.common import benchmark_parser, cost, project_script, report
from benchmarks.efficiencies import BACKGROUND_EFFICIENCIES, RANGES, in_range, range_name
from utils.evaluation.background_result import BackgroundResult, evaluate_background
from utils.evaluation.binning import BINNINGS
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.efficiency_gains import efficiency_gains, signal_efficiencies
from utils.evaluation.ranking import Ranking
from utils.evaluation.response import binned_response
from utils.evaluation.roc import roc_area
from utils.evaluation.run_conditions import RunConditions, WorkingPoint
from utils.formats.l1_files import L1Dataset
from utils.plotting.student import draw_efficiency_against_lut
from utils.plotting.style import save
from utils.predictions import BASELINE, TRUE, Model, Predictions, predict_events
from utils.runtime.arguments import checked, comma_separated, number
from utils.runtime.progress import progress
from utils.training.records import MODEL_FILE, Training, read_training
from utils.variables import full_variable

CLOCK_PERIOD, LATENCY_CUTOFF = 2.8, 0.9 * 2.8  # ns
KINDS = {
    "truth": ("--alpha=1",),
    "distilled": (),
    "float, distilled": ("--quantised=0",),
    "alpha 0.25": ("--alpha=0.25",),
    "alpha 0.5": ("--alpha=0.5",),
    "factor": ("--target=factor",),
}


SEED = 1  # of the bootstrap errors
FEWEST_EVENTS = 200  # of a range of the true variable
WORKING_POINTS = [WorkingPoint(efficiency) for efficiency in BACKGROUND_EFFICIENCIES]
WORKING_POINTS += [WorkingPoint(math.nan, rate) for rate in RATES]  # the efficiency depends on the cross section
POINTS = tuple(point.label for point in WORKING_POINTS)
SUMMARY = (
    *(f"{of} {point}" for point in POINTS for of in ("efficiency", "gap closed", "kept")),
    "area",
    "resolution 40-60",
    "ebops",
    "lut",
    "ff",
    "latency [cycles]",
    "latency [ns]",
)


def kinds(text: str) -> list[str]:
    """Parse kinds of students, separated by ;."""
    found = text.split(";")
    unknown = [kind for kind in found if kind not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(KINDS)}, found '{unknown[0]}'")
    return found


@dataclass(frozen=True)
class Network:
    """A trained network to evaluate.

    Attributes
    ----------
    kind : str
    seed : int
    file : Path
    training : Training
    val_loss : float
    ebops : int
    """

    kind: str
    seed: int
    file: Path
    training: Training
    val_loss: float
    ebops: int


def train_all(args: argparse.Namespace) -> dict[tuple[str, int], Path]:
    """Train the students that are missing, and return their folders."""
    folders = {
        (kind, seed): args.folder / f"{kind.replace(', ', '_')}_{seed}"
        for seed in range(1, 1 + args.seeds)
        for kind in args.kinds
    }
    data = ("--input", args.train, "--teacher", args.teacher, "--variable", args.variable, *args.flags)
    with ThreadPoolExecutor(args.workers) as pool, progress(len(folders), "train", "students") as bar:

        def train(kind: str, seed: int, folder: Path) -> None:
            if not (folder / MODEL_FILE).exists():
                cost(project_script("train_student.py", *data, "--output", folder, f"--seed={seed}", *KINDS[kind]))
            bar.update(1)

        for done in [pool.submit(train, *key, folder) for key, folder in folders.items()]:
            done.result()
    return folders


def list_networks(folders: dict[tuple[str, int], Path]) -> Iterator[Network]:
    """List the networks of all fronts."""
    for (kind, seed), folder in folders.items():
        training = read_training(folder)
        for point in pd.read_csv(folder / "front.csv").itertuples():
            yield Network(kind, seed, folder / str(point.file), training, float(point.val_loss), int(point.ebops))


def estimate_firmware(network: Network, folder: Path) -> dict[str, Any]:
    """Estimate the resources and the latency of a quantised network in firmware."""
    from nn.firmware.trace import trace_student
    from nn.student import load_student
    from utils.hardware.ports import input_ports
    from utils.hardware.verilog import resources, write_verilog

    assert network.training.student_inputs is not None
    inputs = network.training.student_inputs
    logic = trace_student(load_student(network.file), inputs, input_ports(inputs))
    found = resources(write_verilog(logic, folder, CLOCK_PERIOD, LATENCY_CUTOFF), CLOCK_PERIOD)
    return {
        "lut": found["lut"]["value"],
        "ff": found["ff"]["value"],
        "latency [cycles]": found["latency"]["cycles"],
        "latency [ns]": found["latency"]["value"],
    }


def figures(signal: Predictions, background: BackgroundResult, edges: np.ndarray) -> dict[str, dict[str, float]]:
    """Compute the figures of each model for a signal, with errors."""
    rng = np.random.default_rng(SEED)
    efficiencies, _ = signal_efficiencies(signal.scores, signal.weight, background.threshold_replicas, rng)
    allowed = np.array([point.background_efficiency for point in background.working_points])
    points = efficiency_gains(allowed, background.threshold_replicas, efficiencies, BASELINE, TRUE)
    rows = {}
    for name in signal.corrections:
        found: dict[str, Estimate] = {
            f"{of} {point}": Estimate(estimate.value[i], estimate.error[i])
            for of, estimate in (("efficiency", points.efficiency[name]), ("gap closed", points.gap_closed[name]))
            for i, point in enumerate(POINTS)
        }
        scores = signal.scores[name]
        found["area"] = roc_area(Ranking.of(scores, signal.weight), background.rankings[name])
        response = np.divide(scores, signal.true, out=np.full(len(scores), np.nan), where=signal.true > 0)
        resolution = binned_response(signal.true, response, signal.weight, edges, rng)
        for i, (low, high) in enumerate(itertools.pairwise(edges)):
            for of, estimate in (("resolution", resolution.half_width), ("median", resolution.median)):
                found[f"{of} {low:g}-{high:g}"] = Estimate(estimate.value[i], estimate.error[i])
        rows[name] = {key: float(e.value) for key, e in found.items()}
        rows[name] |= {f"{key}, error": float(e.error) for key, e in found.items()}
    return rows


def with_ranges(events: dict[str, Predictions], variable: str) -> Iterator[tuple[str, Predictions]]:
    """Yield each signal, and its events in each range of the true variable that has enough of them."""
    for name, signal in events.items():
        if name == BACKGROUND:
            continue
        yield name, signal
        for limits in RANGES[variable]:
            inside = signal[in_range(signal.true, limits)]
            if len(inside) >= FEWEST_EVENTS:
                yield f"{name}, {range_name(limits)} GeV", inside


def describe(networks: Sequence[Network]) -> pd.DataFrame:
    """Return a table of networks with their estimates in firmware, "lut" NaN for those of floats."""
    rows = []
    with progress(len(networks), "estimate", "networks") as bar:
        for network in networks:
            row = {key: getattr(network, key) for key in ("kind", "seed", "val_loss", "ebops")}
            row |= {"file": str(network.file), "network": network, "lut": math.nan}
            if network.ebops:
                with tempfile.TemporaryDirectory() as folder:
                    row |= estimate_firmware(network, Path(folder))
            rows.append(row)
            bar.update(1)
    return pd.DataFrame(rows)


def evaluate(args: argparse.Namespace, networks: Sequence[Network], data: L1Dataset) -> pd.DataFrame:
    """Evaluate L1, the teacher and the best student within each budget; a row for each network and signal."""
    from nn.student import load_student, student_model
    from nn.trained import load_trained

    described: dict[str, dict[str, Any]] = {"L1": {"kind": "L1", "seed": 0}, "teacher": {"kind": "teacher", "seed": 0}}
    models = {
        "L1": Model(lambda events: events.smeared_met, np.ones_like),
        "teacher": load_trained(read_training(args.teacher)).model,
    }
    students = describe(networks)
    parts = [best_within_budget(students[students["lut"].isna()], math.inf)]
    parts += [best_within_budget(students[students["lut"].notna()], budget) for budget in args.luts]
    for row in pd.concat(parts).drop_duplicates("file").to_dict("records"):
        network, name = row.pop("network"), str(row["file"])
        described[name] = {str(key): value for key, value in row.items()}
        models[name] = student_model(load_student(network.file), network.training.student_inputs)
    predictions = predict_events(
        data.chunks(1 << 16, true_objects=False), list(data.process_names), args.variable, models
    )
    events = {process: predictions[predictions.process_id == i] for i, process in data.process_names.items()}
    background = evaluate_background(
        events[BACKGROUND], BINNINGS[args.variable], BACKGROUND_EFFICIENCIES, RunConditions(), RATES, SEED
    )
    edges = np.array(RESPONSE_EDGES[args.variable], float)
    rows = []
    for signal, of_signal in with_ranges(events, args.variable):
        found = figures(of_signal, background, edges)
        rows += [{"file": name, **described[name], "signal": signal, **found[name]} for name in models]
    table = pd.DataFrame(rows)
    for point in POINTS:
        name = f"efficiency {point}"
        raw, best = (table[table["kind"] == kind].set_index("signal")[name] for kind in ("L1", "teacher"))
        base = table["signal"].map(raw)
        table[f"kept {point}"] = (table[name] - base) / (table["signal"].map(best) - base)
    return table


def best_within_budget(rows: pd.DataFrame, budget: float) -> pd.DataFrame:
    """Choose the network of the lowest validation loss within a budget, for each kind, seed and, if any, signal."""
    within = rows[~(rows["lut"] > budget)]
    keys = [key for key in ("kind", "seed", "signal") if key in within]
    return within.loc[within.groupby(keys)["val_loss"].idxmin().dropna()]


def summarise(rows: pd.DataFrame, budgets: Sequence[float]) -> list[dict[str, Any]]:
    """Average over the seeds, with the error of their common test sample and the spread of the seeds."""
    table = []
    students = rows[rows["val_loss"].notna()]
    parts = [("", rows[rows["val_loss"].isna()]), ("", best_within_budget(students[students["lut"].isna()], np.inf))]
    parts += [(f"{budget:g}", best_within_budget(students[students["lut"].notna()], budget)) for budget in budgets]
    for budget, part in parts:
        for (kind, signal), group in part.groupby(["kind", "signal"], sort=False):
            row: dict[str, Any] = {"signal": signal, "kind": kind, "LUT at most": budget, "seeds": len(group)}
            for name in SUMMARY:
                row[name] = float(group[name].mean())
                row[f"{name}, spread"] = float(group[name].std(ddof=1)) if len(group) > 1 else math.nan
                if f"{name}, error" in group:
                    row[f"{name}, error"] = float(np.sqrt((group[f"{name}, error"] ** 2).mean()))
            table.append(row)
    return sorted(table, key=lambda row: (row["signal"], row["kind"]))


def main(argv: Sequence[str] | None = None) -> None:
    """Train, evaluate, draw."""
    parser = benchmark_parser(__doc__ or "")
    parser.add_argument("--train", type=Path, required=True, help="L1 regression file of the training")
    parser.add_argument("--test", type=Path, required=True, help="L1 regression file of the evaluation")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of the trained teacher")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the students")
    parser.add_argument("--variable", type=checked(full_variable), default="met", help="met or ht")
    parser.add_argument("--signal", default="Znunu, 80-120 GeV", help="signal of the figure, with or without a range")
    parser.add_argument("--point", choices=POINTS, default="30 kHz", help="working point of the figure")
    parser.add_argument(
        "--kinds",
        type=kinds,
        default="truth;distilled",
        help=f"kinds of students, separated by ; of {', '.join(KINDS)}",
    )
    parser.add_argument("--seeds", type=number(int, 1), default=5, help="seeds of each kind")
    parser.add_argument(
        "--luts",
        type=comma_separated(number(float, above=0)),
        default="60000,10000,3000",
        help="budgets of look-up tables",
    )
    parser.add_argument("--workers", type=number(int, 1), default=2, help="trainings at a time")
    parser.add_argument("--flags", type=str.split, default="", help="more flags of train_student.py, as one word")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    networks = list(list_networks(train_all(args)))
    rows = evaluate(args, networks, L1Dataset.check(args.test))
    if "lut" not in rows:
        raise SystemExit(
            f"error: {args.folder}: no network needs at most {max(args.luts):g} LUT: raise --beta in --flags"
        )
    drawn = draw_efficiency_against_lut(rows[rows["signal"] == args.signal], args.signal, args.point)
    save(drawn[0], args.output.with_suffix(""))
    report(args, summarise(rows, args.luts), networks=rows.to_dict("records"))


if __name__ == "__main__":
    main()
