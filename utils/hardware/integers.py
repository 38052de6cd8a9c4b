"""What the hardware of the trigger has of an event: integers, and what a student makes of them.

Objects and energy sums reach the trigger's last stage as integers: transverse energy in steps of 0.5 GeV that saturate,
eta and phi in steps of their own. A student sees a few numbers of each object, made of these integers by additions, a
comparison and a table of the cosine and the sine, all of which the firmware does as well: :func:`front_end` and
:func:`bounds` are the one definition, applied to NumPy arrays by the training and to symbols by the export.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.data_processing import ETA, PHI, PID_EGAMMA, PID_JET, PID_MUON, PT, L1Events

ENERGY_STEP = 0.5  # GeV
CALORIMETER_ETA_STEP, CALORIMETER_PHI_STEPS = 0.0870 / 2, 144
MUON_ETA_STEP, MUON_PHI_STEPS = 0.0870 / 8, 576
LARGEST_ETA = 5.5
EXACT_BITS = 24  # of the whole numbers that a float32 of Keras holds

# What a look-up makes of an integer: its function, here a cosine or a sine, as a multiple of 2^-bits.
Lookup = Callable[[Callable[[Any], Any], Any, int], Any]


# What a record may say: integers of 32 bits hold all products, and tables fit into memory.
LARGEST_STEP = 1024
MOST = {
    "phi_steps": 1 << 16,
    "object_saturation": 1 << 20,
    "sum_saturation": 1 << 24,
    "feature_bits": 16,
    "table_bits": 16,
}


@dataclass(frozen=True)
class HardwareScales:
    """How the integers of the trigger are scaled.

    Muons are taken in the coarser eta and phi of the calorimeter, so that all objects share one scale.

    Attributes
    ----------
    energy_step : float
        In GeV, of objects and sums.
    eta_step : float
    phi_steps : int
        Steps of a full turn; even.
    object_saturation, sum_saturation : int
        Largest transverse energy of an object and of MET and HT, in steps. Larger ones are set to it; what is as large
        is saturated.
    feature_bits : int
        A student sees energies in units of 2^feature_bits steps, and eta in units of 2^(feature_bits - 1) steps.
    table_bits : int
        Bits after the binary point of the cosine and the sine.
    """

    energy_step: float = ENERGY_STEP
    eta_step: float = CALORIMETER_ETA_STEP
    phi_steps: int = CALORIMETER_PHI_STEPS
    object_saturation: int = 1023
    sum_saturation: int = 2047
    feature_bits: int = 7
    table_bits: int = 7

    def __post_init__(self) -> None:
        """Check each value.

        Raises
        ------
        ValueError
            If a value is out of range, naming it.
        """
        for name in ("energy_step", "eta_step"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name}: expected a number > 0, received: {getattr(self, name)!r}")
            if not 1 / LARGEST_STEP <= getattr(self, name) <= LARGEST_STEP:
                raise ValueError(
                    f"{name}: expected from {1 / LARGEST_STEP:g} to {LARGEST_STEP}, received: {getattr(self, name)!r}"
                )
        for name, most in MOST.items():
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"{name}: expected an integer of at least 1, received: {value!r}")
            if value > most:
                raise ValueError(f"{name}: expected at most {most}, received: {value!r}")
        bits = self.object_saturation.bit_length() + self.table_bits
        if bits > EXACT_BITS:
            raise ValueError(
                f"object_saturation, table_bits: expected at most {EXACT_BITS} bits together, found {bits}"
            )
        if self.phi_steps < 4 or self.phi_steps % 2:
            raise ValueError(f"phi_steps: expected an even integer of at least 4, received: {self.phi_steps!r}")

    @property
    def energy_unit(self) -> float:
        """The energy in GeV that a student sees as 1."""
        return self.energy_step * 2**self.feature_bits

    @property
    def largest_eta(self) -> int:
        """The largest |eta| in steps; larger ones are set to it."""
        return math.ceil(LARGEST_ETA / self.eta_step)


@dataclass(frozen=True)
class HardwareEvents:
    """Events as the trigger's last stage has them, in steps.

    Attributes
    ----------
    pt, eta, phi : np.ndarray, shape (n_events, n_slots), int32
        Of the objects, zero where empty; phi from 0 to phi_steps - 1.
    met, met_phi, ht : np.ndarray, shape (n_events,), int32
        Energy sums and the direction of MET.
    """

    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    met: np.ndarray
    met_phi: np.ndarray
    ht: np.ndarray

    def table(self) -> np.ndarray:
        """Put all integers of an event in a row, shape (n_events, 3 n_slots + 3), int32."""
        sums = np.stack([self.met, self.met_phi, self.ht], axis=1)
        return np.concatenate([self.pt, self.eta, self.phi, sums], axis=1).astype(np.int32)

    @classmethod
    def of_table(cls, rows: np.ndarray) -> "HardwareEvents":
        """Undo :meth:`table`."""
        pt, eta, phi = np.split(rows[:, :-3], 3, axis=1)
        return cls(pt, eta, phi, *rows[:, -3:].T)


def hardware_events(events: L1Events, slots: slice, scales: HardwareScales) -> HardwareEvents:
    """Round the objects in some slots, and the sums, of events to the integers of the trigger."""
    objects = events.smeared_data
    pt = _energy(objects[..., PT], scales.energy_step, scales.object_saturation)
    px = (objects[..., PT] * np.cos(objects[..., PHI])).sum(1, dtype=np.float64)
    py = (objects[..., PT] * np.sin(objects[..., PHI])).sum(1, dtype=np.float64)
    eta = np.where(pt > 0, np.rint(objects[..., ETA] / np.float32(scales.eta_step)), 0)
    eta = np.clip(eta, -scales.largest_eta, scales.largest_eta).astype(np.int32)
    phi = np.where(pt > 0, _angle(objects[..., PHI], scales.phi_steps), 0)
    return HardwareEvents(
        pt[:, slots],
        eta[:, slots],
        phi[:, slots],
        _energy(events.smeared_met, scales.energy_step, scales.sum_saturation),
        _angle(np.arctan2(py, px), scales.phi_steps),
        _energy(events.smeared_ht, scales.energy_step, scales.sum_saturation),
    )


def _energy(energy: np.ndarray, step: float, saturation: int) -> np.ndarray:
    return np.minimum(np.rint(energy / np.float32(step)), saturation).astype(np.int32)


def _angle(phi: np.ndarray, steps: int) -> np.ndarray:
    return np.rint(phi * (steps / (2 * np.pi))).astype(np.int32) % steps


def numpy_lookup(function: Callable[[np.ndarray], np.ndarray], index: np.ndarray, bits: int) -> np.ndarray:
    """Look a function up in a table, of which each entry is rounded to a multiple of 2^-bits."""
    table = np.rint(function(np.arange(int(index.max(initial=0)) + 1)) * 2**bits) / 2**bits
    return table[index]


def front_end(
    event: Any, pids: np.ndarray, names: Sequence[str], scales: HardwareScales, lookup: Lookup = numpy_lookup
) -> list[Any]:
    """Make what a student sees of each object, exactly as the firmware does.

    Parameters
    ----------
    event : HardwareEvents or alike
        Integers, or symbols of them: `pt`, `eta`, `phi` of objects, and `met_phi` that can be subtracted from `phi`.
    pids : np.ndarray
        Kind of each object, broadcast against `pt`.
    names : sequence of str
        Which features: "pt"; "along" and "across", the components along and, without its sign, across the direction of
        MET; "abs_eta"; "muon", "egamma" and "jet", which are 1 for objects of that kind.
    scales : HardwareScales
    lookup : callable
        How a table is looked up in.

    Returns
    -------
    list
        The features in the order of `names`, each a multiple of a power of two, 0 for empty objects.
    """
    unit = 2.0**-scales.feature_bits
    turn = 2 * np.pi / scales.phi_steps
    angle = abs(event.phi - event.met_phi)
    angle = np.minimum(angle, scales.phi_steps - angle)
    real = event.pt > 0
    make: dict[str, Callable[[], Any]] = {
        "pt": lambda: event.pt * unit,
        "along": lambda: event.pt * lookup(lambda i: np.cos(i * turn), angle, scales.table_bits) * unit,
        "across": lambda: event.pt * lookup(lambda i: np.sin(i * turn), angle, scales.table_bits) * unit,
        "abs_eta": lambda: abs(event.eta) * (2 * unit),
        "muon": lambda: real * (pids == PID_MUON),
        "egamma": lambda: real * (pids == PID_EGAMMA),
        "jet": lambda: real * (pids == PID_JET),
    }
    return [make[name]() for name in names]


def bounds(event: Any, pids: np.ndarray, sum_names: Sequence[str], scales: HardwareScales) -> tuple[Any, Any]:
    """Return the least and the largest corrected sum that an event may have, in steps, exactly as the firmware does.

    What saturates is accepted: the corrected sum is saturated where a sum or an object is. Without a jet, or where the
    sum is 0, there is nothing to correct: both bounds are the sum of L1 itself. Other events have the whole range.

    Parameters
    ----------
    event : HardwareEvents or alike
        Integers, or symbols of them: `pt` of objects, and the sums.
    pids : np.ndarray
        Kind of each object, broadcast against `pt`.
    sum_names : sequence of str
        The sums that a student sees, of which the first is the one to correct.
    scales : HardwareScales
    """
    own = getattr(event, sum_names[0])
    saturated = np.any(event.pt == scales.object_saturation, axis=-1)
    for name in sum_names:
        saturated = saturated | (getattr(event, name) == scales.sum_saturation)
    corrected = np.any((event.pt > 0) * (pids == PID_JET), axis=-1) & (own > 0)
    lowest = np.where(saturated, scales.sum_saturation, np.where(corrected, 0, own))
    return lowest, np.where(saturated | corrected, scales.sum_saturation, own)
