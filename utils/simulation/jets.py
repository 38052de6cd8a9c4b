"""Clustering of particles to jets with FastJet."""

import awkward as ak
import fastjet
import numpy as np

from utils.compat.fastjet import omit_banner
from utils.simulation.detector import Detector
from utils.simulation.particles import Detected
from utils.simulation.pileup import density_at

omit_banner()


def cluster_jets(
    detected: Detected, detector: Detector, density: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cluster particles with the anti-kT algorithm (M. Cacciari, G. Salam, G. Soyez, JHEP 04 (2008) 063) in FastJet.

    Parameters
    ----------
    detected : Detected
    detector : Detector
    density : np.ndarray, shape (n_events, 3)
        Density of pile-up in GeV, from `pileup_density`. Its product with pi R^2, the area of an isolated anti-kT jet,
        is subtracted from the pT.

    Returns
    -------
    event : np.ndarray, shape (n_jets,), int64
    pt, eta, phi : np.ndarray, shape (n_jets,)
        pT in GeV, pseudorapidity and azimuth of the jets in the acceptance.
    """
    momenta = ak.zip({"px": detected.px, "py": detected.py, "pz": detected.pz, "E": detected.energy})
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, detector.jet_radius)
    sequence = fastjet.ClusterSequence(ak.unflatten(momenta, detected.counts), definition)
    found = sequence.inclusive_jets(detector.min_jet_pt)

    event = np.repeat(np.arange(len(found)), ak.to_numpy(ak.num(found)))
    px, py, pz = (ak.to_numpy(ak.flatten(found[name])) for name in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / pt)
    pt -= density_at(density, event, eta) * np.pi * detector.jet_radius**2
    accepted = (pt > detector.min_jet_pt) & (np.abs(eta) < detector.max_jet_eta)
    return event[accepted], pt[accepted], eta[accepted], np.arctan2(py, px)[accepted]
