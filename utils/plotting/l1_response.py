"""Plots of the L1 response to jets."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from utils.plotting.style import COLOURS, LINES, Drawing, in_style, start
from utils.simulation.smearing import CENTRAL_ETA, JetResponse


@in_style
def draw_jet_scale(jets: JetResponse, ax: Axes | None = None) -> Drawing:
    """Draw the mean scale of L1 jets against the true pT, with a line for each bin of absolute eta."""
    fig, ax = start(ax, "L1 jets")
    edges, pt = jets.inverse_response.eta_edges, np.geomspace(15, 1000, 200)
    for i, (low, high) in enumerate(pairwise(edges)):
        scale = jets.scale_mean * jets.inverse_response(pt, np.full_like(pt, (low + high) / 2))
        ax.plot(
            pt,
            scale,
            label=rf"{low:g} < $|\eta|$ < {high:g}",
            linewidth=2.5,
            color=COLOURS[i % len(COLOURS)],
            linestyle=LINES[i % len(LINES)],
        )
    ax.set(xscale="log", xlabel=r"True jet $p_T$ [GeV]", ylabel=r"Mean L1 $p_T$ / true $p_T$", xlim=(15, 1000))
    _label_pt_axis(ax)
    ax.legend(title=f"Width: {jets.scale_width / jets.scale_mean:.1%}", title_fontsize="x-small", fontsize="x-small")
    return fig, ax


@in_style
def draw_jet_resolution(jets: JetResponse, ax: Axes | None = None) -> Drawing:
    """Draw the fits of the jet resolution with their points, and the resolution at L1."""
    fig, ax = start(ax, "L1 jets")
    pt = np.geomspace(15, 1000, 200)
    for i, (fit, abs_eta, region) in enumerate(
        ((jets.central, 0.0, rf"$|\eta|$ < {CENTRAL_ETA}"), (jets.forward, CENTRAL_ETA, rf"$|\eta|$ > {CENTRAL_ETA}"))
    ):
        ax.plot(*fit.points.T, "os"[i], color=COLOURS[i], markersize=9, label=f"Table, {region}")
        ax.plot(pt, fit(pt), "--", color=COLOURS[i], linewidth=2.5, label="Fit")
        at_l1 = jets.resolution(pt, np.full_like(pt, abs_eta))
        ax.plot(pt, at_l1, "-", color=COLOURS[i], linewidth=2.5, label=rf"L1: {jets.resolution_factor:g} $\times$ fit")
    ax.set(
        xscale="log",
        xlabel=r"True jet $p_T$ [GeV]",
        ylabel=r"Relative $p_T$ resolution",
        xlim=(14, 1000),
        ylim=(0, None),
    )
    _label_pt_axis(ax)
    ax.legend(fontsize="x-small")
    return fig, ax


def _label_pt_axis(ax: Axes) -> None:
    """Label a logarithmic axis of less than two decades by numbers in GeV."""
    ticks = (20, 50, 100, 200, 500, 1000)
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_xticks([], minor=True)
