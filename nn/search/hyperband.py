"""The search for hyperparameters with Hyperband, in one process or in many, that survives the death of any of them."""

import contextlib
import gc
import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras_tuner.src.engine.metrics_tracking import MetricsTracker
from keras_tuner.src.engine.trial import Trial

from nn.teacher import SEARCH_SPACE, TeacherHyperModel, TeacherHyperparameters, sample_hyperparameters
from nn.training.resume import BestWeights, load_best_weights, resumable_fit
from utils.runtime import signals
from utils.runtime.checkpoints import SCRATCH
from utils.training.batches import Batches

logger = logging.getLogger(__name__)

OBJECTIVE = "val_loss"
PROJECT = "trials"
FAILURES_TO_GIVE_UP = 10  # from the start of the search, without a trial that comes to an end

# TensorFlow keeps some 10 MB of each trial for good, whatever is cleared: a process hands over to a new one in time.
TRIALS_A_PROCESS = 20


@dataclass(frozen=True)
class Hyperband:
    """Settings of a search by Hyperband (Li et al. 2018, arXiv:1603.06560) for the lowest validation loss.

    Attributes
    ----------
    max_epochs : int
        Epochs of the longest trials.
    factor : int
        By which each round of a bracket has fewer trials of more epochs.
    iterations : int
        Times that all brackets are run.
    seed : int
    """

    max_epochs: int
    factor: int
    iterations: int
    seed: int


def trial_seed(seed: int, values: dict[str, Any]) -> int:
    """Make the seed of a trial from that of the search and the trial's hyperparameters.

    The number of a trial depends on the order in which others end; what it is does not.
    """
    names = sorted(name for name in values if not name.startswith("tuner/"))
    key = [seed, values.get("tuner/initial_epoch", 0), [[name, values[name]] for name in names]]
    return int.from_bytes(hashlib.sha256(json.dumps(key).encode()).digest()[:4], "little")


class Oracle(keras_tuner.oracles.HyperbandOracle):
    """Hyperband's choice of the trials, with a state on disk that is whole at any moment, and a line for each trial.

    Values are single-precision numbers, as the messages between a chief and its workers have them, so that the trials
    are the same in one process and in many.
    """

    trials: dict[str, Trial]

    def __init__(self, settings: Hyperband):
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "min"),
            max_epochs=settings.max_epochs,
            factor=settings.factor,
            hyperband_iterations=settings.iterations,
            seed=settings.seed or 1 << 32,  # KerasTuner takes 0 for none
            max_consecutive_failed_trials=math.inf,
        )
        self.verbose = 0
        self.failure: Exception | None = None
        self._epochs_at_start = 0
        self._started = time.monotonic()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Choose a trial, or end the search when nothing but failures came."""
        ended = [self.trials[name].status for name in self.end_order]
        if len(ended) >= FAILURES_TO_GIVE_UP and "COMPLETED" not in ended:
            return {"status": "STOPPED"}
        response = super().populate_space(trial_id)
        for name, value in (response.get("values") or {}).items():
            if isinstance(value, float):
                response["values"][name] = float(np.float32(value))
        for bracket in self._brackets:  # with several workers the current bracket need not be that of the trial
            if any(trial_id == info["id"] for infos in bracket["rounds"] for info in infos):
                response["values"]["tuner/bracket"] = bracket["bracket_num"]
        return response

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Record the end of a trial, and log how far the search is."""
        if trial.trial_id not in (other.trial_id for other in self.ongoing_trials.values()):
            return  # the result of a worker that was given up for lost, while another one has run its trial
        super().end_trial(trial)
        trial = self.trials[trial.trial_id]
        if trial.status == "FAILED":
            logger.warning("trial %s failed: %s", trial.trial_id, last_line(trial.message or ""))
        logger.info("%s", self.progress_line(trial))

    @keras_tuner.synchronized
    def trial_of(self, worker: str) -> str | None:
        """Return the trial that a worker is at."""
        trial = self.ongoing_trials.get(worker)
        return trial.trial_id if trial else None

    @keras_tuner.synchronized
    def fail_trial_of(self, worker: str, message: str) -> None:
        """Mark the trial of a worker as failed."""
        trial = self.ongoing_trials[worker]
        trial.status, trial.message = "FAILED", message
        self.end_trial(trial)

    @keras_tuner.synchronized
    def forget(self, worker: str) -> None:
        """Give the trial of a worker that is lost to the next one that asks."""
        self.tuner_ids.discard(worker)
        trial = self.ongoing_trials.pop(worker, None)
        if trial:
            self._retry_queue.append(trial.trial_id)
            self.save()

    @keras_tuner.synchronized
    def busy_workers(self) -> list[str]:
        """Return the workers that are at a trial."""
        return list(self.ongoing_trials)

    def save(self) -> None:
        """Write the state."""
        with self._errors_kept():
            _save_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        """Write a trial."""
        with self._errors_kept():
            _save_json(Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    @contextlib.contextmanager
    def _errors_kept(self) -> Iterator[None]:
        """Keep an error for the chief to find: one that is raised would leave KerasTuner's lock locked."""
        try:
            yield
        except OSError as error:
            self.failure = error

    def reload(self) -> None:
        """Read the state, and put right what a kill left between two files of it."""
        super().reload()
        self.trials = {name: self.trials[name] for name in self.start_order}
        self._retry_queue = [name for name, trial in self.trials.items() if trial.status == "RUNNING"]
        for name, trial in self.trials.items():
            if trial.status == "RUNNING":
                trial.metrics = MetricsTracker()
            elif name not in self.end_order:
                self.end_order.append(name)
        self._epochs_at_start = self._epochs_done()

    def _rounds(self) -> Iterator[tuple[int, int]]:
        """Give the number of trials and the epochs of each trial of all rounds of all brackets."""
        for bracket in range(self._get_num_brackets()):
            for number in range(bracket + 1):
                before = self._get_epochs(bracket, number - 1) if number else 0
                yield self._get_size(bracket, number), self._get_epochs(bracket, number) - before

    @property
    def n_trials(self) -> int:
        """Number of trials of the search if none fails."""
        return self.hyperband_iterations * sum(size for size, _ in self._rounds())

    def _epochs_done(self) -> int:
        values = [self.trials[name].hyperparameters.values for name in self.end_order]
        return sum(value["tuner/epochs"] - value["tuner/initial_epoch"] for value in values)

    def progress_line(self, trial: Trial) -> str:
        """Say how far the search is after a trial."""
        values = trial.hyperparameters.values
        result = trial.status.lower() if trial.score is None else f"{OBJECTIVE} {trial.score:.5g}"
        completed = [other for other in self.trials.values() if other.status == "COMPLETED"]
        best = min(completed, key=lambda other: other.score, default=None)
        done, total = self._epochs_done(), self.hyperband_iterations * sum(n * epochs for n, epochs in self._rounds())
        since_start = done - self._epochs_at_start
        left = (total - done) * (time.monotonic() - self._started) / since_start if since_start else math.nan
        bracket = self._get_num_brackets() - values["tuner/bracket"]
        return (
            f"search: bracket {bracket} of {self._get_num_brackets()},"
            f" round {values['tuner/round'] + 1} of {values['tuner/bracket'] + 1}: {len(self.end_order)} of at most"
            f" {self.n_trials} trials done; trial {trial.trial_id}: {result}"
            + (f"; best so far: {OBJECTIVE} {best.score:.5g} of trial {best.trial_id}" if best else "")
            + f"; about {left / 60:.1f} minutes left"
        )


def _save_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON as KerasTuner reads it, to a file that is whole at any moment."""
    with signals.temporary(path.with_name(f"part.{path.name}")) as temporary:
        temporary.write_text(json.dumps(content))
        temporary.replace(path)


def last_line(message: str) -> str:
    """Return the last line of a traceback, cut to a length that can be read."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "unknown reason"


class ProcessUsedUp(Exception):  # noqa: N818 no error
    """The process has run as many trials as it may: a new one with the same command has to go on."""


class Tuner(keras_tuner.Tuner):
    """Runs trials, each with a seed of its own, and goes on with one that was killed.

    Parameters
    ----------
    hypermodel : TeacherHyperModel
    settings : Hyperband
    folder : Path
        Where the trials and their TensorBoard logs are kept.
    make_callbacks : callable
        Gives the callbacks of a trial, TensorBoard's among them.
    """

    oracle: Any

    def __init__(
        self,
        hypermodel: TeacherHyperModel,
        settings: Hyperband,
        folder: Path,
        make_callbacks: Callable[[str], list[keras.callbacks.Callback]],
    ):
        self._settings, self._folder, self._make_callbacks = settings, folder, make_callbacks
        self._had_trial, self._n_trials = True, 0
        with contextlib.redirect_stdout(None):
            super().__init__(Oracle(settings), hypermodel, directory=folder, project_name=PROJECT)

    def _get_tuner_fname(self) -> str:
        """Name the file whose presence makes KerasTuner reload: a worker has no state, others only the oracle's."""
        return str(Path(self.project_dir) / ("none.json" if self._is_worker() else "oracle.json"))

    def save(self) -> None:
        """Do nothing: the oracle saves itself."""

    def reload(self) -> None:
        """Read the state of the oracle."""
        self.oracle.reload()
        logger.info("search: goes on after %d of at most %d trials", len(self.oracle.end_order), self.oracle.n_trials)

    def pre_create_trial(self) -> None:
        """Wait before asking again where there was no trial, for want of the results of other workers."""
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
        """Record the end of a trial; it does not have to go on any more."""
        super().on_trial_end(trial)
        self._state(trial.trial_id).unlink(missing_ok=True)
        self._n_trials += 1
        if isinstance(self.oracle, Oracle) and self.oracle.failure:
            raise self.oracle.failure

    def _state(self, trial_id: str) -> Path:
        return self._folder / SCRATCH / f"trial_{trial_id}.npz"

    def _best_weights(self, trial_id: str) -> Path:
        return Path(self.get_trial_dir(trial_id)) / "best_weights.npz"

    def _build_hypermodel(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Build the model of a trial, with the weights of the trial that it goes on from if there is one."""
        model = super()._build_hypermodel(hp)
        if "tuner/trial_id" in hp.values:
            load_best_weights(model, self._best_weights(hp.values["tuner/trial_id"]))
        return model

    def run_trial(self, trial: Trial, training: Batches, validation: Batches) -> keras.callbacks.History:
        """Fit the model of a trial."""
        keras.backend.clear_session()
        gc.collect()
        values = trial.hyperparameters.values
        keras.utils.set_random_seed(trial_seed(self._settings.seed, values))
        model = self._build_hypermodel(trial.hyperparameters)
        callbacks = self._make_callbacks(f"trial {trial.trial_id}")
        self._configure_tensorboard_dir(callbacks, trial)
        callbacks.append(BestWeights(self._best_weights(trial.trial_id), OBJECTIVE))
        try:
            history = resumable_fit(
                model,
                training,
                validation,
                values["tuner/epochs"],
                callbacks,
                self._state(trial.trial_id),
                initial_epoch=values["tuner/initial_epoch"],
            )
        except OSError as error:  # a full disk is not the fault of the trial
            raise keras_tuner.errors.FatalError(str(error)) from error
        losses = [*history.history["loss"], *history.history[OBJECTIVE]]
        if not all(math.isfinite(loss) for loss in losses):
            raise keras_tuner.errors.FailedTrialError("the loss is not a finite number")
        return history

    def _get_tensorboard_dir(self, logdir: str | Path, trial_id: str, execution: int) -> str:
        """Give each trial its own folder."""
        return str(Path(logdir) / trial_id)


def results(
    folder: Path, settings: Hyperband, hypermodel: TeacherHyperModel
) -> tuple[TeacherHyperparameters, list[dict[str, Any]]]:
    """Read the results of a search that came to its end.

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
    oracle = Oracle(settings)
    oracle._set_project_dir(folder, PROJECT)
    oracle.reload()
    trials = list(oracle.trials.values())
    completed = [trial for trial in trials if trial.status == "COMPLETED"]
    if not completed:
        reasons = [last_line(trial.message) for trial in trials if trial.message]
        why = f", the last one for: {reasons[-1]}" if reasons else ""
        raise RuntimeError(f"none of the {len(trials)} trials of the search came to an end{why}")
    best = min(completed, key=lambda trial: trial.score)
    return sample_hyperparameters(best.hyperparameters, hypermodel.feature_names), [_row(trial) for trial in trials]


def _row(trial: Trial) -> dict[str, Any]:
    """Describe a trial in one row of a table."""
    values = trial.hyperparameters.values
    return {
        "trial": trial.trial_id,
        "status": trial.status,
        OBJECTIVE: trial.score,
        "from_trial": values.get("tuner/trial_id", ""),
        **{name: values[f"tuner/{name}"] for name in ("bracket", "round", "initial_epoch", "epochs")},
        **{name: values[name] for name in SEARCH_SPACE if name in values},
    }
