"""Parts shared by the benchmarks: the cost of a command, a description of the machine, and a table as text and JSON."""

import argparse
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.runtime.arguments import comma_separated, number, parser
from utils.runtime.text_files import write_json
from utils.training.hyperparameters import TeacherHyperparameters

ROOT = Path(__file__).resolve().parents[1]

# Hyperparameters of the teacher that is the same network as the plain one.
SAME_NETWORK = TeacherHyperparameters(learning_rate=1e-3, relative=False, residual=False, readout=(), target="factor")


@dataclass(frozen=True)
class Cost:
    """Cost of a command: wall-clock and CPU time of all threads in seconds, peak resident memory in MiB."""

    wall: float
    cpu: float
    memory: float


def cost(command: Sequence[str | Path]) -> Cost:
    """Run a command from the root of the project and measure it; its output is shown only if it fails.

    Linux includes the present memory of the caller in the peak memory of the command, so a caller stays small.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {process.returncode}\n{printed}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def project_script(name: str, *arguments: str | Path) -> list[str | Path]:
    """Return the command of a script of the project with this Python."""
    return [sys.executable, ROOT / name, *arguments]


def benchmark_parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, with a flag for its JSON file."""
    args = parser(description)
    args.add_argument("--output", type=Path, required=True, help="JSON file of the numbers and the machine")
    return args


def scaling_parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of a benchmark that repeats events to files of several sizes."""
    args = benchmark_parser(description)
    sizes = comma_separated(number(int, 1))
    args.add_argument("--events", type=sizes, default="100000,1000000,5000000,13500000", help="sizes of the files")
    args.add_argument("--scratch", type=Path, help="folder for temporary files; by default the folder of the system")
    return args


def machine() -> dict[str, Any]:
    """Return the machine, the versions of libraries and the date."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    libraries = ("h5py", "keras", "numpy", "tensorflow-cpu")
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in libraries},
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Format rows with the same keys as right-aligned columns, with three significant digits."""
    texts = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in texts)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def report(args: Any, rows: Sequence[dict[str, Any]], **more: Any) -> None:
    """Print the rows as a table, and write them with the machine, the arguments and further results as JSON."""
    print(table(rows))
    for name, value in more.items():
        if isinstance(value, int | float):
            print(f"{name}: {_text(value)}")
    write_json(args.output, {"rows": list(rows), **more, "arguments": vars(args), "machine": machine()})


def as_row(measured: Cost, n_events: int) -> dict[str, float]:
    """Return the cost of a step as columns of a table."""
    return {
        "wall [s]": measured.wall,
        "CPU [s]": measured.cpu,
        "events/CPU-s": n_events / measured.cpu,
        "memory [MiB]": measured.memory,
    }
