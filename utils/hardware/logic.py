"""The logic of a student in firmware: integer ports of the trigger, front end, bit-exact interpreter, Verilog.

Symbols take the place of integers: what is computed with them is recorded as logic, by alkaid, the successor of
da4ml (Sun et al., arXiv:2507.04535).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from alkaid.codegen import RTLModel
from alkaid.trace import FVArray, HWConfig, trace
from alkaid.types import CombLogic

from utils.data_processing import SLOT_PIDS
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import HardwareEvents, bounds, front_end

ADDERS = HWConfig(1, 1, -1)  # adders of any width, whose delay grows with each bit
SOLVER = {"hard_dc": 2}  # adders in a row that a matrix multiplication may have more than the fewest possible
TOP_MODULE = "student"


@dataclass(frozen=True)
class Port:
    """Integers that the firmware takes from the trigger, one for each object or one for the event.

    Attributes
    ----------
    name : str
        Of the quantity, a field of HardwareEvents.
    size : int
        How many.
    low, high : int
        Smallest and largest.
    step : float
        What 1 stands for.
    unit : str
        Of the step.
    """

    name: str
    size: int
    low: int
    high: int
    step: float = 1.0
    unit: str = ""

    @property
    def width(self) -> int:
        """Bits of each integer, in two's complement if it can be negative."""
        return max(self.high.bit_length(), (-self.low - 1).bit_length() if self.low < 0 else 0) + (self.low < 0)


def ports_of(inputs: StudentInputs) -> list[Port]:
    """Return the integers that a student needs, in their order in the firmware's input word."""
    scales, n = inputs.scales, inputs.n_slots
    energy, turn = (scales.energy_step, "GeV"), (2 * np.pi / scales.phi_steps, "rad")
    sums = [Port(name, 1, 0, scales.sum_saturation, *energy) for name in inputs.sum_names]
    ports = [Port("pt", n, 0, scales.object_saturation, *energy)]
    if "abs_eta" in inputs.object_names:
        ports.append(Port("eta", n, -scales.largest_eta, scales.largest_eta, scales.eta_step))
    if {"along", "across"} & set(inputs.object_names):
        ports += [Port(name, size, 0, scales.phi_steps - 1, *turn) for name, size in (("phi", n), ("met_phi", 1))]
    return ports + sums


def input_words(ports: Sequence[Port], events: HardwareEvents, first: int = 0) -> np.ndarray:
    """Put the integers of events in the order of the ports.

    Parameters
    ----------
    ports : sequence of Port
    events : HardwareEvents
    first : int
        Number of the first event, for the message.

    Returns
    -------
    np.ndarray, shape (n_events, n_integers), float64
        Whole numbers, in the type that the interpreter takes.

    Raises
    ------
    ValueError
        If an integer is out of the range of its port; the message begins with the number of the event.
    """
    columns = []
    for port in ports:
        values = np.asarray(getattr(events, port.name)).reshape(len(events.met), port.size)
        outside = ((values < port.low) | (values > port.high)).any(axis=1)
        if outside.any():
            event = int(np.argmax(outside))
            raise ValueError(
                f"{first + event}: {port.name} is {values[event].tolist()}, expected {port.low} to {port.high}"
            )
        columns.append(values)
    return np.concatenate(columns, axis=1).astype(np.float64)


def random_words(ports: Sequence[Port], n_events: int, seed: int) -> np.ndarray:
    """Draw integers evenly from the whole range of each port; the first events are all lowest, all highest, all zero.

    Parameters
    ----------
    ports : sequence of Port
    n_events : int
        At least 3.
    seed : int

    Returns
    -------
    np.ndarray, shape (n_events, n_integers), float64
    """
    low, high = (
        np.repeat([getattr(port, end) for port in ports], [port.size for port in ports]) for end in ("low", "high")
    )
    words = np.random.default_rng(seed).integers(low, high, (n_events, len(low)), endpoint=True)
    words[0], words[1], words[2] = low, high, 0
    return words.astype(np.float64)


def events_of(ports: Sequence[Port], words: np.ndarray) -> HardwareEvents:
    """Undo :func:`input_words`; what has no port is zero."""
    n_events = len(words)
    n_slots = ports[0].size
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("pt", "eta", "phi"), (n_events, n_slots))
    shapes |= dict.fromkeys(("met", "met_phi", "ht"), (n_events,))
    columns = {name: np.zeros(shape, np.int32) for name, shape in shapes.items()}
    starts = np.cumsum([0, *(port.size for port in ports)])
    for port, start in zip(ports, starts, strict=False):
        values = words[:, start : start + port.size].astype(np.int32)
        columns[port.name] = values.reshape(shapes[port.name])
    return HardwareEvents(**columns)


def symbolic_lookup(function: Callable[[np.ndarray], np.ndarray], index: FVArray, bits: int) -> FVArray:
    """Look up a function in a table of logic, of which each entry is rounded to a multiple of 2^-bits."""
    return index.apply(lambda i: np.rint(function(i) * 2**bits) / 2**bits).quantize()


@dataclass(frozen=True)
class Symbols:
    """Symbols of an event; fields as of HardwareEvents, with a first axis of length 1."""

    pt: Any
    eta: Any
    phi: Any
    met: Any
    met_phi: Any
    ht: Any


def symbols_of(ports: Sequence[Port]) -> Symbols:
    """Make the symbols of the integers of an event; what has no port is zero."""
    found = dict.fromkeys(Symbols.__annotations__, 0) | {
        port.name: FVArray.from_lhs(
            np.full((1, port.size), float(port.low)),
            np.full((1, port.size), float(port.high)),
            np.ones((1, port.size)),
            ADDERS,
            0.0,
            SOLVER,
        )
        for port in ports
    }
    return Symbols(**found)


def symbolic_inputs(inputs: StudentInputs, event: Symbols) -> tuple[FVArray, ...]:
    """Make the inputs of a student's network from symbols; `StudentInputs.inputs_of` an event.

    Returns
    -------
    objects : FVArray, shape (1, n_slots, n_object_features)
    real : FVArray, shape (1, n_slots)
    sums : FVArray, shape (1, n_sums)
    lowest, highest : FVArray, shape (1, 1)
    """
    pids = SLOT_PIDS[inputs.slots]
    columns = front_end(event, pids, inputs.object_names, inputs.scales, symbolic_lookup)
    sums = [getattr(event, name) * inputs.least for name in inputs.sum_names]
    limits = [bound * inputs.least for bound in bounds(event, pids, inputs.sum_names, inputs.scales)]
    return np.stack(columns, axis=-1), event.pt > 0, np.concatenate(sums, axis=-1), *limits


def logic_of(ports: Sequence[Port], event: Symbols, output: FVArray) -> CombLogic:
    """Return the logic from the symbols of an event to what was computed with them."""
    words = np.concatenate([getattr(event, port.name).ravel() for port in ports])
    return trace(words, output.ravel())


def verilog_of(logic: CombLogic, folder: Path, clock_period: float, latency_cutoff: float) -> RTLModel:
    """Write Verilog, pipelined, with constraints and build scripts for Vivado and Quartus, into a folder.

    Parameters
    ----------
    logic : CombLogic
    folder : Path
    clock_period : float
        In ns.
    latency_cutoff : float
        Estimated delay in ns after which a register is put.
    """
    design = RTLModel(logic, folder, TOP_MODULE, latency_cutoff=latency_cutoff, clock_period=clock_period)
    design.write()
    remove_times(folder)
    return design


def remove_times(folder: Path) -> None:
    """Set the times in the gzip files of a folder to none, so that equal designs make equal files."""
    for path in folder.rglob("*.gz"):
        with path.open("r+b") as file:
            file.seek(4)
            file.write(bytes(4))


def resources(design: RTLModel, clock_period: float) -> dict[str, Any]:
    """Return what a design takes, by estimate, and how long, with units.

    The estimates are alkaid's, of the LUT and the delays of an AMD UltraScale+ without place and route. The latency is
    from the inputs at the pins to the output in its register, so both of these registers are counted.
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
    """Say which bits of the input and output words of the top module are which numbers, and what a step of each is.

    Integers on which nothing depends have no bits.

    Parameters
    ----------
    ports : sequence of Port
    logic : CombLogic
    energy_unit : float
        What 1 at the output stands for, in GeV.
    """
    names = [(f"[{i}]" if port.size > 1 else "", port) for port in ports for i in range(port.size)]
    inputs, start = [], 0
    for (index, port), qint in zip(names, logic.inp_qint, strict=True):
        width = sum(qint.kif)
        bits = [start + width - 1, start] if width else None
        step = {"value": port.step, "unit": port.unit}
        inputs.append({"name": port.name + index, "bits": bits, "signed": bool(qint.kif[0]), "step": step})
        start += width
    (output,) = logic.out_qint
    signed, _, fraction_bits = output.kif
    width = sum(output.kif)
    return {
        "inputs": inputs,
        "output": {
            "bits": [width - 1, 0],
            "signed": bool(signed),
            "step": {"value": energy_unit * 2.0**-fraction_bits, "unit": "GeV"},
            "saturation": {"value": energy_unit * output.max, "unit": "GeV"},
        },
    }
