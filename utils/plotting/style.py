"""Style of all plots: the CMS style of mplhep, labels, colours and files."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import mplhep
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mpl_toolkits.axes_grid1 import make_axes_locatable

from utils.plotting.drawn_data import figure_data
from utils.runtime.text_files import write_json
from utils.runtime.whole_files import whole_file

mpl.use("agg")

Arguments = ParamSpec("Arguments")
Drawn = TypeVar("Drawn")
Drawing = tuple[Figure, Axes]

NO_EVENTS = "No events"
TRUE_SYMBOLS = {
    "true_met": r"True $p_T^{miss}$",
    "original_met": r"Original $p_T^{miss}$",
    "true_ht": r"True $H_T$",
}

# Fixed margins: a fit to each figure would take half of the drawing time.
MARGINS = {"left": 0.15, "right": 0.95, "bottom": 0.12, "top": 0.93}

# Colours for colour-blind readers: M. A. Petroff, arXiv:2107.02270
COLOURS = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def in_style(draw: Callable[Arguments, Drawn]) -> Callable[Arguments, Drawn]:
    """Draw in the CMS style, whatever style is set outside."""

    @functools.wraps(draw)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Drawn:
        with plt.style.context(mplhep.style.CMS):
            return draw(*args, **kwargs)

    return wrapped


def start(ax: Axes | None, right: str, left: str = "Simulation") -> Drawing:
    """Return a figure and axes with labels: simulation or data on the left, the sample on the right."""
    if ax is None:
        fig, ax = plt.subplots()
        fig.subplots_adjust(**MARGINS)
    ax.set_axis_off()  # mplhep draws the figure to place its labels, which is four times as fast without axes
    mplhep.cms.label(exp="", llabel=left, rlabel=right, ax=ax)
    ax.set_axis_on()
    return cast(Figure, ax.get_figure(root=True)), ax


def panel_below(ax: Axes) -> Axes:
    """Take the lower part of axes for a panel with a common horizontal axis."""
    ax.tick_params(labelbottom=False)
    return cast(Axes, make_axes_locatable(ax).append_axes("bottom", "40%", pad=0.15, sharex=ax))


def say(ax: Axes, text: str) -> None:
    """Write into empty axes why they are empty."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color="0.35", fontsize="small", zorder=5)


def save(fig: Figure, stem: str | Path) -> None:
    """Write a figure as STEM.pdf and STEM.png and its numbers as STEM.json, whole and reproducibly, and close it."""
    try:
        for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", None)):
            # Matplotlib looks fonts up when it writes a figure.
            with whole_file(f"{stem}{suffix}") as temporary, plt.style.context(mplhep.style.CMS):
                fig.savefig(temporary, metadata=metadata)
        write_json(f"{stem}.json", figure_data(fig))
    finally:
        plt.close(fig)


def draw_and_save(draw: Callable[[], tuple[Figure, Any]], stem: str | Path) -> None:
    """Draw a figure and write it; a function that other processes can call."""
    save(draw()[0], stem)
