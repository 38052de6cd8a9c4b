"""Packing: several graphs share a row of a batch, so that little of it is padding."""

from dataclasses import dataclass

import numpy as np

from utils.runtime.compiled import compiled
from utils.training.ragged_graphs import RaggedGraphs

# Events have about three objects. Longer rows have less padding, but more pairs of nodes of different events.
PLACES_A_ROW = 12


@dataclass(frozen=True)
class PackedGraphs:
    """Graphs that share rows; each lies in one row, in neighbouring places.

    Attributes
    ----------
    first : np.ndarray, shape (n_graphs,), int32
        Place of the first node of each graph among the places of all rows; an empty place for a graph without nodes.
    features : np.ndarray, shape (n_rows, n_places, n_features), float32
        Node features, zero where empty.
    graphs : np.ndarray, shape (n_rows, n_places), int32
        Number of the graph of each node, from 1; 0 where there is no node.
    """

    first: np.ndarray
    features: np.ndarray
    graphs: np.ndarray

    @property
    def inputs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs of a network for packed graphs."""
        return self.first, self.features, self.graphs


@compiled
def first_fit(sizes: np.ndarray, n_places: int) -> tuple[np.ndarray, int]:
    """Put graphs, one after the other, each into the first row with enough places left.

    Parameters
    ----------
    sizes : np.ndarray, shape (n_graphs,), int
        Places of each graph, at least 1 and at most `n_places`.
    n_places : int
        Places of a row.

    Returns
    -------
    first : np.ndarray, shape (n_graphs,), int32
        First place of each graph among the places of all rows.
    n_rows : int
    """
    first = np.empty(len(sizes), np.int32)
    used = np.zeros(len(sizes), np.int64)
    start = np.zeros(n_places + 1, np.int64)  # no row before this one has so many places left
    n_rows = 0
    for graph, size in enumerate(sizes):
        row = start[size]
        while used[row] + size > n_places:
            row += 1
        start[size] = row
        first[graph] = row * n_places + used[row]
        used[row] += size
        n_rows = max(n_rows, row + 1)
    return first, n_rows


def pack(graphs: RaggedGraphs, n_places: int = PLACES_A_ROW, row_multiple: int = 1) -> PackedGraphs:
    """Pack graphs into rows, the largest first (first-fit decreasing).

    Parameters
    ----------
    graphs : RaggedGraphs
    n_places : int
        Places of a row; there are more if a graph is larger.
    row_multiple : int
        The number of rows is a multiple of this, so that batches of as many graphs have few shapes. Empty rows at the
        end make it up.
    """
    n_places = max(n_places, int(graphs.sizes.max(initial=0)))
    places = np.maximum(graphs.sizes, 1)  # one that stays empty for a graph without nodes
    order = np.argsort(-places, kind="stable")
    first = np.empty(len(graphs), np.int32)
    first[order], n_rows = first_fit(places[order], n_places)
    n_rows = -(-n_rows // row_multiple) * row_multiple
    nodes = np.repeat(first - graphs.starts, graphs.sizes) + np.arange(len(graphs.nodes))
    features = np.zeros((n_rows * n_places, graphs.nodes.shape[1]), np.float32)
    features[nodes] = graphs.nodes
    numbers = np.zeros(n_rows * n_places, np.int32)
    numbers[nodes] = np.repeat(np.arange(1, 1 + len(graphs)), graphs.sizes)
    rows = n_rows, n_places
    return PackedGraphs(first, features.reshape(*rows, features.shape[1]), numbers.reshape(rows))
