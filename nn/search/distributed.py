"""A search in several processes: a chief hands out the trials, and workers run them, on any machine."""

import logging
import math
import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

from nn.compat.keras_tuner import OracleServer, become_worker
from nn.search.hyperband import Oracle
from utils.runtime.checkpoints import SCRATCH
from utils.runtime.errors import EXIT_FAILED
from utils.runtime.text_files import read_json, write_json
from utils.runtime.worker_processes import WorkerProcesses

logger = logging.getLogger(__name__)

ATTEMPTS = 3  # for a trial whose worker dies, and for a worker that dies without a trial
SECONDS_OF_SILENCE = 120  # after which a chief or a worker is given up for lost
SECONDS_OF_A_BEAT = 2


def chief_file(folder: Path) -> Path:
    """Return the file with the address of the chief of a search."""
    return folder / SCRATCH / "chief.json"


def _beat_file(folder: Path, worker: str) -> Path:
    return folder / SCRATCH / "workers" / worker


class Chief:
    """Serves an oracle to workers until the search is over.

    Parameters
    ----------
    oracle : Oracle
    host : str
        Name or address of this machine by which workers reach it.
    folder : Path
        Unfinished output, on a file system that the workers share.
    """

    def __init__(self, oracle: Oracle, host: str, folder: Path):
        self._oracle, self._folder = oracle, folder
        try:
            self._server = OracleServer(oracle, host)
        except RuntimeError:
            raise OSError(f"--chief_host: '{host}' is not an address of this machine") from None
        self._beats: dict[str, tuple[float, float]] = {}
        self._deaths: Counter[str] = Counter()
        write_json(chief_file(folder), {"address": f"{host}:{self._server.port}", "token": uuid4().hex})
        logger.info("search: chief at %s:%d", host, self._server.port)

    def wait(self, workers: WorkerProcesses) -> None:
        """Wait for the end of the search, and restart workers that died."""
        try:
            end = math.inf
            while time.monotonic() < end:
                time.sleep(0.2)
                if self._oracle.failure:
                    raise self._oracle.failure
                for name in workers.died():
                    self._restart(name, workers)
                self._forget_silent_workers()
                if self._server.has_no_more_trials and not self._oracle.busy_workers() and workers.all_ended():
                    if not self._oracle.tuner_ids:
                        break
                    end = min(end, time.monotonic() + 5)  # other workers that wait for a trial ask within this time
        finally:
            chief_file(self._folder).unlink(missing_ok=True)
            self._server.stop()

    def _restart(self, name: str, workers: WorkerProcesses) -> None:
        """Restart a worker. Its trial is resumed, unless that trial kills workers."""
        trial = self._oracle.running_trial(name)
        case = f"trial {trial}" if trial else name
        self._deaths[case] += 1
        how = workers.last_output(name)
        logger.warning("worker %s died in %s: %s", name, case if trial else "no trial", how)
        if self._deaths[case] >= ATTEMPTS:
            if not trial:
                raise RuntimeError(f"worker {name} died {ATTEMPTS} times without a trial, the last time with {how}")
            self._oracle.fail_running_trial(name, f"its worker died {ATTEMPTS} times, the last time with {how}")
        workers.start(name)

    def _forget_silent_workers(self) -> None:
        """Free the trials of workers whose files have not changed for a while."""
        now = time.monotonic()
        for name in self._oracle.busy_workers():
            path = _beat_file(self._folder, name)
            beat = path.stat().st_mtime if path.exists() else 0
            if self._beats.get(name, (None, 0))[0] != beat:
                self._beats[name] = (beat, now)
            elif now - self._beats[name][1] > SECONDS_OF_SILENCE:
                logger.warning("worker %s: silent for %d s; another one gets its trial", name, SECONDS_OF_SILENCE)
                self._oracle.forget(name)
                del self._beats[name]


def join(name: str, folder: Path) -> str:
    """Become a worker: let KerasTuner find the chief, show that the process is alive, and end with the chief.

    Returns
    -------
    str
        Address of the chief.
    """
    chief = read_json(chief_file(folder))
    host, _, port = chief["address"].rpartition(":")
    become_worker(name, host, port, SECONDS_OF_SILENCE)
    beat = _beat_file(folder, name)
    beat.parent.mkdir(exist_ok=True)
    threading.Thread(target=_beats, args=(chief, folder, beat), daemon=True).start()
    return chief["address"]


def _beats(chief: dict[str, Any], folder: Path, beat: Path) -> None:
    while True:
        try:
            if chief_file(folder).exists() and read_json(chief_file(folder)) != chief:
                print("error: the search has another chief now; start this worker again", file=sys.stderr, flush=True)
                os._exit(EXIT_FAILED)
            if beat.parent.is_dir():
                beat.touch()
        except OSError as error:
            logger.warning("%s", error)
        time.sleep(SECONDS_OF_A_BEAT)
