"""Batches of graphs for the training, from a file of any size and in bounded memory.

Events have few real objects in many slots. Graphs are therefore kept as flat arrays of their real nodes, batches are
made of graphs of similar size, and each batch is padded only to its largest graph.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from utils.cli import UserError, progress
from utils.data_processing import ETA, PHI, PT, GraphCreator
from utils.l1_dataset import ROWS_A_CHUNK, L1Dataset
from utils.random_streams import generator, uniforms

logger = logging.getLogger(__name__)

CHUNKS_A_BUFFER = 32


@dataclass(frozen=True)
class RaggedGraphs:
    """Graphs without their padding.

    Attributes
    ----------
    nodes : np.ndarray, shape (n_nodes_in_all, n_features), float32
        Real nodes of all graphs, one graph after the other.
    sizes : np.ndarray, shape (n_graphs,), int64
        Real nodes of each graph.
    labels : np.ndarray, shape (n_graphs, 2), float32
    """

    nodes: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray | None = None) -> "RaggedGraphs":
        """Strip the padding, any node with pT = 0, of node features, shape (n_graphs, n_nodes, n_features).

        Labels are zero where none are given.
        """
        real = features[:, :, PT] > 0
        return cls(features[real], real.sum(1), np.zeros((len(real), 2), np.float32) if labels is None else labels)

    @classmethod
    def concatenate(cls, parts: "Sequence[RaggedGraphs]") -> "RaggedGraphs":
        """Join parts in their order."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("nodes", "sizes", "labels")))

    def __len__(self) -> int:
        """Return the number of graphs."""
        return len(self.sizes)

    def take(self, rows: np.ndarray) -> "RaggedGraphs":
        """Return the graphs at some indices."""
        sizes = self.sizes[rows]
        starts = (np.cumsum(self.sizes) - self.sizes)[rows]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return RaggedGraphs(self.nodes[np.repeat(starts, sizes) + within], sizes, self.labels[rows])

    def padded(self) -> np.ndarray:
        """Node features, shape (n_graphs, n_nodes, n_features), float32, real nodes first, zero where padded.

        The number of nodes is that of the largest graph, rounded up to be even: few shapes keep compiled code few.
        """
        n_nodes = 2 * -(-int(self.sizes.max(initial=1)) // 2)
        real = np.arange(n_nodes) < self.sizes[:, None]
        features = np.zeros((*real.shape, self.nodes.shape[1]), np.float32)
        features[real] = self.nodes
        return features


def similar_size_batches(sizes: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Divide graphs into batches of similar size, in random order and with random company.

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
    return [batches[i] for i in rng.permutation(len(batches))]


def turned_and_mirrored(graphs: RaggedGraphs, rng: np.random.Generator) -> RaggedGraphs:
    """Turn each event by a random angle around the beams, and mirror it at random in eta and in phi.

    Neither the objects' response nor any energy sum changes, so that each epoch sees new events that are as good as
    the generated ones.
    """
    angle = rng.uniform(0, 2 * np.pi, len(graphs))
    eta_sign, phi_sign = rng.choice([-1, 1], (2, len(graphs)))
    angle, eta_sign, phi_sign = (np.repeat(values, graphs.sizes) for values in (angle, eta_sign, phi_sign))
    nodes = graphs.nodes.copy()
    nodes[:, ETA] *= eta_sign
    nodes[:, PHI] = np.mod(phi_sign * nodes[:, PHI] + angle, 2 * np.pi) - np.pi
    return replace(graphs, nodes=nodes)


def subset_counts(n_events: int, n_wanted: int, seed: int) -> np.ndarray:
    """Draw how many events of each chunk of a file belong to a random subset of exactly `n_wanted` events."""
    sizes = np.diff(np.append(np.arange(0, n_events, ROWS_A_CHUNK), n_events))
    return generator(seed, "subset").multivariate_hypergeometric(sizes, n_wanted, method="marginals")


class TrainingGraphs:
    """The graphs of a file that have a target, one part for the training and one for the validation.

    Parameters
    ----------
    data : L1Dataset
    creator : GraphCreator
    test_split : float
        Share of the events that is for the validation.
    max_events : int or None
        Size of the random subset of the file that is used; None for all.
    seed : int
    in_memory : bool
        Whether the graphs are kept in memory, or read again from the file when they are needed.

    Attributes
    ----------
    mean, variance : np.ndarray, shape (n_features,), float64
        Of the features of the real nodes of the training part.
    n_training, n_validation : int
        Graphs of each part.
    """

    def __init__(
        self,
        data: L1Dataset,
        creator: GraphCreator,
        test_split: float,
        max_events: int | None,
        seed: int,
        in_memory: bool,
    ):
        self._data, self._creator, self._test_split, self._seed = data, creator, test_split, seed
        self.n_chunks = -(-data.n_events // ROWS_A_CHUNK)
        self._counts = None
        if max_events is not None and max_events < data.n_events:
            self._counts = subset_counts(data.n_events, max_events, seed)
        self._kept: list[tuple[RaggedGraphs, RaggedGraphs]] | None = None
        self._scan(in_memory)

    def chunk(self, number: int, validation: bool) -> RaggedGraphs:
        """Return the training or validation graphs of a chunk of the file."""
        if self._kept is not None:
            return self._kept[number][validation]
        return self._read(number)[0][validation]

    def _read(self, number: int) -> tuple[tuple[RaggedGraphs, RaggedGraphs], tuple[int, int, int]]:
        """Read a chunk: its training and validation graphs; its events used, without jet and without target."""
        start = number * ROWS_A_CHUNK
        events = self._data.rows(start, min(start + ROWS_A_CHUNK, self._data.n_events))
        validation = uniforms(self._seed, "validation", "", start, start + len(events)) < self._test_split
        if self._counts is not None:
            rng = generator(self._seed, "subset", 1 + number)
            chosen = np.sort(rng.choice(len(events), self._counts[number], replace=False))
            events, validation = events[chosen], validation[chosen]
        graphs = self._creator(events)
        has_target = np.isfinite(graphs.labels[:, 0])
        validation = validation[graphs.kept]
        training, validating = (
            RaggedGraphs.of(graphs.features[rows], graphs.labels[rows])
            for rows in (has_target & ~validation, has_target & validation)
        )
        return (training, validating), (len(events), int((~graphs.kept).sum()), int((~has_target).sum()))

    def _scan(self, in_memory: bool) -> None:
        """Read the file once: count, find mean and variance of the features, keep the graphs if asked to."""
        kept, counts, moments = [], np.zeros(5, np.int64), Moments()
        with progress(self._data.n_events, "read training events") as bar:
            for number in range(self.n_chunks):
                parts, (n_events, n_no_jet, n_no_target) = self._read(number)
                counts += [n_events, n_no_jet, n_no_target, len(parts[0]), len(parts[1])]
                moments.add(parts[0].nodes)
                if in_memory:
                    kept.append(parts)
                bar.update(min(ROWS_A_CHUNK, self._data.n_events - number * ROWS_A_CHUNK))
        self._kept = kept if in_memory else None
        n_events, n_no_jet, n_no_target, self.n_training, self.n_validation = (int(n) for n in counts)
        logger.info(
            "%s: %d of %d events used; %d without L1 jet and %d without target left out; %d train, %d validate",
            self._data.path,
            n_events,
            self._data.n_events,
            n_no_jet,
            n_no_target,
            self.n_training,
            self.n_validation,
        )
        for part, n_graphs in (("training", self.n_training), ("validation", self.n_validation)):
            if not n_graphs:
                raise UserError(f"{self._data.path}: no event is left for the {part}")
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


class GraphBatches:
    """Batches of the training or the validation graphs, an epoch at a time.

    Graphs are shuffled within a buffer of 32 chunks of the file, drawn at random, so that memory is bounded whatever
    the size of the file; the same seed and epoch give the same batches whether the graphs are in memory or not. Those
    of the training are turned and mirrored anew in each epoch.

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

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-self.n_graphs // self._batch_size)

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Make the batches of an epoch.

        Parameters
        ----------
        number : int
            Epochs of different numbers have different batches.

        Yields
        ------
        features : np.ndarray, shape (batch_size, largest graph, n_features), float32
        labels : np.ndarray, shape (batch_size, 2), float32
        """
        rng = generator(self._seed, "batches", int(self._validation), number)
        chunks = iter(rng.permutation(self._graphs.n_chunks))
        left_over: list[RaggedGraphs] = []
        while numbers := list(islice(chunks, CHUNKS_A_BUFFER)):
            buffer = RaggedGraphs.concatenate(left_over + [self._graphs.chunk(i, self._validation) for i in numbers])
            rows = rng.permutation(len(buffer))
            n_full = len(rows) if len(numbers) < CHUNKS_A_BUFFER else len(rows) - len(rows) % self._batch_size
            left_over = [buffer.take(rows[n_full:])]
            yield from self._batches(buffer.take(rows[:n_full]), rng)
        yield from self._batches(left_over[0], rng)

    def _batches(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for rows in similar_size_batches(graphs.sizes, self._batch_size, rng):
            batch = graphs.take(rows)
            if not self._validation:
                batch = turned_and_mirrored(batch, rng)
            yield batch.padded(), batch.labels
