"""The numbers of a figure as data, read from what is drawn."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch

Tree = dict[str, Any]


def figure_data(fig: Figure) -> Tree:
    """Return the arrays that a figure draws, by panel.

    Each panel has the labels of its axes, with units, the title of its legend, and a list ``drawn``. An entry there has
    the ``name`` of the quantity, the ``label`` in the legend (both may be null) and, by ``kind``:

    - ``points``: ``x``, ``y`` and the ends of their bars, ``x_low``, ``x_high``, ``y_low``, ``y_high``; the bars in x
      are bins;
    - ``line``: ``x``, ``y``;
    - ``steps``: ``edges`` and ``values`` between them;
    - ``band``: ``x``, ``low``, ``high``;
    - ``cells``: ``x_edges``, ``y_edges`` and ``values`` by row of y;
    - ``marks``: ``x``, ``y`` and ``area`` in square points;
    - ``segments``: ``points``, two (x, y) each, and ``width`` in points.

    Guides that belong to the axes and not to the data, such as a line across a panel, are left out.
    """
    panels = [(ax, list(_drawn(ax))) for ax in fig.axes]
    return {"panels": [_panel(ax, drawn) for ax, drawn in panels if drawn]}


def _panel(ax: Axes, drawn: list[Tree]) -> Tree:
    legend = ax.get_legend()
    title = legend.get_title().get_text() if legend else ""
    x_labels = {shared.get_xlabel() for shared in ax.get_shared_x_axes().get_siblings(ax)}
    return {"x": max(x_labels), "y": ax.get_ylabel(), "title": title or None, "drawn": drawn}


def _drawn(ax: Axes) -> Iterator[Tree]:
    """Read the artists that draw data in axes."""
    with_bars = [container for container in ax.containers if isinstance(container, ErrorbarContainer)]
    parts = {id(part) for container in with_bars for part in container.get_children()}
    for container in with_bars:
        yield {**_names(container.lines[0], container.get_label()), **_points(container)}
    for artist in (*ax.lines, *ax.patches, *ax.collections):
        content = None if id(artist) in parts else _content(ax, artist)
        if content:
            yield {**_names(artist, artist.get_label()), **content}


def _names(artist: Artist, label: object) -> Tree:
    """Return the name of what an artist draws, and its label in the legend."""
    return {"name": artist.get_gid() or None, "label": None if str(label).startswith("_") or not label else str(label)}


def _points(container: ErrorbarContainer) -> Tree:
    """Return points and the ends of their bars."""
    line, _, bars = container.lines
    found = {"kind": "points", "x": line.get_xdata(), "y": line.get_ydata()}
    directions = [axis for axis, has_bars in enumerate((container.has_xerr, container.has_yerr)) if has_bars]
    for axis, collection in zip(directions, bars, strict=True):
        ends = np.array([_ends(np.asarray(path.vertices)[:, axis]) for path in collection.get_paths()]).reshape(-1, 2)
        found |= {f"{'xy'[axis]}_low": ends[:, 0], f"{'xy'[axis]}_high": ends[:, 1]}
    return found


def _ends(coordinates: np.ndarray) -> tuple[float, float]:
    """Return the ends of a bar, NaN for a point without."""
    return (float(coordinates[0]), float(coordinates[-1])) if len(coordinates) else (np.nan, np.nan)


def _content(ax: Axes, artist: Artist) -> Tree | None:
    """Return the arrays of an artist; None for one that draws no data."""
    if isinstance(artist, Line2D):
        x, y = artist.get_data()
        is_guide = artist.get_transform() is not ax.transData
        return None if is_guide or not np.size(x) else {"kind": "line", "x": x, "y": y}
    if isinstance(artist, StepPatch):
        values, edges, _ = artist.get_data()
        return {"kind": "steps", "edges": edges, "values": values}
    if isinstance(artist, QuadMesh):
        corners = np.asarray(artist.get_coordinates())
        values = np.ma.filled(np.ma.asarray(artist.get_array(), np.float64), np.nan)
        return {"kind": "cells", "x_edges": corners[0, :, 0], "y_edges": corners[:, 0, 1], "values": values}
    if isinstance(artist, PathCollection):
        x, y = np.ma.filled(artist.get_offsets(), np.nan).T
        return {"kind": "marks", "x": x, "y": y, "area": artist.get_sizes()}
    if isinstance(artist, LineCollection):
        return {"kind": "segments", "points": artist.get_segments(), "width": artist.get_linewidth()}
    if isinstance(artist, PolyCollection):
        return _band(artist)
    return None


def _band(artist: PolyCollection) -> Tree:
    """Return the outline of a band: each polygon goes from its first point along one side, and back along the other."""
    outlines = [np.asarray(path.vertices) for path in artist.get_paths()]
    sides = [(outline[1 : len(outline) // 2], outline[-2::-1]) for outline in outlines]
    low = np.concatenate([np.zeros((0, 2)), *(side for side, _ in sides)])
    high = np.concatenate([np.zeros((0, 2)), *(back[: len(side)] for side, back in sides)])
    return {"kind": "band", "x": low[:, 0], "low": low[:, 1], "high": high[:, 1]}
