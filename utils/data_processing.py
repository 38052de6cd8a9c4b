"""Conversion of events to graphs: `METGraphCreator` and `HTGraphCreator`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from utils.event_layout import ETA, JETS, N_SLOTS, PHI, PT, SLOT_PIDS
from utils.l1_events import L1Events, jet_count
from utils.variables import full_variable, reconstructed


@dataclass(frozen=True)
class Graphs:
    """Events as complete graphs over their real objects.

    Attributes
    ----------
    features : np.ndarray, shape (n_graphs, n_nodes, n_features), float32
        Node features in the order of the creator's ``feature_names``; rows of empty nodes are zero.
    labels : np.ndarray, shape (n_graphs, 2), float32
        The target, which is the correction true/smeared times the scale of the target (NaN where smeared is 0), and the
        true variable in GeV.
    process_ids : np.ndarray, shape (n_graphs,), int32
    weights : np.ndarray, shape (n_graphs,), float32
    kept : np.ndarray, shape (n_events,), bool
        Which of the given events became a graph: those with at least one L1 jet.
    """

    features: np.ndarray
    labels: np.ndarray
    process_ids: np.ndarray
    weights: np.ndarray
    kept: np.ndarray

    @cached_property
    def adjacency(self) -> np.ndarray:
        """Normalised adjacency D^-1/2 (A+I) D^-1/2, shape (n_graphs, n_nodes, n_nodes), float32.

        See :func:`normalised_adjacency`. The networks of this project do not need it, because their layers use the
        closed form for a complete graph. It is computed at the first access, and takes n_nodes / n_features times the
        memory of the features.
        """
        return normalised_adjacency(self.features[:, :, PT] > 0)


def normalised_adjacency(real: np.ndarray) -> np.ndarray:
    """Normalise the adjacency of the complete graph over real nodes, after Kipf and Welling (arXiv:1609.02907).

    Parameters
    ----------
    real : np.ndarray, shape (n_graphs, n_nodes), bool

    Returns
    -------
    np.ndarray, shape (n_graphs, n_nodes, n_nodes), float32
        D^-1/2 (A+I) D^-1/2. A joins each real node with all real nodes including itself, so the entry of a node itself
        counts twice and the degree is n + 1. An empty node is joined with itself only.
    """
    joined = real[:, :, None] & real[:, None, :]
    with_self = joined.astype(np.float32) + np.eye(real.shape[1], dtype=np.float32)
    degree = with_self.sum(-1)
    return with_self / np.sqrt(degree[:, :, None] * degree[:, None, :])


class GraphCreator:
    """Converter of events to graphs; its subclasses are :class:`METGraphCreator` and :class:`HTGraphCreator`.

    Parameters
    ----------
    log_features : sequence of str
        Features that are replaced by log(x + 1), among pt, met and ht.
    variable : str
        True variable of the regression.
    target_scale : float
        Factor on the correction, above 0. It changes the scale of the corrected sums with respect to events without a
        jet, which stay uncorrected.
    """

    feature_names: tuple[str, ...]
    slots: slice
    variables: tuple[str, ...]

    def __init__(self, log_features: Sequence[str] = (), variable: str | None = None, target_scale: float = 1.0):
        self.variable = full_variable(variable or self.variables[0])
        self.log_features = tuple(log_features)
        self.target_scale = target_scale
        if self.variable not in self.variables:
            raise ValueError(f"{type(self).__name__} regresses {' or '.join(self.variables)}, not {self.variable}")
        allowed = [name for name in self.feature_names if name in ("pt", "met", "ht")]
        for name in self.log_features:
            if name not in allowed:
                raise ValueError(f"unknown log feature '{name}', expected some of {', '.join(allowed)}")
        if not 0 < target_scale < np.inf:
            raise ValueError(f"the scale of the target is {target_scale}, expected a number above 0")

    def __call__(self, events: L1Events) -> Graphs:
        """Convert each event with at least one jet to a graph.

        Parameters
        ----------
        events : L1Events

        Returns
        -------
        Graphs
        """
        kept = jet_count(events.smeared_data) > 0
        events = events[kept]
        return Graphs(self.features(events), self.labels(events), events.ids, events.weights, kept)

    def features(self, events: L1Events, log_type: type = np.float32) -> np.ndarray:
        """Return the node features of all events, shape (n_events, n_nodes, n_features), float32, zero if empty.

        `log_type` is that of `nodes`.
        """
        real, nodes = self.nodes(events, log_type)
        features = np.zeros((*real.shape, len(self.feature_names)), np.float32)
        features[real] = nodes
        return features

    def nodes(self, events: L1Events, log_type: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
        """Return the real nodes of all events.

        Parameters
        ----------
        events : L1Events
        log_type : type
            Type in which logarithms are computed. The last bit of those of float32 depends on the processor.

        Returns
        -------
        real : np.ndarray, shape (n_events, n_nodes), bool
            Which nodes are real.
        nodes : np.ndarray, shape (n_real_nodes, n_features), float32
            Features of the real nodes, event after event.
        """
        objects = events.smeared_data[:, self.slots]
        real = objects[:, :, PT] > 0
        event, slot = np.divmod(np.flatnonzero(real), real.shape[1])
        node_objects = objects[event, slot]
        columns = {
            "pt": node_objects[:, PT],
            "eta": node_objects[:, ETA],
            "phi": node_objects[:, PHI],
            "met": events.smeared_met[event],
            "ht": events.smeared_ht[event],
            "pid": SLOT_PIDS[self.slots][slot],
        }
        nodes = np.empty((len(event), len(self.feature_names)), np.float32)
        for i, name in enumerate(self.feature_names):
            nodes[:, i] = np.log1p(columns[name], dtype=log_type) if name in self.log_features else columns[name]
        return real, nodes

    def labels(self, events: L1Events) -> np.ndarray:
        """Return the target and the true variable [GeV] of all events, shape (n_events, 2), float32."""
        true, smeared = getattr(events, self.variable), getattr(events, reconstructed(self.variable))
        correction = np.full(len(events), np.nan, np.float32)
        np.divide(true, smeared, out=correction, where=smeared > 0)
        return np.stack([correction * np.float32(self.target_scale), true], axis=1)


class METGraphCreator(GraphCreator):
    """Creator of graphs of all 18 objects, for the correction MET_true/MET_reco or original_met/MET_reco."""

    feature_names = ("pt", "eta", "phi", "met", "ht", "pid")
    slots = slice(0, N_SLOTS)
    variables = ("true_met", "original_met")


class HTGraphCreator(GraphCreator):
    """Creator of graphs of the 10 jets, for the correction HT_true/HT_reco."""

    feature_names = ("pt", "eta", "phi", "ht")
    slots = JETS
    variables = ("true_ht",)


def graph_creator(variable: str, log_features: Sequence[str] = (), target_scale: float = 1.0) -> GraphCreator:
    """Return the graph creator of a regression variable."""
    full = full_variable(variable)
    creator = HTGraphCreator if full in HTGraphCreator.variables else METGraphCreator
    return creator(log_features, full, target_scale)
