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
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.cli import script
from utils.cutflow import LEFT_OUT, READ, StepCounter
from utils.formats.l1_files import L1Content, L1Dataset, L1Writer, new_l1_file
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
from utils.training.loss_weights import LossSpectrum
from utils.training.sampling import Flattening, SamplingCounts, count_for_flattening, jet_count_probability

logger = logging.getLogger("selective_sampling_jets")

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

    def decide(
        self, events: L1Events, start: int, variable: str | None = None, flattening: Flattening | None = None
    ) -> Decisions:
        """Choose processes, prescale by jet multiplicity and flatten.

        Parameters
        ----------
        events : L1Events
        start : int
            Row of the first event in its file.
        variable : str, optional
        flattening : Flattening, optional
            Without it no event is left out by the flattening.
        """
        chosen = np.isin(events.ids, self.process_ids)
        probability = jet_count_probability(jet_count(events.smeared_data), self.fractions, self.mode)
        prescaled = chosen & (self._uniforms("prescale", start, len(events)) < probability)
        if variable is None or flattening is None:
            return Decisions(chosen, prescaled, prescaled, probability)
        flat = flattening(getattr(events, variable))
        kept = prescaled & (self._uniforms("flattening", start, len(events)) < flat)
        return Decisions(chosen, prescaled, kept, probability * flat)

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


class NumberedChunks:
    """Chunks of a file, read by threads, each with the row of its first event.

    Parameters
    ----------
    data : L1Dataset
    options : Options
    workers : Executor
    """

    def __init__(self, data: L1Dataset, options: Options, workers: Executor):
        self.data, self._options, self._workers = data, options, workers

    def read(self, what: str, true_objects: bool) -> Iterator[tuple[int, L1Events]]:
        """Read the file and show progress."""
        size, n_events = self._options.chunk_size, self.data.n_events

        def rows(start: int) -> tuple[int, L1Events]:
            return start, self.data.rows(start, min(start + size, n_events), true_objects)

        with progress(n_events, what) as bar:
            for start, events in in_order(self._workers, rows, range(0, n_events, size), 2 * self._options.workers):
                yield start, events
                bar.update(len(events))


def fit_flattening(
    options: Options, variable: str, threshold: float, chunks: NumberedChunks, selection: Selection
) -> Flattening:
    """Fit the flattening to the spectrum that the prescale leaves."""
    counts = np.zeros(options.sampling_bins + 1, np.int64)
    for start, events in chunks.read(f"count {variable}", true_objects=False):
        values = getattr(events, variable)[selection.decide(events, start).kept]
        counts += count_for_flattening(values, threshold, options.sampling_bins)
    if not counts[-1]:
        width = threshold / options.sampling_bins
        raise UserError(
            f"{chunks.data.path}: no selected event has {variable} between --sampling_threshold {threshold:g} and "
            f"{threshold + width:g} GeV: lower the threshold"
        )
    return Flattening.fit(counts, threshold)


def write_selected(
    options: Options,
    chunks: NumberedChunks,
    selection: Selection,
    flattening: Flattening | None,
    kept_output: L1Writer,
    discarded_output: L1Writer | None,
) -> tuple[SamplingCounts, str]:
    """Write the kept events, and the discarded ones where a file is given; count and record them.

    Returns
    -------
    counts : SamplingCounts
    content : str
        Hash of the kept events.
    """
    variable = options.sampling_var or "true_met"
    names = chunks.data.process_names
    content = L1Content({number: names[number] for number in selection.process_ids})
    ids = np.array(sorted(names))
    sums = LossSpectrum.empty([names[number] for number in ids], [0])
    counts = SamplingCounts.empty(variable, options.sampling_threshold or 100.0, names)
    counter = StepCounter(names, [KEPT], [OTHER_PROCESS, PRESCALED, FLATTENED])
    for start, events in chunks.read("select", true_objects=True):
        decisions = selection.decide(events, start, variable, flattening)
        chosen, prescaled, kept = decisions.chosen, decisions.prescaled, decisions.kept
        kept_events = keep(events, decisions)
        kept_output.append(kept_events)
        content.add(kept_events)
        if discarded_output is not None:
            discarded_output.append(events[~kept])
        counts.add(events, chosen, prescaled, kept)
        sums.add(np.searchsorted(ids, events.ids[chosen]), np.zeros(chosen.sum()), events.weights[chosen])
        for name, rows in (
            (READ, slice(None)),
            (KEPT, kept),
            (OTHER_PROCESS, ~chosen),
            (PRESCALED, chosen & ~prescaled),
            (FLATTENED, prescaled & ~kept),
        ):
            counter.add(name, events.ids[rows])
    sums.refuse_sums_below_0(str(options.input))
    cutflow = counter.append_to(chunks.data.cutflow, "selective_sampling_jets")
    kept_output.record(cutflow)
    if discarded_output is not None:
        discarded_output.record(cutflow.of(LEFT_OUT))
    return counts, content.hexdigest()


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
        chunks = NumberedChunks(data, options, workers)
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
