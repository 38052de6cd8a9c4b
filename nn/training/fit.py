"""The final fit of a network, and how a fit is logged."""

import logging
import math
import shutil
from pathlib import Path

import keras

from nn.training.resume import resumable_fit
from utils.runtime.checkpoints import SCRATCH
from utils.runtime.progress import progress
from utils.training.batches import Batches
from utils.training.options import FinalFitOptions

logger = logging.getLogger(__name__)

OBJECTIVE = "val_loss"


class ProgressLog(keras.callbacks.Callback):
    """Show the progress of an epoch and, at its end, the losses.

    Parameters
    ----------
    name : str
    n_batches : int
        Batches of an epoch.
    """

    def __init__(self, name: str, n_batches: int):
        super().__init__()
        self.name, self.n_batches = name, n_batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the progress bar of the epoch."""
        self._bar = progress(self.n_batches, f"{self.name}, epoch {epoch + 1}", "batches")

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Count batches."""
        self._bar.update(batch + 1 - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Log losses and metrics."""
        self._bar.close()
        figures = ", ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        logger.info("%s, epoch %d: %s", self.name, epoch + 1, figures)


def stopping_callbacks(patience: int) -> list[keras.callbacks.Callback]:
    """Reduce the learning rate if the validation loss does not fall, and stop if that does not help."""
    return [
        keras.callbacks.ReduceLROnPlateau(OBJECTIVE, factor=0.3, patience=max(1, patience // 2), min_lr=1e-6),
        keras.callbacks.EarlyStopping(OBJECTIVE, patience=patience, restore_best_weights=True),
    ]


def final_fit(
    model: keras.Model, training: Batches, validation: Batches, options: FinalFitOptions, folder: Path
) -> dict[str, list[float]]:
    """Fit a compiled model until the validation loss no longer falls, and keep its best weights.

    It continues where an earlier call with the same arguments was killed.

    Parameters
    ----------
    model : keras.Model
    training, validation : Batches
    options : FinalFitOptions
    folder : Path
        Folder of the TensorBoard logs and, in its scratch folder, of the state of the fit.

    Returns
    -------
    dict of str to list of float
        Losses, metrics and learning rate of each epoch.

    Raises
    ------
    RuntimeError
        If the loss is not a finite number.
    """
    state = folder / SCRATCH / f"final_{options.final_epochs}_{options.patience}.npz"
    logs = folder / "tensorboard" / "final"
    if not state.exists():
        shutil.rmtree(logs, ignore_errors=True)
    callbacks = [
        *stopping_callbacks(options.patience),
        ProgressLog("final fit", len(training)),
        keras.callbacks.TensorBoard(logs),
        keras.callbacks.TerminateOnNaN(),
    ]
    history = resumable_fit(model, training, validation, options.final_epochs, callbacks, state).history
    if not all(math.isfinite(value) for value in (*history["loss"], *history.get("val_loss", [math.nan]))):
        state.unlink()
        shutil.rmtree(logs)
        raise RuntimeError("the loss is not a finite number: lower the learning rate or choose another loss")
    return {name: [float(value) for value in values] for name, values in history.items()}
