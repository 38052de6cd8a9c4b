"""Select a training sample: choose processes, prescale by jet multiplicity, flatten the spectrum of a variable.

The three selections are optional and applied in this order. Kept and discarded events go to separate files. The weight
of a kept event is divided by its keep probability, so that weighted spectra do not change. The file has the keep
probability as well: the training multiplies by it, and so sees the sampled spectrum.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from utils.cli import script
from utils.cutflow import LEFT_OUT, READ, StepCounter
from utils.formats.l1_files import L1Content, L1Dataset, L1Rows, L1Writer, new_l1_file
from utils.l1_events import L1Events, jet_count
from utils.runtime.errors import UserError
from utils.runtime.options import parse
from utils.runtime.paths import refuse_overlaps
from utils.runtime.progress import progress
from utils.runtime.provenance import provenance
from utils.runtime.random_streams import uniforms
from utils.runtime.whole_files import replaced_together, whole_file, whole_folder
from utils.runtime.workers import in_order, worker_threads
from utils.steps.selective_sampling_jets import Options
from utils.training.sampling import Flattening, SamplingCounts, count_for_flattening, jet_count_probability

logger = logging.getLogger("selective_sampling_jets")

Result = TypeVar("Result")

FEW_EVENTS = 1000  # fewer are too few for a training

KEPT, OTHER_PROCESS = "kept", "other process"
PRESCALED, FLATTENED = "prescaled by jet multiplicity", "spectrum flattened"


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    return parse(Options, __doc__, argv)


@dataclass(frozen=True)
class Decisions:
    """Decisions about the events of a chunk.

    Attributes
    ----------
    chosen, prescaled, kept : np.ndarray, shape (n_events,), bool
        Events of the chosen processes, those left by the prescale, and those left by the flattening.
    probability : np.ndarray, shape (n_events,), float64
        Keep probability of the prescale and the flattening.
    """

    chosen: np.ndarray
    prescaled: np.ndarray
    kept: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class Selection:
    """Random decisions about events, which do not depend on the chunk in which an event is read."""

    process_ids: list[int]
    fractions: tuple[float, ...]
    mode: str
    seed: int

    def prescale(self, ids: np.ndarray, objects: np.ndarray | None, start: int) -> Decisions:
        """Choose processes and prescale by jet multiplicity.

        Parameters
        ----------
        ids : np.ndarray, shape (n_events,), int32
        objects : np.ndarray, shape (n_events, 18, 3), float32, or None
            L1 objects; None without fractions.
        start : int
            Row of the first event in its file.
        """
        chosen = np.isin(ids, self.process_ids)
        if not self.fractions or objects is None:
            return Decisions(chosen, chosen, chosen, np.ones(len(ids)))
        probability = jet_count_probability(jet_count(objects), self.fractions, self.mode)
        prescaled = chosen & (self._uniforms("prescale", start, len(ids)) < probability)
        return Decisions(chosen, prescaled, prescaled, probability)

    def decide(self, events: L1Events, start: int, variable: str, flattening: Flattening | None) -> Decisions:
        """Choose processes, prescale by jet multiplicity, and flatten if a flattening is given."""
        before = self.prescale(events.ids, events.smeared_data, start)
        if flattening is None:
            return before
        flat = flattening(getattr(events, variable))
        kept = before.prescaled & (self._uniforms("flattening", start, len(events)) < flat)
        return replace(before, kept=kept, probability=before.probability * flat)

    def _uniforms(self, stream: str, start: int, length: int) -> np.ndarray:
        return uniforms(self.seed, stream, "", start, start + length)


def keep(events: L1Events, decisions: Decisions) -> L1Events:
    """Return the kept events; their weights are divided by the keep probability, which is recorded."""
    kept, probability = events[decisions.kept], decisions.probability[decisions.kept]
    before = 1.0 if kept.keep_probability is None else kept.keep_probability
    return replace(
        kept,
        weights=(kept.weights / probability).astype(np.float32),
        keep_probability=(before * probability).astype(np.float32),
    )


class Chunks:
    """Chunks of a file, on which threads work.

    Parameters
    ----------
    data : L1Dataset
    options : Options
    workers : Executor
    """

    def __init__(self, data: L1Dataset, options: Options, workers: Executor):
        self.data, self._options, self._workers = data, options, workers

    def each(self, what: str, work: Callable[[L1Rows, int, int], Result]) -> Iterator[Result]:
        """Apply a function to the rows [start, stop) of each chunk; yield its results in order and show progress."""
        size, n_events = self._options.chunk_size, self.data.n_events
        with self.data.opened() as rows, progress(n_events, what) as bar:

            def of_chunk(start: int) -> Result:
                return work(rows, start, min(start + size, n_events))

            for result in in_order(self._workers, of_chunk, range(0, n_events, size), 2 * self._options.workers):
                yield result
                bar.update(min(size, n_events - bar.n))


def fit_flattening(
    options: Options, variable: str, threshold: float, chunks: Chunks, selection: Selection
) -> Flattening:
    """Fit the flattening to the spectrum that the prescale leaves; read only what decides about it."""

    def count(rows: L1Rows, start: int, stop: int) -> np.ndarray:
        objects = rows.column("smeared_data", start, stop) if selection.fractions else None
        kept = selection.prescale(rows.column("ids", start, stop), objects, start).kept
        return count_for_flattening(rows.column(variable, start, stop)[kept], threshold, options.sampling_bins)

    counts = sum(chunks.each(f"count {variable}", count), np.zeros(options.sampling_bins + 1, np.int64))
    if not counts[-1]:
        width = threshold / options.sampling_bins
        raise UserError(
            f"{chunks.data.path}: no selected event has {variable} between --sampling_threshold {threshold:g} and "
            f"{threshold + width:g} GeV: lower the threshold"
        )
    return Flattening.fit(counts, threshold)


def write_selected(
    options: Options,
    chunks: Chunks,
    selection: Selection,
    flattening: Flattening | None,
    kept_output: L1Writer,
    discarded_output: L1Writer | None,
) -> tuple[SamplingCounts, str | None]:
    """Write the kept events, and the discarded ones where a file is given; count and record them.

    Returns
    -------
    counts : SamplingCounts
    content : str or None
        Hash of the kept events, if its file is wanted.
    """
    variable = options.sampling_var or "true_met"
    names = chunks.data.process_names
    content = L1Content({number: names[number] for number in selection.process_ids}) if options.content else None
    counts = SamplingCounts.empty(variable, options.sampling_threshold or 100.0, names)

    def read(rows: L1Rows, start: int, stop: int) -> tuple[L1Events, Decisions]:
        events = rows.events(start, stop)
        return events, selection.decide(events, start, variable, flattening)

    for events, decisions in chunks.each("select", read):
        kept_events = keep(events, decisions)
        kept_output.append(kept_events)
        if content is not None:
            content.add(kept_events)
        if discarded_output is not None:
            discarded_output.append(events[~decisions.kept])
        counts.add(events, decisions.chosen, decisions.prescaled, decisions.kept)
    counts.chosen.refuse_sums_below_0(str(options.input))
    counter = StepCounter(names, [KEPT], [OTHER_PROCESS, PRESCALED, FLATTENED])
    for n_passed, outcome in enumerate((OTHER_PROCESS, PRESCALED, FLATTENED, KEPT)):
        for process_id, number in counts.by_process(n_passed).items():
            counter.add_number(READ, process_id, number)
            counter.add_number(outcome, process_id, number)
    cutflow = counter.append_to(chunks.data.cutflow, "selective_sampling_jets")
    kept_output.record(cutflow)
    if discarded_output is not None:
        discarded_output.record(cutflow.of(LEFT_OUT))
    return counts, content.hexdigest() if content is not None else None


def draw(counts: SamplingCounts, flattening: Flattening | None, folder: Path) -> None:
    """Draw the spectra; Matplotlib is imported only here, because its import takes a second."""
    from utils.plotting.selective_sampling import draw_effective_spectrum, draw_spectrum
    from utils.plotting.style import save

    save(draw_spectrum(counts, flattening)[0], folder / "spectrum")
    save(draw_effective_spectrum(counts)[0], folder / "effective_spectrum")


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Select, write and summarise."""
    options = parse_args(argv)
    flags = ("output", "content", "discarded_output", "summary", "plots")
    refuse_overlaps({f"--{name}": getattr(options, name) for name in flags}, [options.input])
    data = L1Dataset.check(options.input)
    process_ids = data.process_ids(options.processes) if options.processes else list(data.process_names)
    selection = Selection(process_ids, options.fractions_to_keep, options.mode, options.seed)
    made_by, names = provenance(options), data.process_names
    with_probability = sorted({*data.optional, "keep_probability"})
    with (
        worker_threads(options.workers) as workers,
        replaced_together() as together,
        new_l1_file(options.output, names, options.seed, made_by, workers, with_probability, together) as kept,
        new_l1_file(options.discarded_output, names, options.seed, made_by, workers, data.optional, together)
        if options.discarded_output
        else nullcontext() as discarded,
        whole_file(options.content, together) if options.content else nullcontext() as content_file,
        whole_file(options.summary, together) if options.summary else nullcontext() as summary,
        whole_folder(options.plots, together) if options.plots else nullcontext() as plots,
    ):
        chunks = Chunks(data, options, workers)
        flattening = None
        if options.sampling_threshold and options.sampling_var:
            flattening = fit_flattening(options, options.sampling_var, options.sampling_threshold, chunks, selection)
        counts, content = write_selected(options, chunks, selection, flattening, kept, discarded)
        if not counts.n_kept:
            raise UserError(f"{options.input}: no event is left of {data.n_events} after the selection")
        if counts.n_kept < FEW_EVENTS:
            logger.warning("only %d of %d events are left for the training", counts.n_kept, data.n_events)
        for line in counts.text().splitlines():
            logger.info("%s", line)
        if content_file:
            content_file.write_text(f"{content}\n", encoding="utf-8")
        if summary:
            summary.write_text(counts.text(), encoding="utf-8")
        if plots:
            draw(counts, flattening, plots)


if __name__ == "__main__":
    raise SystemExit(main())
