"""Front end of the student: features of the objects and bounds of the output, computed from the trigger's integers.

It consists of additions, comparisons, and tables of cosine, sine and the lowest corrected sum. Training and firmware
share this definition: the training applies it to NumPy arrays, the export to symbols that record logic.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from utils.event_layout import PID_EGAMMA, PID_JET, PID_MUON
from utils.hardware.integers import largest_pt
from utils.hardware.scales import HardwareScales

FLOOR_BITS = 3  # lowest bits of the L1 sum that do not count in the table of the floor, which keeps it small


class Lookup(Protocol):
    """Look-up of a function of an integer in a table."""

    def __call__(self, function: Callable[[Any], Any], index: Any, bits: int, left_out: int = 0) -> Any:
        """Look up values that are rounded to multiples of 2^-bits.

        The lowest `left_out` bits of the index do not count; the function gets the index without them, shifted.
        """


def numpy_lookup(
    function: Callable[[np.ndarray], np.ndarray], index: np.ndarray, bits: int, left_out: int = 0
) -> np.ndarray:
    """Look up a function in an array; see :class:`Lookup`."""
    index = (index // 2**left_out).astype(np.int64)
    table = np.rint(function(np.arange(int(index.max(initial=0)) + 1)) * 2**bits) / 2**bits
    return table[index]


def front_end(
    event: Any, pids: np.ndarray, names: Sequence[str], scales: HardwareScales, lookup: Lookup = numpy_lookup
) -> list[Any]:
    """Compute the features of each object, exactly as the firmware does.

    Parameters
    ----------
    event : HardwareEvents or EventSymbols
        Integers, or symbols of them: `pt`, `eta`, `phi` of objects, and `met_phi`, which broadcasts against `phi`.
    pids : np.ndarray
        Kind of each object, broadcast against `pt`.
    names : sequence of str
        Features to compute: "pt"; "along", the component along the vector sum of the objects, to which MET is
        opposite; "across", the absolute value of the component across it; "abs_eta"; "muon", "egamma" and "jet",
        which are 1 for objects of that kind.
    scales : HardwareScales
    lookup : callable
        Looks up cosine and sine.

    Returns
    -------
    list
        The features in the order of `names`, each a multiple of a power of two, 0 for empty objects.
    """
    unit = 2.0**-scales.feature_bits
    turn = 2 * np.pi / scales.phi_steps
    from_met = abs(event.phi - event.met_phi)
    from_met = np.minimum(from_met, scales.phi_steps - from_met)

    def component(function: Callable[[Any], Any]) -> Any:
        """Multiply pT by a function of the angle to the vector sum of the objects."""
        return event.pt * lookup(lambda i: function((scales.half_turn - i) * turn), from_met, scales.table_bits) * unit

    real = event.pt > 0
    features: dict[str, Callable[[], Any]] = {
        "pt": lambda: event.pt * unit,
        "along": lambda: component(np.cos),
        "across": lambda: component(np.sin),
        "abs_eta": lambda: abs(event.eta) * (2 * unit),
        "muon": lambda: real * (pids == PID_MUON),
        "egamma": lambda: real * (pids == PID_EGAMMA),
        "jet": lambda: real * (pids == PID_JET),
    }
    return [features[name]() for name in names]


def output_bounds(
    event: Any,
    pids: np.ndarray,
    sum_names: Sequence[str],
    scales: HardwareScales,
    floor: Callable[[Any], Any] | None = None,
    lookup: Lookup = numpy_lookup,
) -> tuple[Any, Any]:
    """Compute the smallest and the largest corrected sum that an event may have, exactly as the firmware does.

    The trigger accepts saturated events, so the corrected sum is saturated where a sum or an object is. Events without
    a jet, or with a sum of 0, are not corrected: both bounds are the uncorrected sum. Others have the range from the
    floor of their uncorrected sum upwards.

    Parameters
    ----------
    event : HardwareEvents or EventSymbols
        Integers, or symbols of them: `pt` of objects, and the sums.
    pids : np.ndarray
        Kind of each object, broadcast against `pt`.
    sum_names : sequence of str
        Energy sums at the input of the network; the first is the one to correct.
    scales : HardwareScales
    floor : callable or None
        Lowest corrected sum by the uncorrected sum, both in GeV; None: 0. It is evaluated at the uncorrected sum
        without its lowest `FLOOR_BITS` bits.
    lookup : callable
        Looks up the floor.

    Returns
    -------
    lowest, highest
        In steps.
    """
    uncorrected = getattr(event, sum_names[0])
    saturated = np.any(event.pt == largest_pt(pids, scales), axis=-1)
    for name in sum_names:
        saturated = saturated | (getattr(event, name) == scales.sum_saturation)
    corrected = np.any((event.pt > 0) * (pids == PID_JET), axis=-1) & (uncorrected > 0)

    def floor_in_steps(index: Any) -> Any:
        assert floor is not None
        sums = np.asarray(index, np.float64) * (2**FLOOR_BITS * scales.energy_step)
        return np.minimum(np.floor(floor(sums.ravel()).reshape(sums.shape) / scales.energy_step), scales.sum_saturation)

    least = 0 if floor is None else lookup(floor_in_steps, uncorrected, 0, FLOOR_BITS)
    lowest = np.where(saturated, scales.sum_saturation, np.where(corrected, least, uncorrected))
    return lowest, np.where(saturated | corrected, scales.sum_saturation, uncorrected)
