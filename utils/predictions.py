"""Models and their predictions: the corrected energy sums of events."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.formats.trigger_objects import saturated_events
from utils.l1_events import L1Events, jet_count, met_angle
from utils.runtime.errors import UserError
from utils.variables import reconstructed

if TYPE_CHECKING:
    from utils.training.calibration import Calibration  # SciPy takes long to load
    from utils.training.sum_floor import SumFloor

BASELINE, TRUE, REFERENCE = "baseline", "true", "reference"
NO_MODELS = (BASELINE, TRUE, REFERENCE)  # quantities that no model predicts
WITH_JET, WITHOUT_JET = "with_jet", "without_jet"
EVENTS_PER_BLOCK = 65536
COLUMNS = {"true": np.float32, "reco": np.float32, "weight": np.float32, "process_id": np.int32, "jets": np.int8}


@dataclass(frozen=True)
class Model:
    """A trained model, as a pair of functions.

    Attributes
    ----------
    inputs : callable
        Takes L1Events, returns the inputs of the model, an array with the events along the first axis.
    predict : callable
        Takes the inputs of n events, returns their corrections, shape (n,).
    gives_sums : bool
        Whether `predict` returns corrected sums in GeV, of all events, as the firmware does.
    calibration : Calibration or None
        Of the corrected sums; None where the training has none.
    floor : SumFloor or None
        Of the corrected sums; None where the training has none, and for a model that gives sums, which contain it.
    target_scale : float
        Factor on true/reco that the model was trained to give.
    """

    inputs: Callable[[L1Events], np.ndarray]
    predict: Callable[[np.ndarray], np.ndarray]
    gives_sums: bool = False
    calibration: "Calibration | None" = None
    floor: "SumFloor | None" = None
    target_scale: float = 1.0


@dataclass(frozen=True)
class Predictions:
    """Energy sums and corrections of events.

    Attributes
    ----------
    true, reco : np.ndarray, shape (n_events,), float32
        True and L1 value of the variable, in GeV.
    corrections : dict of str to np.ndarray, shape (n_events,), float32
        Factor of each model on the L1 sum; 1 for uncorrected events.
    weight : np.ndarray, shape (n_events,), float32
        Cross-section weight in pb, or 1 in files without weights; may be negative.
    process_id : np.ndarray, shape (n_events,), int32
    jets : np.ndarray, shape (n_events,), int8
        Number of jets at L1.
    sums : dict of str to np.ndarray, shape (n_events,), float32
        Corrected sums in GeV, of models that predict sums.
    calibrations : dict of str to Calibration
        Of the models that have one.
    target_scales : dict of str to float
        Of the models whose scale of the target is not 1.
    angle : np.ndarray, shape (n_events,), float16, or None
        Angle from the true MET vector to that of L1, in radians and with 3 digits; NaN where one of the vectors is 0.
        None where the true objects do not give the direction of the variable, or were not read.
    """

    true: np.ndarray
    reco: np.ndarray
    corrections: dict[str, np.ndarray]
    weight: np.ndarray
    process_id: np.ndarray
    jets: np.ndarray
    sums: dict[str, np.ndarray] = field(default_factory=dict)
    calibrations: "dict[str, Calibration]" = field(default_factory=dict)
    target_scales: dict[str, float] = field(default_factory=dict)
    angle: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.true)

    def __getitem__(self, rows: slice | np.ndarray) -> "Predictions":
        """Return the events of a slice, a mask or indices."""
        return self.combine([self], lambda columns: columns[0][rows])

    @classmethod
    def concatenate(cls, parts: "Sequence[Predictions]") -> "Predictions":
        """Join parts in their order; a single one is not copied."""
        return parts[0] if len(parts) == 1 else cls.combine(parts, np.concatenate)

    @classmethod
    def combine(
        cls, parts: "Sequence[Predictions]", combine: Callable[[list[np.ndarray]], np.ndarray]
    ) -> "Predictions":
        """Combine each column of all parts."""
        columns: dict[str, Any] = {}
        for name, column in vars(parts[0]).items():
            found = [getattr(part, name) for part in parts]
            if name in ("calibrations", "target_scales"):  # of models, not of events
                columns[name] = column
            elif column is None:
                columns[name] = None
            elif isinstance(column, dict):
                columns[name] = {key: combine([values[key] for values in found]) for key in column}
            else:
                columns[name] = combine(found)
        return cls(**columns)

    @property
    def predicted(self) -> np.ndarray:
        """Mask of the events with a prediction: they have a jet at L1 and an L1 sum above 0."""
        return (self.jets > 0) & (self.reco > 0)

    @property
    def estimates(self) -> dict[str, np.ndarray]:
        """Estimates of true/reco by the models: their factors over the scales of their targets."""
        return {name: values / np.float32(self.target_scales.get(name, 1)) for name, values in self.corrections.items()}

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """Masks of the events with and without a jet at L1; the latter stay uncorrected."""
        return {WITH_JET: self.jets > 0, WITHOUT_JET: self.jets == 0}

    @property
    def measured(self) -> dict[str, np.ndarray]:
        """Trigger quantities in GeV: the L1 sum and the corrected sums of the models, calibrated where they can be."""
        return {BASELINE: self.reco, **{name: self._measured_by(name) for name in self.corrections}}

    def _measured_by(self, name: str) -> np.ndarray:
        """Return the corrected sums of a model, calibrated if it has a calibration."""
        corrected = self.corrected_by(name)
        return self.calibrations[name](corrected) if name in self.calibrations else corrected

    def corrected_by(self, name: str) -> np.ndarray:
        """Return the corrected sums of a model in GeV, not calibrated."""
        return self.sums[name] if name in self.sums else self.reco * self.corrections[name]

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """All quantities in GeV: the trigger quantities and, as the ideal, the true value."""
        return {**self.measured, TRUE: self.true}


def predict_events(
    chunks: Iterable[L1Events], process_ids: Collection[int], variable: str, models: Mapping[str, Model]
) -> Predictions:
    """Predict the corrections of all events of some processes.

    Events without a jet at L1, or with an L1 sum of 0, stay uncorrected. Sums of a student keep the steps and the
    saturation of the hardware.

    Parameters
    ----------
    chunks : iterable of L1Events
    process_ids : collection of int
    variable : str
        The true variable.
    models : mapping of str to Model
        By name.
    """
    wanted = list(process_ids)
    columns, angles = {name: _Column(dtype) for name, dtype in COLUMNS.items()}, _Column(np.float16)
    found = {name: _Corrections(model) for name, model in models.items()}
    for events in chunks:
        events = events[np.isin(events.ids, wanted)]
        uncorrected = _uncorrected(events, variable)
        for name, column in columns.items():
            column.append(getattr(uncorrected, name))
        if uncorrected.angle is not None:
            angles.append(uncorrected.angle)
        to_predict = events[uncorrected.predicted]
        for name, corrections in found.items():
            corrections.add(events if models[name].gives_sums else to_predict)
    arrays: dict[str, Any] = {name: column.array() for name, column in columns.items()}
    of_models: dict[str, Any] = {
        "calibrations": {name: model.calibration for name, model in models.items() if model.calibration},
        "target_scales": {name: model.target_scale for name, model in models.items() if model.target_scale != 1},
    }
    angle = angles.array()
    predictions = Predictions(corrections={}, **arrays, **of_models, angle=angle if len(angle) else None)
    predicted = predictions.predicted
    for name, corrections in found.items():
        predictions.corrections[name] = correction = np.ones(len(predictions), np.float32)
        if models[name].gives_sums:
            predictions.sums[name] = sums = corrections.all()
            correction[predicted] = sums[predicted] / predictions.reco[predicted]
        else:
            correction[predicted] = corrections.all()
            if floor := models[name].floor:
                correction[predicted] = floor.raised(correction[predicted], predictions.reco[predicted])
        n_not_finite = np.sum(~np.isfinite(correction))
        if n_not_finite:
            raise UserError(f"model '{name}' predicts no finite number for {n_not_finite} events")
    return predictions


@dataclass(frozen=True)
class CorrectedSums:
    """What a model makes of the L1 sums of events, a column each.

    Attributes
    ----------
    l1_sum : np.ndarray, shape (n_events,), float32
        MET or HT of the L1 objects, in GeV.
    correction : np.ndarray, shape (n_events,), float32
        Correction factor, 1 for uncorrected events.
    corrected_sum : np.ndarray, shape (n_events,), float32
        In GeV; the L1 sum of uncorrected events.
    calibrated_sum : np.ndarray, shape (n_events,), float32
        The corrected sum on the calibrated scale, in GeV; the corrected sum itself for a model without a calibration.
    uncorrected : np.ndarray, shape (n_events,), bool
        Events without a prediction: they have no jet at L1, or an L1 sum of 0.
    saturated : np.ndarray, shape (n_events,), bool
        Events with an object or an energy sum that saturates in the integers of the trigger.
    """

    l1_sum: np.ndarray
    correction: np.ndarray
    corrected_sum: np.ndarray
    calibrated_sum: np.ndarray
    uncorrected: np.ndarray
    saturated: np.ndarray

    @classmethod
    def predicted(cls, events: L1Events, variable: str, model: Model) -> "CorrectedSums":
        """Apply a model for a true variable to all events, in their order and in fixed blocks."""
        starts = range(0, max(len(events), 1), EVENTS_PER_BLOCK)
        blocks = [cls._of_block(events[start : start + EVENTS_PER_BLOCK], variable, model) for start in starts]
        return cls(*(np.concatenate(parts) for parts in zip(*(vars(block).values() for block in blocks), strict=True)))

    @classmethod
    def _of_block(cls, events: L1Events, variable: str, model: Model) -> "CorrectedSums":
        name = "model"
        found = predict_events([events], np.unique(events.ids), variable, {name: model})
        return cls(
            l1_sum=found.reco,
            correction=found.corrections[name],
            corrected_sum=found.corrected_by(name),
            calibrated_sum=found.measured[name],
            uncorrected=~found.predicted,
            saturated=saturated_events(events),
        )


def corrected_sums(variable: str, model: Model) -> Callable[[L1Events], np.ndarray]:
    """Return the function from events to their corrected sums in GeV, not calibrated, for a true variable."""
    return lambda events: CorrectedSums.predicted(events, variable, model).corrected_sum


class _Column:
    """An array that grows in its place, so that no second copy of it is in memory."""

    def __init__(self, dtype: type):
        self._values: np.ndarray = np.empty(0, dtype)
        self._n = 0

    def append(self, values: np.ndarray) -> None:
        """Append values; an eighth of room to spare keeps the number of extensions small."""
        start, self._n = self._n, self._n + len(values)
        if self._n > len(self._values):
            self._values.resize(self._n + self._n // 8 + EVENTS_PER_BLOCK, refcheck=False)
        self._values[start : self._n] = values

    def array(self) -> np.ndarray:
        """Return all values; nothing may be appended afterwards."""
        self._values.resize(self._n, refcheck=False)
        return self._values


class _Corrections:
    """Corrections of events that arrive in chunks.

    Rounding in a network depends on the batch. Events are therefore predicted in fixed blocks, whatever the chunks.
    """

    def __init__(self, model: Model):
        self._model = model
        self._found = _Column(np.float32)
        self._block: np.ndarray | None = None
        self._n_waiting = 0

    def add(self, events: L1Events) -> None:
        """Add the events of a chunk that have a prediction."""
        inputs, start = self._model.inputs(events), 0
        if self._block is None:
            self._block = np.empty((EVENTS_PER_BLOCK, *inputs.shape[1:]), inputs.dtype)
        while start < len(inputs):
            room = self._block[self._n_waiting :]
            taken = inputs[start : start + len(room)]
            room[: len(taken)] = taken
            start, self._n_waiting = start + len(taken), self._n_waiting + len(taken)
            if self._n_waiting == len(self._block):
                self._predict()

    def all(self) -> np.ndarray:
        """Predict the remaining events and return the corrections of all."""
        if self._n_waiting:
            self._predict()
        return self._found.array()

    def _predict(self) -> None:
        assert self._block is not None
        self._found.append(self._model.predict(self._block[: self._n_waiting]))
        self._n_waiting = 0


def _uncorrected(events: L1Events, variable: str) -> Predictions:
    """Return the columns of events without corrections."""
    return Predictions(
        getattr(events, variable),
        getattr(events, reconstructed(variable)),
        {},
        events.weights,
        events.ids,
        jet_count(events.smeared_data).astype(np.int8),
        angle=_angle(events, variable),
    )


def has_direction(variable: str) -> bool:
    """Whether the true objects of an L1 regression file give the direction of a variable.

    HT has none, and the direction of the original MET is not in the file.
    """
    return variable == "true_met"


def _angle(events: L1Events, variable: str) -> np.ndarray | None:
    """Return the angle from the true MET vector to that of L1, if the variable has a direction that was read."""
    recoil = events.true_recoil if has_direction(variable) else None
    return None if recoil is None else met_angle(events.smeared_data, recoil).astype(np.float16)


@dataclass(frozen=True)
class Counts:
    """Numbers of events, with and without a prediction.

    Attributes
    ----------
    events : int
    without_jet : int
        Events without a jet at L1.
    without_target : int
        Events with a jet but an L1 sum of 0, so that true/reco does not exist.
    weight : float
        Sum of weights: the cross section in pb, or the number of events in files without weights.
    """

    events: int
    without_jet: int
    without_target: int
    weight: float


def count(predictions: Predictions) -> Counts:
    """Count events with and without a prediction."""
    has_jet = predictions.jets > 0
    return Counts(
        len(predictions),
        int(np.sum(~has_jet)),
        int(np.sum(has_jet & ~predictions.predicted)),
        float(predictions.weight.sum(dtype=np.float64)),
    )
