"""Trees of Delphes: objects, MET and weights against hand-written loops, and errors that name branch and event."""

import math
import struct

import numpy as np
import pytest

from tests.toys import delphes_branches, random_particles, write_delphes, write_events
from utils.formats.delphes import DelphesFile, check_delphes_files
from utils.formats.delphes_options import DelphesOptions
from utils.formats.duplicates import find_duplicates
from utils.formats.events import EventsFile
from utils.formats.reader_options import ReaderOptions
from utils.formats.sources import check_sources
from utils.runtime.errors import UserError

N = 400
ANGLES = "Eta", "Phi"


def check(path, **options):
    (file,) = check_delphes_files([path], DelphesOptions(**options))
    return file


def check_all(paths, **options):
    return check_sources("QCD", paths, ReaderOptions(**options))


def crowded(seed=0):
    """Return branches of lists of random lengths in random order, with jets on top of e/g and muons."""
    rng = np.random.default_rng(seed)
    branches = delphes_branches(random_particles(N, seed), rng.uniform(-1, 3, N), np.linspace(1, 7, N))
    for name, mean in (("Jet", 6), ("Electron", 2), ("Photon", 2), ("Muon", 2)):
        sizes = rng.poisson(mean, N)
        ranges = {"PT": (1, 200), "Eta": (-2.5, 2.5), "Phi": (-np.pi, np.pi)}
        for column, (low, high) in ranges.items():
            branches[f"{name}.{column}"] = sizes, rng.uniform(low, high, sizes.sum()).astype(np.float32)
    return branches


def lists(branches, name):
    """Return a list of values for each event."""
    sizes, values = branches[name]
    return [part.tolist() for part in np.split(values, np.cumsum(sizes)[:-1])]


def near(one, other):
    turn = abs(one[2] - other[2])
    return math.hypot(one[1] - other[1], min(turn, 2 * math.pi - turn)) < 0.4


def expected_rows(branches):
    """Return the rows of an events file by a loop over events and objects."""
    rows = np.zeros((N, 19, 4), np.float32)
    columns = {
        name: list(zip(*(lists(branches, f"{name}.{column}") for column in ("PT", "Eta", "Phi")), strict=True))
        for name in ("Jet", "Electron", "Photon", "Muon")
    }
    for event in range(N):
        objects = {name: list(zip(*found[event], strict=True)) for name, found in columns.items()}
        egammas = objects["Electron"] + objects["Photon"]
        leptons = egammas + objects["Muon"]
        jets = [jet for jet in objects["Jet"] if all(one[0] <= jet[0] / 2 for one in leptons if near(one, jet))]
        egammas = [one for one in egammas if not any(near(one, jet) for jet in jets)]
        rows[event, 0] = lists(branches, "MissingET.MET")[event][0], 0, lists(branches, "MissingET.Phi")[event][0], 1
        for first, most, number, found in ((1, 4, 2, egammas), (5, 4, 3, objects["Muon"]), (9, 10, 4, jets)):
            for slot, values in enumerate(sorted(found, reverse=True)[:most]):
                rows[event, first + slot] = *values, number
    return rows


@pytest.mark.parametrize("events_a_basket", [None, 37])
def test_objects_are_those_of_a_loop(events_a_basket, tmp_path):
    branches = crowded()
    file = check(write_delphes(tmp_path / "x.root", branches, events_a_basket))
    expected = expected_rows(branches)
    np.testing.assert_array_equal(file.rows(0, N)[0], expected)
    parts = [file.rows(start, min(start + 71, N)) for start in range(0, N, 71)]
    np.testing.assert_array_equal(np.concatenate([particles for particles, _ in parts]), expected)
    np.testing.assert_array_equal(np.concatenate([weights for _, weights in parts]), file.rows(0, N)[1])
    n_jets, n_egammas = len(branches["Jet.PT"][1]), len(branches["Electron.PT"][1]) + len(branches["Photon.PT"][1])
    assert 0.5 * n_jets < (expected[:, 9:, 0] > 0).sum() < 0.95 * n_jets
    assert 0.5 * n_egammas < (expected[:, 1:5, 0] > 0).sum() < 0.99 * n_egammas


def test_the_order_and_the_number_of_branches_do_not_matter(tmp_path):
    branches = crowded()
    more = {"Tower.ET": branches["Jet.PT"], **dict(reversed(branches.items())), "GenJet.PT": branches["Muon.PT"]}
    files = [check(write_delphes(tmp_path / f"{i}.root", found)) for i, found in enumerate((branches, more))]
    for one, other in zip(*(file.rows(0, N) for file in files), strict=True):
        np.testing.assert_array_equal(one, other)


def test_events_of_ours_come_back_to_the_bit(tmp_path):
    particles = random_particles(N, 5)
    particles[:, 1:5] = 0
    particles[:, 5:9, 1] = np.where(particles[:, 5:9, 0] > 0, -5.5, 0)  # no jet is near an e/g or a muon
    particles[::3, 1] = [50, 5.5, 3.0, 2]
    file = check(write_delphes(tmp_path / "x.root", delphes_branches(particles)))
    np.testing.assert_array_equal(file.rows(0, N)[0], particles)
    ours = EventsFile.check(write_events(tmp_path / "x.h5", particles))
    assert [path.name for path, _ in find_duplicates([ours, file])] == ["x.root"]


def test_each_energy_counts_once(tmp_path):
    """A jet of a photon, one with a soft photon in it, one of a muon, one with a soft muon in it."""
    sizes = {"Jet": [1, 1, 1, 1], "Photon": [1, 1, 0, 0], "Electron": [0] * 4, "Muon": [0, 0, 1, 1]}
    pt = {"Jet": [62, 250, 40, 90], "Photon": [60, 20], "Electron": [], "Muon": [39, 12]}
    branches = delphes_branches(np.zeros((4, 19, 4), np.float32))
    for name, found in pt.items():
        branches |= {f"{name}.{column}": (np.array(sizes[name]), np.zeros(len(found), np.float32)) for column in ANGLES}
        branches[f"{name}.PT"] = np.array(sizes[name]), np.array(found, np.float32)
    rows, _ = check(write_delphes(tmp_path / "x.root", branches)).rows(0, 4)
    assert rows[:, 1, 0].tolist() == [60, 0, 0, 0]
    assert rows[:, 5, 0].tolist() == [0, 0, 39, 12]
    assert rows[:, 9, 0].tolist() == [0, 250, 0, 90]


class TestWeights:
    def test_sum_to_the_cross_section_of_the_last_event(self, tmp_path):
        branches = crowded()
        file = check(write_delphes(tmp_path / "x.root", branches))
        weights, generated = file.rows(0, N)[1], branches["Event.Weight"][1].astype(np.float64)
        assert generated.min() < 0
        np.testing.assert_allclose(weights, generated * 7 / generated.sum(), rtol=1e-6)
        assert file.weighted

    @pytest.mark.parametrize(
        ("cross_section", "error"), [(-1.6e-23, -1.6e-23), (3e4, 3e4), (1e-30, 0), (np.nan, 0.1), (np.inf, 1), (0, 0)]
    )
    def test_a_cross_section_that_was_never_set_is_none(self, cross_section, error, tmp_path):
        """DelphesPythia8 writes the memory of both branches as it finds it; the first pair is that of a real file."""
        branches = delphes_branches(random_particles(N), None, np.full(N, cross_section))
        branches["Event.CrossSectionError"] = np.ones(N, int), np.full(N, error, np.float32)
        path = write_delphes(tmp_path / "x.root", branches)
        assert not check(path).weighted
        (file,) = check_all([path], cross_sections={"QCD": 20.0})
        assert file.rows(0, N)[1].sum(dtype=np.float64) == pytest.approx(20, rel=1e-6)

    def test_sum_to_the_cross_section_that_is_given(self, tmp_path):
        branches = crowded()
        (file,) = check_all([write_delphes(tmp_path / "x.root", branches)], cross_sections={"QCD": 20.0})
        assert file.rows(0, N)[1].sum(dtype=np.float64) == pytest.approx(20, rel=1e-6)

    def test_two_files_share_a_cross_section_that_is_given(self, tmp_path):
        """Each is taken by its share of all events, so the sums of weights of both are the cross section."""
        paths = [
            write_delphes(tmp_path / f"{i}.root", delphes_branches(random_particles(n, n), np.full(n, 2.0)))
            for i, n in enumerate((300, 100))
        ]
        files = check_all(paths, cross_sections={"QCD": 20.0})
        sums = [file.rows(0, file.n_events)[1].sum(dtype=np.float64) for file in files]
        assert np.dot(sums, [0.75, 0.25]) == pytest.approx(20, rel=1e-6)
        assert sums == pytest.approx([20, 20], rel=1e-6)

    def test_one_file_with_a_cross_section_that_is_given_is_refused_beside_one_with_its_own(self, tmp_path):
        """The second would count its own by its share of all events, the first the whole of what is given."""
        paths = [
            write_delphes(tmp_path / f"{i}.root", delphes_branches(random_particles(9, i), None, np.full(9, 5.0)))
            for i in range(2)
        ]
        with pytest.raises(
            UserError, match=r"1\.root: a cross section \(--cross_sections\) is missing, but .*0\.root has it"
        ):
            check_all(paths, cross_sections={"0.root": 10.0})

    def test_are_one_without_a_cross_section(self, tmp_path):
        branches = crowded()
        del branches["Event.CrossSection"]
        branches["Event.Weight"] = branches["Event.Weight"][0], np.full(N, 0.25, np.float32)
        file = check(write_delphes(tmp_path / "x.root", branches))
        assert (file.weighted, set(file.rows(0, N)[1])) == (False, {1})
        branches["Event.Weight"][1][30] = -0.25
        file = check(write_delphes(tmp_path / "y.root", branches))
        with pytest.raises(UserError, match=r"y\.root: branch 'Event\.Weight': event 30: expected 0\.25 as in the fi"):
            file.rows(0, N)

    def test_are_equal_without_a_branch_of_them(self, tmp_path):
        branches = crowded()
        del branches["Event.Weight"]
        file = check(write_delphes(tmp_path / "x.root", branches))
        np.testing.assert_allclose(file.rows(0, N)[1], 7 / N, rtol=1e-6)

    def test_that_sum_to_less_than_0_are_refused(self, tmp_path):
        branches = crowded()
        branches["Event.Weight"] = branches["Event.Weight"][0], -branches["Event.Weight"][1]
        with pytest.raises(UserError, match=r"branch 'Event\.Weight': expected finite weights that sum to more than 0"):
            check(write_delphes(tmp_path / "x.root", branches))

    def test_must_be_finite(self, tmp_path):
        branches = crowded()
        branches["Event.Weight"][1][7] = np.inf
        with pytest.raises(UserError, match=r"branch 'Event\.Weight': expected finite weights .* found a sum of inf"):
            check(write_delphes(tmp_path / "x.root", branches))
        del branches["Event.CrossSection"]
        (file,) = check_all([write_delphes(tmp_path / "y.root", branches)], cross_sections={"QCD": 1.0})
        with pytest.raises(UserError, match=r"branch 'Event\.Weight': event 7: expected a finite weight in pb"):
            file.rows(0, N)

    def test_of_other_files_of_the_process_are_needed_too(self, tmp_path):
        paths = write_delphes(tmp_path / "x.root", crowded()), write_events(tmp_path / "y.h5", random_particles(9))
        with pytest.raises(UserError, match=r"y\.h5: dataset 'Weights' is missing, but .*x\.root has weights"):
            check_all(paths)
        write_events(paths[1], random_particles(9), np.ones(9))
        assert [type(file) for file in check_all(paths)] == [DelphesFile, EventsFile]


def test_other_branches_by_choice(tmp_path):
    particles = random_particles(N, 2)
    particles[:, 1:5] = 0
    particles[:, 5:9, 1] = np.where(particles[:, 5:9, 0] > 0, -5.5, 0)
    branches = delphes_branches(particles, generated_met=np.arange(N))
    others = {"Jet": "JetPUPPI", "Electron": "ElectronCHS", "Photon": "PhotonLoose", "Muon": "MuonTight"}
    for name, other in others.items():
        branches |= {f"{other}.{column}": branches.pop(f"{name}.{column}") for column in ("PT", *ANGLES)}
    path = write_delphes(tmp_path / "x.root", branches)
    flags = {f"delphes_{name.lower()}s": other for name, other in others.items()}
    found, _ = check(path, delphes_met="GenMissingET", **flags).rows(0, N)
    np.testing.assert_array_equal(found[:, 0, 0], np.arange(N))
    assert (found[0, 0] == 0).all()  # an empty slot
    np.testing.assert_array_equal(found[:, 1:], particles[:, 1:])
    with pytest.raises(UserError, match=r"branch 'Jet\.PT' is missing, found .*JetPUPPI.*; --delphes_jets"):
        check(path, **{name: value for name, value in flags.items() if name != "delphes_jets"})


def test_numbers_in_place_of_lists_of_one(tmp_path):
    """As trees have that were copied without the classes of Delphes."""
    branches = crowded()
    flat = {name: values[1] if name.startswith(("Event", "Miss")) else values for name, values in branches.items()}
    paths = [write_delphes(tmp_path / f"{i}.root", found) for i, found in enumerate((branches, flat))]
    for one, other in zip(*(check(path).rows(0, N) for path in paths), strict=True):
        np.testing.assert_array_equal(one, other)


class TestErrors:
    @pytest.mark.parametrize(
        "name", ["Jet.PT", "Jet.Phi", "Electron.Eta", "Photon.PT", "Muon.Phi", "MissingET.MET", "MissingET.Phi"]
    )
    def test_a_missing_branch(self, name, tmp_path):
        branches = crowded()
        del branches[name]
        with pytest.raises(UserError, match=rf"x\.root: tree 'Delphes': branch '{name}' is missing, found "):
            check(write_delphes(tmp_path / "x.root", branches))

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("Jet.PT", np.nan, r"branch 'Jet\.PT': event \d+: pT: expected GeV from 0 to 7000, found nan"),
            ("Jet.PT", 8000, r"branch 'Jet\.PT': event \d+: pT: expected GeV from 0 to 7000, found 8000"),
            ("Muon.PT", -3, r"branch 'Muon\.PT': event \d+: pT: expected"),
            ("Muon.Eta", 7, r"branch 'Muon\.Eta': event \d+: eta: expected"),
            ("Photon.Phi", 180, r"branch 'Electron\.Phi or Photon\.Phi': event \d+: phi: expected"),
            ("MissingET.MET", np.inf, r"branch 'MissingET\.MET': event 200: pT: expected"),
        ],
    )
    def test_a_number_that_is_not_physical(self, name, value, message, tmp_path):
        branches = crowded()
        sizes, values = branches[name]
        values[np.cumsum(sizes)[200] - sizes[200] :][:1] = value
        with pytest.raises(UserError, match=rf"x\.root: {message}"):
            check(write_delphes(tmp_path / "x.root", branches, 100)).rows(0, N)

    def test_lists_of_other_lengths(self, tmp_path):
        branches = crowded()
        sizes, values = branches["Muon.Eta"]
        sizes = sizes.copy()
        sizes[300] += 1
        branches["Muon.Eta"] = sizes, np.append(values, np.float32(0))
        path = write_delphes(tmp_path / "x.root", branches, own_counters=True)
        with pytest.raises(UserError, match=r"branch 'Muon\.Eta': event 300: expected \d+ entries as in"):
            check(path).rows(0, N)

    def test_more_objects_than_any_event_has(self, tmp_path):
        branches = crowded()
        sizes = np.where(np.arange(N) == 9, 10_001, 0)
        branches |= {f"Photon.{column}": (sizes, np.zeros(10_001, np.float32)) for column in ("PT", *ANGLES)}
        with pytest.raises(UserError, match=r"branch 'Photon\.PT': event 9: expected at most 10000 entries, found"):
            check(write_delphes(tmp_path / "x.root", branches))

    def test_more_than_one_sum_in_an_event(self, tmp_path):
        branches = crowded()
        for name in ("MissingET.MET", "MissingET.Phi"):
            sizes, values = branches[name]
            sizes = sizes.copy()
            sizes[9] = 2
            branches[name] = sizes, np.append(values, np.float32(0))
        path = write_delphes(tmp_path / "x.root", branches, own_counters=True)
        with pytest.raises(UserError, match=r"branch 'MissingET\.MET': event 9: expected one entry, found 2"):
            check(path)

    def test_a_number_where_lists_are_expected(self, tmp_path):
        path = write_delphes(tmp_path / "x.root", {**crowded(), "Jet.PT": np.ones(N, np.float32)}, own_counters=True)
        with pytest.raises(UserError, match=r"branch 'Jet\.PT': expected lists, found a number an event"):
            check(path)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    def test_a_file_that_is_cut_short(self, share, tmp_path):
        path = write_delphes(tmp_path / "x.root", crowded(), 50)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(UserError, match=r"x\.root: "):
            check_all([path])

    def test_declared_sizes_take_no_memory(self, tmp_path):
        """The number of entries of the tree, 400, becomes 2^40."""
        path = write_delphes(tmp_path / "x.root", crowded())
        content = path.read_bytes()
        assert struct.pack(">q", N) in content
        path.write_bytes(content.replace(struct.pack(">q", N), struct.pack(">q", 1 << 40)))
        with pytest.raises(UserError, match=r"x\.root: declares 1099511627776 entries, which the file is too small"):
            check(path)

    def test_an_empty_tree(self, tmp_path):
        branches = delphes_branches(random_particles(0))
        file = check(write_delphes(tmp_path / "x.root", branches))
        assert (file.n_events, file.weighted, file.fingerprint) == (0, False, None)

    def test_a_cross_section_for_events_files(self, tmp_path):
        path = write_events(tmp_path / "x.h5", random_particles(9), np.ones(9))
        with pytest.raises(UserError, match="--cross_sections: process QCD has no NanoAOD or Delphes file"):
            check_all([path], cross_sections={"QCD": 3.0})
