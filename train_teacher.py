"""Train the teacher: search the hyperparameters of the graph attention network, then fit the best ones.

Reads an L1 regression file. With --hyperparameters the search is left out and the network is trained with fixed values.
Killed at any moment, the same command goes on where it stood; when all is done, it does nothing.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import argparse
import json
import logging
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from utils.cli import script
from utils.data_processing import GraphCreator, graph_creator
from utils.formats.l1_files import L1Dataset
from utils.plotting.data import draw_history, draw_trials
from utils.plotting.style import save
from utils.runtime.arguments import comma_separated, number, parser
from utils.runtime.checkpoints import MADE_FOR, SCRATCH, finished_for, partial_path, unfinished_folder, wait_for_file
from utils.runtime.errors import UserError
from utils.runtime.imports import imported_modules
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.provenance import provenance, sha256
from utils.runtime.text_files import read_json, write_json
from utils.runtime.whole_files import whole_file
from utils.runtime.worker_processes import WorkerProcesses, end_with_parent
from utils.training.batches import BATCHES_A_STEP, GraphBatches
from utils.training.records import (
    TEACHER,
    TRAINING_FILE,
    add_loss_weights,
    is_finished,
    read_graphs,
    record_of,
    say_finished,
    warn_of_few_events,
)
from utils.training.training_graphs import TrainingGraphs

if TYPE_CHECKING:
    import keras

    from nn.search.hyperband import Hyperband
    from nn.teacher import TeacherHyperModel, TeacherHyperparameters

logger = logging.getLogger("train_teacher")

# Flags on which no number depends.
WHERE_AND_BY_WHOM = ("output", "input", "use_generator", "workers", "chief_host", "join", "force")

# Flags on which the final fit depends, but neither the search nor its trials.
FINAL_FIT = ("final_epochs", "patience")

# What a search leaves; the table last, whose presence says that the search is over.
SEARCH_RESULTS = ("trials", "tensorboard/search", "trials.png", "trials.pdf", "trials.csv")

SCRIPT = Path(__file__)
# Modules of utils/ on which the numbers of a training depend, as on those of nn/ that this script imports.
MODULES = (
    "batches",
    "data_processing",
    "hyperparameters",
    "l1_files",
    "loss_names",
    "loss_weights",
    "normalisation",
    "ragged_graphs",
    "random_streams",
    "training_graphs",
    "variables",
)

SECONDS_FOR_THE_CHIEF = 3600  # that a worker waits for a search to join


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = parser(__doc__)
    args.add_argument("--input", type=Path, required=True, help="L1 regression file")
    args.add_argument("--output", type=Path, required=True, help="folder for the model and all about its training")
    args.add_argument("--variable", default="met", help="what is regressed: met, ht or original_met")
    args.add_argument(
        "--log_features",
        type=comma_separated(str),
        default=(),
        help="features replaced by log(x + 1), separated by commas: pt, met, ht",
    )
    args.add_argument(
        "--loss_function",
        default="log_huber_3.0",
        help="mse, mae, mape, msle, huber_DELTA, log_huber_DELTA, quantile_TAU or dice_EPSILON, with a number for the "
        "last word",
    )
    add_loss_weights(args)
    args.add_argument(
        "--metric_thresholds",
        type=comma_separated(number(float, 0)),
        default=(),
        help="monitor the MSE of events whose true variable exceeds these [GeV], separated by commas",
    )
    args.add_argument("--max_events", type=number(int, 1), help="use a random subset of so many events; all")
    args.add_argument(
        "--use_generator",
        type=int,
        choices=(0, 1),
        default=0,
        help="1: keep the graphs in a temporary file in the output folder while training, for inputs of any size; "
        "0: in memory",
    )
    args.add_argument(
        "--test_split",
        type=number(float, above=0, maximum=0.9),
        default=0.2,
        help="share of the events for the validation loss",
    )
    args.add_argument("--batch_size", type=number(int, 1), default=1024, help="events a step of the optimizer")
    args.add_argument("--max_epochs", type=number(int, 1), default=30, help="epochs of the longest trials")
    args.add_argument("--final_epochs", type=number(int, 1), default=100, help="most epochs of the final fit")
    args.add_argument(
        "--patience", type=number(int, 1), default=6, help="epochs without a lower validation loss to stop after"
    )
    args.add_argument(
        "--hyperband_factor", type=number(int, 2), default=3, help="by which each round has fewer, longer trials"
    )
    args.add_argument("--hyperband_iterations", type=number(int, 1), default=1, help="times that Hyperband is run")
    args.add_argument(
        "--devices",
        type=number(int, 1),
        default=1,
        help="GPUs of this machine over which each batch is divided",
    )
    args.add_argument(
        "--workers",
        type=number(int, 0),
        default=1,
        help="processes of the search, each with a trial at a time; 0: only those that join it",
    )
    args.add_argument(
        "--chief_host", help="name of this machine by which processes on others can join the search; none can"
    )
    args.add_argument(
        "--join",
        metavar="NAME",
        help="work for the search that a process with the same flags but this one has begun or will begin; each that "
        "joins needs a name of its own",
    )
    args.add_argument("--hyperparameters", type=Path, help="JSON file of fixed hyperparameters: no search")
    args.add_argument("--seed", type=number(int, 0, 2**32 - 1), default=1, help="seed of all random numbers")
    args.add_argument(
        "--force", action="store_true", help="train anew though the output is finished for the same flags and data"
    )
    found = args.parse_args(argv)
    if found.hyperparameters and (found.join or found.chief_host):
        args.error("--hyperparameters leaves out the search: there is nothing to join")
    return found


def read_hyperparameters(path: Path) -> "TeacherHyperparameters":
    """Read fixed hyperparameters from a JSON file."""
    from nn.teacher import TeacherHyperparameters

    try:
        return TeacherHyperparameters.from_dict(read_json(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as CSV; the columns are those of all rows, in the order in which they appear."""
    with whole_file(path) as temporary:
        pd.DataFrame(rows, dtype=object).to_csv(temporary, index=False)


def build_hypermodel(args: argparse.Namespace, creator: GraphCreator, graphs: TrainingGraphs) -> "TeacherHyperModel":
    """Make the model to search or to fit, with the normalisation of the training events."""
    from nn.teacher import TeacherHyperModel

    continuous = [i for i, name in enumerate(creator.feature_names) if name != "pid"]
    for i in continuous:
        if graphs.moments.variance[i] == 0:
            raise UserError(f"{args.input}: feature '{creator.feature_names[i]}' is the same in all training events")
    return TeacherHyperModel(
        creator.feature_names,
        graphs.moments.mean[continuous].tolist(),
        graphs.moments.variance[continuous].tolist(),
        args.loss_function,
        args.metric_thresholds,
        creator.log_features,
        args.devices,
    )


def made_for(args: argparse.Namespace, fixed: "TeacherHyperparameters | None") -> dict[str, Any]:
    """Return all that a search depends on, so that one that was begun for something else is not gone on with."""
    made_by, no_part = provenance(args), (*WHERE_AND_BY_WHOM, *FINAL_FIT)
    flags = {name: value for name, value in made_by["arguments"].items() if name not in no_part}
    code = [
        path for path in imported_modules(SCRIPT) if path.is_relative_to(SCRIPT.parent / "nn") or path.stem in MODULES
    ]
    return {
        **{f"--{name}": value for name, value in flags.items()},
        "--hyperparameters": asdict(fixed) if fixed else None,
        "--input": sha256(args.input),
        "code": sha256(*code),
        "versions": {name: made_by["versions"][name] for name in ("keras", "keras_tuner", "numpy", "tensorflow")},
    }


def batches_of(args: argparse.Namespace, graphs: TrainingGraphs) -> tuple[GraphBatches, GraphBatches]:
    """Make the batches of the training and those of the validation."""
    training = GraphBatches(
        graphs,
        validation=False,
        batch_size=math.ceil(min(args.batch_size, graphs.n_training) / BATCHES_A_STEP),
        seed=args.seed,
    )
    return training, GraphBatches(graphs, validation=True, batch_size=args.batch_size, seed=args.seed)


def hyperband_of(args: argparse.Namespace) -> "Hyperband":
    """Return the settings of the search."""
    from nn.search.hyperband import Hyperband

    return Hyperband(args.max_epochs, args.hyperband_factor, args.hyperband_iterations, args.seed)


def search(
    args: argparse.Namespace,
    command: Sequence[str],
    hypermodel: "TeacherHyperModel",
    training: GraphBatches,
    validation: GraphBatches,
    folder: Path,
) -> "TeacherHyperparameters":
    """Search hyperparameters, here or in worker processes that are told to join by the command of this one."""
    from nn.search.distributed import Chief
    from nn.search.tuner import Tuner, search_results

    if not (folder / "trials.csv").exists():  # otherwise a run that was killed later has come to the end of the search
        hyperband = Tuner(hypermodel, hyperband_of(args), folder)
        if args.workers == 1 and not args.chief_host:
            hyperband.search(training, validation)
        else:
            chief = Chief(hyperband.oracle, args.chief_host or "127.0.0.1", folder)
            commands = {f"worker{i}": [*command, f"--join=worker{i}"] for i in range(1, args.workers + 1)}
            threads = int(os.environ.get("TF_NUM_INTRAOP_THREADS", len(os.sched_getaffinity(0))))
            environment = {"TF_NUM_INTRAOP_THREADS": str(max(1, threads // max(1, args.workers)))}
            workers = WorkerProcesses(commands, folder / "workers", environment)
            try:
                chief.wait(workers)
            finally:
                workers.stop()
    hyperparameters, trials = search_results(hypermodel, hyperband_of(args), folder)
    write_table(folder / "trials.csv", trials)
    save(draw_trials(trials)[0], folder / "trials")
    return hyperparameters


def train(
    args: argparse.Namespace,
    command: Sequence[str],
    hypermodel: "TeacherHyperModel",
    hyperparameters: "TeacherHyperparameters | None",
    graphs: TrainingGraphs,
    folder: Path,
) -> tuple["keras.Model", dict[str, list[float]]]:
    """Search hyperparameters unless they are given, fit the model, and write all but the record of the training."""
    import keras

    from nn.training.fit import final_fit

    training, validation = batches_of(args, graphs)
    if hyperparameters is None:
        hyperparameters = search(args, command, hypermodel, training, validation, folder)
    logger.info("final fit with %s", hyperparameters)
    keras.backend.clear_session()
    keras.utils.set_random_seed(args.seed)
    model = hypermodel.build_fixed(hyperparameters)
    warn_of_few_events(graphs, model.count_params())
    history = final_fit(model, training, validation, args.final_epochs, args.patience, folder)
    model.save(folder / "best_model.keras")
    write_json(folder / "best_hyperparameters.json", asdict(hyperparameters))
    rows = zip(*history.values(), strict=True)
    write_table(
        folder / "history.csv",
        [{"epoch": epoch, **dict(zip(history, row, strict=True))} for epoch, row in enumerate(rows, start=1)],
    )
    save(draw_history(history)[0], folder / "history")
    return model, history


def is_over(args: argparse.Namespace, expected: dict[str, Any]) -> bool:
    """Return whether the search has come to its end, be it that the final fit is not done yet or that all is."""
    folder = partial_path(args.output)
    if (folder / "trials.csv").exists():
        return read_json(folder / SCRATCH / MADE_FOR) == expected
    return not args.force and has_search(args.output, expected)


def has_search(output: Path, expected: dict[str, Any]) -> bool:
    """Return whether a finished output has the search that is expected, whatever its final fit."""
    found = finished_for(output)
    return (output / "trials.csv").exists() and all(found.get(key) == value for key, value in expected.items())


def take_search(output: Path, folder: Path) -> None:
    """Copy the search of a finished output, for another final fit."""
    logger.info("%s: the search of the finished training is used again", output)
    for name in SEARCH_RESULTS:
        source, target = output / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.exists():
            shutil.copyfile(source, target)


def find_chief(args: argparse.Namespace, expected: dict[str, Any]) -> bool:
    """Wait for the chief of the search to join; False if the search is over, so that there will be none."""
    from nn.search.distributed import chief_file

    path = chief_file(partial_path(args.output))
    end = time.monotonic() + SECONDS_FOR_THE_CHIEF
    while not wait_for_file(path, 2):
        if is_over(args, expected):
            return False
        if time.monotonic() > end:
            raise UserError(f"{partial_path(args.output)}: no search to join after {SECONDS_FOR_THE_CHIEF} s")
    return True


def work_for_another(args: argparse.Namespace, creator: GraphCreator, data: L1Dataset) -> None:
    """Join the search that another process has begun or will begin, unless it is over."""
    import grpc
    import keras_tuner

    from nn.search.distributed import join
    from nn.search.tuner import Tuner

    end_with_parent()
    folder = partial_path(args.output)
    expected = json.loads(json.dumps(made_for(args, None)))
    if not find_chief(args, expected):
        logger.info("%s: the search is over", args.output)
        return
    address = join(args.join, folder)
    found = read_json(folder / SCRATCH / MADE_FOR)
    changed = sorted(key for key in expected if found.get(key) != expected[key])
    if changed:
        raise UserError(f"{folder}: the search was begun with another {', '.join(changed)}")
    scratch = folder / SCRATCH if args.use_generator else None
    graphs = read_graphs(args, data, creator, scratch)
    training, validation = batches_of(args, graphs)
    hypermodel = build_hypermodel(args, creator, graphs)
    try:
        Tuner(hypermodel, hyperband_of(args), folder).search(training, validation)
    except grpc.RpcError as error:
        raise UserError(f"the chief of the search at {address} does not answer: {error.code().name}") from None
    except keras_tuner.errors.FatalError as error:
        raise UserError(str(error)) from None


def train_and_record(args: argparse.Namespace, command: Sequence[str], creator: GraphCreator, data: L1Dataset) -> None:
    """Train in a folder that takes the name of the output when all is done."""
    import keras
    import keras_tuner

    fixed = read_hyperparameters(args.hyperparameters) if args.hyperparameters else None
    keras.utils.set_random_seed(args.seed)
    configuration = json.loads(json.dumps(made_for(args, fixed)))
    whole = {**configuration, **{f"--{name}": getattr(args, name) for name in FINAL_FIT}}
    finished = is_finished(args.output, whole)
    if finished and not args.force:
        say_finished(args.output)
        return
    with unfinished_folder(args.output, configuration, whole) as folder:
        if not finished and not (folder / "trials.csv").exists() and has_search(args.output, configuration):
            take_search(args.output, folder)
        scratch = folder / SCRATCH if args.use_generator else None
        graphs = read_graphs(args, data, creator, scratch)
        events = graphs.counter.append_to(data.cutflow, "train_teacher")
        hypermodel = build_hypermodel(args, creator, graphs)
        try:
            model, history = train(args, command, hypermodel, fixed, graphs, folder)
        except (RuntimeError, keras_tuner.errors.FatalError) as error:
            raise UserError(f"the training failed: {str(error).splitlines()[0]}") from error
        record = record_of(args, TEACHER, creator, graphs, events, configuration) | {
            "metric_thresholds": args.metric_thresholds,
            "mean": hypermodel.mean,
            "variance": hypermodel.variance,
            "best_val_loss": min(history["val_loss"]),
            "parameters": model.count_params(),
        }
        write_json(folder / TRAINING_FILE, record)


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Search, fit and write."""
    args = parse_args(argv)
    refuse_inputs_in(args.output, args.input, *([args.hyperparameters] if args.hyperparameters else []))
    data = L1Dataset.check(args.input)

    from nn.devices import strategy_of
    from nn.losses import get_loss
    from nn.search.tuner import ProcessUsedUp

    try:
        creator = graph_creator(args.variable, args.log_features)
    except ValueError as error:
        raise UserError(str(error)) from None
    try:
        get_loss(args.loss_function)
    except ValueError as error:
        raise UserError(f"--loss_function: {error}") from None
    try:
        strategy_of(args.devices)
    except ValueError as error:
        raise UserError(f"--devices: {error}") from None
    command = [sys.executable, str(Path(__file__).resolve()), *(sys.argv[1:] if argv is None else argv)]
    try:
        if args.join:
            work_for_another(args, creator, data)
        else:
            train_and_record(args, command, creator, data)
    except ProcessUsedUp:
        logger.info("a new process goes on, since TensorFlow does not give back the memory of earlier trials")
        os.execv(command[0], command)


if __name__ == "__main__":
    raise SystemExit(main())
