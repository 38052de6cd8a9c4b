"""What a training leaves in its folder, and what others have to know of it."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.batches import TrainingGraphs
from utils.cli import UserError
from utils.data_processing import GraphCreator, graph_creator
from utils.event_counts import EVENT_COUNTS, History
from utils.files import provenance, read_json
from utils.hardware import HardwareScales
from utils.student_inputs import StudentInputs

MODEL_FILE, TRAINING_FILE = "best_model.keras", "training.json"
TEACHER, STUDENT = "teacher", "student"


@dataclass(frozen=True)
class Training:
    """What others have to know of a training.

    Attributes
    ----------
    folder : Path
    kind : {"teacher", "student"}
    creator : GraphCreator
    loss_function : str
    student_inputs : StudentInputs or None
        Of a student.
    target : str
        What a student gives, "sum" or "factor".
    """

    folder: Path
    kind: str
    creator: GraphCreator
    loss_function: str
    student_inputs: StudentInputs | None
    target: str


def record_of(
    args: argparse.Namespace,
    kind: str,
    creator: GraphCreator,
    graphs: TrainingGraphs,
    events: History,
    made_for: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what every training records of itself: what it is of, its events, and what made it.

    Parameters
    ----------
    args : argparse.Namespace
    kind : {"teacher", "student"}
    creator : GraphCreator
    graphs : TrainingGraphs
    events : History
        Of the training's events, this step last.
    made_for : mapping
        What the training depends on, with the hashes of the input and of the code.
    """
    return {
        "kind": kind,
        "variable": creator.variable,
        "log_features": creator.log_features,
        "feature_names": creator.feature_names,
        "loss_function": args.loss_function,
        "weight_power": args.weight_power,
        "seed": args.seed,
        "n_training": graphs.n_training,
        "n_validation": graphs.n_validation,
        EVENT_COUNTS: events.record(),
        "data": {"events": sum(events.steps[-1].read.values()), "sha256": made_for["--input"]},
        "code": {"sha256": made_for["code"]},
        "made_by": provenance(args),
    }


def read_training(folder: Path) -> Training:
    """Read what a training recorded; a :class:`UserError` says what is missing."""
    path = folder / TRAINING_FILE
    record = read_json(path)
    kind = record.get("kind", TEACHER) if isinstance(record, dict) else TEACHER
    expected = {"variable": str, "log_features": list, "loss_function": str}
    if kind == STUDENT:
        expected |= {"hardware": dict, "target": str}
    elif kind != TEACHER:
        raise UserError(f"{path}: 'kind' is {kind!r}, expected '{TEACHER}' or '{STUDENT}'")
    for name, of_type in expected.items():
        if not isinstance(record, dict) or not isinstance(record.get(name), of_type):
            raise UserError(f"{path}: '{name}' is missing or no {of_type.__name__}")
    try:
        creator = graph_creator(record["variable"], record["log_features"])
        inputs = StudentInputs(creator, HardwareScales(**record["hardware"])) if kind == STUDENT else None
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None
    return Training(folder, kind, creator, record["loss_function"], inputs, record.get("target", "factor"))
