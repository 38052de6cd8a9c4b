"""Physics of the generated events, against published numbers."""

import itertools

import fastjet
import numpy as np
import pytest
import pythia8mc
from hypothesis import given
from hypothesis import strategies as st

from tests.configuration import default_config
from tests.toys import write_les_houches
from utils.event_layout import EVENT_JETS, PT
from utils.runtime.errors import UserError
from utils.simulation.detector import CalorimeterResolution, Detector, Efficiency, TrackResolution
from utils.simulation.generator import PB_PER_MB, Generator, _EventWeights, pythia_seed, seed_sequences
from utils.simulation.measurement import measure
from utils.simulation.reconstruction import missing_momentum, reconstruct

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


def hard_processes(settings, n_events):
    """Pythia after its event loop without any of our code, and pT-hat in GeV and weight of each event."""
    pythia = pythia8mc.Pythia("", False)
    for setting in ("Print:quiet = on", f"Beams:eCM = {ENERGY}", "PartonLevel:all = off", *settings):
        assert pythia.readString(setting)
    assert pythia.init()
    found = []
    for _ in range(n_events):
        assert pythia.next()
        found.append((pythia.infoPython().pTHat(), pythia.infoPython().weight()))
    return pythia, *np.transpose(found)


def reference_cross_section(settings, n_events):
    """Cross section and its error in pb from Pythia alone."""
    info = hard_processes(settings, n_events)[0].infoPython()
    return info.sigmaGen() * PB_PER_MB, info.sigmaErr() * PB_PER_MB


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
    """The Jacobian edge: the spectrum rises up to the W mass, 80.4 GeV, and falls off behind it.

    Another processor rounds otherwise and generates other events: bins are so wide that five standard deviations of
    their contents do not matter.
    """
    _, particles, _ = w_events
    event, number = event_of(particles), np.abs(particles.pid)
    momentum = particles.px + 1j * particles.py
    leptons, neutrinos = (hardest(event, momentum, number == pid) for pid in (13, 14))
    decays = (np.abs(leptons) > 5) & (np.abs(neutrinos) > 5)
    mass = np.sqrt(2 * (np.abs(leptons * neutrinos) - (leptons * neutrinos.conj()).real).clip(0)[decays])
    edges = [40, 60, 82, 91, 110]
    density = np.histogram(mass, edges)[0] / np.diff(edges)
    assert decays.sum() > 400
    assert density.argmax() == 1
    assert density[2] < 0.5 * density[1]
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
    assert source.weight_scale == pytest.approx(source.cross_section_pb / 1500, rel=1e-12)


def test_weights_undo_the_bias(qcd_events):
    source, _, weights = qcd_events
    assert weights.sum() * source.weight_scale == pytest.approx(source.cross_section_pb, rel=1e-12)
    assert weights.max() <= 1
    assert weights.min() < 1e-4
    # d sigma / d pT falls like pT^-4.5 to pT^-6: 2^-3.5 to 2^-5 of the cross section are above twice the threshold.
    high = weights < 0.5**4
    beyond = weights[high].sum() / weights.sum()
    error = np.sqrt(np.sum((weights * (high - beyond)) ** 2)) / weights.sum()
    assert 0.5**5 - 5 * error < beyond < 0.5**3.5 + 5 * error < 0.2


def configured(process):
    """Pythia settings of a process in config.yaml."""
    return tuple(default_config()["generate_events"]["processes"][process]["settings"])


@pytest.mark.parametrize("process", ["Znunu", "Wjets"])
def test_weights_give_the_spectrum_of_a_run_without_bias(process):
    """d sigma / d pT-hat in pb, bin by bin, of the same settings with and without the three of the bias."""
    edges, n_events = [20, 25, 30, 40, 60, 100], 6000
    settings = configured(process)
    spectra, variances = [], []
    for chosen in (settings, tuple(setting for setting in settings if "bias2" not in setting)):
        pythia, pt_hat, weights = hard_processes(chosen, n_events)
        weights *= pythia.infoPython().sigmaGen() * PB_PER_MB / weights.sum()
        spectra.append(np.histogram(pt_hat, edges, weights=weights)[0])
        variances.append(np.histogram(pt_hat, edges, weights=weights**2)[0])
    pulls = (spectra[0] - spectra[1]) / np.sqrt(np.sum(variances, axis=0))
    assert np.abs(pulls).max() < 4
    assert np.sum(pulls**2) < 25  # chi2 of 5 bins: 1 in 7,000


@pytest.mark.parametrize(
    ("process", "decay", "expected"),
    [
        ("Znunu", ("23:onMode = off", "23:onIfAny = 11"), 0.20000 / 0.033632),  # neutrinos, electrons: PDG 2024
        ("VBFHinv", (), 0.0262 * 0.2**2),  # to two Z bosons, of all: LHC Higgs working group, arXiv:1610.07922
    ],
)
def test_cross_section_contains_the_branching_fraction(process, decay, expected):
    settings = configured(process)
    other_decay = (*(setting for setting in settings if ":on" not in setting), *decay)
    (found, error), (other, other_error) = (reference_cross_section(chosen, 1500) for chosen in (settings, other_decay))
    assert found / other == pytest.approx(expected, rel=4 * np.hypot(error / found, other_error / other))


def test_missing_momentum_of_z_to_neutrinos_is_that_of_the_neutrinos():
    particles, _ = generator("Znunu", configured("Znunu")).batch(300)
    event, momenta = event_of(particles), np.array([particles.px, particles.py, particles.pz, particles.energy])
    transverse = np.hypot(*momenta[:2])
    pairs = np.zeros((4, 300))
    for sign in (1, -1):  # the hardest neutrino and the hardest antineutrino of each event are those of the Z
        chosen = np.flatnonzero(np.isin(sign * particles.pid, (12, 14, 16)))
        last = chosen[np.argsort(transverse[chosen])]
        hardest_of = np.zeros(300, int)
        hardest_of[event[last]] = last
        pairs += momenta[:, hardest_of]
    masses = np.sqrt(pairs[3] ** 2 - np.sum(pairs[:3] ** 2, axis=0))
    assert np.median(masses) == pytest.approx(91.19, abs=0.5)  # mass of the Z, PDG 2024
    missing, _ = missing_momentum(measure(particles, Detector(), np.random.default_rng(1)))
    expected = np.hypot(*pairs[:2])
    hard = expected > 50
    assert hard.sum() > 100
    assert np.median(missing[hard] / expected[hard]) == pytest.approx(1, abs=0.05)


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


class TestOverriddenSettings:
    """Each of them is refused, whatever its spelling, where it would change what a flag decides."""

    @pytest.mark.parametrize(
        ("setting", "flag"),
        [
            ("Beams:eCM = 7000", "--energy decides Beams:eCM"),
            ("  beams:ECM 14000.", "--energy decides Beams:eCM"),
            ("Beams::eCM=7e3 ! TeV", "--energy decides Beams:eCM"),
            ("Random:seed = 77", "--seed and --shard"),
            ("random:SETSEED no", "--seed decides Random:setSeed"),
            ("PartonLevel:MPI = yes", "--underlying_event decides PartonLevel:MPI"),
            ("Main:numberOfEvents = 1000", "--events decides Main:numberOfEvents"),
        ],
    )
    def test_of_a_flag(self, setting, flag):
        with pytest.raises(UserError, match=r"process QCD: '.*' would be overridden: ") as error:
            generator("QCD", (*QCD, setting))
        assert setting in str(error.value)
        assert flag in str(error.value)

    def test_in_a_file_that_a_setting_includes(self, tmp_path):
        (tmp_path / "my.cmnd").write_text("PhaseSpace:pTHatMin = 30\nBeams:eCM = 8000\n")
        with pytest.raises(UserError, match="--energy decides Beams:eCM"):
            generator("QCD", ("HardQCD:all = on", f"include = {tmp_path / 'my.cmnd'}"))

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("Beams:eA = 7000", "Beams:eA would have no effect"),  # what Pythia has without it
            ("Beams:eA = 4000", "Beams:eA would have no effect: expected Beams:frameType = 2"),
            ("Beams:LHEF = events.lhe", "Beams:LHEF would have no effect: expected Beams:frameType = 4"),
            ("phaseSpace:pTHatMin 50", "'PhaseSpace:pTHatMin = 20' would be overridden by 'phaseSpace:pTHatMin 50'"),
            ("Beams:frameType = 4", "expected Beams:LHEF with Beams:frameType = 4, which names the file, found none"),
            ("POWHEG:veto = 1", "'POWHEG:veto = 1' would have no effect"),
            ("Main:numberOfSubruns = 2", "'Main:numberOfSubruns = 2' would have no effect"),
            ("Init:plugins = {one,", "open a brace"),
            ("Beams:frameType = 2", "--energy is 13000 GeV, but .* have beams with 14000 GeV"),
        ],
    )
    def test_without_effect(self, setting, message):
        with pytest.raises(UserError, match=message):
            generator("QCD", (*QCD, setting))

    def test_the_value_of_the_flag_may_be_repeated(self):
        given = ("Beams:eCM = 13000", "PartonLevel:MPI = off", "Random:setSeed = on")
        (expected, _), (found, _) = (generator("QCD", settings).batch(2) for settings in (QCD, (*QCD, *given)))
        np.testing.assert_array_equal(found.px, expected.px)


class TestLesHouchesFiles:
    """Files of muon pairs, which keep their momenta, since nothing is radiated."""

    N_EVENTS = 120
    HARD_ONLY = ("PartonLevel:ISR = off", "PartonLevel:FSR = off", "BeamRemnants:primordialKT = off")

    def muons(self, particles):
        """Transverse momenta of the two muons of each event, one event after the other."""
        pt = np.hypot(particles.px, particles.py)[np.abs(particles.pid) == 13]
        return pt[pt > 100]

    def source(self, path, more=HARD_ONLY, energy=ENERGY, hard_events=range(N_EVENTS)):
        settings = ("Beams:frameType = 4", f"Beams:LHEF = {path}", *more)
        seed = seed_sequences(1, "LHE", 0)[0]
        return Generator("LHE", settings, energy=energy, underlying_event=False, seed=seed, hard_events=hard_events)

    @pytest.mark.parametrize("strategy", [1, -1, 2, -2, 3, -3, 4, -4])
    @pytest.mark.parametrize("size", [1.0, 0.25])
    def test_weights_sum_to_the_cross_section_of_any_strategy(self, strategy, size, tmp_path):
        """The cross section [pb] is the mean of the weights, or that of the header."""
        rng = np.random.default_rng(1)
        signs = np.where((np.arange(self.N_EVENTS) % 8 == 7) & (strategy in (-1, -3, -4)), -1, 1)
        in_pb = size * 100 * (1 if abs(strategy) == 3 else rng.uniform(0.5, 1, self.N_EVENTS)) * signs
        path = write_les_houches(tmp_path / "x.lhe", strategy, in_pb, cross_section=40.0)
        source = self.source(path)
        weights = np.concatenate([source.batch(40)[1] for _ in range(3)])
        expected = {1: in_pb.mean(), 2: 40, 3: 40 * signs.mean(), 4: in_pb.mean()}[abs(strategy)]
        tolerance = 1e-6 if abs(strategy) > 1 else 0.05  # Pythia does not count those tried after the last one taken
        assert source.cross_section_pb == pytest.approx(expected, rel=tolerance)
        assert weights.sum() * source.weight_scale == pytest.approx(source.cross_section_pb, rel=1e-12)
        assert source.n_tried == self.N_EVENTS
        assert len(weights) == self.N_EVENTS or abs(strategy) < 3
        if abs(strategy) > 2:
            np.testing.assert_array_equal(np.sign(weights), signs)
        if abs(strategy) == 4:
            np.testing.assert_allclose(weights * source.weight_scale, in_pb / self.N_EVENTS, rtol=1e-9)

    def test_shards_take_the_events_in_turn(self, tmp_path):
        path = write_les_houches(tmp_path / "x.lhe", 3, np.ones(60))
        expected = self.muons(self.source(path, hard_events=range(60)).batch(60)[0])
        parts = [self.source(path, hard_events=range(20 * i, 20 * i + 20)).batch(20)[0] for i in range(3)]
        np.testing.assert_allclose(np.concatenate([self.muons(part) for part in parts]), expected, rtol=1e-6)
        assert len(np.unique(expected.round(3))) == 60
        skipping = self.source(path, (*self.HARD_ONLY, "Beams:nSkipLHEFatInit = 30"), hard_events=range(10, 20))
        np.testing.assert_allclose(self.muons(skipping.batch(10)[0]), expected[80:100], rtol=1e-6)

    def test_too_few_events_are_said(self, tmp_path):
        path = write_les_houches(tmp_path / "x.lhe", 3, np.ones(50))
        with pytest.raises(UserError, match=r"x\.lhe: has 50 events, expected 60: this shard takes .* 40 to 59"):
            self.source(path, hard_events=range(40, 60))

    def test_weights_that_sum_to_less_than_0_are_refused(self, tmp_path):
        source = self.source(write_les_houches(tmp_path / "x.lhe", -4, np.repeat([-3.0, 1.0], 60)))
        source.batch(120)
        with pytest.raises(UserError, match="process LHE: expected events whose weights sum to more than 0, found"):
            _ = source.weight_scale

    def test_the_energy_is_that_of_the_file(self, tmp_path):
        path = write_les_houches(tmp_path / "x.lhe", 3, np.ones(120), beam_energy=4000)
        assert self.source(path, energy=None).energy == pytest.approx(8000)
        with pytest.raises(UserError, match=r"--energy is 13000 GeV, but .* have beams with 8000 GeV"):
            self.source(path)

    def test_jets_are_matched_where_the_settings_say_so(self, tmp_path):
        """Of pairs without a jet, those that radiate one are vetoed where a file with one jet is to be added."""
        matching = ("JetMatching:merge = on", "JetMatching:setMad = off", "JetMatching:nJetMax = 1")
        algorithm = ("JetMatching:jetAlgorithm = 2", "JetMatching:slowJetPower = 1", "JetMatching:qCut = 20")
        path = write_les_houches(tmp_path / "x.lhe", -4, np.tile([5.0, 5.0, 5.0, -5.0], 30))
        source = self.source(path, (*matching, *algorithm))
        weights = source.batch(120)[1]
        assert 12 < len(weights) < 108
        assert source.n_tried == 120
        assert weights.sum() * source.weight_scale == pytest.approx(source.cross_section_pb, rel=1e-9)
        assert source.cross_section_pb == pytest.approx(weights.sum() / 120, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("HardQCD:all = on", "HardQCD:none = on"), "'HardQCD:none = on'.*not found"),
        (("HardQCD:all = on", "PhaseSpace:pTHatMin = -1"), "'PhaseSpace:pTHatMin = -1'.*out of range"),
        (("PhaseSpace:pTHatMin = 30",), "no process"),
        (("HardQCD:all = on", "PhaseSpace:pTHatMin = 7000"), "vanishing cross section"),
    ],
)
def test_a_setting_that_pythia_refuses_is_named(settings, message, capfd):
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

    monkeypatch.setattr("utils.simulation.generator._EventWeights", Veto)
    return numbers


def test_failed_events_are_replaced(monkeypatch):
    tried = veto(monkeypatch, lambda number: number % 3 == 0)
    source = generator("QCD", (*QCD, *BIAS))
    particles, weights = source.batch(20)
    assert len(particles.counts) == len(weights) == 20
    assert particles.counts.min() > 0
    assert next(tried) == source.n_tried == 30
    assert weights.sum() * source.weight_scale == pytest.approx(source.cross_section_pb, rel=1e-12)


def test_events_without_hadrons_are_refused():
    with pytest.raises(UserError, match="process QCD: expected events with hadrons, found only partons"):
        generator("QCD", (*QCD, "HadronLevel:all = off")).batch(2)


def test_a_process_that_only_fails_is_named(monkeypatch):
    veto(monkeypatch, lambda number: True)
    with pytest.raises(UserError, match="process QCD: Pythia exceeded allowed trials"):
        generator("QCD", QCD).batch(2)
