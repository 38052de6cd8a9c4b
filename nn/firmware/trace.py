"""The logic of a student's network."""

from collections.abc import Sequence
from typing import Any
from unittest import mock

import keras
import numpy as np
from alkaid.converter import trace_model
from alkaid.trace.fixed_variable_array import FVArray, cmvm
from alkaid.types import CombLogic

from utils.hardware.inputs import StudentInputs
from utils.hardware.logic import ADDERS, SOLVER, Port, logic_of, symbolic_inputs, symbols_of


def _product(matrix: np.ndarray, vector: FVArray, options: Any) -> np.ndarray:
    """Multiply symbols by a matrix, also where all that is multiplied by other numbers than 0 is constant.

    That is common after a training that takes bits away, and alkaid 0.8.2 fails on it.
    """
    low, high = (np.array([getattr(symbol, end) for symbol in np.asarray(vector)]) for end in ("low", "high"))
    if matrix[low != high].any():
        return cmvm(matrix, vector, options)
    return low.astype(np.float64) @ matrix


def trace_student(network: keras.Model, inputs: StudentInputs, ports: Sequence[Port]) -> CombLogic:
    """Return the logic of a student, from the integers of the trigger to the output of its network.

    Parameters
    ----------
    network : keras.Model
        Quantised, as loaded from its file.
    inputs : StudentInputs
    ports : sequence of Port
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
        with mock.patch("alkaid.trace.fixed_variable_array.cmvm", _product):
            _, output = trace_model(network, ADDERS, SOLVER, inputs=symbolic_inputs(inputs, event))
    except (KeyError, NotImplementedError, AssertionError) as error:
        raise ValueError(f"no logic for a layer of the network ({error})") from None
    return logic_of(ports, event, output)
