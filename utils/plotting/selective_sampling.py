"""Plots of the selective sampling."""

import numpy as np
from matplotlib.axes import Axes

from utils.plotting.style import COLOURS, NO_EVENTS, TRUE_SYMBOLS, Drawing, in_style, say, start
from utils.training.sampling import LOSS, Flattening, SamplingCounts


@in_style
def draw_spectrum(sampling: SamplingCounts, flattening: Flattening | None, ax: Axes | None = None) -> Drawing:
    """Draw the spectrum of the variable before and after the selection, and the keep probability."""
    fig, ax = start(ax, "Selective sampling")
    for counts, label, colour, line in (
        (sampling.before, "All events", COLOURS[4], ":"),
        (sampling.prescaled, "Processes, jet count", COLOURS[2], "--"),
        (sampling.after, "Flattened" if flattening else "Kept", COLOURS[0], "-"),
    ):
        ax.stairs(counts, sampling.edges, color=colour, linestyle=line, linewidth=2.5, label=label)
    if not sampling.before.any():
        say(ax, NO_EVENTS)
    ax.set(
        yscale="log" if sampling.before.any() else "linear",
        xlabel=f"{TRUE_SYMBOLS[sampling.variable]} [GeV]",
        ylabel=f"Events / {sampling.edges[1]:g} GeV",
        xlim=(0, sampling.edges[-1]),
    )
    ax.set_ylim(top=30 * ax.get_ylim()[1])
    handles, labels = ax.get_legend_handles_labels()
    if flattening is not None:
        ax.axvline(flattening.threshold, color="black", linestyle=":", linewidth=1.5)
        right = ax.twinx()
        keep = right.stairs(
            np.append(flattening.probability, 1.0),
            np.append(flattening.edges, sampling.edges[-1]),
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
def draw_effective_spectrum(sampling: SamplingCounts, ax: Axes | None = None) -> Drawing:
    """Draw the share of each process in the loss in bins of the variable, with and without the selection."""
    fig, ax = start(ax, "Selective sampling")
    present = np.flatnonzero(sampling.physical.counts.sum(1)).tolist()
    for i, process in enumerate(present):
        for spectrum, label, line in ((sampling.physical, "", "--"), (sampling.sampled, ", sampled", "-")):
            shares = np.maximum(spectrum.share_of_loss(LOSS)[process, :-1], 0)
            label = f"{spectrum.names[process]}{label}"
            ax.stairs(
                shares, sampling.edges, color=COLOURS[i % len(COLOURS)], linestyle=line, linewidth=2.5, label=label
            )
    ax.set(
        yscale="log",
        xlabel=f"{TRUE_SYMBOLS[sampling.variable]} [GeV]",
        ylabel=f"Share of the loss / {sampling.edges[1]:g} GeV",
        xlim=(0, sampling.edges[-1]),
        ylim=(1e-7, 30),
    )
    if present:
        ax.legend(fontsize="x-small")
    else:
        say(ax, "No events to train on")
    return fig, ax
