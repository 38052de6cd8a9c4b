"""Training of the teacher: the search for hyperparameters and the final fit."""

import logging
import math
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from nn.data import Batches, fit
from nn.models import TeacherHyperModel, TeacherHyperparameters, sample_hyperparameters
from utils.cli import progress

logger = logging.getLogger(__name__)

OBJECTIVE = "val_loss"


class ProgressLog(keras.callbacks.Callback):
    """Show how far an epoch is and, at its end, the losses."""

    def __init__(self, name: str, n_batches: int):
        super().__init__()
        self.name, self.n_batches = name, n_batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start to count batches."""
        self._bar = progress(self.n_batches, f"{self.name}, epoch {epoch + 1}", "batches")

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Count a batch."""
        self._bar.update(1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Log losses and metrics."""
        self._bar.close()
        figures = ", ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        logger.info("%s, epoch %d: %s", self.name, epoch + 1, figures)


class _LoggedHyperband(keras_tuner.Hyperband):
    """Hyperband that logs what it does."""

    def on_trial_begin(self, trial: Any) -> None:
        """Log the hyperparameters of a trial."""
        super().on_trial_begin(trial)
        logger.info("trial %s: %s", trial.trial_id, trial.hyperparameters.values)

    def on_trial_end(self, trial: Any) -> None:
        """Log the score of a trial and the best so far."""
        super().on_trial_end(trial)
        best = self.oracle.get_best_trials(1)
        if best:
            logger.info(
                "trial %s: %s; best so far: trial %s with %s %.5g",
                trial.trial_id,
                trial.status.lower(),
                best[0].trial_id,
                OBJECTIVE,
                best[0].score,
            )


def stopping_callbacks(patience: int) -> list[keras.callbacks.Callback]:
    """Reduce the learning rate when the validation loss does not fall, and stop when that does not help."""
    return [
        keras.callbacks.ReduceLROnPlateau(OBJECTIVE, factor=0.3, patience=max(1, patience // 2), min_lr=1e-6),
        keras.callbacks.EarlyStopping(OBJECTIVE, patience=patience, restore_best_weights=True),
    ]


def search(
    hypermodel: TeacherHyperModel,
    training: Batches,
    validation: Batches,
    max_epochs: int,
    factor: int,
    seed: int,
    folder: Path,
) -> tuple[TeacherHyperparameters, list[dict[str, Any]]]:
    """Search hyperparameters with Hyperband (Li et al. 2018, arXiv:1603.06560) for the lowest validation loss.

    Parameters
    ----------
    hypermodel : TeacherHyperModel
    training, validation : Batches
    max_epochs : int
        Epochs of the longest trials.
    factor : int
        By which each round has fewer trials of more epochs.
    seed : int
    folder : Path
        Where the trials and their TensorBoard logs are kept.

    Returns
    -------
    TeacherHyperparameters
        Those of the best trial.
    list of dict
        For each trial its id, status, score, epochs, and hyperparameters.

    Raises
    ------
    RuntimeError
        If no trial came to an end.
    """
    tuner = _LoggedHyperband(
        hypermodel,
        objective=OBJECTIVE,
        max_epochs=max_epochs,
        factor=factor,
        seed=seed,
        directory=folder,
        project_name="trials",
        overwrite=True,
    )
    callbacks = [
        ProgressLog("search", len(training)),
        keras.callbacks.EarlyStopping(OBJECTIVE, patience=3),
        keras.callbacks.TensorBoard(folder / "tensorboard" / "search"),
    ]
    tuner.search(training, validation, callbacks=callbacks, verbose=0)
    trials = [_trial_row(trial) for trial in tuner.oracle.trials.values()]
    best = tuner.get_best_hyperparameters(1)
    if not best:
        raise RuntimeError(f"none of the {len(trials)} trials of the search came to an end")
    return sample_hyperparameters(best[0], hypermodel.feature_names), trials


def _trial_row(trial: Any) -> dict[str, Any]:
    """Describe a trial in one row of a table."""
    values = {name.removeprefix("tuner/"): value for name, value in trial.hyperparameters.values.items()}
    values.pop("trial_id", None)
    return {"trial": trial.trial_id, "status": trial.status, OBJECTIVE: trial.score, **values}


def final_fit(
    model: keras.Model, training: Batches, validation: Batches, max_epochs: int, patience: int, folder: Path
) -> dict[str, list[float]]:
    """Fit a compiled model until the validation loss no longer falls, and keep its best weights.

    Parameters
    ----------
    model : keras.Model
    training, validation : Batches
    max_epochs, patience : int
        Epochs at the most, and without a lower validation loss.
    folder : Path
        Where the TensorBoard logs go.

    Returns
    -------
    dict of str to list of float
        Losses, metrics and learning rate of each epoch.

    Raises
    ------
    RuntimeError
        If the loss was not a number.
    """
    callbacks = [
        *stopping_callbacks(patience),
        ProgressLog("final fit", len(training)),
        keras.callbacks.TensorBoard(folder / "tensorboard" / "final"),
        keras.callbacks.TerminateOnNaN(),
    ]
    history = fit(model, training, validation, epochs=max_epochs, callbacks=callbacks).history
    if not all(math.isfinite(value) for value in (*history["loss"], *history.get("val_loss", [math.nan]))):
        raise RuntimeError("the loss is not a finite number: lower the learning rate or choose another loss")
    return {name: [float(value) for value in values] for name, values in history.items()}
