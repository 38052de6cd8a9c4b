"""Smearing: offline-like objects become objects of the Level-1 trigger."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from utils.event_layout import ETA, EVENT_MET, FIRST_EGAMMA, FIRST_JET, N_SLOTS, PHI, PT, copy_object
from utils.l1_events import L1Events, event_ht, event_met
from utils.runtime.compiled import compiled, inlined
from utils.runtime.random_streams import StreamAndKey, normal_pair, stream_and_key
from utils.simulation.response_tables import InverseResponse, JetResolution, interpolated_factor, relative_resolution

CENTRAL_ETA = 3.2  # absolute eta up to which the central table of resolutions holds
RESOLUTION, SCALE = 0, 1  # the two normal numbers of an object


def smearing_stream(seed: int, process: str) -> StreamAndKey:
    """Return stream and key of the random numbers that smear the events of a process."""
    return stream_and_key(seed, "smearing", process)


class LeptonResponse(NamedTuple):
    """Response of muons or e/g, a divisor of the true pT, within and beyond an absolute eta.

    Attributes
    ----------
    inner, outer : float
        Response within and beyond `eta_edge`.
    eta_edge : float
    resolution : float
        Relative width of the smearing.
    threshold : float
        L1 threshold on the smeared pT in GeV; objects below are dropped.
    """

    inner: float
    outer: float
    eta_edge: float
    resolution: float
    threshold: float


@dataclass(frozen=True)
class JetResponse:
    """Response of jets: an inverse response from a table times a normal number, and a resolution.

    Attributes
    ----------
    inverse_response : InverseResponse
    central, forward : JetResolution
        Resolution below and from an absolute eta of 3.2.
    scale_mean, scale_width : float
        Mean and width of the normal factor on the inverse response.
    resolution_factor : float
        L1 resolution over the resolution of the tables.
    threshold : float
        L1 threshold on the smeared pT in GeV; jets below are dropped.
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
        """Return the parameters in the types of compiled code."""
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
    """Response of the Level-1 trigger to the objects of an event."""

    muons: LeptonResponse
    egammas: LeptonResponse
    jets: JetResponse

    def smear(self, objects: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Convert true objects to L1 objects.

        Parameters
        ----------
        objects : np.ndarray, shape (n_events, 18, 3), float32
            True pT [GeV], eta, phi in the slots of an L1 regression file; empty where pT = 0.
        normals : np.ndarray, shape (n_events, 18, 2), float32
            Two standard normal numbers for each object: for its resolution, and for the scale if it is a jet.

        Returns
        -------
        np.ndarray, shape (n_events, 18, 3), float32
            Objects above their L1 threshold, each kind in descending order of the smeared pT; zero in empty slots.
        """
        return _smear(objects, normals, *self._numbers())

    def smear_events(
        self, particles: np.ndarray, order: np.ndarray, numbers: np.ndarray, stream: StreamAndKey
    ) -> tuple[np.ndarray, ...]:
        """Convert rows of an events file to true and L1 objects and their sums.

        One loop does the work of `event_objects`, `normal_pairs`, :meth:`smear`, `met` and `ht`, with results equal to
        the bit. It takes two thirds of their time, because no intermediate arrays are written and read.

        Parameters
        ----------
        particles : np.ndarray, shape (n_events, 19, 4), float32
        order : np.ndarray, shape (n_events,), int64
            Row of each event, in the order of the result.
        numbers : np.ndarray, shape (n_events,)
            Number of each event in its process, in the order of the result. It decides the random numbers.
        stream : tuple
            Stream and key of the random numbers, from `stream_and_key`.

        Returns
        -------
        tuple of np.ndarray
            ``smeared_data``, ``true_data``, ``smeared_met``, ``smeared_ht``, ``true_met``, ``true_ht`` of `L1Events`.
        """
        return _smear_events(particles, order, numbers.astype(np.uint64), stream, *self._numbers())

    def l1_events(
        self,
        particles: np.ndarray,
        order: np.ndarray,
        numbers: np.ndarray,
        stream: StreamAndKey,
        process_id: int,
        weights: np.ndarray,
    ) -> L1Events:
        """Convert rows of an events file to L1 events of one process, with arguments as for :meth:`smear_events`.

        `weights`, shape (n_events,), are those of the result.
        """
        smeared_data, true_data, smeared_met, smeared_ht, true_met, true_ht = self.smear_events(
            particles, order, numbers, stream
        )
        return L1Events(
            smeared_data=smeared_data,
            true_data=true_data,
            smeared_met=smeared_met,
            smeared_ht=smeared_ht,
            true_met=true_met,
            true_ht=true_ht,
            original_met=particles[order, EVENT_MET, PT],
            ids=np.full(len(order), process_id, np.int32),
            weights=weights,
        )

    def _numbers(self) -> tuple[LeptonResponse, LeptonResponse, "_JetNumbers"]:
        """Return the parameters in the types of compiled code."""
        muons, egammas = (LeptonResponse(*map(float, response)) for response in (self.muons, self.egammas))
        return muons, egammas, self.jets.numbers()


@compiled
def _smear(
    objects: np.ndarray, normals: np.ndarray, muons: LeptonResponse, egammas: LeptonResponse, jets: _JetNumbers
) -> np.ndarray:
    """Smear event by event, without slices, which would take longer than the arithmetic."""
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
    """Do all work on an object, then on its event, while they are in registers and caches."""
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
    """Insert a true object into the L1 objects of its event, if its L1 pT is above the threshold."""
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
    smear = 1 + jets.resolution_factor * relative_resolution(a, b, c, pt) * number
    scale = jets.scale_mean + jets.scale_width * scale_number
    inverse_response = interpolated_factor(jets.eta_edges, jets.table_log_pt, jets.factors, pt, abs_eta)
    return np.float32(pt * inverse_response * scale * smear)


@inlined
def _make_room(objects: np.ndarray, event: int, first: int, pt: float) -> int:
    """Move the objects below `pt` one slot on, among those from slot `first` of an event; return the free slot."""
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
