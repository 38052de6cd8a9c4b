"""Inputs of the student's network: features of the objects in fixed slots, energy sums, and bounds of the output."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from utils.data_processing import GraphCreator
from utils.event_layout import N_SLOTS, PID_EGAMMA, PID_EMPTY, PID_JET, PID_MUON, PT, SLOT_NAMES, SLOT_PIDS
from utils.hardware.front_end import front_end, output_bounds
from utils.hardware.integers import HardwareEvents, hardware_events
from utils.hardware.leading_objects import ALL_OBJECTS, LeadingObjects
from utils.hardware.scales import HardwareScales
from utils.l1_events import L1Events

OBJECT_FEATURES = {
    "true_met": ("pt", "along", "across", "abs_eta", "muon", "egamma", "jet"),
    "true_ht": ("pt", "abs_eta"),
}
OBJECT_FEATURES["original_met"] = OBJECT_FEATURES["true_met"]
KINDS = {"muon": PID_MUON, "egamma": PID_EGAMMA, "jet": PID_JET}
# The network corrects the first of the sums.
SUM_FEATURES = {"true_met": ("met", "ht"), "true_ht": ("ht",), "original_met": ("met", "ht")}


def leading_slots(creator: GraphCreator, leading: LeadingObjects) -> np.ndarray:
    """Return the slots of the leading objects among those of a creator, shape (n_slots,), int.

    Raises
    ------
    ValueError
        If a number of objects is out of range, naming it.
    """
    numbers = leading.numbers(creator.variable)
    slots = [np.arange(N_SLOTS)[of_kind][: numbers[f"n_{kind}"]] for kind, of_kind in SLOT_NAMES.items()]
    return np.intersect1d(np.concatenate(slots), np.arange(N_SLOTS)[creator.slots])


class StudentInputs:
    """Inputs of the student's network.

    Parameters
    ----------
    creator : GraphCreator
        Creator of the same variable, which decides which objects are used.
    scales : HardwareScales
    floor : callable, optional
        Lowest corrected sum by the L1 sum, both in GeV, shape (n_events,).
    leading : LeadingObjects
        Objects that enter the network; by default all that the creator uses.

    Attributes
    ----------
    variable : str
    slots : np.ndarray, shape (n_slots,), int
        Slots of the objects.
    scales : HardwareScales
    floor : callable or None
    object_names, sum_names : tuple of str
        Features of an object, and energy sums.
    feature_names : tuple of str
        `object_names`, then `sum_names`.
    n_object_features, n_sums, n_slots : int
    input_step : float
        A step of energy, in the unit of the network's inputs.
    """

    def __init__(
        self,
        creator: GraphCreator,
        scales: HardwareScales,
        floor: Callable[[np.ndarray], np.ndarray] | None = None,
        leading: LeadingObjects = ALL_OBJECTS,
    ):
        self.variable, self.scales, self.floor = creator.variable, scales, floor
        self.slots = leading_slots(creator, leading)
        self.object_names, self.sum_names = OBJECT_FEATURES[self.variable], SUM_FEATURES[self.variable]
        self.feature_names = (*self.object_names, *self.sum_names)
        self.n_object_features, self.n_sums = len(self.object_names), len(self.sum_names)
        self.n_slots = len(self.slots)
        self.input_step = 2.0**-scales.feature_bits

    def integers(self, events: L1Events) -> np.ndarray:
        """Round events to integers, shape (n_events, n_integers), int32, a table of HardwareEvents."""
        return hardware_events(events, self.slots, self.scales).table()

    def network_inputs(self, integers: HardwareEvents) -> tuple[np.ndarray, ...]:
        """Compute the inputs of the network from the integers of the trigger.

        Returns
        -------
        objects : np.ndarray, shape (n_events, n_slots, n_object_features), float32
        real : np.ndarray, shape (n_events, n_slots), float32
            1 for real objects, 0 for empty slots.
        sums : np.ndarray, shape (n_events, n_sums), float32
        lowest, highest : np.ndarray, shape (n_events, 1), float32
            Bounds of the output.
        """
        with_object_axis = replace(integers, met_phi=integers.met_phi[:, None])
        objects = front_end(with_object_axis, SLOT_PIDS[self.slots], self.object_names, self.scales)
        sums = [getattr(integers, name) * self.input_step for name in self.sum_names]
        return (
            np.stack(objects, axis=-1).astype(np.float32),
            (integers.pt > 0).astype(np.float32),
            np.stack(sums, axis=-1).astype(np.float32),
            *self._bounds(integers, SLOT_PIDS[self.slots]),
        )

    def _bounds(self, integers: Any, pids: np.ndarray) -> tuple[np.ndarray, ...]:
        bounds = output_bounds(integers, pids, self.sum_names, self.scales, self.floor)
        return tuple((bound * self.input_step).astype(np.float32)[:, None] for bound in bounds)

    def features(self, events: L1Events) -> np.ndarray:
        """Compute the features of objects, with the energy sums of the event appended to each real object.

        Returns
        -------
        np.ndarray, shape (n_events, n_slots, n_features), float32
            Zero where empty.
        """
        objects, real, sums, *_ = self.network_inputs(hardware_events(events, self.slots, self.scales))
        return np.concatenate([objects, real[:, :, None] * sums[:, None, :]], axis=2)

    def split_features(self, features: np.ndarray) -> tuple[np.ndarray, ...]:
        """Divide features of events with objects into the inputs of the network, as `network_inputs` returns them.

        Parameters
        ----------
        features : np.ndarray, shape (n_events, n_slots, n_features)
            From `features`; the objects may be in any order.
        """
        n = self.n_object_features
        pt = features[:, :, PT]
        sums = features[:, :, n:].max(1, initial=0)
        sums_in_steps = dict(zip(self.sum_names, sums.T / np.float32(self.input_step), strict=True))
        integers = SimpleNamespace(pt=pt / np.float32(self.input_step), **sums_in_steps)
        pids = np.where(pt > 0, PID_JET, PID_EMPTY)
        for name, pid in KINDS.items():
            if name in self.object_names:
                pids[features[:, :, self.object_names.index(name)] > 0] = pid
        return features[:, :, :n], (pt > 0).astype(np.float32), sums, *self._bounds(integers, pids)
