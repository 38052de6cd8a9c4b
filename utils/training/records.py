"""Record of a training: files in its folder, and their content for later steps."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cutflow import EVENT_COUNTS, Cutflow
from utils.data_processing import GraphCreator, graph_creator
from utils.formats.fingerprints import FINGERPRINTS
from utils.formats.l1_files import L1Dataset
from utils.hardware.inputs import StudentInputs
from utils.hardware.leading_objects import ALL_OBJECTS, LeadingObjects
from utils.hardware.scales import HardwareScales
from utils.runtime.checkpoints import finished_for
from utils.runtime.errors import UserError
from utils.runtime.options import neutral
from utils.runtime.provenance import provenance, sha256
from utils.runtime.text_files import read_json
from utils.training.calibration import Calibration
from utils.training.loss_weights import LossWeights
from utils.training.options import TrainingOptions
from utils.training.ragged_graphs import EventCreator
from utils.training.sum_floor import SumFloor
from utils.training.training_graphs import TrainingGraphs, read_training_graphs

logger = logging.getLogger(__name__)

MODEL_FILE, TRAINING_FILE = "best_model.keras", "training.json"
TEACHER, STUDENT = "teacher", "student"


@dataclass(frozen=True)
class Training:
    """A finished training, as later steps use it.

    Attributes
    ----------
    folder : Path
    kind : {"teacher", "student"}
    creator : GraphCreator
    loss_function : str
    student_inputs : StudentInputs or None
        None for a teacher.
    target : str
        Output of a student, "sum" or "factor".
    calibration : Calibration or None
        Of the corrected sums; None in records of former versions, and where the training has too few events.
    floor : SumFloor or None
        Of the corrected sums; None in records of former versions, with --floor_share 0, and with too few events.
    """

    folder: Path
    kind: str
    creator: GraphCreator
    loss_function: str
    student_inputs: StudentInputs | None
    target: str
    calibration: Calibration | None = None
    floor: SumFloor | None = None


def training_inputs(
    options: TrainingOptions,
    code: Sequence[Path],
    libraries: Sequence[str],
    contents: Mapping[str, Any],
    left_out: Collection[str] = (),
) -> dict[str, Any]:
    """Return everything that a training depends on; a training begun with other dependencies is not resumed.

    Parameters
    ----------
    options : TrainingOptions
        The value of each flag counts, except neutral flags, on which no number of the results depends.
    code : sequence of Path
        Modules.
    libraries : sequence of str
        Their versions count.
    contents : mapping of str to object
        Flags that name a file, with the content of the file or its hash.
    left_out : collection of str
        Further flags that do not count.

    Returns
    -------
    dict
        With values of the types of JSON.
    """
    made_by, without = provenance(options), {*neutral(type(options)), *left_out}
    flags = {f"--{name}": value for name, value in made_by["arguments"].items() if name not in without}
    inputs = {
        **flags,
        "--input": sha256(options.input),
        **contents,
        "code": sha256(*code),
        "versions": {name: made_by["versions"][name] for name in libraries},
    }
    return json.loads(json.dumps(inputs))


def is_finished(output: Path, expected: Mapping[str, Any]) -> bool:
    """Return whether a finished training has the expected dependencies."""
    whole = all((output / name).exists() for name in (MODEL_FILE, TRAINING_FILE))
    return whole and finished_for(output) == expected


def say_finished(output: Path) -> None:
    """Log why there is nothing to train."""
    logger.info("%s: is finished, for the same flags, data, code and versions; --force trains again", output)


def read_graphs(
    options: TrainingOptions, data: L1Dataset, creator: EventCreator, scratch: Path | None
) -> TrainingGraphs:
    """Read the events of a training, and log their share of the loss."""
    rule = LossWeights.from_options(options)
    graphs = read_training_graphs(data, creator, options, scratch, rule)
    for name in rule.process_shares or {}:
        if name not in graphs.spectrum.process_shares(rule):
            logger.info("--process_shares: no event of %s is trained on, its share has no effect", name)
    logger.info("share of the loss by the weights of the training events:")
    for line in graphs.spectrum.text(creator.variable, rule).splitlines():
        logger.info("%s", line)
    return graphs


def warn_of_few_events(graphs: TrainingGraphs, n_parameters: int) -> None:
    """Warn if a network has more parameters than there are training events."""
    if graphs.n_training < n_parameters:
        logger.warning("%d events to train a network of %d parameters on", graphs.n_training, n_parameters)


def training_record(
    options: TrainingOptions,
    kind: str,
    creator: GraphCreator,
    graphs: TrainingGraphs,
    events: Cutflow,
    dependencies: Mapping[str, Any],
    tables: tuple[SumFloor | None, Calibration | None],
) -> dict[str, Any]:
    """Return the part of the record that both trainings have: the variable, the events, and their origin.

    The record has fingerprints of the events (`utils.formats.fingerprints`), by which an evaluation recognises them.

    Parameters
    ----------
    options : TrainingOptions
    kind : {"teacher", "student"}
    creator : GraphCreator
    graphs : TrainingGraphs
    events : Cutflow
        Cutflow of the events; the training is its last step.
    dependencies : mapping
        Everything that the training depends on, from `training_inputs`.
    tables : tuple of SumFloor or None, Calibration or None
        Of the corrected sums.
    """
    floor, calibration = tables
    return {
        "kind": kind,
        "variable": creator.variable,
        "log_features": creator.log_features,
        "target_scale": creator.target_scale,
        "feature_names": creator.feature_names,
        "loss_function": options.loss_function,
        "weight_power": options.weight_power,
        "sampled_spectrum": options.sampled_spectrum,
        "process_shares": graphs.spectrum.process_shares(LossWeights.from_options(options)),
        "seed": options.seed,
        "n_training": graphs.n_training,
        "n_validation": graphs.n_validation,
        EVENT_COUNTS: events.record(),
        "data": {
            "events": sum(events.steps[-1].read.values()),
            "sha256": dependencies["--input"],
            FINGERPRINTS: graphs.fingerprints.record(),
        },
        "code": {"sha256": dependencies["code"]},
        SumFloor.key: floor.record() if floor else None,
        Calibration.key: calibration.record() if calibration else None,
        "made_by": provenance(options),
    }


def read_training(folder: Path) -> Training:
    """Read the record of a training; a :class:`UserError` names the missing part."""
    path = folder / TRAINING_FILE
    record = read_json(path)
    kind = record.get("kind", TEACHER) if isinstance(record, dict) else TEACHER
    expected = {"variable": str, "log_features": list, "loss_function": str}
    if kind == STUDENT:
        expected |= {"hardware": dict, "target": str}
    elif kind != TEACHER:
        raise UserError(f"{path}: 'kind' is {kind!r}, expected '{TEACHER}' or '{STUDENT}'")
    for name, kind_of_value in expected.items():
        if not isinstance(record, dict) or not isinstance(record.get(name), kind_of_value):
            raise UserError(f"{path}: '{name}' is missing or not a {kind_of_value.__name__}")
    try:
        creator = graph_creator(record["variable"], record["log_features"], record.get("target_scale", 1.0))
        calibration, floor = Calibration.from_record(record), SumFloor.from_record(record)
        inputs = None
        if kind == STUDENT:
            scales = HardwareScales.from_record(record["hardware"])
            of_record = record.get("leading_objects")  # not in records of former versions
            leading = ALL_OBJECTS if of_record is None else LeadingObjects(**of_record)
            inputs = StudentInputs(creator, scales, floor, leading)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None
    target = record.get("target", "factor")
    return Training(folder, kind, creator, record["loss_function"], inputs, target, calibration, floor)
