"""Single events for display: their choice, objects and attention."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from utils.data_processing import GraphCreator
from utils.event_layout import PHI, PT, SLOT_PIDS
from utils.formats.l1_files import L1Dataset
from utils.predictions import BASELINE, TRUE, Predictions, has_direction

MIN_JETS = 3  # of a displayed event: with fewer there is little attention to show
LOWERED_MOST = "Event lowered most"
KEPT = "Event kept, highest true value"
HIGHEST = "Event of highest corrected value"


@dataclass(frozen=True)
class EventDisplay:
    """Data of a displayed event.

    Attributes
    ----------
    variable, process : str
    chosen_as : str
        Reason of the choice, from `choose_events`.
    objects : np.ndarray, shape (n_objects, 3), float32
        pT [GeV], eta and phi at L1 of the input objects of the network, without empty slots.
    pids : np.ndarray, shape (n_objects,)
        Kind of each object.
    attention : list of np.ndarray, each of shape (n_heads, n_objects, n_objects), float32
        For each layer; element (i, j) is the attention of object i to object j.
    sums : dict of str to float
        Value of the variable in GeV, by quantity.
    directions : dict of str to float
        Azimuth of the baseline and true MET, where defined.
    """

    variable: str
    process: str
    chosen_as: str
    objects: np.ndarray
    pids: np.ndarray
    attention: list[np.ndarray]
    sums: Mapping[str, float]
    directions: Mapping[str, float]


def choose_events(predictions: Predictions, model: str, threshold: float) -> dict[str, int]:
    """Choose two events of a process that show the purpose of the correction; the choice is reproducible.

    Both have a prediction and at least three jets at L1. The first is the event that the correction lowers most, in
    GeV. The second has the highest true value among the events whose corrected value is above the threshold; if none
    is, it has the highest corrected value. Of equal events the first in the file is chosen.

    Parameters
    ----------
    predictions : Predictions
        Predictions of one process.
    model : str
        Its name.
    threshold : float
        Threshold on the corrected value, in GeV.

    Returns
    -------
    dict of str to int
        Index of the event in the process, by the reason of the choice; fewer than two if there are too few events.
    """
    rows = np.flatnonzero(predictions.predicted & (predictions.jets >= MIN_JETS))
    chosen: dict[str, int] = {}
    if len(rows):
        scores = predictions[rows].scores
        lowered = int(np.argmax(scores[BASELINE] - scores[model]))
        chosen[LOWERED_MOST] = int(rows[lowered])
        rows = np.delete(rows, lowered)
    if len(rows):
        scores = predictions[rows].scores
        above = scores[model] > threshold
        if above.any():
            chosen[KEPT] = int(rows[np.argmax(np.where(above, scores[TRUE], -1))])
        else:
            chosen[HIGHEST] = int(rows[np.argmax(scores[model])])
    return chosen


def met_direction(objects: np.ndarray) -> float:
    """Return the azimuth of MET: opposite to the vector sum of the objects, shape (n_objects, 3)."""
    pt, phi = objects[:, PT].astype(np.float64), objects[:, PHI].astype(np.float64)
    return float(np.arctan2(-np.sum(pt * np.sin(phi)), -np.sum(pt * np.cos(phi))))


def event_displays(
    data: L1Dataset,
    process_id: int,
    chosen: Mapping[str, int],
    predictions: Predictions,
    creator: GraphCreator,
    attention: Callable[[np.ndarray], list[np.ndarray]],
) -> Iterator[EventDisplay]:
    """Read the chosen events of a process, and compute their attention.

    Parameters
    ----------
    data : L1Dataset
    process_id : int
    chosen : mapping of str to int
        From `choose_events`.
    predictions : Predictions
        Predictions of the process.
    creator : GraphCreator
    attention : callable
        Takes features of shape (n_events, n_nodes, n_features), returns for each layer an array of shape (n_events,
        n_heads, n_nodes, n_nodes).
    """
    rows = data.process_rows(process_id, list(chosen.values()))
    for (chosen_as, index), row in zip(chosen.items(), rows, strict=True):
        event = data.rows(row, row + 1)
        real = creator.nodes(event)[0][0]
        directions = {}
        if creator.variable != "true_ht":
            directions[BASELINE] = met_direction(event.smeared_data[0])
        if has_direction(creator.variable) and event.true_recoil is not None:
            directions[TRUE] = met_direction(event.true_recoil[0])
        yield EventDisplay(
            creator.variable,
            data.process_names[process_id],
            chosen_as,
            event.smeared_data[0, creator.slots][real],
            SLOT_PIDS[creator.slots][real],
            [layer[0][:, real][:, :, real] for layer in attention(creator.features(event))],
            {quantity: float(values[index]) for quantity, values in predictions.scores.items()},
            directions,
        )
