"""A fixed share of the bad inputs of `tests.hostile.fuzz`; the README says how to run all of them."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_ends_in_success_or_in_one_clear_line():
    command = [sys.executable, "-m", "tests.hostile.fuzz", "--share", "0.1", "--processes", "1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    counts = json.loads(run.stdout.splitlines()[-1])
    assert len(counts) == 7
    for of_kind in counts.values():
        assert set(of_kind) <= {"exit 0", "exit 1", "exit 2"}
        assert of_kind["exit 0"] >= 5
        assert sum(of_kind.values()) - of_kind["exit 0"] >= 5
