"""Leading objects of events, from lists of any length into slots."""

import numpy as np

from utils.event_layout import ETA, PHI, PT
from utils.formats.physical import VALID, invalid_quantity, wrap_phi
from utils.runtime.compiled import compiled, inlined


@inlined
def insert_leading(leading: np.ndarray, n_kept: int, values: np.ndarray, i: int) -> int:
    """Insert object i among the leading ones, in descending order of their values; return how many there are.

    Of equal objects the earlier stays in front.
    """
    place = n_kept
    while place > 0 and values[leading[place - 1]] < values[i]:
        if place < len(leading):
            leading[place] = leading[place - 1]
        place -= 1
    if place < len(leading):
        leading[place] = i
        n_kept = min(n_kept + 1, len(leading))
    return n_kept


@compiled
def fill_leading(
    slots: np.ndarray,
    sizes: np.ndarray,
    pt: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    taken: np.ndarray,
    largest_pt: float,
) -> tuple[int, int, float]:
    """Put the leading objects of each event into its slots, in descending order of pT; equal ones keep their order.

    Parameters
    ----------
    slots : np.ndarray, shape (n_events, n_slots, 3 or more), float32
        Changed in place: pT [GeV], eta, phi in (-pi, pi].
    sizes : np.ndarray, shape (n_events,), int64
        Number of objects of each event.
    pt, eta, phi : np.ndarray, shape (n_objects,), float32
        Of all objects, event after event.
    taken : np.ndarray, shape (n_objects,), bool
        Other objects are left out, and not checked. Objects with a pT of 0 are left out.
    largest_pt : float
        In GeV.

    Returns
    -------
    event, quantity, value : int, int, float
        The first object that is not physical; the quantity is `VALID` if all are.
    """
    first = 0
    leading = np.empty(slots.shape[1], np.int64)
    for event in range(len(sizes)):
        n_kept = 0
        for i in range(first, first + sizes[event]):
            if not taken[i] or pt[i] == 0:
                continue
            wrong = invalid_quantity(pt[i], eta[i], phi[i], largest_pt)
            if wrong == PT:
                return event, PT, pt[i]
            if wrong == ETA:
                return event, ETA, eta[i]
            if wrong == PHI:
                return event, PHI, phi[i]
            n_kept = insert_leading(leading, n_kept, pt, i)
        for slot in range(n_kept):
            i = leading[slot]
            slots[event, slot, PT] = pt[i]
            slots[event, slot, ETA] = eta[i]
            slots[event, slot, PHI] = wrap_phi(phi[i])
        first += sizes[event]
    return 0, VALID, 0.0
