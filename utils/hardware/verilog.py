"""Verilog and VHDL of a student's logic, with an estimate of its resources and a map of its ports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alkaid.codegen import RTLModel
from alkaid.types import CombLogic

from utils.hardware.ports import Port

TOP_MODULE = "student"


def write_verilog(logic: CombLogic, folder: Path, clock_period: float, latency_cutoff: float) -> RTLModel:
    """Write pipelined Verilog, with constraints and build scripts for Vivado and Quartus, into a folder.

    Parameters
    ----------
    logic : CombLogic
    folder : Path
    clock_period : float
        In ns.
    latency_cutoff : float
        Estimated delay in ns after which a register is inserted.
    """
    return _write(logic, folder, clock_period, latency_cutoff, "verilog")


def write_vhdl(logic: CombLogic, folder: Path, clock_period: float, latency_cutoff: float) -> RTLModel:
    """Write VHDL of the same design as `write_verilog`."""
    return _write(logic, folder, clock_period, latency_cutoff, "vhdl")


def _write(logic: CombLogic, folder: Path, clock_period: float, latency_cutoff: float, language: str) -> RTLModel:
    design = RTLModel(logic, folder, TOP_MODULE, language, latency_cutoff=latency_cutoff, clock_period=clock_period)
    design.write()
    remove_gzip_times(folder)
    return design


def remove_gzip_times(folder: Path) -> None:
    """Set the times in the gzip files of a folder to zero, so that equal designs give equal files."""
    for path in folder.rglob("*.gz"):
        with path.open("r+b") as file:
            file.seek(4)
            file.write(bytes(4))


def resources(design: RTLModel, clock_period: float) -> dict[str, Any]:
    """Estimate the resources and the latency of a design, with units.

    alkaid estimates the LUT and the delays of an AMD UltraScale+, without place and route. The latency runs from the
    inputs at the pins to the output in its register, so it includes the registers at both ends.
    """
    (output,) = design.fsm.out_signals
    stages = design.fsm.logic.values()
    return {
        "lut": {"value": round(sum(stage.cost for stage in stages)), "unit": "LUT", "estimate": True},
        "ff": {"value": design.reg_bits, "unit": "FF", "estimate": True},
        "delay": {"value": max(stage.latency[1] for stage in stages), "unit": "ns", "estimate": True},
        "stages": len(stages),
        "clock_period": {"value": clock_period, "unit": "ns"},
        "initiation_interval": {"value": output.schedule.period, "unit": "cycles"},
        "latency": {"cycles": output.schedule.bias, "value": output.schedule.bias * clock_period, "unit": "ns"},
    }


def port_map(ports: Sequence[Port], logic: CombLogic, energy_unit: float) -> dict[str, Any]:
    """Map the bits of the input and output words of the top module to quantities, with the size of a step of each.

    Integers that the output does not depend on have no bits.

    Parameters
    ----------
    ports : sequence of Port
    logic : CombLogic
    energy_unit : float
        Unit of the output, in GeV.
    """
    integers = [(port, i) for port in ports for i in range(port.size)]
    inputs: list[dict[str, Any]] = []
    start = 0
    for (port, i), qint in zip(integers, logic.inp_qint, strict=True):
        index = f"[{i}]" if port.size > 1 else ""
        width = sum(qint.kif)
        bits = [start + width - 1, start] if width else None
        inputs.append(
            {
                "name": port.name + index,
                "object": port.objects[i] if port.objects else None,
                "quantity": port.quantity,
                "bits": bits,
                "signed": bool(qint.kif[0]),
                "step": {"value": port.step, "unit": port.unit},
                "range": [port.low, int(port.highs[i])],
                "saturates": port.saturates,
            }
        )
        start += width
    (output,) = logic.out_qint
    signed, _, fraction_bits = output.kif
    width = sum(output.kif)
    return {
        "module": {
            "name": TOP_MODULE,
            "clock": "clk",
            "input": "model_inp",
            "input_bits": start,
            "output": "model_out",
            "output_bits": width,
        },
        "inputs": inputs,
        "output": {
            "bits": [width - 1, 0],
            "signed": bool(signed),
            "step": {"value": energy_unit * 2.0**-fraction_bits, "unit": "GeV"},
            "range": [round(output.min * 2**fraction_bits), round(output.max * 2**fraction_bits)],
            "saturation": {"value": energy_unit * output.max, "unit": "GeV"},
        },
    }
