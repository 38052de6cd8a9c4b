"""What does distillation gain? Students from the truth alone and from a teacher, quantised and of floats, over seeds.

All students learn from the same events, with other random numbers for each seed, and are tested on events that neither
they nor the teacher have seen. Of each quantised training the whole front of networks is evaluated, and its look-up
tables are estimated, so that students are compared at equal cost: for a budget the network of the lowest validation
loss within it counts. Students that are in --folder already are not trained again.
"""

import argparse
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

from benchmarks.common import benchmark_parser, cost, project_script, report
from benchmarks.peers import BACKGROUND, PEER, RESPONSE_EDGES, figures
from utils.cli import checked, comma_separated, number, progress
from utils.data_processing import full_variable
from utils.evaluation import BINNINGS, Model, predict_events
from utils.l1_dataset import L1Dataset
from utils.plotting_student import draw_gap_against_lut
from utils.plotting_style import save
from utils.trainings import MODEL_FILE, Training, read_training

CLOCK_PERIOD, LATENCY_CUTOFF = 2.8, 0.9 * 2.8  # ns
KINDS = {
    "truth": ("--alpha=1",),
    "distilled": (),
    "float, distilled": ("--quantised=0",),
}


POINTS = ("5%", "1%", "0.5%")
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
    """Read kinds of students."""
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
    """Train the students that are not there yet, and return their folders."""
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


def networks_of(folders: dict[tuple[str, int], Path]) -> Iterator[Network]:
    """List the networks of all fronts."""
    for (kind, seed), folder in folders.items():
        training = read_training(folder)
        for point in pd.read_csv(folder / "front.csv").itertuples():
            yield Network(kind, seed, folder / str(point.file), training, float(point.val_loss), int(point.ebops))


def firmware_of(network: Network, folder: Path) -> dict[str, Any]:
    """Estimate what a quantised network takes in firmware."""
    from nn.firmware import trace_student
    from nn.student import load_student
    from utils.firmware import ports_of, resources, verilog_of

    assert network.training.student_inputs is not None
    inputs = network.training.student_inputs
    logic = trace_student(load_student(network.file), inputs, ports_of(inputs))
    found = resources(verilog_of(logic, folder, CLOCK_PERIOD, LATENCY_CUTOFF), CLOCK_PERIOD)
    return {
        "lut": found["lut"]["value"],
        "ff": found["ff"]["value"],
        "latency [cycles]": found["latency"]["cycles"],
        "latency [ns]": found["latency"]["value"],
    }


def evaluate(model: Model, data: L1Dataset, variable: str) -> dict[str, dict[str, float]]:
    """Evaluate a model on all processes of a file: by signal, the figures of a row and their errors."""
    chunks = data.chunks(1 << 16, true_objects=False)
    predictions = predict_events(chunks, list(data.process_names), variable, {PEER: model})
    events = {process: predictions[predictions.process_id == i] for i, process in data.process_names.items()}
    found = figures(events, BINNINGS[variable], np.array(RESPONSE_EDGES[variable], float), seed=1)
    return {
        signal: {name: float(e.value) for name, e in of_signal.items()}
        | {f"{name}, error": float(e.error) for name, e in of_signal.items()}
        for signal, of_signal in found.items()
        if signal != BACKGROUND
    }


def rows_of(args: argparse.Namespace, networks: Sequence[Network], data: L1Dataset) -> pd.DataFrame:
    """Evaluate L1, the teacher and all students: a row for each network and signal."""
    from nn.student import load_student, student_model
    from nn.trained import load_trained

    teacher = load_trained(read_training(args.teacher)).model
    models: list[tuple[dict[str, Any], Model]] = [
        ({"kind": "L1", "seed": 0}, Model(lambda events: events.smeared_met, np.ones_like)),
        ({"kind": "teacher", "seed": 0}, teacher),
    ]
    rows = []
    with progress(len(networks) + len(models), "evaluate", "networks") as bar:

        def add(of_network: dict[str, Any], model: Model) -> None:
            for signal, found in evaluate(model, data, args.variable).items():
                rows.append({**of_network, "signal": signal, **found})
            bar.update(1)

        for of_network, model in models:
            add(of_network, model)
        for network in networks:
            inputs = network.training.student_inputs
            assert inputs is not None
            described = {
                "kind": network.kind,
                "seed": network.seed,
                "val_loss": network.val_loss,
                "ebops": network.ebops,
            }
            if network.ebops:
                with tempfile.TemporaryDirectory() as folder:
                    described |= firmware_of(network, Path(folder))
            add(described, student_model(load_student(network.file), inputs, network.training.target))
    table = pd.DataFrame(rows)
    for point in POINTS:
        name = f"efficiency {point}"
        raw, best = (table[table["kind"] == kind].set_index("signal")[name] for kind in ("L1", "teacher"))
        base = table["signal"].map(raw)
        table[f"kept {point}"] = (table[name] - base) / (table["signal"].map(best) - base)
    return table


def chosen(rows: pd.DataFrame, budget: float) -> pd.DataFrame:
    """Choose, of each seed, the network of the lowest validation loss that takes at most so many look-up tables."""
    within = rows[~(rows["lut"] > budget)]
    return within.loc[within.groupby(["kind", "seed", "signal"])["val_loss"].idxmin().dropna()]


def summarised(rows: pd.DataFrame, budgets: Sequence[float]) -> list[dict[str, Any]]:
    """Average over the seeds; the error is that of the test sample, which they share, the spread that of the seeds."""
    table = []
    students = rows[rows["val_loss"].notna()]
    parts = [("", rows[rows["val_loss"].isna()]), ("", chosen(students[students["lut"].isna()], np.inf))]
    parts += [(f"{budget:g}", chosen(students[students["lut"].notna()], budget)) for budget in budgets]
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
    parser.add_argument("--folder", type=Path, required=True, help="where the students are kept")
    parser.add_argument("--variable", type=checked(full_variable), default="met", help="met or ht")
    parser.add_argument("--signal", default="W", help="of the figure")
    parser.add_argument("--kinds", type=kinds, default=";".join(KINDS), help="which students, separated by ;")
    parser.add_argument("--seeds", type=number(int, 1), default=5, help="how many")
    parser.add_argument("--luts", type=comma_separated(number(float, above=0)), default="60000,10000,3000")
    parser.add_argument("--workers", type=number(int, 1), default=2, help="trainings at a time")
    parser.add_argument("--flags", type=str.split, default="", help="more flags of train_student.py, as one word")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    networks = list(networks_of(train_all(args)))
    rows = rows_of(args, networks, L1Dataset.check(args.test))
    save(draw_gap_against_lut(rows[rows["signal"] == args.signal], args.signal)[0], args.output.with_suffix(""))
    report(args, summarised(rows, args.luts), networks=rows.to_dict("records"))


if __name__ == "__main__":
    main()
