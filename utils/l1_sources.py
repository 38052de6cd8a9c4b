"""Level-1 events of a file of any readable format, as a trained correction takes them.

Files of L1 objects are read as they are. Objects at offline resolution are smeared to Level-1, with the random numbers
of `create_L1regression_data.py`.
"""

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from utils.event_layout import N_SLOTS
from utils.formats.delphes_options import DelphesObjectOptions, DelphesOptions
from utils.formats.events import EventsFile
from utils.formats.hdf5 import has_entry, open_hdf5
from utils.formats.kinds import PARTICLES, Kind, kind_of, particles_error
from utils.formats.l1_files import L1Dataset
from utils.formats.nanoaod_options import L1TableOptions, Thresholds
from utils.formats.zero_bias_sources import check_zero_bias, zero_bias_files
from utils.l1_events import L1Events
from utils.runtime.errors import UserError
from utils.runtime.options import Seed, flag
from utils.runtime.paths import missing_error
from utils.simulation.response_options import ResponseOptions, l1_response
from utils.simulation.smearing import smearing_stream
from utils.variables import reconstructed

logger = logging.getLogger(__name__)

EVENTS_A_CHUNK = 65536


@dataclass(frozen=True, kw_only=True)
class SourceOptions(ResponseOptions, L1TableOptions, DelphesObjectOptions, Seed):
    """Which L1 objects are read, and how objects at offline resolution become L1 objects."""

    process: str = flag(
        "events",
        help="name to which the random numbers of the smearing belong, NAME of create_L1regression_data.py --input; "
        "without effect on files of L1 objects",
        config=False,
    )


class OfflineEvents(Protocol):
    """A reader of events at offline resolution, such as `EventsFile`."""

    @property
    def n_events(self) -> int:
        """Number of events."""

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the rows of an events file, and their weights."""


@dataclass(frozen=True)
class L1Source:
    """A checked file of events.

    Attributes
    ----------
    n_events : int
    chunks : callable
        Function of a number: it reads the events in their order, at most so many at a time.
    """

    n_events: int
    chunks: Callable[[int], Iterator[L1Events]]


def open_l1_source(path: str | Path, variable: str, options: SourceOptions) -> L1Source:
    """Check a file of any readable format; a :class:`UserError` says why it cannot be read.

    Parameters
    ----------
    path : str or Path
        File, or folder of zero-bias events.
    variable : str
        True variable of the correction; some formats keep a reference for its L1 sum.
    options : SourceOptions
    """
    path = Path(path)
    kind = kind_of(path)
    if path.is_dir() or kind == Kind.PARQUET:
        paths, is_root = zero_bias_files(path)
        return _nanoaod(paths, options) if is_root else _zero_bias(path, variable, options)
    if kind == Kind.HDF5:
        with open_hdf5(path) as file:
            offline = has_entry(file, "Particles")
        if offline:
            return _smeared(EventsFile.check(path), options)
        data = L1Dataset.check(path)
        return L1Source(data.n_events, functools.partial(data.chunks, true_objects=False))
    if kind == Kind.NANOAOD:
        return _nanoaod([path], options)
    if kind == Kind.DELPHES:
        return _delphes(path, options)
    if kind in PARTICLES:
        raise particles_error(path, kind)
    if not path.is_file():
        raise missing_error(path)
    found = f"a {kind} file" if kind else "none of them"
    known = "an L1 regression file, an events file, NanoAOD, Delphes or zero-bias events"
    raise UserError(f"{path}: expected {known}, found {found}")


def read_l1_events(path: str | Path, variable: str = "true_met", options: SourceOptions | None = None) -> L1Events:
    """Read all events of a file into memory, with arguments as for :func:`open_l1_source`."""
    source = open_l1_source(path, variable, options or SourceOptions())
    nothing = L1Events.of_objects(np.zeros((0, N_SLOTS, 3), np.float32))
    return L1Events.concatenate(list(source.chunks(EVENTS_A_CHUNK)) or [nothing])


def _zero_bias(path: Path, variable: str, options: SourceOptions) -> L1Source:
    """Return zero-bias events in Parquet files."""
    data = check_zero_bias(path, reconstructed(variable), jet_threshold=options.jet_threshold)
    return L1Source(data.n_events, lambda size: (chunk.events for chunk in data.chunks(size)))


def _nanoaod(paths: Sequence[Path], options: SourceOptions) -> L1Source:
    """Return the L1 objects of NanoAOD; uproot is imported only here, because that takes a second."""
    from utils.formats.nanoaod import NanoAODTrigger

    files = NanoAODTrigger.check(paths, options)
    highest = max(files, key=lambda file: file.cut.get("Jet", 0.0))
    if (cut := highest.cut.get("Jet", 0.0)) > options.jet_threshold:
        logger.warning(
            "%s: all its L1 jets are above %g GeV, the cut of central NanoAOD, not from %g GeV on",
            highest.path,
            cut,
            options.jet_threshold,
        )
    thresholds = Thresholds(options.jet_threshold, options.egamma_threshold, options.muon_threshold)

    def chunks(size: int) -> Iterator[L1Events]:
        for file in files:
            for start in range(0, file.n_events, size):
                yield file.l1_events(start, min(start + size, file.n_events), thresholds)

    return L1Source(sum(file.n_events for file in files), chunks)


def _delphes(path: Path, options: SourceOptions) -> L1Source:
    """Return the smeared objects of a Delphes tree; uproot is imported only here, because that takes a second."""
    from utils.formats.delphes import check_delphes_files

    chosen = {field.name: getattr(options, field.name) for field in fields(DelphesObjectOptions)}
    (file,) = check_delphes_files([path], DelphesOptions(**chosen))
    return _smeared(replace(file, scale=1.0), options)  # any weights will do, with a cross section or without


def _smeared(file: OfflineEvents, options: SourceOptions) -> L1Source:
    """Return events that are smeared once."""
    response, stream = l1_response(options), smearing_stream(options.seed, options.process)

    def chunks(size: int) -> Iterator[L1Events]:
        for start in range(0, file.n_events, size):
            particles, weights = file.rows(start, min(start + size, file.n_events))
            order = np.arange(len(particles))
            yield response.l1_events(particles, order, start + order, stream, 0, weights)

    return L1Source(file.n_events, chunks)
