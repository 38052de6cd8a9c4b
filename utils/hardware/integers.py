"""Integers of the trigger: events made of them.

Objects and energy sums reach the last stage of the trigger as integers. Energies are counted in steps and saturate;
eta and phi have steps of their own.
"""

from dataclasses import dataclass

import numpy as np

from utils.event_layout import ETA, PHI, PT, SLOT_PIDS
from utils.hardware.scales import HardwareScales
from utils.l1_events import L1Events


@dataclass(frozen=True)
class HardwareEvents:
    """Events in integers, as they reach the last stage of the trigger.

    Attributes
    ----------
    pt, eta, phi : np.ndarray, shape (n_events, n_slots), int32
        Momentum and angles of the objects, in steps, zero where empty; phi from 0 to phi_steps - 1.
    met, met_phi, ht : np.ndarray, shape (n_events,), int32
        Energy sums and the direction of MET, in steps. MET is the missing momentum: its direction is opposite to the
        vector sum of the objects.
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


def largest_pt(pids: np.ndarray, scales: HardwareScales) -> np.ndarray:
    """Return the transverse momentum in steps, float32, at which objects of each kind saturate; above 0 if empty."""
    return np.array([max(scales.saturations), *scales.saturations], np.float32)[pids]


def hardware_events(events: L1Events, slots: np.ndarray, scales: HardwareScales) -> HardwareEvents:
    """Round objects and energy sums to the integers of the trigger.

    Parameters
    ----------
    events : L1Events
    slots : np.ndarray, shape (n_slots,), int
        Slots of the objects to keep. The direction of MET is from the objects of all slots.
    scales : HardwareScales
    """
    objects = events.smeared_data
    pt = _energy(objects[..., PT], scales.energy_step, largest_pt(SLOT_PIDS, scales))
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
        (_angle(np.arctan2(py, px), scales.phi_steps) + scales.half_turn) % scales.phi_steps,
        _energy(events.smeared_ht, scales.energy_step, scales.sum_saturation),
    )


def _energy(energy: np.ndarray, step: float, saturation: int | np.ndarray) -> np.ndarray:
    return np.minimum(np.rint(energy / np.float32(step)), saturation).astype(np.int32)


def _angle(phi: np.ndarray, steps: int) -> np.ndarray:
    return np.rint(phi * (steps / (2 * np.pi))).astype(np.int32) % steps
