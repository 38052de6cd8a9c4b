"""Reference for firmware: a trained student with its logic, and events with the output of its Keras model."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from nn.firmware.trace import trace_student
from nn.trained import load_trained
from utils.hardware.integers import HardwareEvents
from utils.hardware.ports import input_ports, input_words
from utils.runtime.errors import UserError
from utils.training.records import MODEL_FILE, Training

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReferenceEvents:
    """Events with the output of the Keras model.

    Attributes
    ----------
    names : np.ndarray, shape (n_events,), str
        Names for messages.
    words : np.ndarray, shape (n_events, n_integers), float64
        Integers of the trigger.
    outputs : np.ndarray, shape (n_events, 1), float32
    """

    names: np.ndarray
    words: np.ndarray
    outputs: np.ndarray

    @classmethod
    def concatenate(cls, parts: "Sequence[ReferenceEvents]") -> "ReferenceEvents":
        """Join events."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def take(self, rows: np.ndarray) -> "ReferenceEvents":
        """Return some of the events."""
        return ReferenceEvents(self.names[rows], self.words[rows], self.outputs[rows])

    def compare(self, outputs: np.ndarray, source: str) -> None:
        """Compare the outputs of another source; a :class:`UserError` names the first event that differs."""
        differs = (outputs != self.outputs).any(axis=1)
        if differs.any():
            i = int(np.argmax(differs))
            raise UserError(
                f"{self.names[i]}: {source} gives {outputs[i, 0]:.9g}, expected {self.outputs[i, 0]:.9g} "
                f"of the Keras model; {differs.sum()} of {len(differs)} events differ"
            )


class TracedStudent:
    """A trained student and its logic.

    Parameters
    ----------
    training : Training
        Training of a student.

    Attributes
    ----------
    inputs : StudentInputs
    network : keras.Model
    ports : list of Port
    logic : CombLogic
    output_step : float
        A step of the output, in the energy unit of the network.
    """

    def __init__(self, training: Training):
        assert training.student_inputs is not None
        self.inputs = training.student_inputs
        self.network = load_trained(training).network
        self.ports = input_ports(self.inputs)
        logger.info("trace the logic of %s", training.folder / MODEL_FILE)
        try:
            self.logic = trace_student(self.network, self.inputs, self.ports)
        except ValueError as error:
            raise UserError(f"{training.folder / MODEL_FILE}: {error}") from None
        (output,) = self.logic.out_qint
        self.output_step = output.step

    def predict(self, source: str, first: int, integers: HardwareEvents) -> ReferenceEvents:
        """Predict events with the Keras model.

        Parameters
        ----------
        source : str
            Source of the events, for messages.
        first : int
            Number of the first event.
        integers : HardwareEvents
        """
        try:
            words = input_words(self.ports, integers, first)
        except ValueError as error:
            raise UserError(f"{source} {error}") from None
        outputs = self.network(list(self.inputs.network_inputs(integers)), training=False)
        names = np.array([f"{source} {event}" for event in range(first, first + len(words))])
        return ReferenceEvents(names, words, np.asarray(outputs))
