"""A fixed share of the bad inputs of `tests.hostile.fuzz`; the README says how to run all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "n_cases"),
    [
        ("events", 1000),
        ("l1", 1000),
        ("create_L1regression_data", 200),
        ("selective_sampling_jets", 200),
        ("configuration", 150),
        ("command_line", 300),
        ("model", 120),
    ],
)
def test_each_ends_in_success_or_in_one_clear_line(kind, n_cases):
    command = [sys.executable, "-m", "tests.hostile.fuzz", kind, "--cases", str(n_cases), "--processes", "1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads(run.stdout.splitlines()[-1])
    assert sum(report["counts"].values()) == n_cases
    assert set(report["counts"]) <= {"exit 0", "exit 1", "exit 2"}
    assert min(report["counts"].get("exit 0", 0), n_cases - report["counts"].get("exit 0", 0)) > 0.03 * n_cases
