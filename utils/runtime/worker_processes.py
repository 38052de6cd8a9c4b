"""Worker processes: they can be started again when they die, and end with their parent."""

import logging
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.runtime.errors import EXIT_FAILED

logger = logging.getLogger(__name__)

STARTED_BY_PARENT = "L1_REGRESSION_WORKER"  # environment variable: the end of stdin means that the parent has ended


class WorkerProcesses:
    """Named processes, each of which appends its output to a file.

    Parameters
    ----------
    commands : mapping of str to sequence of str
        Command of each process by name.
    folder : Path
        Folder of the files ``NAME.log``.
    environment : mapping of str to str
        Variables in addition to those of this process.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]], folder: Path, environment: Mapping[str, str]):
        self._commands, self._folder = commands, folder
        self._environment = {**os.environ, **environment, STARTED_BY_PARENT: "1"}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for name in commands:
            self.start(name)

    def start(self, name: str) -> None:
        """Start a process, for the first time or again; the end of its input tells it that the parent has ended."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._commands[name], stdin=subprocess.PIPE, stdout=log, stderr=log, env=self._environment
            )
        logger.info("worker %s: process %d", name, self._processes[name].pid)

    def died(self) -> list[str]:
        """Return the names of the processes that ended with an error or a signal."""
        return [name for name, process in self._processes.items() if process.poll()]

    def all_ended(self) -> bool:
        """Return whether no process is running."""
        return all(process.poll() is not None for process in self._processes.values())

    def last_output(self, name: str) -> str:
        """Describe how a process ended, with the last line of its output."""
        lines = (self._folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        code = self._processes[name].returncode
        return f"{f'signal {-code}' if code < 0 else f'exit code {code}'}, {lines[-1][:200] if lines else 'no output'}"

    def stop(self) -> None:
        """End all processes."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()


def end_with_parent() -> None:
    """End this process when its parent ends, if it is one of `WorkerProcesses`; otherwise do nothing."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os._exit(EXIT_FAILED)

    if os.environ.get(STARTED_BY_PARENT):
        threading.Thread(target=watch, daemon=True).start()
