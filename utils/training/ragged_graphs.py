"""Graphs of a varying number of nodes, as flat arrays without padding, in memory or in a temporary file."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.event_layout import PT
from utils.l1_events import L1Events


class EventCreator(Protocol):
    """Maker of nodes and labels from events, such as a GraphCreator."""

    variable: str

    def nodes(self, events: L1Events) -> tuple[np.ndarray, np.ndarray]:
        """Return the mask of real nodes, (n_events, n_nodes), and their features, (n_real, n_features), float32."""

    def labels(self, events: L1Events) -> np.ndarray:
        """Return the correction, the true variable [GeV] and further labels, shape (n_events, n_labels), float32."""


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
        The correction, the true variable, and further labels from a teacher.
    weights : np.ndarray, shape (n_graphs,), float32
        Weight of each graph in the loss.
    processes : np.ndarray, shape (n_graphs,), int16
        Index of the process of each graph among those of the file, in the order of their ids.
    """

    nodes: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    processes: np.ndarray

    @classmethod
    def from_padded(cls, features: np.ndarray, labels: np.ndarray | None = None) -> "RaggedGraphs":
        """Remove the padding, all nodes with pT = 0, from node features, shape (n_graphs, n_nodes, n_features).

        Labels are zero if none are given; weights are 1, and the process is the first.
        """
        real, n = features[:, :, PT] > 0, len(features)
        labels = np.zeros((n, 2), np.float32) if labels is None else labels
        sizes = real.sum(1, dtype=np.int16)
        return cls(features[real], sizes, labels, np.ones(n, np.float32), np.zeros(n, np.int16))

    @classmethod
    def from_events(
        cls, creator: EventCreator, events: L1Events, labels: np.ndarray, weights: np.ndarray, processes: np.ndarray
    ) -> "RaggedGraphs":
        """Make graphs with the features of `creator`, without padding."""
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
        """Return node features, shape (n_graphs, n_nodes, n_features), float32, real nodes first, zero where padded.

        By default `n_nodes` is the size of the largest graph, at least 1.
        """
        real = np.arange(n_nodes or self.sizes.max(initial=1)) < self.sizes[:, None]
        features = np.zeros((*real.shape, self.nodes.shape[1]), np.float32)
        features[real] = self.nodes
        return features


class GraphFile:
    """Graphs in a file without a name, which vanishes when the process ends, also after a kill.

    Parts are appended, and read by their number like the items of a list. Threads may read at the same time.

    Parameters
    ----------
    folder : Path
        Folder on a file system with enough space.
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
        arrays = [np.empty(*shape_and_type) for shape_and_type in shapes]
        n_read = os.preadv(self._file.fileno(), [array.data for array in arrays], start)
        if n_read != sum(array.nbytes for array in arrays):
            raise OSError("the temporary file of the graphs cannot be read")
        return RaggedGraphs(*arrays)
