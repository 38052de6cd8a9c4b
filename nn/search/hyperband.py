"""Hyperband: the choice of the trials, and a state on disk that survives a kill at any moment."""

import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial

from nn.compat.keras_tuner import ResumableOracle
from nn.training.fit import OBJECTIVE
from utils.runtime import signals
from utils.training.options import SearchOptions

logger = logging.getLogger(__name__)

PROJECT = "trials"
FAILURES_TO_GIVE_UP = 10  # from the start of the search, without a completed trial


class Oracle(ResumableOracle):
    """Hyperband's choice of the trials, with a state on disk that is whole at any moment.

    Values are single-precision numbers, as in the messages between a chief and its workers. The trials are therefore
    the same in one process and in several.
    """

    def __init__(self, options: SearchOptions):
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "min"),
            max_epochs=options.max_epochs,
            factor=options.hyperband_factor,
            hyperband_iterations=options.hyperband_iterations,
            seed=options.seed or 1 << 32,  # KerasTuner takes 0 for none
            max_consecutive_failed_trials=math.inf,
        )
        self.verbose = 0
        self.failure: Exception | None = None
        self._epochs_at_start = 0
        self._started = time.monotonic()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Choose a trial, or end the search if all of the first trials failed."""
        ended = [self.trials[name].status for name in self.end_order]
        if len(ended) >= FAILURES_TO_GIVE_UP and "COMPLETED" not in ended:
            return {"status": "STOPPED"}
        response = super().populate_space(trial_id)
        for name, value in (response.get("values") or {}).items():
            if isinstance(value, float):
                response["values"][name] = float(np.float32(value))
        bracket = self.bracket_number(trial_id)
        if bracket is not None:  # with several workers the current bracket may be another one
            response["values"]["tuner/bracket"] = bracket
        return response

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Record the end of a trial, and log the progress of the search."""
        if trial.trial_id not in (other.trial_id for other in self.ongoing_trials.values()):
            return  # the worker was given up for lost, and another one ran its trial
        super().end_trial(trial)
        trial = self.trials[trial.trial_id]
        if trial.status == "FAILED":
            logger.warning("trial %s failed: %s", trial.trial_id, last_line(trial.message or ""))
        logger.info("%s", self.progress_line(trial))

    @keras_tuner.synchronized
    def running_trial(self, worker: str) -> str | None:
        """Return the trial that a worker runs."""
        trial = self.ongoing_trials.get(worker)
        return trial.trial_id if trial else None

    @keras_tuner.synchronized
    def fail_running_trial(self, worker: str, message: str) -> None:
        """Mark the trial of a worker as failed."""
        trial = self.ongoing_trials[worker]
        trial.status, trial.message = "FAILED", message
        self.end_trial(trial)

    @keras_tuner.synchronized
    def forget(self, worker: str) -> None:
        """Give the trial of a lost worker to the next one that asks."""
        self.tuner_ids.discard(worker)
        trial = self.ongoing_trials.pop(worker, None)
        if trial:
            self.retry(trial)
            self.save()

    @keras_tuner.synchronized
    def busy_workers(self) -> list[str]:
        """Return the workers that run a trial."""
        return list(self.ongoing_trials)

    def write_state(self, path: Path, state: dict[str, Any]) -> None:
        """Write JSON as KerasTuner reads it.

        An error is kept for the chief: KerasTuner's lock would stay locked if it were raised here.
        """
        try:
            with signals.temporary(path.with_name(f"part.{path.name}")) as temporary:
                temporary.write_text(json.dumps(state))
                temporary.replace(path)
        except OSError as error:
            self.failure = error

    def reload(self) -> None:
        """Read the state."""
        super().reload()
        self._epochs_at_start = self._epochs_done()

    @property
    def n_trials(self) -> int:
        """Number of trials of the search if none fails."""
        return self.hyperband_iterations * sum(size for size, _ in self.rounds())

    @property
    def n_epochs(self) -> int:
        """Number of epochs of all trials of the search if none fails."""
        return self.hyperband_iterations * sum(size * epochs for size, epochs in self.rounds())

    def _epochs_done(self) -> int:
        values = [self.trials[name].hyperparameters.values for name in self.end_order]
        return sum(value["tuner/epochs"] - value["tuner/initial_epoch"] for value in values)

    def progress_line(self, trial: Trial) -> str:
        """Describe the progress of the search after a trial."""
        values = trial.hyperparameters.values
        result = trial.status.lower() if trial.score is None else f"{OBJECTIVE} {trial.score:.5g}"
        completed = [other for other in self.trials.values() if other.status == "COMPLETED"]
        best = min(completed, key=lambda other: other.score, default=None)
        done = self._epochs_done()
        since_start = done - self._epochs_at_start
        seconds = time.monotonic() - self._started
        left = (self.n_epochs - done) * seconds / since_start if since_start else math.nan
        return (
            f"search: bracket {self.n_brackets - values['tuner/bracket']} of {self.n_brackets},"
            f" round {values['tuner/round'] + 1} of {values['tuner/bracket'] + 1}: {len(self.end_order)} of at most"
            f" {self.n_trials} trials done; trial {trial.trial_id}: {result}"
            + (f"; best so far: {OBJECTIVE} {best.score:.5g} of trial {best.trial_id}" if best else "")
            + f"; about {left / 60:.1f} minutes left"
        )


def last_line(message: str) -> str:
    """Return the last line of a traceback, cut to a length that can be read."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "unknown reason"
