"""Plots of students: size against loss, and gain against size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from utils.plotting.style import COLOURS, Drawing, in_style, start


@in_style
def draw_front(
    history: Mapping[str, Sequence[float]],
    front: Sequence[Mapping[str, Any]],
    max_ebops: int,
    ax: Axes | None = None,
) -> Drawing:
    """Draw the validation loss of a student against its size: each epoch, the Pareto front, and the result."""
    fig, ax = start(ax, "Student")
    kept = {name: np.array([point[name] for point in front]) for name in ("ebops", "val_loss", "best")}
    ax.plot(history["ebops"], history["val_distillation"], ".", color="0.6", label="After each epoch")
    ax.plot(kept["ebops"], kept["val_loss"], "o-", color=COLOURS[0], label="Kept, as in hardware")
    best = kept["best"]
    ax.plot(kept["ebops"][best], kept["val_loss"][best], "*", markersize=22, color=COLOURS[1], label="Result")
    ax.axvline(max_ebops, color="black", linestyle=":", linewidth=1.5, label="Largest allowed")
    losses = kept["val_loss"]
    ax.set(
        xlabel="Effective bit operations",
        ylabel="Validation loss",
        xscale="symlog" if min(kept["ebops"]) == 0 else "log",
    )
    ax.set_ylim(losses.min() - 0.1 * np.ptp(losses) - 1e-3, losses.max() + 0.3 * np.ptp(losses) + 1e-3)
    ax.legend()
    return fig, ax


MARKERS = {"truth": ("o", "none", COLOURS[1]), "distilled": ("s", "full", COLOURS[0])}


@in_style
def draw_efficiency_against_lut(networks: pd.DataFrame, signal: str, point: str, ax: Axes | None = None) -> Drawing:
    """Draw the signal efficiency of students at a working point against their look-up tables.

    Parameters
    ----------
    networks : pandas.DataFrame
        A row for each network: "kind", "lut" (NaN for L1, floats and the teacher), "efficiency POINT" and its error.
    signal : str
    point : str
        Label of the working point.
    ax : Axes, optional
    """
    fig, ax = start(ax, f"{signal}, {point} of QCD")
    name = f"efficiency {point}"
    efficiency, error = 100 * networks[name], 100 * networks[f"{name}, error"]
    values = {}
    for kind, colour, text in (("teacher", "black", "Teacher"), ("L1", COLOURS[2], "L1")):
        row = networks["kind"] == kind
        values[kind] = float(efficiency[row].iloc[0])
        ax.axhline(values[kind], color=colour, linewidth=2, label=text)
    width = float(error[networks["kind"] == "teacher"].iloc[0])
    low, high = values["teacher"] - width, values["teacher"] + width
    ax.axhspan(low, high, color="0.9", zorder=0, label="Error of the test sample")
    for kind, (marker, fill, colour) in MARKERS.items():
        chosen = (networks["kind"] == kind) & networks["lut"].notna()
        label = "Student from the truth alone" if kind == "truth" else "Student, distilled"
        points = ax.plot(networks["lut"][chosen], efficiency[chosen], marker, color=colour, label=label)
        points[0].set(fillstyle=fill, markersize=8)
    lut, shown = networks["lut"].dropna(), efficiency[networks["lut"].notna()]
    ax.set(xscale="log", xlabel="Look-up tables (estimate)", ylabel="Signal efficiency [%]")
    ax.set_xlim(10 ** np.floor(np.log10(lut.min())), 10 ** np.ceil(np.log10(lut.max())))
    low, high = min(*values.values(), float(shown.min())), max(float(shown.max()), high)
    ax.set_ylim(low - 0.1 * (high - low), high + 0.4 * (high - low))
    ax.legend(ncols=2, fontsize="xx-small", loc="upper left")
    return fig, ax
