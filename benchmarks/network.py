"""Throughput of the teacher in training and prediction, against the plain implementation of the same network.

Both have the same parameters, events and number of events a step of the optimizer. Ours trains on events that share
rows, and that come from memory or from a temporary file; the plain one on all slots, with adjacency
and filter of each event ready in memory, compiled by XLA, which is the default of Keras, and without it.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import benchmark_parser, report
from utils.data_processing import METGraphCreator
from utils.event_layout import N_SLOTS
from utils.formats.l1_files import L1Dataset
from utils.runtime.arguments import comma_separated, number
from utils.training.batches import GraphBatches
from utils.training.options import EventSplit
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import TrainingGraphs, read_training_graphs

if TYPE_CHECKING:
    import keras

    from nn.teacher import TeacherHyperModel, TeacherHyperparameters

SEED = 1
TEST_SPLIT = 0.2
LOG_FEATURES = ("pt", "met", "ht")
LOSS = "huber_1.0"
LARGEST_DIFFERENCE = 1e-4  # of corrections, which are about 1


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = benchmark_parser(__doc__)
    args.add_argument("--data", type=Path, required=True, help="L1 regression file")
    sizes = comma_separated(number(int, 1))
    args.add_argument("--batch_sizes", type=sizes, default="512,2048", help="events a step of the training")
    args.add_argument("--prediction_batch_size", type=number(int, 1), default=2048, help="events a predicted batch")
    args.add_argument("--epochs", type=number(int, 1), default=5, help="epochs of each measurement")
    args.add_argument("--rounds", type=number(int, 1), default=2, help="measurements; the result is their median")
    return args.parse_args(argv)


def useful_operations(hyperparameters: "TeacherHyperparameters", n_features: int, sizes: np.ndarray) -> float:
    """Count the useful floating-point operations of a prediction, the mean over events of `sizes` real nodes.

    Those of the matrix products that real nodes need, a multiplication and an addition each: in a layer of f features,
    H heads and U units 2 n f H U for the projection of n nodes and 2 n^2 H U for their attention. The training takes
    three times as many, since the gradient of each factor of a product is a product as large.

    Parameters
    ----------
    hyperparameters : TeacherHyperparameters
    n_features : int
        Features of a node as it comes, the particle id among them.
    sizes : np.ndarray, shape (n_events,)
    """
    width = hyperparameters.heads * hyperparameters.units
    features = [n_features - 1 + hyperparameters.embedding] + [width] * (hyperparameters.graph_layers - 1)
    n = sizes.astype(float)
    return float(sum(2 * n * f * width + 2 * n**2 * width for f in features).mean())


def peak_operations(size: int = 2048, repetitions: int = 30) -> float:
    """Measure the operations a second of a large float32 matrix product, the larger of numpy's and TensorFlow's."""
    import tensorflow as tf

    matrix = np.random.default_rng(SEED).random((size, size), np.float32)
    tensor = tf.constant(matrix)
    products: list[Callable[[], Any]] = [lambda: matrix @ matrix, lambda: tf.linalg.matmul(tensor, tensor).numpy()]
    return 2 * size**3 / min(seconds(product) for _ in range(repetitions) for product in products)


def seconds(action: Callable[[], Any]) -> float:
    """Measure the wall-clock time of an action."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def epoch_seconds(fit: Callable[..., Any], epochs: int) -> float:
    """Measure the median wall-clock time of the epochs of a training after the first one, in which it is compiled."""
    import keras

    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    fit(epochs=epochs + 1, callbacks=[clock], verbose=0)
    return float(np.median(np.diff(ends)))


def interleaved(actions: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the median result of several actions that take turns, after a first run of each that compiles them."""
    for action in actions.values():
        action()
    times = [[action() for action in actions.values()] for _ in range(rounds)]
    return {name: float(time) for name, time in zip(actions, np.median(times, axis=0), strict=True)}


def fit_ours(model: "keras.Model", batches: GraphBatches, **kwargs: Any) -> None:
    """Train a teacher as nn.training.data.fit does, but without validation."""
    from nn.training.data import as_dataset

    model.fit(as_dataset(batches, model, itertools.count()), shuffle=False, **kwargs)


def all_training_graphs(source: TrainingGraphs) -> RaggedGraphs:
    """Join the training graphs of all chunks."""
    return RaggedGraphs.concatenate([source.chunk(number, validation=False) for number in range(source.n_chunks)])


def all_slots(graphs: RaggedGraphs) -> np.ndarray:
    """Return the features of graphs with all their slots, shape (n_graphs, 18, n_features), zero where empty."""
    features = np.zeros((len(graphs), N_SLOTS, graphs.nodes.shape[1]), np.float32)
    features[np.arange(N_SLOTS) < graphs.sizes[:, None]] = graphs.nodes
    return features


@dataclass(frozen=True)
class Task:
    """A task of both implementations.

    Attributes
    ----------
    name : str
    actions : dict
        For each implementation a function that measures its seconds for all events; one of them is "plain".
    operations : int
        Useful operations, in units of the operations of a prediction.
    """

    name: str
    actions: Mapping[str, Callable[[], float]]
    operations: int


def tasks(args: argparse.Namespace, hypermodel: "TeacherHyperModel", sources: dict[str, TrainingGraphs]) -> list[Task]:
    """Make the tasks, after a check that both implementations give the same corrections.

    Parameters
    ----------
    args : argparse.Namespace
    hypermodel : TeacherHyperModel
    sources : dict
        Graphs of the same events by where they are kept.
    """
    import keras

    from benchmarks.plain_network import SAME_NETWORK, build_plain_teacher, copy_weights, plain_inputs
    from nn.losses import get_loss
    from nn.prediction import predict

    statistics = hypermodel.feature_names, hypermodel.mean, hypermodel.variance
    teacher = hypermodel.padded(hypermodel.build_fixed(SAME_NETWORK), SAME_NETWORK)
    graphs = all_training_graphs(sources["memory"])
    features = all_slots(graphs)
    inputs = plain_inputs(features)

    def plain_teacher(by_xla: bool) -> "keras.Model":
        plain = build_plain_teacher(SAME_NETWORK, *statistics, n_nodes=N_SLOTS)
        plain.compile(keras.optimizers.Adam(SAME_NETWORK.learning_rate), get_loss(LOSS), jit_compile=by_xla)
        copy_weights(teacher, plain)
        return plain

    plain = {"plain": plain_teacher(by_xla=True), "plain, without XLA": plain_teacher(by_xla=False)}
    difference = np.abs(predict(teacher, features) - plain["plain"].predict(inputs, verbose=0)[:, 0]).max()
    if difference > LARGEST_DIFFERENCE:
        raise RuntimeError(f"the corrections of the two implementations differ by up to {difference}")

    made = []
    for size in args.batch_sizes:
        trainings = {}
        for place, source in sources.items():
            batches = GraphBatches(source, validation=False, batch_size=size, seed=SEED)
            fit = partial(fit_ours, hypermodel.build_fixed(SAME_NETWORK), batches)
            trainings[f"ours, from {place}"] = partial(epoch_seconds, fit, args.epochs)
        for name, model in plain.items():
            fit_plain = partial(model.fit, inputs, graphs.labels, batch_size=size)
            trainings[name] = partial(epoch_seconds, fit_plain, args.epochs)
        made.append(Task(f"training, {size} events a step", trainings, 3))
    predictions = {"ours": partial(seconds, partial(predict, teacher, features, args.prediction_batch_size))}
    for name, model in plain.items():
        predict_plain = partial(model.predict, inputs, batch_size=args.prediction_batch_size, verbose=0)
        predictions[name] = partial(seconds, predict_plain)
    made.append(Task(f"prediction, batches of {args.prediction_batch_size}", predictions, 1))
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write the table."""
    args = parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    from benchmarks.plain_network import SAME_NETWORK
    from nn.teacher import TeacherHyperModel

    keras.utils.set_random_seed(SEED)
    data, creator = L1Dataset.check(args.data), METGraphCreator(LOG_FEATURES)
    with tempfile.TemporaryDirectory() as folder:
        sources = {
            place: read_training_graphs(data, creator, EventSplit(test_split=TEST_SPLIT, seed=SEED), scratch)
            for place, scratch in (("memory", None), ("file", Path(folder)))
        }
        graphs = sources["memory"]
        sizes = all_training_graphs(graphs).sizes
        operations = useful_operations(SAME_NETWORK, len(creator.feature_names), sizes)
        peak = peak_operations()
        hypermodel = TeacherHyperModel.from_moments(creator, graphs.moments, LOSS)
        rows = []
        for task in tasks(args, hypermodel, sources):
            times = interleaved(task.actions, args.rounds)
            for name, duration in times.items():
                rate = len(sizes) / duration
                rows.append(
                    {
                        "task": task.name,
                        "implementation": name,
                        "events/s": rate,
                        "times plain": times["plain"] / duration,
                        "share of peak [%]": 100 * rate * task.operations * operations / peak,
                    }
                )
    objects = float(sizes.mean())
    report(args, rows, events=len(sizes), objects_an_event=objects, operations_an_event=operations, peak=peak)


if __name__ == "__main__":
    main()
