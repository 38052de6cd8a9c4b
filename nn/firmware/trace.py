"""Logic of a student's network."""

from collections.abc import Sequence

import keras
from alkaid.converter import trace_model
from alkaid.types import CombLogic

from utils.hardware.inputs import StudentInputs
from utils.hardware.logic import ADDERS, SOLVER, event_symbols, symbolic_inputs, trace_logic
from utils.hardware.ports import Port


def trace_student(network: keras.Model, inputs: StudentInputs, ports: Sequence[Port]) -> CombLogic:
    """Trace the logic of a student, from the integers of the trigger to the output of its network.

    Parameters
    ----------
    network : keras.Model
        Quantised, as loaded from its file.
    inputs : StudentInputs
    ports : sequence of Port
        `input_ports` of the inputs.

    Returns
    -------
    CombLogic

    Raises
    ------
    ValueError
        If the network has a layer for which there is no logic, naming it.
    """
    event = event_symbols(ports)
    try:
        _, output = trace_model(network, ADDERS, SOLVER, inputs=symbolic_inputs(inputs, event))
    except (KeyError, NotImplementedError, AssertionError) as error:
        raise ValueError(f"no logic for a layer of the network ({error})") from None
    return trace_logic(ports, event, output)
