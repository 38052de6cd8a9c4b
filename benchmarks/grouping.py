"""Compare batches of events of similar multiplicity with batches drawn at random.

Both trainings have the same events, number of epochs, events in a step of the optimizer and initial weights. Random
batches are padded to their largest event too. The figures are means over the validation events, independent of batches.
"""

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.common import benchmark_parser, report
from utils.data_processing import METGraphCreator
from utils.formats.l1_files import L1Dataset
from utils.runtime.arguments import number
from utils.training import batches
from utils.training.batches import BATCHES_A_STEP, GraphBatches
from utils.training.options import EventSplit
from utils.training.training_graphs import TrainingGraphs, read_training_graphs

LOG_FEATURES = ("pt", "met", "ht")
HIGH_MET = 40
PATIENCE = 6


def random_batches(sizes: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Divide graphs into batches at random; replaces `similar_size_batches`."""
    return np.split(rng.permutation(len(sizes)), range(batch_size, len(sizes), batch_size))


def figures(correction: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return figures of merit of corrections, over all events.

    Parameters
    ----------
    correction : np.ndarray, shape (n_events,)
    labels : np.ndarray, shape (n_events, 2)
        The true correction, and the true variable in GeV.

    Returns
    -------
    dict
        Mean Huber loss and squared error; of the response, corrected/true, of events with more than 40 GeV of the true
        variable half the width of the central 68% over the median.
    """
    true = labels[:, 0].astype(np.float64)
    error = np.abs(correction - true)
    high = labels[:, 1] > HIGH_MET
    low, median, up = np.quantile(correction[high] / true[high], (0.16, 0.5, 0.84))
    return {
        "loss": float(np.where(error < 1, error**2 / 2, error - 0.5).mean()),
        "MSE": float(np.square(error).mean()),
        "response width": float((up - low) / (2 * median)),
    }


def trained(graphs: TrainingGraphs, batch_size: int, batches_a_step: int, epochs: int, seed: int) -> dict[str, float]:
    """Train the teacher as the plain network is, and return its figures on the validation events.

    A step of the optimizer takes the mean gradient of `batches_a_step` batches that together have `batch_size` events.
    """
    import keras

    from benchmarks.plain_network import SAME_NETWORK
    from nn.losses import get_loss
    from nn.teacher import build_teacher
    from nn.training.data import fit
    from nn.training.fit import stopping_callbacks

    training = GraphBatches(graphs, validation=False, batch_size=batch_size // batches_a_step, seed=seed)
    validation = GraphBatches(graphs, validation=True, batch_size=batch_size, seed=seed)
    keras.utils.set_random_seed(seed)
    moments = graphs.moments.mean[:-1].tolist(), graphs.moments.variance[:-1].tolist()
    model = build_teacher(SAME_NETWORK, METGraphCreator.feature_names, *moments)
    accumulation = batches_a_step if batches_a_step > 1 else None
    optimizer = keras.optimizers.Adam(SAME_NETWORK.learning_rate, gradient_accumulation_steps=accumulation)
    model.compile(optimizer=optimizer, loss=get_loss("huber_1.0"))
    reduce_learning_rate, _ = stopping_callbacks(PATIENCE)
    start = time.process_time()
    fit(model, training, validation, epochs=epochs, callbacks=[reduce_learning_rate])
    cpu = (time.process_time() - start) / epochs
    predicted = [(np.asarray(model(features))[:, 0], labels) for features, labels, _ in validation.epoch(0)]
    correction, labels = (np.concatenate(parts) for parts in zip(*predicted, strict=True))
    return {**figures(correction, labels), "CPU of an epoch [s]": cpu}


def compared(trainings: Sequence[tuple[dict[str, float], dict[str, float]]]) -> list[dict[str, Any]]:
    """Tabulate the figures of pairs of trainings, one pair for each seed.

    Each figure has a row for the grouped batches, the random ones and the difference in pairs, with the mean over the
    seeds, the standard deviation, and the error of the mean.
    """
    rows = []
    for name in trainings[0][0]:
        grouped, random = np.array([[figures[name] for figures in pair] for pair in trainings]).T
        for batches_are, values in (("grouped", grouped), ("random", random), ("difference", grouped - random)):
            spread = float(values.std(ddof=1))
            rows.append(
                {
                    "figure": name,
                    "batches": batches_are,
                    **{f"seed {seed}": value for seed, value in enumerate(values.tolist(), start=1)},
                    "mean": float(values.mean()),
                    "spread": spread,
                    "error": spread / math.sqrt(len(values)),
                }
            )
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Train with both kinds of batches for each seed."""
    parser = benchmark_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file to train on")
    parser.add_argument("--seeds", type=number(int, 2), default=5, help="trainings of each kind")
    parser.add_argument("--epochs", type=number(int, 1), default=25, help="epochs of each training")
    parser.add_argument("--batch_size", type=number(int, 1), default=512, help="events a step of the optimizer")
    parser.add_argument(
        "--batches_a_step", type=number(int, 1), default=BATCHES_A_STEP, help="batches into which grouping divides them"
    )
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    data, creator = L1Dataset.check(args.data), METGraphCreator(LOG_FEATURES)
    graphs = read_training_graphs(data, creator, EventSplit(test_split=0.2, seed=1))
    trainings = []
    for seed in range(1, 1 + args.seeds):
        grouped = trained(graphs, args.batch_size, args.batches_a_step, args.epochs, seed)
        with patch.object(batches, "similar_size_batches", random_batches):
            trainings.append((grouped, trained(graphs, args.batch_size, 1, args.epochs, seed)))
    report(args, compared(trainings))


if __name__ == "__main__":
    main()
