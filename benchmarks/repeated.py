"""Files of any size for the benchmarks, made by repeating the events of small files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from utils.event_layout import PT
from utils.formats.events import EventsFile, new_events_file
from utils.formats.l1_files import OBJECTS, SUMS, L1Dataset, new_l1_file
from utils.l1_events import L1Events

CHUNK_SIZE = 16384
WIDTH = 0.03


def write_repeated_events(files: Sequence[EventsFile], path: Path, n_events: int) -> None:
    """Write an events file of `n_events`."""
    parts = [file.rows(0, file.n_events) for file in files]
    particles, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    with new_events_file(path) as writer:
        for start in range(0, n_events, len(weights)):
            rows = slice(0, min(len(weights), n_events - start))
            writer.append(particles[rows], weights[rows])
        writer.finish(1.0, {})


def write_repeated_l1_events(data: L1Dataset, path: Path, n_events: int) -> None:
    """Write an L1 regression file of `n_events` with the same sum of weights.

    The momenta of each copy of an event are multiplied by two random numbers near 1, one for L1 and one for the truth,
    so that values repeat no more often than in a real file of that size.
    """
    rng = np.random.default_rng(1)
    with new_l1_file(path, data.process_names, 1, {}) as writer:
        while len(writer) < n_events:
            for events in data.chunks(CHUNK_SIZE):
                copy = _varied(events[: n_events - len(writer)], rng)
                writer.append(replace(copy, weights=copy.weights * np.float32(data.n_events / n_events)))


def _varied(events: L1Events, rng: np.random.Generator) -> L1Events:
    """Multiply the momenta of each event by random numbers near 1."""
    l1, true = rng.lognormal(0, WIDTH, (2, len(events))).astype(np.float32)
    columns = {name: getattr(events, name).copy() for name in (*OBJECTS, *SUMS)}
    for name, momenta in columns.items():
        factor = l1 if name.startswith("smeared") else true
        if name in OBJECTS:
            momenta[:, :, PT] *= factor[:, None]
        else:
            momenta *= factor
    return replace(events, **columns)
