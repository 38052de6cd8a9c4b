"""NanoAOD with L1 tables: each event is that of a loop written by hand, on files with the names and types of CMS."""

import math

import awkward as ak
import numpy as np
import pytest
import uproot
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import random_nanoaod, write_nanoaod
from utils.formats.cross_sections import with_cross_sections
from utils.formats.nanoaod import check_nanoaod_files
from utils.formats.nanoaod_options import NanoAODOptions, Thresholds
from utils.runtime.errors import UserError

N_EVENTS = 250
THRESHOLDS = Thresholds(jets=20.0, egammas=5.0)


def check(path, cross_sections=None, process="X", **options):
    files = check_nanoaod_files([path], NanoAODOptions(**options))
    (file,) = with_cross_sections(process, files, cross_sections or {})
    return file


def read(path, *arguments, thresholds=THRESHOLDS, **options):
    file = check(path, *arguments, **options)
    return file.l1_events(0, file.n_events, thresholds)


def distance(eta, phi, other_eta, other_phi):
    """Return the distance in eta and phi."""
    turn = math.remainder(phi - other_phi, 2 * math.pi)
    return math.hypot(eta - other_eta, turn)


def leading(objects, number):
    """Return the leading objects in slots, zeros in the others."""
    slots = [(0.0, 0.0, 0.0)] * number
    ordered = sorted((found for found in objects if found[0] > 0), key=lambda found: -found[0])
    return [*ordered, *slots][:number]


def expected_event(event, l1="L1", true_met="GenMET", jets="GenJet"):
    """Return what is to be read of an event, from the branches as uproot shows them."""
    found = {}
    kinds = (
        (f"{l1}Mu", 4, 0, "etaAtVtx", "phiAtVtx"),
        (f"{l1}EG", 4, 5.0, "eta", "phi"),
        (f"{l1}Jet", 10, 20.0, "eta", "phi"),
    )
    objects = []
    for table, number, threshold, eta, phi in kinds:
        columns = (event[f"{table}_{name}"] for name in ("pt", eta, phi, "bx"))
        objects += leading([o[:3] for o in zip(*columns, strict=True) if o[3] == 0 and o[0] >= threshold], number)
    found["smeared_data"] = objects
    found["smeared_met"] = math.hypot(
        sum(pt * math.cos(phi) for pt, _, phi in objects), sum(pt * math.sin(phi) for pt, _, phi in objects)
    )
    found["smeared_ht"] = sum(pt for pt, _, _ in objects[8:])

    for name, number in (("l1_htt", 1), ("l1_etm", 2), ("l1_htm", 3), ("l1_etmhf", 8)):
        columns = (event[f"{l1}EtSum_{column}"] for column in ("pt", "phi", "etSumType", "bx"))
        (at,) = [(pt, phi) for pt, phi, kind, bx in zip(*columns, strict=True) if kind == number and bx == 0]
        found[name] = at[0]
        if name != "l1_htt":
            found[f"{name}_phi"] = at[1]

    muons = list(zip(*(event[f"Muon_{n}"] for n in ("pt", "eta", "phi", "looseId", "pfRelIso04_all")), strict=True))
    muons = [muon[:3] for muon in muons if muon[3] and muon[4] < 0.25]
    electrons = list(zip(*(event[f"Electron_{n}"] for n in ("pt", "eta", "phi", "cutBased")), strict=True))
    electrons = [electron[:3] for electron in electrons if electron[3] >= 2]
    offline = [
        jet
        for jet in zip(*(event[f"Jet_{n}"] for n in ("pt", "eta", "phi")), strict=True)
        if all(distance(jet[1], jet[2], lepton[1], lepton[2]) >= 0.4 for lepton in (*muons, *electrons))
    ]
    found["true_data"] = [*leading(muons, 4), *leading(electrons, 4), *leading(offline, 10)]
    counted = offline if jets == "Jet" else list(zip(event["GenJet_pt"], event["GenJet_eta"], strict=True))
    found["true_ht"] = sum(jet[0] for jet in counted if jet[0] > 30 and abs(jet[1]) < 2.5)

    table = true_met.removesuffix("NoMu")
    x, y = (event[f"{table}_pt"] * wave(event[f"{table}_phi"]) for wave in (math.cos, math.sin))
    if table != true_met:
        for pt, phi, counts in zip(*(event[f"Muon_{n}"] for n in ("pt", "phi", "isPFcand")), strict=True):
            x, y = x + counts * pt * math.cos(phi), y + counts * pt * math.sin(phi)
    found["true_met"] = found["original_met"] = math.hypot(x, y)
    found["true_met_phi"] = math.atan2(y, x)
    found["PV_npvs"] = event["PV_npvs"]
    return found


def compare(events, path, **choice):
    """Compare events with the loop, event by event."""
    branches = uproot.open(path)["Events"].arrays().to_list()
    expected = [expected_event(event, **choice) for event in branches]
    for name in expected[0]:
        values = np.array([event[name] for event in expected])
        assert_allclose(getattr(events, name), values, rtol=2e-6, atol=2e-4, err_msg=name)


@pytest.fixture(scope="module")
def branches():
    return random_nanoaod(N_EVENTS)


@pytest.fixture(scope="module")
def path(branches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nanoaod")
    return write_nanoaod(folder / "simulated.root", branches, {"genEventSumw": [3000.0, 1000.0]}, 77)


class TestEventByEvent:
    def test_of_simulation(self, path):
        compare(read(path, {"X": 10.0}), path)

    @pytest.mark.parametrize("true_met", ["PuppiMET", "PFMET", "PuppiMETNoMu", "PFMETNoMu"])
    def test_of_other_truth(self, true_met, path):
        events = read(path, {"X": 10.0}, nanoaod_met=true_met, nanoaod_jets="Jet")
        compare(events, path, true_met=true_met, jets="Jet")

    def test_of_data(self, tmp_path):
        write_nanoaod(tmp_path / "data.root", random_nanoaod(100, data=True))
        events = read(tmp_path / "data.root")
        compare(events, tmp_path / "data.root", true_met="PuppiMETNoMu", jets="Jet")
        assert events.Pileup_nTrueInt is None
        assert_array_equal(events.weights, 1)

    @pytest.mark.parametrize("l1", ["L1Emul", "L1Other"])
    def test_of_other_tables_in_another_order_of_branches(self, l1, tmp_path):
        made = random_nanoaod(100, l1=l1)
        names = np.random.default_rng(1).permutation(list(made))
        write_nanoaod(tmp_path / "x.root", {name: made[name] for name in names})
        compare(read(tmp_path / "x.root", {"X": 1.0}), tmp_path / "x.root", l1=l1)

    def test_of_a_choice_of_tables(self, tmp_path, branches):
        emulated = {name: value for name, value in random_nanoaod(N_EVENTS, 5, l1="L1Emul").items() if "L1" in name}
        write_nanoaod(tmp_path / "x.root", {**branches, **emulated})
        for l1 in ("L1", "L1Emul"):
            compare(read(tmp_path / "x.root", {"X": 1.0}, nanoaod_l1=l1), tmp_path / "x.root", l1=l1)

    def test_of_an_rntuple(self, tmp_path, path, branches):
        write_nanoaod(tmp_path / "x.root", branches, rntuple=True)
        expected = read(path, {"X": 10.0})
        for name, values in vars(read(tmp_path / "x.root", {"X": 10.0})).items():
            if name != "weights":
                assert_array_equal(values, getattr(expected, name), err_msg=name)

    @pytest.mark.parametrize("size", [1, 77, 249])
    def test_in_any_chunks(self, size, path):
        file = check(path, {"X": 10.0})
        whole = file.l1_events(0, N_EVENTS, THRESHOLDS)
        start = 2 * size % N_EVENTS
        part = file.l1_events(start, min(start + size, N_EVENTS), THRESHOLDS)
        for name, values in vars(whole[start : start + size]).items():
            if values is not None:
                assert_array_equal(getattr(part, name), values, err_msg=name)


class TestWeights:
    def test_are_generator_weights_scaled_to_the_cross_section_before_the_selection(self, path, branches):
        events = read(path, {"X": 10.0})
        assert_allclose(events.weights, branches["genWeight"] * 10.0 / 4000, rtol=1e-6)
        assert (events.weights < 0).any()

    def test_without_the_sum_of_all_generated_events_those_of_the_file_count(self, tmp_path, branches):
        for name, runs in (("none", None), ("other", {"run": [1]})):
            events = read(write_nanoaod(tmp_path / f"{name}.root", branches, runs), {"X": 10.0})
            assert events.weights.sum(dtype=float) == pytest.approx(10.0, rel=1e-5)

    def test_files_of_an_entry_share_its_cross_section_and_entries_add_up(self, tmp_path):
        numbers = {"low_1": 100, "low_2": 50, "high": 80}
        for seed, (name, number) in enumerate(numbers.items()):
            write_nanoaod(tmp_path / f"{name}.root", random_nanoaod(number, seed))
        files = check_nanoaod_files([tmp_path / f"{name}.root" for name in numbers], NanoAODOptions())
        files = with_cross_sections("X", files, {"low_*.root": 1000.0, str(tmp_path / "high.root"): 7.0})
        sums = []
        for file in files:  # the sum of each file is that of the process, if it had all of its events
            weights = file.l1_events(0, file.n_events, THRESHOLDS).weights
            sums.append(weights.sum(dtype=float) * file.n_events / sum(numbers.values()))
        assert sums[2] == pytest.approx(7.0, rel=1e-5)
        assert sums[0] + sums[1] == pytest.approx(1000.0, rel=1e-5)

    def test_without_a_cross_section_equal_weights_count_one_and_others_are_refused(self, tmp_path, branches):
        same = write_nanoaod(tmp_path / "same.root", {**branches, "genWeight": np.full(N_EVENTS, 350.5, np.float32)})
        assert_array_equal(read(same).weights, 1)
        assert not check(same).weighted
        other = write_nanoaod(tmp_path / "other.root", branches)
        problem = r"other\.root: branch 'genWeight': event \d+: expected -?2.5 as in the first event, found -?2.5: give"
        with pytest.raises(UserError, match=problem):
            read(other)

    def test_impossible_ones_are_refused(self, tmp_path, branches):
        negative = write_nanoaod(tmp_path / "n.root", branches, {"genEventSumw": [-5.0]})
        with pytest.raises(UserError, match=r"n\.root: expected generator weights that sum to more than 0, found .*-5"):
            check(negative, {"X": 1.0})
        data = write_nanoaod(tmp_path / "d.root", random_nanoaod(9, data=True))
        with pytest.raises(UserError, match=r"d\.root: branch 'genWeight' is missing, expected it for its cross sec"):
            check(data, {"X": 1.0})
        with pytest.raises(UserError, match=r"n\.root of process X has several: X, n\.root"):
            check(negative, {"X": 1.0, "n.root": 2.0})


class TestCentralCuts:
    def test_are_found(self, tmp_path, branches, path):
        assert check(path).cut == {}
        cut = dict(branches)
        for kind, threshold in (("Jet", 30), ("EG", 10)):
            sizes, pt = branches[f"L1{kind}_pt"]
            kept = pt >= threshold
            left = np.bincount(np.repeat(np.arange(N_EVENTS), sizes)[kept], minlength=N_EVENTS)
            for name in ("pt", "eta", "phi", "bx"):
                cut[f"L1{kind}_{name}"] = left, branches[f"L1{kind}_{name}"][1][kept]
        central = write_nanoaod(tmp_path / "x.root", cut)
        assert check(central).cut == {"Jet": 30.0, "EG": 10.0}
        events = read(central, {"X": 1.0}, thresholds=Thresholds(jets=30.0, egammas=10.0))
        expected = read(path, {"X": 1.0}, thresholds=Thresholds(jets=30.0, egammas=10.0))
        assert_array_equal(events.smeared_data, expected.smeared_data)

    def test_are_not_concluded_from_a_few_objects(self, tmp_path, branches):
        few = {
            **branches,
            **{
                f"L1Jet_{name}": (np.eye(1, N_EVENTS, dtype=int)[0] * 19, values)
                for name, values in {
                    "pt": np.full(19, 50, np.float32),
                    "eta": np.zeros(19, np.float32),
                    "phi": np.zeros(19, np.float32),
                    "bx": np.zeros(19, np.int16),
                }.items()
            },
        }
        assert "Jet" not in check(write_nanoaod(tmp_path / "x.root", few)).cut


class TestFewerBranches:
    def without(self, branches, *prefixes):
        return {name: values for name, values in branches.items() if not name.startswith(prefixes)}

    def test_tables_of_one_crossing_have_no_bx_and_muons_may_lack_the_angles_at_the_vertex(self, tmp_path, branches):
        in_time = {name: value for name, value in branches.items() if not name.endswith(("_bx", "AtVtx"))}
        places = np.arange(N_EVENTS * 7).reshape(N_EVENTS, 7)
        for name, values in (
            ("etSumType", np.tile(np.int16([0, 1, 2, 3, 8, 11, 99]), N_EVENTS)),
            ("pt", np.float32(places.ravel() % 500)),
            ("phi", np.zeros(7 * N_EVENTS, np.float32)),
        ):
            in_time[f"L1EtSum_{name}"] = np.full(N_EVENTS, 7), values
        events = read(write_nanoaod(tmp_path / "x.root", in_time), {"X": 1.0}, thresholds=Thresholds())
        assert_array_equal(events.l1_etmhf, places[:, 4] % 500)
        arrays = uproot.open(tmp_path / "x.root")["Events"].arrays(["L1Mu_pt", "L1Mu_eta"])
        order = ak.argsort(arrays.L1Mu_pt, ascending=False, stable=True)
        for number, (pt, eta) in enumerate(zip(arrays.L1Mu_pt[order], arrays.L1Mu_eta[order], strict=True)):
            kept = pt.to_numpy()[:4] > 0
            assert_array_equal(events.smeared_data[number, : kept.sum(), 1], eta.to_numpy()[:4][kept])

    def test_without_directions_there_are_none(self, tmp_path, branches, path):
        left = self.without(branches, "L1EtSum_phi", "GenMET_phi")
        file = check(write_nanoaod(tmp_path / "x.root", left), {"X": 1.0})
        assert file.columns == ("l1_htt", "l1_etm", "l1_htm", "l1_etmhf", "PV_npvs", "Pileup_nTrueInt")
        events = file.l1_events(0, N_EVENTS, THRESHOLDS)
        assert events.l1_etm_phi is None and events.true_met_phi is None
        assert_array_equal(events.l1_etm, read(path, {"X": 1.0}).l1_etm)

    def test_directions_are_wrapped(self, tmp_path, branches, path):
        sizes, phi = branches["L1EtSum_phi"]
        turned = {"L1EtSum_phi": (sizes, phi - np.sign(phi) * np.float32(2 * np.pi)), "GenMET_phi": np.full(250, 4.0)}
        events = read(write_nanoaod(tmp_path / "x.root", {**branches, **turned}), {"X": 1.0})
        assert_allclose(events.l1_etmhf_phi, read(path, {"X": 1.0}).l1_etmhf_phi, atol=1e-6)
        assert_allclose(events.true_met_phi, 4 - 2 * np.pi, rtol=1e-6)

    def test_old_names_of_met(self, tmp_path, branches, path):
        old = {name.replace("PFMET", "MET"): value for name, value in branches.items()}
        write_nanoaod(tmp_path / "x.root", old)
        write_nanoaod(tmp_path / "y.root", self.without(old, "Muon"))  # which only NoMu takes
        for file, true_met in (("x", "PFMETNoMu"), ("y", "PFMET")):
            events = read(tmp_path / f"{file}.root", {"X": 1.0}, nanoaod_met=true_met)
            assert_array_equal(events.true_met, read(path, {"X": 1.0}, nanoaod_met=true_met).true_met)

    def test_without_offline_objects_there_are_none(self, tmp_path, branches):
        left = self.without(branches, "Muon", "Electron", "Jet", "PV", "Pileup")
        events = read(write_nanoaod(tmp_path / "x.root", left), {"X": 1.0})
        assert not events.true_data.any()
        assert events.PV_npvs is None and events.Pileup_nTrueInt is None
        assert events.true_ht.any()

    @pytest.mark.parametrize(
        ("missing", "problem"),
        [
            (
                ("L1Jet", "L1EG", "L1Mu", "L1EtSum"),
                "has no L1 tables L1Mu, L1EG, L1Jet, L1EtSum: expected NanoAOD of the "
                "flavour NANO:@PHYS+@L1FULL; central simulation has none",
            ),
            (("L1EtSum",), "has no L1 tables L1EtSum: "),
            (("L1EG_phi",), "branch 'L1EG_phi': is missing"),
            (("L1EtSum_pt",), "branch 'L1EtSum_pt': is missing"),
            (("GenJet_eta",), "branch 'GenJet_eta': is missing"),
        ],
    )
    def test_what_is_missing_is_named(self, missing, problem, tmp_path, branches):
        path = write_nanoaod(tmp_path / "x.root", self.without(branches, *missing))
        with pytest.raises(UserError) as error:
            check(path)
        assert str(error.value).startswith(f"{path}: {problem}")

    @pytest.mark.parametrize(
        ("choice", "missing", "branch"),
        [
            ({"nanoaod_met": "GenMET"}, "GenMET", "GenMET_pt"),
            ({"nanoaod_met": "PuppiMETNoMu"}, "Muon", "Muon_pt"),
            ({"nanoaod_met": "PFMET"}, "PFMET", "MET_pt"),
            ({"nanoaod_jets": "Jet"}, "Jet", "Jet_pt"),
        ],
    )
    def test_a_chosen_truth_that_is_missing_is_named(self, choice, missing, branch, tmp_path, branches):
        path = write_nanoaod(tmp_path / "x.root", self.without(branches, missing))
        with pytest.raises(UserError, match=f"x.root: branch '{branch}': is missing"):
            check(path, **choice)

    def test_the_truth_that_a_file_has_is_named(self, tmp_path, branches):
        path = write_nanoaod(tmp_path / "x.root", self.without(branches, "PFMET", "GenJet"))
        for choice, problem in (
            (
                {"nanoaod_met": "PFMET"},
                "MET_pt': is missing: choose --nanoaod_met, for which it has GenMET, PuppiMETNoMu, PuppiMET",
            ),
            ({"nanoaod_jets": "GenJet"}, "GenJet_pt': is missing: choose --nanoaod_jets, for which it has Jet"),
        ):
            with pytest.raises(UserError, match=problem):
                check(path, **choice)

    def test_other_tables_are_recommended(self, tmp_path):
        path = write_nanoaod(tmp_path / "x.root", random_nanoaod(9, l1="L1Emul"))
        with pytest.raises(UserError, match=r"has no L1 tables .*; or choose L1Emul, whose tables it has"):
            check(path, nanoaod_l1="L1")


class TestImpossibleValues:
    @pytest.mark.parametrize(
        ("branch", "value", "problem"),
        [
            ("L1Jet_pt", np.nan, "pT: expected GeV from 0 to 30000, found nan"),
            ("L1EG_eta", 9, "eta: expected values from -6 to 6, found 9"),
            ("L1Mu_phiAtVtx", 180, "phi: expected radians from -2 pi to 2 pi, found 180"),
            ("L1EtSum_pt", -1, "expected GeV from 0 to 30000, found -1"),
            ("L1EtSum_phi", 180, "expected radians from -2 pi to 2 pi, found 180"),
            ("GenMET_phi", np.nan, "expected radians from -2 pi to 2 pi, found nan"),
            ("L1EtSum_etSumType", 8, "expected one sum of type 8 at most, found 7"),
            ("Jet_pt", np.inf, "pT: expected GeV from 0 to 30000, found inf"),
            ("GenJet_pt", np.nan, "expected a sum of GeV from 0 to 30000, found nan"),
            ("GenJet_eta", np.nan, "expected numbers, found nan"),
            ("GenMET_pt", np.nan, "expected GeV from 0 to 30000, found nan"),
            ("genWeight", np.inf, "expected finite weights, at most 1e+20, found inf"),
            ("PV_npvs", -3, "expected 0 to 10000, found -3"),
        ],
    )
    def test_are_named(self, branch, value, problem, tmp_path, branches):
        changed = dict(branches)
        if isinstance(branches[branch], tuple):
            sizes, values = branches[branch]
            event = 200 + int(np.argmax(sizes[200:] > 0))
            places = slice(sizes[:event].sum(), sizes[: event + 1].sum())
            values = values.copy()
            values[places] = value
            changed[branch] = sizes, values
            for other in branches:
                if other == branch.partition("_")[0] + "_bx" and "EtSum" not in other:
                    bx = branches[other][1].copy()
                    bx[places] = 0
                    changed[other] = sizes, bx
        else:
            event = 200
            changed[branch] = branches[branch].astype(np.float32)
            changed[branch][event] = value
        path = write_nanoaod(tmp_path / "x.root", changed, {"genEventSumw": [100.0]})
        with pytest.raises(UserError) as error:
            read(path, {"X": 1.0})
        assert str(error.value).startswith(f"{path}: branch '{branch}': event {event}: {problem}")

    def test_objects_of_other_crossings_and_unknown_sums_are_not_looked_at(self, tmp_path, branches, path):
        changed = dict(branches)
        for table in ("L1Jet", "L1EtSum"):
            sizes, bx = branches[f"{table}_bx"]
            pt = np.where(bx == 0, branches[f"{table}_pt"][1], np.float32(np.nan))
            changed[f"{table}_pt"] = sizes, pt
            changed[f"{table}_bx"] = sizes, np.where(bx == 0, bx, np.int16(32767))
        sizes, types = branches["L1EtSum_etSumType"]
        changed["L1EtSum_etSumType"] = sizes, np.where(types == 99, np.int16(-32768), types)
        events = read(write_nanoaod(tmp_path / "x.root", changed, {"genEventSumw": [4000.0]}), {"X": 10.0})
        expected = read(path, {"X": 10.0})
        for name, values in vars(events).items():
            assert_array_equal(values, getattr(expected, name), err_msg=name)

    def test_lists_of_unequal_lengths_are_named(self, tmp_path, branches):
        sizes, values = branches["L1Jet_eta"]
        other = sizes.copy()
        first, second = np.flatnonzero(sizes)[[0, 1]]
        other[first], other[second] = sizes[first] - 1, sizes[second] + 1
        path = write_nanoaod(tmp_path / "x.root", {**branches, "L1Jet_eta": (other, values)})
        problem = f"'L1Jet_eta': event {first}: expected {sizes[first]} entries as in 'L1Jet_pt', found {other[first]}"
        with pytest.raises(UserError, match=problem):
            check(path)


def test_central_simulation_without_l1_tables_is_refused_and_its_truth_read_with_tables_of_l1(tmp_path):
    """Names and types of public events of version 15; uproot writes a counter of each list beside it."""
    made = random_nanoaod(50)
    bits = {"L1_SingleJet180": np.zeros(50, bool), "L1Reco_step": np.ones(50, bool)}
    central = {name: value for name, value in made.items() if not name.startswith("L1")} | bits
    path = write_nanoaod(tmp_path / "nano_tt.root", central)
    assert "nGenJet_pt" in uproot.open(path)["Events"].keys()  # noqa: SIM118 names of branches
    with pytest.raises(UserError) as error:
        check(path)
    assert str(error.value) == (
        f"{path}: has no L1 tables L1Mu, L1EG, L1Jet, L1EtSum: expected NanoAOD of the flavour NANO:@PHYS+@L1FULL; "
        "central simulation has none"
    )
    path = write_nanoaod(tmp_path / "nano_tt.root", made | bits)
    compare(read(path, {"X": 830.0}), path)
