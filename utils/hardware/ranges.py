"""Ranges of the inputs of the student's network over all integers that the trigger can send."""

from dataclasses import dataclass

import numpy as np

from utils.event_layout import SLOT_PIDS
from utils.hardware.front_end import numpy_lookup
from utils.hardware.inputs import KINDS, StudentInputs
from utils.hardware.integers import largest_pt

# Intervals into which pT, the angle to MET and |eta| of an object are divided; a cell is one interval of each.
PT_CELLS, ANGLE_CELLS, ETA_CELLS = 16, 73, 4


@dataclass(frozen=True)
class InputRanges:
    """Ranges of the inputs of a network.

    The features of an object depend on each other. Therefore their ranges are given for each of many narrow cells, and
    every object is in one of the cells of its kind.

    Attributes
    ----------
    object_lowest, object_highest : np.ndarray, shape (n_cells, n_kinds, n_object_features), float64
        The last of the kinds stands for empty slots.
    counts : np.ndarray, shape (n_kinds,), int
        Slots of each kind.
    sum_lowest, sum_highest : np.ndarray, shape (n_sums,), float64
    """

    object_lowest: np.ndarray
    object_highest: np.ndarray
    counts: np.ndarray
    sum_lowest: np.ndarray
    sum_highest: np.ndarray


def _divided(values: np.ndarray, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide values into cells of neighbours, and return the smallest and the largest value of each cell."""
    parts = np.array_split(values, min(n_cells, len(values)))
    return np.array([part.min() for part in parts]), np.array([part.max() for part in parts])


def input_ranges(inputs: StudentInputs) -> InputRanges:
    """Compute the ranges of the inputs of a network over all integers of the trigger."""
    scales, unit = inputs.scales, inputs.input_step
    kinds, counts = np.unique(SLOT_PIDS[inputs.slots], return_counts=True)
    largest_pts = largest_pt(kinds, scales) * unit
    pt = _divided(np.arange(max(scales.saturations) + 1) * unit, PT_CELLS)
    eta = _divided(np.arange(scales.largest_eta + 1) * 2 * unit, ETA_CELLS)
    angles = np.arange(scales.phi_steps // 2 + 1)
    turn = 2 * np.pi / scales.phi_steps
    cosine = _divided(numpy_lookup(lambda i: np.cos(i * turn), angles, scales.table_bits), ANGLE_CELLS)
    sine = _divided(numpy_lookup(lambda i: np.sin(i * turn), angles, scales.table_bits), ANGLE_CELLS)
    n_angles = len(cosine[0]) if "along" in inputs.object_names else 1
    pt_cells, angle_cells, eta_cells = (indices.ravel() for indices in np.indices((len(pt[0]), n_angles, len(eta[0]))))
    (pt_low, pt_high), (cos_low, cos_high), (sin_low, sin_high), (eta_low, eta_high) = (
        [ends[cells] for ends in values]
        for values, cells in ((pt, pt_cells), (cosine, angle_cells), (sine, angle_cells), (eta, eta_cells))
    )
    # Cells of larger pT than a kind has are the point of its largest one.
    pt_low, pt_high = (np.minimum(ends[:, None], largest_pts) for ends in (pt_low, pt_high))
    cos_low, cos_high, sin_low, sin_high, eta_low, eta_high = (
        ends[:, None] for ends in (cos_low, cos_high, sin_low, sin_high, eta_low, eta_high)
    )
    ranges = {
        "pt": (pt_low, pt_high),
        "along": (
            np.minimum(pt_low * cos_low, pt_high * cos_low),
            np.maximum(pt_low * cos_high, pt_high * cos_high),
        ),
        "across": (pt_low * sin_low, pt_high * sin_high),
        "abs_eta": (eta_low, eta_high),
    }
    lowest, highest = np.zeros((2, len(pt_cells), len(kinds) + 1, inputs.n_object_features))  # empty: the last kind
    for i, name in enumerate(inputs.object_names):
        for array, end in zip((lowest, highest), ranges.get(name, (0.0, 0.0)), strict=True):
            array[:, :-1, i] = kinds == KINDS[name] if name in KINDS else end
    largest = np.full(inputs.n_sums, scales.sum_saturation * unit)
    return InputRanges(lowest, highest, np.append(counts, 0), np.zeros(inputs.n_sums), largest)
