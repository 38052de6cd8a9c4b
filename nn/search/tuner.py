"""The trials of a search: fits with their own seeds that resume after a kill."""

import gc
import hashlib
import json
import logging
import math
import shutil
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine.trial import Trial

from nn.compat.keras_tuner import StatelessTuner
from nn.search.hyperband import PROJECT, Oracle, last_line
from nn.teacher import TeacherHyperModel, TeacherHyperparameters, sample_hyperparameters
from nn.training.fit import OBJECTIVE, ProgressLog
from nn.training.resume import BestWeights, load_best_weights, resumable_fit
from utils.runtime.checkpoints import SCRATCH
from utils.training.batches import Batches, ShareOfBatches
from utils.training.options import SearchOptions

logger = logging.getLogger(__name__)

# TensorFlow never frees about 10 MB of each trial, whatever is cleared. After so many trials a new process takes over.
TRIALS_A_PROCESS = 20

PATIENCE = 3  # epochs of a trial without a lower validation loss


def trial_seed(seed: int, values: dict[str, Any]) -> int:
    """Make the seed of a trial from the seed of the search and the hyperparameters of the trial.

    The number of the trial cannot be the seed, because it depends on the order in which other trials end.
    """
    names = sorted(name for name in values if not name.startswith("tuner/"))
    key = [seed, values.get("tuner/initial_epoch", 0), [[name, values[name]] for name in names]]
    return int.from_bytes(hashlib.sha256(json.dumps(key).encode()).digest()[:4], "little")


class ProcessUsedUp(Exception):  # noqa: N818 no error
    """The process has run its share of trials: a new process with the same command continues."""


class Tuner(StatelessTuner):
    """Runs trials, each with its own seed, and resumes a trial that was killed.

    Parameters
    ----------
    hypermodel : TeacherHyperModel
    options : SearchOptions
    folder : Path
        Folder of the trials and their TensorBoard logs.
    """

    def __init__(self, hypermodel: TeacherHyperModel, options: SearchOptions, folder: Path):
        self._seed, self._share, self._folder = options.seed, options.search_share, folder
        self._had_trial, self._n_trials = True, 0
        super().__init__(Oracle(options), hypermodel, folder, PROJECT)

    def reload(self) -> None:
        """Read the state of the oracle."""
        super().reload()
        logger.info("search: continues after %d of at most %d trials", len(self.oracle.end_order), self.oracle.n_trials)

    def pre_create_trial(self) -> None:
        """Wait before asking again if there was no trial, since the results of other workers are missing."""
        if self._n_trials == TRIALS_A_PROCESS:
            raise ProcessUsedUp
        if not self._had_trial:
            time.sleep(0.5)
        self._had_trial = False

    def on_trial_begin(self, trial: Trial) -> None:
        """Log the hyperparameters of a trial."""
        self._had_trial = True
        logger.info("trial %s: %s", trial.trial_id, trial.hyperparameters.values)

    def on_trial_end(self, trial: Trial) -> None:
        """Record the end of a trial, and remove its state."""
        super().on_trial_end(trial)
        self._state(trial.trial_id).unlink(missing_ok=True)
        self._n_trials += 1
        if isinstance(self.oracle, Oracle) and self.oracle.failure:
            raise self.oracle.failure

    def _state(self, trial_id: str) -> Path:
        return self._folder / SCRATCH / f"trial_{trial_id}.npz"

    def _best_weights(self, trial_id: str) -> Path:
        return Path(self.get_trial_dir(trial_id)) / "best_weights.npz"

    def _built_model(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Build the model of a trial, with the weights of the trial that it continues, if there is one."""
        model = self.hypermodel.build(hp)
        if "tuner/trial_id" in hp.values:
            load_best_weights(model, self._best_weights(hp.values["tuner/trial_id"]))
        return model

    def _callbacks(self, trial: Trial, n_batches: int) -> list[keras.callbacks.Callback]:
        callbacks = [
            ProgressLog(f"trial {trial.trial_id}", n_batches),
            keras.callbacks.EarlyStopping(OBJECTIVE, patience=PATIENCE),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.TensorBoard(self._folder / "tensorboard" / "search", write_graph=False),
        ]
        self.log_to_own_folder(callbacks, trial)
        return [*callbacks, BestWeights(self._best_weights(trial.trial_id), OBJECTIVE)]

    def run_trial(self, trial: Trial, training: Batches, validation: Batches) -> keras.callbacks.History:
        """Fit the model of a trial, with a share of the batches in each epoch."""
        keras.backend.clear_session()
        gc.collect()
        values = trial.hyperparameters.values
        keras.utils.set_random_seed(trial_seed(self._seed, values))
        model = self._built_model(trial.hyperparameters)
        n_devices = model.distribute_strategy.num_replicas_in_sync
        training, validation = (ShareOfBatches(batches, self._share, n_devices) for batches in (training, validation))
        try:
            history = resumable_fit(
                model,
                training,
                validation,
                values["tuner/epochs"],
                self._callbacks(trial, len(training)),
                self._state(trial.trial_id),
                initial_epoch=values["tuner/initial_epoch"],
            )
        except OSError as error:  # such as a full disk, which is not the fault of the trial
            raise keras_tuner.errors.FatalError(str(error)) from error
        losses = [*history.history["loss"], *history.history[OBJECTIVE]]
        if not all(math.isfinite(loss) for loss in losses):
            raise keras_tuner.errors.FailedTrialError("the loss is not a finite number")
        return history


def search_results(
    hypermodel: TeacherHyperModel, options: SearchOptions, folder: Path
) -> tuple[TeacherHyperparameters, list[dict[str, Any]]]:
    """Read the results of a finished search; the files of a search without a completed trial are removed.

    Returns
    -------
    TeacherHyperparameters
        Hyperparameters of the best trial.
    list of dict
        Id, status, score, epochs and hyperparameters of each trial.

    Raises
    ------
    RuntimeError
        If no trial was completed.
    """
    oracle = Oracle(options)
    oracle.open_project(folder, PROJECT)
    oracle.reload()
    trials = list(oracle.trials.values())
    completed = [trial for trial in trials if trial.status == "COMPLETED"]
    if not completed:
        reasons = [last_line(trial.message) for trial in trials if trial.message]
        shutil.rmtree(folder / PROJECT)
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
        why = f", the last one for: {reasons[-1]}" if reasons else ""
        raise RuntimeError(f"none of the {len(trials)} trials of the search was completed{why}")
    best = min(completed, key=lambda trial: trial.score)
    found = sample_hyperparameters(best.hyperparameters, hypermodel.feature_names, hypermodel.search_space)
    return found, [_row(trial) for trial in trials]


def _row(trial: Trial) -> dict[str, Any]:
    """Return a trial as a row of a table."""
    values = trial.hyperparameters.values
    return {
        "trial": trial.trial_id,
        "status": trial.status,
        OBJECTIVE: trial.score,
        "from_trial": values.get("tuner/trial_id", ""),
        **{name: values[f"tuner/{name}"] for name in ("bracket", "round", "initial_epoch", "epochs")},
        **{name: values[name] for name in vars(TeacherHyperparameters()) if name in values},
    }
