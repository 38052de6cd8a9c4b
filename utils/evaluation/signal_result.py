"""Effect of the corrections on a signal, at fixed background."""

from dataclasses import dataclass

import numpy as np

from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.binning import Binning
from utils.evaluation.bootstrap import Estimate, named_rng
from utils.evaluation.efficiency_gains import EfficiencyGains, PartReplicas, efficiency_gains, signal_efficiencies
from utils.evaluation.gains_in_bins import GainsInBins, gains_in_bins
from utils.evaluation.histograms import bin_index
from utils.evaluation.ranking import Ranking, Rankings
from utils.evaluation.roc import Roc, roc_area_gain, roc_curve
from utils.evaluation.turn_on import TurnOn, TurnOnGain, turn_on_curves, turn_on_gains
from utils.predictions import BASELINE, TRUE, WITH_JET, WITHOUT_JET, Predictions

LOWEST_BACKGROUND, N_ROC_POINTS = 1e-4, 400
ALL = "all"


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
    in_bins : dict of str to GainsInBins
        Efficiencies and gains at the working points in bins of the true variable: of all events, and of those with and
        without a jet at L1.
    turn_on : dict of str to list of TurnOn
        Turn-on curves of all quantities, at the thresholds of each working point.
    turn_on_gain : dict of str to list of TurnOnGain
        Gains of the models over the baseline, at each working point.
    """

    roc: dict[str, Roc]
    area_gain: dict[str, Estimate[float]]
    gains: EfficiencyGains
    in_bins: dict[str, GainsInBins]
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
    kinds = _Kinds(binning.efficiency)
    efficiencies, found = signal_efficiencies(
        scores, weight, background.threshold_replicas, named_rng(seed, name), kinds.of(signal), kinds.parts
    )
    by_jet, in_bins = kinds.split(found)
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
        gains=efficiency_gains(background_efficiencies, replicas, efficiencies, BASELINE, TRUE, by_jet),
        in_bins={
            part: gains_in_bins(binning.efficiency, replicas, [of.inside for of in bins], BASELINE, signal.corrections)
            for part, bins in in_bins.items()
        },
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


class _Kinds:
    """Kinds of events, by bin of the true variable and by whether there is a jet at L1, and the parts made of them."""

    def __init__(self, edges: np.ndarray):
        self._edges = edges
        bins, with_jet = np.divmod(np.arange(2 * len(edges)), 2)  # the last bin is outside the edges
        self._jets = {ALL: np.ones(len(bins), bool), WITH_JET: with_jet == 1, WITHOUT_JET: with_jet == 0}
        self._bins = [bins == i for i in range(len(edges) - 1)]

    def of(self, events: Predictions) -> np.ndarray:
        """Return the kind of each event."""
        kinds = bin_index(events.true, self._edges)
        kinds *= 2
        kinds += events.parts[WITH_JET]
        return kinds

    @property
    def parts(self) -> np.ndarray:
        """Kinds of the events with and without a jet, then of each bin of all, with and without a jet."""
        in_bins = [in_bin & jets for jets in self._jets.values() for in_bin in self._bins]
        return np.stack([self._jets[WITH_JET], self._jets[WITHOUT_JET], *in_bins])

    def split(self, found: list[PartReplicas]) -> tuple[list[PartReplicas], dict[str, list[PartReplicas]]]:
        """Split results for `parts` into those with and without a jet, and those in bins."""
        in_bins, n_bins = found[2:], len(self._bins)
        return found[:2], {name: in_bins[i * n_bins : (i + 1) * n_bins] for i, name in enumerate(self._jets)}
