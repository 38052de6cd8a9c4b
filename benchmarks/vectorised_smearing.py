"""Smearing by array code that holds everything in memory: NumPy on all 18 slots, `vector` for the sums.

The speed of the data creation is compared with it, and its numbers are a second computation of the smearing.
"""

from typing import Any

import numpy as np
import vector

from utils.event_layout import EGAMMAS, ETA, JETS, MUONS, PHI, PT
from utils.simulation.response_tables import InverseResponse
from utils.simulation.smearing import CENTRAL_ETA, RESOLUTION, SCALE, L1Response, LeptonResponse


def inverse_response(table: InverseResponse, pt: np.ndarray, abs_eta: np.ndarray) -> np.ndarray:
    """Interpolate the table linearly in log(pT), shape of `pt`."""
    eta_bin = np.searchsorted(table.eta_edges[1:-1], abs_eta, side="right")
    log_edges, log_pt = np.log(table.pt), np.log(np.clip(pt, table.pt[0], table.pt[-1]))
    pt_bin = np.searchsorted(log_edges[1:-1], log_pt, side="right")
    slope = np.diff(table.factor, axis=1) / np.diff(log_edges)
    return table.factor[eta_bin, pt_bin] + slope[eta_bin, pt_bin] * (log_pt - log_edges[pt_bin])


def smeared_leptons(objects: np.ndarray, normals: np.ndarray, response: LeptonResponse) -> np.ndarray:
    """Return the L1 pT of muons or e/g, shape (n_events, 4)."""
    scale = np.where(np.abs(objects[:, :, ETA]) < response.eta_edge, 1 / response.inner, 1 / response.outer)
    return objects[:, :, PT] * scale * (1 + response.resolution * normals[:, :, RESOLUTION])


def smeared(objects: np.ndarray, normals: np.ndarray, response: L1Response) -> np.ndarray:
    """Do what ``L1Response.smear`` does, with the same arguments and result."""
    pt, jets = objects[:, :, PT].astype(np.float64), response.jets
    pt[:, MUONS] = smeared_leptons(objects[:, MUONS], normals[:, MUONS], response.muons)
    pt[:, EGAMMAS] = smeared_leptons(objects[:, EGAMMAS], normals[:, EGAMMAS], response.egammas)
    jet_pt, abs_eta = np.maximum(pt[:, JETS], 1e-3), np.abs(objects[:, JETS, ETA])
    resolution = np.where(abs_eta < CENTRAL_ETA, jets.central(jet_pt), jets.forward(jet_pt))
    scale = inverse_response(jets.inverse_response, jet_pt, abs_eta)
    scale *= jets.scale_mean + jets.scale_width * normals[:, JETS, SCALE]
    pt[:, JETS] *= scale * (1 + jets.resolution_factor * resolution * normals[:, JETS, RESOLUTION])
    result = np.zeros_like(objects)
    for slots, threshold in (
        (MUONS, response.muons.threshold),
        (EGAMMAS, response.egammas.threshold),
        (JETS, jets.threshold),
    ):
        kept = np.where((pt[:, slots] > 0) & (pt[:, slots] >= threshold), pt[:, slots], 0).astype(np.float32)
        order = np.argsort(-kept, axis=1, kind="stable")
        result[:, slots] = np.take_along_axis(objects[:, slots], order[:, :, None], axis=1)
        result[:, slots, PT] = np.take_along_axis(kept, order, axis=1)
    result[result[:, :, PT] == 0] = 0
    return result


def met(objects: np.ndarray) -> np.ndarray:
    """Length of the vector sum of all objects in GeV, shape (n_events,)."""
    momenta: Any = vector.array(
        {"pt": objects[:, :, PT].astype(np.float64), "phi": objects[:, :, PHI].astype(np.float64)}
    )
    return np.hypot(momenta.px.sum(axis=1), momenta.py.sum(axis=1)).astype(np.float32)
