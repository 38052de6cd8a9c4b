"""HLS project of a student's logic, with the words of the Verilog and its test vectors."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from alkaid.codegen import HLSModel
from alkaid.types import CombLogic

from utils.hardware.templates import write_filled
from utils.hardware.vectors import INPUTS, OUTPUTS, packed_words, write_memory
from utils.hardware.verilog import TOP_MODULE, remove_gzip_times
from utils.runtime.errors import UserError

PROGRAMS = ("g++", "make")  # that the test bench needs
TEST_DATA = "tb_data"
RESULTS = "results.mem"
LOGIC_NAMESPACE = "logic"
TEMPLATES = Path(__file__).parent / "hls_files"
PART = "xcvu13p-flga2577-2-e"


def write_hls(logic: CombLogic, ports: dict[str, Any], folder: Path, clock_period: float) -> None:
    """Write an HLS project for Vitis, with a C++ test bench, into a folder.

    Parameters
    ----------
    logic : CombLogic
    ports : dict
        The `port_map`.
    folder : Path
    clock_period : float
        In ns.
    """
    project = HLSModel(logic, folder, TOP_MODULE, clock_period=clock_period, part_name=PART, namespace=LOGIC_NAMESPACE)
    project.write()
    shutil.rmtree(folder / "sim")  # a binding to Python
    remove_gzip_times(folder)
    (output,) = logic.out_qint
    signed, whole, fraction = output.kif
    widths = [port["bits"][0] - port["bits"][1] + 1 for port in ports["inputs"] if port["bits"]]
    words = {
        "INPUT_BITS": str(ports["module"]["input_bits"]),
        "OUTPUT_BITS": str(ports["module"]["output_bits"]),
        "INTEGER_BITS": str(max(widths, default=1) + 1),
        "N_INTEGERS": str(len(ports["inputs"])),
        "INTEGERS": "\n".join(_integers(ports["inputs"])),
        "OUTPUT_TYPE": f"ap_{'' if signed else 'u'}fixed<{signed + whole + fraction}, {signed + whole}>",
        "CLOCK_PERIOD": str(clock_period),
        "PART": PART,
    }
    write_filled(TEMPLATES, folder, words)


def _integers(inputs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the statements that take the integers out of the input word."""
    for i, port in enumerate(inputs):
        value = "0"
        if port["bits"]:
            high, low = port["bits"]
            value = f"ap_{'' if port['signed'] else 'u'}int<{high - low + 1}>(model_inp.range({high}, {low}))"
        yield f"    integers[{i}] = {value}; // {port['name']}"


def simulate_hls(folder: Path, ports: dict[str, Any], words: np.ndarray) -> np.ndarray:
    """Run the test bench of a project for its own vectors, and then for other events.

    Parameters
    ----------
    folder : Path
        Of the project.
    ports : dict
        The `port_map`.
    words : np.ndarray, shape (n_events, n_integers), float64

    Returns
    -------
    np.ndarray, shape (n_events,), int
        Outputs of the events, in steps.

    Raises
    ------
    UserError
        If it does not compile, or does not pass for its own vectors.
    """
    program = folder / f"{TOP_MODULE}_test"
    _run(["make", "-s"], folder, "its test bench does not pass")
    with tempfile.TemporaryDirectory() as name:
        other, results = Path(name), Path(name) / RESULTS
        write_memory(
            other / INPUTS, packed_words(words.astype(np.int64), ports["inputs"]), ports["module"]["input_bits"]
        )
        write_memory(other / OUTPUTS, [0] * len(words), ports["module"]["output_bits"])
        subprocess.run([program, name, results], stdout=subprocess.DEVNULL, check=False)  # it finds them different
        outputs = np.array([int(line, 16) for line in results.read_text(encoding="ascii").split()])
    program.unlink()
    return outputs


def _run(command: list[str], folder: Path, problem: str) -> None:
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        last = " ".join((run.stdout + run.stderr).split()[-60:])
        raise UserError(f"the HLS project cannot be simulated, {problem}: {last}")
