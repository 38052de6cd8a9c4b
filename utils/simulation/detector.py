"""Fast detector: its parameters, after the CMS card of Delphes 3 (J. de Favereau et al., JHEP 02 (2014) 057).

Each particle is measured on its own, as in Delphes (arXiv:1307.6346), with the numbers of ``delphes_card_CMS.tcl``.
The differences from Delphes are:

- The calorimeters have no towers. Each particle leaves its own energy, and a hadron leaves all of it in the hadron
  calorimeter. There is no noise of towers, and no cut on significance to suppress it.
- Jets have no energy correction, because without that cut the response is within 3% of 1.
- The bending of tracks in the solenoid is ignored.
- The objects have the acceptance of the ADC2021 data set (E. Govorkova et al., Sci. Data 9 (2022) 118,
  arXiv:2107.02157), with leptons down to 3 GeV. The card of Delphes ends at 10 GeV.

Momenta and energies are in GeV, angles in radians.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Efficiency:
    """Efficiency in bins of pT and |eta|, zero beyond the last bin in |eta|.

    Attributes
    ----------
    eta_edges : tuple of float, length n
        Upper edges of the bins in |eta|; the first bin starts at 0.
    pt_edges : tuple of float, length m
        Edges between the bins in pT [GeV]; the last bin is open.
    values : tuple of tuple of float, shape (m + 1, n)
        Efficiency, pT bin by pT bin.
    """

    eta_edges: tuple[float, ...]
    pt_edges: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def __call__(self, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the efficiency of particles by their pT [GeV] and eta."""
        table = np.pad(np.array(self.values, np.float64), ((0, 0), (0, 1)))
        return table[np.digitize(pt, self.pt_edges), np.digitize(np.abs(eta), self.eta_edges)]


@dataclass(frozen=True)
class TrackResolution:
    """Relative resolution of the momentum of tracks, sqrt(c^2 + (s pT)^2), in bins of |eta|.

    Attributes
    ----------
    constant : tuple of float
        c, multiple scattering.
    slope : tuple of float
        s [1/GeV], resolution of the curvature.
    eta_edges : tuple of float
        Edges between the bins.
    """

    constant: tuple[float, ...]
    slope: tuple[float, ...]
    eta_edges: tuple[float, ...] = (0.5, 1.5)

    def __call__(self, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the relative resolution of tracks by their pT [GeV] and eta."""
        bins = np.digitize(np.abs(eta), self.eta_edges)
        return np.hypot(np.take(self.constant, bins), np.take(self.slope, bins) * pt)


@dataclass(frozen=True)
class CalorimeterResolution:
    """Relative resolution of energies, (f + g (|eta| - h)^2) sqrt(c^2 + s^2/E), in bins of |eta|.

    There is no noise term, because noise belongs to towers, not to particles.

    Attributes
    ----------
    eta_edges : tuple of float
        Edges between the bins.
    constant, stochastic : tuple of float
        c and s [GeV^(1/2)].
    shape : tuple of (float, float, float)
        f, g and h, the change with |eta| within a bin.
    """

    eta_edges: tuple[float, ...]
    constant: tuple[float, ...]
    stochastic: tuple[float, ...]
    shape: tuple[tuple[float, float, float], ...]

    def __call__(self, energy: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Return the relative resolution of particles by their energy [GeV] and eta."""
        bins = np.digitize(np.abs(eta), self.eta_edges)
        factor, curvature, centre = np.take(self.shape, bins, axis=0).T
        width = np.hypot(np.take(self.constant, bins), np.take(self.stochastic, bins) / np.sqrt(energy))
        return width * (factor + curvature * (np.abs(eta) - centre) ** 2)


@dataclass(frozen=True)
class Detector:
    """Parameters of the detector. The defaults are those of the CMS card of Delphes unless stated otherwise.

    Attributes
    ----------
    max_eta : float
        End of the calorimeters in |eta|.
    electron_tracking, muon_tracking, hadron_tracking : Efficiency
        Probability that a charged particle has a track.
    electron_track, muon_track, hadron_track : TrackResolution
        After CMS, JINST 9 (2014) P10009, arXiv:1405.6569.
    ecal : CalorimeterResolution
        After CMS, JINST 8 (2013) P09009, arXiv:1306.2016, and JINST 10 (2015) P08010, arXiv:1502.02702.
    hcal : CalorimeterResolution
    min_ecal_energy, min_hcal_energy : float
        Energy threshold of a calorimeter [GeV].
    egamma_identification, muon_identification : Efficiency
        Probability that a measured electron, photon or muon is identified. The card of Delphes has the same values
        above 10 GeV and, for e/g, up to |eta| = 2.5.
    isolation_cone : float
        Radius of the cone in (eta, phi) around an electron, photon or muon.
    isolation_min_pt : float
        Minimum pT of a particle that counts in the cone [GeV].
    max_egamma_isolation, max_muon_isolation : float
        Largest scalar sum of the pT of the other particles in the cone, relative to the pT of the candidate.
    min_lepton_pt, min_photon_pt : float
        Minimum pT of electrons and muons, as in ADC2021, and of photons [GeV]. An e/g without a track is a photon.
    max_egamma_eta, max_muon_eta : float
        Acceptance of e/g and muons, as in ADC2021.
    jet_radius, min_jet_pt, max_jet_eta : float
        Radius and acceptance of anti-kT jets [GeV], as in ADC2021.
    """

    max_eta: float = 5.0

    electron_tracking: Efficiency = Efficiency(
        (1.5, 2.5), (0.1, 1.0, 100.0), ((0, 0), (0.73, 0.50), (0.95, 0.83), (0.99, 0.90))
    )
    muon_tracking: Efficiency = Efficiency((1.5, 2.5), (0.1, 1.0), ((0, 0), (0.75, 0.70), (0.99, 0.98)))
    hadron_tracking: Efficiency = Efficiency((1.5, 2.5), (0.1, 1.0), ((0, 0), (0.70, 0.60), (0.95, 0.85)))

    electron_track: TrackResolution = TrackResolution((0.03, 0.05, 0.15), (1.3e-3, 1.7e-3, 3.1e-3))
    muon_track: TrackResolution = TrackResolution((0.01, 0.015, 0.025), (1.0e-4, 1.5e-4, 3.5e-4))
    hadron_track: TrackResolution = TrackResolution((0.01, 0.015, 0.025), (1.5e-4, 2.5e-4, 5.5e-4))

    ecal: CalorimeterResolution = CalorimeterResolution(
        eta_edges=(1.5, 2.5),
        constant=(0.008, 0.008, 0.107),
        stochastic=(0.11, 0.11, 2.08),
        shape=((1.0, 0.64, 0.0), (2.16, 5.6, 2.0), (1.0, 0.0, 0.0)),
    )
    hcal: CalorimeterResolution = CalorimeterResolution(
        eta_edges=(3.0,),
        constant=(0.050, 0.130),
        stochastic=(1.50, 2.70),
        shape=((1.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    )
    min_ecal_energy: float = 0.5
    min_hcal_energy: float = 1.0

    egamma_identification: Efficiency = Efficiency((1.5, 3.0), (), ((0.95, 0.85),))
    muon_identification: Efficiency = Efficiency((2.4,), (), ((0.95,),))

    isolation_cone: float = 0.5
    isolation_min_pt: float = 0.5
    max_egamma_isolation: float = 0.12
    max_muon_isolation: float = 0.25

    min_lepton_pt: float = 3.0
    min_photon_pt: float = 10.0
    max_egamma_eta: float = 3.0
    max_muon_eta: float = 2.1

    jet_radius: float = 0.4
    min_jet_pt: float = 15.0
    max_jet_eta: float = 4.0
