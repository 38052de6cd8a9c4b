"""Scalings of a signal and offline thresholds as text, and as YAML for trigger menus."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.evaluation.number_text import columns, number_text
from utils.evaluation.run_conditions import WorkingPoint
from utils.evaluation.scaling import Scaling
from utils.evaluation.scaling_result import ScalingResult
from utils.predictions import BASELINE
from utils.variables import reconstructed

L1_OBJECT, REGION = "L1", "inclusive"


def scaling_tables(result: ScalingResult, working_points: Sequence[WorkingPoint]) -> str:
    """Write the lines of the scaling, and the offline thresholds at the working points."""
    return "\n\n".join((columns(_line_rows(result)), columns(_threshold_rows(result, working_points))))


def _line_rows(result: ScalingResult) -> list[tuple[str, ...]]:
    """List slope and offset of each quantity and efficiency."""
    rows: list[tuple[str, ...]] = [
        ("scaling", "quantity", "slope", "offset [GeV]", "thresholds [GeV]", "chi2/n", "farthest point [GeV]")
    ]
    for i, first in enumerate(result.scaling[BASELINE]):
        for quantity, lines in result.scaling.items():
            line = lines[i]
            rows.append(
                (
                    f"{100 * first.efficiency:g}%",
                    quantity,
                    number_text(line.slope, 3),
                    number_text(line.offset, 1),
                    _range_text(line),
                    f"{line.chi2 / line.n_degrees:.1f}" if line.n_degrees > 0 else "-",
                    f"{line.largest_distance:.1f}" if np.isfinite(line.largest_distance) else "-",
                )
            )
    return rows


def _range_text(line: Scaling) -> str:
    low, high = line.range
    return f"{low:g} - {high:g}" if np.isfinite(low) else "too few points"


def _threshold_rows(result: ScalingResult, working_points: Sequence[WorkingPoint]) -> list[tuple[str, ...]]:
    """List the offline threshold of each quantity at the working points, and how much the models lower it."""
    found = result.rates
    level = f"{100 * found.efficiency:g}%"
    rows: list[tuple[str, ...]] = [("background", "quantity", f"offline at {level} [GeV]", "lowered [GeV]")]
    for i, point in enumerate(working_points):
        for quantity, offline in found.thresholds.items():
            mark = "*" if found.extrapolated[quantity][i] else ""
            lowered = number_text(found.lowered[quantity].at(i), 1) if quantity in found.lowered else ""
            rows.append((point.label, quantity, number_text(offline.at(i), 1) + mark, lowered))
    return rows


def menu_scalings(
    scalings: Mapping[str, ScalingResult], variable: str
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return slopes and offsets as tools for trigger menus read them: by object, its id, and region in eta.

    An object is a trigger quantity, such as `L1MET`. Its id names the signal and the efficiency in percent, such as
    `W_90`. Each entry has the keys of a scaling file of Phase2-L1MenuTools, `slope` and `offset`.
    """
    kind = "HT" if reconstructed(variable) == "smeared_ht" else "MET"
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for signal, result in scalings.items():
        for quantity, lines in result.scaling.items():
            objects = found.setdefault(f"{L1_OBJECT if quantity == BASELINE else quantity}{kind}", {})
            for line in lines:
                if np.isfinite(line.slope.value):
                    numbers = {"slope": line.slope.value, "offset": line.offset.value}
                    objects[f"{signal}_{100 * line.efficiency:g}"] = {REGION: numbers}
    return found
