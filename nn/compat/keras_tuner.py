"""KerasTuner beyond its public interface: searches that resume, and a chief that hands out trials over the network.

Upstream:

- A search does not resume the trial in which it was interrupted:
  https://github.com/keras-team/keras-tuner/issues/439 (open).
- The state of an oracle is not written atomically, and the server and the client of a distributed search cannot be
  used apart from `Tuner.search`. No issue about either is known.
"""

import contextlib
import os
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import keras
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src import protos
from keras_tuner.src.distribute import oracle_chief, oracle_client
from keras_tuner.src.engine.metrics_tracking import MetricsTracker

from utils.compat.versions import require_version

require_version("keras-tuner", "1.4.8", "1.5")


class ResumableOracle(keras_tuner.oracles.HyperbandOracle):
    """Hyperband's choice of trials; after a restart it resumes the trials that were running."""

    trials: dict[str, Trial]

    def open_project(self, folder: Path, name: str) -> None:
        """Set the folder that keeps the state, without a tuner."""
        self._set_project_dir(folder, name)

    def write_state(self, path: Path, state: dict[str, Any]) -> None:
        """Write the state of the oracle or of a trial as JSON; for subclasses."""
        raise NotImplementedError

    def save(self) -> None:
        """Write the state of the oracle."""
        self.write_state(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        self.write_state(Path(self._get_trial_dir(trial.trial_id)) / "trial.json", trial.get_state())

    def reload(self) -> None:
        """Read the state, and make two files consistent that a kill left at different moments."""
        super().reload()
        self.trials = {name: self.trials[name] for name in self.start_order}
        self._retry_queue = [name for name, trial in self.trials.items() if trial.status == "RUNNING"]
        for name, trial in self.trials.items():
            if trial.status == "RUNNING":
                trial.metrics = MetricsTracker()
            elif name not in self.end_order:
                self.end_order.append(name)

    def retry(self, trial: Trial) -> None:
        """Give a trial to the next worker that asks."""
        self._retry_queue.append(trial.trial_id)

    def bracket_number(self, trial_id: str) -> int | None:
        """Return the bracket of a trial; None if the bracket is over."""
        for bracket in self._brackets:
            if any(trial_id == info["id"] for infos in bracket["rounds"] for info in infos):
                return bracket["bracket_num"]
        return None

    @property
    def n_brackets(self) -> int:
        """Number of brackets of an iteration."""
        return self._get_num_brackets()

    def rounds(self) -> Iterator[tuple[int, int]]:
        """Yield the number of trials, and the epochs of a trial, for each round of each bracket."""
        for bracket in range(self.n_brackets):
            for number in range(bracket + 1):
                before = self._get_epochs(bracket, number - 1) if number else 0
                yield self._get_size(bracket, number), self._get_epochs(bracket, number) - before


class StatelessTuner(keras_tuner.Tuner):
    """Tuner that runs the trials of an oracle and leaves all of the state to it.

    Parameters
    ----------
    oracle : ResumableOracle
    hypermodel : keras_tuner.HyperModel
    folder : Path
        Parent of the folder of the project.
    project : str
    """

    oracle: Any  # in a worker, a client of the chief's oracle

    def __init__(self, oracle: ResumableOracle, hypermodel: keras_tuner.HyperModel, folder: Path, project: str):
        with contextlib.redirect_stdout(None):
            super().__init__(oracle, hypermodel, directory=folder, project_name=project)

    def _get_tuner_fname(self) -> str:
        """Name the file whose presence makes KerasTuner reload: a worker has no state, others only the oracle's."""
        return str(Path(self.project_dir) / ("none.json" if self._is_worker() else "oracle.json"))

    def _get_tensorboard_dir(self, logdir: str | Path, trial_id: str, execution: int) -> str:
        """Give each trial one folder; it is executed once."""
        return str(Path(logdir) / trial_id)

    def save(self) -> None:
        """Do nothing: the oracle saves itself."""

    def reload(self) -> None:
        """Read the state of the oracle."""
        self.oracle.reload()

    def log_to_own_folder(self, callbacks: list[keras.callbacks.Callback], trial: Trial) -> None:
        """Let TensorBoard's callback write to the folder of a trial, and add one for its hyperparameters."""
        self._configure_tensorboard_dir(callbacks, trial)


class OracleServer:
    """Serves an oracle to workers.

    Parameters
    ----------
    oracle : ResumableOracle
    host : str
        Name or address of this machine by which workers reach it.

    Attributes
    ----------
    port : int

    Raises
    ------
    RuntimeError
        If the host is not an address of this machine.
    """

    def __init__(self, oracle: ResumableOracle, host: str):
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
        self._servicer = oracle_chief.OracleServicer(oracle)
        protos.get_service_grpc().add_OracleServicer_to_server(self._servicer, self._server)
        self.port = self._server.add_insecure_port(f"{host}:0")
        self._server.start()

    @property
    def has_no_more_trials(self) -> bool:
        """Whether a worker was told that the search is over."""
        return self._servicer.stop_triggered

    def stop(self) -> None:
        """Stop serving."""
        self._server.stop(None).wait()


def become_worker(name: str, host: str, port: str, timeout: float) -> None:
    """Let tuners of this process take their trials from a chief.

    Parameters
    ----------
    name : str
        Name of this worker, different from all others.
    host, port : str
        Address of the chief.
    timeout : float
        Seconds after which a chief that does not answer is an error.
    """
    os.environ |= {"KERASTUNER_TUNER_ID": name, "KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port}
    oracle_client.TIMEOUT = timeout
