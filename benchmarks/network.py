"""Throughput of the teacher in training and prediction, against the plain implementation of the same network.

Both have the same parameters, events and number of events a step of the optimizer. Ours trains on events that share
rows; the plain one on all slots, with adjacency and filter of each event ready in memory. TensorFlow keeps the setting
of its threads for a whole process, so each implementation has a process of its own: ours with the setting of
train_teacher.py, the plain one with the default. They measure in turn, never at the same time.
"""

import argparse
import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import SAME_NETWORK, benchmark_parser, report
from utils.data_processing import METGraphCreator
from utils.event_layout import N_SLOTS
from utils.formats.l1_files import L1Dataset
from utils.runtime import threads
from utils.runtime.arguments import checked, comma_separated, number
from utils.training.batches import Batch, GraphBatches
from utils.training.hyperparameters import TeacherHyperparameters
from utils.training.options import EventSplit
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import TrainingGraphs, read_training_graphs

SEED = 1
TEST_SPLIT = 0.2
LOG_FEATURES = ("pt", "met", "ht")
LOSS = "huber_1.0"
LARGEST_DIFFERENCE = 1e-4  # of corrections, which are about 1

OURS, PLAIN, PLAIN_XLA = "ours", "plain", "plain, compiled by XLA"
TASKS = {"training": 3, "prediction": 1}  # useful operations, in units of the operations of a prediction


def network(name: str) -> TeacherHyperparameters:
    """Return the hyperparameters of a network such as 2x64x3: graph layers, units of a head, heads."""
    try:
        layers, units, heads = (int(part) for part in name.split("x"))
    except ValueError:
        raise ValueError(f"expected LAYERSxUNITSxHEADS, found '{name}'") from None
    return dataclasses.replace(SAME_NETWORK, graph_layers=layers, units=units, heads=heads)


@checked
def network_name(text: str) -> str:
    """Argparse type: the name of a network."""
    network(text)
    return text


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = benchmark_parser(__doc__)
    args.add_argument("--data", type=Path, required=True, help="L1 regression file")
    args.add_argument(
        "--networks", type=comma_separated(network_name), default="2x64x3,4x96x4", help="graph layers x units x heads"
    )
    sizes = comma_separated(number(int, 1))
    args.add_argument("--batch_sizes", type=sizes, default="256,512,1024,2048", help="events a step or prediction")
    args.add_argument("--xla", action="store_true", help="measure the plain implementation compiled by XLA too")
    args.add_argument("--epochs", type=number(int, 1), default=2, help="epochs of each measurement")
    args.add_argument(
        "--rounds", type=number(int, 1), default=2, help="measurements, which the implementations take in turn"
    )
    return args.parse_args(argv)


def useful_operations(hyperparameters: TeacherHyperparameters, n_features: int, sizes: np.ndarray) -> float:
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


def peak_operations(size: int = 2048, repetitions: int = 20) -> float:
    """Measure the operations of a large float32 matrix product of TensorFlow in a second of CPU time."""
    import tensorflow as tf

    matrix = tf.constant(np.random.default_rng(SEED).random((size, size), np.float32))
    ends = [time.process_time()]
    for _ in range(repetitions):
        (matrix @ matrix).numpy()
        ends.append(time.process_time())
    return float(2 * size**3 / np.diff(ends).min())


def training_graphs(path: Path) -> tuple[METGraphCreator, TrainingGraphs, RaggedGraphs]:
    """Read a file: the creator of its graphs, the source of batches, and all graphs that are trained on."""
    creator = METGraphCreator(LOG_FEATURES)
    source = read_training_graphs(L1Dataset.check(path), creator, EventSplit(test_split=TEST_SPLIT, seed=SEED))
    chunks = [source.chunk(chunk, validation=False) for chunk in range(source.n_chunks)]
    return creator, source, RaggedGraphs.concatenate(chunks)


def all_slots(graphs: RaggedGraphs) -> np.ndarray:
    """Return the features of graphs with all their slots, shape (n_graphs, 18, n_features), zero where empty."""
    features = np.zeros((len(graphs), N_SLOTS, graphs.nodes.shape[1]), np.float32)
    features[np.arange(N_SLOTS) < graphs.sizes[:, None]] = graphs.nodes
    return features


@dataclass(frozen=True)
class Case:
    """A network of an implementation, and its number of events a step."""

    data: Path
    implementation: str
    hyperparameters: TeacherHyperparameters
    batch_size: int


@dataclass(frozen=True)
class Teacher:
    """A teacher that is ready to be measured: functions that train it and that predict all training events."""

    fit: Callable[..., Any]
    predict: Callable[[], np.ndarray]


class NoBatches:
    """A validation without events."""

    n_labels = 2

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return 0

    def epoch(self, number: int) -> Iterator[Batch]:
        """Make no batch."""
        return iter(())


@functools.cache
def teacher(case: Case) -> Teacher:
    """Make the teacher of a case, with the same initial weights in each process."""
    import keras

    from benchmarks.plain_network import build_plain_teacher, copy_weights, plain_inputs
    from nn.losses import get_loss
    from nn.prediction import predict
    from nn.teacher import TeacherHyperModel
    from nn.training.stacks import fit

    hyperparameters, batch_size = case.hyperparameters, case.batch_size
    creator, source, graphs = training_graphs(case.data)
    hypermodel = TeacherHyperModel.from_moments(creator, source.moments, LOSS)
    keras.utils.set_random_seed(SEED)
    packed = hypermodel.build_fixed(hyperparameters)
    padded = hypermodel.padded(packed, hyperparameters)
    features = all_slots(graphs)
    if case.implementation == OURS:
        batches = GraphBatches(source, validation=False, batch_size=batch_size, seed=SEED)
        training = functools.partial(fit, packed, batches, NoBatches())
        return Teacher(training, lambda: predict(padded, features, batch_size))
    statistics = hypermodel.feature_names, hypermodel.mean, hypermodel.variance
    plain, inputs = build_plain_teacher(hyperparameters, *statistics, n_nodes=N_SLOTS), plain_inputs(features)
    copy_weights(padded, plain)
    optimizer = keras.optimizers.Adam(hyperparameters.learning_rate)
    plain.compile(optimizer, get_loss(LOSS), jit_compile=case.implementation == PLAIN_XLA)
    return Teacher(
        functools.partial(plain.fit, inputs, graphs.labels, batch_size=batch_size, verbose=0),
        lambda: plain.predict(inputs, batch_size=batch_size, verbose=0)[:, 0],
    )


def corrections(case: Case) -> np.ndarray:
    """Return the corrections of all training events by the teacher of a case."""
    return teacher(case).predict()


def times(case: Case, task: str, epochs: int) -> np.ndarray:
    """Measure epochs of a task, after a first one in which the teacher is compiled.

    Returns
    -------
    np.ndarray, shape (epochs, 2)
        Wall-clock and CPU time in seconds.
    """
    import keras

    ends = []

    def clock(*_: Any) -> None:
        ends.append((time.perf_counter(), time.process_time()))

    if task == "training":
        callback = keras.callbacks.LambdaCallback(on_epoch_end=clock)
        teacher(case).fit(epochs=1 + epochs, callbacks=[callback])
    else:
        for _ in range(1 + epochs):
            teacher(case).predict()
            clock()
    return np.diff(ends, axis=0)


def begin(implementation: str, batch_size: int) -> None:
    """Begin the process of an implementation: ours with the threads that train_teacher.py takes."""
    if implementation == OURS:
        threads.divide_operations(batch_size)


def check_corrections(processes: Mapping[Case, Executor]) -> None:
    """Check that all teachers give the same corrections before they are trained."""
    first, *others = [processes[case].submit(corrections, case).result() for case in processes]
    difference = max(np.abs(other - first).max() for other in others)
    if difference > LARGEST_DIFFERENCE:
        raise RuntimeError(f"the corrections of the implementations differ by up to {difference:.1g}")


def measured(processes: Mapping[Case, Executor], task: str, epochs: int, rounds: int) -> dict[str, np.ndarray]:
    """Return the median wall-clock and CPU seconds of an epoch for each implementation, which measure in turn."""
    found = [[processes[case].submit(times, case, task, epochs).result() for case in processes] for _ in range(rounds)]
    medians = np.median(np.concatenate(found, axis=1), axis=1)
    return {case.implementation: median for case, median in zip(processes, medians, strict=True)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write the table."""
    args = parse_args(argv)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    implementations = [OURS, PLAIN] + [PLAIN_XLA] * args.xla
    creator, _, graphs = training_graphs(args.data)
    n_events, n_features, peak = len(graphs), len(creator.feature_names), 0.0
    rows = []
    for batch_size in args.batch_sizes:
        with contextlib.ExitStack() as stack:
            begun = [
                stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"), begin, (name, batch_size)))
                for name in implementations
            ]
            peak = max(peak, begun[0].submit(peak_operations).result())
            for name in args.networks:
                hyperparameters = network(name)
                cases = [
                    Case(args.data, implementation, hyperparameters, batch_size) for implementation in implementations
                ]
                processes = dict(zip(cases, begun, strict=True))
                check_corrections(processes)
                operations = n_events * useful_operations(hyperparameters, n_features, graphs.sizes)
                for task, n_products in TASKS.items():
                    seconds = measured(processes, task, args.epochs, args.rounds)
                    rows += [
                        {
                            "network": name,
                            "task": task,
                            "events a step": batch_size,
                            "implementation": implementation,
                            "events/s": n_events / wall,
                            "events/CPU-s": n_events / cpu,
                            "times plain": seconds[PLAIN][0] / wall,
                            "times plain by CPU": seconds[PLAIN][1] / cpu,
                            "share of peak [%]": 100 * n_products * operations / cpu / peak,
                        }
                        for implementation, (wall, cpu) in seconds.items()
                    ]
    rows.sort(key=lambda row: (row["network"], list(TASKS).index(row["task"])))
    report(args, rows, events=n_events, objects_an_event=float(graphs.sizes.mean()), peak=peak)


if __name__ == "__main__":
    main()
