"""The table of times: made-up records give known sums, and jobs that overlap are not counted twice."""

import os
import sys
import time

import pytest

from utils import run_times
from utils.cli import CPU_TIME
from utils.run_times import covered, main, setup, write_summary

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture
def output(tmp_path):
    """Return an output folder of two steps: three shards on two cores, then a training that has left no log."""
    start = 1_700_000_000
    for name, begin, seconds, memory, cpu in (
        ("generate_events/W_0", 0, 10, "400.26", 9.5),
        ("generate_events/W_1", 0, 12, "380", 11.0),
        ("generate_events/W_2", 10, 8, "NA", 7.5),
        ("train_teacher/true_met", 20, 100, "1500.9", None),
    ):
        record = tmp_path / "benchmarks" / f"{name}.tsv"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(f"{HEADER}{seconds:.2f}\t0:00:10\t{memory}\t0\t0\t0\t0\t0\t50.0\t3.21\n")
        os.utime(record, (start + begin + seconds,) * 2)
        if cpu is not None:
            log = tmp_path / "logs" / f"{name}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(f"00:00:00 {CPU_TIME % 1.5}\n00:00:09 W: done\n00:00:10 {CPU_TIME % cpu}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("intervals", "length"),
    [([], 0), ([(1, 3)], 2), ([(5, 6), (1, 3)], 3), ([(1, 3), (2, 5)], 4), ([(1, 9), (2, 3), (4, 12)], 11)],
)
def test_what_intervals_cover(intervals, length):
    assert covered(intervals) == length


def test_a_step_takes_the_time_in_which_any_of_its_jobs_ran(output, capsys):
    assert main([str(output)]) == 0
    assert capsys.readouterr().out == (
        "step                      jobs  wall clock [s]   CPU [s]  memory [MiB]\n"
        "generate_events              3            18.0      28.0           400\n"
        "train_teacher                1           100.0         -          1501\n"
        "all                          4           118.0      28.0          1501\n"
    )


def test_a_folder_without_records_and_a_file_that_is_none_are_named(tmp_path, output, capsys):
    assert main([str(output / "logs")]) == 1
    assert capsys.readouterr().err == f"error: {output}/logs/benchmarks: expected records of jobs, *.tsv, found none\n"
    damaged = output / "benchmarks" / "train_teacher" / "true_met.tsv"
    for text in ("", "nonsense", HEADER):
        damaged.write_text(text)
        assert main([str(output)]) == 1
        assert f"{damaged}: expected a record of Snakemake with the column s" in capsys.readouterr().err


def test_the_set_up_counts_in_the_call_of_make_that_made_it(output, tmp_path, monkeypatch):
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "run.done").write_text("13\n")
    (environment / "docs.done").touch()  # of an earlier version
    monkeypatch.setattr(sys, "prefix", str(environment))
    made = (environment / "run.done").stat().st_mtime
    monkeypatch.setenv(run_times.STARTED, str(made - 15))
    (job,) = setup()
    assert (job.step, job.end - job.start) == ("set-up", 13)
    monkeypatch.setenv(run_times.STARTED, str(made + 1))
    assert setup() == []


@pytest.mark.parametrize("by_make", [False, True])
def test_the_summary_ends_with_the_run(output, monkeypatch, by_make):
    monkeypatch.delenv(run_times.STARTED, raising=False)
    if by_make:
        monkeypatch.setenv(run_times.STARTED, str(time.time() - 120))
    text = write_summary(output, time.time() - 60)
    assert (output / "benchmarks" / "summary.txt").read_text() == f"{text}\n"
    step, run, n_jobs, seconds, cpu, _ = text.splitlines()[-1].split()
    assert (step, run, n_jobs) == ("this", "run", "-")
    assert float(seconds) == pytest.approx(120 if by_make else 60, abs=5)
    assert float(cpu) > 0


def test_without_a_record_there_is_no_summary(tmp_path):
    assert write_summary(tmp_path, time.time()) == ""
    assert not list(tmp_path.iterdir())
