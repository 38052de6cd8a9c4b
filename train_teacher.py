"""Train the teacher: search the hyperparameters of the graph attention network, then fit the best ones.

Reads an L1 regression file. With --hyperparameters the search is left out and the network is trained with fixed values.
"""

import argparse
import csv
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.batches import BATCHES_A_STEP, GraphBatches, TrainingGraphs
from utils.cli import UserError, comma_separated, number, parser, script
from utils.data_processing import GraphCreator, graph_creator
from utils.files import provenance, read_json, whole_folder, write_json
from utils.l1_dataset import L1Dataset
from utils.plotting_data import draw_history
from utils.plotting_style import save

if TYPE_CHECKING:
    import keras

    from nn.models import TeacherHyperModel, TeacherHyperparameters

logger = logging.getLogger("train_teacher")


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
        default="huber_1.0",
        help="mse, mae, mape, msle, huber_DELTA, quantile_TAU or dice_EPSILON, with a number for the last word",
    )
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
    args.add_argument("--hyperparameters", type=Path, help="JSON file of fixed hyperparameters: no search")
    args.add_argument("--seed", type=number(int, 0, 2**32 - 1), default=1, help="seed of all random numbers")
    return args.parse_args(argv)


def read_hyperparameters(path: Path) -> "TeacherHyperparameters":
    """Read fixed hyperparameters from a JSON file."""
    from nn.models import TeacherHyperparameters

    try:
        return TeacherHyperparameters.from_dict(read_json(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as CSV; the columns are those of all rows, in the order in which they appear."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)


def build_hypermodel(args: argparse.Namespace, creator: GraphCreator, graphs: TrainingGraphs) -> "TeacherHyperModel":
    """Make the model to search or to fit, with the normalisation of the training events."""
    from nn.models import TeacherHyperModel

    continuous = [i for i, name in enumerate(creator.feature_names) if name != "pid"]
    for i in continuous:
        if graphs.variance[i] == 0:
            raise UserError(f"{args.input}: feature '{creator.feature_names[i]}' is the same in all training events")
    return TeacherHyperModel(
        creator.feature_names,
        graphs.mean[continuous].tolist(),
        graphs.variance[continuous].tolist(),
        args.loss_function,
        args.metric_thresholds,
    )


def train(
    args: argparse.Namespace,
    hypermodel: "TeacherHyperModel",
    hyperparameters: "TeacherHyperparameters | None",
    graphs: TrainingGraphs,
    folder: Path,
) -> tuple["keras.Model", dict[str, list[float]]]:
    """Search hyperparameters unless they are given, fit the model, and write all but the record of the training."""
    import keras

    from nn.training import final_fit, search

    training = GraphBatches(
        graphs,
        validation=False,
        batch_size=math.ceil(min(args.batch_size, graphs.n_training) / BATCHES_A_STEP),
        seed=args.seed,
    )
    validation = GraphBatches(graphs, validation=True, batch_size=args.batch_size, seed=args.seed)
    if hyperparameters is None:
        hyperparameters, trials = search(
            hypermodel, training, validation, args.max_epochs, args.hyperband_factor, args.seed, folder
        )
        write_table(folder / "trials.csv", trials)
    logger.info("final fit with %s", hyperparameters)
    keras.utils.set_random_seed(args.seed)
    model = hypermodel.build_fixed(hyperparameters)
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


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Search, fit and write."""
    args = parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    data = L1Dataset.check(args.input)

    import keras

    from nn.losses import get_loss

    try:
        creator = graph_creator(args.variable, args.log_features)
    except ValueError as error:
        raise UserError(str(error)) from None
    try:
        get_loss(args.loss_function)
    except ValueError as error:
        raise UserError(f"--loss_function: {error}") from None
    fixed = read_hyperparameters(args.hyperparameters) if args.hyperparameters else None
    keras.utils.set_random_seed(args.seed)

    with whole_folder(args.output) as folder:
        scratch = folder if args.use_generator else None
        graphs = TrainingGraphs(data, creator, args.test_split, args.max_events, args.seed, scratch)
        hypermodel = build_hypermodel(args, creator, graphs)
        try:
            model, history = train(args, hypermodel, fixed, graphs, folder)
        except RuntimeError as error:
            raise UserError(f"the training failed: {str(error).splitlines()[0]}") from error
        record = {
            "variable": creator.variable,
            "log_features": creator.log_features,
            "loss_function": args.loss_function,
            "metric_thresholds": args.metric_thresholds,
            "feature_names": creator.feature_names,
            "mean": hypermodel.mean,
            "variance": hypermodel.variance,
            "n_training": graphs.n_training,
            "n_validation": graphs.n_validation,
            "best_val_loss": min(history["val_loss"]),
            "seed": args.seed,
            "parameters": model.count_params(),
            "made_by": provenance(args),
        }
        write_json(folder / "training.json", record)


if __name__ == "__main__":
    raise SystemExit(main())
