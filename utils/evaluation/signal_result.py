"""Effect of the corrections on a signal, at fixed background."""

from dataclasses import dataclass

import numpy as np

from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.binning import Binning
from utils.evaluation.bootstrap import Estimate, named_rng
from utils.evaluation.efficiency_gains import EfficiencyGains, efficiency_gains, signal_efficiencies
from utils.evaluation.ranking import Ranking
from utils.evaluation.roc import Roc, roc_area_gain, roc_curve
from utils.evaluation.turn_on import TurnOn, TurnOnGain, turn_on_curves, turn_on_gains
from utils.predictions import BASELINE, TRUE, WITHOUT_JET, Predictions

LOWEST_BACKGROUND, N_ROC_POINTS = 1e-4, 400


@dataclass(frozen=True)
class SignalResult:
    """What the corrections do for a signal against the background.

    Attributes
    ----------
    roc : dict of str to Roc
        Of all quantities, at points at equal distances on a logarithmic axis.
    area_gain : dict of str to Estimate
        Areas under the curves of the models less that of the baseline.
    gains : EfficiencyGains
        Its parts are the events with and those without a jet at L1.
    turn_on : dict of str to list of TurnOn
        Of all quantities, at the thresholds of each working point: at equal rate.
    turn_on_gain : dict of str to list of TurnOnGain
        Of the models over the baseline, at each working point.
    """

    roc: dict[str, Roc]
    area_gain: dict[str, Estimate[float]]
    gains: EfficiencyGains
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
        scores, signal.weight, background.threshold_replicas, named_rng(seed, name), signal.parts[WITHOUT_JET]
    )
    background_efficiencies = np.array([point.background_efficiency for point in background.working_points])
    at_points = {quantity: rows[0] for quantity, rows in thresholds.items()}
    samples = {
        quantity: (Ranking.of(values, signal.weight), background.rankings[quantity])
        for quantity, values in scores.items()
    }
    return SignalResult(
        {quantity: roc_curve(*of_quantity, shown) for quantity, of_quantity in samples.items()},
        {model: roc_area_gain(samples[BASELINE], samples[model]) for model in signal.corrections},
        efficiency_gains(background_efficiencies, thresholds, efficiencies, BASELINE, TRUE, parts),
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
