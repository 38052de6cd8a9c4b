"""Batches of graphs for the training, from a file of any size and in bounded memory.

Events have few real objects in many slots. Graphs are therefore kept as flat arrays of their real nodes, batches are
made of graphs of similar size, and each batch is padded only to its largest graph.
"""

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from utils.cli import progress
from utils.cutflow import READ, Tally
from utils.data_processing import ETA, PHI, PT, L1Events, jet_count
from utils.formats.fingerprints import SmallestFingerprints, fingerprints
from utils.formats.l1_files import ROWS_A_CHUNK, L1Dataset
from utils.runtime.errors import UserError
from utils.runtime.random_streams import generator, uniforms
from utils.training.loss_weights import LossSpectrum, LossWeights

TRAINING, VALIDATION = "training", "validation"
NOT_IN_SUBSET, NO_JET, NO_TARGET = "not in the random subset", "no jet at L1", "no target"
GRAPHS_A_BUFFER = 1 << 17
LOGGED_EDGES = (0, 20, 40, 60, 80, 100, 150, 200, 300)  # GeV, of the bins in which the share of the loss is logged

# A step of the optimizer takes the mean gradient of so many batches. One of graphs of the same size would pull all
# weights towards what that size needs; four, from the quarters of the sizes, are as good as graphs drawn at random.
BATCHES_A_STEP = 4

# Features or several inputs of a network, labels, weights.
Batch = tuple[Any, np.ndarray, np.ndarray]


class EventCreator(Protocol):
    """What makes nodes and labels of events: a GraphCreator, or StudentInputs."""

    variable: str

    def nodes(self, events: L1Events) -> tuple[np.ndarray, np.ndarray]:
        """Return which nodes are real, (n_events, n_nodes), and their features, (n_real, n_features), float32."""

    def labels(self, events: L1Events) -> np.ndarray:
        """Return the correction, the true variable [GeV] and perhaps more, shape (n_events, n_labels), float32."""


@dataclass(frozen=True)
class RaggedGraphs:
    """Graphs without their padding.

    Attributes
    ----------
    nodes : np.ndarray, shape (n_nodes_in_all, n_features), float32
        Real nodes of all graphs, one graph after the other.
    sizes : np.ndarray, shape (n_graphs,), int16
        Number of real nodes of each graph.
    labels : np.ndarray, shape (n_graphs, n_labels), float32
        The correction and the true variable; more where a teacher gives them.
    weights : np.ndarray, shape (n_graphs,), float32
        What each graph counts in the loss.
    processes : np.ndarray, shape (n_graphs,), int16
        Place of the process of each among those of the file, in the order of their ids.
    """

    nodes: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    processes: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray | None = None) -> "RaggedGraphs":
        """Strip the padding, any node with pT = 0, of node features, shape (n_graphs, n_nodes, n_features).

        Labels are zero where none are given; weights are 1, and all are of the first process.
        """
        real, n = features[:, :, PT] > 0, len(features)
        labels = np.zeros((n, 2), np.float32) if labels is None else labels
        sizes = real.sum(1, dtype=np.int16)
        return cls(features[real], sizes, labels, np.ones(n, np.float32), np.zeros(n, np.int16))

    @classmethod
    def of_events(
        cls, creator: EventCreator, events: L1Events, labels: np.ndarray, weights: np.ndarray, processes: np.ndarray
    ) -> "RaggedGraphs":
        """Make graphs with the features of `creator`, without the padding that it would fill in."""
        real, nodes = creator.nodes(events)
        return cls(nodes, real.sum(1, dtype=np.int16), labels, weights, processes)

    @classmethod
    def concatenate(cls, parts: "Sequence[RaggedGraphs]") -> "RaggedGraphs":
        """Join parts in their order."""
        return cls(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in cls.__dataclass_fields__})

    def __len__(self) -> int:
        """Return the number of graphs."""
        return len(self.sizes)

    @cached_property
    def starts(self) -> np.ndarray:
        """Index of the first node of each graph, shape (n_graphs,), int64."""
        return np.cumsum(self.sizes) - self.sizes

    def take(self, rows: np.ndarray) -> "RaggedGraphs":
        """Return the graphs at some indices."""
        sizes = self.sizes[rows]
        starts = np.cumsum(sizes) - sizes
        nodes = np.arange(sizes.sum()) + np.repeat(self.starts[rows] - starts, sizes)
        return RaggedGraphs(self.nodes[nodes], sizes, self.labels[rows], self.weights[rows], self.processes[rows])

    def padded(self, n_nodes: int | None = None) -> np.ndarray:
        """Node features, shape (n_graphs, n_nodes, n_features), float32, real nodes first, zero where padded.

        The number of nodes, where it is not given, is that of the largest graph, at least 1.
        """
        real = np.arange(n_nodes or self.sizes.max(initial=1)) < self.sizes[:, None]
        features = np.zeros((*real.shape, self.nodes.shape[1]), np.float32)
        features[real] = self.nodes
        return features


def similar_size_batches(sizes: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Divide graphs into batches of similar size, with random company.

    The order of the batches is random, but for that of `BATCHES_A_STEP` batches each is from another quantile of sizes.

    Parameters
    ----------
    sizes : np.ndarray, shape (n_graphs,), int
    batch_size : int
    rng : np.random.Generator

    Returns
    -------
    list of np.ndarray of int
        Indices of the graphs of each batch; all batches are full but perhaps one.
    """
    shuffled = rng.permutation(len(sizes))
    by_size = shuffled[np.argsort(sizes[shuffled], kind="stable")]
    batches = [by_size[start : start + batch_size] for start in range(0, len(by_size), batch_size)]
    quantiles = np.array_split(np.arange(len(batches)), BATCHES_A_STEP)
    times = [(rng.permutation(len(quantile)) + rng.random(len(quantile))) / len(quantile) for quantile in quantiles]
    return [batches[i] for i in np.argsort(np.concatenate(times))]


def turned_and_mirrored(graphs: RaggedGraphs, rng: np.random.Generator) -> RaggedGraphs:
    """Turn each event by a random angle around the beams, and mirror it at random in eta and in phi.

    Neither the objects' response nor any energy sum changes, so that each epoch sees new events that are as good as
    the generated ones.
    """
    turn = np.float32(2 * np.pi)
    angle = turn * rng.random(len(graphs), np.float32)
    signs = np.copysign(1, rng.random((2, len(graphs)), np.float32) - np.float32(0.5))
    angle, eta_sign, phi_sign = (np.repeat(values, graphs.sizes) for values in (angle, *signs))
    phi = phi_sign * graphs.nodes[:, PHI] + angle
    nodes = graphs.nodes.copy()
    nodes[:, ETA] *= eta_sign
    nodes[:, PHI] = phi - turn * np.rint(phi / turn)
    return replace(graphs, nodes=nodes)


def subset_counts(n_events: int, n_wanted: int, seed: int) -> np.ndarray:
    """Draw how many events of each chunk of a file belong to a random subset of exactly `n_wanted` events."""
    sizes = np.diff(np.append(np.arange(0, n_events, ROWS_A_CHUNK), n_events))
    return generator(seed, "subset").multivariate_hypergeometric(sizes, n_wanted, method="marginals")


class GraphFile:
    """Graphs in a file without a name, of which nothing stays when the program ends, in whatever way.

    Parts are appended and got back by their number, as with a list; threads may read at the same time.

    Parameters
    ----------
    folder : Path
        Where there is space for it.
    """

    def __init__(self, folder: Path):
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 it is open as long as this object lives
        self._places: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []

    def append(self, graphs: RaggedGraphs) -> None:
        """Write a part."""
        self._places.append((self._file.tell(), graphs.nodes.shape, graphs.labels.shape))
        for array in vars(graphs).values():
            self._file.write(array.data)
        self._file.flush()

    def __getitem__(self, number: int) -> RaggedGraphs:
        """Read a part."""
        start, nodes, labels = self._places[number]
        n = labels[0]
        shapes = ((nodes, np.float32), (n, np.int16), (labels, np.float32), (n, np.float32), (n, np.int16))
        arrays = [np.empty(*of_array) for of_array in shapes]
        n_read = os.preadv(self._file.fileno(), [array.data for array in arrays], start)
        if n_read != sum(array.nbytes for array in arrays):
            raise OSError("the temporary file of the graphs cannot be read")
        return RaggedGraphs(*arrays)


class TrainingGraphs:
    """The graphs of a file that have a target, one part for the training and one for the validation.

    Parameters
    ----------
    data : L1Dataset
    creator : EventCreator
    test_split : float
        Share of the events that is for the validation.
    max_events : int or None
        Size of the random subset of the file that is used; None for all.
    seed : int
    scratch : Path or None
        Folder for a temporary file of the graphs; None keeps them in memory.
    loss_weights : LossWeights or None
        What a graph counts in the loss of its part; None: all the same.

    Attributes
    ----------
    mean, variance : np.ndarray, shape (n_features,), float64
        Of the features of the real nodes of the training part.
    n_training, n_validation : int
        Graphs of each part.
    n_labels : int
    tally : Tally
        What became of the events of the file.
    spectrum : LossSpectrum
        Of the training part, before the processes have their shares.
    fingerprints : SmallestFingerprints
        Of the events of both parts.
    """

    def __init__(
        self,
        data: L1Dataset,
        creator: EventCreator,
        test_split: float,
        max_events: int | None,
        seed: int,
        scratch: Path | None = None,
        loss_weights: LossWeights | None = None,
    ):
        self._rule = loss_weights
        self._data, self._creator, self._test_split, self._seed = data, creator, test_split, seed
        self.tally = Tally(data.process_names, [TRAINING, VALIDATION], [NOT_IN_SUBSET, NO_JET, NO_TARGET])
        self.n_chunks = -(-data.n_events // ROWS_A_CHUNK)
        self._counts = None
        if max_events is not None and max_events < data.n_events:
            self._counts = subset_counts(data.n_events, max_events, seed)
        self._parts: list[list[RaggedGraphs] | GraphFile] = [GraphFile(scratch) if scratch else [] for _ in range(2)]
        self._read()

    def chunk(self, number: int, validation: bool) -> RaggedGraphs:
        """Return the training or validation graphs of a chunk of the file."""
        graphs = self._parts[validation][number]
        if self._rule is None:
            return graphs
        weights = self._rule.powers(graphs.weights) * self._factors[validation][graphs.processes]
        return replace(graphs, weights=weights.astype(np.float32))

    def _selected(self, number: int, events: L1Events) -> tuple[L1Events, np.ndarray]:
        """Choose those events of a chunk that are used, and say which of them are for the validation."""
        start = number * ROWS_A_CHUNK
        validation = uniforms(self._seed, "validation", "", start, start + len(events)) < self._test_split
        if self._counts is None:
            return events, validation
        rng = generator(self._seed, "subset", 1 + number)
        chosen = np.sort(rng.choice(len(events), self._counts[number], replace=False))
        self.tally.add(NOT_IN_SUBSET, np.delete(events.ids, chosen))
        return events[chosen], validation[chosen]

    def _read(self) -> None:
        """Read the file once: make and keep the graphs, count, find mean and variance of the features."""
        moments = Moments()
        self.n_training, self.n_validation = 0, 0
        self.fingerprints = SmallestFingerprints()
        rule, ids = self._rule or LossWeights(0), np.array(sorted(self._data.process_names))
        names = [self._data.process_names[number] for number in ids]
        spectra = [LossSpectrum.empty(names, LOGGED_EDGES) for _ in self._parts]
        with progress(self._data.n_events, "read training events") as bar:
            for number, chunk in enumerate(self._data.chunks(ROWS_A_CHUNK, true_objects=False)):
                events, validation = self._selected(number, chunk)
                labels = self._creator.labels(events)
                weights = rule.of_events(events) if self._rule else np.ones(len(events), np.float32)
                processes = np.searchsorted(ids, events.ids).astype(np.int16)
                has_jet = jet_count(events.smeared_data) > 0
                used = has_jet & np.isfinite(labels[:, 0])
                training, validating = (
                    RaggedGraphs.of_events(self._creator, events[rows], labels[rows], weights[rows], processes[rows])
                    for rows in (used & ~validation, used & validation)
                )
                moments.add(training.nodes)
                self.fingerprints.add(fingerprints(events)[used])
                for kept, spectrum, graphs in zip(self._parts, spectra, (training, validating), strict=True):
                    kept.append(graphs)
                    spectrum.add(graphs.processes, graphs.labels[:, 1], rule.powers(graphs.weights))
                self.n_labels = labels.shape[1]
                self.n_training += len(training)
                self.n_validation += len(validating)
                self.tally.add(READ, chunk.ids)
                for outcome, rows in (
                    (TRAINING, used & ~validation),
                    (VALIDATION, used & validation),
                    (NO_JET, ~has_jet),
                    (NO_TARGET, has_jet & ~used),
                ):
                    self.tally.add(outcome, events.ids[rows])
                bar.update(len(chunk))
        for part, spectrum in zip((TRAINING, VALIDATION), spectra, strict=True):
            if not spectrum.counts.any():
                raise UserError(f"{self._data.path}: no event is left for the {part}")
            spectrum.refuse_sums_below_0(f"{self._data.path}: {part}")
        self.spectrum = spectra[0]
        self._factors = [spectrum.factors(rule) for spectrum in spectra]
        self.mean, self.variance = moments.mean, moments.variance


class Moments:
    """Mean and variance of the rows of many arrays, by the pairwise update of Chan, Golub and LeVeque (1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: np.ndarray = np.zeros(1)
        self._squares: np.ndarray = np.zeros(1)

    def add(self, rows: np.ndarray) -> None:
        """Add rows, shape (n, n_features)."""
        if not len(rows):
            return
        mean, total = rows.mean(0, dtype=np.float64), self.count + len(rows)
        delta = mean - self.mean
        self._squares = self._squares + np.square(rows - mean).sum(0) + delta**2 * self.count * len(rows) / total
        self.mean = self.mean + delta * len(rows) / total
        self.count = total

    @property
    def variance(self) -> np.ndarray:
        """Variance, the mean squared deviation."""
        return self._squares / self.count


class TrainingBatches(ABC):
    """Batches of the training or the validation graphs, an epoch at a time.

    Graphs are shuffled within a buffer, of chunks of the file drawn at random, so that memory is bounded whatever the
    size of the file; the same seed and epoch give the same batches whether the graphs are in memory or not.

    Parameters
    ----------
    graphs : TrainingGraphs
    validation : bool
        Which part.
    batch_size : int
    seed : int
    """

    def __init__(self, graphs: TrainingGraphs, validation: bool, batch_size: int, seed: int):
        self._graphs, self._validation, self._batch_size, self._seed = graphs, validation, batch_size, seed
        self.n_graphs = graphs.n_validation if validation else graphs.n_training

    @property
    def n_labels(self) -> int:
        """Number of labels of a graph."""
        return self._graphs.n_labels

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-self.n_graphs // self._batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Make the batches of an epoch.

        Parameters
        ----------
        number : int
            Epochs of different numbers have different batches.

        Yields
        ------
        inputs : np.ndarray, or tuple of np.ndarray, of batch_size graphs each, float32
        labels : np.ndarray, shape (batch_size, n_labels), float32
        weights : np.ndarray, shape (batch_size,), float32
        """
        rng = generator(self._seed, "batches", int(self._validation), number)
        left_over: list[RaggedGraphs] = []
        for chunks in self._buffers(rng):
            buffer = RaggedGraphs.concatenate(left_over + chunks)
            rows = rng.permutation(len(buffer))
            n_full = len(rows) - len(rows) % self._batch_size
            for batch in self._divide(buffer.sizes[rows[:n_full]], rng):
                yield self._batch(buffer.take(rows[batch]), rng)
            left_over = [buffer.take(rows[n_full:])]
        if len(left_over[0]):
            yield from self._last(left_over[0], rng)

    def _buffers(self, rng: np.random.Generator) -> Iterator[list[RaggedGraphs]]:
        """Draw the chunks in random order, as many at a time as fill the buffer."""
        chunks: list[RaggedGraphs] = []
        n_graphs = 0
        for number in rng.permutation(self._graphs.n_chunks):
            chunks.append(self._graphs.chunk(number, self._validation))
            n_graphs += len(chunks[-1])
            if n_graphs >= GRAPHS_A_BUFFER:
                yield chunks
                chunks, n_graphs = [], 0
        if chunks:
            yield chunks

    @abstractmethod
    def _divide(self, sizes: np.ndarray, rng: np.random.Generator) -> Iterable[np.ndarray]:
        """Divide shuffled graphs of these sizes, which fill batches, into batches of their indices."""

    @abstractmethod
    def _batch(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Batch:
        """Make a batch of graphs."""

    @abstractmethod
    def _last(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        """Make what is to be made of the graphs that fill no batch."""


class GraphBatches(TrainingBatches):
    """Batches of graphs of similar size, each padded to its largest, those of the training turned and mirrored.

    All batches are full but perhaps the last one, which has graphs of any size. Features have the shape
    (batch_size, largest graph, n_features). Arguments: `TrainingBatches`.
    """

    def _divide(self, sizes: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        return similar_size_batches(sizes, self._batch_size, rng)

    def _batch(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Batch:
        if not self._validation:
            graphs = turned_and_mirrored(graphs, rng)
        return graphs.padded(), graphs.labels, graphs.weights

    def _last(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        yield self._batch(graphs, rng)
