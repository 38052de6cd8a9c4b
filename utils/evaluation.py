"""What a correction does to the events of each process, and to a trigger: from predictions to frozen results."""

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from utils.cli import UserError
from utils.data_processing import GraphCreator, L1Events, jet_count, reconstructed
from utils.performance import (
    BinnedResponse,
    CoreFit,
    Histogram,
    Histogram2D,
    Rates,
    Roc,
    TurnOn,
    WorkingPoints,
    background_thresholds,
    binned_response,
    fit_core,
    histogram,
    histogram_2d,
    rates,
    roc_curve,
    signal_efficiencies,
    turn_on_curve,
    working_points,
)

BASELINE, CORRECTED, TRUE = "baseline", "corrected", "true"
LOWEST_BACKGROUND = 1e-4


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
        """Join parts in their order."""
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

    Parameters
    ----------
    chunks : iterable of L1Events
    process_ids : collection of int
    creator : GraphCreator
    predict : callable
        Takes features of shape (n_graphs, n_nodes, n_features), gives corrections of shape (n_graphs,).
    """
    wanted = list(process_ids)
    return Predictions.concatenate(
        [_predict_chunk(events[np.isin(events.ids, wanted)], creator, predict) for events in chunks]
    )


def _predict_chunk(events: L1Events, creator: GraphCreator, predict: Callable[[np.ndarray], np.ndarray]) -> Predictions:
    """Predict the correction of all events given."""
    reco, jets = getattr(events, reconstructed(creator.variable)), jet_count(events.smeared_data)
    correction = np.ones(len(events), np.float32)
    predicted = (jets > 0) & (reco > 0)
    if predicted.any():
        correction[predicted] = predict(creator(events[predicted]).features)
    if not np.isfinite(correction).all():
        raise UserError(f"the model predicts no finite number for {np.sum(~np.isfinite(correction))} events")
    return Predictions(
        getattr(events, creator.variable), reco, correction, events.weights, events.ids, jets.astype(np.int8)
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
    predicted = predictions[predictions.predicted]
    target = predicted.true / predicted.reco
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
        target=histogram(target, predicted.weight, binning.ratio),
        prediction=histogram(predicted.correction, predicted.weight, binning.ratio),
        target_prediction=histogram_2d(target, predicted.correction, predicted.weight, binning.ratio, binning.ratio),
        spectra={quantity: histogram(values, weight, binning.spectrum) for quantity, values in scores.items()},
        response={quantity: Response(content, fit_core(content)) for quantity, content in histograms.items()},
        resolution={
            quantity: binned_response(true, response, weight, binning.resolution, _rng(seed, name))
            for quantity, response in responses.items()
        },
        turn_on={
            quantity: [
                turn_on_curve(true, scores[quantity], weight, threshold, binning.turn_on) for threshold in thresholds
            ]
            for quantity in responses
        },
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
    """

    rates: dict[str, Rates]
    at_working_points: dict[str, Rates]
    threshold_rows: dict[str, np.ndarray]


def evaluate_background(
    predictions: Predictions,
    binning: Binning,
    background_efficiencies: Sequence[float],
    luminosity: float | None,
    seed: int,
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
    """
    scores, weight = predictions.scores, predictions.weight
    luminosity = np.nan if luminosity is None else luminosity
    rows = background_thresholds(scores, weight, np.asarray(background_efficiencies), _rng(seed, "background"))
    return BackgroundResult(
        {name: rates(values, weight, binning.spectrum, luminosity) for name, values in scores.items()},
        {name: rates(values, weight, rows[name][0], luminosity) for name, values in scores.items()},
        rows,
    )


@dataclass(frozen=True)
class SignalResult:
    """What the correction does for a signal against the background.

    Attributes
    ----------
    roc : dict of str to Roc
        Of the baseline, corrected and true quantity, thinned for drawing; the areas are those of all points.
    working_points : WorkingPoints
    turn_on : dict of str to list of TurnOn
        Of the baseline, corrected and true quantity, at the thresholds of each background efficiency: at equal rate.
    """

    roc: dict[str, Roc]
    working_points: WorkingPoints
    turn_on: dict[str, list[TurnOn]]


def evaluate_signal(
    signal: Predictions,
    background: Predictions,
    binning: Binning,
    background_efficiencies: Sequence[float],
    thresholds: dict[str, np.ndarray],
    seed: int,
    name: str,
) -> SignalResult:
    """Compare a signal with the background.

    Parameters
    ----------
    signal, background : Predictions
    binning : Binning
    background_efficiencies : sequence of float
    thresholds : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        ``BackgroundResult.threshold_rows``.
    seed : int
    name : str
        Of the signal.
    """
    scores, background_scores = signal.scores, background.scores
    roc = {
        quantity: roc_curve(values, signal.weight, background_scores[quantity], background.weight)
        for quantity, values in scores.items()
    }
    efficiencies = signal_efficiencies(scores, signal.weight, thresholds, _rng(seed, name))
    return SignalResult(
        {quantity: curve.thinned(LOWEST_BACKGROUND) for quantity, curve in roc.items()},
        working_points(np.asarray(background_efficiencies), thresholds, efficiencies, BASELINE, CORRECTED, TRUE),
        {
            quantity: [
                turn_on_curve(signal.true, values, signal.weight, threshold, binning.turn_on)
                for threshold in thresholds[quantity][0]
            ]
            for quantity, values in scores.items()
        },
    )
