"""Look and name of each quantity in the plots of the evaluation.

Each quantity has its own colour, for colour-blind readers too (Petroff, arXiv:2107.02270), and its own line style and
marker for black-and-white prints.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from utils.evaluation.bootstrap import Estimate
from utils.plotting.style import COLOURS, TRUE_SYMBOLS
from utils.predictions import BASELINE, REFERENCE, TRUE

SYMBOLS = {"true_met": r"$p_T^{miss}$", "original_met": r"$p_T^{miss}$", "true_ht": r"$H_T$"}


@dataclass(frozen=True)
class Look:
    """Colour, line style and marker, and the name of what is drawn with them, which its data keep."""

    colour: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str
    fill: str
    name: str = ""

    @property
    def marks(self) -> dict[str, Any]:
        """Keywords of ``Axes.plot`` for the marker."""
        filled = self.colour if self.fill == "full" else "white"
        return {
            "color": self.colour,
            "marker": self.marker,
            "markerfacecolor": filled,
            "markersize": 8,
            "gid": self.name,
        }

    @property
    def points(self) -> dict[str, Any]:
        """Keywords of ``Axes.errorbar``."""
        return {**self.marks, "linestyle": "none", "elinewidth": 1.5}

    @property
    def bars(self) -> dict[str, Any]:
        """Keywords of ``Axes.errorbar`` for bars without markers."""
        return {"color": self.colour, "linestyle": "none", "gid": self.name}

    @property
    def curve(self) -> dict[str, Any]:
        """Keywords of ``Axes.plot`` and ``Axes.stairs``."""
        return {"color": self.colour, "linestyle": self.line, "linewidth": 2.5, "gid": self.name}


LOOKS = {
    BASELINE: Look(COLOURS[2], "--", "o", "none", BASELINE),
    TRUE: Look("black", ":", "^", "none", TRUE),
    REFERENCE: Look(COLOURS[4], "-.", "D", "none", REFERENCE),
}
MODEL_LOOKS = (
    Look(COLOURS[0], "-", "s", "full"),
    Look(COLOURS[1], (0, (6, 2)), "v", "full"),
    Look(COLOURS[5], (0, (4, 1, 1, 1)), "P", "full"),
    Look(COLOURS[3], (0, (3, 1, 1, 1, 1, 1)), "X", "full"),
)


def looks(quantities: Iterable[str]) -> dict[str, Look]:
    """Return the look of each quantity; looks of models follow their order, and repeat after four."""
    quantities = list(quantities)
    models = [quantity for quantity in quantities if quantity not in LOOKS]
    model_looks = {model: replace(MODEL_LOOKS[i % len(MODEL_LOOKS)], name=model) for i, model in enumerate(models)}
    return {quantity: LOOKS.get(quantity) or model_looks[quantity] for quantity in quantities}


def quantity_label(quantity: str, variable: str) -> str:
    """Return the name of a quantity for legends."""
    names = {
        BASELINE: f"L1 {SYMBOLS[variable]}",
        TRUE: TRUE_SYMBOLS[variable],
        REFERENCE: f"CMS {SYMBOLS[variable]}",
    }
    return names.get(quantity, f"{quantity[0].upper()}{quantity[1:]} {SYMBOLS[variable]}")


def scale_note(calibrated: Sequence[str], models: Sequence[str]) -> str:
    """Return the note on axes of measured sums, which says which models are on their calibrated scale."""
    if not calibrated:
        return ""
    return ", models calibrated" if len(calibrated) == len(models) else f", {', '.join(calibrated)} calibrated"


def name_in_legend(ax: Axes, look: Look, label: str) -> None:
    """Add a legend entry with marker and line."""
    ax.plot([], [], label=label, **{**look.marks, **look.curve})


def draw_band(ax: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, look: Look) -> None:
    """Draw the band of an interval on a logarithmic axis, also where its lower end is not above 0."""
    lower = np.maximum(low, high * 1e-3)
    ax.fill_between(x, lower, high, color=look.colour, alpha=0.25, linewidth=0, gid=look.name)


def with_error(estimate: Estimate[float]) -> str:
    """Write a number with its error to two digits of the error; the number alone if the error is unknown."""
    if not estimate.error > 0:
        return f"{estimate.value + 0.0:.3f}"
    digits = int(np.clip(1 - np.floor(np.log10(estimate.error)), 0, 8))
    return f"{round(estimate.value, digits) + 0.0:.{digits}f} $\\pm$ {estimate.error:.{digits}f}"


def bars(estimate: Estimate[np.ndarray], low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Return lengths of error bars within a range, shape (2, n), down and up; 0 for unknown errors."""
    error = np.nan_to_num(estimate.error)
    ends = np.clip(estimate.value - error, low, None), np.clip(estimate.value + error, None, high)
    return np.maximum([estimate.value - ends[0], ends[1] - estimate.value], 0)
