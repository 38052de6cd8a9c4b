"""Fast detector: from generated particles to the objects of an events file.

Each particle is measured on its own, in the manner of Delphes 3 (J. de Favereau et al., JHEP 02 (2014) 057,
arXiv:1307.6346) and with the numbers of its CMS card (``cards/delphes_card_CMS.tcl``). What is different here:

- the calorimeters have no towers: each particle leaves its own energy, hadrons all of it in the hadron calorimeter,
  without the electronic noise of towers and the cut on significance that suppresses it;
- jets have no energy correction, since without that cut the response is within 3% of 1;
- the bending of tracks in the solenoid is ignored;
- the objects have the acceptance of the ADC2021 data set (E. Govorkova et al., Sci. Data 9 (2022) 118,
  arXiv:2107.02157), down to leptons of 3 GeV, where Delphes' card ends at 10 GeV.

Momenta and energies are in GeV, angles in radians. The particles of several events stand in flat arrays, event after
event, with the number of particles of each event beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import awkward as ak
import fastjet
import numpy as np

from utils.data_processing import (
    CLASS,
    ETA,
    EVENT_CLASSES,
    EVENT_EGAMMAS,
    EVENT_JETS,
    EVENT_MET,
    EVENT_MUONS,
    N_EVENT_SLOTS,
    PHI,
    PT,
)

EGAMMA, MUON, HADRON, INVISIBLE = 0, 1, 2, 3

DENSITY_ETA_EDGES = (-5.0, -2.5, 2.5, 5.0)
DENSITY_ETA_CELLS, DENSITY_PHI_CELLS = 20, 12

# FastJet asks for a citation in a banner on standard output; CITATION.cff has it.
fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)


@dataclass(frozen=True)
class Particles:
    """Generated particles of several events.

    Attributes
    ----------
    counts : np.ndarray, shape (n_events,), int64
        Particles in each event.
    pid : np.ndarray, shape (n_particles,), int32
        PDG particle numbers.
    charge : np.ndarray, shape (n_particles,), float64
        Electric charges in units of the elementary charge.
    px, py, pz, energy : np.ndarray, shape (n_particles,), float64
        Four-momenta [GeV].
    """

    counts: np.ndarray
    pid: np.ndarray
    charge: np.ndarray
    px: np.ndarray
    py: np.ndarray
    pz: np.ndarray
    energy: np.ndarray


@dataclass(frozen=True)
class Detected:
    """Particles of several events as the detector measures them.

    Attributes
    ----------
    counts : np.ndarray, shape (n_events,), int64
        Particles in each event.
    kind : np.ndarray, shape (n_particles,), int8
        ``EGAMMA`` (electrons and photons), ``MUON`` or ``HADRON``.
    tracked : np.ndarray, shape (n_particles,), bool
        Whether there is a track, so that the vertex is known.
    identified : np.ndarray, shape (n_particles,), bool
        Whether an electron, photon or muon is recognised as such.
    pileup : np.ndarray, shape (n_particles,), bool
        Whether the particle comes from another collision than that of the event.
    px, py, pz, energy : np.ndarray, shape (n_particles,), float64
        Four-momenta [GeV].
    """

    counts: np.ndarray
    kind: np.ndarray
    tracked: np.ndarray
    identified: np.ndarray
    pileup: np.ndarray
    px: np.ndarray
    py: np.ndarray
    pz: np.ndarray
    energy: np.ndarray

    @property
    def event(self) -> np.ndarray:
        """Event of each particle, shape (n_particles,), int64."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def select(self, particles: np.ndarray) -> "Detected":
        """Keep the particles of a mask; all events stay."""
        counts = np.bincount(self.event[particles], minlength=len(self.counts))
        columns = {name: values[particles] for name, values in vars(self).items() if name != "counts"}
        return Detected(counts, **columns)

    @classmethod
    def concatenate(cls, parts: "Sequence[Detected]") -> "Detected":
        """Join the events of several parts in their order."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])})


@dataclass(frozen=True)
class Efficiency:
    """Efficiency in bins of pT and |eta|, zero beyond the last bin in |eta|.

    Attributes
    ----------
    eta_edges : tuple of float, length n
        Upper edges of the bins in |eta|; the first bin begins at 0.
    pt_edges : tuple of float, length m
        Edges between the bins in pT [GeV]; the last bin has no end.
    values : tuple of tuple of float, shape (m + 1, n)
        Efficiency, pT bin by pT bin.
    """

    eta_edges: tuple[float, ...]
    pt_edges: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def __call__(self, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Efficiency of particles of given pT [GeV] and eta."""
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
        """Relative resolution of tracks of given pT [GeV] and eta."""
        bins = np.digitize(np.abs(eta), self.eta_edges)
        return np.hypot(np.take(self.constant, bins), np.take(self.slope, bins) * pt)


@dataclass(frozen=True)
class CalorimeterResolution:
    """Relative resolution of energies, (f + g (|eta| - h)^2) sqrt(c^2 + s^2/E), in bins of |eta|.

    The noise of a calorimeter belongs to its towers, not to particles, and has no term here.

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
        """Relative resolution of particles of given energy [GeV] and eta."""
        bins = np.digitize(np.abs(eta), self.eta_edges)
        factor, curvature, centre = np.take(self.shape, bins, axis=0).T
        width = np.hypot(np.take(self.constant, bins), np.take(self.stochastic, bins) / np.sqrt(energy))
        return width * (factor + curvature * (np.abs(eta) - centre) ** 2)


@dataclass(frozen=True)
class Detector:
    """Parameters of the detector; the defaults are Delphes' for CMS unless something else is said.

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
        Least energy that a calorimeter sees [GeV].
    egamma_identification, muon_identification : Efficiency
        Probability that an electron, photon or muon that is seen is recognised. Delphes' card has the same values
        above 10 GeV and, for e/g, up to |eta| = 2.5.
    isolation_cone : float
        Radius of the cone in (eta, phi) around an electron, photon or muon.
    isolation_min_pt : float
        Least pT of a particle that counts in the cone [GeV].
    max_egamma_isolation, max_muon_isolation : float
        Largest scalar sum of the pT of the other particles in the cone, in units of the candidate's pT.
    min_lepton_pt, min_photon_pt : float
        Least pT of electrons and muons, as in ADC2021, and of photons [GeV]. An e/g without a track is a photon.
    max_egamma_eta, max_muon_eta : float
        Acceptance of e/g and muons; as in ADC2021.
    jet_radius, min_jet_pt, max_jet_eta : float
        Radius and acceptance of anti-kT jets [GeV]; as in ADC2021.
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


def measure(particles: Particles, detector: Detector, rng: np.random.Generator) -> Detected:
    """Measure each particle on its own.

    An electron or charged hadron with a track is measured by the better of tracker and calorimeter; without a track
    it is measured by the calorimeter, as photons and neutral hadrons are. A muon is measured by its track. What is
    invisible, outside the acceptance or too soft for the calorimeter is lost. The measurement multiplies the
    four-momentum by a log-normal factor of mean 1, as Delphes does, and keeps the direction.

    Parameters
    ----------
    particles : Particles
    detector : Detector
    rng : np.random.Generator

    Returns
    -------
    Detected
    """
    kind = detector_kind(particles.pid, particles.charge)
    pt = np.hypot(particles.px, particles.py)
    reached = np.flatnonzero((kind != INVISIBLE) & (np.abs(particles.pz) < pt * np.sinh(detector.max_eta)))
    kind, pt, charged = kind[reached], pt[reached], particles.charge[reached] != 0
    px, py, pz, energy = (column[reached] for column in (particles.px, particles.py, particles.pz, particles.energy))
    eta = np.arcsinh(pz / pt)

    tracked = charged & (rng.random(len(pt)) < _tracking_efficiency(detector, kind, pt, eta))
    identified = rng.random(len(pt)) < _identification_efficiency(detector, kind, pt, eta)
    scale = lognormal_factors(_resolution(detector, kind, tracked, pt, energy, eta), rng)
    threshold = np.choose(kind, [detector.min_ecal_energy, np.inf, detector.min_hcal_energy])
    seen = tracked | (energy * scale > threshold)

    event = np.repeat(np.arange(len(particles.counts)), particles.counts)[reached]
    return Detected(
        counts=np.bincount(event, minlength=len(particles.counts)),
        kind=kind,
        tracked=tracked,
        identified=identified,
        pileup=np.zeros(len(kind), bool),
        px=px * scale,
        py=py * scale,
        pz=pz * scale,
        energy=energy * scale,
    ).select(seen)


def detector_kind(pid: np.ndarray, charge: np.ndarray) -> np.ndarray:
    """Tell what a stable particle is for the detector.

    Parameters
    ----------
    pid : np.ndarray, shape (n,), int
        PDG particle numbers.
    charge : np.ndarray, shape (n,)
        Electric charges.

    Returns
    -------
    np.ndarray, shape (n,), int8
        ``EGAMMA`` for electrons and photons, ``MUON`` for muons, ``HADRON`` for hadrons, nuclei and whatever else is
        charged, ``INVISIBLE`` for whatever else is neutral: neutrinos, neutralinos, dark matter.
    """
    number = np.abs(pid)
    hadron = ((number > 100) & (number < 1_000_000)) | (number > 1_000_000_000)
    return np.select(
        [(number == 11) | (number == 22), number == 13, hadron | (charge != 0)],
        [np.int8(EGAMMA), np.int8(MUON), np.int8(HADRON)],
        np.int8(INVISIBLE),
    )


def lognormal_factors(sigma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw positive factors of mean 1 and standard deviation `sigma`, shape as `sigma`."""
    variance = np.log1p(sigma**2)
    return np.exp(np.sqrt(variance) * rng.standard_normal(len(sigma)) - variance / 2)


def _tracking_efficiency(detector: Detector, kind: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Probability that a charged particle has a track."""
    by_kind = (detector.electron_tracking, detector.muon_tracking, detector.hadron_tracking)
    return np.choose(kind, [efficiency(pt, eta) for efficiency in by_kind])


def _identification_efficiency(detector: Detector, kind: np.ndarray, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Probability that a particle is recognised as an electron, photon or muon."""
    egamma, muon = detector.egamma_identification(pt, eta), detector.muon_identification(pt, eta)
    return np.choose(kind, [egamma, muon, 0.0])


def _resolution(
    detector: Detector, kind: np.ndarray, tracked: np.ndarray, pt: np.ndarray, energy: np.ndarray, eta: np.ndarray
) -> np.ndarray:
    """Relative resolution of each particle, zero for muons without a track, which are not seen."""
    tracks = (detector.electron_track, detector.muon_track, detector.hadron_track)
    track = np.choose(kind, [resolution(pt, eta) for resolution in tracks])
    calorimeter = np.choose(kind, [detector.ecal(energy, eta), np.inf, detector.hcal(energy, eta)])
    best = np.where(tracked, np.minimum(track, calorimeter), calorimeter)
    return np.where(np.isfinite(best), best, 0.0)


def overlay(events: Detected, pool: Detected, mean: float, rng: np.random.Generator) -> Detected:
    """Add to each event a Poisson number of pile-up collisions, each turned by a random angle around the beams.

    Parameters
    ----------
    events : Detected
    pool : Detected
        Collisions to draw from, with replacement.
    mean : float
        Mean number of collisions added to an event.
    rng : np.random.Generator

    Returns
    -------
    Detected
    """
    collisions = rng.poisson(mean, len(events.counts))
    drawn = rng.integers(len(pool.counts), size=collisions.sum())
    angle = rng.uniform(-np.pi, np.pi, len(drawn))

    counts = pool.counts[drawn]
    particles = ranges((np.cumsum(pool.counts) - pool.counts)[drawn], counts)
    cosine, sine = np.repeat(np.cos(angle), counts), np.repeat(np.sin(angle), counts)
    added = {name: values[particles] for name, values in vars(pool).items() if name != "counts"}
    added["pileup"] = np.ones(len(particles), bool)
    added["px"], added["py"] = (
        cosine * added["px"] - sine * added["py"],
        sine * added["px"] + cosine * added["py"],
    )

    event = np.concatenate([events.event, np.repeat(np.repeat(np.arange(len(collisions)), collisions), counts)])
    order = np.argsort(event, kind="stable")
    columns = {name: np.concatenate([getattr(events, name), values])[order] for name, values in added.items()}
    return Detected(np.bincount(event, minlength=len(events.counts)), **columns)


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenate the ranges of integers that begin at `starts` and have the given lengths."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


def reconstruct(detected: Detected, detector: Detector, *, subtract_pileup: bool) -> np.ndarray:
    """Build the objects of each event.

    The missing momentum is minus the vector sum of all particles, those of pile-up among them. For the other objects
    the tracks of pile-up are removed, each being taken to be assigned to its collision without error. Isolated e/g and
    muons are found first, at most four of each, those of largest pT; all other particles, leptons that are not
    isolated among them, are clustered to jets, so that no particle is in two objects.

    Parameters
    ----------
    detected : Detected
    detector : Detector
    subtract_pileup : bool
        Whether isolation and jets are corrected for pile-up: its density, see :func:`pileup_density`, times the area
        of a cone is subtracted (M. Cacciari, G. Salam, Phys. Lett. B 659 (2008) 119). The missing momentum is not.

    Returns
    -------
    np.ndarray, shape (n_events, 19, 4), float32
        pT [GeV], eta, phi and class of MET, 4 e/g, 4 muons and 10 jets, ordered by pT; zero where empty.
    """
    missing_pt, missing_phi = missing_momentum(detected)
    detected = detected.select(~(detected.pileup & detected.tracked))
    n_events, event = len(detected.counts), detected.event
    pt = np.hypot(detected.px, detected.py)
    eta, phi = np.arcsinh(detected.pz / pt), np.arctan2(detected.py, detected.px)
    density = pileup_density(detected) if subtract_pileup else np.zeros((n_events, len(DENSITY_ETA_EDGES) - 1))
    objects = np.zeros((n_events, N_EVENT_SLOTS, 4), np.float32)

    _fill(objects, slice(EVENT_MET, EVENT_MET + 1), np.arange(n_events), missing_pt, np.zeros(n_events), missing_phi)

    min_pt = np.where(detected.tracked, detector.min_lepton_pt, detector.min_photon_pt)
    clustered = np.ones(len(pt), bool)
    for kind, slots, max_eta, max_isolation in (
        (EGAMMA, EVENT_EGAMMAS, detector.max_egamma_eta, detector.max_egamma_isolation),
        (MUON, EVENT_MUONS, detector.max_muon_eta, detector.max_muon_isolation),
    ):
        accepted = (pt > min_pt) & (np.abs(eta) < max_eta)
        found = np.flatnonzero((detected.kind == kind) & detected.identified & accepted)
        activity = cone_activity(found, detected.counts, pt, eta, phi, detector)
        background = _density_at(density, event[found], eta[found]) * np.pi * detector.isolation_cone**2
        found = found[activity - background < max_isolation * pt[found]]
        written = _fill(objects, slots, event[found], pt[found], eta[found], phi[found])
        clustered[found[written]] = False

    _fill(objects, EVENT_JETS, *jets(detected.select(clustered), detector, density))
    return objects


def missing_momentum(detected: Detected) -> tuple[np.ndarray, np.ndarray]:
    """Length [GeV] and azimuth of minus the vector sum of all particles, each of shape (n_events,)."""
    event, n_events = detected.event, len(detected.counts)
    px = 0 - np.bincount(event, detected.px, n_events)
    py = 0 - np.bincount(event, detected.py, n_events)
    return np.hypot(px, py), np.arctan2(py, px)


def cone_activity(
    candidates: np.ndarray,
    counts: np.ndarray,
    pt: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    detector: Detector,
) -> np.ndarray:
    """Scalar sum of the pT of the other particles in a cone around each candidate.

    Parameters
    ----------
    candidates : np.ndarray, shape (n_candidates,), int64
        Indices among the particles.
    counts : np.ndarray, shape (n_events,), int64
        Particles in each event.
    pt, eta, phi : np.ndarray, shape (n_particles,)
        pT [GeV], pseudorapidity and azimuth of all particles.
    detector : Detector
        Radius of the cone and least pT in it.

    Returns
    -------
    np.ndarray, shape (n_candidates,)
        Sums in GeV.
    """
    event = np.repeat(np.arange(len(counts)), counts)[candidates]
    pair = np.repeat(np.arange(len(candidates)), counts[event])
    others = ranges((np.cumsum(counts) - counts)[event], counts[event])
    own = candidates[pair]
    turn = np.abs(phi[others] - phi[own])
    distance = np.hypot(eta[others] - eta[own], np.minimum(turn, 2 * np.pi - turn))
    counted = (distance < detector.isolation_cone) & (pt[others] > detector.isolation_min_pt) & (others != own)
    return np.bincount(pair[counted], pt[others[counted]], len(candidates))


def jets(
    detected: Detected, detector: Detector, density: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cluster particles with the anti-kT algorithm (M. Cacciari, G. Salam, G. Soyez, JHEP 04 (2008) 063) in FastJet.

    Parameters
    ----------
    detected : Detected
    detector : Detector
    density : np.ndarray, shape (n_events, 3)
        Density of pile-up in GeV, as :func:`pileup_density` gives it. Times the area pi R^2, that of an anti-kT jet
        with no harder one near, it is subtracted from the pT.

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
    pt -= _density_at(density, event, eta) * np.pi * detector.jet_radius**2
    accepted = (pt > detector.min_jet_pt) & (np.abs(eta) < detector.max_jet_eta)
    return event[accepted], pt[accepted], eta[accepted], np.arctan2(py, px)[accepted]


def pileup_density(detected: Detected) -> np.ndarray:
    """Estimate the density of pT that pile-up leaves in each event.

    It is the median over the cells of a grid in (eta, phi) of the pT in the cell over its area, of particles without a
    track, separately where there is a tracker and on the two sides where there is none.

    Parameters
    ----------
    detected : Detected

    Returns
    -------
    np.ndarray, shape (n_events, 3)
        Density in GeV per unit of area in (eta, phi), in the strips between ``DENSITY_ETA_EDGES``.
    """
    untracked = detected.select(~detected.tracked)
    pt = np.hypot(untracked.px, untracked.py)
    low, high = DENSITY_ETA_EDGES[0], DENSITY_ETA_EDGES[-1]
    eta_cell = (np.arcsinh(untracked.pz / pt) - low) / (high - low) * DENSITY_ETA_CELLS
    phi_cell = (np.arctan2(untracked.py, untracked.px) / (2 * np.pi) % 1) * DENSITY_PHI_CELLS
    shape = (len(untracked.counts), DENSITY_ETA_CELLS, DENSITY_PHI_CELLS)
    cells = np.ravel_multi_index(
        (untracked.event, eta_cell.astype(int), phi_cell.astype(int)), shape, mode=("raise", "clip", "clip")
    )
    area = (high - low) / DENSITY_ETA_CELLS * 2 * np.pi / DENSITY_PHI_CELLS
    density = np.bincount(cells, pt, np.prod(shape)).reshape(shape) / area
    edges = np.interp(DENSITY_ETA_EDGES, (low, high), (0, DENSITY_ETA_CELLS)).astype(int)
    strips = np.split(density, edges[1:-1], axis=1)
    return np.stack([np.median(strip, axis=(1, 2)) for strip in strips], axis=1)


def _density_at(density: np.ndarray, event: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Density of pile-up [GeV] at places given by their event and pseudorapidity."""
    return density[event, np.digitize(eta, DENSITY_ETA_EDGES[1:-1])]


def _fill(
    objects: np.ndarray, slots: slice, event: np.ndarray, pt: np.ndarray, eta: np.ndarray, phi: np.ndarray
) -> np.ndarray:
    """Write the objects of largest pT of each event into its slots, in place; return which were written."""
    order = np.lexsort((-pt, event))
    counts = np.bincount(event, minlength=len(objects))
    rank = ranges(np.zeros_like(counts), counts)
    fits = rank < slots.stop - slots.start
    written, slot = order[fits], slots.start + rank[fits]
    columns = {PT: pt[written], ETA: eta[written], PHI: phi[written], CLASS: EVENT_CLASSES[slot]}
    for column, values in columns.items():
        objects[event[written], slot, column] = values
    return written
