"""Batches of graphs for a training, from a file of any size and in bounded memory."""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from utils.event_layout import ETA, PHI
from utils.runtime.random_streams import generator
from utils.training.packing import PLACES_A_ROW, pack
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import TrainingGraphs

GRAPHS_A_BUFFER = 1 << 17

# Inputs of a network, labels, weights.
Batch = tuple[tuple[np.ndarray, ...], np.ndarray, np.ndarray]


class Batches(Protocol):
    """A source of batches, such as `GraphBatches`."""

    @property
    def n_labels(self) -> int:
        """Number of labels of an event."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """Make the batches of an epoch: inputs of the model, labels (batch, n_labels), weights (batch,)."""


def rotated_and_reflected(graphs: RaggedGraphs, rng: np.random.Generator) -> RaggedGraphs:
    """Rotate each event by a random angle around the beams, and reflect it at random in eta and in phi.

    Neither the response of the objects nor any energy sum changes, so each epoch has new events that are as good as
    the generated ones.
    """
    full_turn = np.float32(2 * np.pi)
    angle = full_turn * rng.random(len(graphs), np.float32)
    signs = np.copysign(1, rng.random((2, len(graphs)), np.float32) - np.float32(0.5))
    angle, eta_sign, phi_sign = (np.repeat(values, graphs.sizes) for values in (angle, *signs))
    phi = phi_sign * graphs.nodes[:, PHI] + angle
    nodes = graphs.nodes.copy()
    nodes[:, ETA] *= eta_sign
    nodes[:, PHI] = phi - full_turn * np.rint(phi / full_turn)
    return replace(graphs, nodes=nodes)


class ShareOfBatches:
    """The first batches of each epoch of a source; epochs of shuffled events have different ones.

    Parameters
    ----------
    batches : Batches
    share : float
        Share of the batches, in (0, 1]; at least one is left.
    n_parts : int
        Parts of each batch, which follow each other.
    """

    def __init__(self, batches: Batches, share: float, n_parts: int = 1):
        self._batches, self._n_parts = batches, n_parts
        self._n_batches = math.ceil(share * len(batches))

    @property
    def n_labels(self) -> int:
        """Number of labels of an event."""
        return self._batches.n_labels

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return self._n_batches

    def epoch(self, number: int) -> Iterator[Batch]:
        """Make the batches of an epoch."""
        return itertools.islice(self._batches.epoch(number), self._n_batches * self._n_parts)


class TrainingBatches(ABC):
    """Batches of the training or the validation graphs, an epoch at a time.

    Graphs are shuffled within a buffer of chunks of the file that are drawn at random, so memory is bounded for a file
    of any size. The same seed and epoch give the same batches, whether the graphs are in memory or not.

    Parameters
    ----------
    graphs : TrainingGraphs
    validation : bool
        Whether these are batches of the validation graphs.
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
        inputs : tuple of np.ndarray
            Inputs of a network for batch_size graphs.
        labels : np.ndarray, shape (batch_size, n_labels), float32
        weights : np.ndarray, shape (batch_size,), float32
        """
        rng = generator(self._seed, "batches", int(self._validation), number)
        left_over: list[RaggedGraphs] = []
        for chunks in self._buffers(rng):
            buffer = RaggedGraphs.concatenate(left_over + chunks)
            rows = rng.permutation(len(buffer))
            n_full = len(rows) - len(rows) % self._batch_size
            for start in range(0, n_full, self._batch_size):
                yield from self._batch(buffer.take(rows[start : start + self._batch_size]), rng)
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
    def _batch(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        """Make a batch of graphs, in one part or several."""

    @abstractmethod
    def _last(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        """Make the batches of the graphs left over, which are too few for a full batch."""


class GraphBatches(TrainingBatches):
    """Batches of graphs drawn at random, packed into rows of equal length: the inputs are those of `PackedGraphs`.

    Training graphs are rotated and reflected at random. All batches are full, except perhaps the last one. Further
    arguments: `TrainingBatches`.

    Parameters
    ----------
    n_parts : int
        Parts of each batch, which follow each other: one for each device. A part may have no graph.
    row_multiple : int
        As for `utils.training.packing.pack`.
    """

    def __init__(
        self,
        graphs: TrainingGraphs,
        validation: bool,
        batch_size: int,
        seed: int,
        n_parts: int = 1,
        row_multiple: int = 1,
    ):
        super().__init__(graphs, validation, batch_size, seed)
        self._n_parts, self._row_multiple = n_parts, row_multiple
        self._n_places = max(PLACES_A_ROW, graphs.largest)

    def _batch(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        if not self._validation:
            graphs = rotated_and_reflected(graphs, rng)
        for rows in np.array_split(np.arange(len(graphs)), self._n_parts):
            part = graphs if self._n_parts == 1 else graphs.take(rows)
            yield pack(part, self._n_places, self._row_multiple).inputs, part.labels, part.weights

    def _last(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        yield from self._batch(graphs, rng)


def training_batches(
    graphs: TrainingGraphs, batch_size: int, seed: int, devices: int = 1, row_multiple: int = 1
) -> tuple[GraphBatches, GraphBatches]:
    """Make the batches of the training and of the validation.

    Parameters
    ----------
    graphs : TrainingGraphs
    batch_size : int
        Events in a step of the optimizer, and in a validation batch.
    seed : int
    devices : int
        Devices over which each batch is divided.
    row_multiple : int
        As for `utils.training.packing.pack`.
    """
    training, validation = (
        GraphBatches(graphs, is_validation, batch_size, seed, devices, row_multiple) for is_validation in (False, True)
    )
    return training, validation
