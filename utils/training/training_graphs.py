"""The graphs of a training: chosen from a file, divided into training and validation, weighted and counted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.cutflow import READ, StepCounter
from utils.formats.fingerprints import SmallestFingerprints, fingerprints
from utils.formats.l1_files import ROWS_A_CHUNK, L1Dataset
from utils.l1_events import L1Events, jet_count
from utils.runtime.errors import UserError
from utils.runtime.progress import progress
from utils.runtime.random_streams import generator, uniforms_of
from utils.training.loss_weights import LossSpectrum, LossWeights
from utils.training.normalisation import Moments
from utils.training.options import EventSplit
from utils.training.ragged_graphs import EventCreator, GraphFile, RaggedGraphs

TRAINING, VALIDATION = "training", "validation"
NOT_IN_SUBSET, NO_JET, NO_TARGET = "not in the random subset", "no jet at L1", "no target"
LOGGED_EDGES = (0, 20, 40, 60, 80, 100, 150, 200, 300)  # GeV, of the bins in which the share of the loss is logged


@dataclass(frozen=True)
class GraphPart:
    """The training or the validation graphs of a file, by chunk.

    Attributes
    ----------
    chunks : list of RaggedGraphs, or GraphFile
        Graphs with the weights of their events.
    n_graphs : int
    loss_weights : LossWeights or None
        None: all graphs count the same.
    factors : np.ndarray, shape (n_processes,)
        Scale of each process in the loss.
    """

    chunks: list[RaggedGraphs] | GraphFile
    n_graphs: int
    loss_weights: LossWeights | None
    factors: np.ndarray

    def chunk(self, number: int) -> RaggedGraphs:
        """Return the graphs of a chunk of the file; their weights are those in the loss."""
        graphs = self.chunks[number]
        if self.loss_weights is None:
            return graphs
        weights = self.loss_weights.powers(graphs.weights) * self.factors[graphs.processes]
        return replace(graphs, weights=weights.astype(np.float32))


@dataclass(frozen=True)
class TrainingGraphs:
    """The graphs of a file that have a target; `read_training_graphs` makes them.

    Attributes
    ----------
    training, validation : GraphPart
    n_chunks : int
        Chunks of the file.
    n_labels : int
        Labels of a graph.
    largest : int
        Real nodes of the largest graph.
    moments : Moments
        Moments of the features of the real nodes of the training part, and their maxima in both parts.
    counter : StepCounter
        Cutflow of the events of the file.
    spectrum : LossSpectrum
        Spectrum of the training part, before the processes are scaled to their shares.
    fingerprints : SmallestFingerprints
        Fingerprints of the events of both parts.
    """

    training: GraphPart
    validation: GraphPart
    n_chunks: int
    n_labels: int
    largest: int
    moments: Moments
    counter: StepCounter
    spectrum: LossSpectrum
    fingerprints: SmallestFingerprints

    @property
    def n_training(self) -> int:
        """Number of graphs of the training part."""
        return self.training.n_graphs

    @property
    def n_validation(self) -> int:
        """Number of graphs of the validation part."""
        return self.validation.n_graphs

    def chunk(self, number: int, validation: bool) -> RaggedGraphs:
        """Return the training or validation graphs of a chunk of the file."""
        return (self.validation if validation else self.training).chunk(number)


def subset_counts(n_events: int, n_wanted: int, seed: int) -> np.ndarray:
    """Draw how many events of each chunk of a file belong to a random subset of exactly `n_wanted` events."""
    sizes = np.diff(np.append(np.arange(0, n_events, ROWS_A_CHUNK), n_events))
    return generator(seed, "subset").multivariate_hypergeometric(sizes, n_wanted, method="marginals")


def subset_rows(n_events: int, n_wanted: int, seed: int, chunk: int) -> np.ndarray:
    """Draw `n_wanted` of the events of a chunk: their indices, in increasing order."""
    return np.sort(generator(seed, "subset", 1 + chunk).choice(n_events, n_wanted, replace=False))


def outcomes(events: L1Events, labels: np.ndarray, in_validation: np.ndarray) -> dict[str, np.ndarray]:
    """Decide the use of each event: in the training, in the validation, or left out for a reason.

    Parameters
    ----------
    events : L1Events
    labels : np.ndarray, shape (n_events, n_labels)
        The target first; it is not finite where an event has none.
    in_validation : np.ndarray, shape (n_events,), bool
        The part of each event, if it is used.

    Returns
    -------
    dict of str to np.ndarray, shape (n_events,), bool
        Each event is in exactly one of them.
    """
    has_jet, has_target = jet_count(events.smeared_data) > 0, np.isfinite(labels[:, 0])
    used = has_jet & has_target
    return {
        TRAINING: used & ~in_validation,
        VALIDATION: used & in_validation,
        NO_JET: ~has_jet,
        NO_TARGET: has_jet & ~has_target,
    }


def selected_graphs(
    creator: EventCreator,
    events: L1Events,
    labels: np.ndarray,
    selected: np.ndarray,
    loss_weights: LossWeights | None,
    process_ids: np.ndarray,
) -> RaggedGraphs:
    """Make the graphs of selected events, with the weights of the events.

    Parameters
    ----------
    creator : EventCreator
    events : L1Events
    labels : np.ndarray, shape (n_events, n_labels)
    selected : np.ndarray, shape (n_events,), bool
    loss_weights : LossWeights or None
        None: all weights are 1.
    process_ids : np.ndarray, shape (n_processes,), int
        Increasing.
    """
    events = events[selected]
    weights = loss_weights.event_weights(events) if loss_weights else np.ones(len(events), np.float32)
    processes = np.searchsorted(process_ids, events.ids).astype(np.int16)
    return RaggedGraphs.from_events(creator, events, labels[selected], weights, processes)


class _PartBuilder:
    """Collects the graphs of a part, their number, the size of the largest, and their spectrum."""

    def __init__(self, rule: LossWeights | None, process_names: list[str], scratch: Path | None):
        self._rule = rule
        self._chunks: list[RaggedGraphs] | GraphFile = GraphFile(scratch) if scratch else []
        self._n_graphs = 0
        self.largest = 0
        self.spectrum = LossSpectrum.empty(process_names, LOGGED_EDGES)

    @property
    def _powers(self) -> LossWeights:
        return self._rule or LossWeights(0)

    def append(self, graphs: RaggedGraphs) -> None:
        """Add the graphs of the next chunk."""
        self._chunks.append(graphs)
        self._n_graphs += len(graphs)
        self.largest = max(self.largest, int(graphs.sizes.max(initial=0)))
        self.spectrum.add(graphs.processes, graphs.labels[:, 1], self._powers.powers(graphs.weights))

    def finished(self, source: str, name: str) -> GraphPart:
        """Return the part; a :class:`UserError` names a part without events, or with weights that cannot be used."""
        if not self._n_graphs:
            raise UserError(f"{source}: no event is left for the {name}")
        self.spectrum.refuse_sums_below_0(f"{source}: {name}")
        return GraphPart(self._chunks, self._n_graphs, self._rule, self.spectrum.factors(self._powers))


def read_training_graphs(
    data: L1Dataset,
    creator: EventCreator,
    split: EventSplit,
    scratch: Path | None = None,
    loss_weights: LossWeights | None = None,
) -> TrainingGraphs:
    """Read a file once, and make the graphs of its events.

    Parameters
    ----------
    data : L1Dataset
    creator : EventCreator
    split : EventSplit
    scratch : Path or None
        Folder for a temporary file of the graphs; None keeps them in memory.
    loss_weights : LossWeights or None
        Weight of a graph in the loss of its part; None: all graphs count the same.
    """
    counter = StepCounter(data.process_names, [TRAINING, VALIDATION], [NOT_IN_SUBSET, NO_JET, NO_TARGET])
    ids, names = _processes(data.process_names)
    parts = {name: _PartBuilder(loss_weights, names, scratch) for name in (TRAINING, VALIDATION)}
    moments, smallest = Moments(), SmallestFingerprints()
    n_labels, n_chunks = 0, 0
    counts = None
    if split.max_events is not None and split.max_events < data.n_events:
        counts = subset_counts(data.n_events, split.max_events, split.seed)
    with progress(data.n_events, "read training events") as bar:
        for number, chunk in enumerate(data.chunks(ROWS_A_CHUNK, true_objects=False)):
            rows, in_validation = _selected(split, counts, number, chunk)
            events = chunk[rows] if len(rows) < len(chunk) else chunk
            labels = creator.labels(events)
            used_for = outcomes(events, labels, in_validation)
            for name, part in parts.items():
                graphs = selected_graphs(creator, events, labels, used_for[name], loss_weights, ids)
                part.append(graphs)
                (moments.add if name == TRAINING else moments.extend_range)(graphs.nodes)
            smallest.add(fingerprints(events)[used_for[TRAINING] | used_for[VALIDATION]])
            counter.add(READ, chunk.ids)
            counter.add(NOT_IN_SUBSET, np.delete(chunk.ids, rows))
            for outcome, chosen in used_for.items():
                counter.add(outcome, events.ids[chosen])
            n_labels, n_chunks = labels.shape[1], number + 1
            bar.update(len(chunk))
    training, validation = (part.finished(str(data.path), name) for name, part in parts.items())
    largest = max(part.largest for part in parts.values())
    spectrum = parts[TRAINING].spectrum
    return TrainingGraphs(training, validation, n_chunks, n_labels, largest, moments, counter, spectrum, smallest)


def _selected(
    split: EventSplit, counts: np.ndarray | None, number: int, chunk: L1Events
) -> tuple[np.ndarray, np.ndarray]:
    """Select the events of a chunk: the indices of those that are used, and whether each is for the validation.

    All smearings of an event have the same fingerprint, and so are in the same part.
    """
    in_validation = uniforms_of(split.seed, "validation", fingerprints(chunk)) < split.test_split
    rows = np.arange(len(chunk)) if counts is None else subset_rows(len(chunk), counts[number], split.seed, number)
    return rows, in_validation[rows]


def _processes(names: Mapping[int, str]) -> tuple[np.ndarray, list[str]]:
    """Return the ids of the processes in increasing order, and their names."""
    ids = sorted(names)
    return np.array(ids), [names[number] for number in ids]
