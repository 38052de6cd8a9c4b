"""Scalings of a signal and the rates of the background on its offline scale."""

from collections.abc import Sequence
from dataclasses import dataclass

from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.binning import REACHED_EFFICIENCIES, Binning
from utils.evaluation.bootstrap import named_rng
from utils.evaluation.offline_rates import OfflineRates, offline_rates
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.scaling import Scaling, scalings
from utils.predictions import Predictions


@dataclass(frozen=True)
class ScalingResult:
    """Scalings of a signal and the rates of the background on its offline scale.

    Attributes
    ----------
    scaling : dict of str to list of Scaling
        By trigger quantity, for efficiencies of 50, 90 and 95%.
    rates : OfflineRates
        At the chosen efficiency.
    """

    scaling: dict[str, list[Scaling]]
    rates: OfflineRates


def evaluate_scaling(
    signal: Predictions,
    background_events: Predictions,
    background: BackgroundResult,
    run_conditions: RunConditions | None,
    binning: Binning,
    thresholds: Sequence[float],
    efficiency: float,
    seed: int,
    name: str,
) -> ScalingResult:
    """Find the online-to-offline scaling of a signal, and the rates of the background against its offline threshold.

    Parameters
    ----------
    signal, background_events : Predictions
    background : BackgroundResult
        Of `background_events`, with their rankings.
    run_conditions : RunConditions or None
        None for a background without weights.
    binning : Binning
    thresholds : sequence of float
        Online thresholds of the points of the scaling, in GeV.
    efficiency : float
        Efficiency of the signal that defines the offline threshold of the rates: 0.5, 0.9 or 0.95.
    seed : int
    name : str
        Name of the signal, for its random numbers.
    """
    found = scalings(
        signal.true, signal.measured, signal.weight, thresholds, binning.turn_on, named_rng(seed, f"scaling {name}")
    )
    level = REACHED_EFFICIENCIES.index(efficiency)
    chosen = {quantity: lines[level] for quantity, lines in found.items()}
    return ScalingResult(found, offline_rates(background_events, background, chosen, binning.spectrum, run_conditions))
