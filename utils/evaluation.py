"""What a correction does to the events of each process, and to a trigger: from predictions to frozen results.

Objects of events are read, used and forgotten. Exact thresholds and areas under ROC curves need all events in order,
so that 21 bytes of each event stay, and those of the background take up to 100 bytes more while they are evaluated.
"""

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from utils.cli import UserError
from utils.data_processing import GraphCreator, L1Events, jet_count, reconstructed
from utils.performance import (
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
    WorkingPoints,
    background_thresholds,
    binned_response,
    crossing_rates,
    crossing_thresholds,
    fit_core,
    histogram,
    histogram_2d,
    rate_ratios,
    rates,
    roc_curve,
    signal_efficiencies,
    turn_on_curves,
    working_points,
)

BASELINE, CORRECTED, TRUE = "baseline", "corrected", "true"
REFERENCE = "reference"
FIXED_RATES = (100.0, 30.0, 10.0, 3.0, 1.0)  # kHz
LOWEST_BACKGROUND, N_ROC_POINTS = 1e-4, 400
GRAPHS_A_BLOCK = 65536


@dataclass(frozen=True)
class Binning:
    """Bins and thresholds that suit a variable, in GeV; those of ratios have no unit.

    Attributes
    ----------
    spectrum, turn_on, resolution : np.ndarray
        Edges: of spectra; of the true variable in turn-on curves and for the resolution.
    ratio : np.ndarray
        Edges for responses and corrections.
    inclusive_thresholds : tuple of float
        Thresholds of the turn-on curves unless others are asked for.
    response_above : float
        The response is shown for events with a true value above this.
    """

    spectrum: np.ndarray
    turn_on: np.ndarray
    resolution: np.ndarray
    ratio: np.ndarray
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
    inclusive_thresholds=(100, 120, 150),
    response_above=40,
)
_HT = Binning(
    spectrum=_edges((0, 1000, 20)),
    turn_on=_edges((0, 600, 25), (600, 1000, 50)),
    resolution=_edges((0, 400, 40), (400, 1000, 100)),
    ratio=_edges((0, 3, 0.05)),
    inclusive_thresholds=(200, 320, 450),
    response_above=100,
)
BINNINGS = {"true_met": _MET, "original_met": _MET, "true_ht": _HT}


@dataclass(frozen=True)
class Predictions:
    """What the evaluation keeps of each event.

    Attributes
    ----------
    true, reco : np.ndarray, shape (n_events,), float32
        The true variable and what L1 has of it, in GeV.
    correction : np.ndarray, shape (n_events,), float32
        The prediction of true/reco; 1 where there is none.
    weight : np.ndarray, shape (n_events,), float32
        In pb, or 1 in files without weights.
    process_id : np.ndarray, shape (n_events,), int32
    jets : np.ndarray, shape (n_events,), int8
        Number of jets at L1.
    """

    true: np.ndarray
    reco: np.ndarray
    correction: np.ndarray
    weight: np.ndarray
    process_id: np.ndarray
    jets: np.ndarray

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.true)

    def __getitem__(self, rows: slice | np.ndarray) -> "Predictions":
        """Return some of the events: a slice, a mask or indices."""
        return Predictions(**{name: values[rows] for name, values in vars(self).items()})

    @classmethod
    def concatenate(cls, parts: "Sequence[Predictions]") -> "Predictions":
        """Join parts in their order; a single one is not copied."""
        if len(parts) == 1:
            return parts[0]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})

    @property
    def predicted(self) -> np.ndarray:
        """Which events have a prediction: those with a jet at L1, whose L1 sum is not 0."""
        return (self.jets > 0) & (self.reco > 0)

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """The quantities a trigger may cut on, in GeV: L1's own, the corrected one and, as the ideal, the true one."""
        return {BASELINE: self.reco, CORRECTED: self.reco * self.correction, TRUE: self.true}


def predict_events(
    chunks: Iterable[L1Events],
    process_ids: Collection[int],
    creator: GraphCreator,
    predict: Callable[[np.ndarray], np.ndarray],
) -> Predictions:
    """Predict the correction of all events of some processes.

    An event without a jet at L1 has no graph, and one whose L1 sum is 0 nothing to correct: both stay, uncorrected.
    The network sees blocks of as many graphs whatever the chunks, since it rounds differently in other company.

    Parameters
    ----------
    chunks : iterable of L1Events
    process_ids : collection of int
    creator : GraphCreator
    predict : callable
        Takes features of shape (n_graphs, n_nodes, n_features), gives corrections of shape (n_graphs,).
    """
    wanted = list(process_ids)
    parts: list[Predictions] = []
    corrections: list[np.ndarray] = []
    waiting: list[np.ndarray] = []
    for events in chunks:
        events = events[np.isin(events.ids, wanted)]
        parts.append(_uncorrected(events, creator.variable))
        waiting.append(creator.features(events[parts[-1].predicted]))
        while sum(map(len, waiting)) >= GRAPHS_A_BLOCK:
            features = np.concatenate(waiting)
            corrections.append(predict(features[:GRAPHS_A_BLOCK]))
            waiting = [features[GRAPHS_A_BLOCK:]]
    features = np.concatenate(waiting)
    if len(features):
        corrections.append(predict(features))
    predictions = Predictions.concatenate(parts)
    if corrections:
        predictions.correction[predictions.predicted] = np.concatenate(corrections)
    n_not_finite = np.sum(~np.isfinite(predictions.correction))
    if n_not_finite:
        raise UserError(f"the model predicts no finite number for {n_not_finite} events")
    return predictions


def _uncorrected(events: L1Events, variable: str) -> Predictions:
    """Return what the evaluation keeps of events, before they are corrected."""
    return Predictions(
        getattr(events, variable),
        getattr(events, reconstructed(variable)),
        np.ones(len(events), np.float32),
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
    """What the correction does to the events of a process.

    Attributes
    ----------
    counts : Counts
    target, prediction : Histogram
        Of true/reco and of its prediction, of events that have both.
    target_prediction : Histogram2D
        Both, of the same events.
    spectra : dict of str to Histogram
        Of the baseline, corrected and true quantity.
    response : dict of str to Response
        Of the baseline and the corrected quantity, for true values above ``Binning.response_above``.
    resolution : dict of str to BinnedResponse
        Of the same, in bins of the true variable.
    turn_on : dict of str to list of TurnOn
        Of the same, at each threshold.
    """

    counts: Counts
    target: Histogram
    prediction: Histogram
    target_prediction: Histogram2D
    spectra: dict[str, Histogram]
    response: dict[str, Response]
    resolution: dict[str, BinnedResponse]
    turn_on: dict[str, list[TurnOn]]


def _rng(seed: int, name: str) -> np.random.Generator:
    """Random numbers of a process: the same whatever other processes there are."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def evaluate_process(
    predictions: Predictions, binning: Binning, thresholds: Sequence[float], seed: int, name: str
) -> ProcessResult:
    """Evaluate the correction on the events of one process.

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
    true, weight, scores = predictions.true, predictions.weight, predictions.scores
    predicted = predictions.predicted
    target, prediction = true[predicted] / predictions.reco[predicted], predictions.correction[predicted]
    has_response = true > 0
    responses = {
        quantity: np.divide(scores[quantity], true, out=np.full_like(true, np.nan), where=has_response)
        for quantity in (BASELINE, CORRECTED)
    }
    shown = true > binning.response_above
    histograms = {
        quantity: histogram(response[shown], weight[shown], binning.ratio) for quantity, response in responses.items()
    }
    return ProcessResult(
        counts=count(predictions),
        target=histogram(target, weight[predicted], binning.ratio),
        prediction=histogram(prediction, weight[predicted], binning.ratio),
        target_prediction=histogram_2d(target, prediction, weight[predicted], binning.ratio, binning.ratio),
        spectra={quantity: histogram(values, weight, binning.spectrum) for quantity, values in scores.items()},
        response={quantity: Response(content, fit_core(content)) for quantity, content in histograms.items()},
        resolution={
            quantity: binned_response(true, response, weight, binning.resolution, _rng(seed, name))
            for quantity, response in responses.items()
        },
        turn_on=turn_on_curves(true, scores, weight, dict.fromkeys(responses, thresholds), binning.turn_on),
    )


@dataclass(frozen=True)
class BackgroundResult:
    """What the background does to a trigger.

    Attributes
    ----------
    rates : dict of str to Rates
        Against thresholds over the range of the spectrum, for the baseline, corrected and true quantity.
    at_working_points : dict of str to Rates
        At the thresholds of the fixed background efficiencies; what ties and single events leave of them.
    threshold_rows : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        These thresholds and their bootstrap replicas.
    rankings : dict of str to Ranking
        The events, 8 bytes each, in the order of each quantity.
    """

    rates: dict[str, Rates]
    at_working_points: dict[str, Rates]
    threshold_rows: dict[str, np.ndarray]
    rankings: dict[str, Ranking]


def evaluate_background(
    predictions: Predictions,
    binning: Binning,
    background_efficiencies: Sequence[float],
    luminosity: float | None,
    seed: int,
    colliding_bunches: int = 2448,
) -> BackgroundResult:
    """Find the rates and the thresholds of the background, all its processes together.

    Parameters
    ----------
    predictions : Predictions
    binning : Binning
    background_efficiencies : sequence of float
    luminosity : float or None
        In cm^-2 s^-1; None where weights are not cross sections, so that there are no rates.
    seed : int
    colliding_bunches : int
    """
    scores, weight = predictions.scores, predictions.weight
    luminosity = np.nan if luminosity is None else luminosity
    rankings = {name: Ranking.of(values, weight) for name, values in scores.items()}
    efficiencies = np.asarray(background_efficiencies)
    rows = background_thresholds(scores, weight, rankings, efficiencies, _rng(seed, "background"))
    return BackgroundResult(
        {name: rates(ranking, binning.spectrum, luminosity, colliding_bunches) for name, ranking in rankings.items()},
        {name: rates(ranking, rows[name][0], luminosity, colliding_bunches) for name, ranking in rankings.items()},
        rows,
        rankings,
    )


@dataclass(frozen=True)
class SignalResult:
    """What the correction does for a signal against the background.

    Attributes
    ----------
    roc : dict of str to Roc
        Of the baseline, corrected and true quantity, at points at equal distances on a logarithmic axis.
    working_points : WorkingPoints
    turn_on : dict of str to list of TurnOn
        Of the baseline, corrected and true quantity, at the thresholds of each background efficiency: at equal rate.
    """

    roc: dict[str, Roc]
    working_points: WorkingPoints
    turn_on: dict[str, list[TurnOn]]


def evaluate_signal(
    signal: Predictions,
    background: BackgroundResult,
    binning: Binning,
    background_efficiencies: Sequence[float],
    seed: int,
    name: str,
) -> SignalResult:
    """Compare a signal with the background.

    Parameters
    ----------
    signal : Predictions
    background : BackgroundResult
        At the same background efficiencies.
    binning : Binning
    background_efficiencies : sequence of float
    seed : int
    name : str
        Of the signal.
    """
    scores, thresholds = signal.scores, background.threshold_rows
    shown = np.geomspace(LOWEST_BACKGROUND, 1, N_ROC_POINTS)
    efficiencies = signal_efficiencies(scores, signal.weight, thresholds, _rng(seed, name))
    return SignalResult(
        {
            quantity: roc_curve(Ranking.of(values, signal.weight), background.rankings[quantity], shown)
            for quantity, values in scores.items()
        },
        working_points(np.asarray(background_efficiencies), thresholds, efficiencies, BASELINE, CORRECTED, TRUE),
        turn_on_curves(
            signal.true,
            scores,
            signal.weight,
            {quantity: rows[0] for quantity, rows in thresholds.items()},
            binning.turn_on,
        ),
    )


@dataclass(frozen=True)
class ZeroBiasResult:
    """Rates of zero-bias events; of the baseline, the corrected quantity and, as a reference, the sum of CMS itself.

    Attributes
    ----------
    colliding_bunches : int
    counts : Counts
    n_saturated : dict of str to int
        Objects and energy sums whose energy is the largest that their integers can express.
    rates : dict of str to CrossingRates
        Against thresholds over the range of the spectrum.
    ratios : dict of str to Estimate
        Of the rates of the corrected quantity and of the reference to that of the baseline, at the same thresholds.
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
    """Find the rates of zero-bias events before and after the correction.

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
    scores = predictions.scores
    quantities = {BASELINE: scores[BASELINE], CORRECTED: scores[CORRECTED], REFERENCE: reference}
    rankings = {name: Ranking.of(values, predictions.weight) for name, values in quantities.items()}

    def rates_at(at: np.ndarray) -> dict[str, CrossingRates]:
        return {name: crossing_rates(ranking, at, colliding_bunches) for name, ranking in rankings.items()}

    return ZeroBiasResult(
        colliding_bunches,
        count(predictions),
        n_saturated,
        rates_at(binning.spectrum),
        {
            name: rate_ratios(quantities[name], quantities[BASELINE], binning.spectrum)
            for name in (CORRECTED, REFERENCE)
        },
        {name: crossing_thresholds(ranking, FIXED_RATES, colliding_bunches) for name, ranking in rankings.items()},
        rates_at(np.asarray(thresholds, np.float64)),
    )
