"""Self-checking test bench of the Verilog, for Verilator and for other simulators."""

import os
import subprocess
from pathlib import Path
from typing import Any

from utils.hardware.rtl_simulation import verilator_environment
from utils.hardware.templates import write_filled
from utils.runtime.errors import UserError

PASS = "PASS"
TEMPLATES = Path(__file__).parent / "testbench_files"


def write_testbench(folder: Path, module: dict[str, Any], timing: dict[str, Any], n_events: int) -> None:
    """Write the test bench and its makefile into a folder.

    Parameters
    ----------
    folder : Path
    module : dict
        Top module, of `port_map`.
    timing : dict
        Latency and clock, of `resources`.
    n_events : int
        Test vectors.
    """
    words = {
        "N_EVENTS": n_events,
        "LATENCY": timing["latency"]["cycles"],
        "INPUT_BITS": module["input_bits"],
        "OUTPUT_BITS": module["output_bits"],
        "CLOCK_PERIOD": float(timing["clock_period"]["value"]),
    }
    write_filled(TEMPLATES, folder, {name: str(value) for name, value in words.items()})


def run_testbench(folder: Path, build: Path) -> None:
    """Run a test bench with Verilator; a :class:`UserError` has its last words unless it passes.

    Parameters
    ----------
    folder : Path
    build : Path
        Folder for the program, which is built if it is not there; a path without spaces.
    """
    with verilator_environment():
        command = ["make", "-s", f"BUILD={build}", f"JOBS={len(os.sched_getaffinity(0))}"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode != 0 or PASS not in run.stdout:
        last = " ".join((run.stdout + run.stderr).split()[-60:])
        raise UserError(f"the test bench of the Verilog does not pass: {last}")
