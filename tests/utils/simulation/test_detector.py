"""Fast detector: closed forms with hand-made particles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.event_layout import CLASS, ETA, EVENT_CLASSES, EVENT_EGAMMAS, EVENT_JETS, EVENT_MET, EVENT_MUONS, PHI, PT
from utils.simulation.detector import Detector
from utils.simulation.measurement import detector_kind, lognormal_factors, measure
from utils.simulation.particles import EGAMMA, HADRON, INVISIBLE, MUON, Detected, Particles, ranges
from utils.simulation.pileup import overlay, pileup_density
from utils.simulation.reconstruction import cone_activity, missing_momentum, reconstruct

DETECTOR = Detector()


def momenta(pt, eta, phi):
    """Massless four-momenta."""
    pt, eta, phi = np.broadcast_arrays(np.atleast_1d(pt).astype(float), eta, phi)
    return {
        "px": pt * np.cos(phi),
        "py": pt * np.sin(phi),
        "pz": pt * np.sinh(eta),
        "energy": pt * np.cosh(eta),
    }


def particles(pid, charge, pt, eta=0.0, phi=0.0, n=1):
    """One event of n equal massless particles."""
    full = {name: np.full(n, value) for name, value in (("pid", pid), ("charge", float(charge)))}
    return Particles(np.array([n]), **full, **momenta(np.full(n, pt), eta, phi))


def detected(*objects, tracked=True, identified=True, pileup=False):
    """One event of (kind, pT, eta, phi) as the detector sees it."""
    kind, pt, eta, phi = (np.array(column) for column in zip(*objects, strict=True))
    flags = {"tracked": tracked, "identified": identified, "pileup": pileup}
    flags = {name: np.full(len(kind), value) for name, value in flags.items()}
    return Detected(np.array([len(kind)]), kind.astype(np.int8), **flags, **momenta(pt, eta, phi))


def objects(event, slots):
    """Rows of one class in the first event that are not empty."""
    rows = reconstruct(event, DETECTOR, subtract_pileup=False)[0, slots]
    return rows[rows[:, PT] > 0]


@pytest.mark.parametrize(
    ("pid", "charge", "kind"),
    [
        (11, -1, EGAMMA),
        (22, 0, EGAMMA),
        (-13, 1, MUON),
        (211, 1, HADRON),
        (130, 0, HADRON),
        (2112, 0, HADRON),
        (1000010020, 1, HADRON),
        (1000024, 1, HADRON),
        (12, 0, INVISIBLE),
        (-16, 0, INVISIBLE),
        (1000022, 0, INVISIBLE),
        (52, 0, INVISIBLE),
    ],
)
def test_kinds_of_particles(pid, charge, kind):
    assert detector_kind(np.array([pid]), np.array([charge])) == [kind]


@pytest.mark.parametrize(
    ("what", "pid", "charge", "pt", "eta", "sigma"),
    [
        ("muon track", 13, -1, 40.0, 0.0, np.hypot(0.01, 40 * 1.0e-4)),
        ("forward muon track", 13, -1, 100.0, 2.0, np.hypot(0.025, 100 * 3.5e-4)),
        ("hadron track", 211, 1, 300.0, 0.2, np.hypot(0.01, 300 * 1.5e-4)),
        ("electron in the barrel", 11, -1, 40.0, 0.0, np.hypot(0.008, 0.11 / np.sqrt(40))),
        ("photon in the endcap", 22, 0, 30.0, 2.0, 2.16 * np.hypot(0.008, 0.11 / np.sqrt(30 * np.cosh(2.0)))),
        ("neutron", 2112, 0, 50.0, 0.0, np.hypot(0.05, 1.5 / np.sqrt(50))),
        ("pion beyond the tracker", 211, 1, 10.0, 4.0, np.hypot(0.13, 2.7 / np.sqrt(10 * np.cosh(4.0)))),
    ],
)
def test_resolution(what, pid, charge, pt, eta, sigma):
    n = 40_000
    seen = measure(particles(pid, charge, pt, eta, n=n), DETECTOR, np.random.default_rng(1))
    seen = seen.select(seen.tracked) if charge and abs(eta) < 2.5 else seen
    ratio = np.hypot(seen.px, seen.py) / pt
    assert ratio.mean() == pytest.approx(1, abs=5 * sigma / np.sqrt(n / 2))
    assert ratio.std() == pytest.approx(sigma, rel=0.04)
    np.testing.assert_allclose(np.arcsinh(seen.pz / np.hypot(seen.px, seen.py)), eta, atol=1e-9)


@pytest.mark.parametrize(
    ("pid", "pt", "eta", "efficiency"),
    [
        (211, 0.05, 0.0, 0.0),
        (211, 0.5, 1.0, 0.70),
        (211, 20.0, 1.0, 0.95),
        (211, 20.0, -2.0, 0.85),
        (211, 20.0, 2.6, 0.0),
        (11, 20.0, 2.0, 0.83),
        (11, 200.0, 0.5, 0.99),
        (13, 20.0, 2.0, 0.98),
    ],
)
def test_tracking_efficiency(pid, pt, eta, efficiency):
    n = 20_000
    seen = measure(particles(pid, 1, pt, eta, n=n), DETECTOR, np.random.default_rng(2))
    error = np.sqrt(efficiency * (1 - efficiency) / n)
    assert seen.tracked.sum() / n == pytest.approx(efficiency, abs=4 * error)


@pytest.mark.parametrize(
    ("pid", "charge", "pt", "eta"),
    [
        (14, 0, 50.0, 0.0),
        (1000022, 0, 500.0, 1.0),
        (22, 0, 50.0, 5.1),
        (13, 1, 50.0, 2.6),
        (130, 0, 0.001, 0.0),
        (22, 0, 0.001, 0.0),
    ],
)
def test_lost_particles(pid, charge, pt, eta):
    seen = measure(particles(pid, charge, pt, eta, n=100), DETECTOR, np.random.default_rng(3))
    assert seen.counts.tolist() == [0]


@pytest.mark.parametrize("sigma", [0.0, 0.1, 1.0])
def test_lognormal_factors(sigma):
    factors = lognormal_factors(np.full(400_000, sigma), np.random.default_rng(4))
    assert (factors > 0).all()
    assert factors.mean() == pytest.approx(1, abs=0.01)
    assert factors.std() == pytest.approx(sigma, rel=0.05)


def test_ranges():
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert ranges(np.empty(0, int), np.empty(0, int)).tolist() == []


@pytest.mark.parametrize(
    ("kind", "other_pt", "eta", "phi", "isolated"),
    [
        (EGAMMA, 2.3, 0.3, 0.0, True),  # 0.115 of the candidate's pT
        (EGAMMA, 2.5, 0.3, 0.0, False),
        (EGAMMA, 30.0, 0.4, 0.31, True),  # 0.506 away
        (EGAMMA, 30.0, 0.3, 0.3, False),
        (MUON, 4.9, 0.3, 0.0, True),
        (MUON, 5.1, 0.3, 0.0, False),
    ],
)
def test_isolation(kind, other_pt, eta, phi, isolated):
    event = detected((kind, 20.0, 0.0, 0.0), (HADRON, other_pt, eta, phi))
    found = objects(event, EVENT_EGAMMAS if kind == EGAMMA else EVENT_MUONS)
    assert len(found) == isolated
    np.testing.assert_allclose(found[:, PT], 20, rtol=1e-6)


def test_cone_goes_around_in_phi_and_ignores_soft_particles_and_other_events():
    pt, eta = np.array([20.0, 3.0, 0.4, 7.0]), np.zeros(4)
    phi = np.array([3.1, -3.1, 3.0, 3.1])
    activity = cone_activity(np.array([0, 3]), np.array([3, 1]), pt, eta, phi, DETECTOR)
    assert activity.tolist() == [3.0, 0.0]


def test_acceptance_of_leptons():
    event = detected(
        (EGAMMA, 30.0, 2.9, 0.0),
        (EGAMMA, 31.0, 3.1, 2.0),
        (MUON, 32.0, 2.0, 4.0),
        (MUON, 33.0, 2.2, 5.0),
        (EGAMMA, 2.9, 0.0, 1.0),
    )
    np.testing.assert_allclose(objects(event, EVENT_EGAMMAS)[:, PT], [30], rtol=1e-6)
    np.testing.assert_allclose(objects(event, EVENT_MUONS)[:, PT], [32], rtol=1e-6)


def test_photons_begin_at_10_gev_and_electrons_at_3_gev():
    soft = (EGAMMA, 5.0, 0.0, 0.0)
    assert len(objects(detected(soft), EVENT_EGAMMAS)) == 1
    assert len(objects(detected(soft, tracked=False), EVENT_EGAMMAS)) == 0
    assert len(objects(detected((EGAMMA, 11.0, 0.0, 0.0), tracked=False), EVENT_EGAMMAS)) == 1


def test_no_particle_is_in_two_objects():
    isolated = detected((EGAMMA, 40.0, 0.5, 1.0), (HADRON, 60.0, -1.0, -2.0))
    assert len(objects(isolated, EVENT_EGAMMAS)) == 1
    np.testing.assert_allclose(objects(isolated, EVENT_JETS)[:, :3], [[60, -1, -2]], rtol=1e-5)

    inside_a_jet = detected((EGAMMA, 40.0, 0.5, 1.0), (HADRON, 60.0, 0.5, 1.0))
    assert len(objects(inside_a_jet, EVENT_EGAMMAS)) == 0
    np.testing.assert_allclose(objects(inside_a_jet, EVENT_JETS)[:, :3], [[100, 0.5, 1]], rtol=1e-5)

    unrecognised = detected((MUON, 40.0, 0.5, 1.0), identified=False)
    assert len(objects(unrecognised, EVENT_MUONS)) == 0
    np.testing.assert_allclose(objects(unrecognised, EVENT_JETS)[:, PT], [40], rtol=1e-5)


def test_the_fifth_electron_is_clustered_and_all_are_ordered():
    event = detected(*[(EGAMMA, 20.0 + i, 0.0, -2.5 + i) for i in range(5)])
    np.testing.assert_allclose(objects(event, EVENT_EGAMMAS)[:, PT], [24, 23, 22, 21], rtol=1e-6)
    np.testing.assert_allclose(objects(event, EVENT_JETS)[:, PT], [20], rtol=1e-6)


def test_layout():
    event = detected((MUON, 20.0, 1.0, 1.0), *[(HADRON, 20.0 + i, 3.5 - i / 2, 3.0) for i in range(12)])
    rows = reconstruct(event, DETECTOR, subtract_pileup=False)
    assert rows.shape == (1, 19, 4)
    assert rows.dtype == np.float32
    full = rows[0, :, PT] > 0
    assert full.tolist() == [True, *[False] * 4, True, *[False] * 3, *[True] * 10]
    np.testing.assert_array_equal(rows[0, full, CLASS], EVENT_CLASSES[full])
    assert not rows[0, ~full].any()
    assert not rows[0, EVENT_MET, ETA]
    np.testing.assert_allclose(rows[0, EVENT_JETS, PT], np.arange(31, 21, -1), rtol=1e-5)


def test_jets_at_the_edge_of_the_acceptance():
    event = detected((HADRON, 14.9, 0.0, 0.0), (HADRON, 50.0, 4.1, 2.0), (HADRON, 15.1, -3.9, -2.0))
    np.testing.assert_allclose(objects(event, EVENT_JETS)[:, :3], [[15.1, -3.9, -2]], rtol=1e-5)


def test_event_without_particles():
    nothing = detected((HADRON, 1.0, 0.0, 0.0)).select(np.array([False]))
    rows = reconstruct(nothing, DETECTOR, subtract_pileup=True)
    assert rows[0, EVENT_MET].tolist() == [0, 0, 0, 1]
    assert not rows[0, 1:].any()


@given(st.lists(st.tuples(st.floats(1, 500), st.floats(-4, 4), st.floats(-3, 3)), min_size=1, max_size=20))
def test_missing_momentum_closes(hadrons):
    pt, _, phi = (np.array(column) for column in zip(*hadrons, strict=True))
    event = detected(*[(HADRON, *hadron) for hadron in hadrons])
    length, azimuth = missing_momentum(event)
    closure = [(pt * np.cos(phi)).sum() + length * np.cos(azimuth), (pt * np.sin(phi)).sum() + length * np.sin(azimuth)]
    np.testing.assert_allclose(closure, 0, atol=1e-9 * pt.sum())
    rows = reconstruct(event, DETECTOR, subtract_pileup=False)
    np.testing.assert_allclose(rows[:, EVENT_MET, PT], length, rtol=1e-6)


def uniform_collision(pt, tracked):
    """One collision with a particle in the middle of each cell of the grid of the density."""
    eta, phi = np.meshgrid(np.arange(-4.75, 5, 0.5), (np.arange(12) + 0.5) * np.pi / 6)
    return detected(*[(HADRON, pt, *place) for place in zip(eta.flat, phi.flat, strict=True)], tracked=tracked)


def test_density_of_a_uniform_collision():
    density = pileup_density(uniform_collision(2.0, tracked=False))
    np.testing.assert_allclose(density, [[2.0 / (0.5 * np.pi / 6)] * 3])
    np.testing.assert_allclose(pileup_density(uniform_collision(2.0, tracked=True)), 0)


def test_density_is_subtracted_from_jets():
    rows = reconstruct(Detected.concatenate([uniform_collision(1.0, tracked=False)]), DETECTOR, subtract_pileup=True)
    assert not rows[0, EVENT_JETS].any()
    hard = overlay(
        detected((HADRON, 80.0, 0.25, 0.3)), uniform_collision(1.0, tracked=False), 0.0, np.random.default_rng(0)
    )
    np.testing.assert_allclose(objects(hard, EVENT_JETS)[:, PT], [80], rtol=1e-6)


def test_overlay_adds_the_expected_activity():
    pool = Detected.concatenate([uniform_collision(0.5, tracked=False), detected((HADRON, 3.0, 1.0, 0.0))])
    mean, n = 4.0, 2000
    event = detected((HADRON, 80.0, 0.0, 0.5))
    events = overlay(Detected.concatenate([event] * n), pool, mean, np.random.default_rng(5))

    spread = np.sqrt(mean * np.mean(pool.counts**2.0) / n)
    assert (events.counts - 1).mean() == pytest.approx(mean * pool.counts.mean(), abs=4 * spread)
    first = np.cumsum(events.counts) - events.counts
    np.testing.assert_allclose(events.px[first], event.px[0])
    assert not events.pileup[first].any()
    assert events.pileup.sum() == len(events.px) - n

    pt = np.hypot(events.px, events.py)
    np.testing.assert_allclose(np.unique(pt[events.pileup].round(9)), [0.5, 3.0])
    turned = np.arctan2(events.py, events.px)[events.pileup & (pt > 2)]
    assert np.abs(np.exp(1j * turned).mean()) < 4 / np.sqrt(len(turned))


def test_tracks_of_pileup_count_for_the_missing_momentum_only():
    hard = detected((EGAMMA, 30.0, 0.0, 0.0))
    track, neutral = (detected((HADRON, 40.0, 1.0, 2.0), tracked=tracked, pileup=True) for tracked in (True, False))

    def together(extra):
        both = Detected.concatenate([hard, extra])
        return Detected(np.array([2]), **{name: value for name, value in vars(both).items() if name != "counts"})

    assert len(objects(together(track), EVENT_JETS)) == 0
    assert len(objects(together(neutral), EVENT_JETS)) == 1
    rows = reconstruct(together(track), DETECTOR, subtract_pileup=False)
    expected = -(30 + 40 * np.exp(2j))
    np.testing.assert_allclose(rows[0, EVENT_MET, [PT, PHI]], [abs(expected), np.angle(expected)], rtol=1e-6)


def test_the_same_seed_gives_the_same_measurement():
    event = particles(211, 1, 5.0, n=50)
    first, second, other = (measure(event, DETECTOR, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.px, second.px)
    assert not np.array_equal(first.px[:40], other.px[:40])
