"""Select a training sample: choose processes, thin events by jet count, flatten the spectrum of a variable.

The three selections are optional and applied in this order. Kept and discarded events go to files of their own. The
weight of a kept event is divided by the probability with which it was kept, so that weighted spectra stay as they were.
That probability is kept in the file as well: the training multiplies by it and so sees the spectrum that was sampled.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import argparse
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.cli import progress, script
from utils.cutflow import LEFT_OUT, READ, StepCounter
from utils.data_processing import L1Events, jet_count
from utils.formats.l1_files import L1Content, L1Dataset, L1Writer, new_l1_file
from utils.runtime.arguments import checked, comma_separated, number, parser
from utils.runtime.errors import UserError
from utils.runtime.paths import refuse_overlaps, resolved
from utils.runtime.provenance import provenance
from utils.runtime.random_streams import uniforms
from utils.runtime.whole_files import replaced_together, whole_file, whole_folder
from utils.runtime.workers import in_order, worker_threads
from utils.training.loss_weights import LossSpectrum
from utils.training.sampling import Flattening, SamplingTally, count_for_flattening, jet_count_probability
from utils.variables import VARIABLES, full_variable

logger = logging.getLogger("selective_sampling_jets")

FEW_EVENTS = 1000  # with fewer a training says little

KEPT, OTHER_PROCESS, THINNED, FLATTENED = "kept", "other process", "thinned by jet count", "spectrum flattened"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = parser(__doc__)
    args.add_argument("--input", type=Path, required=True, help="L1 regression file")
    args.add_argument("--output", type=Path, required=True, help="L1 regression file of the events kept")
    args.add_argument("--discarded_output", type=Path, help="L1 regression file of the events not kept")
    args.add_argument(
        "--content",
        type=Path,
        help="text file: hash of the events kept, by which the workflow sees whether they changed",
    )
    args.add_argument("--summary", type=Path, help="text file: events by jet count, before and after")
    args.add_argument(
        "--plots",
        type=Path,
        help="folder for plots of the spectrum of events and of the loss, before and after",
    )
    args.add_argument(
        "--processes", type=comma_separated(str), default=(), help="processes to keep, separated by commas; all"
    )
    args.add_argument(
        "--fractions_to_keep",
        type=comma_separated(number(float, 0, 1)),
        default=(),
        help="share of events to keep with 0, 1, 2, ... L1 jets; all",
    )
    args.add_argument(
        "--mode",
        choices=("==", ">="),
        default="==",
        help="whether a share is for events with just that number of jets, or with that number and more",
    )
    args.add_argument(
        "--sampling_var", type=checked(full_variable), help=f"variable to show: {', '.join(VARIABLES)}, met or ht"
    )
    args.add_argument(
        "--sampling_threshold",
        type=number(float, above=0),
        help="make its spectrum flat below this [GeV]; left as it is",
    )
    args.add_argument(
        "--sampling_bins", type=number(int, 1), default=20, help="bins of the spectrum below the threshold"
    )
    args.add_argument("--seed", type=number(int, 0, 2**32 - 1), default=1, help="seed of all random numbers")
    args.add_argument(
        "--chunk_size",
        type=number(int, 1),
        default=16384,
        help="events that a worker holds at a time; no effect on the output",
    )
    args.add_argument(
        "--workers", type=number(int, 1), default=1, help="threads that read and compress; no effect on the output"
    )
    parsed = args.parse_args(argv)
    if parsed.sampling_threshold is not None and parsed.sampling_var is None:
        args.error("--sampling_threshold needs --sampling_var")
    if parsed.discarded_output and resolved(parsed.discarded_output) == resolved(parsed.output):
        args.error("--output and --discarded_output name the same file")
    return parsed


@dataclass(frozen=True)
class Selection:
    """What is kept, and the random decisions, which are those of the event whatever the chunk it is read in."""

    process_ids: list[int]
    fractions: tuple[float, ...]
    mode: str
    seed: int

    def of_processes(self, events: L1Events) -> np.ndarray:
        """Say which events are of the chosen processes, shape (n_events,), bool."""
        return np.isin(events.ids, self.process_ids)

    def thin(self, events: L1Events, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Choose processes and thin by jet count.

        Parameters
        ----------
        events : L1Events
        start : int
            Row of the first of them in its file.

        Returns
        -------
        kept : np.ndarray, shape (n_events,), bool
        probability : np.ndarray, shape (n_events,), float64
            With which the kept ones were kept.
        """
        probability = jet_count_probability(jet_count(events.smeared_data), self.fractions, self.mode)
        kept = self.of_processes(events) & (self._uniforms("thinning", start, len(events)) < probability)
        return kept, probability

    def flatten(self, probability: np.ndarray, start: int) -> np.ndarray:
        """Decide for each of the events from row `start` whether it is kept, shape (n_events,), bool."""
        return self._uniforms("flattening", start, len(probability)) < probability

    def _uniforms(self, stream: str, start: int, length: int) -> np.ndarray:
        return uniforms(self.seed, stream, "", start, start + length)


class NumberedChunks:
    """A file in chunks, read by threads, each with the row of its first event.

    Parameters
    ----------
    data : L1Dataset
    args : argparse.Namespace
    workers : Executor
    """

    def __init__(self, data: L1Dataset, args: argparse.Namespace, workers: Executor):
        self.data, self._args, self._workers = data, args, workers

    def read(self, what: str, true_objects: bool) -> Iterator[tuple[int, L1Events]]:
        """Read the file, showing progress."""
        size, n_events = self._args.chunk_size, self.data.n_events

        def rows(start: int) -> tuple[int, L1Events]:
            return start, self.data.rows(start, min(start + size, n_events), true_objects)

        with progress(n_events, what) as bar:
            for start, events in in_order(self._workers, rows, range(0, n_events, size), 2 * self._args.workers):
                yield start, events
                bar.update(len(events))


def fit_flattening(args: argparse.Namespace, chunks: NumberedChunks, selection: Selection) -> Flattening:
    """Count the spectrum of what is left after the first two selections, and fit the flattening to it."""
    counts = np.zeros(args.sampling_bins + 1, np.int64)
    for start, events in chunks.read(f"count {args.sampling_var}", true_objects=False):
        kept, _ = selection.thin(events, start)
        values = getattr(events, args.sampling_var)[kept]
        counts += count_for_flattening(values, args.sampling_threshold, args.sampling_bins)
    if not counts[-1]:
        width = args.sampling_threshold / args.sampling_bins
        raise UserError(
            f"{chunks.data.path}: no selected event has {args.sampling_var} between --sampling_threshold "
            f"{args.sampling_threshold:g} and {args.sampling_threshold + width:g} GeV: lower the threshold"
        )
    return Flattening.fit(counts, args.sampling_threshold)


def write_selected(
    args: argparse.Namespace,
    chunks: NumberedChunks,
    selection: Selection,
    flattening: Flattening | None,
    kept_output: L1Writer,
    discarded_output: L1Writer | None,
) -> tuple[SamplingTally, str]:
    """Write the kept events, and the others where a file is asked for, and count and record them.

    Returns
    -------
    tally : SamplingTally
    content : str
        Hash of the kept events.
    """
    variable = args.sampling_var or "true_met"
    names = chunks.data.process_names
    content = L1Content({number: names[number] for number in selection.process_ids})
    ids = np.array(sorted(names))
    sums = LossSpectrum.empty([names[number] for number in ids], [0])
    tally = SamplingTally.empty(variable, args.sampling_threshold or 100.0, names)
    counter = StepCounter(names, [KEPT], [OTHER_PROCESS, THINNED, FLATTENED])
    for start, events in chunks.read("select", true_objects=True):
        thinned, probability = selection.thin(events, start)
        kept = thinned
        if flattening is not None:
            flat = flattening(getattr(events, variable))
            kept = thinned & selection.flatten(flat, start)
            probability = probability * flat
        selected = events[kept]
        probability = probability[kept]
        before = 1.0 if selected.keep_probability is None else selected.keep_probability
        selected = replace(
            selected,
            weights=(selected.weights / probability).astype(np.float32),
            keep_probability=(before * probability).astype(np.float32),
        )
        kept_output.append(selected)
        content.add(selected)
        if discarded_output is not None:
            discarded_output.append(events[~kept])
        chosen = selection.of_processes(events)
        tally.add(events, chosen, thinned, kept)
        sums.add(np.searchsorted(ids, events.ids[chosen]), np.zeros(chosen.sum()), events.weights[chosen])
        counter.add(READ, events.ids)
        counter.add(KEPT, selected.ids)
        counter.add(OTHER_PROCESS, events.ids[~chosen])
        counter.add(THINNED, events.ids[chosen & ~thinned])
        counter.add(FLATTENED, events.ids[thinned & ~kept])
    sums.refuse_sums_below_0(str(args.input))
    cutflow = counter.append_to(chunks.data.cutflow, "selective_sampling_jets")
    kept_output.record(cutflow)
    if discarded_output is not None:
        discarded_output.record(cutflow.of(LEFT_OUT))
    return tally, content.hexdigest()


def draw(tally: SamplingTally, flattening: Flattening | None, folder: Path) -> None:
    """Draw the spectra; the only place that needs matplotlib, whose import takes a second."""
    from utils.plotting.data import draw_effective_spectrum, draw_spectrum
    from utils.plotting.style import save

    save(draw_spectrum(tally, flattening)[0], folder / "spectrum")
    save(draw_effective_spectrum(tally)[0], folder / "effective_spectrum")


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Select, write and summarise."""
    args = parse_args(argv)
    flags = ("output", "content", "discarded_output", "summary", "plots")
    refuse_overlaps({f"--{name}": getattr(args, name) for name in flags}, [args.input])
    data = L1Dataset.check(args.input)
    process_ids = data.ids_of(args.processes) if args.processes else list(data.process_names)
    selection = Selection(process_ids, args.fractions_to_keep, args.mode, args.seed)
    made_by, names = provenance(args), data.process_names
    with_probability = sorted({*data.optional, "keep_probability"})
    with (
        worker_threads(args.workers) as workers,
        replaced_together() as together,
        new_l1_file(args.output, names, args.seed, made_by, workers, with_probability, together) as kept,
        new_l1_file(args.discarded_output, names, args.seed, made_by, workers, data.optional, together)
        if args.discarded_output
        else nullcontext() as discarded,
        whole_file(args.content, together) if args.content else nullcontext() as content_file,
        whole_file(args.summary, together) if args.summary else nullcontext() as summary,
        whole_folder(args.plots, together) if args.plots else nullcontext() as plots,
    ):
        chunks = NumberedChunks(data, args, workers)
        flattening = fit_flattening(args, chunks, selection) if args.sampling_threshold else None
        tally, content = write_selected(args, chunks, selection, flattening, kept, discarded)
        if not tally.n_kept:
            raise UserError(f"{args.input}: no event is left of {data.n_events} after the selection")
        if tally.n_kept < FEW_EVENTS:
            logger.warning("only %d of %d events are left for the training", tally.n_kept, data.n_events)
        for line in tally.text().splitlines():
            logger.info("%s", line)
        if content_file:
            content_file.write_text(f"{content}\n", encoding="utf-8")
        if summary:
            summary.write_text(tally.text(), encoding="utf-8")
        if plots:
            draw(tally, flattening, plots)


if __name__ == "__main__":
    raise SystemExit(main())
