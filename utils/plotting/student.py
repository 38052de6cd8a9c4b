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
    ax.plot(history["ebops"], history["val_truth"], ".", color="0.6", label="After each epoch")
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
def draw_gap_against_lut(networks: pd.DataFrame, signal: str, ax: Axes | None = None) -> Drawing:
    """Draw the gap closed by students at 5% background against their look-up tables.

    Parameters
    ----------
    networks : pandas.DataFrame
        A row for each network: "kind", "lut" (NaN for floats and the teacher), "gap closed 5%" and its error.
    signal : str
    ax : Axes, optional
    """
    fig, ax = start(ax, f"{signal} against QCD")
    gap, error = networks["gap closed 5%"], networks["gap closed 5%, error"]
    teacher = networks["kind"] == "teacher"
    value, width = float(gap[teacher].iloc[0]), float(error[teacher].iloc[0])
    ax.axhline(value, color="black", linewidth=2, label="Teacher")
    ax.axhspan(value - width, value + width, color="0.9", zorder=0, label="Error of the test sample")
    floats = networks[networks["kind"].str.startswith("float")]
    for line, (kind, of_kind) in zip(("--", ":"), floats.groupby("kind"), strict=False):
        label = "Student of floats, " + kind.partition(", ")[2]
        ax.axhline(of_kind["gap closed 5%"].mean(), color=COLOURS[3], linestyle=line, linewidth=2, label=label)
    for kind, (marker, fill, colour) in MARKERS.items():
        chosen = (networks["kind"] == kind) & networks["lut"].notna()
        points = ax.plot(networks["lut"][chosen], gap[chosen], marker, color=colour, label=f"Student, {kind}")
        points[0].set(fillstyle=fill, markersize=8)
    lut = networks["lut"].dropna()
    shown = gap[networks["lut"].notna()]
    ax.set(xscale="log", xlabel="Look-up tables (estimate)", ylabel="Gap closed at 5% background")
    ax.set_xlim(10 ** np.floor(np.log10(lut.min())), 10 ** np.ceil(np.log10(lut.max())))
    low, high = float(shown.min()), max(float(shown.max()), value + width)
    ax.set_ylim(low - 0.1 * (high - low), high + 0.4 * (high - low))
    ax.legend(ncols=2, fontsize="xx-small", loc="upper left")
    return fig, ax
