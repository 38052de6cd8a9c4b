"""Bins and thresholds of the evaluation, for each variable."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Binning:
    """Bins and thresholds of a variable, in GeV; ratios have no unit.

    Attributes
    ----------
    spectrum, turn_on, resolution, efficiency : np.ndarray
        Edges of spectra, of turn-on curves, of the resolution, and of the efficiencies at equal rate; the last three in
        bins of the true variable.
    ratio : np.ndarray
        Edges of responses and corrections.
    slices : np.ndarray
        Edges of the slices of the true variable, for the response in slices.
    inclusive_thresholds : tuple of float
        Default thresholds of the turn-on curves.
    scaling_thresholds : tuple of float
        Default thresholds of the online-to-offline scaling.
    response_above : float
        Lowest true value of the events in the response.
    """

    spectrum: np.ndarray
    turn_on: np.ndarray
    resolution: np.ndarray
    efficiency: np.ndarray
    ratio: np.ndarray
    slices: np.ndarray
    inclusive_thresholds: tuple[float, ...]
    scaling_thresholds: tuple[float, ...]
    response_above: float


def _edges(*steps: tuple[float, float, float]) -> np.ndarray:
    """Join ranges (start, stop, step) into edges; each range begins where the one before ends."""
    return np.unique(np.concatenate([np.arange(start, stop + step / 2, step) for start, stop, step in steps]))


_MET = Binning(
    spectrum=_edges((0, 300, 5)),
    turn_on=_edges((0, 200, 10), (200, 300, 20)),
    resolution=_edges((0, 120, 10), (120, 200, 20), (200, 300, 50)),
    efficiency=np.array([0.0, 20, 50, 80, 120, 200, 300]),
    ratio=_edges((0, 3, 0.05)),
    slices=np.array([20.0, 40.0, 60.0, 100.0, 200.0]),
    inclusive_thresholds=(100, 120, 150),
    scaling_thresholds=tuple(range(40, 161, 10)),
    response_above=40,
)
_HT = Binning(
    spectrum=_edges((0, 1000, 20)),
    turn_on=_edges((0, 600, 25), (600, 1000, 50)),
    resolution=_edges((0, 400, 40), (400, 1000, 100)),
    efficiency=np.array([0.0, 100, 200, 320, 450, 600, 1000]),
    ratio=_edges((0, 3, 0.05)),
    slices=np.array([50.0, 100.0, 200.0, 320.0, 600.0]),
    inclusive_thresholds=(200, 320, 450),
    scaling_thresholds=tuple(range(100, 501, 50)),
    response_above=100,
)
REACHED_EFFICIENCIES = (0.5, 0.9, 0.95)  # of turn-on curves and scalings
BINNINGS = {"true_met": _MET, "original_met": _MET, "true_ht": _HT}
JET_MULTIPLICITY = np.arange(1, 12) - 0.5  # edges of bins of 1 to 10 jets; events without a jet are uncorrected
