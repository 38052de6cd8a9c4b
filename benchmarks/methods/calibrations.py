"""Calibrations without machine learning: of the sum by itself, and of each jet."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.methods.training import Baseline, Training, event_sum
from utils.data_processing import GraphCreator
from utils.evaluation.bootstrap import divide
from utils.event_layout import ETA, JETS, PHI, PID_JET, PT
from utils.formats.l1_files import ROWS_A_CHUNK
from utils.l1_events import L1Events
from utils.training.calibration import weighted_median

SUM_BINS = 40
ETA_EDGES = np.array([0, 0.5, 1, 1.5, 2, 2.5, 3, np.inf])
PT_EDGES = np.array([0, 25, 30, 40, 60, 100, 200, np.inf])  # GeV
MATCHING_DISTANCE = 0.4
LEAST_JETS = 50  # of a bin with a factor of its own


def uncorrected(training: Training) -> Baseline:
    """Leave the sums of L1 uncorrected."""
    return Baseline(training.creator, lambda features: np.ones(len(features), np.float32))


def calibration(training: Training) -> Baseline:
    """Correct L1's MET or HT by itself: mean true over mean L1 value in bins of equal numbers of events."""
    graphs = training.all_graphs()
    reco, true = event_sum(graphs.padded(), training.creator), graphs.labels[:, 1]
    edges = np.quantile(reco, np.linspace(0, 1, SUM_BINS + 1))
    bins = np.clip(np.searchsorted(edges, reco, side="right") - 1, 0, SUM_BINS - 1)
    sums, sums_true, sums_reco = (
        np.bincount(bins, graphs.weights * values, SUM_BINS) for values in (np.ones(len(reco)), true, reco)
    )
    centres, factor = sums_reco / sums, sums_true / sums_reco

    def predict(features: np.ndarray) -> np.ndarray:
        return np.interp(event_sum(features, training.creator), centres, factor).astype(np.float32)

    return Baseline(training.creator, predict)


@dataclass(frozen=True)
class JetFactors:
    """Factors on the pT of L1 jets.

    Attributes
    ----------
    factors : np.ndarray, shape (n_eta_bins, n_pt_bins)
        In bins of |eta| and pT at L1.
    """

    factors: np.ndarray

    @classmethod
    def median_response(
        cls, pt: np.ndarray, eta: np.ndarray, response: np.ndarray, weights: np.ndarray
    ) -> "JetFactors":
        """Return the factors that make the median of true over L1 pT 1 in each bin.

        A bin of too few jets has the factor of all pT at its |eta|.

        Parameters
        ----------
        pt, eta : np.ndarray, shape (n_jets,)
            At L1.
        response : np.ndarray, shape (n_jets,)
            True over L1 pT.
        weights : np.ndarray, shape (n_jets,)
        """
        factors = np.ones((len(ETA_EDGES) - 1, len(PT_EDGES) - 1))
        eta_bin, pt_bin = _bins(pt, eta)
        for i, j in itertools.product(*map(range, factors.shape)):
            at_eta = eta_bin == i
            in_bin = at_eta & (pt_bin == j)
            chosen = in_bin if in_bin.sum() >= LEAST_JETS else at_eta
            if chosen.sum() >= LEAST_JETS:
                factors[i, j] = weighted_median(response[chosen], weights[chosen])
        return cls(factors)

    @classmethod
    def of_events(cls, chunks: Iterable[L1Events]) -> "JetFactors":
        """Return the factors of the jets of events, with the weights of the physical spectrum."""
        return cls.median_response(*map(np.concatenate, zip(*map(matched_jets, chunks), strict=True)))

    def __call__(self, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the factor of each jet."""
        return self.factors[_bins(pt, eta)]

    def correction(self, features: np.ndarray, creator: GraphCreator) -> np.ndarray:
        """Return the sum of the calibrated objects over the L1 sum, from plain features; only jets are calibrated."""
        pt, phi = features[:, :, PT].astype(np.float64), features[:, :, PHI]
        is_jet = features[:, :, -1] == PID_JET if "pid" in creator.feature_names else pt > 0
        pt = pt * np.where(is_jet, self(pt, features[:, :, ETA]), 1)
        if creator.variable == "true_ht":
            total = pt.sum(1)
        else:
            total = np.hypot((pt * np.cos(phi)).sum(1), (pt * np.sin(phi)).sum(1))
        return divide(total, event_sum(features, creator), 1).astype(np.float32)


def eta_calibration(training: Training) -> Baseline:
    """Calibrate each jet in bins of |eta| and pT, as CMS does, and compute MET or HT of the calibrated objects."""
    factors, creator = JetFactors.of_events(training.data.chunks(ROWS_A_CHUNK)), training.creator
    return Baseline(creator, lambda features: factors.correction(features, creator))


def matched_jets(events: L1Events) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return pT and eta of the L1 jets with a true jet nearby, true over L1 pT, and the weight of the event."""
    assert events.true_data is not None
    l1, true = events.smeared_data[:, JETS], events.true_data[:, JETS]
    d_eta, d_phi = (l1[:, :, None, i] - true[:, None, :, i] for i in (ETA, PHI))
    distance = np.hypot(d_eta, np.angle(np.exp(1j * d_phi)))
    distance = np.where(true[:, None, :, PT] > 0, distance, np.inf)
    nearest, true_pt = distance.argmin(2), true[:, :, PT]
    matched = (l1[:, :, PT] > 0) & (distance.min(2) < MATCHING_DISTANCE)
    event, _ = np.nonzero(matched)
    pt = l1[:, :, PT][matched]
    response = np.take_along_axis(true_pt, nearest, 1)[matched] / pt
    return pt, l1[:, :, ETA][matched], response, events.weights[event]


def _bins(pt: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins of |eta| and of pT of jets."""
    eta_bin, pt_bin = (
        np.searchsorted(edges[1:-1], values, side="right")
        for edges, values in ((ETA_EDGES, np.abs(eta)), (PT_EDGES, pt))
    )
    return eta_bin, pt_bin
