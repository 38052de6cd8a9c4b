"""Physics of the generated events, against what is known from elsewhere."""

import itertools

import fastjet
import numpy as np
import pytest
import pythia8mc
from hypothesis import given
from hypothesis import strategies as st

from utils.cli import UserError
from utils.data_processing import EVENT_JETS, PT
from utils.detector import CalorimeterResolution, Detector, Efficiency, TrackResolution, measure, reconstruct
from utils.generator import PB_PER_MB, Generator, _EventWeights, pythia_seed, seed_sequences

ENERGY = 13000.0
W_TO_LEPTONS = ("WeakSingleBoson:ffbar2W = on", "24:onMode = off", "24:onIfAny = 11 13 15")
QCD = ("HardQCD:all = on", "PhaseSpace:pTHatMin = 20")
BIAS = ("PhaseSpace:bias2Selection = on", "PhaseSpace:bias2SelectionPow = 4", "PhaseSpace:bias2SelectionRef = 20")
TAU_PAIRS = (
    "HiggsSM:gg2H = on",
    "25:m0 = 60",
    "25:onMode = off",
    "25:onIfMatch = 15 15",
    "PartonLevel:ISR = off",
    "PartonLevel:FSR = off",
)


def generator(process, settings, shard=0):
    seed = seed_sequences(1, process, shard)[0]
    return Generator(process, settings, energy=ENERGY, underlying_event=False, seed=seed)


def event_of(particles):
    return np.repeat(np.arange(len(particles.counts)), particles.counts)


def reference_cross_section(settings, n_events):
    """Cross section and its error in pb from Pythia's event loop, without any of our code."""
    pythia = pythia8mc.Pythia("", False)
    for setting in ("Print:quiet = on", f"Beams:eCM = {ENERGY}", "PartonLevel:all = off", *settings):
        assert pythia.readString(setting)
    assert pythia.init()
    for _ in range(n_events):
        assert pythia.next()
    return pythia.infoPython().sigmaGen() * PB_PER_MB, pythia.infoPython().sigmaErr() * PB_PER_MB


@pytest.fixture(scope="module")
def w_events():
    source = generator("W", W_TO_LEPTONS)
    return source, *source.batch(1500)


@pytest.fixture(scope="module")
def qcd_events():
    source = generator("QCD", (*QCD, *BIAS))
    batches = [source.batch(300) for _ in range(2)]
    return source, batches[0][0], np.concatenate([weights for _, weights in batches])


def test_momentum_and_charge_are_conserved(w_events):
    _, particles, _ = w_events
    event = event_of(particles)
    totals = [np.bincount(event, column) for column in (particles.energy, particles.px, particles.py, particles.pz)]
    np.testing.assert_allclose(totals[0], ENERGY, rtol=1e-6)
    np.testing.assert_allclose(totals[1:], 0, atol=0.02)
    np.testing.assert_allclose(np.bincount(event, particles.charge), 2, atol=1e-9)


def test_transverse_mass_of_the_w_ends_at_its_mass(w_events):
    """The Jacobian edge: the spectrum rises up to the W mass, 80.4 GeV, and falls off behind it."""
    _, particles, _ = w_events
    event, number = event_of(particles), np.abs(particles.pid)
    momentum = particles.px + 1j * particles.py
    leptons, neutrinos = (hardest(event, momentum, number == pid) for pid in (13, 14))
    decays = (np.abs(leptons) > 5) & (np.abs(neutrinos) > 5)
    mass = np.sqrt(2 * (np.abs(leptons * neutrinos) - (leptons * neutrinos.conj()).real).clip(0)[decays])
    density, _ = np.histogram(mass, [60, 70, 76, 81, 86, 91, 110])
    density = density / np.diff([60, 70, 76, 81, 86, 91, 110])
    assert decays.sum() > 400
    assert density.argmax() == 2
    assert density[3] < 0.5 * density[2]
    assert np.mean(mass > 90) < 0.03


def hardest(event, momentum, chosen):
    """Transverse momentum of the chosen particle of largest pT of each event, 0 where there is none."""
    found = np.zeros(event.max() + 1, complex)
    order = np.argsort(np.abs(momentum[chosen]))
    found[event[chosen][order]] = momentum[chosen][order]
    return found


@pytest.mark.parametrize(("fixture", "settings"), [("w_events", W_TO_LEPTONS), ("qcd_events", QCD)])
def test_cross_section_is_that_of_pythia(fixture, settings, request):
    source = request.getfixturevalue(fixture)[0]
    expected, error = reference_cross_section(settings, 4000)
    combined = np.hypot(error, source.cross_section_error_pb)
    assert source.cross_section_pb == pytest.approx(expected, abs=4 * combined)
    assert 0 < source.cross_section_error_pb < 0.1 * source.cross_section_pb


def test_weights_without_bias_are_one(w_events):
    source, particles, weights = w_events
    assert len(particles.counts) == len(weights) == 1500
    assert (weights == 1).all()
    assert source.weight_sum == 1500


def test_weights_undo_the_bias(qcd_events):
    source, _, weights = qcd_events
    assert weights.sum() == pytest.approx(source.weight_sum, rel=1e-12)
    assert weights.max() <= 1
    assert weights.min() < 1e-4
    # d sigma / d pT falls like pT^-5 to pT^-6: about a twentieth of the cross section is above twice the threshold.
    beyond = weights[weights < 0.5**4].sum() / weights.sum()
    assert 0.02 < beyond < 0.1


def test_decays_of_taus():
    """Each leptonic decay leaves one electron or muon neutrino; branching fractions from PDG 2024."""
    n_taus = 3000
    particles, _ = generator("tau", TAU_PAIRS).batch(n_taus // 2)
    electron, muon, tau = (np.count_nonzero(np.abs(particles.pid) == pid) / n_taus for pid in (12, 14, 16))
    assert tau == 1
    for found, expected in ((electron, 0.1782), (muon, 0.1739), (1 - electron - muon, 0.6479)):
        assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / n_taus))


def test_jets_are_those_of_fastjet_in_a_perfect_detector(qcd_events):
    _, particles, _ = qcd_events
    all_tracked, no_track = Efficiency((5.0,), (), ((1.0,),)), TrackResolution((0,) * 3, (0,) * 3)
    exact = CalorimeterResolution((), (0,), (0,), ((1, 0, 0),))
    perfect = Detector(
        electron_tracking=all_tracked,
        muon_tracking=all_tracked,
        hadron_tracking=all_tracked,
        electron_track=no_track,
        muon_track=no_track,
        hadron_track=no_track,
        ecal=exact,
        hcal=exact,
        min_ecal_energy=0.0,
        min_hcal_energy=0.0,
        min_lepton_pt=np.inf,
        min_photon_pt=np.inf,
    )
    rows = reconstruct(measure(particles, perfect, np.random.default_rng(0)), perfect, subtract_pileup=False)
    n_events = 60
    ends = np.cumsum(particles.counts)[:n_events]
    found = 0
    for event, (start, stop) in enumerate(zip(ends - particles.counts[:n_events], ends, strict=True)):
        expected = classic_jets(particles, range(start, stop))
        jets = rows[event, EVENT_JETS]
        jets = jets[jets[:, PT] > 0, :3]
        np.testing.assert_allclose(jets, expected, rtol=1e-5, atol=1e-5)
        found += len(jets)
    assert found > 2 * n_events


def classic_jets(particles, rows):
    """PT, eta and phi of the leading jets of one event with FastJet's classic interface."""
    invisible = (12, 14, 16)
    inputs = [
        fastjet.PseudoJet(particles.px[i], particles.py[i], particles.pz[i], particles.energy[i])
        for i in rows
        if abs(particles.pid[i]) not in invisible
    ]
    inputs = [particle for particle in inputs if abs(particle.eta()) < 5]
    sequence = fastjet._swig.ClusterSequence(inputs, fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4))
    jets = [jet for jet in fastjet.sorted_by_pt(sequence.inclusive_jets(15.0)) if abs(jet.eta()) < 4]
    return np.array([[jet.pt(), jet.eta(), jet.phi_std()] for jet in jets[:10]]).reshape(-1, 3)


def test_the_same_seed_gives_the_same_events():
    (first, _), (second, _), (other, _) = (generator("QCD", QCD, shard).batch(5) for shard in (3, 3, 4))
    np.testing.assert_array_equal(first.px, second.px)
    assert first.counts.tolist() != other.counts.tolist()


@given(st.integers(0, 2**63), st.text(max_size=20), st.integers(0, 10**6))
def test_seeds(seed, process, shard):
    seeds = [pythia_seed(sequence) for sequence in seed_sequences(seed, process, shard)]
    assert seeds == [pythia_seed(sequence) for sequence in seed_sequences(seed, process, shard)]
    assert len(set(seeds)) == 3
    assert all(1 <= value <= 900_000_000 for value in seeds)
    assert seeds != [pythia_seed(sequence) for sequence in seed_sequences(seed, process, shard + 1)]
    assert seeds != [pythia_seed(sequence) for sequence in seed_sequences(seed, process + "x", shard)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("HardQCD:all = on", "HardQCD:none = on"), "'HardQCD:none = on'.*not found"),
        (("HardQCD:all = on", "PhaseSpace:pTHatMin = -1"), "'PhaseSpace:pTHatMin = -1'.*out of range"),
        (("PhaseSpace:pTHatMin = 30",), "no process"),
        (("HardQCD:all = on", "PhaseSpace:pTHatMin = 7000"), "vanishing cross section"),
    ],
)
def test_what_pythia_refuses_is_named(settings, message, capfd):
    with pytest.raises(UserError, match=rf"process mine: .*{message}"):
        generator("mine", settings)
    assert capfd.readouterr().out == ""


def veto(monkeypatch, fails):
    """Let Pythia fail those of its events whose number `fails` says."""
    numbers = itertools.count()

    class Veto(_EventWeights):
        def canVetoAfterHadronization(self):  # noqa: N802
            return True

        def doVetoAfterHadronization(self, event):  # noqa: N802
            return fails(next(numbers))

    monkeypatch.setattr("utils.generator._EventWeights", Veto)
    return numbers


def test_failed_events_are_replaced(monkeypatch):
    tried = veto(monkeypatch, lambda number: number % 3 == 0)
    source = generator("QCD", (*QCD, *BIAS))
    particles, weights = source.batch(20)
    assert len(particles.counts) == len(weights) == 20
    assert particles.counts.min() > 0
    assert next(tried) == 30
    assert weights.sum() == pytest.approx(source.weight_sum, rel=1e-12)


def test_a_process_that_only_fails_is_named(monkeypatch):
    veto(monkeypatch, lambda number: True)
    with pytest.raises(UserError, match="process QCD: Pythia exceeded allowed trials"):
        generator("QCD", QCD).batch(2)
