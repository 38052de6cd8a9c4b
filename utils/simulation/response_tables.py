"""Tables of the L1 response: the inverse response and the resolution of jets."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.runtime.compiled import inlined
from utils.runtime.errors import UserError
from utils.runtime.text_files import read_text

PT_RANGE = 1e-2, 1e5  # GeV
FACTOR_RANGE = 1e-4, 1e4  # of factors and resolutions


@dataclass(frozen=True)
class InverseResponse:
    """Factor on the true pT of a jet, in bins of absolute eta, linear in log(pT) between the columns of the table.

    Attributes
    ----------
    eta_edges : np.ndarray, shape (n_eta + 1,)
        Contiguous bins of absolute eta; a jet beyond the last edge belongs to the last bin.
    pt : np.ndarray, shape (n_pt,)
        pT values of the table in GeV; the factor is constant beyond them.
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
        low, high = table["abs_eta_min"], table["abs_eta_max"]
        if len(pt) == 0 or (pt <= 0).any() or (np.diff(pt) <= 0).any():
            raise UserError(f"{path}: expected columns pt_VALUE with rising values above 0, found {columns}")
        if (high <= low).any() or (low[1:] != high[:-1]).any():
            raise UserError(f"{path}: expected contiguous rising bins of absolute eta")
        factor = np.stack([table[name] for name in columns], axis=1)
        if (factor <= 0).any():
            raise UserError(f"{path}: expected factors above 0")
        _refuse_beyond(path, "pt", pt, PT_RANGE)
        _refuse_beyond(path, "factor", factor, FACTOR_RANGE)
        return cls(np.append(low, high[-1]), pt, factor)

    def __call__(self, pt: np.ndarray, abs_eta: np.ndarray) -> np.ndarray:
        """Return the factor for jets of true pT [GeV] and absolute eta, arrays of one shape."""
        jet_factors = np.vectorize(interpolated_factor, excluded=(0, 1, 2), otypes=[float])
        return jet_factors(self.eta_edges, np.log(self.pt), self.factor, pt, abs_eta)


@inlined
def interpolated_factor(
    eta_edges: np.ndarray, table_log_pt: np.ndarray, factors: np.ndarray, pt: float, abs_eta: float
) -> float:
    """Return the factor of one jet."""
    eta_bin, above, log_pt = 0, 0, np.log(pt)
    while eta_bin < len(factors) - 1 and eta_edges[eta_bin + 1] <= abs_eta:
        eta_bin += 1
    while above < len(table_log_pt) and table_log_pt[above] <= log_pt:
        above += 1
    if above in (0, len(table_log_pt)):
        return factors[eta_bin, max(above - 1, 0)]
    share = (log_pt - table_log_pt[above - 1]) / (table_log_pt[above] - table_log_pt[above - 1])
    return factors[eta_bin, above - 1] + share * (factors[eta_bin, above] - factors[eta_bin, above - 1])


@dataclass(frozen=True)
class JetResolution:
    """Relative resolution of the jet pT: sqrt(a/pT^2 + b/pT + c), its noise, stochastic and constant terms.

    Attributes
    ----------
    a, b, c : float
        In GeV^2, in GeV and without unit; none is negative.
    points : np.ndarray, shape (n, 2)
        Fitted points: pT [GeV] and resolution.
    """

    a: float
    b: float
    c: float
    points: np.ndarray

    @classmethod
    def fit(cls, pt: np.ndarray, resolution: np.ndarray) -> "JetResolution":
        """Fit by non-negative least squares: the relative deviation of the variance is linear in a, b and c."""
        terms = np.stack([pt**-2.0, 1 / pt, np.ones_like(pt)], axis=1) / resolution[:, None] ** 2
        a, b, c = np.linalg.lstsq(terms, np.ones_like(pt))[0]
        if min(a, b, c) < 0:
            from scipy.optimize import nnls  # takes half a second, and most tables do not need it

            a, b, c = nnls(terms, np.ones_like(pt))[0]
        return cls(a, b, c, np.stack([pt, resolution], axis=1))

    @classmethod
    def read(cls, path: str | Path) -> "JetResolution":
        """Fit the points of a table with columns pt and resolution."""
        columns = ("pt", "resolution")
        table = _read_table(path, columns)
        pt, resolution = (table[name] for name in columns)
        if len(pt) < 3 or (pt <= 0).any() or (resolution <= 0).any():
            raise UserError(f"{path}: expected at least 3 points with pt and resolution above 0")
        _refuse_beyond(path, "pt", pt, PT_RANGE)
        _refuse_beyond(path, "resolution", resolution, FACTOR_RANGE)
        return cls.fit(pt, resolution)

    def __call__(self, pt: np.ndarray) -> np.ndarray:
        """Return the relative resolution at a pT in GeV."""
        return relative_resolution(self.a, self.b, self.c, np.asarray(pt, float))


@inlined
def relative_resolution(a: float, b: float, c: float, pt: np.ndarray | float) -> np.ndarray | float:
    """Return sqrt(a/pT^2 + b/pT + c)."""
    return np.sqrt(a / pt**2 + b / pt + c)


def _refuse_beyond(path: str | Path, name: str, values: np.ndarray, bounds: tuple[float, float]) -> None:
    """Refuse numbers so large or small that a sum overflows or the least-squares fit does not converge."""
    low, high = bounds
    if not ((values >= low) & (values <= high)).all():
        raise UserError(
            f"{path}: {name}: expected from {low:g} to {high:g}, found {values.min():g} to {values.max():g}"
        )


def _read_table(path: str | Path, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read the columns of a CSV file of finite numbers, including the required ones."""
    try:
        text = io.StringIO(read_text(path, "utf-8-sig"), newline="")
        names, *rows = (row for row in csv.reader(text, strict=True) if row)
        if not rows:
            raise UserError(f"{path}: expected at least one row")
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV table ({error})") from None
    missing = [name for name in required if name not in columns]
    if missing:
        raise UserError(f"{path}: column '{missing[0]}' is missing, found {', '.join(columns)}")
    return {name: _finite(path, name, values) for name, values in columns.items()}


def _finite(path: str | Path, name: str, values: Sequence[str]) -> np.ndarray:
    """Convert the values of a column to numbers."""
    try:
        numbers = np.array(values, float)
        if np.isfinite(numbers).all():
            return numbers
    except ValueError:
        pass
    raise UserError(f"{path}: column '{name}': expected finite numbers")
