"""Models and their predictions: the corrected energy sums of events."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from utils.data_processing import L1Events, jet_count
from utils.runtime.errors import UserError
from utils.variables import reconstructed

BASELINE, TRUE, REFERENCE = "baseline", "true", "reference"
NO_MODELS = (BASELINE, TRUE, REFERENCE)  # names of the quantities that are not those of a model
WITH_JET, WITHOUT_JET = "with_jet", "without_jet"
EVENTS_PER_BLOCK = 65536


@dataclass(frozen=True)
class Model:
    """What the evaluation asks of a model.

    Attributes
    ----------
    inputs : callable
        Takes L1Events, gives what the model sees of each, an array of which the first axis is that of the events.
    predict : callable
        Takes inputs of n events, gives their corrections, shape (n,).
    gives_sums : bool
        Whether `predict` gives corrected sums in GeV instead, of all events, as they leave the firmware.
    """

    inputs: Callable[[L1Events], np.ndarray]
    predict: Callable[[np.ndarray], np.ndarray]
    gives_sums: bool = False


@dataclass(frozen=True)
class Predictions:
    """What the evaluation keeps of each event.

    Attributes
    ----------
    true, reco : np.ndarray, shape (n_events,), float32
        The true variable and what L1 has of it, in GeV.
    corrections : dict of str to np.ndarray, shape (n_events,), float32
        The prediction of true/reco of each model; 1 where there is none.
    weight : np.ndarray, shape (n_events,), float32
        In pb, or 1 in files without weights; may be negative.
    process_id : np.ndarray, shape (n_events,), int32
    jets : np.ndarray, shape (n_events,), int8
        Number of jets at L1.
    sums : dict of str to np.ndarray, shape (n_events,), float32
        The corrected sums in GeV of the models that give them themselves.
    """

    true: np.ndarray
    reco: np.ndarray
    corrections: dict[str, np.ndarray]
    weight: np.ndarray
    process_id: np.ndarray
    jets: np.ndarray
    sums: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.true)

    def __getitem__(self, rows: slice | np.ndarray) -> "Predictions":
        """Return some of the events: a slice, a mask or indices."""
        return self.combine([self], lambda columns: columns[0][rows])

    @classmethod
    def concatenate(cls, parts: "Sequence[Predictions]") -> "Predictions":
        """Join parts in their order; a single one is not copied."""
        return parts[0] if len(parts) == 1 else cls.combine(parts, np.concatenate)

    @classmethod
    def combine(
        cls, parts: "Sequence[Predictions]", combine: Callable[[list[np.ndarray]], np.ndarray]
    ) -> "Predictions":
        """Make each column of the columns of all parts."""
        columns: dict[str, Any] = {}
        for name, column in vars(parts[0]).items():
            of_parts = [getattr(part, name) for part in parts]
            if isinstance(column, dict):
                columns[name] = {key: combine([of_part[key] for of_part in of_parts]) for key in column}
            else:
                columns[name] = combine(of_parts)
        return cls(**columns)

    @property
    def predicted(self) -> np.ndarray:
        """Which events have a prediction: those with a jet at L1, whose L1 sum is not 0."""
        return (self.jets > 0) & (self.reco > 0)

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """Which events have a jet at L1, and which have none and stay uncorrected."""
        return {WITH_JET: self.jets > 0, WITHOUT_JET: self.jets == 0}

    @property
    def measured(self) -> dict[str, np.ndarray]:
        """The quantities that a trigger has, in GeV: that of L1 itself and those of the models."""
        corrected = {
            name: self.sums[name] if name in self.sums else self.reco * correction
            for name, correction in self.corrections.items()
        }
        return {BASELINE: self.reco, **corrected}

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """All quantities, in GeV: those that a trigger has and, as the ideal, the true one."""
        return {**self.measured, TRUE: self.true}


def predict_events(
    chunks: Iterable[L1Events], process_ids: Collection[int], variable: str, models: Mapping[str, Model]
) -> Predictions:
    """Predict the correction of all events of some processes.

    An event without a jet at L1 has no graph, and one whose L1 sum is 0 nothing to correct: both stay, uncorrected.
    What a student gives is taken as it is, in whole steps of the hardware, saturation included.

    Parameters
    ----------
    chunks : iterable of L1Events
    process_ids : collection of int
    variable : str
        The true variable.
    models : mapping of str to Model
        The models by their names.
    """
    wanted = list(process_ids)
    parts: list[Predictions] = []
    corrections = {name: _Corrections(model) for name, model in models.items()}
    for events in chunks:
        events = events[np.isin(events.ids, wanted)]
        parts.append(_uncorrected(events, variable, list(models)))
        to_predict = events[parts[-1].predicted]
        for name, of_model in corrections.items():
            of_model.add(events if models[name].gives_sums else to_predict)
    predictions = Predictions.concatenate(parts)
    for name, of_model in corrections.items():
        correction, predicted = predictions.corrections[name], predictions.predicted
        if models[name].gives_sums:
            predictions.sums[name] = found = of_model.all()
            correction[predicted] = found[predicted] / predictions.reco[predicted]
        else:
            correction[predicted] = of_model.all()
        n_not_finite = np.sum(~np.isfinite(correction))
        if n_not_finite:
            raise UserError(f"model '{name}' predicts no finite number for {n_not_finite} events")
    return predictions


class _Corrections:
    """Corrections of a model, of events that come in chunks.

    A network rounds differently in other company, so that it sees blocks of as many events whatever the chunks.
    """

    def __init__(self, model: Model):
        self._model = model
        self._waiting: list[np.ndarray] = []
        self._found: list[np.ndarray] = []

    def add(self, events: L1Events) -> None:
        """Take the events of a chunk that are to be predicted."""
        self._waiting.append(self._model.inputs(events))
        while sum(map(len, self._waiting)) >= EVENTS_PER_BLOCK:
            inputs = np.concatenate(self._waiting)
            self._found.append(self._model.predict(inputs[:EVENTS_PER_BLOCK]))
            self._waiting = [inputs[EVENTS_PER_BLOCK:]]

    def all(self) -> np.ndarray:
        """Return the corrections of all events, when there are no more."""
        inputs = np.concatenate(self._waiting)
        if len(inputs):
            self._found.append(self._model.predict(inputs))
        return np.concatenate([np.zeros(0, np.float32), *self._found])


def _uncorrected(events: L1Events, variable: str, models: Sequence[str]) -> Predictions:
    """Return what the evaluation keeps of events, before they are corrected."""
    return Predictions(
        getattr(events, variable),
        getattr(events, reconstructed(variable)),
        {name: np.ones(len(events), np.float32) for name in models},
        events.weights,
        events.ids,
        jet_count(events.smeared_data).astype(np.int8),
    )


@dataclass(frozen=True)
class Counts:
    """How many events there are, and why some have no prediction.

    Attributes
    ----------
    events : int
    without_jet : int
        At L1.
    without_target : int
        Of those with a jet: the L1 sum is 0, so that true/reco does not exist.
    weight : float
        Sum of weights: the cross section in pb, or the number of events in files without weights.
    """

    events: int
    without_jet: int
    without_target: int
    weight: float


def count(predictions: Predictions) -> Counts:
    """Count the events."""
    has_jet = predictions.jets > 0
    return Counts(
        len(predictions),
        int(np.sum(~has_jet)),
        int(np.sum(has_jet & ~predictions.predicted)),
        float(predictions.weight.sum(dtype=np.float64)),
    )
