"""Samples of the evaluation: files, and the processes that are evaluated on their events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.evaluation.options import EvaluationOptions
from utils.formats.duplicates import refuse_duplicates
from utils.formats.fingerprints import TrainedOn
from utils.formats.l1_files import L1Dataset
from utils.runtime.errors import UserError
from utils.runtime.provenance import sha256


@dataclass(frozen=True)
class Sample:
    """An L1 regression file, and the ids of the processes that are evaluated on its events."""

    data: L1Dataset
    processes: dict[str, int]


def read_samples(paths: Sequence[Path], options: EvaluationOptions) -> list[Sample]:
    """Check the files, and find each process of the evaluation in exactly one of them."""
    files = [L1Dataset.check(path) for path in paths]
    refuse_duplicates(files)
    names = (*options.signal_names, *options.bg_names)
    files_with = {name: [data for data in files if name in data.process_names.values()] for name in names}
    for name, found in files_with.items():
        if len(found) > 1:
            raise UserError(f"{found[1].path}: process '{name}' is in {found[0].path} too, expected it in one file")
        if not found:
            known = ", ".join(name for data in files for name in data.process_names.values())
            subject = "the file has" if len(files) == 1 else "the files have"
            shown = ", ".join(str(data.path) for data in files)
            raise UserError(f"{shown}: unknown process '{name}', {subject} {known}")
    samples = []
    for data in files:
        present = tuple(name for name in names if data in files_with[name])
        samples.append(Sample(data, dict(zip(present, data.process_ids(present), strict=True))))
    _refuse_mixed_weights([sample.data for sample in samples if set(options.bg_names) & set(sample.processes)])
    return samples


def _refuse_mixed_weights(background: Sequence[L1Dataset]) -> None:
    """Refuse a background of files with and without weights."""
    with_weights = [data for data in background if data.weighted]
    for data in background:
        if with_weights and not data.weighted:
            raise UserError(
                f"{data.path}: dataset 'weights' is missing, but {with_weights[0].path} has it: "
                "expected all of the background to have weights, or none"
            )


def unweighted_processes(samples: Sequence[Sample]) -> list[str]:
    """List the processes whose events have no weights."""
    return [name for sample in samples if not sample.data.weighted for name in sample.processes]


def weight_notes(samples: Sequence[Sample], options: EvaluationOptions) -> list[str]:
    """Write notes on events without weights: each counts 1, and such a background has no rates."""
    notes = [
        f"No weights in {sample.data.path}: each event counts 1." for sample in samples if not sample.data.weighted
    ]
    if options.bg_names[0] in unweighted_processes(samples):
        ignored = " --fixed_rates has no effect." if options.fixed_rates else ""
        notes.append(f"The background has no weights: the results are shares of events and no rates.{ignored}")
    return notes


def training_notes(sample: Sample, model: str, record: Mapping[str, Any], trained_on: TrainedOn | None) -> list[str]:
    """Write notes on evaluated events that a model was trained on, or may have been trained on.

    Parameters
    ----------
    sample : Sample
    model : str
        Its name.
    record : mapping
        Record of its training.
    trained_on : TrainedOn or None
        Comparison of the evaluated events with the fingerprints of the training; None without fingerprints.
    """
    path = sample.data.path
    if trained_on is None:
        data = record.get("data")
        recorded = data.get("sha256") if isinstance(data, dict) else None
        if recorded == sha256(path):
            return [f"WARNING: not a test: {model} was trained on {path}. Its results are too good."]
        return [f"WARNING: {model} has no record of its events: it may have been trained on those of {path}."]
    if not trained_on.n_found:
        return []
    return [
        f"WARNING: not a test: {model} was trained on {trained_on.n_found} of {trained_on.n_compared} events of {path} "
        f"that could be compared ({trained_on.share:.2%}). Its results are too good."
    ]
