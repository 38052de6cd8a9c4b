"""Effect of the corrections on the events of one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from utils.evaluation.binning import JET_MULTIPLICITY, Binning
from utils.evaluation.bootstrap import named_rng
from utils.evaluation.histograms import Histogram, Histogram2D, histogram, histogram_2d
from utils.evaluation.response import BinnedResponse, CoreFit, binned_response, fit_core
from utils.evaluation.turn_on import TurnOn, turn_on_curves
from utils.predictions import TRUE, Counts, Predictions, count


@dataclass(frozen=True)
class Response:
    """Distribution of a quantity divided by its true value, and the Gaussian through its core."""

    histogram: Histogram
    core: CoreFit


@dataclass(frozen=True)
class ProcessResult:
    """Effect of the corrections on the events of one process.

    Attributes
    ----------
    counts : Counts
    target : Histogram
        Distribution of true/reco, of the events with a prediction.
    prediction : dict of str to Histogram
        Distribution of the corrections of each model, of the same events.
    target_prediction : dict of str to Histogram2D
        Joint distribution of target and correction for each model, of the same events.
    correction_in_reco, correction_in_jets : dict of str to BinnedResponse
        Median and width of the target (under the name of the true value) and of the corrections, in bins of the L1 sum
        and of the number of L1 jets, of the same events.
    spectra : dict of str to Histogram
        Spectra of all quantities.
    response : dict of str to Response
        Response of the trigger quantities, for true values above ``Binning.response_above``.
    response_slices : dict of str to list of Histogram
        Response of the trigger quantities, in each slice of the true value of ``Binning.slices``.
    resolution, inverse_resolution : dict of str to BinnedResponse
        Median and width of the response of the trigger quantities, and of true over measured value, in bins of the true
        variable. Events with a measured value of 0 have no inverse.
    direction : BinnedResponse or None
        Median and width of the angle from the true MET vector to that of L1, in radians, in bins of the true variable;
        no correction changes it. None for a variable without a direction.
    turn_on : dict of str to list of TurnOn
        Turn-on curves of the trigger quantities, at each threshold.
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
    inverse_resolution: dict[str, BinnedResponse]
    direction: BinnedResponse | None
    turn_on: dict[str, list[TurnOn]]


def evaluate_process(
    predictions: Predictions, binning: Binning, thresholds: Sequence[float], seed: int, name: str
) -> ProcessResult:
    """Evaluate the corrections on the events of one process.

    Parameters
    ----------
    predictions : Predictions
    binning : Binning
    thresholds : sequence of float
        Thresholds of the turn-on curves, in GeV.
    seed : int
    name : str
        Name of the process, for its random numbers.
    """
    return ProcessResult(
        counts=count(predictions),
        spectra={
            quantity: histogram(values, predictions.weight, binning.spectrum)
            for quantity, values in predictions.scores.items()
        },
        turn_on=turn_on_curves(
            predictions.true,
            predictions.measured,
            predictions.weight,
            dict.fromkeys(predictions.measured, thresholds),
            binning.turn_on,
            seed,
        ),
        **_corrections(predictions[predictions.predicted], binning, seed, name),
        **_responses(predictions, binning, seed, name),
    )


def _corrections(predicted: Predictions, binning: Binning, seed: int, name: str) -> dict[str, Any]:
    """Evaluate the estimates of true/reco of events with a prediction, beside true/reco itself."""
    target, corrections, weight = predicted.true / predicted.reco, predicted.estimates, predicted.weight

    def corrections_in(values: np.ndarray, edges: np.ndarray) -> dict[str, BinnedResponse]:
        return {
            quantity: binned_response(values, correction, weight, edges, named_rng(seed, name))
            for quantity, correction in {TRUE: target, **corrections}.items()
        }

    return {
        "target": histogram(target, weight, binning.ratio),
        "prediction": {
            model: histogram(correction, weight, binning.ratio) for model, correction in corrections.items()
        },
        "target_prediction": {
            model: histogram_2d(target, correction, weight, binning.ratio, binning.ratio)
            for model, correction in corrections.items()
        },
        "correction_in_reco": corrections_in(predicted.reco, binning.resolution),
        "correction_in_jets": corrections_in(predicted.jets, JET_MULTIPLICITY),
    }


def _responses(predictions: Predictions, binning: Binning, seed: int, name: str) -> dict[str, Any]:
    """Evaluate the trigger quantities relative to the true value."""
    true, weight, angle = predictions.true, predictions.weight, predictions.angle
    responses = {quantity: _ratio(values, true) for quantity, values in predictions.measured.items()}

    def in_true_bins(values: np.ndarray) -> BinnedResponse:
        return binned_response(true, values, weight, binning.resolution, named_rng(seed, name))

    def response_between(low: float, high: float, edges: np.ndarray) -> dict[str, Histogram]:
        shown = (true > low) & (true <= high)
        return {quantity: histogram(response[shown], weight[shown], edges) for quantity, response in responses.items()}

    slices = [response_between(low, high, binning.ratio[::2]) for low, high in pairwise(binning.slices)]
    return {
        "response": {
            quantity: Response(content, fit_core(content))
            for quantity, content in response_between(binning.response_above, np.inf, binning.ratio).items()
        },
        "response_slices": {quantity: [contents[quantity] for contents in slices] for quantity in responses},
        "resolution": {quantity: in_true_bins(response) for quantity, response in responses.items()},
        "inverse_resolution": {
            quantity: in_true_bins(_ratio(true, values)) for quantity, values in predictions.measured.items()
        },
        "direction": None if angle is None else in_true_bins(angle.astype(np.float32)),
    }


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the ratio of two quantities; NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
