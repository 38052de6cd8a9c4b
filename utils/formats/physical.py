"""What the numbers of a file have to be, the same for all readers: momenta in GeV, angles of a detector in radians.

An object is there where its pT is above 0. A slot whose pT is 0 is empty: nothing else in it is looked at, and all of
it becomes 0. The phi of an object is brought into (-pi, pi].
"""

import numpy as np

from utils.event_layout import ETA, PHI, PT
from utils.runtime.compiled import inlined

# No beam of the LHC has more energy than 7 TeV, so that no object has. A jet of 7 GeV has more if it is in MeV.
LARGEST_TRUE_PT = 7_000.0
LARGEST_L1_PT = 30_000.0  # of L1 objects and of sums: room for several objects and for the resolution of L1
LARGEST_ETA = 6.0  # beyond all calorimeters
PI, TURN = np.float32(np.pi), np.float32(2 * np.pi)

VALID = -1
QUANTITIES = {PT: "pT", ETA: "eta", PHI: "phi"}


@inlined
def invalid_quantity(pt: float, eta: float, phi: float, largest_pt: float) -> int:
    """Return which quantity of an object is out of its range, or `VALID`."""
    if not 0 <= pt <= largest_pt:
        return PT
    if not abs(eta) <= LARGEST_ETA:
        return ETA
    if not abs(phi) <= TURN:
        return PHI
    return VALID


@inlined
def wrap_phi(phi: np.float32) -> np.float32:
    """Bring an angle of at most a turn into (-pi, pi]."""
    if phi > PI:
        return np.float32(phi - 2 * np.pi)
    if phi <= -PI:
        return np.float32(phi + 2 * np.pi)
    return phi


def describe_invalid(quantity: int, found: float, largest_pt: float) -> str:
    """Say what was expected of a quantity, and what was found."""
    expected = {
        PT: f"GeV from 0 to {largest_pt:g}",
        ETA: f"values from {-LARGEST_ETA:g} to {LARGEST_ETA:g}",
        PHI: "radians from -2 pi to 2 pi",
    }
    return f"expected {expected[quantity]}, found {found:g}"
