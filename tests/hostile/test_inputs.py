"""A share of the bad inputs; ``python -m tests.hostile.fuzz`` runs all of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.fuzz import KINDS

pytestmark = pytest.mark.faults

SHARE = 0.01


def test_each_ends_in_success_or_in_one_clear_line():
    """In processes of its own, since those that it forks may not inherit a TensorFlow that has begun to work."""
    command = [sys.executable, "-m", "tests.hostile.fuzz", f"--share={SHARE}", "--processes=1"]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    counts = json.loads(run.stdout.splitlines()[-1])
    assert {kind: sum(of_kind.values()) for kind, of_kind in counts.items()} == {
        kind: SHARE * n_cases for kind, (_, n_cases) in KINDS.items()
    }
    # Some are harmless; where all are refused it may be for something else.
    assert all(0 < of_kind["exit 0"] < sum(of_kind.values()) for of_kind in counts.values()), counts
