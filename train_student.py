"""Train the student: a small quantised network for an FPGA, from the truth and from a teacher.

Reads an L1 regression file and the folder of a trained teacher. The EBOPs penalty makes the network smaller from epoch
to epoch. The result is the best network among those that are small enough. The same
command continues after a kill at any moment. If everything is done, it does nothing.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from utils.cli import script
from utils.data_processing import GraphCreator, graph_creator
from utils.formats.l1_files import ROWS_A_CHUNK, L1Dataset
from utils.hardware.inputs import StudentInputs
from utils.hardware.leading_objects import LeadingObjects
from utils.hardware.scales import HardwareScales
from utils.plotting.student import draw_front
from utils.plotting.style import save
from utils.plotting.training import draw_history
from utils.predictions import corrected_sums
from utils.runtime import threads
from utils.runtime.checkpoints import SCRATCH, unfinished_folder
from utils.runtime.errors import UserError
from utils.runtime.imports import numeric_modules
from utils.runtime.options import parse, part
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.provenance import sha256
from utils.runtime.text_files import write_json
from utils.steps.train_student import Options
from utils.training.calibration import Calibration, training_calibration
from utils.training.options import TARGET_SCALES
from utils.training.records import (
    MODEL_FILE,
    STUDENT,
    TEACHER,
    TRAINING_FILE,
    is_finished,
    read_graphs,
    read_training,
    say_finished,
    training_inputs,
    training_record,
    warn_of_few_events,
)
from utils.training.student_batches import StudentBatches, StudentCreator, training_rate_weights
from utils.training.student_options import StudentSchedule, StudentShape
from utils.training.sum_floor import SumFloor, training_floor
from utils.training.training_graphs import TrainingGraphs

if TYPE_CHECKING:
    import keras

    from nn.student import StudentHyperparameters
    from nn.trained import Loaded
    from nn.training.student import FrontPoint
    from utils.training.ragged_graphs import RaggedGraphs

logger = logging.getLogger("train_student")

LIBRARIES = ("hgq", "keras", "numpy", "tensorflow")


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    return parse(Options, __doc__, argv)


def student_training_inputs(options: Options) -> dict[str, Any]:
    """Return all that the training of a student depends on."""
    script_file = Path(__file__)
    code = [script_file, *numeric_modules(script_file)]
    contents = {"--teacher": sha256(options.teacher / MODEL_FILE) if options.teacher else None}
    return training_inputs(options, code, LIBRARIES, contents)


def load_teacher(folder: Path, variable: str) -> "Loaded":
    """Load a teacher; a :class:`UserError` refuses a student, and a teacher of another variable."""
    from nn.trained import load_trained

    training = read_training(folder)
    if training.kind != TEACHER:
        raise UserError(f"{folder / TRAINING_FILE}: belongs to a student, expected a teacher")
    if training.creator.variable != variable:
        raise UserError(f"{folder / TRAINING_FILE}: a teacher for {training.creator.variable} cannot teach {variable}")
    return load_trained(training)


def target_scale(options: Options, teacher: "Loaded | None") -> float:
    """Return the scale of the target: that of the teacher, or of the options; a :class:`UserError` if they differ."""
    if teacher is None:
        return TARGET_SCALES[options.variable] if options.target_scale is None else options.target_scale
    scale = teacher.model.target_scale
    if options.target_scale not in (None, scale):
        raise UserError(f"--target_scale {options.target_scale:g}: that of the teacher is {scale:g}")
    return scale


def hyperparameters(shape: StudentShape, scales: HardwareScales) -> "StudentHyperparameters":
    """Return the hyperparameters of a student for the scales of the hardware."""
    from nn.student import StudentHyperparameters

    return StudentHyperparameters(
        object_units=shape.object_units,
        event_units=shape.event_units,
        target=shape.target,
        quantised=bool(shape.quantised),
        saturation=scales.largest_output,
        fraction_bits=scales.feature_bits + scales.output_bits,
    )


def train(
    options: Options,
    shape: "StudentHyperparameters",
    inputs: StudentInputs,
    graphs: TrainingGraphs,
    n_features: int,
    folder: Path,
) -> tuple[dict[str, list[float]], list["FrontPoint"], int]:
    """Train, and write the front of networks and the best of them.

    Returns
    -------
    history : dict of str to list of float
    front : list of FrontPoint
        The smallest network first.
    n_parameters : int
        Parameters of each network.
    """
    import keras

    from nn.student import build_student
    from nn.training.distillation import DistillationLoss, compile_student, student_models
    from nn.training.student import fit_student, keep_front, mark_best

    keras.utils.set_random_seed(options.seed)
    network = build_student(shape, inputs.n_slots, inputs.n_object_features, inputs.n_sums)
    warn_of_few_events(graphs, network.count_params())
    models = student_models(network, inputs.input_step, n_features)
    batch_size = min(options.batch_size, graphs.n_training)
    rate_weights = training_rate_weights(graphs, inputs) if options.teacher and options.rate_weighting else None
    training, validation = (
        StudentBatches(graphs, is_validation, batch_size, options.seed, inputs, rate_weights)
        for is_validation in (False, True)
    )
    loss = DistillationLoss(
        options.loss_function,
        options.alpha if options.teacher else 1.0,
        options.feature_weight if n_features else 0.0,
    )
    schedule = part(options, StudentSchedule)
    compile_student(models.trained, schedule.learning_rate, loss, schedule.epochs * len(training))
    try:
        history = fit_student(models.trained, training, validation, schedule, folder)
    except RuntimeError as error:
        raise UserError(str(error)) from None
    front = keep_front(history, models, inputs, validation, folder)
    front = mark_best(front, options.max_ebops)
    best = next(point for point in front if point.best)
    shutil.copyfile(folder / best.file, folder / MODEL_FILE)
    return history, front, network.count_params()


def write_tables_and_plots(
    history: dict[str, list[float]], front: Sequence["FrontPoint"], max_ebops: int, folder: Path
) -> None:
    """Write the history of the training and the front of networks, as tables and as plots."""
    rows = pd.DataFrame(history, index=pd.RangeIndex(1, len(history["loss"]) + 1, name="epoch"))
    rows.to_csv(folder / "history.csv")
    points = [asdict(point) for point in front]
    pd.DataFrame(points).to_csv(folder / "front.csv", index=False)
    save(draw_history(history, "Student")[0], folder / "history")
    save(draw_front(history, points, max_ebops)[0], folder / "front")


def fit_tables(
    options: Options, creator: GraphCreator, network: "keras.Model", data: L1Dataset, graphs: TrainingGraphs
) -> tuple[SumFloor | None, Calibration | None]:
    """Find the floor of the sums that the firmware of a student gives, and their calibration.

    Both are of measured sums: the output for saturated events is a rule, and not a measurement.
    """
    from nn.student import output_sums, student_model

    variable, scales, leading = options.variable, part(options, HardwareScales), part(options, LeadingObjects)
    without_floor = student_model(network, StudentInputs(creator, scales, leading=leading))
    sums_without_floor = corrected_sums(variable, without_floor)

    def measured(sums: np.ndarray) -> np.ndarray:
        return np.where(sums < scales.largest_sum, sums, np.nan)

    floor = training_floor(data, variable, lambda events: measured(sums_without_floor(events)), options.floor_share)
    inputs = StudentInputs(creator, scales, floor, leading)

    def sums_of_graphs(ragged: "RaggedGraphs") -> np.ndarray:
        features = ragged.padded(inputs.n_slots)
        filled = np.zeros((ROWS_A_CHUNK, *features.shape[1:]), np.float32)  # TensorFlow would trace each shape anew
        filled[: len(features)] = features
        return measured(output_sums(network, inputs, inputs.split_features(filled))[: len(features)])

    return floor, training_calibration(graphs, sums_of_graphs)


def train_and_record(options: Options, data: L1Dataset) -> None:
    """Train in a folder that takes the name of the output when all is done."""
    import hgq  # noqa: F401 its version is on record

    from nn.student import load_student
    from nn.trained import n_event_features
    from nn.training.distillation import distillation_targets

    teacher = load_teacher(options.teacher, options.variable) if options.teacher else None
    n_features = n_event_features(teacher.network) if teacher and options.feature_weight else 0
    creator = graph_creator(options.variable, target_scale=target_scale(options, teacher))
    scales, leading = part(options, HardwareScales), part(options, LeadingObjects)
    inputs, shape = StudentInputs(creator, scales, leading=leading), hyperparameters(options, scales)
    targets = distillation_targets(teacher, n_features) if teacher else None
    configuration = student_training_inputs(options)
    if is_finished(options.output, configuration) and not options.force:
        say_finished(options.output)
        return
    with unfinished_folder(options.output, configuration) as folder:
        scratch = folder / SCRATCH if options.use_generator else None
        graphs = read_graphs(options, data, StudentCreator(creator, inputs, targets), scratch)
        events = graphs.counter.append_to(data.cutflow, "train_student")
        history, front, n_parameters = train(options, shape, inputs, graphs, n_features, folder)
        write_tables_and_plots(history, front, options.max_ebops, folder)
        best = next(point for point in front if point.best)
        tables = fit_tables(options, creator, load_student(folder / MODEL_FILE), data, graphs)
        teacher_record = {"folder": str(options.teacher), "sha256": configuration["--teacher"]}
        record = training_record(options, STUDENT, creator, graphs, events, configuration, tables) | {
            "feature_names": inputs.feature_names,
            "alpha": options.alpha if teacher else 1.0,
            "feature_weight": options.feature_weight if teacher else 0.0,
            "target": options.target,
            "leading_objects": leading.numbers(options.variable),
            "hardware": scales.record(),
            "hyperparameters": asdict(shape),
            "best_val_loss": best.val_loss,
            "ebops": best.ebops,
            "parameters": n_parameters,
            "teacher": teacher_record if teacher else None,
        }
        write_json(folder / TRAINING_FILE, record)


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Train and write."""
    options = parse_args(argv)
    refuse_inputs_in(options.output, options.input, *([options.teacher / MODEL_FILE] if options.teacher else []))
    data = L1Dataset.check(options.input)

    threads.divide_operations(options.batch_size)
    from nn.losses import get_loss

    try:
        get_loss(options.loss_function)
    except ValueError as error:
        raise UserError(f"--loss_function: {error}") from None
    train_and_record(options, data)


if __name__ == "__main__":
    raise SystemExit(main())
