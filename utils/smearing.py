"""The response of the Level-1 trigger: how offline-like objects become L1 objects."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from utils.cli import UserError
from utils.data_processing import EGAMMAS, ETA, JETS, MUONS, N_SLOTS, PT

TABLES = Path(__file__).parent / "l1_response"
CENTRAL_ETA = 3.2
NORMALS_PER_EVENT = N_SLOTS + 10


@dataclass(frozen=True)
class InverseResponse:
    """Factor on the true pT of a jet, in bins of absolute eta, linear in log(pT) between the table's columns.

    Attributes
    ----------
    eta_edges : np.ndarray, shape (n_eta + 1,)
        Contiguous bins of absolute eta; a jet beyond the last edge belongs to the last bin.
    pt : np.ndarray, shape (n_pt,)
        Where the factor is known, in GeV; it is constant outside.
    factor : np.ndarray, shape (n_eta, n_pt)
    """

    eta_edges: np.ndarray
    pt: np.ndarray
    factor: np.ndarray

    @classmethod
    def read(cls, path: str | Path) -> "InverseResponse":
        """Read a table with columns abs_eta_min, abs_eta_max and pt_VALUE for each pT in GeV."""
        table = _read_table(path, ("abs_eta_min", "abs_eta_max"))
        columns = [name for name in table if name.startswith("pt_")]
        try:
            pt = np.array([float(name.removeprefix("pt_")) for name in columns])
        except ValueError:
            raise UserError(f"{path}: expected columns pt_VALUE, found {', '.join(columns)}") from None
        low, high = table["abs_eta_min"].to_numpy(), table["abs_eta_max"].to_numpy()
        if len(pt) == 0 or (pt <= 0).any() or (np.diff(pt) <= 0).any():
            raise UserError(f"{path}: expected columns pt_VALUE with rising values above 0, found {columns}")
        if (high <= low).any() or (low[1:] != high[:-1]).any():
            raise UserError(f"{path}: expected contiguous rising bins of absolute eta")
        factor = table[columns].to_numpy()
        if (factor <= 0).any():
            raise UserError(f"{path}: expected factors above 0")
        return cls(np.append(low, high[-1]), pt, factor)

    def __call__(self, pt: np.ndarray, abs_eta: np.ndarray) -> np.ndarray:
        """Return the factor for jets of true pT [GeV] and absolute eta, arrays of one shape."""
        eta_bin = np.searchsorted(self.eta_edges[1:-1], abs_eta, side="right")
        if len(self.pt) == 1:
            return self.factor[eta_bin, 0]
        log_edges = np.log(self.pt)
        log_pt = np.log(np.clip(pt, self.pt[0], self.pt[-1]))
        pt_bin = np.searchsorted(log_edges[1:-1], log_pt, side="right")
        slope = np.diff(self.factor, axis=1) / np.diff(log_edges)
        return self.factor[eta_bin, pt_bin] + slope[eta_bin, pt_bin] * (log_pt - log_edges[pt_bin])


@dataclass(frozen=True)
class JetResolution:
    """Relative resolution of the jet pT: sqrt(a/pT^2 + b/pT + c), its noise, stochastic and constant terms.

    Attributes
    ----------
    a, b, c : float
        In GeV^2, GeV and without unit, none negative.
    points : np.ndarray, shape (n, 2)
        What it was fitted to: pT [GeV] and resolution.
    """

    a: float
    b: float
    c: float
    points: np.ndarray

    @classmethod
    def fit(cls, pt: np.ndarray, resolution: np.ndarray) -> "JetResolution":
        """Fit by non-negative least squares of the relative deviation of the variance, which is linear in a, b, c."""
        terms = np.stack([pt**-2.0, 1 / pt, np.ones_like(pt)], axis=1)
        (a, b, c), _ = nnls(terms / resolution[:, None] ** 2, np.ones_like(pt))
        return cls(a, b, c, np.stack([pt, resolution], axis=1))

    @classmethod
    def read(cls, path: str | Path) -> "JetResolution":
        """Fit the points of a table with columns pt and resolution."""
        table = _read_table(path, ("pt", "resolution"))
        if len(table) < 3 or (table[["pt", "resolution"]] <= 0).any(axis=None):
            raise UserError(f"{path}: expected at least 3 points with pt and resolution above 0")
        return cls.fit(table["pt"].to_numpy(float), table["resolution"].to_numpy(float))

    def __call__(self, pt: np.ndarray) -> np.ndarray:
        """Return the relative resolution at a pT in GeV."""
        return np.sqrt(self.a / pt**2 + self.b / pt + self.c)


def _read_table(path: str | Path, required: tuple[str, ...]) -> pd.DataFrame:
    """Read a CSV file of finite numbers that has the required columns."""
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a CSV table ({error})") from None
    missing = [name for name in required if name not in table]
    if missing:
        raise UserError(f"{path}: column '{missing[0]}' is missing, found {', '.join(map(str, table))}")
    for name in table:
        if table[name].dtype.kind not in "if" or not np.isfinite(table[name]).all():
            raise UserError(f"{path}: column '{name}': expected finite numbers")
    if table.empty:
        raise UserError(f"{path}: expected at least one row")
    return table


@dataclass(frozen=True)
class LeptonResponse:
    """Response of muons or e/g: the true pT is divided by it, within and beyond an absolute eta.

    Attributes
    ----------
    response : tuple of float
        Within and beyond `eta_edge`.
    eta_edge : float
    resolution : float
        Relative width of the smearing.
    threshold : float
        L1 threshold on the smeared pT in GeV; an object under it is dropped.
    """

    response: tuple[float, float]
    eta_edge: float
    resolution: float
    threshold: float

    def scale(self, abs_eta: np.ndarray) -> np.ndarray:
        """Return the factor on the true pT at an absolute eta."""
        inner, outer = self.response
        return np.where(abs_eta < self.eta_edge, 1 / inner, 1 / outer)


@dataclass(frozen=True)
class JetResponse:
    """Response of jets: inverse response from a table times a normal number, and a multiple of the jet resolution.

    Attributes
    ----------
    inverse_response : InverseResponse
    central, forward : JetResolution
        Below and from an absolute eta of 3.2.
    scale_mean, scale_width : float
        Mean and width of the normal number that multiplies the inverse response.
    resolution_factor : float
        How much worse L1 resolves a jet.
    threshold : float
        L1 threshold on the smeared pT in GeV; a jet under it is dropped.
    """

    inverse_response: InverseResponse
    central: JetResolution
    forward: JetResolution
    scale_mean: float
    scale_width: float
    resolution_factor: float
    threshold: float

    def resolution(self, pt: np.ndarray, abs_eta: np.ndarray) -> np.ndarray:
        """Return the relative L1 resolution at a true pT [GeV] and absolute eta."""
        return self.resolution_factor * np.where(abs_eta < CENTRAL_ETA, self.central(pt), self.forward(pt))


@dataclass(frozen=True)
class L1Response:
    """The response to all objects of an event."""

    muons: LeptonResponse
    egammas: LeptonResponse
    jets: JetResponse

    def smear(self, objects: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Turn true objects into L1 objects.

        Parameters
        ----------
        objects : np.ndarray, shape (n_events, 18, 3), float32
            True pT [GeV], eta, phi in the slots of an L1 regression file; empty where pT = 0.
        normals : np.ndarray, shape (n_events, 28), float32
            Standard normal numbers: one for the resolution of each slot, one more for the scale of each jet.

        Returns
        -------
        np.ndarray, shape (n_events, 18, 3), float32
            Objects above their L1 threshold, each kind in falling order of the smeared pT; zero where empty.
        """
        smeared = objects.copy()
        for slots, response in ((MUONS, self.muons), (EGAMMAS, self.egammas)):
            real, pt, abs_eta = _real_objects(objects[:, slots])
            smear = 1 + response.resolution * normals[:, slots][real]
            smeared[:, slots, PT][real] = pt * response.scale(abs_eta) * smear
        real, pt, abs_eta = _real_objects(objects[:, JETS])
        scale = self.jets.scale_mean + self.jets.scale_width * normals[:, N_SLOTS:][real]
        smear = 1 + self.jets.resolution(pt, abs_eta) * normals[:, JETS][real]
        smeared[:, JETS, PT][real] = pt * self.jets.inverse_response(pt, abs_eta) * scale * smear
        for slots, threshold in (
            (MUONS, self.muons.threshold),
            (EGAMMAS, self.egammas.threshold),
            (JETS, self.jets.threshold),
        ):
            smeared[:, slots] = _ordered(smeared[:, slots], threshold)
        return smeared


def _real_objects(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which slots are real, and the pT and absolute eta of those, in double precision."""
    real = objects[:, :, PT] > 0
    return real, objects[:, :, PT][real].astype(np.float64), np.abs(objects[:, :, ETA][real])


def _ordered(objects: np.ndarray, threshold: float) -> np.ndarray:
    """Drop objects that are not above 0 and at least at the threshold; put the others first, in falling order of pT."""
    pt = objects[:, :, PT]
    event, slot = np.nonzero((pt > 0) & (pt >= threshold))
    order = np.lexsort((-pt[event, slot], event))
    event, slot = event[order], slot[order]
    counts = np.bincount(event, minlength=len(objects))
    rank = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    ordered = np.zeros_like(objects)
    ordered[event, rank] = objects[event, slot]
    return ordered
