"""What a correction does to the events of each process, and to a trigger: from predictions to frozen results.

A quantity is what a trigger may cut on: the sum of L1 itself (the baseline), that sum times the correction of a model,
by the model's name, and the true value as the ideal.

Objects of events are read, used and forgotten. Exact thresholds and areas under ROC curves need all events in order,
so that 17 bytes of each event and 4 for each model stay, and those of the background take up to 100 bytes more while
they are evaluated.
"""

import math
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from utils.data_processing import L1Events, jet_count
from utils.evaluation.turn_on import (
    BinnedResponse,
    CoreFit,
    CrossingRates,
    Estimate,
    Histogram,
    Histogram2D,
    Ranking,
    Rates,
    RateThresholds,
    Roc,
    TurnOn,
    TurnOnGain,
    WorkingPoints,
    background_thresholds,
    binned_response,
    crossing_rates,
    crossing_thresholds,
    efficiencies_of_rates,
    fit_core,
    histogram,
    histogram_2d,
    rate_ratios,
    rates,
    roc_area_gain,
    roc_curve,
    signal_efficiencies,
    turn_on_curves,
    turn_on_gains,
    working_points,
)
from utils.runtime.errors import UserError
from utils.variables import reconstructed

BASELINE, TRUE, REFERENCE = "baseline", "true", "reference"
NO_MODELS = (BASELINE, TRUE, REFERENCE)  # names of the quantities that are not those of a model
WITH_JET, WITHOUT_JET = "with_jet", "without_jet"
ZERO_BIAS_RATES = (100.0, 30.0, 10.0, 3.0, 1.0)  # kHz
LOWEST_BACKGROUND, N_ROC_POINTS = 1e-4, 400
EVENTS_A_BLOCK = 65536


@dataclass(frozen=True)
class Binning:
    """Bins and thresholds that suit a variable, in GeV; those of ratios have no unit.

    Attributes
    ----------
    spectrum, turn_on, resolution : np.ndarray
        Edges: of spectra; of the true variable in turn-on curves and for the resolution.
    ratio : np.ndarray
        Edges for responses and corrections.
    slices : np.ndarray
        Edges of the true variable between which the response is shown.
    inclusive_thresholds : tuple of float
        Thresholds of the turn-on curves unless others are asked for.
    response_above : float
        The response is shown for events with a true value above this.
    """

    spectrum: np.ndarray
    turn_on: np.ndarray
    resolution: np.ndarray
    ratio: np.ndarray
    slices: np.ndarray
    inclusive_thresholds: tuple[float, ...]
    response_above: float


def _edges(*steps: tuple[float, float, float]) -> np.ndarray:
    """Join ranges (start, stop, step), the stop of one being the start of the next, into edges."""
    return np.unique(np.concatenate([np.arange(start, stop + step / 2, step) for start, stop, step in steps]))


_MET = Binning(
    spectrum=_edges((0, 300, 5)),
    turn_on=_edges((0, 200, 10), (200, 300, 20)),
    resolution=_edges((0, 120, 10), (120, 200, 20), (200, 300, 50)),
    ratio=_edges((0, 3, 0.05)),
    slices=np.array([20.0, 40.0, 60.0, 100.0, 200.0]),
    inclusive_thresholds=(100, 120, 150),
    response_above=40,
)
_HT = Binning(
    spectrum=_edges((0, 1000, 20)),
    turn_on=_edges((0, 600, 25), (600, 1000, 50)),
    resolution=_edges((0, 400, 40), (400, 1000, 100)),
    ratio=_edges((0, 3, 0.05)),
    slices=np.array([50.0, 100.0, 200.0, 320.0, 600.0]),
    inclusive_thresholds=(200, 320, 450),
    response_above=100,
)
BINNINGS = {"true_met": _MET, "original_met": _MET, "true_ht": _HT}
JET_MULTIPLICITY = np.arange(1, 12) - 0.5  # edges: 1 to 10 jets, without which there is no correction


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
        while sum(map(len, self._waiting)) >= EVENTS_A_BLOCK:
            inputs = np.concatenate(self._waiting)
            self._found.append(self._model.predict(inputs[:EVENTS_A_BLOCK]))
            self._waiting = [inputs[EVENTS_A_BLOCK:]]

    def all(self) -> np.ndarray:
        """Return the corrections of all events, when there are no more."""
        inputs = np.concatenate(self._waiting)
        if len(inputs):
            self._found.append(self._model.predict(inputs))
        return np.concatenate([np.zeros(0, np.float32), *self._found])


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


@dataclass(frozen=True)
class Response:
    """Distribution of a quantity over its true value, and the Gaussian through its core."""

    histogram: Histogram
    core: CoreFit


@dataclass(frozen=True)
class ProcessResult:
    """What the corrections do to the events of a process.

    Attributes
    ----------
    counts : Counts
    target : Histogram
        Of true/reco, of events with a prediction.
    prediction : dict of str to Histogram
        Of the corrections of each model, of the same events.
    target_prediction : dict of str to Histogram2D
        Of target and correction, of the same events.
    correction_in_reco, correction_in_jets : dict of str to BinnedResponse
        Median and width of the target, named as the ideal, and of the corrections of the same events, in bins of the
        L1 sum and of the number of jets at L1.
    spectra : dict of str to Histogram
        Of all quantities.
    response : dict of str to Response
        Of the measured quantities, for true values above ``Binning.response_above``.
    response_slices : dict of str to list of Histogram
        Of the same, for true values between each two of ``Binning.slices``.
    resolution : dict of str to BinnedResponse
        Of the same, in bins of the true variable.
    turn_on : dict of str to list of TurnOn
        Of the same, at each threshold.
    """

    counts: Counts
    target: Histogram
    prediction: dict[str, Histogram]
    target_prediction: dict[str, Histogram2D]
    correction_in_reco: dict[str, BinnedResponse]
    correction_in_jets: dict[str, BinnedResponse]
    spectra: dict[str, Histogram]
    response: dict[str, Response]
    response_slices: dict[str, list[Histogram]]
    resolution: dict[str, BinnedResponse]
    turn_on: dict[str, list[TurnOn]]


def _rng(seed: int, name: str) -> np.random.Generator:
    """Random numbers of a process: the same whatever other processes there are."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def evaluate_process(
    predictions: Predictions, binning: Binning, thresholds: Sequence[float], seed: int, name: str
) -> ProcessResult:
    """Evaluate the corrections on the events of one process.

    Parameters
    ----------
    predictions : Predictions
    binning : Binning
    thresholds : sequence of float
        Of the turn-on curves, in GeV.
    seed : int
    name : str
        Of the process.
    """
    predicted = predictions[predictions.predicted]
    target, of_models = predicted.true / predicted.reco, predicted.corrections

    def in_bins_of(values: np.ndarray, edges: np.ndarray) -> dict[str, BinnedResponse]:
        return {
            quantity: binned_response(values, correction, predicted.weight, edges, _rng(seed, name))
            for quantity, correction in {TRUE: target, **of_models}.items()
        }

    true, weight = predictions.true, predictions.weight
    responses = {
        quantity: np.divide(values, true, out=np.full_like(true, np.nan), where=true > 0)
        for quantity, values in predictions.measured.items()
    }

    def response_between(low: float, high: float, edges: np.ndarray) -> dict[str, Histogram]:
        shown = (true > low) & (true <= high)
        return {quantity: histogram(response[shown], weight[shown], edges) for quantity, response in responses.items()}

    slices = [response_between(low, high, binning.ratio[::2]) for low, high in pairwise(binning.slices)]
    return ProcessResult(
        counts=count(predictions),
        target=histogram(target, predicted.weight, binning.ratio),
        prediction={
            model: histogram(correction, predicted.weight, binning.ratio) for model, correction in of_models.items()
        },
        target_prediction={
            model: histogram_2d(target, correction, predicted.weight, binning.ratio, binning.ratio)
            for model, correction in of_models.items()
        },
        correction_in_reco=in_bins_of(predicted.reco, binning.resolution),
        correction_in_jets=in_bins_of(predicted.jets, JET_MULTIPLICITY),
        spectra={
            quantity: histogram(values, weight, binning.spectrum) for quantity, values in predictions.scores.items()
        },
        response={
            quantity: Response(content, fit_core(content))
            for quantity, content in response_between(binning.response_above, np.inf, binning.ratio).items()
        },
        response_slices={quantity: [of_slice[quantity] for of_slice in slices] for quantity in responses},
        resolution={
            quantity: binned_response(true, response, weight, binning.resolution, _rng(seed, name))
            for quantity, response in responses.items()
        },
        turn_on=turn_on_curves(
            true, predictions.measured, weight, dict.fromkeys(responses, thresholds), binning.turn_on, seed
        ),
    )


@dataclass(frozen=True)
class Beams:
    """What makes a rate of a cross section.

    Attributes
    ----------
    luminosity : float
        In cm^-2 s^-1.
    colliding_bunches : int
        Pairs of bunches that collide in the experiment.
    """

    luminosity: float
    colliding_bunches: int


@dataclass(frozen=True)
class Allowed:
    """What of the background may pass.

    Attributes
    ----------
    background_efficiency : float
    rate : float or None
        In kHz, where it is this that was asked for.
    """

    background_efficiency: float
    rate: float | None = None


@dataclass(frozen=True)
class BackgroundResult:
    """What the background does to a trigger.

    Attributes
    ----------
    allowed : list of Allowed
        At each working point.
    rates : dict of str to Rates
        Of all quantities, against thresholds over the range of the spectrum.
    ratios : dict of str to Estimate
        Of the rates of the models to that of the baseline, at the same thresholds.
    at_working_points : dict of str to Rates
        At the thresholds of the working points; what ties and single events leave of them.
    parts : dict of str to dict of str to Rates
        The same of the events with and without a jet at L1, each kind by itself.
    threshold_rows : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        These thresholds and their bootstrap replicas.
    rankings : dict of str to Ranking
        The events, 12 bytes each, in the order of each quantity.
    """

    allowed: list[Allowed]
    rates: dict[str, Rates]
    ratios: dict[str, Estimate[np.ndarray]]
    at_working_points: dict[str, Rates]
    parts: dict[str, dict[str, Rates]]
    threshold_rows: dict[str, np.ndarray]
    rankings: dict[str, Ranking]

    @property
    def beyond_sample(self) -> dict[str, np.ndarray]:
        """At which working points no event passes: the threshold lies beyond the sample and is not known."""
        return {name: rates.n_events == 0 for name, rates in self.at_working_points.items()}

    @property
    def known_thresholds(self) -> dict[str, np.ndarray]:
        """The rows of the thresholds, NaN where they are beyond the sample."""
        beyond = self.beyond_sample
        return {name: np.where(beyond[name], np.nan, rows) for name, rows in self.threshold_rows.items()}


def evaluate_background(
    predictions: Predictions,
    binning: Binning,
    background_efficiencies: Sequence[float],
    beams: Beams | None,
    fixed_rates: Sequence[float],
    seed: int,
) -> BackgroundResult:
    """Find the rates and the thresholds of the background, all its processes together.

    Parameters
    ----------
    predictions : Predictions
    binning : Binning
    background_efficiencies : sequence of float
        Of the first working points.
    beams : Beams or None
        None where weights are not cross sections, so that there are no rates.
    fixed_rates : sequence of float
        In kHz, of more working points where there are rates.
    seed : int
    """
    scores, weight = predictions.scores, predictions.weight
    rankings = {name: Ranking.of(values, weight) for name, values in scores.items()}
    allowed = [Allowed(efficiency) for efficiency in background_efficiencies]
    luminosity, bunches = (beams.luminosity, beams.colliding_bunches) if beams else (math.nan, 1)
    if beams:
        cross_section = float(weight.sum(dtype=np.float64))
        efficiencies = efficiencies_of_rates(fixed_rates, cross_section, luminosity, bunches)
        allowed += [Allowed(*of_rate) for of_rate in zip(efficiencies.tolist(), fixed_rates, strict=True)]
    rows = background_thresholds(
        scores,
        weight,
        rankings,
        np.array([point.background_efficiency for point in allowed]),
        _rng(seed, "background"),
    )

    def rates_at(of: Mapping[str, Ranking], thresholds: Mapping[str, np.ndarray]) -> dict[str, Rates]:
        return {name: rates(of[name], of_name, luminosity, bunches) for name, of_name in thresholds.items()}

    at_points = {name: of_name[0] for name, of_name in rows.items()}
    parts = {}
    for part, chosen in predictions.parts.items():
        rankings_of_part = {name: Ranking.of(values[chosen], weight[chosen]) for name, values in scores.items()}
        parts[part] = rates_at(rankings_of_part, at_points)

    return BackgroundResult(
        allowed,
        rates_at(rankings, dict.fromkeys(rankings, binning.spectrum)),
        {
            name: rate_ratios(scores[name], predictions.reco, weight, binning.spectrum)
            for name in predictions.corrections
        },
        rates_at(rankings, at_points),
        parts,
        rows,
        rankings,
    )


@dataclass(frozen=True)
class SignalResult:
    """What the corrections do for a signal against the background.

    Attributes
    ----------
    roc : dict of str to Roc
        Of all quantities, at points at equal distances on a logarithmic axis.
    area_gain : dict of str to Estimate
        Areas under the curves of the models less that of the baseline.
    working_points : WorkingPoints
        Its parts are the events with and those without a jet at L1.
    turn_on : dict of str to list of TurnOn
        Of all quantities, at the thresholds of each working point: at equal rate.
    turn_on_gain : dict of str to list of TurnOnGain
        Of the models over the baseline, at each working point.
    """

    roc: dict[str, Roc]
    area_gain: dict[str, Estimate[float]]
    working_points: WorkingPoints
    turn_on: dict[str, list[TurnOn]]
    turn_on_gain: dict[str, list[TurnOnGain]]


def evaluate_signal(
    signal: Predictions, background: BackgroundResult, binning: Binning, seed: int, name: str
) -> SignalResult:
    """Compare a signal with the background.

    Parameters
    ----------
    signal : Predictions
    background : BackgroundResult
    binning : Binning
    seed : int
    name : str
        Of the signal.
    """
    scores, thresholds = signal.scores, background.known_thresholds
    shown = np.geomspace(LOWEST_BACKGROUND, 1, N_ROC_POINTS)
    efficiencies, parts = signal_efficiencies(
        scores, signal.weight, background.threshold_rows, _rng(seed, name), signal.parts[WITHOUT_JET]
    )
    allowed = np.array([point.background_efficiency for point in background.allowed])
    at_points = {quantity: rows[0] for quantity, rows in thresholds.items()}
    samples = {
        quantity: (Ranking.of(values, signal.weight), background.rankings[quantity])
        for quantity, values in scores.items()
    }
    return SignalResult(
        {quantity: roc_curve(*of_quantity, shown) for quantity, of_quantity in samples.items()},
        {model: roc_area_gain(samples[BASELINE], samples[model]) for model in signal.corrections},
        working_points(allowed, thresholds, efficiencies, BASELINE, TRUE, parts),
        turn_on_curves(signal.true, scores, signal.weight, at_points, binning.turn_on, seed),
        turn_on_gains(
            signal.true,
            signal.measured,
            signal.weight,
            {quantity: at_points[quantity] for quantity in signal.measured},
            binning.turn_on,
            BASELINE,
            seed,
        ),
    )


@dataclass(frozen=True)
class ZeroBiasResult:
    """Rates of zero-bias events, of the measured quantities and, as a reference, of the sum of CMS itself.

    Attributes
    ----------
    colliding_bunches : int
    counts : Counts
    n_saturated : dict of str to int
        Objects and energy sums whose energy is the largest that their integers can express.
    rates : dict of str to CrossingRates
        Against thresholds over the range of the spectrum.
    ratios : dict of str to Estimate
        Of the rates of the models and of the reference to that of the baseline, at the same thresholds.
    at_rates : dict of str to RateThresholds
        Thresholds at fixed rates.
    at_thresholds : dict of str to CrossingRates
        At the thresholds of the turn-on curves.
    """

    colliding_bunches: int
    counts: Counts
    n_saturated: dict[str, int]
    rates: dict[str, CrossingRates]
    ratios: dict[str, Estimate[np.ndarray]]
    at_rates: dict[str, RateThresholds]
    at_thresholds: dict[str, CrossingRates]


def evaluate_zero_bias(
    predictions: Predictions,
    reference: np.ndarray,
    n_saturated: dict[str, int],
    binning: Binning,
    thresholds: Sequence[float],
    colliding_bunches: int,
) -> ZeroBiasResult:
    """Find the rates of zero-bias events before and after the corrections.

    Parameters
    ----------
    predictions : Predictions
        Of events of equal weight, without true values.
    reference : np.ndarray, shape (n_events,), float32
        Energy sum of CMS, in GeV.
    n_saturated : dict of str to int
    binning : Binning
    thresholds : sequence of float
        Of the turn-on curves, in GeV.
    colliding_bunches : int
    """
    quantities = {**predictions.measured, REFERENCE: reference}
    rankings = {name: Ranking.of(values, predictions.weight) for name, values in quantities.items()}

    def rates_at(at: np.ndarray) -> dict[str, CrossingRates]:
        return {name: crossing_rates(ranking, at, colliding_bunches) for name, ranking in rankings.items()}

    return ZeroBiasResult(
        colliding_bunches,
        count(predictions),
        n_saturated,
        rates_at(binning.spectrum),
        {
            name: rate_ratios(values, predictions.reco, predictions.weight, binning.spectrum)
            for name, values in quantities.items()
            if name != BASELINE
        },
        {name: crossing_thresholds(ranking, ZERO_BIAS_RATES, colliding_bunches) for name, ranking in rankings.items()},
        rates_at(np.asarray(thresholds, np.float64)),
    )


@dataclass(frozen=True)
class Results:
    """All results of an evaluation.

    Attributes
    ----------
    variable : str
        The true variable.
    models : list of str
        Their names; the first one is the model that single plots are of.
    background_names : list of str
    beams : Beams or None
        None where the background has no weights.
    unweighted : list of str
        Processes whose events have no weights, and count 1 each.
    notes : list of str
        What a reader has to know first: that there are no weights, that events were trained on.
    n_events : int
        In the file.
    processes : dict of str to ProcessResult
    background : BackgroundResult
    signals : dict of str to SignalResult
    zero_bias : ZeroBiasResult or None
        None without such events.
    """

    variable: str
    models: list[str]
    background_names: list[str]
    beams: Beams | None
    unweighted: list[str]
    notes: list[str]
    n_events: int
    processes: dict[str, ProcessResult]
    background: BackgroundResult
    signals: dict[str, SignalResult]
    zero_bias: ZeroBiasResult | None

    @property
    def background_name(self) -> str:
        """Name of all background processes together."""
        return "+".join(self.background_names)
