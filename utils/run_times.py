"""Where the time of a run of the workflow went: a table with a row for each step.

The workflow prints it at the end of a run, and writes it to `benchmarks/summary.txt` of the output folder. This command
prints the table of any output folder, whatever runs made it.

Wall-clock time and memory are those that Snakemake records for each job. Its CPU time lacks up to 30 seconds at the end
of a job, so the log of the job gives that of its script. Jobs of a step may run at the same time: the wall-clock time
of a step is that in which any of them ran.
"""

import csv
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.cli import CPU_TIME, cpu_seconds, script
from utils.runtime.arguments import parser
from utils.runtime.errors import UserError

SUMMARY = Path("benchmarks") / "summary.txt"
WIDTHS = (6, 16, 10, 14)  # of the columns
SETUP = "set-up"
STARTED = "L1_REGRESSION_MAKE_STARTED"  # time at which make was started, in the environment


@dataclass(frozen=True)
class Job:
    """Cost of a job: start and end in seconds since 1970, CPU seconds and MiB of memory where known."""

    step: str
    start: float
    end: float
    cpu: float | None = None
    memory: float | None = None


def jobs(output: Path) -> list[Job]:
    """Read the records of all jobs of an output folder; a job ends when its record is written."""
    found = []
    for path in sorted((output / "benchmarks").rglob("*.tsv")):
        name = path.relative_to(output / "benchmarks").with_suffix("")
        with path.open(newline="") as file:
            record = next(csv.DictReader(file, delimiter="\t"), {})
        seconds = _number(record.get("s"))
        if seconds is None:
            raise UserError(f"{path}: expected a record of Snakemake with the column s")
        end = path.stat().st_mtime
        cpu = _cpu_time(output / "logs" / name.with_suffix(".log"))
        found.append(Job(name.parts[0], end - seconds, end, cpu, _number(record.get("max_rss"))))
    return found


def setup() -> list[Job]:
    """Return the set-up of the environment, if this call of make has made it; see `envs/setup.sh`."""
    marks = [path for path in Path(sys.prefix).glob("*.done") if path.stat().st_mtime >= float(os.environ[STARTED])]
    ends = [(path.stat().st_mtime, _number(path.read_text())) for path in marks]
    return [Job(SETUP, end - seconds, end) for end, seconds in ends if seconds is not None]


def _number(text: str | None) -> float | None:
    """Return a number of a record, which has words where something was not measured."""
    try:
        return float(text or "")
    except ValueError:
        return None


def _cpu_time(log: Path) -> float | None:
    """Return the CPU time that a script has logged last."""
    pattern = re.escape(CPU_TIME).replace("%\\.1f", r"([\d.]+)")
    found = re.findall(pattern, log.read_text(errors="replace")) if log.exists() else []
    return _number(found[-1]) if found else None


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the length that intervals cover together."""
    length, reached = 0.0, -float("inf")
    for start, end in sorted(intervals):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length


def row(name: str, jobs: Sequence[Job]) -> str:
    """Return a line of the table: the costs of the jobs of a step."""
    cpu = [job.cpu for job in jobs if job.cpu is not None]
    memory = [job.memory for job in jobs if job.memory is not None]
    wall = covered((job.start, job.end) for job in jobs)
    return line(
        name, len(jobs), f"{wall:.1f}", f"{sum(cpu):.1f}" if cpu else "-", f"{max(memory):.0f}" if memory else "-"
    )


def line(name: str, *columns: object) -> str:
    """Return a line of the table."""
    return f"{name:24}" + "".join(f"{column:>{width}}" for column, width in zip(columns, WIDTHS, strict=True))


def table(jobs: Sequence[Job]) -> list[str]:
    """Return the lines of the table: a step each, in the order of their starts, and all of them."""
    steps = dict.fromkeys(job.step for job in sorted(jobs, key=lambda job: job.start))
    rows = [row(step, [job for job in jobs if job.step == step]) for step in steps]
    return [line("step", "jobs", "wall clock [s]", "CPU [s]", "memory [MiB]"), *rows, row("all", jobs)]


def write_summary(output: Path, started: float) -> str:
    """Write the table at the end of a run, with the run itself as the last row.

    Parameters
    ----------
    output : Path
    started : float
        Start of this process, in seconds since 1970.

    Returns
    -------
    str
        The table; it is empty, and nothing is written, if no job has a record.
    """
    by_make, found = STARTED in os.environ, jobs(output)
    if not found:
        return ""
    found = [*(setup() if by_make else []), *found]
    wall = time.time() - (float(os.environ[STARTED]) if by_make else started)
    run = line("this run", "-", f"{wall:.1f}", f"{cpu_seconds():.1f}", "-")
    text = "\n".join([*table(found), run])
    (output / SUMMARY).write_text(f"{text}\n", encoding="utf-8")
    return text


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Print the table of an output folder."""
    args = parser(__doc__)
    args.add_argument("folder", type=Path, help="output folder of the workflow")
    folder = args.parse_args(argv).folder
    found = jobs(folder)
    if not found:
        raise UserError(f"{folder}/benchmarks: expected records of jobs, *.tsv, found none")
    print(*table(found), sep="\n")


if __name__ == "__main__":
    raise SystemExit(main())
