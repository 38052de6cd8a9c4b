"""Events at Level 1 and their energy sums. Momenta are in GeV, angles in radians."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.event_layout import FIRST_JET, JETS, N_SLOTS, PHI, PT
from utils.runtime.compiled import compiled, inlined

L1_SUMS = ("l1_htt", "l1_etm", "l1_htm", "l1_etmhf")  # of the trigger itself
L1_DIRECTIONS = {name: f"{name}_phi" for name in L1_SUMS if name != "l1_htt"}  # a scalar sum has none


@compiled
def met(objects: np.ndarray) -> np.ndarray:
    """Return the length of the vector sum of the transverse momenta of all objects, in GeV, float32."""
    length = np.empty(len(objects), np.float32)
    for event in range(len(objects)):
        length[event] = event_met(objects, event)
    return length


@compiled
def met_angle(objects: np.ndarray, true_objects: np.ndarray) -> np.ndarray:
    """Return the angle from the MET vector of other objects of the same events to that of `objects`.

    Parameters
    ----------
    objects, true_objects : np.ndarray, shape (n_events, n_objects, 3)

    Returns
    -------
    np.ndarray, shape (n_events,), float32
        In radians, from -pi to pi; NaN where one of the vectors is 0.
    """
    angle = np.empty(len(objects), np.float32)
    for event in range(len(objects)):
        px, py = event_vector(objects, event)
        true_px, true_py = event_vector(true_objects, event)
        known = (px != 0 or py != 0) and (true_px != 0 or true_py != 0)
        angle[event] = np.arctan2(true_px * py - true_py * px, true_px * px + true_py * py) if known else np.nan
    return angle


@inlined
def event_met(objects: np.ndarray, event: int) -> float:
    """Return the MET of one event."""
    px, py = event_vector(objects, event)
    return np.sqrt(px**2 + py**2)


@inlined
def event_vector(objects: np.ndarray, event: int) -> tuple[float, float]:
    """Return the vector sum of the transverse momenta of the objects of one event; MET is opposite to it.

    Sine and cosine have single precision: the rounding of the angles themselves moves the sum just as much.
    """
    px, py = 0.0, 0.0
    for i in range(objects.shape[1]):
        pt, phi = np.float64(objects[event, i, PT]), objects[event, i, PHI]
        if pt > 0:
            px += pt * np.cos(phi)
            py += pt * np.sin(phi)
    return px, py


@compiled
def ht(objects: np.ndarray) -> np.ndarray:
    """Return the scalar sum of the transverse momenta of the jets, in GeV, float32."""
    total = np.empty(len(objects), np.float32)
    for event in range(len(objects)):
        total[event] = event_ht(objects, event)
    return total


@inlined
def event_ht(objects: np.ndarray, event: int) -> float:
    """Return the HT of one event."""
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
        Objects at L1 and at offline resolution: pT [GeV], eta, phi of muons, e/g and jets; zero in empty slots.
        ``true_data`` is None if it was not read.
    smeared_met, smeared_ht, true_met, true_ht, original_met : np.ndarray, shape (n_events,), float32
        Energy sums in GeV.
    ids : np.ndarray, shape (n_events,), int32
        Process of each event.
    weights : np.ndarray, shape (n_events,), float32
        Cross-section weight in pb, 1 in files without weights. After the selective sampling it is divided by the keep
        probability, so that the sampling does not change weighted spectra.
    keep_probability : np.ndarray, shape (n_events,), float32, or None
        Keep probability of the selective sampling; None without sampling.
    l1_htt, l1_etm, l1_htm, l1_etmhf : np.ndarray, shape (n_events,), float32, or None
        Energy sums of the trigger itself in GeV: total HT, missing ET without and with the forward calorimeter, missing
        HT. NaN in events without one; None in files without them.
    l1_etm_phi, l1_htm_phi, l1_etmhf_phi : np.ndarray, shape (n_events,), float32, or None
        Directions of these sums in radians.
    true_met_phi : np.ndarray, shape (n_events,), float32, or None
        Direction of the true MET in radians where it is not that of ``true_data``; NaN in other events.
    PV_npvs, Pileup_nTrueInt : np.ndarray, shape (n_events,), float32, or None
        Number of reconstructed vertices, and mean number of collisions from which the pile-up of the event was drawn.
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
    l1_htt: np.ndarray | None = None
    l1_etm: np.ndarray | None = None
    l1_htm: np.ndarray | None = None
    l1_etmhf: np.ndarray | None = None
    l1_etm_phi: np.ndarray | None = None
    l1_htm_phi: np.ndarray | None = None
    l1_etmhf_phi: np.ndarray | None = None
    true_met_phi: np.ndarray | None = None
    PV_npvs: np.ndarray | None = None
    Pileup_nTrueInt: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.ids)

    def __getitem__(self, rows: slice | np.ndarray) -> "L1Events":
        """Return some of the events: a slice, a mask or indices. Events that a mask takes whole are not copied."""
        if isinstance(rows, np.ndarray) and rows.dtype == bool:
            if rows.all():
                return self
            rows = np.flatnonzero(rows)  # NumPy gathers indices five times faster
        columns: dict[str, Any] = {
            name: column if column is None else _some(column, rows) for name, column in vars(self).items()
        }
        return L1Events(**columns)

    @classmethod
    def of_objects(cls, objects: np.ndarray, process_id: int = 0) -> "L1Events":
        """Return events of one process that have L1 objects only: their sums are computed, true sums are NaN.

        Parameters
        ----------
        objects : np.ndarray, shape (n_events, 18, 3), float32
            pT [GeV], eta, phi of 4 muons, 4 e/g and 10 jets; empty where pT = 0.
        process_id : int
        """
        unknown = np.full(len(objects), np.nan, np.float32)
        return cls(
            smeared_data=objects,
            true_data=None,
            smeared_met=met(objects),
            smeared_ht=ht(objects),
            true_met=unknown,
            true_ht=unknown,
            original_met=unknown,
            ids=np.full(len(objects), process_id, np.int32),
            weights=np.ones(len(objects), np.float32),
        )

    @property
    def true_recoil(self) -> np.ndarray | None:
        """Objects whose vector sum balances the true MET, shape (n_events, 18, 3); None without ``true_data``."""
        if self.true_data is None or self.true_met_phi is None:
            return self.true_data
        known = ~np.isnan(self.true_met_phi)
        objects = np.where(known[:, None, None], np.float32(0), self.true_data)
        objects[known, 0, PT] = self.true_met[known]
        objects[known, 0, PHI] = self.true_met_phi[known] + np.pi
        return objects

    @classmethod
    def concatenate(cls, parts: "Sequence[L1Events]") -> "L1Events":
        """Join parts in their order; a column that one of them lacks is None."""
        found = {name: [getattr(part, name) for part in parts] for name in vars(parts[0])}
        columns: dict[str, Any] = {
            name: None if any(column is None for column in values) else np.concatenate(values)
            for name, values in found.items()
        }
        return cls(**columns)


def _some(column: np.ndarray, rows: slice | np.ndarray) -> np.ndarray:
    """Return some rows of a column; `take` is three times as fast as an index."""
    return column[rows] if isinstance(rows, slice) else column.take(rows, axis=0)
