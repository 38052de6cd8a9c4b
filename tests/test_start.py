"""What has to be there before the libraries are: a limit on memory in which they cannot start is one line."""

import resource
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("what", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
@pytest.mark.parametrize(
    "script", ["selective_sampling_jets", "train_teacher", "analyze_results_teacher", "apply_correction"]
)
def test_a_limit_on_memory_is_said_at_once(script, what):
    limit = 300 << 20
    command = [sys.executable, str(ROOT / f"{script}.py"), "--help"]
    set_limit = partial(resource.setrlimit, what, (limit, limit))
    run = subprocess.run(command, preexec_fn=set_limit, capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: memory is limited to 300 MiB (ulimit -")
    assert run.stderr.count("\n") == 1


def test_the_workflow_loads_no_library_of_the_scripts():
    """A dry run would wait for it."""
    imports = [line for line in (ROOT / "Snakefile").read_text().splitlines() if line.startswith("from utils.")]
    slow = {"awkward", "h5py", "matplotlib", "numba", "pandas", "pyarrow", "pythia8mc", "scipy", "tensorflow"}
    code = "\n".join([*imports, "import sys", f"print(*sorted({slow} & sys.modules.keys()))"])
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(imports) > 10
    assert run.stdout == "\n"


@pytest.mark.faults
def test_a_hard_limit_on_cpu_time_leaves_time_to_clear_up(tmp_path):
    command = [sys.executable, str(ROOT / "generate_events.py"), f"--output={tmp_path}/w.h5", "--process=W"]
    command += ["--events=1000000", "--underlying_event=0", "--settings=WeakSingleBoson:ffbar2W = on"]
    set_limit = partial(resource.setrlimit, resource.RLIMIT_CPU, (5, 5))
    run = subprocess.run(command, preexec_fn=set_limit, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 128 + signal.SIGXCPU
    assert run.stderr.endswith("error: ended by SIGXCPU\n")
    assert not list(tmp_path.iterdir())
