"""Train the teacher: search the hyperparameters of the graph attention network, then fit the best ones.

Reads an L1 regression file. With --hyperparameters the search is left out and the network is trained with fixed values.
"""

import argparse
import csv
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.batches import GraphBatches, TrainingGraphs
from utils.cli import UserError, comma_separated, number, parser, script
from utils.data_processing import graph_creator
from utils.files import provenance, read_json, whole_folder, write_json
from utils.l1_dataset import L1Dataset
from utils.plotting_data import draw_history
from utils.plotting_style import save

if TYPE_CHECKING:
    from nn.models import TeacherHyperparameters

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
        help="1: read the batches from the file while training, 0: hold the graphs in memory",
    )
    args.add_argument(
        "--test_split",
        type=number(float, above=0, maximum=0.9),
        default=0.2,
        help="share of the events for the validation loss",
    )
    args.add_argument("--batch_size", type=number(int, 1), default=1024, help="events a batch")
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


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Search, fit and write."""
    args = parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        creator = graph_creator(args.variable, args.log_features)
    except ValueError as error:
        raise UserError(str(error)) from None
    data = L1Dataset.check(args.input)

    import keras

    from nn.losses import get_loss
    from nn.models import TeacherHyperModel
    from nn.training import final_fit, search

    try:
        get_loss(args.loss_function)
    except ValueError as error:
        raise UserError(f"--loss_function: {error}") from None
    fixed = read_hyperparameters(args.hyperparameters) if args.hyperparameters else None
    keras.utils.set_random_seed(args.seed)

    graphs = TrainingGraphs(
        data, creator, args.test_split, args.max_events, args.seed, in_memory=not args.use_generator
    )
    training, validation = (GraphBatches(graphs, part, args.batch_size, args.seed) for part in (False, True))
    continuous = [name != "pid" for name in creator.feature_names]
    mean, variance = graphs.mean[continuous].tolist(), graphs.variance[continuous].tolist()
    for name, spread in zip(creator.feature_names, variance, strict=False):
        if spread == 0:
            raise UserError(f"{args.input}: feature '{name}' is the same in all training events")
    hypermodel = TeacherHyperModel(creator.feature_names, mean, variance, args.loss_function, args.metric_thresholds)
    with whole_folder(args.output) as folder:
        if fixed is None:
            try:
                fixed, trials = search(
                    hypermodel, training, validation, args.max_epochs, args.hyperband_factor, args.seed, folder
                )
            except RuntimeError as error:
                raise UserError(f"the search failed: {str(error).splitlines()[0]}") from error
            write_table(folder / "trials.csv", trials)
        logger.info("final fit with %s", fixed)
        keras.utils.set_random_seed(args.seed)
        model = hypermodel.build_fixed(fixed)
        history = final_fit(model, training, validation, args.final_epochs, args.patience, folder)
        model.save(folder / "best_model.keras")
        write_json(folder / "best_hyperparameters.json", asdict(fixed))
        epochs = range(1, len(history["loss"]) + 1)
        write_table(
            folder / "history.csv",
            [{"epoch": epoch, **{name: history[name][epoch - 1] for name in history}} for epoch in epochs],
        )
        save(draw_history(history)[0], folder / "history")
        write_json(
            folder / "training.json",
            {
                "variable": creator.variable,
                "log_features": creator.log_features,
                "loss_function": args.loss_function,
                "metric_thresholds": args.metric_thresholds,
                "feature_names": creator.feature_names,
                "mean": mean,
                "variance": variance,
                "n_training": graphs.n_training,
                "n_validation": graphs.n_validation,
                "best_val_loss": min(history["val_loss"]),
                "seed": args.seed,
                "parameters": model.count_params(),
                "made_by": provenance(args),
            },
        )


if __name__ == "__main__":
    raise SystemExit(main())
