"""Emulator of a student for CMSSW: a package of C++ in the layout of the repositories of models for the CMS trigger.

The logic in C++ is that of alkaid, from the same record of operations as the Verilog. All else comes from the files in
``emulator_files/``, in which words such as ``@NAME@`` stand for what depends on the student.
"""

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from alkaid.codegen import HLSModel
from alkaid.types import CombLogic

from utils.event_layout import PID_EGAMMA, PID_JET, PID_MUON, SLOT_PIDS
from utils.hardware.inputs import StudentInputs
from utils.hardware.ports import Port, input_ports
from utils.hardware.templates import write_filled
from utils.runtime.errors import UserError

logger = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "emulator_files"
NAMES = {"true_met": "L1METRegression", "true_ht": "L1HTRegression", "original_met": "L1OriginalMETRegression"}
ANGLES = ("phi", "met_phi")
HT_SENTENCE = "`ht` is the scalar sum of the pT of up to 10 jets."
MET_SENTENCES = f"""`met` is the length of the vector sum of up to 4 muons, 4 e/g and 10 jets, and `met_phi` the
direction opposite to that sum, the missing momentum. {HT_SENTENCE}"""


def write_emulator(inputs: StudentInputs, logic: CombLogic, folder: Path, version: int) -> str:
    """Write the package into a folder.

    Parameters
    ----------
    inputs : StudentInputs
    logic : CombLogic
        From the integers of the trigger to the output of the network.
    folder : Path
        A new folder.
    version : int

    Returns
    -------
    str
        Name of the model with its version, which is that of its folder, its library and its namespace.
    """
    name = NAMES[inputs.variable]
    model = f"{name}_v{version}"
    words = {"NAME": name, "VERSION": str(version), "MODEL": model, **_numbers(inputs, logic)}
    write_filled(TEMPLATES, folder, words)
    with tempfile.TemporaryDirectory(prefix="emulator_") as written:
        HLSModel(logic, written, "logic", print_latency=False, pragma=(), namespace=model).write()
        (folder / model / "NN").mkdir()
        shutil.copyfile(Path(written, "src", "logic.hh"), folder / model / "NN" / f"{model}.hh")
        shutil.copytree(Path(written, "src", "static", "ap_types"), folder / "standalone" / "ap_types")
    return model


def emulate(folder: Path, model: str, words: np.ndarray) -> np.ndarray:
    """Build a package in another folder, and run events through one of its models.

    Parameters
    ----------
    folder : Path
        Of the package.
    model : str
        Name with version.
    words : np.ndarray, shape (n_events, n_integers)
        Integers of the trigger.

    Returns
    -------
    np.ndarray, shape (n_events, 1), int64
        Corrected sums in steps.

    Raises
    ------
    UserError
        If the compiler fails; its output is logged.
    """
    events = "\n".join(" ".join(map(str, event)) for event in words.astype(int).tolist())
    with tempfile.TemporaryDirectory(prefix="emulator_") as place:
        package = Path(place, "package")  # make fails where a path has spaces
        shutil.copytree(folder, package)
        built = subprocess.run(["make", "test"], cwd=package, capture_output=True, text=True, check=False)
        if built.returncode:
            logger.error("%s", built.stdout + built.stderr)
            raise UserError("the emulator for CMSSW does not compile, see above")
        command = ["test/run_emulator", f"./{model}.so"]
        run = subprocess.run(command, cwd=package, input=events, capture_output=True, text=True, check=True)
    logger.info("emulator for CMSSW: %s", run.stderr.strip())
    return np.array(run.stdout.split(), np.int64).reshape(len(words), 1)


def _numbers(inputs: StudentInputs, logic: CombLogic) -> dict[str, str]:
    """Return what the files of the package say of the inputs and the result, by the words that stand for it."""
    ports = input_ports(inputs)
    starts = np.cumsum([0, *(port.size for port in ports)])
    (output,) = logic.out_qint
    signed, integer_bits, fraction_bits = output.kif
    width = signed + integer_bits + fraction_bits
    return {
        "N_INPUTS": str(starts[-1]),
        "N_SLOTS": str(inputs.n_slots),
        "POSITIONS": "\n".join(
            f"inline constexpr std::size_t {port.name} = {start};" for port, start in zip(ports, starts, strict=False)
        ),
        "LOWEST": _listed([np.full(port.size, port.low) for port in ports]),
        "HIGHEST": _listed([port.highs for port in ports]),
        "TURN": _listed([np.full(port.size, port.name in ANGLES) * inputs.scales.phi_steps for port in ports]),
        "OUTPUT_TYPE": f"ap_{'' if signed else 'u'}fixed<{max(width, 1)}, {signed + integer_bits}>",
        "FRACTION_BITS": str(fraction_bits),
        "RESULT_STEP": str(inputs.scales.energy_unit * output.step),
        "LARGEST": str(round(output.max / output.step)),
        "SUM": inputs.sum_names[0].upper(),
        "FIRST_JET": str(np.argmax(SLOT_PIDS[inputs.slots] == PID_JET)),
        "SLOTS": _slot_sentence(inputs),
        "SUMS": MET_SENTENCES if "met" in inputs.sum_names else HT_SENTENCE,
        "TABLE": _table(ports, starts, inputs.scales.phi_steps),
    }


def _listed(parts: Sequence[np.ndarray]) -> str:
    return ", ".join(map(str, np.concatenate(parts)))


def _slot_sentence(inputs: StudentInputs) -> str:
    """Say which slots belong to which objects."""
    kinds = {PID_MUON: "muons", PID_EGAMMA: "e/g", PID_JET: "jets"}
    pids = SLOT_PIDS[inputs.slots]
    places = [(name, np.flatnonzero(pids == pid)) for pid, name in kinds.items()]
    used = [f"{found[0]} to {found[-1]} {name}" for name, found in places if len(found)]
    return f"Slots are {', '.join(used)}."


def _table(ports: Sequence[Port], starts: np.ndarray, phi_steps: int) -> str:
    """Make the table of the inputs."""
    lines = ["| quantity | first input | inputs | step | smallest | largest |", "| --- | --- | --- | --- | --- | --- |"]
    for port, start in zip(ports, starts, strict=False):
        step = f"1/{phi_steps} of a turn" if port.name in ANGLES else f"{port.step:g} {port.unit}".strip()
        highest = " or ".join(map(str, dict.fromkeys(port.highs.tolist())))
        lines.append(f"| `{port.name}` | {start} | {port.size} | {step} | {port.low} | {highest} |")
    return "\n".join(lines)
