"""Logic of a student: symbols of the trigger's integers, and a record of the operations on them.

Symbols take the place of integers. alkaid, the successor of da4ml (Sun et al., arXiv:2507.04535), records each
operation on them as logic, which it can interpret bit for bit and write as Verilog.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from alkaid.trace import FVArray, HWConfig, trace
from alkaid.types import CombLogic

from utils.event_layout import SLOT_PIDS
from utils.hardware.front_end import front_end, output_bounds
from utils.hardware.inputs import StudentInputs
from utils.hardware.ports import Port


def constant_products(matrix: np.ndarray, vector: FVArray) -> np.ndarray:
    """Select all products of a matrix and a vector if every symbol with a weight other than 0 is constant.

    A training that takes bits away often leaves constants. alkaid 0.8.2 fails to optimise such a product.
    `offload_fn` of alkaid's solver options selects products to compute term by term instead.
    """
    low, high = (np.array([getattr(symbol, end) for symbol in np.asarray(vector)]) for end in ("low", "high"))
    return np.full(matrix.shape, not matrix[low != high].any())


ADDERS = HWConfig(1, 1, -1)  # adders of any width, whose delay grows with each bit
SOLVER = {
    "hard_dc": 2,  # adders in a row, beyond the minimum, that a matrix multiplication may have
    "offload_fn": constant_products,
}


@dataclass(frozen=True)
class EventSymbols:
    """Symbols of an event; fields as of HardwareEvents, with a first axis of length 1."""

    pt: Any
    eta: Any
    phi: Any
    met: Any
    met_phi: Any
    ht: Any


def event_symbols(ports: Sequence[Port]) -> EventSymbols:
    """Make the symbols of an event; quantities without a port are zero."""
    symbols = dict.fromkeys(EventSymbols.__annotations__, 0) | {
        port.name: FVArray.from_lhs(
            np.full((1, port.size), float(port.low)),
            port.highs[None].astype(float),
            np.ones((1, port.size)),
            ADDERS,
            0.0,
            SOLVER,
        )
        for port in ports
    }
    return EventSymbols(**symbols)


def symbolic_lookup(
    function: Callable[[np.ndarray], np.ndarray], index: FVArray, bits: int, left_out: int = 0
) -> FVArray:
    """Look up a function in a logic table; see `front_end.Lookup`."""
    if left_out:
        _, integer_bits, _ = index.kif
        index = (index * 2.0**-left_out).quantize(
            np.zeros_like(integer_bits), integer_bits - left_out, 0 * integer_bits
        )
    return index.apply(lambda i: np.rint(function(i) * 2**bits) / 2**bits).quantize()


def symbolic_inputs(inputs: StudentInputs, event: EventSymbols) -> tuple[FVArray, ...]:
    """Compute the inputs of a student's network from symbols, as `StudentInputs.network_inputs` does from integers.

    Returns
    -------
    objects : FVArray, shape (1, n_slots, n_object_features)
    real : FVArray, shape (1, n_slots)
    sums : FVArray, shape (1, n_sums)
    lowest, highest : FVArray, shape (1, 1)
    """
    pids = SLOT_PIDS[inputs.slots]
    columns = front_end(event, pids, inputs.object_names, inputs.scales, symbolic_lookup)
    sums = [getattr(event, name) * inputs.input_step for name in inputs.sum_names]
    bounds = output_bounds(event, pids, inputs.sum_names, inputs.scales, inputs.floor, symbolic_lookup)
    in_units = (bound * inputs.input_step for bound in bounds)
    return np.stack(columns, axis=-1), event.pt > 0, np.concatenate(sums, axis=-1), *in_units


def trace_logic(ports: Sequence[Port], event: EventSymbols, output: FVArray) -> CombLogic:
    """Return the logic from the symbols of an event to an output that was computed with them."""
    words = np.concatenate([getattr(event, port.name).ravel() for port in ports])
    return trace(words, output.ravel())
