"""Response of the Level-1 trigger, against closed forms and toys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import random_particles
from utils.event_layout import event_objects
from utils.l1_events import ht, met
from utils.runtime.errors import UserError
from utils.runtime.random_streams import normal_pairs, stream_and_key
from utils.simulation.response_options import ResponseOptions, l1_response
from utils.simulation.response_tables import InverseResponse, JetResolution
from utils.simulation.smearing import RESOLUTION, SCALE, JetResponse, L1Response, LeptonResponse

N_TOYS = 40000


def resolution_points(a, b, c):
    """Return pT values and the resolution that the three terms give there."""
    pt = np.array([10.0, 25, 60, 150, 400, 1000])
    return pt, np.sqrt(a / pt**2 + b / pt + c)


def ideal_jets(**changes):
    """Return a jet response that changes nothing, but for what is given."""
    nothing = JetResolution.fit(*resolution_points(0, 0, 0.01))
    one = InverseResponse(np.array([0.0, 5.0]), np.array([30.0]), np.ones((1, 1)))
    defaults = {
        "inverse_response": one,
        "central": nothing,
        "forward": nothing,
        "scale_mean": 1.0,
        "scale_width": 0.0,
        "resolution_factor": 0.0,
        "threshold": 0.0,
    }
    return JetResponse(**{**defaults, **changes})


def ideal(**changes):
    """Return a response that changes nothing, but for what is given."""
    lepton = LeptonResponse(1.0, 1.0, 2.0, 0.0, 0.0)
    return L1Response(**{"muons": lepton, "egammas": lepton, "jets": ideal_jets(), **changes})


def default_l1_response():
    """Return the response that the script has without flags."""
    return l1_response(ResponseOptions())


@pytest.fixture(scope="module")
def default_response():
    return default_l1_response()


def events(n_events, *objects):
    """Return equal events with objects (slot, pT, eta)."""
    array = np.zeros((n_events, 18, 3), np.float32)
    for slot, pt, eta in objects:
        array[:, slot] = [pt, eta, 0.1 * slot]
    return array


def no_normals(n_events=1):
    return np.zeros((n_events, 18, 2), np.float32)


def random_normals(n_events, seed=5):
    return np.random.default_rng(seed).standard_normal((n_events, 18, 2), np.float32)


class TestJetResolution:
    @pytest.mark.parametrize("terms", [(9.0, 0.7, 0.002), (0, 1.0, 0.0025), (25.0, 0, 0.001), (4.0, 0.5, 0)])
    def test_fit_recovers_the_terms_of_exact_points(self, terms):
        fit = JetResolution.fit(*resolution_points(*terms))
        assert_allclose([fit.a, fit.b, fit.c], terms, rtol=1e-6, atol=1e-9)
        assert_allclose(fit(np.array([30.0])), np.sqrt(terms[0] / 900 + terms[1] / 30 + terms[2]), rtol=1e-7)

    def test_terms_are_never_negative(self):
        pt, resolution = resolution_points(0, 0, 0.01)
        fit = JetResolution.fit(pt, resolution * (1 + 1e-3 * np.arange(len(pt))))  # rising, which no term can
        assert min(fit.a, fit.b, fit.c) >= 0

    def test_table_is_fitted(self, tmp_path):
        pt, resolution = resolution_points(9, 0.7, 0.002)
        path = tmp_path / "points.csv"
        np.savetxt(path, np.stack([pt, resolution], 1), delimiter=",", header="pt,resolution", comments="")
        fit = JetResolution.read(path)
        assert_allclose([fit.a, fit.b, fit.c], [9, 0.7, 0.002], rtol=1e-5)
        assert_allclose(fit.points, np.stack([pt, resolution], 1), rtol=1e-12)

    def test_own_tables_are_met_by_their_fits(self, default_response):
        for fit in (default_response.jets.central, default_response.jets.forward):
            pt, resolution = fit.points.T
            assert_allclose(fit(pt), resolution, rtol=0.1)


TABLE = InverseResponse(
    np.array([0, 1.3, 3.0]), np.array([30.0, 60, 240]), np.array([[1.2, 1.1, 1.0], [1.5, 1.4, 1.3]])
)


class TestInverseResponse:
    @pytest.mark.parametrize(
        ("pt", "abs_eta", "factor"),
        [
            (30, 0, 1.2),
            (60, 0, 1.1),
            (240, 2, 1.3),
            (np.sqrt(30 * 60), 0.5, 1.15),
            (120, 0.5, 1.05),  # half way from 60 to 240 in log(pT)
            (10, 0.5, 1.2),
            (5000, 0.5, 1.0),
            (60, 1.2999, 1.1),
            (60, 1.3, 1.4),
            (60, 3.0, 1.4),
            (60, 9.0, 1.4),
        ],
    )
    def test_is_linear_in_log_pt_and_constant_in_eta_bins(self, pt, abs_eta, factor):
        assert_allclose(TABLE(np.array([pt]), np.array([abs_eta])), factor, rtol=1e-12)

    def test_of_one_column_is_constant_in_pt(self):
        one = InverseResponse(np.array([0.0, 1.0, 2.0]), np.array([50.0]), np.array([[1.1], [1.2]]))
        assert_array_equal(one(np.array([1.0, 500.0]), np.array([0.5, 1.5])), [1.1, 1.2])

    @given(st.floats(1, 1e4), st.floats(0, 6))
    def test_lies_between_the_smallest_and_largest_of_its_eta_bin(self, pt, abs_eta):
        row = TABLE.factor[0 if abs_eta < 1.3 else 1]
        assert row.min() - 1e-12 <= TABLE(np.array([pt]), np.array([abs_eta]))[0] <= row.max() + 1e-12

    def test_table_is_read(self, tmp_path):
        path = tmp_path / "table.csv"
        path.write_text("abs_eta_min,abs_eta_max,pt_30,pt_60,pt_240\n0,1.3,1.2,1.1,1.0\n1.3,3,1.5,1.4,1.3\n")
        table = InverseResponse.read(path)
        for name in ("eta_edges", "pt", "factor"):
            assert_array_equal(getattr(table, name), getattr(TABLE, name))


RESPONSE_HEAD = "abs_eta_min,abs_eta_max,pt_30,pt_60\n"


class TestBadTables:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "not a CSV table"),
            ('a,b\n"1,2\n', "not a CSV table"),
            ("abs_eta_min,pt_30\n0,1\n", "column 'abs_eta_max' is missing"),
            ("abs_eta_min,abs_eta_max\n0,1\n", "expected columns pt_VALUE"),
            ("abs_eta_min,abs_eta_max,pt_low\n0,1,1\n", "expected columns pt_VALUE, found pt_low"),
            ("abs_eta_min,abs_eta_max,pt_60,pt_30\n0,1,1,1\n", "expected columns pt_VALUE with rising values"),
            ("abs_eta_min,abs_eta_max,pt_0,pt_30\n0,1,1,1\n", "rising values above 0"),
            (RESPONSE_HEAD, "expected"),
            (RESPONSE_HEAD + "0,1,1.1,\n", "column 'pt_60': expected finite numbers"),
            (RESPONSE_HEAD + "0,1,1e308,1\n", r"factor: expected from 0.0001 to 10000, found 1 to 1e\+308"),
            ("abs_eta_min,abs_eta_max,pt_30,pt_inf\n0,1,1,1\n", "pt: expected from 0.01 to 100000, found 30 to inf"),
            (RESPONSE_HEAD + "0,1,high,1.1\n", "column 'pt_30': expected finite numbers"),
            (RESPONSE_HEAD + "0,1,1.1,0\n", "expected factors above 0"),
            (RESPONSE_HEAD + "0,1,1,1\n2,3,1,1\n", "expected contiguous rising bins of absolute eta"),
            (RESPONSE_HEAD + "1,2,1,1\n0,1,1,1\n", "expected contiguous rising bins of absolute eta"),
            (RESPONSE_HEAD + "1,1,1,1\n", "expected contiguous rising bins of absolute eta"),
        ],
    )
    def test_of_the_inverse_response_are_named(self, text, message, tmp_path):
        path = tmp_path / "table.csv"
        path.write_text(text)
        with pytest.raises(UserError, match=message) as raised:
            InverseResponse.read(path)
        assert str(path) in str(raised.value)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("pt,jer\n1,1\n", "column 'resolution' is missing, found pt, jer"),
            ("pt,resolution\n30,0.1\n60,0.1\n", "expected at least 3 points"),
            ("pt,resolution\n30,0.1\n60,0.1\n90,0\n", "pt and resolution above 0"),
            ("pt,resolution\n30,0.1\n-60,0.1\n90,0.1\n", "pt and resolution above 0"),
            ("pt,resolution\n30,0.1\n60,1e300\n90,0.1\n", "resolution: expected from 0.0001 to 10000, found 0.1 to 1e"),
            ("pt,resolution\n30,0.1\n60,inf\n90,0.1\n", "column 'resolution': expected finite numbers"),
        ],
    )
    def test_of_the_resolution_are_named(self, text, message, tmp_path):
        path = tmp_path / "points.csv"
        path.write_text(text)
        with pytest.raises(UserError, match=message) as raised:
            JetResolution.read(path)
        assert str(path) in str(raised.value)

    def test_that_are_missing_or_binary_are_named(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.csv: no such file"):
            JetResolution.read(tmp_path / "none.csv")
        path = tmp_path / "binary.csv"
        path.write_bytes(bytes(range(128, 256)) * 10)
        with pytest.raises(UserError, match=r"binary\.csv: not a CSV table"):
            JetResolution.read(path)


class TestScales:
    @pytest.mark.parametrize(
        ("slot", "eta", "scale"),
        [
            (0, 0.0, 1 / 0.98),
            (3, -2.0999, 1 / 0.98),
            (0, 2.1001, 1 / 0.95),
            (2, -2.4, 1 / 0.95),
            (4, 1.4999, 1 / 0.95),
            (4, -1.5001, 1 / 0.85),
            (7, 2.4, 1 / 0.85),
            (8, 0.5, 1.1 * 1.09),
            (17, -2.7, 1.1 * 1.22),
            (8, 4.0, 1.1 * 1.20),
            (8, -4.9, 1.1 * 1.20),
        ],
    )
    def test_of_objects_of_60_gev(self, slot, eta, scale, default_response):
        smeared = default_response.smear(events(1, (slot, 60, eta)), no_normals())
        first = {0: 0, 4: 4, 8: 8}[max(start for start in (0, 4, 8) if start <= slot)]
        assert_allclose(smeared[0, first], [60 * scale, eta, 0.1 * slot], rtol=1e-6)
        assert np.count_nonzero(smeared[0, :, 0]) == 1

    @pytest.mark.parametrize(
        ("slot", "number"), [(0, RESOLUTION), (4, RESOLUTION), (8, RESOLUTION), (8, SCALE), (17, SCALE)]
    )
    def test_each_slot_has_its_own_normal_numbers(self, slot, number, default_response):
        true = events(1, *((i, 100, 0.5) for i in range(18)))
        numbers = no_normals()
        numbers[0, slot, number] = -1
        changed = default_response.smear(true, numbers)[0, :, 0] - default_response.smear(true, no_normals())[0, :, 0]
        group = slice(0, 4) if slot < 4 else slice(4, 8) if slot < 8 else slice(8, 18)
        # The one that becomes lower goes to the end of its group.
        assert np.flatnonzero(changed).tolist() == [group.stop - 1]
        assert changed[group.stop - 1] < 0

    def test_true_objects_are_not_changed(self, default_response):
        true = event_objects(random_particles(50))
        before = true.copy()
        default_response.smear(true, random_normals(50))
        assert_array_equal(true, before)

    def test_an_ideal_response_changes_nothing(self):
        true = event_objects(random_particles(200))
        assert_allclose(ideal().smear(true, random_normals(200)), true, rtol=1e-6)


class TestWidths:
    """Toys; the width of a width is width / sqrt(2 n) for normal numbers."""

    def relative(self, response, slot, pt=100.0, eta=0.5):
        smeared = response.smear(events(N_TOYS, (slot, pt, eta)), random_normals(N_TOYS))
        first = 0 if slot < 4 else 4 if slot < 8 else 8
        return smeared[:, first, 0].astype(np.float64) / pt

    @pytest.mark.parametrize(("slot", "scale", "width"), [(0, 1 / 0.98, 0.05), (5, 1 / 0.95, 0.2)])
    def test_of_leptons(self, slot, scale, width, default_response):
        ratio = self.relative(default_response, slot) / scale
        assert ratio.mean() == pytest.approx(1, abs=5 * width / np.sqrt(N_TOYS))
        assert ratio.std() == pytest.approx(width, abs=5 * width / np.sqrt(2 * N_TOYS))

    @pytest.mark.parametrize(("eta", "width"), [(3.19, 0.2), (-3.21, 0.06), (0.0, 0.2)])
    def test_of_the_jet_resolution_is_its_multiple_in_each_region(self, eta, width):
        jets = ideal_jets(
            central=JetResolution.fit(*resolution_points(0, 0, 0.1**2)),
            forward=JetResolution.fit(*resolution_points(0, 0, 0.03**2)),
            resolution_factor=2.0,
        )
        ratio = self.relative(ideal(jets=jets), 8, eta=eta)
        assert ratio.mean() == pytest.approx(1, abs=5 * width / np.sqrt(N_TOYS))
        assert ratio.std() == pytest.approx(width, abs=5 * width / np.sqrt(2 * N_TOYS))

    def test_of_the_jet_scale_and_resolution_combine_as_independent(self):
        jets = ideal_jets(
            central=JetResolution.fit(*resolution_points(100, 0, 0)),  # 10 GeV of noise
            scale_mean=1.1,
            scale_width=0.05,
            resolution_factor=2.0,
        )
        ratio = self.relative(ideal(jets=jets), 8, pt=200.0)
        width = np.sqrt((1.1**2 + 0.05**2) * (1 + 0.1**2) - 1.1**2)
        assert ratio.mean() == pytest.approx(1.1, abs=5 * width / np.sqrt(N_TOYS))
        assert ratio.std() == pytest.approx(width, abs=6 * width / np.sqrt(2 * N_TOYS))

    def test_is_taken_at_the_true_pt(self):
        central = JetResolution.fit(*resolution_points(0, 0.5, 0.001))
        jets = ideal_jets(central=central, resolution_factor=1.0, scale_mean=3.0)
        ratio = self.relative(ideal(jets=jets), 8, pt=50.0) / 3
        width = np.sqrt(0.5 / 50 + 0.001)
        assert ratio.std() == pytest.approx(width, abs=5 * width / np.sqrt(2 * N_TOYS))


class TestOrderAndThreshold:
    def test_jets_below_the_threshold_are_dropped_and_the_others_close_up(self):
        jets = [(8, 50, 1.0), (9, 19.99, 2.0), (10, 30, -1.0), (11, 20, 0.5), (12, 19, 0.0)]
        smeared = ideal(jets=ideal_jets(threshold=20.0)).smear(events(1, *jets), no_normals())[0]
        expected = np.zeros((18, 3), np.float32)
        expected[8:11] = [[50, 1, 0.8], [30, -1, 1.0], [20, 0.5, 1.1]]
        assert_allclose(smeared, expected, rtol=1e-6)

    def test_jets_are_in_descending_order_of_the_smeared_pt(self):
        central = JetResolution.fit(*resolution_points(0, 0, 1.0))
        numbers = no_normals()
        numbers[0, 8:11, RESOLUTION] = [-0.5, 0.5, 0]  # 100, 60, 40 become 50, 90, 40
        jets = ideal_jets(central=central, resolution_factor=1.0)
        smeared = ideal(jets=jets).smear(events(1, (8, 100, 1), (9, 60, 2), (10, 40, 3)), numbers)[0]
        assert_allclose(smeared[8:11], [[90, 2, 0.9], [50, 1, 0.8], [40, 3, 1.0]], rtol=1e-5)

    @pytest.mark.parametrize("slot", [0, 4, 8])
    def test_negative_smeared_pt_is_dropped(self, slot):
        lepton = LeptonResponse(1.0, 1.0, 2.0, 0.5, 0.0)
        central = JetResolution.fit(*resolution_points(0, 0, 0.25))
        response = L1Response(lepton, lepton, ideal_jets(central=central, resolution_factor=1.0))
        numbers = no_normals()
        numbers[0, slot, RESOLUTION] = -3
        smeared = response.smear(events(1, (slot, 100, 1), (slot + 1, 30, -1)), numbers)[0]
        assert_allclose(smeared[slot], [30, -1, 0.1 * (slot + 1)], rtol=1e-5)
        assert np.count_nonzero(smeared[:, 0]) == 1
        assert not smeared[slot + 1].any()

    @pytest.mark.parametrize(("kind", "slot"), [("muons", 1), ("egammas", 6)])
    def test_leptons_have_their_own_thresholds(self, kind, slot):
        strict = LeptonResponse(1.0, 1.0, 2.0, 0.0, 10.0)
        smeared = ideal(**{kind: strict}).smear(events(1, (1, 9, 0), (6, 9, 0)), no_normals())[0]
        left = {1: 4, 6: 0}[slot]
        assert np.flatnonzero(smeared[:, 0]).tolist() == [left]

    @given(st.integers(0, 2**32 - 1))
    def test_smeared_objects_are_in_order_above_threshold_and_zero_after(self, seed):
        rng = np.random.default_rng(seed)
        true = np.where(rng.random((5, 18, 1)) < 0.6, rng.uniform(1, 60, (5, 18, 3)), 0).astype(np.float32)
        numbers = random_normals(5, seed)
        smeared = default_l1_response().smear(true, numbers)
        for group in (slice(0, 4), slice(4, 8), slice(8, 18)):
            assert (np.diff(smeared[:, group, 0], axis=1) <= 0).all()
        jets = smeared[:, 8:, 0]
        assert ((jets == 0) | (jets >= 20)).all()
        assert not smeared[smeared[:, :, 0] == 0].any()


@pytest.mark.parametrize("empty", [False, True])
def test_all_in_one_loop_is_the_same_to_the_bit(empty, default_response):
    particles = random_particles(500)
    particles[:, :, 0] *= not empty
    order = np.random.default_rng(1).permutation(500)
    true = event_objects(particles, order)
    normals = normal_pairs(1, "smearing", "QCD", 2**32 - 7 + order, true[:, :, 0] > 0)
    smeared = default_response.smear(true, normals)
    expected = (smeared, true, met(smeared), ht(smeared), met(true), ht(true))
    stream = stream_and_key(1, "smearing", "QCD")
    found = default_response.smear_events(particles, order, 2**32 - 7 + order, stream)
    for values, wanted in zip(found, expected, strict=True):
        assert values.dtype == np.float32
        assert_array_equal(values, wanted)


@given(st.integers(0, 2**32 - 1))
def test_response_is_the_same_forward_and_backward(seed):
    rng = np.random.default_rng(seed)
    response = ideal(
        muons=LeptonResponse(0.98, 0.95, 2.1, 0.05, 0),
        egammas=LeptonResponse(0.95, 0.85, 1.5, 0.2, 0),
        jets=ideal_jets(inverse_response=TABLE, resolution_factor=2.0, threshold=20.0),
    )
    true = rng.uniform([1, -5, -3], [100, 5, 3], (6, 18, 3)).astype(np.float32)
    mirrored = true * np.float32([1, -1, 1])
    numbers = random_normals(6, seed)
    assert_array_equal(response.smear(mirrored, numbers), response.smear(true, numbers) * np.float32([1, -1, 1]))
