"""Ranges of physical quantities, the same for all readers: momenta in GeV, angles in radians.

A slot with pT = 0 is empty: its other numbers are not checked and become 0. The phi of an object is wrapped to
(-pi, pi].
"""

import numpy as np

from utils.event_layout import ETA, PHI, PT
from utils.runtime.compiled import inlined

# No object has more than the 7 TeV of a beam of the LHC. A jet above 7 GeV whose pT is in MeV exceeds the limit.
LARGEST_TRUE_PT = 7_000.0
LARGEST_L1_PT = 30_000.0  # of L1 objects and sums, with room for several objects and the resolution of L1
LARGEST_ETA = 6.0  # beyond all calorimeters
PI, TURN = np.float32(np.pi), np.float32(2 * np.pi)

ANGLES = -float(TURN), float(TURN), "radians from -2 pi to 2 pi"

VALID = -1
QUANTITIES = {PT: "pT", ETA: "eta", PHI: "phi"}


@inlined
def invalid_quantity(pt: float, eta: float, phi: float, largest_pt: float) -> int:
    """Return the first quantity of an object that is out of range, or `VALID`."""
    if not 0 <= pt <= largest_pt:
        return PT
    if not abs(eta) <= LARGEST_ETA:
        return ETA
    if not abs(phi) <= TURN:
        return PHI
    return VALID


@inlined
def wrap_phi(phi: np.float32) -> np.float32:
    """Wrap an angle between -2 pi and 2 pi to (-pi, pi]."""
    if phi > PI:
        return np.float32(phi - 2 * np.pi)
    if phi <= -PI:
        return np.float32(phi + 2 * np.pi)
    return phi


def wrapped(phi: np.ndarray) -> np.ndarray:
    """Wrap angles to [-pi, pi], float32; NaN stays."""
    return phi - TURN * np.round(phi / TURN)


def describe_invalid(quantity: int, found: float, largest_pt: float) -> str:
    """Describe the expected range of a quantity, and the value found."""
    expected = {
        PT: f"GeV from 0 to {largest_pt:g}",
        ETA: f"values from {-LARGEST_ETA:g} to {LARGEST_ETA:g}",
        PHI: ANGLES[2],
    }
    return f"expected {expected[quantity]}, found {found:g}"
