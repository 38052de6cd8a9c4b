"""Plots of a training and of the search of its hyperparameters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.ticker import MaxNLocator

from utils.plotting.style import COLOURS, LINES, Drawing, in_style, say, start

NO_HYPERPARAMETERS = ("trial", "status", "val_loss", "from_trial", "bracket", "round", "initial_epoch")
LOGARITHMIC = ("learning_rate",)
MAX_TICKS = 5  # of an axis of integers; with more values it has ticks at its ends only
LOSS_COLOURS = ListedColormap(colormaps["cividis"](np.linspace(0, 0.85, 256)))  # those visible on white
WORST_COLOUR = 4  # distance from the best loss to the end of the colours, over the distance to the median


@in_style
def draw_history(history: Mapping[str, Sequence[float]], kind: str = "Teacher", ax: Axes | None = None) -> Drawing:
    """Draw the losses of the epochs of a training."""
    fig, ax = start(ax, kind)
    for i, (name, label) in enumerate((("loss", "Training"), ("val_loss", "Validation"))):
        epochs = np.arange(1, len(history[name]) + 1)
        ax.plot(epochs, history[name], marker="os"[i], color=COLOURS[i], linestyle=LINES[i], linewidth=2.5, label=label)
    best = int(np.argmin(history["val_loss"]))
    ax.axvline(best + 1, color="black", linestyle=":", linewidth=1.5, label=f"Best: {history['val_loss'][best]:.4g}")
    ax.set(xlabel="Epoch", ylabel="Loss")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    return fig, ax


@dataclass(frozen=True)
class TrialAxis:
    """One of the parallel axes: positions of the trials from 0 to 1, and labels by position."""

    positions: np.ndarray
    ticks: dict[float, str]

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> "TrialAxis":
        """Make the axis of a hyperparameter; words and truth values have equal distances.

        A single value stands in the middle.
        """
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        if numbers:
            places = [math.log(value) if name in LOGARITHMIC else float(value) for value in values]
        else:
            words = sorted(set(map(str, values)))
            places = [float(words.index(str(value))) for value in values]
        low, high = min(places), max(places)
        positions = [(place - low) / (high - low) if high > low else 0.5 for place in places]
        ticks = {position: _tick(value) for value, position in zip(values, positions, strict=True)}
        many = len(ticks) > MAX_TICKS or any(isinstance(value, float) for value in values)
        if numbers and many and high > low:
            ticks = {end: ticks[end] for end in (0.0, 1.0)}
        return cls(np.array(positions), ticks)


def _axis_name(name: str) -> str:
    """Write the name of a hyperparameter, one word per line."""
    return name.replace("_", "\n") + (" (log)" if name in LOGARITHMIC else "")


def _tick(value: Any) -> str:
    """Write a value of a hyperparameter."""
    return f"{value:.2g}" if isinstance(value, float) else str(value)


@in_style
def draw_trials(rows: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Drawing:
    """Draw the trials of a search as lines across parallel axes, one for each hyperparameter and for the epochs.

    Colours show the validation loss; the best trial has an outline and markers. Failed trials are only counted.

    Parameters
    ----------
    rows : sequence of mapping
        For each trial "trial", "status", "val_loss", "epochs" and the hyperparameters, as in ``trials.csv``.
    ax : Axes, optional
    """
    trials = [row for row in rows if row["status"] == "COMPLETED" and math.isfinite(row["val_loss"])]
    trials.sort(key=lambda row: row["val_loss"], reverse=True)  # the best on top
    if ax is None:
        fig, ax = plt.subplots(figsize=(16, 9))
        fig.subplots_adjust(left=0.06, right=0.86, bottom=0.17, top=0.9)
    n_failed = len(rows) - len(trials)
    counts = [f"{len(trials)} trial{'s' * (len(trials) != 1)}", *([f"{n_failed} failed"] if n_failed else [])]
    fig, ax = start(ax, ", ".join(counts))
    names = [name for name in dict.fromkeys(name for row in trials for name in row) if name not in NO_HYPERPARAMETERS]
    names = sorted(names, key="epochs".__eq__)  # at the end
    axes = [TrialAxis.of(name, [row.get(name, "none") for row in trials]) for name in names]
    for i, axis in enumerate(axes):
        _draw_trial_axis(ax, i, axis)
    ax.set(xlim=(-0.4, max(len(axes), 1) - 0.4), ylim=(-0.06, 1.06), yticks=[])
    ax.set_xticks(range(len(axes)), [_axis_name(name) for name in names], fontsize="x-small")
    ax.tick_params(axis="x", which="both", length=0, pad=12)
    ax.minorticks_off()
    ax.spines[:].set_visible(False)
    if trials:
        _draw_trial_lines(ax, axes, np.array([row["val_loss"] for row in trials]), trials[-1]["trial"])
    else:
        say(ax, "No trial completed")
    return fig, ax


def _draw_trial_axis(ax: Axes, x: int, axis: TrialAxis) -> None:
    """Draw a vertical axis at x, with its ticks."""
    ax.axvline(x, 0.06 / 1.12, 1.06 / 1.12, color="black", linewidth=1.5, zorder=1)
    for position, label in axis.ticks.items():
        ax.plot([x - 0.03, x + 0.03], [position] * 2, color="black", linewidth=1.5, zorder=1)
        ax.annotate(
            label,
            (x, position),
            (-7, 4),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize="xx-small",
            zorder=4,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1},
        )


def _draw_trial_lines(ax: Axes, axes: Sequence[TrialAxis], losses: np.ndarray, best: str) -> None:
    """Draw the lines of trials, given in falling order of their losses, and the colour bar."""
    lowest, highest = losses[-1], losses[0]
    worst = min(highest, lowest + WORST_COLOUR * (np.median(losses) - lowest))
    worst = worst if worst > lowest and len(losses) > 2 else highest
    colours = ScalarMappable(Normalize(lowest, worst), LOSS_COLOURS)
    x, y = np.arange(len(axes)), np.array([axis.positions for axis in axes])
    for i, loss in enumerate(losses[:-1]):
        ax.plot(x, y[:, i], color=colours.to_rgba(loss), linewidth=2, alpha=0.9, zorder=2)
    ax.plot(x, y[:, -1], color="black", linewidth=8, zorder=3)
    ax.plot(
        x,
        y[:, -1],
        color=colours.to_rgba(lowest),
        linewidth=4,
        marker="o",
        markersize=13,
        markeredgecolor="black",
        zorder=3,
        label=f"Best: trial {best}, {lowest:.4g}",
    )
    if worst > lowest:
        bar_ax, extend = ax.inset_axes((1.02, 0, 0.02, 1)), "max" if worst < highest else None
        ax.figure.colorbar(colours, cax=bar_ax, label="Validation loss", extend=extend)
        bar_ax.tick_params(labelsize="x-small")
    ax.legend(loc="lower left", bbox_to_anchor=(0.2, 1), borderaxespad=0.2, fontsize="x-small")
