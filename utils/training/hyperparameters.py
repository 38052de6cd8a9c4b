"""Hyperparameters of the teacher and their valid values; without Keras, so that a plan can check them."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

ACTIVATIONS = ("relu", "elu")
TARGETS = ("sum", "factor")  # output of a network: the corrected sum, from which a factor is computed, or the factor


# Largest values in a file, so that a typing error does not take all memory.
MOST = {"graph_layers": 32, "units": 4096, "heads": 64, "embedding": 1024}


@dataclasses.dataclass(frozen=True)
class TeacherHyperparameters:
    """Hyperparameters of the teacher, with the names of search spaces and files.

    Attributes
    ----------
    graph_layers : int
        Number of graph attention layers.
    units : int
        Features of a head.
    heads : int
        Attention heads of a layer, concatenated in the inner layers, averaged in the last one.
    activation : {"relu", "elu"}
        Activation of the graph attention layers.
    embedding : int
        Dimension of the embedding of the particle id; no effect without a particle id.
    attention_dropout, dropout : float
        Fraction dropped, in [0, 1), of the attention weights and of the outputs of each attention layer.
    learning_rate : float
        Learning rate of Adam.
    relative : bool
        Whether momenta relative to the vector sum of the event replace the inputs eta and phi.
    residual : bool
        Whether a linear map of its input is added to the output of each graph attention layer.
    readout : sequence of int
        Units of the dense layers after the sum over the objects.
    target : {"sum", "factor"}
        Output of the last dense layer: the corrected MET or HT, or its ratio to the L1 sum. The output of the model is
        the ratio in both cases.
    """

    graph_layers: int = 2
    units: int = 64
    heads: int = 3
    activation: str = "elu"
    embedding: int = 2
    attention_dropout: float = 0.0
    dropout: float = 0.0
    learning_rate: float = 2e-3
    relative: bool = True
    residual: bool = True
    readout: tuple[int, ...] = (128, 64)
    target: str = "sum"

    def __post_init__(self) -> None:
        """Check each value.

        Raises
        ------
        ValueError
            If a value has the wrong type or is out of range, naming it.
        """
        for name in ("graph_layers", "units", "heads", "embedding"):
            self._check(name, "a positive integer", lambda value: _are_positive_integers([value]))
            self._check(name, f"at most {MOST[name]}", MOST[name].__ge__)
        self._check("readout", "a list of positive integers", _are_positive_integers)
        layers, units = MOST["graph_layers"], MOST["units"]
        self._check("readout", f"at most {layers} layers", lambda value: len(value) <= layers)
        self._check("readout", f"at most {units} units a layer", lambda value: max(value, default=1) <= units)
        object.__setattr__(self, "readout", tuple(self.readout))  # JSON has lists
        for name in ("relative", "residual"):
            self._check(name, "true or false", lambda value: isinstance(value, bool))
        for name in ("attention_dropout", "dropout"):
            self._check(name, "a fraction in [0, 1)", lambda value: _is_number(value) and 0 <= value < 1)
        for name, choices in (("activation", ACTIVATIONS), ("target", TARGETS)):
            self._check(name, " or ".join(choices), choices.__contains__)
        self._check("learning_rate", "a finite number > 0", lambda value: _is_number(value) and 0 < value < math.inf)

    def _check(self, name: str, expected: str, is_valid: Callable[[Any], bool]) -> None:
        value = getattr(self, name)
        if not is_valid(value):
            raise ValueError(f"hyperparameter {name}: expected {expected}, received: {name}={value!r}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TeacherHyperparameters":
        """Make hyperparameters from a mapping of names to values; names left out keep their default.

        Raises
        ------
        ValueError
            If a name is unknown or a value is invalid, naming it.
        """
        if not isinstance(values, dict):
            raise ValueError(f"expected a mapping of hyperparameters, received: {values!r}")
        names = [field.name for field in dataclasses.fields(cls)]
        for name, value in values.items():
            if name not in names:
                raise ValueError(
                    f"hyperparameter {name}: expected one of {', '.join(names)}, received: {name}={value!r}"
                )
        return cls(**values)


def _is_number(value: Any, types: Any = (int, float)) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)


def _are_positive_integers(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(_is_number(value, int) and value >= 1 for value in values)
