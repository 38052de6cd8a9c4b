"""Cases run in forked processes: what one does to its process, to the memory or to the time is found and named."""

import json
import os
import resource
import select
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CPU_SECONDS = 10  # that a case may take
SECONDS = 300  # that a case may take, waiting included
MIB = 1 << 20
MEMORY = 700 * MIB  # that a case may take, beyond what its process has already
ADDRESS_SPACE = 4096 * MIB  # beyond which the machine is protected


@dataclass
class Case:
    """What a script is called with, and where its outputs go.

    Attributes
    ----------
    run : callable
        Calls the script and returns its exit code.
    folder : Path
        For the outputs: empty after a failure.
    check : callable, optional
        Raises an error if the outputs of a success are not good.
    noisy : bool
        Whether a library logs to stderr as well.
    """

    run: Callable[[], int]
    folder: Path
    check: Callable[[], None] = lambda: None
    noisy: bool = False


@dataclass
class Result:
    """How a case ended: its outcome, ``exit CODE`` if it is one of those allowed, and what it wrote to stderr."""

    outcome: str
    text: str = ""

    @property
    def allowed(self) -> bool:
        """Whether it is success, or one clear line."""
        return self.outcome.startswith("exit ")


@dataclass
class Report:
    """How all cases ended.

    Attributes
    ----------
    counts : Counter
        Cases of each outcome.
    refused : dict
        Cases, and their texts, of outcomes that are not allowed.
    cpu_seconds : float
        Of all.
    memory_mib : int
        Largest that a process had, beyond what it began with.
    """

    counts: Counter = field(default_factory=Counter)
    refused: dict[int, str] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    memory_mib: int = 0
    slowest: float = 0.0


def run_all(make: Callable[[int, Path], Case], numbers: Sequence[int], processes: int, show: bool = False) -> Report:
    """Run the cases of given numbers, each made by `make` of its number and of a folder of its own.

    Parameters
    ----------
    make : callable
    numbers : sequence of int
    processes : int
    show : bool
        Print each case: its outcome and text.
    """
    report = Report()
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        shares = [list(numbers[i::processes]) for i in range(processes)]
        running = [_Process(make, share, folder / str(i)) for i, share in enumerate(shares) if share]
        while running:
            ready, _, _ = select.select(running, [], [], 0.5)
            for process in ready:
                process.read()
            for process in running:
                process.restart_if_stuck()
            running = [process for process in running if not process.finished(report, show)]
    finally:
        shutil.rmtree(folder)
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    report.cpu_seconds = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return report


class _Process:
    """A process that runs cases one after the other, and is replaced when one of them ends it."""

    def __init__(self, make: Callable[[int, Path], Case], numbers: list[int], folder: Path):
        self._make, self._numbers, self._folder = make, numbers, folder
        self._done: list[tuple[int, Result, float, int]] = []
        self._start()

    def fileno(self) -> int:
        return self._pipe

    def _start(self) -> None:
        self._pipe, write = os.pipe()
        self._since, self._cpu_since, self._rest = time.monotonic(), 0.0, b""
        self._pid = os.fork()
        if self._pid == 0:
            code = 1
            try:
                _run_cases(self._make, self._numbers, self._folder, write)
                code = 0
            except BaseException:
                os.write(2, traceback.format_exc().encode())
            finally:
                os._exit(code)
        os.close(write)

    def read(self) -> None:
        """Take the results so far; at the end of the process say how its last case ended."""
        content = os.read(self._pipe, 1 << 16)
        self._since, self._cpu_since = time.monotonic(), self._cpu()
        if content:
            *lines, self._rest = (self._rest + content).split(b"\n")
            for line in lines:
                outcome, text, seconds, memory = json.loads(line)
                self._done.append((self._numbers.pop(0), Result(outcome, text), seconds, memory))
            return
        self._end("crash")

    def _cpu(self) -> float:
        """Return the CPU time of the process."""
        ticks = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def _end(self, outcome: str) -> None:
        _, status = os.waitpid(self._pid, 0)
        os.close(self._pipe)
        self._pid = 0
        if self._numbers:
            code = os.waitstatus_to_exitcode(status)
            text = (self._folder / "stderr").read_text(errors="replace")
            self._done.append((self._numbers.pop(0), Result(f"{outcome} {code}", text), 0.0, 0))
            if self._numbers:
                self._start()

    def restart_if_stuck(self) -> None:
        """End a case that takes too long."""
        if self._pid and (time.monotonic() - self._since > SECONDS or self._cpu() - self._cpu_since > CPU_SECONDS):
            os.kill(self._pid, 9)
            self._end("hang")

    def finished(self, report: Report, show: bool) -> bool:
        """Put the results into the report, and return whether there will be no more."""
        for number, result, seconds, memory in self._done:
            report.counts[result.outcome] += 1
            report.memory_mib = max(report.memory_mib, memory // MIB)
            report.slowest = max(report.slowest, seconds)
            if not result.allowed:
                report.refused[number] = f"{result.outcome}: {result.text}"
            if show:
                print(number, result.outcome, f"{seconds:.3f} s", result.text.strip(), flush=True)
        self._done.clear()
        return not self._pid


def _run_cases(make: Callable[[int, Path], Case], numbers: Sequence[int], folder: Path, write: int) -> None:
    """Run cases in this process, and write a line for each to a pipe."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    stderr = os.open(folder / "stderr", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(stderr, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + ADDRESS_SPACE, resource.RLIM_INFINITY))
    for number in numbers:
        shutil.rmtree(folder / "case", ignore_errors=True)
        (folder / "case" / "out").mkdir(parents=True)
        case = make(number, folder / "case")
        os.ftruncate(stderr, 0)
        Path("/proc/self/clear_refs").write_text("5")  # what was the peak until now is forgotten
        before, start = _memory("VmRSS"), time.monotonic()
        result = _run(case, stderr)
        seconds, memory = time.monotonic() - start, _memory("VmHWM") - before
        if memory > MEMORY and result.allowed:
            result = Result(f"memory {memory // MIB} MiB", result.text)
        line = json.dumps([result.outcome, result.text, seconds, memory]) + "\n"
        for i in range(0, len(line), 4000):
            os.write(write, line[i : i + 4000].encode())


def _memory(name: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def _run(case: Case, stderr: int) -> Result:
    """Run a case, and judge its exit code, its words and its outputs."""
    try:
        code = case.run()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        return Result("traceback", traceback.format_exc()[-3000:])
    sys.stderr.flush()
    text = os.pread(stderr, 1 << 16, 0).decode(errors="replace")
    lines = [line for line in text.splitlines() if not case.noisy or line.startswith(("error: ", "Traceback"))]
    left = sorted(path.name for path in case.folder.rglob("*") if path.is_file())
    words = {
        0: not lines,
        1: len(lines) == 1 and lines[0].startswith("error: ") and len(lines[0]) < 1000,
        2: bool(lines) and ": error: " in lines[-1],
    }
    if not words.get(code):
        return Result(f"words of {code}", text)
    if code != 0 and left:
        return Result("output left", f"{text}{left}")
    if code == 0:
        try:
            case.check()
        except BaseException:
            return Result("bad output", traceback.format_exc()[-3000:])
    return Result(f"exit {code}", text)
