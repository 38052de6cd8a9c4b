"""Compare steps of events that are grouped by their number of objects with steps of events drawn at random.

A grouped step has an equal share of events from each quarter of the multiplicities, each share of similar multiplicity.
Both trainings have the same events, number of epochs, events in a step of the optimizer and initial weights. The
figures are means over the validation events, independent of batches.
"""

import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import SAME_NETWORK, benchmark_parser, report
from utils.data_processing import METGraphCreator
from utils.formats.l1_files import L1Dataset
from utils.runtime import threads
from utils.runtime.arguments import number
from utils.training.batches import Batch, GraphBatches, training_batches
from utils.training.options import EventSplit
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import TrainingGraphs, read_training_graphs

LOG_FEATURES = ("pt", "met", "ht")
HIGH_MET = 40
PATIENCE = 6
N_GROUPS = 4


def grouped_steps(sizes: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Divide graphs into steps that have a group of graphs of similar size from each quarter of the sizes.

    Parameters
    ----------
    sizes : np.ndarray, shape (n_graphs,), int
    batch_size : int
        Graphs of a step.
    rng : np.random.Generator

    Returns
    -------
    list of np.ndarray of int
        Indices of the graphs of each step; all steps are full, and the graphs left over are in none.
    """
    group = batch_size // N_GROUPS
    n_steps = len(sizes) // (group * N_GROUPS)
    shuffled = rng.permutation(len(sizes))[: n_steps * group * N_GROUPS]
    by_size = shuffled[np.argsort(sizes[shuffled], kind="stable")].reshape(N_GROUPS, n_steps, group)
    return list(np.concatenate([quarter[rng.permutation(n_steps)] for quarter in by_size], axis=1))


class GroupedBatches(GraphBatches):
    """Training batches of `grouped_steps`; all graphs are in memory."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """Make the batches of an epoch."""
        rng = np.random.default_rng([self._seed, number])
        chunks = range(self._graphs.n_chunks)
        graphs = RaggedGraphs.concatenate([self._graphs.chunk(chunk, validation=False) for chunk in chunks])
        for rows in grouped_steps(graphs.sizes, self._batch_size, rng):
            yield from self._batch(graphs.take(rows), rng)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return self.n_graphs // (self._batch_size // N_GROUPS * N_GROUPS)


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


def trained(graphs: TrainingGraphs, batch_size: int, grouped: bool, epochs: int, seed: int) -> dict[str, float]:
    """Train the teacher as the plain network is, and return its figures on the validation events."""
    import keras

    from nn.teacher import TeacherHyperModel
    from nn.training.fit import stopping_callbacks
    from nn.training.stacks import fit

    training, validation = training_batches(graphs, batch_size, seed)
    if grouped:
        training = GroupedBatches(graphs, False, batch_size, seed)
    keras.utils.set_random_seed(seed)
    hypermodel = TeacherHyperModel.from_moments(METGraphCreator(LOG_FEATURES), graphs.moments, "huber_1.0")
    model = hypermodel.build_fixed(SAME_NETWORK)
    reduce_learning_rate, _ = stopping_callbacks(PATIENCE)
    start = time.process_time()
    fit(model, training, validation, epochs=epochs, callbacks=[reduce_learning_rate])
    cpu = (time.process_time() - start) / epochs
    predicted = [(np.asarray(model(inputs))[:, 0], labels) for inputs, labels, _ in validation.epoch(0)]
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
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    threads.divide_operations(args.batch_size)
    data, creator = L1Dataset.check(args.data), METGraphCreator(LOG_FEATURES)
    graphs = read_training_graphs(data, creator, EventSplit(test_split=0.2, seed=1))
    trainings = []
    for seed in range(1, 1 + args.seeds):
        grouped, random = (trained(graphs, args.batch_size, how, args.epochs, seed) for how in (True, False))
        trainings.append((grouped, random))
    report(args, compared(trainings))


if __name__ == "__main__":
    main()
