"""Integers of the trigger: their scales, and events made of them.

Objects and energy sums reach the last stage of the trigger as integers. Energies are counted in steps and saturate;
eta and phi have steps of their own.
"""

import math
from dataclasses import dataclass

import numpy as np

from utils.event_layout import ETA, PHI, PT
from utils.formats.trigger_scales import CALORIMETER_ETA_STEP, CALORIMETER_PHI_STEPS, ENERGY_STEP
from utils.l1_events import L1Events
from utils.runtime.options import declared, flag

LARGEST_ETA = 5.5
EXACT_BITS = 24  # of whole numbers that a float32 of Keras holds exactly

# Limits of steps. The limits of the integers are chosen so that 32 bits hold all products and tables fit into memory.
SMALLEST_STEP, LARGEST_STEP = 1 / 1024, 1024


@dataclass(frozen=True, kw_only=True)
class HardwareScales:
    """Scales of the integers of the trigger.

    Muons are taken in the coarser eta and phi of the calorimeter, so that all objects share one scale. Energies above a
    saturation are set to it, and an object or a sum with this value counts as saturated.
    """

    energy_step: float = flag(
        ENERGY_STEP,
        help="step of the energies of objects and sums",
        unit="GeV",
        minimum=SMALLEST_STEP,
        maximum=LARGEST_STEP,
    )
    eta_step: float = flag(CALORIMETER_ETA_STEP, help="step of eta", minimum=SMALLEST_STEP, maximum=LARGEST_STEP)
    phi_steps: int = flag(
        CALORIMETER_PHI_STEPS,
        help="steps of phi in a full turn; even",
        minimum=4,
        maximum=1 << 16,
        schema={"multipleOf": 2},
    )
    object_saturation: int = flag(
        1023, help="largest transverse momentum of an object", unit="steps", minimum=1, maximum=1 << 20
    )
    sum_saturation: int = flag(2047, help="largest MET and HT", unit="steps", minimum=1, maximum=1 << 24)
    feature_bits: int = flag(
        7, help="unit of energy at the network's inputs is 2 to this power steps", minimum=1, maximum=16
    )
    table_bits: int = flag(
        7, help="bits after the binary point of the tables of cosine and sine", minimum=1, maximum=16
    )

    def __post_init__(self) -> None:
        """Check each value.

        Raises
        ------
        ValueError
            If a value is out of range, naming it.
        """
        for option in declared(HardwareScales):
            value, bounds = getattr(self, option.name), option.flag.bounds()
            if option.kind is int and type(value) is not int:
                raise ValueError(f"{option.name}: expected an integer, received: {value!r}")
            if not bounds["minimum"] <= value <= bounds["maximum"]:
                raise ValueError(f"{option.name}: expected {option.range()}, received: {value!r}")
        bits = self.object_saturation.bit_length() + self.table_bits
        if bits > EXACT_BITS:
            raise ValueError(
                f"object_saturation, table_bits: expected at most {EXACT_BITS} bits together, found {bits}"
            )
        if self.phi_steps % 2:
            raise ValueError(f"phi_steps: expected an even integer, received: {self.phi_steps!r}")

    @property
    def energy_unit(self) -> float:
        """Unit of energy at the input and the output of the network, in GeV."""
        return self.energy_step * 2**self.feature_bits

    @property
    def largest_eta(self) -> int:
        """Largest |eta| in steps; larger ones are set to it."""
        return math.ceil(LARGEST_ETA / self.eta_step)


@dataclass(frozen=True)
class HardwareEvents:
    """Events in integers, as they reach the last stage of the trigger.

    Attributes
    ----------
    pt, eta, phi : np.ndarray, shape (n_events, n_slots), int32
        Momentum and angles of the objects, in steps, zero where empty; phi from 0 to phi_steps - 1.
    met, met_phi, ht : np.ndarray, shape (n_events,), int32
        Energy sums and the direction of MET, in steps.
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
    def from_table(cls, rows: np.ndarray) -> "HardwareEvents":
        """Return the events of a :meth:`table`."""
        pt, eta, phi = np.split(rows[:, :-3], 3, axis=1)
        return cls(pt, eta, phi, *rows[:, -3:].T)


def hardware_events(events: L1Events, slots: slice, scales: HardwareScales) -> HardwareEvents:
    """Round objects and energy sums to the integers of the trigger.

    Parameters
    ----------
    events : L1Events
    slots : slice
        Slots of the objects to keep. The direction of MET is from the objects of all slots.
    scales : HardwareScales
    """
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
