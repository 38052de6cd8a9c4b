"""Plot of firmware: latency and registers against the clock."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from utils.plotting.style import COLOURS, Drawing, in_style, start


@in_style
def draw_latency(designs: Sequence[Mapping[str, float]], ax: Axes | None = None) -> Drawing:
    """Draw the latency and the registers of a design against the frequency of its clock.

    Parameters
    ----------
    designs : sequence of mapping
        With "clock [MHz]", "latency [ns]" and "FF", both estimated.
    ax : Axes, optional
    """
    fig, ax = start(ax, "Student, estimate of alkaid", left="Firmware")
    fig.subplots_adjust(right=0.85)
    registers = ax.twinx()
    frequency = [design["clock [MHz]"] for design in designs]
    for axes, name, marker, colour in ((ax, "latency [ns]", "o", COLOURS[0]), (registers, "FF", "s", COLOURS[2])):
        values = [design[name] for design in designs]
        axes.plot(frequency, values, f"{marker}-", color=colour, markersize=8)
        axes.set_ylim(0, 1.2 * max(values))
        axes.tick_params(axis="y", colors=colour)
    ax.set(xlabel="Clock [MHz]", xlim=(0, 1.05 * max(frequency)))
    ax.set_ylabel("Latency [ns]", color=COLOURS[0])
    registers.set_ylabel("Registers", color=COLOURS[2])
    return fig, ax
