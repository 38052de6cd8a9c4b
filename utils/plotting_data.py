"""Plots of the L1 response, of the selective sampling and of the training."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from utils.plotting_style import COLOURS, LINES, TRUE_SYMBOLS, Drawing, in_style, start
from utils.sampling import Flattening, SamplingTally
from utils.smearing import CENTRAL_ETA, JetResponse


@in_style
def draw_jet_scale(jets: JetResponse, ax: Axes | None = None) -> Drawing:
    """Draw the mean scale of L1 jets against the true pT, a line for each bin of absolute eta."""
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
    """Draw the fits of the jet resolution with their points, and what L1 makes of them."""
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


@in_style
def draw_spectrum(tally: SamplingTally, flattening: Flattening | None, ax: Axes | None = None) -> Drawing:
    """Draw the spectrum of the variable before and after the selection, and the probability to keep an event."""
    fig, ax = start(ax, "Selective sampling")
    for counts, label, colour, line in (
        (tally.before, "All events", COLOURS[4], ":"),
        (tally.thinned, "Processes, jet count", COLOURS[2], "--"),
        (tally.after, "Flattened" if flattening else "Kept", COLOURS[0], "-"),
    ):
        ax.stairs(counts, tally.edges, color=colour, linestyle=line, linewidth=2.5, label=label)
    ax.set(
        yscale="log",
        xlabel=f"{TRUE_SYMBOLS[tally.variable]} [GeV]",
        ylabel=f"Events / {tally.edges[1]:g} GeV",
        xlim=(0, tally.edges[-1]),
    )
    ax.set_ylim(top=30 * ax.get_ylim()[1])
    handles, labels = ax.get_legend_handles_labels()
    if flattening is not None:
        ax.axvline(flattening.threshold, color="black", linestyle=":", linewidth=1.5)
        right = ax.twinx()
        keep = right.stairs(
            np.append(flattening.probability, 1.0),
            np.append(flattening.edges, tally.edges[-1]),
            baseline=None,
            color=COLOURS[1],
            linestyle="-.",
            linewidth=1.5,
        )
        right.set(ylabel="Keep probability of the flattening", ylim=(0, 1.8))
        fig.subplots_adjust(right=0.86)
        handles, labels = [*handles, keep], [*labels, "Keep probability"]
    ax.legend(handles, labels, fontsize="x-small")
    return fig, ax


@in_style
def draw_history(history: Mapping[str, Sequence[float]], ax: Axes | None = None) -> Drawing:
    """Draw the losses of the epochs of a training."""
    fig, ax = start(ax, "Teacher")
    for i, (name, label) in enumerate((("loss", "Training"), ("val_loss", "Validation"))):
        epochs = np.arange(1, len(history[name]) + 1)
        ax.plot(epochs, history[name], marker="os"[i], color=COLOURS[i], linestyle=LINES[i], linewidth=2.5, label=label)
    best = int(np.argmin(history["val_loss"]))
    ax.axvline(best + 1, color="black", linestyle=":", linewidth=1.5, label=f"Best: {history['val_loss'][best]:.4g}")
    ax.set(xlabel="Epoch", ylabel="Loss")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend()
    return fig, ax
