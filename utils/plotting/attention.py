"""Plots of the attention of a network in an event, in the plane of eta and phi."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import cast

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from utils.evaluation.event_display import EventDisplay
from utils.event_layout import ETA, PHI, PID_EGAMMA, PID_JET, PID_MUON, PT
from utils.plotting.quantities import LOOKS, quantity_label
from utils.plotting.style import COLOURS, in_style, start

# Name, marker and colour of each kind of object.
KINDS = {
    PID_JET: ("Jet", "o", COLOURS[0]),
    PID_EGAMMA: (r"e/$\gamma$", "s", COLOURS[1]),
    PID_MUON: ("Muon", "^", COLOURS[3]),
}
AREA_PER_GEV = 6.0  # of a marker, in square points
PT_IN_LEGEND = 50.0  # GeV
MIN_SPAN = 0.05  # of the scale on either side of an equal share, so that rounding stays invisible
WIDTHS = (0.5, 7.0)  # of lines in points, at the ends of the scale
OPACITIES = (0.15, 0.9)
MIN_ETA_RANGE = 5.0
PHI_SHIFTS = (-2 * np.pi, 0, 2 * np.pi)  # copies on either side complete the objects at the edges


def half_lines(objects: np.ndarray) -> np.ndarray:
    """Return lines from each object to half way to each other object, the short way in phi.

    Parameters
    ----------
    objects : np.ndarray, shape (n, 3)
        pT, eta, phi.

    Returns
    -------
    np.ndarray, shape (n, n, 2, 2)
        Element (i, j) is the line from object i, as two points (eta, phi); phi of the second may exceed pi.
    """
    places = objects[:, [ETA, PHI]].astype(np.float64)
    steps = places[None, :] - places[:, None]
    steps[..., 1] = np.remainder(steps[..., 1] + np.pi, 2 * np.pi) - np.pi
    begin = np.broadcast_to(places[:, None], steps.shape)
    return np.stack([begin, begin + steps / 2], axis=2)


def relative_attention(attention: np.ndarray) -> np.ndarray:
    """Average over the heads and divide by the equal share.

    Parameters
    ----------
    attention : np.ndarray, shape (n_heads, n, n)
        Each row sums to 1.

    Returns
    -------
    np.ndarray, shape (n, n)
        1 where an object attends equally to all objects.
    """
    return attention.mean(axis=0) * attention.shape[-1]


@dataclass(frozen=True)
class Scale:
    """Range of the relative attention, drawn from thin pale lines to thick dark lines."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[np.ndarray]) -> "Scale":
        """Make the scale of all layers of an event."""
        return cls(
            min(1 - MIN_SPAN, *(float(layer.min()) for layer in values)),
            max(1 + MIN_SPAN, *(float(layer.max()) for layer in values)),
        )

    def widths(self, values: np.ndarray) -> np.ndarray:
        """Return widths in points."""
        return np.interp(values, (self.low, self.high), WIDTHS)

    def colours(self, values: np.ndarray) -> np.ndarray:
        """Return black in the opacities, shape (n, 4)."""
        return np.pad(np.interp(values, (self.low, self.high), OPACITIES)[:, None], ((0, 0), (3, 0)))


@in_style
def draw_attention(display: EventDisplay, axes: Sequence[Axes] | None = None) -> tuple[Figure, Sequence[Axes]]:
    """Draw the attention in an event in a panel for each layer, averaged over the heads.

    The half of a line next to an object shows its attention to the other object. The ring around an object shows its
    attention to itself. The unit is an equal share, and all panels have the same scale.

    Parameters
    ----------
    display : EventDisplay
    axes : sequence of Axes, optional
        One for each layer.

    Returns
    -------
    Figure
    sequence of Axes
        In the order of the layers.
    """
    n_layers = len(display.attention)
    if axes is None:
        fig, panels = plt.subplots(1, n_layers, figsize=(5.8 + 8 * n_layers, 9), sharey=True, squeeze=False)
        axes = list(panels[0])
        width = fig.get_figwidth()
        fig.subplots_adjust(left=1.2 / width, right=1 - 4.4 / width, bottom=0.12, top=0.92, wspace=0.06)
    elif len(axes) != n_layers:
        raise ValueError(f"expected axes for {n_layers} layers, received: {len(axes)}")
    attention = [relative_attention(layer) for layer in display.attention]
    scale = Scale.of(attention)
    for number, (ax, layer) in enumerate(zip(axes, attention, strict=True), start=1):
        start(ax, f"{display.process}, layer {number} of {n_layers}")
        _draw_layer(ax, display, layer, scale)
    axes[0].set_ylabel(r"$\phi$")
    _add_legends(axes[-1], display, scale)
    return cast(Figure, axes[0].get_figure(root=True)), axes


def _draw_layer(ax: Axes, display: EventDisplay, attention: np.ndarray, scale: Scale) -> None:
    """Draw objects, lines of relative attention, shape (n_objects, n_objects), and the directions of MET."""
    objects = display.objects
    lines, others = half_lines(objects), ~np.eye(len(objects), dtype=bool)
    order = np.argsort(attention[others], kind="stable")  # the thickest on top
    segments, shown = lines[others][order], attention[others][order]
    for shift in PHI_SHIFTS:
        ax.add_collection(
            LineCollection(
                list(segments + np.array([0, shift])),
                linewidths=scale.widths(shown),
                colors=scale.colours(shown),
                capstyle="butt",
                zorder=2,
            )
        )
    diameters = np.sqrt(AREA_PER_GEV * objects[:, PT])
    with_rings = diameters + 2 * scale.widths(np.diag(attention))
    for (kind, (_, marker, colour)), shift in product(KINDS.items(), PHI_SHIFTS):
        selected = display.pids == kind
        eta, phi = objects[selected, ETA], objects[selected, PHI] + shift
        ax.scatter(eta, phi, with_rings[selected] ** 2, marker=marker, color="black", linewidths=0, zorder=3)
        ax.scatter(eta, phi, diameters[selected] ** 2, marker=marker, color=colour, edgecolors="white", zorder=4)
    for quantity, direction in display.directions.items():
        ax.axhline(direction, zorder=1, **LOOKS[quantity].curve)
    eta_range = max(MIN_ETA_RANGE, 1.1 * np.abs(objects[:, ETA]).max())
    ax.set(xlabel=r"$\eta$", xlim=(-eta_range, eta_range), ylim=(-np.pi, np.pi))
    ax.set_yticks(np.pi * np.linspace(-1, 1, 5), [r"$-\pi$", r"$-\pi/2$", "0", r"$\pi/2$", r"$\pi$"])
    ax.minorticks_off()


def _add_legends(ax: Axes, display: EventDisplay, scale: Scale) -> None:
    """Add legends to the right of the last panel: sums of the event, kinds of objects, scale of attention."""
    sums = [
        Line2D(
            [],
            [],
            label=f"{quantity_label(quantity, display.variable)}: {display.sums[quantity]:.0f} GeV",
            **(LOOKS[quantity].curve if quantity in display.directions else {"linestyle": "none"}),
        )
        for quantity in display.sums
    ]
    size = np.sqrt(AREA_PER_GEV * PT_IN_LEGEND)
    kinds = [
        Line2D([], [], linestyle="none", marker=marker, color=colour, mec="black", markersize=size, label=name)
        for kind, (name, marker, colour) in KINDS.items()
        if kind in display.pids
    ]
    values = np.array([scale.low, 1, scale.high])
    lines = [
        Line2D([], [], linewidth=width, color=tuple(colour), label=f"{value:.2f}")
        for value, width, colour in zip(values, scale.widths(values), scale.colours(values), strict=True)
    ]
    for height, title, handles in (
        (1.0, display.chosen_as, sums),
        (0.7, f"Area by $p_T$, here {PT_IN_LEGEND:g} GeV", kinds),
        (0.4, "Attention / equal share,\nof the nearer object,\nmean of heads", lines),
    ):
        legend = Legend(
            ax,
            handles,
            [str(handle.get_label()) for handle in handles],
            title=title,
            loc="upper left",
            bbox_to_anchor=(1.01, height),
            alignment="left",
            fontsize="x-small",
            title_fontproperties={"size": "x-small"},
        )
        ax.add_artist(legend)
