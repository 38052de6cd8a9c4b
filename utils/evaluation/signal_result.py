"""Effect of the corrections on a signal, at fixed background."""

from dataclasses import dataclass

import numpy as np

from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.binning import Binning
from utils.evaluation.bootstrap import Estimate, named_rng
from utils.evaluation.efficiency_gains import EfficiencyGains, efficiency_gains, signal_efficiencies
from utils.evaluation.ranking import Ranking, Rankings
from utils.evaluation.roc import Roc, roc_area_gain, roc_curve
from utils.evaluation.turn_on import TurnOn, TurnOnGain, turn_on_curves, turn_on_gains
from utils.predictions import BASELINE, TRUE, WITHOUT_JET, Predictions

LOWEST_BACKGROUND, N_ROC_POINTS = 1e-4, 400


@dataclass(frozen=True)
class SignalResult:
    """Effect of the corrections on a signal, at fixed background.

    Attributes
    ----------
    roc : dict of str to Roc
        ROC curves of all quantities, at points of equal distance on a logarithmic axis.
    area_gain : dict of str to Estimate
        Area under the curve of each model minus the area of the baseline.
    gains : EfficiencyGains
        Gains at the working points; the parts are the events with and without a jet at L1.
    turn_on : dict of str to list of TurnOn
        Turn-on curves of all quantities, at the thresholds of each working point.
    turn_on_gain : dict of str to list of TurnOnGain
        Gains of the models over the baseline, at each working point.
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
        Name of the signal, for its random numbers.
    """
    scores, weight = signal.scores, signal.weight
    efficiencies, parts = signal_efficiencies(
        scores, weight, background.threshold_replicas, named_rng(seed, name), signal.parts[WITHOUT_JET]
    )
    background_efficiencies = np.array([point.background_efficiency for point in background.working_points])
    replicas = background.known_thresholds
    thresholds = {quantity: values[0] for quantity, values in replicas.items()}
    rankings = Rankings(scores, weight)

    def pair(quantity: str) -> tuple[Ranking, Ranking]:
        return rankings[quantity], background.rankings[quantity]

    shown = np.geomspace(LOWEST_BACKGROUND, 1, N_ROC_POINTS)
    return SignalResult(
        roc={quantity: roc_curve(*pair(quantity), shown) for quantity in scores},
        area_gain={model: roc_area_gain(pair(BASELINE), pair(model)) for model in signal.corrections},
        gains=efficiency_gains(background_efficiencies, replicas, efficiencies, BASELINE, TRUE, parts),
        turn_on=turn_on_curves(signal.true, scores, weight, thresholds, binning.turn_on, seed),
        turn_on_gain=turn_on_gains(
            signal.true,
            signal.measured,
            weight,
            {quantity: thresholds[quantity] for quantity in signal.measured},
            binning.turn_on,
            BASELINE,
            seed,
        ),
    )
