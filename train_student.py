"""Train the student: a small quantised network for an FPGA, from the truth and from a teacher.

Reads an L1 regression file and the folder of a trained teacher. In one training the price of bits rises, so that the
networks after its epochs are a front of smaller and smaller ones; the best of those that are small enough is the
result. Killed at any moment, the same command goes on where it stood; when all is done, it does nothing.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import argparse
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from utils.cli import script
from utils.data_processing import L1Events, graph_creator, jet_count
from utils.formats.l1_files import L1Dataset
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import HardwareScales
from utils.plotting.data import draw_history
from utils.plotting.student import draw_front
from utils.plotting.style import save
from utils.runtime.arguments import checked, comma_separated, number, parser
from utils.runtime.checkpoints import SCRATCH, unfinished_folder
from utils.runtime.errors import UserError
from utils.runtime.imports import numeric_modules
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.provenance import provenance, sha256
from utils.runtime.text_files import write_json
from utils.training.pareto import pareto_front, spread
from utils.training.records import (
    MODEL_FILE,
    STUDENT,
    TEACHER,
    TRAINING_FILE,
    add_loss_weights,
    is_finished,
    read_graphs,
    read_training,
    say_finished,
    training_record,
    warn_of_few_events,
)
from utils.training.student_batches import StudentBatches, StudentCreator
from utils.training.training_graphs import TrainingGraphs
from utils.variables import full_variable

if TYPE_CHECKING:
    import keras

    from nn.student import StudentHyperparameters
    from nn.trained import Loaded

logger = logging.getLogger("train_student")

MOST_ON_THE_FRONT = 6  # networks that are kept of the front
NO_PART = ("output", "use_generator", "force")  # flags on which no number depends
SCALES = [field.name for field in fields(HardwareScales)]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = parser(__doc__)
    fraction, positive = number(float, 0, 1), number(float, above=0)
    args.add_argument("--input", type=Path, required=True, help="L1 regression file")
    args.add_argument("--output", type=Path, required=True, help="folder for the model and all about its training")
    args.add_argument("--teacher", type=Path, help="folder of the trained teacher; none: learn from the truth alone")
    args.add_argument("--variable", type=checked(full_variable), default="met", help="met, ht or original_met")
    args.add_argument(
        "--alpha", type=fraction, default=0.5, help="share of the truth in the loss, the rest is of the teacher"
    )
    args.add_argument(
        "--feature_weight",
        type=number(float, 0),
        default=0.0,
        help="how much the difference to the teacher's features counts in the loss; 0: not at all",
    )
    args.add_argument(
        "--beta", type=positive, default=2e-5, help="price of an effective bit operation in the loss, at the end"
    )
    args.add_argument("--first_beta", type=positive, default=2e-6, help="this price at the beginning")
    args.add_argument(
        "--max_ebops",
        type=number(int, 1),
        default=150000,
        help="effective bit operations of the resulting network at the most",
    )
    args.add_argument("--epochs", type=number(int, 2), default=40, help="epochs of the training")
    args.add_argument("--loss_function", default="log_huber_3.0", help="as for the teacher")
    add_loss_weights(args)
    args.add_argument("--target", choices=("sum", "factor"), default="sum", help="what the network gives")
    args.add_argument(
        "--quantised", type=int, choices=(0, 1), default=1, help="1: learned bit widths; 0: floats, for comparison"
    )
    args.add_argument("--object_units", type=number(int, 1), default=16, help="width of the layers of each object")
    args.add_argument(
        "--event_units",
        type=comma_separated(number(int, 1)),
        default="32,16",
        help="widths of the layers after the sum over objects",
    )
    args.add_argument("--max_events", type=number(int, 1), help="use a random subset of so many events; all")
    args.add_argument(
        "--use_generator",
        type=int,
        choices=(0, 1),
        default=0,
        help="1: keep the events in a temporary file in the output folder while training; 0: in memory",
    )
    args.add_argument(
        "--test_split",
        type=number(float, above=0, maximum=0.9),
        default=0.2,
        help="share of the events for the validation loss; the same events as for the teacher of the same seed",
    )
    args.add_argument("--batch_size", type=number(int, 1), default=128, help="events a step of the optimizer")
    args.add_argument("--learning_rate", type=positive, default=3e-3, help="at the beginning")
    defaults = HardwareScales()
    scales = {
        "energy_step": (positive, "GeV of a step of the hardware's energies"),
        "eta_step": (positive, "step of eta"),
        "phi_steps": (number(int, 4), "steps of phi in a turn"),
        "object_saturation": (number(int, 1), "largest transverse momentum of an object, in steps"),
        "sum_saturation": (number(int, 1), "largest MET and HT, in steps"),
        "feature_bits": (number(int, 1, 16), "the network sees energies in units of 2 to this power steps"),
        "table_bits": (number(int, 1, 16), "bits of the tables of cosine and sine"),
    }
    for name, (kind, text) in scales.items():
        args.add_argument(f"--{name}", type=kind, default=getattr(defaults, name), help=text)
    args.add_argument("--seed", type=number(int, 0, 2**32 - 1), default=1, help="seed of all random numbers")
    args.add_argument(
        "--force", action="store_true", help="train anew though the output is finished for the same flags and data"
    )
    found = args.parse_args(argv)
    try:
        HardwareScales(**{name: getattr(found, name) for name in SCALES})
    except ValueError as error:
        args.error(str(error))
    return found


def made_for(args: argparse.Namespace) -> dict[str, Any]:
    """Return all that a training depends on, so that one that was begun for something else is not gone on with."""
    made_by = provenance(args)
    flags = {name: value for name, value in made_by["arguments"].items() if name not in NO_PART}
    script_file = Path(__file__)
    return {
        **{f"--{name}": value for name, value in flags.items()},
        "--input": sha256(args.input),
        "--teacher": sha256(args.teacher / MODEL_FILE) if args.teacher else None,
        "code": sha256(script_file, *numeric_modules(script_file)),
        "versions": {name: made_by["versions"][name] for name in ("hgq", "keras", "numpy", "tensorflow")},
    }


def distillation_targets(loaded: "Loaded", n_features: int) -> Callable[[L1Events], np.ndarray]:
    """Return the function from events to distillation targets: the teacher's correction and its features, if any.

    Events without a jet have zeros; they are not trained on.
    """
    from nn.trained import with_event_features

    model = with_event_features(loaded) if n_features else loaded.model

    def targets(events: L1Events) -> np.ndarray:
        outputs = np.zeros((len(events), 1 + n_features), np.float32)
        has_jet = jet_count(events.smeared_data) > 0
        if has_jet.any():
            outputs[has_jet] = model.predict(model.inputs(events[has_jet])).reshape(-1, 1 + n_features)
        return outputs

    return targets


def load_teacher(args: argparse.Namespace) -> "Loaded":
    """Load the teacher, of the variable that the student is for."""
    from nn.trained import load_trained

    training = read_training(args.teacher)
    if training.kind != TEACHER:
        raise UserError(f"{args.teacher / TRAINING_FILE}: is of a student, expected a teacher")
    if training.creator.variable != args.variable:
        raise UserError(
            f"{args.teacher / TRAINING_FILE}: a teacher for {training.creator.variable} cannot teach {args.variable}"
        )
    return load_trained(training)


def epochs_on_the_front(history: dict[str, list[float]]) -> list[int]:
    """Choose the epochs, from 1, of which no other has a smaller and better network; some of them if they are many."""
    ebops, loss = np.array(history["ebops"], float), np.array(history["val_truth"])
    front = pareto_front(ebops, loss)
    return [int(epoch) + 1 for epoch in front[spread(ebops[front], MOST_ON_THE_FRONT)]]


def train(
    args: argparse.Namespace, inputs: StudentInputs, graphs: TrainingGraphs, n_features: int, folder: Path
) -> tuple["keras.Model", "StudentHyperparameters", dict[str, list[float]], list[dict[str, Any]]]:
    """Train, and write the front of networks and the best of them.

    Returns
    -------
    network : keras.Model
        The best.
    hyperparameters : StudentHyperparameters
    history : dict of str to list of float
    front : list of dict
        Epoch, effective bit operations and validation loss of each network that is kept, the smallest first.
    """
    import keras

    from nn import student
    from nn.training.fit import ProgressLog
    from nn.training.resume import resumable_fit

    keras.utils.set_random_seed(args.seed)
    hyperparameters = student.StudentHyperparameters(
        args.object_units,
        args.event_units,
        args.target,
        bool(args.quantised),
        saturation=args.sum_saturation,
        fraction_bits=args.feature_bits,
    )
    network = student.build_student(hyperparameters, inputs.n_slots, inputs.n_object_features, inputs.n_sums)
    warn_of_few_events(graphs, network.count_params())
    corrected = student.with_correction(network, inputs.input_step)
    model = student.with_features(corrected, n_features) if n_features else corrected
    training, validation = (
        StudentBatches(graphs, is_validation, min(args.batch_size, graphs.n_training), args.seed, inputs)
        for is_validation in (False, True)
    )
    alpha = args.alpha if args.teacher else 1.0
    feature_weight = args.feature_weight if n_features else 0.0
    n_steps = args.epochs * len(training)
    student.compile_student(model, args.learning_rate, args.loss_function, alpha, feature_weight, n_steps)
    weights = folder / SCRATCH / "epochs"
    callbacks = [
        *student.training_callbacks(args.epochs, args.learning_rate, args.first_beta, args.beta, weights),
        ProgressLog("student", len(training)),
        keras.callbacks.TensorBoard(folder / "tensorboard"),
        keras.callbacks.TerminateOnNaN(),
    ]
    state = folder / SCRATCH / "fit.npz"
    history = resumable_fit(model, training, validation, args.epochs, callbacks, state).history
    if not np.isfinite(history["val_truth"]).all():
        state.unlink()
        raise UserError("the loss is not a finite number: lower --learning_rate or choose another loss")

    (folder / "front").mkdir(exist_ok=True)
    front: list[dict[str, Any]] = []
    for epoch in epochs_on_the_front(history):
        student.load_weights(model, weights, epoch)
        ebops = student.calibrate(network, inputs)
        loss = student.truth_loss(corrected, validation, args.loss_function)
        network.save(folder / "front" / f"epoch_{epoch:04d}.keras")
        front.append({"epoch": epoch, "ebops": ebops, "val_loss": loss, "file": f"front/epoch_{epoch:04d}.keras"})
        logger.info("after epoch %d: %d effective bit operations, validation loss %.4f", epoch, ebops, loss)
    small = [point for point in front if point["ebops"] <= args.max_ebops]
    if not small:
        logger.warning("no network has at most %d effective bit operations: raise --beta", args.max_ebops)
        small = front[:1]
    best = min(small, key=lambda point: point["val_loss"])
    shutil.copyfile(folder / best["file"], folder / MODEL_FILE)
    return (
        student.load_student(folder / MODEL_FILE),
        hyperparameters,
        history,
        [{**p, "best": p is best} for p in front],
    )


def train_and_record(args: argparse.Namespace, data: L1Dataset) -> None:
    """Train in a folder that takes the name of the output when all is done."""
    import hgq  # noqa: F401 its version is on record

    from nn.trained import n_event_features

    teacher = load_teacher(args) if args.teacher else None
    n_features = n_event_features(teacher.network) if teacher and args.feature_weight else 0
    creator = graph_creator(args.variable)
    scales = HardwareScales(**{name: getattr(args, name) for name in SCALES})
    inputs = StudentInputs(creator, scales)
    targets = distillation_targets(teacher, n_features) if teacher else None
    configuration = json.loads(json.dumps(made_for(args)))
    if is_finished(args.output, configuration) and not args.force:
        say_finished(args.output)
        return
    with unfinished_folder(args.output, configuration) as folder:
        scratch = folder / SCRATCH if args.use_generator else None
        graphs = read_graphs(args, data, StudentCreator(creator, inputs, targets), scratch)  # type: ignore[arg-type]
        events = graphs.counter.append_to(data.cutflow, "train_student")
        network, hyperparameters, history, front = train(args, inputs, graphs, n_features, folder)
        rows = pd.DataFrame(history, index=pd.RangeIndex(1, len(history["loss"]) + 1, name="epoch"))
        rows.to_csv(folder / "history.csv")
        pd.DataFrame(front).to_csv(folder / "front.csv", index=False)
        save(draw_history(history, "Student")[0], folder / "history")
        save(draw_front(history, front, args.max_ebops)[0], folder / "front")
        best = next(point for point in front if point["best"])
        record = training_record(args, STUDENT, creator, graphs, events, configuration) | {  # type: ignore[arg-type]
            "feature_names": inputs.feature_names,
            "alpha": args.alpha if teacher else 1.0,
            "feature_weight": args.feature_weight if teacher else 0.0,
            "target": args.target,
            "hardware": asdict(scales),
            "hyperparameters": asdict(hyperparameters),
            "best_val_loss": best["val_loss"],
            "ebops": best["ebops"],
            "parameters": network.count_params(),
            "teacher": {"folder": str(args.teacher), "sha256": configuration["--teacher"]} if args.teacher else None,
        }
        write_json(folder / TRAINING_FILE, record)


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Train and write."""
    args = parse_args(argv)
    refuse_inputs_in(args.output, args.input, *([args.teacher / MODEL_FILE] if args.teacher else []))
    data = L1Dataset.check(args.input)

    from nn.losses import get_loss

    try:
        get_loss(args.loss_function)
    except ValueError as error:
        raise UserError(f"--loss_function: {error}") from None
    train_and_record(args, data)


if __name__ == "__main__":
    raise SystemExit(main())
