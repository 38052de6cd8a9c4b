"""Objects of the CMS Level-1 trigger as lists of integers, and their conversion to the slots of an event.

An energy step is 0.5 GeV; the energy of a muon counts from 1. Calorimeter objects have steps of 0.0870/2 in eta and
2 pi/144 in phi, muons of 0.0870/8 and 2 pi/576.
"""

from dataclasses import dataclass

import numpy as np

from utils.event_layout import EGAMMAS, ETA, JETS, MUONS, PHI, PT
from utils.formats.leading_objects import insert_leading
from utils.formats.physical import LARGEST_ETA, LARGEST_L1_PT, VALID
from utils.formats.trigger_scales import (
    CALORIMETER_ETA_STEP,
    CALORIMETER_PHI_STEPS,
    EGAMMA_SATURATION,
    ENERGY_STEP,
    JET_SATURATION,
    JET_THRESHOLD,
    MUON_ETA_STEP,
    MUON_FIRST_STEP,
    MUON_PHI_STEPS,
    MUON_SATURATION,
    SUM_SATURATION,
)
from utils.l1_events import L1_SUMS, L1Events
from utils.runtime.compiled import compiled


@dataclass(frozen=True)
class ObjectKind:
    """Columns and scales of the objects of one kind.

    Attributes
    ----------
    prefix : str
        Prefix of the columns, and name of the folder.
    columns : tuple of str
        Transverse energy, eta, phi, without the prefix.
    slots : slice
    saturated : int
        Integer of the largest energy, which all larger energies have too.
    first_step : int
        Integer of 0 GeV.
    eta_step : float
    phi_steps : int
        Steps of a full turn.
    threshold : float
        In GeV; objects below are left out.
    """

    prefix: str
    columns: tuple[str, str, str]
    slots: slice
    saturated: int
    first_step: int
    eta_step: float
    phi_steps: int
    threshold: float

    @property
    def largest_pt(self) -> float:
        """Largest energy in GeV."""
        return (self.saturated - self.first_step) * ENERGY_STEP

    @property
    def names(self) -> tuple[str, ...]:
        """The columns with their prefix."""
        return tuple(f"{self.prefix}_{column}" for column in self.columns)


CALORIMETER_STEPS = (CALORIMETER_ETA_STEP, CALORIMETER_PHI_STEPS)
MUON_STEPS = (MUON_ETA_STEP, MUON_PHI_STEPS)
KINDS = (
    ObjectKind(
        "muons",
        ("muonIEt", "muonIEtaAtVtx", "muonIPhiAtVtx"),
        MUONS,
        MUON_FIRST_STEP + MUON_SATURATION,
        MUON_FIRST_STEP,
        *MUON_STEPS,
        0.0,
    ),
    ObjectKind("egammas", ("egIEt", "egIEta", "egIPhi"), EGAMMAS, EGAMMA_SATURATION, 0, *CALORIMETER_STEPS, 0.0),
    ObjectKind("jets", ("jetIEt", "jetIEta", "jetIPhi"), JETS, JET_SATURATION, 0, *CALORIMETER_STEPS, JET_THRESHOLD),
)


SATURATED = "saturated"  # name of such events in the cutflow
LARGEST_SUM = SUM_SATURATION * ENERGY_STEP  # GeV


def saturated_events(events: L1Events) -> np.ndarray:
    """Return which events have an object or an energy sum that saturates in the integers of the trigger.

    Sums of the trigger itself count where they are known.

    Returns
    -------
    np.ndarray, shape (n_events,), bool
    """
    saturated = np.maximum(events.smeared_met, events.smeared_ht) >= LARGEST_SUM
    for name in L1_SUMS:
        if (sums := getattr(events, name)) is not None:
            saturated |= sums >= LARGEST_SUM
    for kind in KINDS:
        saturated |= (events.smeared_data[:, kind.slots, PT] >= kind.largest_pt).any(axis=1)
    return saturated


class OutOfRangeError(ValueError):
    """An object with an impossible energy, eta or phi (`quantity`)."""

    def __init__(self, event: int, quantity: int, expected: str, found: int):
        super().__init__(f"expected {expected}, found {found}")
        self.event, self.quantity = event, quantity


def fill_slots(
    objects: np.ndarray, kind: ObjectKind, sizes: np.ndarray, et: np.ndarray, eta: np.ndarray, phi: np.ndarray
) -> int:
    """Put the leading objects of a kind into its slots, in descending order of their energy.

    Parameters
    ----------
    objects : np.ndarray, shape (n_events, 18, 3), float32
        Changed in place: pT [GeV], eta, phi in (-pi, pi].
    kind : ObjectKind
    sizes : np.ndarray, shape (n_events,), int64
        Number of objects of each event.
    et, eta, phi : np.ndarray, shape (n_objects,), int32
        In steps, event after event, in any order within an event.

    Returns
    -------
    int
        Number of saturated objects in the slots.

    Raises
    ------
    OutOfRangeError
        If an object in a slot is out of range.
    """
    first_kept = kind.first_step + max(1, int(np.ceil(kind.threshold / ENERGY_STEP)))
    energies = kind.first_step, first_kept, kind.saturated
    largest = int(LARGEST_L1_PT / ENERGY_STEP), int(LARGEST_ETA / kind.eta_step), kind.phi_steps
    steps = kind.eta_step, kind.phi_steps
    n_saturated, event, quantity, found = _fill(objects[:, kind.slots], sizes, et, eta, phi, energies, steps, largest)
    if quantity != VALID:
        lowest = 0 if quantity == PT else -largest[quantity]
        raise OutOfRangeError(event, quantity, f"steps from {lowest} to {largest[quantity]}", found)
    return int(n_saturated)


@compiled
def _fill(
    slots: np.ndarray,
    sizes: np.ndarray,
    et: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    energies: tuple[int, int, int],
    steps: tuple[float, int],
    largest: tuple[int, int, int],
) -> tuple[int, int, int, int]:
    """Fill the slots; return the number of saturated objects, and event, quantity and value of the first bad one."""
    zero, first_kept, saturated = energies
    eta_step, phi_steps = steps
    n_saturated, first = 0, 0
    leading = np.empty(slots.shape[1], np.int64)
    for event in range(len(sizes)):
        n_kept = 0
        for i in range(first, first + sizes[event]):
            if et[i] < first_kept:
                continue
            n_kept = insert_leading(leading, n_kept, et, i)
        for slot in range(n_kept):
            i = leading[slot]
            if et[i] > largest[PT]:
                return 0, event, PT, et[i]
            if abs(eta[i]) > largest[ETA]:
                return 0, event, ETA, eta[i]
            if abs(phi[i]) > largest[PHI]:
                return 0, event, PHI, phi[i]
            n_saturated += et[i] >= saturated
            beyond = phi_steps // 2 - 1  # steps in (-pi, 0)
            slots[event, slot, PT] = (et[i] - zero) * ENERGY_STEP
            slots[event, slot, ETA] = eta[i] * eta_step
            slots[event, slot, PHI] = ((phi[i] + beyond) % phi_steps - beyond) * (2 * np.pi / phi_steps)
        first += sizes[event]
    return n_saturated, 0, VALID, 0
