"""The logic of a student's network."""

import keras
from alkaid.converter import trace_model
from alkaid.types import CombLogic

from utils.firmware import ADDERS, SOLVER, Port, logic_of, symbolic_inputs, symbols_of
from utils.student_inputs import StudentInputs


def trace_student(network: keras.Model, inputs: StudentInputs, ports: list[Port]) -> CombLogic:
    """Return the logic of a student, from the integers of the trigger to the output of its network.

    Parameters
    ----------
    network : keras.Model
        Quantised, as loaded from its file.
    inputs : StudentInputs
    ports : list of Port
        `ports_of` the inputs.

    Returns
    -------
    CombLogic

    Raises
    ------
    ValueError
        If the network has a layer for which there is no logic, naming it.
    """
    event = symbols_of(ports)
    try:
        _, output = trace_model(network, ADDERS, SOLVER, inputs=symbolic_inputs(inputs, event))
    except (KeyError, NotImplementedError, AssertionError) as error:
        raise ValueError(f"no logic for a layer of the network ({error})") from None
    return logic_of(ports, event, output)
