"""The response of the Level-1 trigger: how offline-like objects become L1 objects."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.event_layout import ETA, FIRST_EGAMMA, FIRST_JET, N_SLOTS, PHI, PT, copy_object
from utils.l1_events import event_ht, event_met
from utils.runtime.compiled import compiled, inlined
from utils.runtime.errors import UserError
from utils.runtime.random_streams import StreamAndKey, normal_pair
from utils.runtime.text_files import read_text

CENTRAL_ETA = 3.2
PT_RANGE = 1e-2, 1e5  # of the tables, in GeV
FACTOR_RANGE = 1e-4, 1e4  # of factors and resolutions
RESOLUTION, SCALE = 0, 1  # of the two normal numbers of an object


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
        of_a_jet = np.vectorize(_inverse_response, excluded=(0, 1, 2), otypes=[float])
        return of_a_jet(self.eta_edges, np.log(self.pt), self.factor, pt, abs_eta)


@inlined
def _inverse_response(
    eta_edges: np.ndarray, table_log_pt: np.ndarray, factors: np.ndarray, pt: float, abs_eta: float
) -> float:
    """Factor of one jet."""
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
        terms = np.stack([pt**-2.0, 1 / pt, np.ones_like(pt)], axis=1) / resolution[:, None] ** 2
        a, b, c = np.linalg.lstsq(terms, np.ones_like(pt))[0]
        if min(a, b, c) < 0:
            from scipy.optimize import nnls  # half a second, which most tables need not

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
        return _jet_resolution(self.a, self.b, self.c, np.asarray(pt, float))


@inlined
def _jet_resolution(a: float, b: float, c: float, pt: np.ndarray | float) -> np.ndarray | float:
    return np.sqrt(a / pt**2 + b / pt + c)


def _refuse_beyond(path: str | Path, name: str, values: np.ndarray, bounds: tuple[float, float]) -> None:
    """Refuse numbers with which sums overflow: the least squares of a fit then come to no end."""
    low, high = bounds
    if not ((values >= low) & (values <= high)).all():
        raise UserError(
            f"{path}: {name}: expected from {low:g} to {high:g}, found {values.min():g} to {values.max():g}"
        )


def _read_table(path: str | Path, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read the columns of a CSV file of finite numbers that has the required ones."""
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
    """Turn the values of a column into numbers."""
    try:
        numbers = np.array(values, float)
        if np.isfinite(numbers).all():
            return numbers
    except ValueError:
        pass
    raise UserError(f"{path}: column '{name}': expected finite numbers")


class LeptonResponse(NamedTuple):
    """Response of muons or e/g: the true pT is divided by it, within and beyond an absolute eta.

    Attributes
    ----------
    inner, outer : float
        Response within and beyond `eta_edge`.
    eta_edge : float
    resolution : float
        Relative width of the smearing.
    threshold : float
        L1 threshold on the smeared pT in GeV; an object under it is dropped.
    """

    inner: float
    outer: float
    eta_edge: float
    resolution: float
    threshold: float


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

    def numbers(self) -> "_JetNumbers":
        """Return what compiled code needs."""
        central, forward = ((float(fit.a), float(fit.b), float(fit.c)) for fit in (self.central, self.forward))
        table = self.inverse_response
        others = (self.scale_mean, self.scale_width, self.resolution_factor, self.threshold)
        return _JetNumbers(table.eta_edges, np.log(table.pt), table.factor, central, forward, *map(float, others))


class _JetNumbers(NamedTuple):
    eta_edges: np.ndarray
    table_log_pt: np.ndarray
    factors: np.ndarray
    central: tuple[float, float, float]
    forward: tuple[float, float, float]
    scale_mean: float
    scale_width: float
    resolution_factor: float
    threshold: float


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
        normals : np.ndarray, shape (n_events, 18, 2), float32
            Two standard normal numbers for each object: for its resolution, and for the scale of a jet.

        Returns
        -------
        np.ndarray, shape (n_events, 18, 3), float32
            Objects above their L1 threshold, each kind in falling order of the smeared pT; zero where empty.
        """
        return _smear(objects, normals, *self._numbers())

    def smear_events(
        self, particles: np.ndarray, order: np.ndarray, numbers: np.ndarray, stream: StreamAndKey
    ) -> tuple[np.ndarray, ...]:
        """Turn rows of an events file into true and L1 objects and their sums.

        These are `event_objects`, `normal_pairs`, :meth:`smear`, `met` and `ht` in one loop, to the bit, in two thirds
        of the time: arrays of what is between are neither written nor read.

        Parameters
        ----------
        particles : np.ndarray, shape (n_events, 19, 4), float32
        order : np.ndarray, shape (n_events,), int64
            In which order the events come.
        numbers : np.ndarray, shape (n_events,)
            Number of each event in its process, in that order.
        stream : tuple
            The random numbers: what `stream_and_key` returns.

        Returns
        -------
        tuple of np.ndarray
            ``smeared_data``, ``true_data``, ``smeared_met``, ``smeared_ht``, ``true_met``, ``true_ht`` of `L1Events`.
        """
        return _smear_events(particles, order, numbers.astype(np.uint64), stream, *self._numbers())

    def _numbers(self) -> tuple[LeptonResponse, LeptonResponse, "_JetNumbers"]:
        """Return what compiled code needs."""
        muons, egammas = (LeptonResponse(*map(float, response)) for response in (self.muons, self.egammas))
        return muons, egammas, self.jets.numbers()


@compiled
def _smear(
    objects: np.ndarray, normals: np.ndarray, muons: LeptonResponse, egammas: LeptonResponse, jets: _JetNumbers
) -> np.ndarray:
    """Smear event by event; without slices, which cost compiled code more than the arithmetic."""
    smeared = np.zeros_like(objects)
    for event in range(len(objects)):
        for slot in range(N_SLOTS):
            if objects[event, slot, PT] > 0:
                pair = normals[event, slot, RESOLUTION], normals[event, slot, SCALE]
                _smear_object(objects, event, slot, pair, muons, egammas, jets, smeared)
    return smeared


@compiled
def _smear_events(
    particles: np.ndarray,
    order: np.ndarray,
    numbers: np.ndarray,
    stream: StreamAndKey,
    muons: LeptonResponse,
    egammas: LeptonResponse,
    jets: _JetNumbers,
) -> tuple[np.ndarray, ...]:
    """Do all with an object, and then with its event, while it is in the registers and caches."""
    n_events = len(order)
    true = np.zeros((n_events, N_SLOTS, 3), np.float32)
    smeared = np.zeros_like(true)
    smeared_met, true_met = np.empty(n_events, np.float32), np.empty(n_events, np.float32)
    smeared_ht, true_ht = np.empty(n_events, np.float32), np.empty(n_events, np.float32)
    for i in range(n_events):
        for slot in range(N_SLOTS):
            if copy_object(particles, order[i], slot, true, i):
                normals = normal_pair(numbers[i], slot, *stream)
                _smear_object(true, i, slot, normals, muons, egammas, jets, smeared)
        smeared_met[i], smeared_ht[i] = event_met(smeared, i), event_ht(smeared, i)
        true_met[i], true_ht[i] = event_met(true, i), event_ht(true, i)
    return smeared, true, smeared_met, smeared_ht, true_met, true_ht


@inlined
def _smear_object(
    objects: np.ndarray,
    event: int,
    slot: int,
    normals: tuple[np.float32, np.float32],
    muons: LeptonResponse,
    egammas: LeptonResponse,
    jets: _JetNumbers,
    smeared: np.ndarray,
) -> None:
    """Put a true object among the L1 objects of its event, if it is above the threshold there."""
    pt, abs_eta = np.float64(objects[event, slot, PT]), abs(objects[event, slot, ETA])
    if slot < FIRST_EGAMMA:
        first, threshold, at_l1 = 0, muons.threshold, _smear_lepton(pt, abs_eta, normals[RESOLUTION], muons)
    elif slot < FIRST_JET:
        first, threshold = FIRST_EGAMMA, egammas.threshold
        at_l1 = _smear_lepton(pt, abs_eta, normals[RESOLUTION], egammas)
    else:
        first, threshold = FIRST_JET, jets.threshold
        at_l1 = _smear_jet(pt, abs_eta, normals[RESOLUTION], normals[SCALE], jets)
    if at_l1 > 0 and at_l1 >= threshold:
        place = _make_room(smeared, event, first, at_l1)
        smeared[event, place, PT] = at_l1
        smeared[event, place, ETA] = objects[event, slot, ETA]
        smeared[event, place, PHI] = objects[event, slot, PHI]


@inlined
def _smear_lepton(pt: float, abs_eta: float, number: float, response: LeptonResponse) -> np.float32:
    """Return the L1 pT of a muon or e/g."""
    scale = 1 / (response.inner if abs_eta < response.eta_edge else response.outer)
    return np.float32(pt * scale * (1 + response.resolution * number))


@inlined
def _smear_jet(pt: float, abs_eta: float, number: float, scale_number: float, jets: _JetNumbers) -> np.float32:
    """Return the L1 pT of a jet."""
    a, b, c = jets.central if abs_eta < CENTRAL_ETA else jets.forward
    smear = 1 + jets.resolution_factor * _jet_resolution(a, b, c, pt) * number
    scale = jets.scale_mean + jets.scale_width * scale_number
    inverse_response = _inverse_response(jets.eta_edges, jets.table_log_pt, jets.factors, pt, abs_eta)
    return np.float32(pt * inverse_response * scale * smear)


@inlined
def _make_room(objects: np.ndarray, event: int, first: int, pt: float) -> int:
    """Move those of lower pT one slot on, from slot `first` of an event; return the slot that is now free."""
    place = first
    while objects[event, place, PT] >= pt:
        place += 1
    end = place
    while objects[event, end, PT] > 0:
        end += 1
    for i in range(end, place, -1):
        for feature in range(objects.shape[2]):
            objects[event, i, feature] = objects[event, i - 1, feature]
    return place
