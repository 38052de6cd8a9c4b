"""Predictions for the samples of the evaluation and for zero-bias events, with their cutflows."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from utils.cutflow import READ, Cutflow, StepCounter
from utils.evaluation.samples import Sample
from utils.formats.fingerprints import TrainedOn
from utils.formats.trigger_objects import LARGEST_SUM, SATURATED, saturated_events
from utils.formats.zero_bias_events import PROCESS_ID
from utils.l1_events import L1Events
from utils.predictions import Counts, Model, Predictions, count, has_direction, predict_events
from utils.runtime.errors import UserError
from utils.runtime.progress import progress

if TYPE_CHECKING:
    from utils.formats.zero_bias_sources import ZeroBias

logger = logging.getLogger(__name__)

STEP = "analyze_results_teacher"
CORRECTED, NO_JET, NO_TARGET = "corrected", "uncorrected, no jet at L1", "uncorrected, no target"
NOT_EVALUATED = "process neither signal nor background"
ZERO_BIAS = "zero bias"


def predict_sample(
    sample: Sample, variable: str, models: Mapping[str, Model], chunk_size: int, trained_on: Sequence[TrainedOn]
) -> tuple[dict[str, Predictions], Cutflow]:
    """Predict the corrections of all events of the processes of a sample.

    Parameters
    ----------
    sample : Sample
    variable : str
    models : mapping of str to Model
    chunk_size : int
    trained_on : sequence of TrainedOn
        Counters of the evaluated events that the models were trained on.

    Returns
    -------
    dict of str to Predictions
        By process.
    Cutflow
    """
    data, processes = sample.data, sample.processes
    counter = StepCounter(data.process_names, [CORRECTED, NO_JET, NO_TARGET], [NOT_EVALUATED], [SATURATED])

    def read() -> Iterator[L1Events]:
        with progress(data.n_events, "predict") as bar:
            for events in data.chunks(chunk_size, true_objects=has_direction(variable)):
                counter.add(READ, events.ids)
                evaluated = events[np.isin(events.ids, list(processes.values()))]
                counter.add(SATURATED, evaluated.ids[saturated_events(evaluated)])
                for fingerprints in trained_on:
                    fingerprints.count(evaluated)
                yield events
                bar.update(len(events))

    all_predictions = predict_events(read(), list(processes.values()), variable, models)
    logger.info("%d of %d events are of the named processes", len(all_predictions), data.n_events)
    predictions = {
        # The process is the same for all its events, so a single number in memory is enough.
        name: replace(
            all_predictions[all_predictions.process_id == number],
            process_id=np.broadcast_to(np.int32(number), counter.number(READ, number)),
        )
        for name, number in processes.items()
    }
    del all_predictions
    for name, process_id in processes.items():
        counts = count(predictions[name])
        if not counts.events:
            raise UserError(f"{data.path}: no events of process '{name}'")
        if not counts.weight > 0:
            found = f"those of process '{name}' sum to {counts.weight:g}"
            raise UserError(f"{data.path}: dataset 'weights': {found}, expected more than 0")
        logger.info(
            "%s: %d events; %d without a jet at L1 and %d without a target stay uncorrected",
            name,
            counts.events,
            counts.without_jet,
            counts.without_target,
        )
        _add_outcomes(counter, process_id, counts)
    for process_id in data.process_names.keys() - set(processes.values()):
        counter.add_number(NOT_EVALUATED, process_id, counter.number(READ, process_id))
    return predictions, counter.append_to(data.cutflow, STEP)


@dataclass(frozen=True)
class ZeroBiasPredictions:
    """Predictions for zero-bias events.

    Attributes
    ----------
    predictions : Predictions
    reference : np.ndarray, shape (n_events,), float32
        Energy sum of the CMS trigger itself, in GeV.
    n_saturated : dict of str to int
        Number of saturated objects and energy sums of each kind.
    sections : np.ndarray, shape (n_events, 2), uint32, or None
        Run and luminosity section; None where the files do not say.
    """

    predictions: Predictions
    reference: np.ndarray
    n_saturated: dict[str, int]
    sections: np.ndarray | None = None


def predict_zero_bias(
    data: "ZeroBias", variable: str, models: Mapping[str, Model], chunk_size: int
) -> tuple[ZeroBiasPredictions, Cutflow]:
    """Predict the corrections of zero-bias events."""
    counter = StepCounter({PROCESS_ID: ZERO_BIAS}, [CORRECTED, NO_JET, NO_TARGET], data.reasons, [SATURATED])
    references: list[np.ndarray] = []
    sections: list[np.ndarray] = []
    saturated: Counter[str] = Counter()

    def read() -> Iterator[L1Events]:
        with progress(data.n_events, "predict zero bias") as bar:
            for chunk in data.chunks(chunk_size):
                references.append(chunk.reference)
                saturated.update(chunk.n_saturated)
                if chunk.sections is not None:
                    sections.append(chunk.sections)
                for reason, number in chunk.left_out.items():
                    counter.add_number(reason, PROCESS_ID, number)
                n_read = len(chunk.events) + sum(chunk.left_out.values())
                counter.add_number(READ, PROCESS_ID, n_read)
                is_saturated = saturated_events(chunk.events) | (chunk.reference >= LARGEST_SUM)
                counter.add_number(SATURATED, PROCESS_ID, int(is_saturated.sum()))
                yield chunk.events
                bar.update(n_read)

    predictions = predict_events(read(), [PROCESS_ID], variable, models)
    counts = count(predictions)
    if not counts.events:
        raise UserError(f"--zero_bias: no event is left of {data.n_events}, in the runs and the mask that are given")
    logger.info(
        "zero bias: %d events; %d without a jet and %d without an L1 %s stay uncorrected; saturated: %s",
        counts.events,
        counts.without_jet,
        counts.without_target,
        "HT" if variable == "true_ht" else "MET",
        ", ".join(f"{number} {name}" for name, number in saturated.items()),
    )
    _add_outcomes(counter, PROCESS_ID, counts)
    found = ZeroBiasPredictions(
        predictions, np.concatenate(references), dict(saturated), np.concatenate(sections) if sections else None
    )
    return found, counter.append_to(Cutflow(), STEP)


def _add_outcomes(counter: StepCounter, process_id: int, counts: Counts) -> None:
    """Count the corrected and the uncorrected events of a process."""
    counter.add_number(CORRECTED, process_id, counts.events - counts.without_jet - counts.without_target)
    counter.add_number(NO_JET, process_id, counts.without_jet)
    counter.add_number(NO_TARGET, process_id, counts.without_target)
