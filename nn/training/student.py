"""Training of a student with a penalty on its EBOPs, and the front of networks after its epochs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from hgq.utils.sugar import BetaScheduler, FreeEBOPs, PieceWiseSchedule

from nn.student import calibrate
from nn.training.distillation import DISTILLATION, StudentModels
from nn.training.fit import ProgressLog
from nn.training.resume import resumable_fit
from nn.training.stacks import evaluate
from utils.hardware.inputs import StudentInputs
from utils.runtime.checkpoints import SCRATCH, read_state, write_state
from utils.runtime.paths import missing_error
from utils.training.pareto import pareto_front, spread
from utils.training.student_batches import StudentBatches
from utils.training.student_options import StudentSchedule

logger = logging.getLogger(__name__)

LARGEST_FRONT = 6  # networks that are kept


def schedule_callbacks(schedule: StudentSchedule) -> list[keras.callbacks.Callback]:
    """Return the callbacks that raise the EBOPs penalty and lower the learning rate.

    The penalty of an effective bit operation stays at `first_beta` for a fifth of the epochs, and then changes to
    `beta` on a logarithmic scale. The network also becomes smaller with a constant penalty. The learning rate falls as
    a cosine to a hundredth, since noise of the weights costs efficiency at low rates.
    """
    first, last, epochs = schedule.first_beta, schedule.beta, schedule.epochs
    penalty = PieceWiseSchedule([(0, first, "constant"), (epochs // 5, first, "log"), (epochs, last, "constant")])
    decay = keras.optimizers.schedules.CosineDecay(schedule.learning_rate, max(1, epochs - 1), alpha=0.01)
    return [
        BetaScheduler(penalty),
        keras.callbacks.LearningRateScheduler(lambda epoch: float(decay(epoch))),
        FreeEBOPs(),
    ]


class KeepWeights(keras.callbacks.Callback):
    """Keep the weights of a model after each epoch.

    Parameters
    ----------
    folder : Path
        Folder for a file per epoch; each file is whole at any moment.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write a file."""
        write_state(_weights_file(self._folder, epoch + 1), {}, self.model.get_weights())


def _weights_file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:04d}.npz"


def load_epoch_weights(model: keras.Model, folder: Path, epoch: int) -> None:
    """Give a model the weights that it had after an epoch, counted from 1."""
    path = _weights_file(folder, epoch)
    kept = read_state(path)
    if kept is None:
        raise missing_error(path)
    model.set_weights(kept[1])


def fit_student(
    model: keras.Model,
    training: StudentBatches,
    validation: StudentBatches,
    schedule: StudentSchedule,
    folder: Path,
) -> dict[str, list[float]]:
    """Fit a compiled student, and keep its weights after each epoch; a fit that was killed is resumed.

    Parameters
    ----------
    model : keras.Model
    training, validation : StudentBatches
    schedule : StudentSchedule
    folder : Path
        Folder of the TensorBoard logs, with the state of the fit in its scratch folder.

    Returns
    -------
    dict of str to list of float
        Losses, effective bit operations, penalty and learning rate of each epoch.

    Raises
    ------
    RuntimeError
        If the loss was not a finite number.
    """
    callbacks = [
        *schedule_callbacks(schedule),
        KeepWeights(_weights_folder(folder)),
        ProgressLog("student", len(training)),
        keras.callbacks.TensorBoard(folder / "tensorboard"),
        keras.callbacks.TerminateOnNaN(),
    ]
    state = folder / SCRATCH / "fit.npz"
    history = resumable_fit(model, training, validation, schedule.epochs, callbacks, state).history
    if not np.isfinite(history[f"val_{DISTILLATION}"]).all():
        state.unlink()
        raise RuntimeError("the loss is not a finite number: lower --learning_rate or choose another loss")
    return history


def _weights_folder(folder: Path) -> Path:
    return folder / SCRATCH / "epochs"


@dataclass(frozen=True)
class FrontPoint:
    """A network of the front.

    Attributes
    ----------
    epoch : int
        Epoch after which it was kept, from 1.
    ebops : int
        Effective bit operations.
    val_loss : float
        Validation loss of truth and teacher, without the EBOPs penalty.
    file : str
        File of the network, relative to the folder of the training.
    best : bool
        Whether it is the result of the training.
    """

    epoch: int
    ebops: int
    val_loss: float
    file: str
    best: bool = False


def front_epochs(history: dict[str, list[float]]) -> list[int]:
    """Choose epochs, from 1, whose networks are on the Pareto front of size and loss: at most `LARGEST_FRONT`."""
    ebops, loss = np.array(history["ebops"], float), np.array(history[f"val_{DISTILLATION}"])
    front = pareto_front(ebops, loss)
    return [int(epoch) + 1 for epoch in front[spread(ebops[front], LARGEST_FRONT)]]


def keep_front(
    history: dict[str, list[float]],
    models: StudentModels,
    inputs: StudentInputs,
    validation: StudentBatches,
    folder: Path,
) -> list[FrontPoint]:
    """Calibrate the networks of the front, and write them.

    Parameters
    ----------
    history : dict of str to list of float
        Result of `fit_student`.
    models : StudentModels
    inputs : StudentInputs
    validation : StudentBatches
    folder : Path
        Folder of the training.

    Returns
    -------
    list of FrontPoint
        The smallest network first.
    """
    (folder / "front").mkdir(exist_ok=True)
    front = []
    for epoch in front_epochs(history):
        load_epoch_weights(models.trained, _weights_folder(folder), epoch)
        ebops = calibrate(models.network, inputs)
        val_loss = evaluate(models.trained, validation)[DISTILLATION]
        point = FrontPoint(epoch, ebops, val_loss, f"front/epoch_{epoch:04d}.keras")
        models.network.save(folder / point.file)
        front.append(point)
        logger.info(
            "after epoch %d: %d effective bit operations, validation loss %.4f", epoch, point.ebops, point.val_loss
        )
    return front


def mark_best(front: Sequence[FrontPoint], max_ebops: int) -> list[FrontPoint]:
    """Mark the network of lowest loss among those that are small enough, or the smallest if none is."""
    small = [point for point in front if point.ebops <= max_ebops]
    if not small:
        logger.warning("no network has at most %d effective bit operations: raise --beta", max_ebops)
        small = list(front[:1])
    best = min(small, key=lambda point: point.val_loss)
    return [replace(point, best=point is best) for point in front]
