"""Smear events to the resolution of the Level-1 trigger and split them into a training and a test file.

Reads events files (the layout of the public ADC2021 data set), one or more a process, and writes two L1 regression
files with true and smeared objects and energy sums. The events depend on the seed, but not on the chunk size. Events
files without weights give files without weights. Delphes trees are read like events files. NanoAOD files with L1 tables
are read as well: their objects are those of Level-1 and are not smeared.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import functools
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.cli import script
from utils.cutflow import READ, Cutflow, StepCounter
from utils.formats.duplicates import find_duplicates, refuse_duplicates
from utils.formats.events import OfflineFile, refuse_mixed_weights
from utils.formats.l1_files import L1Writer, new_l1_file
from utils.formats.nanoaod_options import Thresholds
from utils.formats.sources import check_sources, kept_columns, takes_cross_section, thresholds_of
from utils.formats.text_events import refuse_shared_events
from utils.formats.trigger_objects import SATURATED, saturated_events
from utils.l1_events import L1Events
from utils.processes import is_process_name
from utils.runtime.errors import UserError
from utils.runtime.options import parse
from utils.runtime.paths import find_files, missing_error, refuse_overlaps
from utils.runtime.progress import progress
from utils.runtime.provenance import provenance
from utils.runtime.random_streams import uniforms
from utils.runtime.whole_files import replaced_together, whole_folder
from utils.runtime.workers import in_order, worker_threads
from utils.simulation.response_options import l1_response
from utils.simulation.smearing import L1Response, smearing_stream
from utils.steps.create_L1regression_data import Options

if TYPE_CHECKING:
    from utils.formats.sources import Source

logger = logging.getLogger("create_L1regression_data")

COUNTED_AT_A_TIME = 1_000_000
L1_KINDS = {"Jet": "jets", "EG": "e/g"}
CUT = "cut"
SMEARING_BITS = 40  # of the number of an event, below the number of its smearing


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    options = parse(Options, __doc__, argv)
    return options if options.train_output else replace(options, test_fraction=1.0)


def find_inputs(options: Options) -> dict[str, list["Source"]]:
    """Find and check the files of each process, in the order of the flags and of the file names."""
    paths: dict[str, list[str]] = {}
    for text in options.input:
        name, equals, pattern = text.partition("=")
        if not (is_process_name(name) and equals and pattern):
            raise UserError(f"--input {text!r}: expected NAME=FILES")
        found = [pattern] if Path(pattern).exists() else [str(path) for path in find_files(pattern)]
        if not found:
            raise missing_error(pattern) if Path(pattern).is_symlink() else UserError(f"--input {text}: no such file")
        paths.setdefault(name, []).extend(found)
    for name, found in paths.items():
        repeated = [path for path in found if found.count(path) > 1]
        if repeated:
            raise UserError(f"--input: {repeated[0]} is given twice for process {name}")
    files = {name: check_sources(name, found, options) for name, found in paths.items()}
    refuse_mixed_weights({f"process {name} ({found[0].path})": found[0] for name, found in files.items()})
    for process_files in files.values():
        refuse_duplicates(process_files)
    all_files = [file for process_files in files.values() for file in process_files]
    for name in options.cross_sections:
        if name not in files and not any(file.path.match(name) for file in all_files if takes_cross_section(file)):
            logger.warning("--cross_sections: %s is no process and applies to no NanoAOD or Delphes file", name)
    for again, first in find_duplicates(all_files):
        logger.warning(
            "%s: has the events of %s, a file of another process: training events may be test events too",
            again,
            first,
        )
    refuse_shared_events({file.path: file.hard_events for file in all_files})
    return files


def follow_thresholds(options: Options, files: Sequence["Source"]) -> Options:
    """Raise the jet threshold to that of files whose jets are cut already, so that all events have the same jets."""
    cuts = thresholds_of(files)
    for kind, (cut, path) in cuts.items():
        logger.info("%s: all its L1 %s are above %g GeV, the cut of central NanoAOD", path, L1_KINDS[kind], cut)
    jets, path = cuts.get("Jet", (0.0, Path()))
    if jets <= options.jet_threshold:
        return options
    logger.warning(
        "the L1 jet threshold of all events is %g GeV instead of %g, as in %s", jets, options.jet_threshold, path
    )
    return replace(options, jet_threshold=jets)


def split(seed: int, process: str, start: int, stop: int, test_fraction: float) -> np.ndarray:
    """Return which of the events [start, stop) of a process are test events, bool."""
    return uniforms(seed, "split", process, start, stop) < test_fraction


def draw_response(response: L1Response, folder: Path) -> None:
    """Draw the jet response; Matplotlib is imported only here, because its import takes a second."""
    from utils.plotting.l1_response import draw_jet_resolution, draw_jet_scale
    from utils.plotting.style import save

    save(draw_jet_scale(response.jets)[0], folder / "jet_scale")
    save(draw_jet_resolution(response.jets)[0], folder / "jet_resolution")


@dataclass(frozen=True)
class Piece:
    """Rows [start, stop) of a file; the first of them is event `number` of its process."""

    file: "Source"
    start: int
    stop: int
    number: int


def pieces(files: Sequence["Source"], chunk_size: int) -> Iterator[Piece]:
    """Divide the files of a process into pieces."""
    first = 0
    for file in files:
        for start in range(0, file.n_events, chunk_size):
            yield Piece(file, start, min(start + chunk_size, file.n_events), first + start)
        first += file.n_events


@dataclass(frozen=True)
class Process:
    """A process with `n_train` training events, each smeared `smearings` times, and `n_test` test events."""

    name: str
    process_id: int
    files: Sequence["Source"]
    n_train: int
    n_test: int
    smearings: int

    @classmethod
    def divide(
        cls, name: str, process_id: int, files: Sequence["Source"], options: Options, workers: Executor
    ) -> "Process":
        """Count the training and the test events."""

        def count(piece: Piece) -> int:
            stop = piece.number + piece.stop - piece.start
            return int(split(options.seed, name, piece.number, stop, options.test_fraction).sum())

        n_events = sum(file.n_events for file in files)
        n_test = sum(in_order(workers, count, pieces(files, COUNTED_AT_A_TIME), options.workers))
        logger.info(
            "%s: %d events in %d files, %d for the training, %d for the test%s",
            name,
            n_events,
            len(files),
            n_events - n_test,
            n_test,
            "" if files[0].weighted else ", no weights",
        )
        if not 0 < n_test < n_events + (options.train_output is None):
            raise UserError(
                f"process {name}: {n_events} events cannot be split with --test_fraction {options.test_fraction}"
            )
        smearings = options.smearings if isinstance(files[0], OfflineFile) else 1
        return cls(name, process_id, files, n_events - n_test, n_test, smearings)

    def refuse_no_cross_section(self, sums: np.ndarray) -> None:
        """Refuse a process without a rate: its training or test weights sum to 0 or less."""
        for sample, n_events, total in zip(("training", "test"), (self.n_train, self.n_test), sums, strict=True):
            if n_events and not total > 0:
                where = f"{self.files[0].path}{', ...' * (len(self.files) > 1)}"
                raise UserError(
                    f"process {self.name} ({where}): {self.files[0].weights_name}: expected weights of the {sample} "
                    f"events that sum to more than 0, found a sum of {total:g}"
                )


def smear(
    piece: Piece, process: Process, response: L1Response, thresholds: Thresholds, seed: int, test_fraction: float
) -> tuple[L1Events, L1Events]:
    """Smear events and divide them into training and test events.

    Each training event is smeared several times; the results follow each other. The weights of each file sum to the
    cross section, so a file with n of the N events of its process counts n/N. The weights of the training events sum to
    the cross section in the result, and so do the weights of the test events. Events with objects of L1 are not
    smeared.
    """
    in_test = split(seed, process.name, piece.number, piece.number + piece.stop - piece.start, test_fraction)
    training, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
    smearing = np.append(np.tile(np.arange(process.smearings), len(training)), np.zeros(len(test), np.int64))
    order, n_train = np.append(np.repeat(training, process.smearings), test), len(training) * process.smearings
    if isinstance(piece.file, OfflineFile):
        particles, weights = piece.file.rows(piece.start, piece.stop)
        stream = smearing_stream(seed, process.name)
        numbers = piece.number + order + (smearing << SMEARING_BITS)
        events = response.l1_events(particles, order, numbers, stream, process.process_id, weights[order])
    else:
        events = piece.file.l1_events(piece.start, piece.stop, thresholds)[order]
        events = replace(events, ids=np.full(len(order), process.process_id, np.int32))
    if piece.file.weighted:
        events.weights[:n_train] *= piece.file.n_events / max(process.n_train * process.smearings, 1)
        events.weights[n_train:] *= piece.file.n_events / process.n_test
    return events[:n_train], events[n_train:]


def smear_process(
    process: Process,
    response: L1Response,
    thresholds: Thresholds,
    options: Options,
    workers: Executor,
    outputs: Mapping[str, L1Writer | None],
    counter: StepCounter,
) -> None:
    """Smear the events of a process, write them to the outputs of both samples, and count them, each once.

    Saturated events are counted, and left out if the options say so.
    """
    smear_piece = functools.partial(
        smear,
        process=process,
        response=response,
        thresholds=thresholds,
        seed=options.seed,
        test_fraction=options.test_fraction,
    )
    sums = np.zeros(2)
    rows_a_piece = max(1, options.chunk_size // process.smearings)
    with progress(process.n_train + process.n_test, f"smear {process.name}") as bar:
        smeared = in_order(workers, smear_piece, pieces(process.files, rows_a_piece), 2 * options.workers)
        for samples in smeared:
            steps = process.smearings, 1
            for i, (name, step) in enumerate(zip(outputs, steps, strict=True)):
                events, output = samples[i], outputs[name]
                bar.update(len(events) // step)
                saturated = saturated_events(events).reshape(-1, step).any(axis=1)
                counter.add(SATURATED, events.ids[::step][saturated])
                if options.saturated == CUT:
                    events = events[np.repeat(~saturated, step)]
                if output is not None:
                    output.append(events)
                counter.add(name, events.ids[::step])
                sums[i] += events.weights.sum(dtype=np.float64)
    n_saturated = counter.number(SATURATED, process.process_id)
    logger.info(
        "%s: %d events have a saturated object or sum (--saturated %s)", process.name, n_saturated, options.saturated
    )
    process.refuse_no_cross_section(sums)
    counter.add_number(READ, process.process_id, sum(file.n_events for file in process.files))


def l1_thresholds(options: Options) -> Thresholds:
    """Return the thresholds of events that are not smeared."""
    return Thresholds(options.jet_threshold, options.egamma_threshold, options.muon_threshold)


def rows_an_event(processes: Sequence[Process]) -> dict[str, int]:
    """Return how many rows an event has in the training file, for the cutflow; processes may differ."""
    most = max(process.smearings for process in processes)
    others = {f"training {process.name}": 1 for process in processes if process.smearings < most}
    return {"training": most, **others} if most > 1 else {}


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Smear, split and write."""
    options = parse_args(argv)
    inputs = find_inputs(options)
    files = [file for process_files in inputs.values() for file in process_files]
    tables = (
        getattr(options, f"jet_{name}") for name in ("inverse_response", "resolution_central", "resolution_forward")
    )
    refuse_overlaps(
        {f"--{name}": getattr(options, name) for name in ("train_output", "test_output", "plots")},
        [*(file.path for file in files), *tables],
    )
    optional = (*(["weights"] if files[0].weighted else []), *kept_columns(files))
    made_by = provenance(options)
    followed = follow_thresholds(options, files)
    response, thresholds = l1_response(followed), l1_thresholds(followed)
    attributes = {"jet_threshold": followed.jet_threshold} if kept_columns(files) else {}
    names = dict(enumerate(inputs, start=1))
    with (
        worker_threads(options.workers) as workers,
        replaced_together() as together,
        whole_folder(options.plots, together) if options.plots else nullcontext() as plots,
    ):
        processes = [Process.divide(name, number, inputs[name], options, workers) for number, name in names.items()]
        with (
            new_l1_file(options.train_output, names, options.seed, made_by, workers, optional, together)
            if options.train_output
            else nullcontext() as train,
            new_l1_file(options.test_output, names, options.seed, made_by, workers, optional, together) as test,
        ):
            cut, kept = ([SATURATED], []) if options.saturated == CUT else ([], [SATURATED])
            counter = StepCounter(names, ["training", "test"], cut, kept)
            for process in processes:
                outputs = {"training": train, "test": test}
                smear_process(process, response, thresholds, options, workers, outputs, counter)
            before = Cutflow.merged({name: [file.cutflow for file in files] for name, files in inputs.items()})
            cutflow = counter.append_to(before, "create_L1regression_data", rows_an_event(processes))
            if train is not None:
                train.record(cutflow, attributes)
            test.record(cutflow.of("test"), attributes)
            if plots:
                draw_response(response, plots)


if __name__ == "__main__":
    raise SystemExit(main())
