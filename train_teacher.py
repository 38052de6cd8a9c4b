"""Train the teacher: search the hyperparameters of the graph attention network, then fit the best ones.

Reads an L1 regression file. With --hyperparameters there is no search: the network is trained with fixed values. The
same command continues after a kill at any moment. If everything is done, it does nothing.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from utils.cli import script
from utils.data_processing import GraphCreator, graph_creator
from utils.formats.l1_files import L1Dataset
from utils.plotting.style import save
from utils.plotting.training import draw_history, draw_trials
from utils.predictions import corrected_sums
from utils.runtime import threads
from utils.runtime.checkpoints import MADE_FOR, SCRATCH, finished_for, partial_path, unfinished_folder, wait_for_file
from utils.runtime.errors import UserError
from utils.runtime.imports import numeric_modules
from utils.runtime.options import declared, parse
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.text_files import read_json, write_json
from utils.runtime.whole_files import whole_file
from utils.runtime.worker_processes import WorkerProcesses, end_with_parent
from utils.steps.train_teacher import LOG_FEATURES, METRIC_THRESHOLDS, Options
from utils.training.batches import GraphBatches, training_batches
from utils.training.calibration import Calibration, l1_sums, training_calibration
from utils.training.options import TARGET_SCALES, FinalFitOptions
from utils.training.records import (
    TEACHER,
    TRAINING_FILE,
    is_finished,
    read_graphs,
    say_finished,
    training_inputs,
    training_record,
    warn_of_few_events,
)
from utils.training.sum_floor import SumFloor, training_floor
from utils.training.training_graphs import TrainingGraphs

if TYPE_CHECKING:
    import keras

    from nn.search.tuner import Tuner
    from nn.teacher import TeacherHyperModel, TeacherHyperparameters
    from utils.training.ragged_graphs import RaggedGraphs

logger = logging.getLogger("train_teacher")

LIBRARIES = ("keras", "keras_tuner", "numpy", "tensorflow")
# Flags on which the final fit and its tables depend, but neither the search nor its trials.
FINAL_FIT = (*(option.name for option in declared(FinalFitOptions)), "floor_share")

# Results of a search. The table comes last: its presence means that the search is over.
SEARCH_RESULTS = ("trials", "tensorboard/search", "trials.png", "trials.pdf", "trials.csv")

SCRIPT = Path(__file__)
SECONDS_FOR_THE_CHIEF = 3600  # that a worker waits for a search to join


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line; flags that are left out take the defaults of the variable."""
    options = parse(Options, __doc__, argv)
    if options.log_features is None:
        options = replace(options, log_features=LOG_FEATURES[options.variable])
    if options.target_scale is None:
        options = replace(options, target_scale=TARGET_SCALES[options.variable])
    if options.metric_thresholds is None:
        options = replace(options, metric_thresholds=METRIC_THRESHOLDS[options.variable])
    return options


def read_hyperparameters(path: Path) -> "TeacherHyperparameters":
    """Read fixed hyperparameters from a JSON file."""
    from nn.teacher import TeacherHyperparameters

    try:
        return TeacherHyperparameters.from_dict(read_json(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as CSV, with the columns of all rows in the order in which they appear."""
    with whole_file(path) as temporary:
        pd.DataFrame(rows, dtype=object).to_csv(temporary, index=False)


def build_hypermodel(options: Options, creator: GraphCreator, graphs: TrainingGraphs) -> "TeacherHyperModel":
    """Make the model to search or to fit, with the normalisation of the training events."""
    from nn.teacher import TeacherHyperModel

    try:
        return TeacherHyperModel.from_moments(
            creator,
            graphs.moments,
            options.loss_function,
            options.metric_thresholds or (),
            options.devices,
            options.search_space,
            bool(options.mixed_precision),
        )
    except ValueError as error:
        raise UserError(f"{options.input}: {error}") from None


def batches(options: Options, graphs: TrainingGraphs) -> tuple[GraphBatches, GraphBatches]:
    """Make the batches of the training and of the validation, of the shapes that suit the devices."""
    from nn.devices import row_multiple

    n_events, devices = options.batch_size, options.devices
    return training_batches(graphs, n_events, options.seed, devices, row_multiple(n_events, devices))


def search_inputs(options: Options, fixed: "TeacherHyperparameters | None") -> dict[str, Any]:
    """Return everything that a search depends on; of the code, this script and the modules that compute numbers."""
    contents = {"--hyperparameters": asdict(fixed) if fixed else None}
    return training_inputs(options, [SCRIPT, *numeric_modules(SCRIPT)], LIBRARIES, contents, FINAL_FIT)


def search(
    options: Options,
    command: Sequence[str],
    tuner: "Tuner",
    training: GraphBatches,
    validation: GraphBatches,
    folder: Path,
) -> None:
    """Run the trials, here or in worker processes, which run the command of this process with ``--join``."""
    from nn.search.distributed import Chief

    if options.workers == 1 and not options.chief_host:
        tuner.search(training, validation)
        return
    chief = Chief(tuner.oracle, options.chief_host or "127.0.0.1", folder)
    commands = {f"worker{i}": [*command, f"--join=worker{i}"] for i in range(1, options.workers + 1)}
    environment = {threads.VARIABLE: str(max(1, threads.n_threads() // max(1, options.workers)))}
    workers = WorkerProcesses(commands, folder / "workers", environment)
    try:
        chief.wait(workers)
    finally:
        workers.stop()


def best_hyperparameters(
    options: Options,
    command: Sequence[str],
    hypermodel: "TeacherHyperModel",
    training: GraphBatches,
    validation: GraphBatches,
    folder: Path,
) -> "TeacherHyperparameters":
    """Search hyperparameters, unless an earlier run did so before it was killed, and write the table of the trials."""
    from nn.search.tuner import Tuner, search_results

    if not (folder / "trials.csv").exists():
        search(options, command, Tuner(hypermodel, options, folder), training, validation, folder)
    hyperparameters, trials = search_results(hypermodel, options, folder)
    write_table(folder / "trials.csv", trials)
    save(draw_trials(trials)[0], folder / "trials")
    return hyperparameters


def train(
    options: Options,
    command: Sequence[str],
    hypermodel: "TeacherHyperModel",
    hyperparameters: "TeacherHyperparameters | None",
    graphs: TrainingGraphs,
    folder: Path,
) -> tuple["keras.Model", dict[str, list[float]]]:
    """Search hyperparameters unless they are given, fit the model, and write it and its history."""
    import keras

    from nn.training.fit import final_fit

    training, validation = batches(options, graphs)
    if hyperparameters is None:
        hyperparameters = best_hyperparameters(options, command, hypermodel, training, validation, folder)
    logger.info("final fit with %s", hyperparameters)
    keras.backend.clear_session()
    keras.utils.set_random_seed(options.seed)
    model = hypermodel.build_fixed(hyperparameters)
    warn_of_few_events(graphs, model.count_params())
    history = final_fit(model, training, validation, options, folder)
    padded = hypermodel.padded(model, hyperparameters)
    padded.save(folder / "best_model.keras")
    write_json(folder / "best_hyperparameters.json", asdict(hyperparameters))
    rows = zip(*history.values(), strict=True)
    write_table(
        folder / "history.csv",
        [{"epoch": epoch, **dict(zip(history, row, strict=True))} for epoch, row in enumerate(rows, start=1)],
    )
    save(draw_history(history)[0], folder / "history")
    return padded, history


def fit_tables(
    options: Options, creator: GraphCreator, network: "keras.Model", data: L1Dataset, graphs: TrainingGraphs
) -> tuple[SumFloor | None, Calibration | None]:
    """Find the floor of the corrected sums of a trained network, and their calibration."""
    from nn.prediction import predict_graphs
    from nn.trained import teacher_model

    model = teacher_model(network, creator)
    floor = training_floor(data, options.variable, corrected_sums(options.variable, model), options.floor_share)

    def sums_of_graphs(part: "RaggedGraphs") -> np.ndarray:
        corrections, l1 = predict_graphs(network, part), l1_sums(part, creator.target_scale)
        return l1 * (floor.raised(corrections, l1) if floor else corrections)

    return floor, training_calibration(graphs, sums_of_graphs)


def is_over(options: Options, expected: dict[str, Any]) -> bool:
    """Return whether the search is over; the final fit may be done or not."""
    folder = partial_path(options.output)
    if (folder / "trials.csv").exists():
        return read_json(folder / SCRATCH / MADE_FOR) == expected
    return not options.force and has_search(options.output, expected)


def has_search(output: Path, expected: dict[str, Any]) -> bool:
    """Return whether a finished output has the expected search, with any final fit."""
    found = finished_for(output)
    return (output / "trials.csv").exists() and all(found.get(key) == value for key, value in expected.items())


def copy_search(output: Path, folder: Path) -> None:
    """Copy the search of a finished output, for another final fit."""
    logger.info("%s: the search of the finished training is used again", output)
    for name in SEARCH_RESULTS:
        source, target = output / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.exists():
            shutil.copyfile(source, target)


def find_chief(options: Options, expected: dict[str, Any]) -> bool:
    """Wait for the chief of the search to join; return False if the search is over, so that no chief will come."""
    from nn.search.distributed import chief_file

    path = chief_file(partial_path(options.output))
    end = time.monotonic() + SECONDS_FOR_THE_CHIEF
    while not wait_for_file(path, 2):
        if is_over(options, expected):
            return False
        if time.monotonic() > end:
            raise UserError(f"{partial_path(options.output)}: no search to join after {SECONDS_FOR_THE_CHIEF} s")
    return True


def join_search(options: Options, name: str, creator: GraphCreator, data: L1Dataset) -> None:
    """Join the search of another process, which may have yet to begin, unless the search is over."""
    import grpc
    import keras_tuner

    from nn.search.distributed import join
    from nn.search.tuner import Tuner

    end_with_parent()
    folder = partial_path(options.output)
    expected = search_inputs(options, None)
    if not find_chief(options, expected):
        logger.info("%s: the search is over", options.output)
        return
    address = join(name, folder)
    found = read_json(folder / SCRATCH / MADE_FOR)
    changed = sorted(key for key in expected if found.get(key) != expected[key])
    if changed:
        raise UserError(f"{folder}: the search was begun with another {', '.join(changed)}")
    scratch = folder / SCRATCH if options.use_generator else None
    graphs = read_graphs(options, data, creator, scratch)
    training, validation = batches(options, graphs)
    hypermodel = build_hypermodel(options, creator, graphs)
    try:
        Tuner(hypermodel, options, folder).search(training, validation)
    except grpc.RpcError as error:
        raise UserError(f"the chief of the search at {address} does not answer: {error.code().name}") from None
    except keras_tuner.errors.FatalError as error:
        raise UserError(str(error)) from None


def train_and_record(options: Options, command: Sequence[str], creator: GraphCreator, data: L1Dataset) -> None:
    """Train in a folder that takes the name of the output when all is done."""
    import keras
    import keras_tuner

    fixed = read_hyperparameters(options.hyperparameters) if options.hyperparameters else None
    keras.utils.set_random_seed(options.seed)
    dependencies = search_inputs(options, fixed)
    whole = {**dependencies, **{f"--{name}": getattr(options, name) for name in FINAL_FIT}}
    finished = is_finished(options.output, whole)
    if finished and not options.force:
        say_finished(options.output)
        return
    with unfinished_folder(options.output, dependencies, whole) as folder:
        if not finished and not (folder / "trials.csv").exists() and has_search(options.output, dependencies):
            copy_search(options.output, folder)
        scratch = folder / SCRATCH if options.use_generator else None
        graphs = read_graphs(options, data, creator, scratch)
        events = graphs.counter.append_to(data.cutflow, "train_teacher")
        hypermodel = build_hypermodel(options, creator, graphs)
        try:
            network, history = train(options, command, hypermodel, fixed, graphs, folder)
        except (RuntimeError, keras_tuner.errors.FatalError) as error:
            raise UserError(f"the training failed: {str(error).splitlines()[0]}") from error
        tables = fit_tables(options, creator, network, data, graphs)
        record = training_record(options, TEACHER, creator, graphs, events, dependencies, tables) | {
            "metric_thresholds": options.metric_thresholds,
            "mean": hypermodel.mean,
            "variance": hypermodel.variance,
            "best_val_loss": min(history["val_loss"]),
            "parameters": network.count_params(),
        }
        write_json(folder / TRAINING_FILE, record)


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Search, fit and write."""
    options = parse_args(argv)
    fixed = [options.hyperparameters] if options.hyperparameters else []
    refuse_inputs_in(options.output, options.input, *fixed)
    data = L1Dataset.check(options.input)
    threads.divide_operations(options.batch_size)

    from nn.devices import distribution_strategy, make_gpus_reproducible
    from nn.losses import get_loss
    from nn.search.tuner import ProcessUsedUp

    make_gpus_reproducible(options.devices)
    assert options.target_scale is not None  # parse_args
    try:
        creator = graph_creator(options.variable, options.log_features or (), options.target_scale)
    except ValueError as error:
        raise UserError(str(error)) from None
    try:
        get_loss(options.loss_function)
    except ValueError as error:
        raise UserError(f"--loss_function: {error}") from None
    try:
        distribution_strategy(options.devices)
    except ValueError as error:
        raise UserError(f"--devices: {error}") from None
    command = [sys.executable, str(Path(__file__).resolve()), *(sys.argv[1:] if argv is None else argv)]
    try:
        if options.join:
            join_search(options, options.join, creator, data)
        else:
            train_and_record(options, command, creator, data)
    except ProcessUsedUp:
        logger.info("a new process continues, since TensorFlow does not free the memory of earlier trials")
        os.execve(command[0], command, os.environ | {threads.VARIABLE: str(threads.n_threads())})


if __name__ == "__main__":
    raise SystemExit(main())
