"""Where each quantity stands in the files and in the graphs, and how events become graphs.

Two layouts of the 18 objects of an event exist, and only this module knows them:

- events files (``Particles``): MET, 4 e/g, 4 muons, 10 jets, each with pT, eta, phi and a class;
- L1 regression files (``smeared_data``, ``true_data``): 4 muons, 4 e/g, 10 jets, each with pT, eta, phi.

A slot is empty where pT = 0, whatever its other numbers are. Momenta are in GeV, angles in radians.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from utils.runtime.compiled import compiled, inlined
from utils.variables import full_variable, reconstructed

PT, ETA, PHI, CLASS = 0, 1, 2, 3

N_EVENT_SLOTS = 19
EVENT_MET = 0
EVENT_EGAMMAS, EVENT_MUONS, EVENT_JETS = slice(1, 5), slice(5, 9), slice(9, 19)
EVENT_CLASSES = np.repeat([1, 2, 3, 4], [1, 4, 4, 10])
EVENT_CLASS_NAMES = (b"MET_class_1", b"Four_Ele_class_2", b"Four_Mu_class_3", b"Ten_Jet_class_4")
EVENT_FEATURE_NAMES = (b"Pt", b"Eta", b"Phi", b"Class")

N_SLOTS = 18
MUONS, EGAMMAS, JETS = slice(0, 4), slice(4, 8), slice(8, 18)
FIRST_EGAMMA, FIRST_JET = EGAMMAS.start, JETS.start
PID_EMPTY, PID_MUON, PID_EGAMMA, PID_JET = 0, 1, 2, 3
SLOT_PIDS = np.repeat([PID_MUON, PID_EGAMMA, PID_JET], [4, 4, 10])
SLOT_NAMES = {"muons": MUONS, "egammas": EGAMMAS, "jets": JETS}


def event_objects(particles: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """Reorder the objects of events-file rows into the slots of an L1 regression file.

    Parameters
    ----------
    particles : np.ndarray, shape (n_events, 19, 4)
    order : np.ndarray, shape (n_events,), optional
        In which order the events come; without it, as they are.

    Returns
    -------
    np.ndarray, shape (n_events, 18, 3), float32
        pT, eta, phi; what an empty slot held of eta and phi is set to zero.
    """
    return _event_objects(particles, np.arange(len(particles)) if order is None else order)


_EVENT_SLOTS = np.r_[EVENT_MUONS, EVENT_EGAMMAS, EVENT_JETS]


@compiled
def _event_objects(particles: np.ndarray, order: np.ndarray) -> np.ndarray:
    objects = np.zeros((len(order), N_SLOTS, 3), np.float32)
    for i in range(len(order)):
        for slot in range(N_SLOTS):
            copy_object(particles, order[i], slot, objects, i)
    return objects


@inlined
def copy_object(particles: np.ndarray, event: int, slot: int, objects: np.ndarray, i: int) -> bool:
    """Copy the object of a slot from an event to place `i` of `objects`, or return that there is none."""
    event_slot = _EVENT_SLOTS[slot]
    if not particles[event, event_slot, PT] > 0:
        return False
    for feature in range(3):
        objects[i, slot, feature] = particles[event, event_slot, feature]
    return True


@compiled
def met(objects: np.ndarray) -> np.ndarray:
    """Length of the vector sum of the transverse momenta of all objects, in GeV, float32."""
    length = np.empty(len(objects), np.float32)
    for event in range(len(objects)):
        length[event] = event_met(objects, event)
    return length


@inlined
def event_met(objects: np.ndarray, event: int) -> float:
    """MET of one event.

    Sine and cosine are of single precision as the angles are, whose rounding moves the sum no less.
    """
    px, py = 0.0, 0.0
    for i in range(objects.shape[1]):
        pt, phi = np.float64(objects[event, i, PT]), objects[event, i, PHI]
        if pt > 0:
            px += pt * np.cos(phi)
            py += pt * np.sin(phi)
    return np.sqrt(px**2 + py**2)


@compiled
def ht(objects: np.ndarray) -> np.ndarray:
    """Scalar sum of the transverse momenta of the jets, in GeV, float32."""
    total = np.empty(len(objects), np.float32)
    for event in range(len(objects)):
        total[event] = event_ht(objects, event)
    return total


@inlined
def event_ht(objects: np.ndarray, event: int) -> float:
    """HT of one event."""
    pt = 0.0
    for i in range(FIRST_JET, N_SLOTS):
        pt += np.float64(objects[event, i, PT])
    return pt


def jet_count(objects: np.ndarray) -> np.ndarray:
    """Count the jets of each event."""
    return np.count_nonzero(objects[..., JETS, PT] > 0, axis=-1)


@dataclass(frozen=True)
class L1Events:
    """Events of an L1 regression file, or some of its rows.

    Attributes
    ----------
    smeared_data, true_data : np.ndarray, shape (n_events, 18, 3), float32
        Objects at L1 and at offline resolution: pT [GeV], eta, phi; muons, e/g, jets; zero where empty. ``true_data``
        is None where it was not read.
    smeared_met, smeared_ht, true_met, true_ht, original_met : np.ndarray, shape (n_events,), float32
        Energy sums in GeV.
    ids : np.ndarray, shape (n_events,), int32
        Process of each event.
    weights : np.ndarray, shape (n_events,), float32
        Cross-section weight in pb, 1 in files that have none. In a sample that was selected it is divided by the keep
        probability, so that weighted spectra are those before the selection.
    keep_probability : np.ndarray, shape (n_events,), float32, or None
        With which the selective sampling kept the event; None where nothing was selected.
    """

    smeared_data: np.ndarray
    true_data: np.ndarray | None
    smeared_met: np.ndarray
    smeared_ht: np.ndarray
    true_met: np.ndarray
    true_ht: np.ndarray
    original_met: np.ndarray
    ids: np.ndarray
    weights: np.ndarray
    keep_probability: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.ids)

    def __getitem__(self, rows: slice | np.ndarray) -> "L1Events":
        """Return some of the events: a slice, a mask or indices."""
        if isinstance(rows, np.ndarray) and rows.dtype == bool:
            rows = np.flatnonzero(rows)  # which numpy gathers five times faster
        columns: dict[str, Any] = {
            name: None if column is None else column[rows] for name, column in vars(self).items()
        }
        return L1Events(**columns)

    @classmethod
    def concatenate(cls, parts: "Sequence[L1Events]") -> "L1Events":
        """Join parts in their order."""
        columns: dict[str, Any] = {
            name: None if column is None else np.concatenate([getattr(part, name) for part in parts])
            for name, column in vars(parts[0]).items()
        }
        return cls(**columns)


@dataclass(frozen=True)
class Graphs:
    """Events as complete graphs over their real objects.

    Attributes
    ----------
    features : np.ndarray, shape (n_graphs, n_nodes, n_features), float32
        Node features in the order of the creator's ``feature_names``; rows of empty nodes are zero.
    labels : np.ndarray, shape (n_graphs, 2), float32
        The correction true/smeared (NaN where smeared is 0) and the true variable in GeV.
    process_ids : np.ndarray, shape (n_graphs,), int32
    weights : np.ndarray, shape (n_graphs,), float32
    kept : np.ndarray, shape (n_events,), bool
        Which of the events given became a graph: those with at least one jet at L1.
    """

    features: np.ndarray
    labels: np.ndarray
    process_ids: np.ndarray
    weights: np.ndarray
    kept: np.ndarray

    @cached_property
    def adjacency(self) -> np.ndarray:
        """Normalised adjacency D^-1/2 (A+I) D^-1/2, shape (n_graphs, n_nodes, n_nodes), float32.

        See :func:`normalised_adjacency`. The networks here do not need it: for a complete graph the layers use its
        closed form. It is computed when asked for, and takes n_nodes / n_features times the memory of the features.
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
        D^-1/2 (A+I) D^-1/2; A joins each real node with every real node, itself among them, so that a node's own
        entry is counted twice and the degree is n + 1. An empty node is joined only with itself.
    """
    joined = real[:, :, None] & real[:, None, :]
    with_self = joined.astype(np.float32) + np.eye(real.shape[1], dtype=np.float32)
    degree = with_self.sum(-1)
    return with_self / np.sqrt(degree[:, :, None] * degree[:, None, :])


class GraphCreator:
    """Turn events into graphs; :class:`METGraphCreator` and :class:`HTGraphCreator` say of what.

    Parameters
    ----------
    log_features : sequence of str
        Features that are replaced by log(x + 1), of those that are not negative: pt, met, ht.
    variable : str
        The true variable that is regressed.
    """

    feature_names: tuple[str, ...]
    slots: slice
    variables: tuple[str, ...]

    def __init__(self, log_features: Sequence[str] = (), variable: str | None = None):
        self.variable = full_variable(variable or self.variables[0])
        self.log_features = tuple(log_features)
        if self.variable not in self.variables:
            raise ValueError(f"{type(self).__name__} regresses {' or '.join(self.variables)}, not {self.variable}")
        allowed = [name for name in self.feature_names if name in ("pt", "met", "ht")]
        for name in self.log_features:
            if name not in allowed:
                raise ValueError(f"unknown log feature '{name}', expected some of {', '.join(allowed)}")

    def __call__(self, events: L1Events) -> Graphs:
        """Make a graph of each event with at least one jet.

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

    def features(self, events: L1Events) -> np.ndarray:
        """Node features of all events given, shape (n_events, n_nodes, n_features), float32, zero where empty."""
        real, nodes = self.nodes(events)
        features = np.zeros((*real.shape, len(self.feature_names)), np.float32)
        features[real] = nodes
        return features

    def nodes(self, events: L1Events) -> tuple[np.ndarray, np.ndarray]:
        """Make the real nodes of all events given.

        Returns
        -------
        real : np.ndarray, shape (n_events, n_nodes), bool
            Which nodes are real.
        nodes : np.ndarray, shape (n_real_nodes, n_features), float32
            Features of the real nodes, one event after the other.
        """
        objects = events.smeared_data[:, self.slots]
        real = objects[:, :, PT] > 0
        event, slot = np.divmod(np.flatnonzero(real), real.shape[1])
        of_node = objects[event, slot]
        columns = {
            "pt": of_node[:, PT],
            "eta": of_node[:, ETA],
            "phi": of_node[:, PHI],
            "met": events.smeared_met[event],
            "ht": events.smeared_ht[event],
            "pid": SLOT_PIDS[self.slots][slot],
        }
        nodes = np.empty((len(event), len(self.feature_names)), np.float32)
        for i, name in enumerate(self.feature_names):
            nodes[:, i] = np.log1p(columns[name]) if name in self.log_features else columns[name]
        return real, nodes

    def labels(self, events: L1Events) -> np.ndarray:
        """Correction and true variable [GeV] of all events given, shape (n_events, 2), float32."""
        true, smeared = getattr(events, self.variable), getattr(events, reconstructed(self.variable))
        correction = np.full(len(events), np.nan, np.float32)
        np.divide(true, smeared, out=correction, where=smeared > 0)
        return np.stack([correction, true], axis=1)


class METGraphCreator(GraphCreator):
    """Graphs of all 18 objects, for the correction MET_true/MET_reco (or original_met/MET_reco)."""

    feature_names = ("pt", "eta", "phi", "met", "ht", "pid")
    slots = slice(0, N_SLOTS)
    variables = ("true_met", "original_met")


class HTGraphCreator(GraphCreator):
    """Graphs of the 10 jets, for the correction HT_true/HT_reco."""

    feature_names = ("pt", "eta", "phi", "ht")
    slots = JETS
    variables = ("true_ht",)


def graph_creator(variable: str, log_features: Sequence[str] = ()) -> GraphCreator:
    """Return the creator of graphs for a regression variable."""
    full = full_variable(variable)
    creator = HTGraphCreator if full in HTGraphCreator.variables else METGraphCreator
    return creator(log_features, full)
