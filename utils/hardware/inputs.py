"""What a student sees of events, and batches of it: fixed slots, as hardware has them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from utils.data_processing import PID_EGAMMA, PID_JET, PID_MUON, PT, SLOT_PIDS, GraphCreator, L1Events
from utils.hardware.integers import HardwareEvents, HardwareScales, bounds, front_end, hardware_events, numpy_lookup
from utils.training.batches import Batch, TrainingBatches
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import TrainingGraphs

OBJECT_FEATURES = {
    "true_met": ("pt", "along", "across", "abs_eta", "muon", "egamma", "jet"),
    "true_ht": ("pt", "abs_eta"),
}
OBJECT_FEATURES["original_met"] = OBJECT_FEATURES["true_met"]
# The first is the one that the correction multiplies.
SUM_FEATURES = {"true_met": ("met", "ht"), "true_ht": ("ht",), "original_met": ("met", "ht")}

PT_CELLS, ANGLE_CELLS, ETA_CELLS = 16, 73, 4  # in which the integers of an object are bounded one by one


@dataclass(frozen=True)
class Ranges:
    """Ranges of the inputs of a student's network over all integers of the hardware.

    Attributes
    ----------
    object_lowest, object_highest : np.ndarray, shape (n_cells, n_kinds, n_object_features), float64
        An object is in one of the cells, which are narrow since the features of an object depend on each other. The
        last of the kinds is that of empty slots.
    counts : np.ndarray, shape (n_kinds,), int
        Slots of each kind.
    sum_lowest, sum_highest : np.ndarray, shape (n_sums,), float64
    """

    object_lowest: np.ndarray
    object_highest: np.ndarray
    counts: np.ndarray
    sum_lowest: np.ndarray
    sum_highest: np.ndarray


def _divided(values: np.ndarray, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide values into cells of neighbours, and return the least and the largest of each."""
    parts = np.array_split(values, min(n_cells, len(values)))
    return np.array([part.min() for part in parts]), np.array([part.max() for part in parts])


class StudentInputs:
    """What a student sees of events, and what it shall learn of them; takes the place of a GraphCreator.

    Parameters
    ----------
    creator : GraphCreator
        Of the same variable: which objects and labels.
    scales : HardwareScales
    teachings : callable, optional
        Takes L1Events, gives what a teacher says of each, shape (n_events, n), as more labels.

    Attributes
    ----------
    feature_names : tuple of str
        Of a node: features of the object, and the energy sums, which are the same for all objects of an event.
    object_names, sum_names : tuple of str
        The two parts of `feature_names`.
    slots : slice
    n_object_features, n_sums, n_slots : int
    least : float
        A step of the energy, as the network sees it.
    """

    def __init__(
        self,
        creator: GraphCreator,
        scales: HardwareScales,
        teachings: Callable[[L1Events], np.ndarray] | None = None,
    ):
        self.variable, self.slots, self.scales = creator.variable, creator.slots, scales
        self._creator, self._teachings = creator, teachings
        self.object_names, self.sum_names = OBJECT_FEATURES[self.variable], SUM_FEATURES[self.variable]
        self.feature_names = (*self.object_names, *self.sum_names)
        self.n_object_features, self.n_sums = len(self.object_names), len(self.sum_names)
        self.n_slots = len(SLOT_PIDS[self.slots])
        self.least = 2.0**-scales.feature_bits

    def inputs_of(self, integers: HardwareEvents) -> tuple[np.ndarray, ...]:
        """Make the inputs of the network, as `network_inputs` describes them, of integers of the hardware."""
        by_object = replace(integers, met_phi=integers.met_phi[:, None])
        objects = front_end(by_object, SLOT_PIDS[self.slots], self.object_names, self.scales)
        sums = [getattr(integers, name) * self.least for name in self.sum_names]
        return (
            np.stack(objects, axis=-1).astype(np.float32),
            (integers.pt > 0).astype(np.float32),
            np.stack(sums, axis=-1).astype(np.float32),
            *self._bounds(integers, SLOT_PIDS[self.slots]),
        )

    def _bounds(self, integers: Any, pids: np.ndarray) -> tuple[np.ndarray, ...]:
        limits = bounds(integers, pids, self.sum_names, self.scales)
        return tuple((limit * self.least).astype(np.float32)[:, None] for limit in limits)

    def integers(self, events: L1Events) -> np.ndarray:
        """All that the hardware has of events, shape (n_events, n_integers), int32; a table of HardwareEvents."""
        return hardware_events(events, self.slots, self.scales).table()

    def ranges(self) -> "Ranges":
        """Return the ranges of the inputs of the network over all integers of the hardware."""
        scales, unit = self.scales, self.least
        pt = _divided(np.arange(scales.object_saturation + 1) * unit, PT_CELLS)
        eta = _divided(np.arange(scales.largest_eta + 1) * 2 * unit, ETA_CELLS)
        angles = np.arange(scales.phi_steps // 2 + 1)
        turn = 2 * np.pi / scales.phi_steps
        cosine = _divided(numpy_lookup(lambda i: np.cos(i * turn), angles, scales.table_bits), ANGLE_CELLS)
        sine = _divided(numpy_lookup(lambda i: np.sin(i * turn), angles, scales.table_bits), ANGLE_CELLS)
        n_angles = len(cosine[0]) if "along" in self.object_names else 1
        cells = [indices.ravel() for indices in np.indices((len(pt[0]), n_angles, len(eta[0])))]
        (pt_low, pt_high), (cos_low, cos_high), (sin_low, sin_high), (eta_low, eta_high) = (
            [ends[of_cell] for ends in values]
            for values, of_cell in zip((pt, cosine, sine, eta), (cells[0], cells[1], cells[1], cells[2]), strict=True)
        )
        ends = {
            "pt": (pt_low, pt_high),
            "along": (
                np.minimum(pt_low * cos_low, pt_high * cos_low),
                np.maximum(pt_low * cos_high, pt_high * cos_high),
            ),
            "across": (pt_low * sin_low, pt_high * sin_high),
            "abs_eta": (eta_low, eta_high),
        }
        of_kind = {"muon": PID_MUON, "egamma": PID_EGAMMA, "jet": PID_JET}
        kinds, counts = np.unique(SLOT_PIDS[self.slots], return_counts=True)
        lowest, highest = np.zeros((2, len(cells[0]), len(kinds) + 1, self.n_object_features))  # the last kind: empty
        for i, name in enumerate(self.object_names):
            for of_end, end in zip((lowest, highest), ends.get(name, (0.0, 0.0)), strict=True):
                of_end[:, :-1, i] = kinds == of_kind[name] if name in of_kind else np.reshape(end, (-1, 1))
        largest = np.full(self.n_sums, scales.sum_saturation * unit)
        return Ranges(lowest, highest, np.append(counts, 0), np.zeros(self.n_sums), largest)

    def features(self, events: L1Events) -> np.ndarray:
        """All that a student sees of events, shape (n_events, n_slots, n_features), float32, zero where empty."""
        objects, real, sums, *_ = self.inputs_of(hardware_events(events, self.slots, self.scales))
        return np.concatenate([objects, real[:, :, None] * sums[:, None, :]], axis=2)

    def nodes(self, events: L1Events) -> tuple[np.ndarray, np.ndarray]:
        """Which objects are real, (n_events, n_slots), and their features, (n_real, n_features), float32."""
        features = self.features(events)
        real = features[:, :, PT] > 0
        return real, features[real]

    def labels(self, events: L1Events) -> np.ndarray:
        """Correction, true variable [GeV] and what the teacher says, shape (n_events, 2 + n), float32."""
        labels = self._creator.labels(events)
        return np.concatenate([labels, self._teachings(events)], axis=1) if self._teachings else labels

    def network_inputs(self, features: np.ndarray) -> tuple[np.ndarray, ...]:
        """Divide features of events with objects into the inputs of the network.

        Parameters
        ----------
        features : np.ndarray, shape (n_events, n_slots, n_features)
            In any order of the objects.

        Returns
        -------
        objects : np.ndarray, shape (n_events, n_slots, n_object_features), float32
        real : np.ndarray, shape (n_events, n_slots), float32
            1 for real objects, 0 for empty slots.
        sums : np.ndarray, shape (n_events, n_sums), float32
        lowest, highest : np.ndarray, shape (n_events, 1), float32
            Bounds of the output.
        """
        n = self.n_object_features
        pt = features[:, :, PT]
        sums = features[:, :, n:].max(1, initial=0)
        in_steps = dict(zip(self.sum_names, sums.T / np.float32(self.least), strict=True))
        integers = SimpleNamespace(pt=pt / np.float32(self.least), **in_steps)
        is_jet = features[:, :, self.object_names.index("jet")] > 0 if "jet" in self.object_names else pt > 0
        pids = np.where(is_jet, PID_JET, 0)
        return features[:, :, :n], (pt > 0).astype(np.float32), sums, *self._bounds(integers, pids)


class StudentBatches(TrainingBatches):
    """Batches of events in the inputs of a student, all of the same shape; arguments as for GraphBatches.

    Those events of the training that are left over when all batches of an epoch are full are left out of it, others in
    each epoch; the last batch of the validation is filled up with events that have no weight.

    Parameters
    ----------
    graphs : TrainingGraphs
        Made with StudentInputs.
    validation : bool
    batch_size : int
    seed : int
    inputs : StudentInputs
    """

    def __init__(self, graphs: TrainingGraphs, validation: bool, batch_size: int, seed: int, inputs: StudentInputs):
        super().__init__(graphs, validation, batch_size, seed)
        self._inputs = inputs

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return super().__len__() if self._validation else self.n_graphs // self._batch_size

    def _divide(self, sizes: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
        return iter(np.arange(len(sizes)).reshape(-1, self._batch_size))

    def _batch(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Batch:
        features = graphs.padded(self._inputs.n_slots)
        return self._inputs.network_inputs(features), graphs.labels, graphs.weights

    def _last(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        if self._validation:
            missing = self._batch_size - len(graphs)
            filling = graphs.take(np.zeros(missing, np.int64))
            filled = RaggedGraphs.concatenate([graphs, replace(filling, weights=np.zeros(missing, np.float32))])
            yield self._batch(filled, rng)
