"""Throughput of the teacher in training and prediction, against the plain implementation of the same network.

Both have the same parameters and events. Ours trains on batches of events of similar size that come from memory or from
a temporary file; the plain one, compiled by XLA as is the default of Keras and faster for it, on all slots, with the
adjacency and the filter of each event ready in memory.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import benchmark_parser, report
from utils.batches import GraphBatches, RaggedGraphs, TrainingGraphs
from utils.cli import number
from utils.data_processing import N_SLOTS, METGraphCreator
from utils.l1_dataset import L1Dataset

if TYPE_CHECKING:
    import keras

    from nn.models import TeacherHyperModel, TeacherHyperparameters

SEED = 1
TEST_SPLIT = 0.2
LOG_FEATURES = ("pt", "met", "ht")
LOSS = "huber_1.0"
LARGEST_DIFFERENCE = 1e-4  # of corrections, which are about 1


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = benchmark_parser(__doc__)
    args.add_argument("--data", type=Path, required=True, help="L1 regression file")
    args.add_argument("--batch_size", type=number(int, 1), default=512, help="events a batch of the training")
    args.add_argument("--prediction_batch_size", type=number(int, 1), default=2048, help="events a predicted batch")
    args.add_argument("--epochs", type=number(int, 1), default=3, help="epochs of each measurement")
    args.add_argument("--rounds", type=number(int, 1), default=5, help="measurements, of which the median is given")
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


def interleaved(actions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Measure the median time of several actions that take turns, after a first run of each that compiles them."""
    for action in actions.values():
        action()
    times = {name: np.empty(rounds) for name in actions}
    for turn in range(rounds):
        for name, action in actions.items():
            times[name][turn] = seconds(action)
    return {name: float(np.median(values)) for name, values in times.items()}


def training_of(model: "keras.Model", batches: GraphBatches, epochs: int) -> Callable[[], Any]:
    """Return what trains a teacher of ours for some epochs, each with batches of its own."""
    from nn.data import as_dataset

    numbers: Iterator[int] = itertools.count()
    return lambda: model.fit(
        as_dataset(batches, model.input_shape[-1], numbers), epochs=epochs, shuffle=False, verbose=0
    )


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
    """What both implementations do.

    Attributes
    ----------
    name : str
    actions : dict
        What each implementation does; one of them is "plain".
    passes : int
        How often an action takes each event.
    operations : int
        Useful operations in units of those of a prediction.
    """

    name: str
    actions: Mapping[str, Callable[[], Any]]
    passes: int
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

    from benchmarks.plain_network import build_plain_teacher, copy_weights, plain_inputs
    from nn.data import predict
    from nn.losses import get_loss
    from nn.models import TeacherHyperparameters

    hyperparameters = TeacherHyperparameters()
    statistics = hypermodel.feature_names, hypermodel.mean, hypermodel.variance
    plain = build_plain_teacher(hyperparameters, *statistics, n_nodes=N_SLOTS)
    teacher = hypermodel.build_fixed(hyperparameters)
    plain.compile(keras.optimizers.Adam.from_config(teacher.optimizer.get_config()), get_loss(LOSS), jit_compile=True)
    graphs = all_training_graphs(sources["memory"])
    features = all_slots(graphs)
    inputs = plain_inputs(features)
    copy_weights(teacher, plain)
    difference = np.abs(predict(teacher, features) - plain.predict(inputs, verbose=0)[:, 0]).max()
    if difference > LARGEST_DIFFERENCE:
        raise RuntimeError(f"the corrections of the two implementations differ by up to {difference}")

    trainings = {}
    for place, by_xla in (("memory", False), ("file", False), ("memory", True)):
        model = hypermodel.build_fixed(hyperparameters)
        model.jit_compile = by_xla
        batches = GraphBatches(sources[place], validation=False, batch_size=args.batch_size, seed=SEED)
        trainings[f"ours, from {place}{', XLA' * by_xla}"] = training_of(model, batches, args.epochs)
    fit_plain = partial(plain.fit, inputs, graphs.labels, batch_size=args.batch_size, epochs=args.epochs, verbose=0)
    made = [Task(f"training, batches of {args.batch_size}", {**trainings, "plain": fit_plain}, args.epochs, 3)]
    for size in (args.prediction_batch_size, args.batch_size):
        predictions = {
            "ours": partial(predict, teacher, features, size),
            "plain": partial(plain.predict, inputs, batch_size=size, verbose=0),
        }
        made.append(Task(f"prediction, batches of {size}", predictions, 1, 1))
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write the table."""
    args = parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    from nn.models import TeacherHyperModel, TeacherHyperparameters

    keras.utils.set_random_seed(SEED)
    data, creator = L1Dataset.check(args.data), METGraphCreator(LOG_FEATURES)
    with tempfile.TemporaryDirectory() as folder:
        sources = {
            place: TrainingGraphs(data, creator, TEST_SPLIT, None, SEED, scratch)
            for place, scratch in (("memory", None), ("file", Path(folder)))
        }
        graphs = sources["memory"]
        sizes = all_training_graphs(graphs).sizes
        operations = useful_operations(TeacherHyperparameters(), len(creator.feature_names), sizes)
        peak = peak_operations()
        mean, variance = graphs.mean[:-1].tolist(), graphs.variance[:-1].tolist()
        rows = []
        for task in tasks(args, TeacherHyperModel(creator.feature_names, mean, variance, LOSS), sources):
            times = interleaved(task.actions, args.rounds)
            for name, duration in times.items():
                rate = task.passes * len(sizes) / duration
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
