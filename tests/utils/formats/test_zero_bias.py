"""Zero-bias events: Parquet files in both layouts of the public data set, with numbers calculated by hand."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.toys import random_zero_bias, zero_bias_column
from utils.event_layout import EGAMMAS, JETS, MUONS, PT
from utils.formats import parquet
from utils.formats.trigger_objects import KINDS, fill_slots
from utils.formats.zero_bias import ZeroBiasData
from utils.runtime.errors import UserError

PI = np.pi
SHORT = pa.list_(pa.int16())
# Two events by hand: objects of each kind as (Et, eta, phi) in steps.
MUON_OBJECTS = [[(21, -80, 0), (61, 92, 288)], []]
EGAMMA_OBJECTS = [[], [(50, 10, 143), (60, -20, 1), (8, 4, 4), (7, 5, 5), (9, 6, 6), (0, 0, 0)]]
JET_OBJECTS = [[(40, 8, 72), (39, 1, 1), (200, -100, 73)], []]


@pytest.fixture
def hand_made():
    return {
        **columns("muons", MUON_OBJECTS),
        **columns("egammas", EGAMMA_OBJECTS),
        **columns("jets", JET_OBJECTS),
        "MET_Et": pa.array([61, 4095], pa.int32()),
        "MET_phi": pa.array([0, 1], pa.int32()),
        "HT_Et": pa.array([120.5, 0.0], pa.float32()),
        "nPV_True": pa.array([50.0, 51.0]),
    }


def columns(prefix, events):
    (kind,) = (kind for kind in KINDS if kind.prefix == prefix)
    return {
        name: zero_bias_column([[item[i] for item in event] for event in events]) for i, name in enumerate(kind.names)
    }


def write(path, table, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path, **options)
    return path


def write_folders(folder, table, bare=False, **options):
    """Write a folder for each kind of object, as RUN/SPLIT/OBJECT/*.parquet."""
    for prefix in dict.fromkeys(name.partition("_")[0] for name in table):
        of_prefix = {name: values for name, values in table.items() if name.startswith(prefix)}
        named = {name.partition("_")[2] if bare else name: values for name, values in of_prefix.items()}
        write(folder / prefix / "part-0.parquet", named, **options)
    return folder


def write_flat(folder, table, bare=False, **options):
    """Write all columns into one file, as data/SAMPLE/SPLIT-*.parquet."""
    objects = [name for kind in KINDS for name in kind.names]
    named = {name.partition("_")[2] if bare and name in objects else name: values for name, values in table.items()}
    write(folder / "data" / "zerobias" / "train-00000-of-00001.parquet", named, **options)
    return folder


def read(folder, reconstructed="smeared_met", size=1000):
    parts = list(ZeroBiasData.check(folder, reconstructed).chunks(size))
    events = [part.events for part in parts]
    return (
        np.concatenate([of_part.smeared_data for of_part in events]),
        np.concatenate([part.reference for part in parts]),
        parts,
    )


def test_jets_below_the_threshold_of_the_training_are_left_out(tmp_path, hand_made):
    write_flat(tmp_path, hand_made)
    (chunk,) = ZeroBiasData.check(tmp_path, "smeared_met", 30.0).chunks(10)
    assert chunk.events.smeared_data[0, JETS, PT].tolist() == [100, *[0] * 9]


@pytest.mark.parametrize("bare", [False, True], ids=["prefixed", "bare"])
@pytest.mark.parametrize("layout", [write_folders, write_flat])
class TestByHand:
    def test_objects(self, tmp_path, hand_made, layout, bare):
        objects, _, _ = read(layout(tmp_path, hand_made, bare))
        expected = np.zeros((2, 18, 3))
        # Muons count from 1, calorimeter objects from 0; the leading come first; phi is in (-pi, pi].
        expected[0, MUONS][:2] = [30, 92 * 0.010875, PI], [10, -80 * 0.010875, 0]
        expected[1, EGAMMAS] = [
            [30, -20 * 0.0435, 2 * PI / 144],
            [25, 10 * 0.0435, -2 * PI / 144],
            [4.5, 6 * 0.0435, 6 * 2 * PI / 144],
            [4, 4 * 0.0435, 4 * 2 * PI / 144],
        ]
        # The second jet has 19.5 GeV.
        expected[0, JETS][:2] = [100, -100 * 0.0435, -71 * 2 * PI / 144], [20, 8 * 0.0435, PI]
        assert objects.dtype == np.float32
        assert objects == pytest.approx(expected, rel=1e-6)

    def test_energy_sums(self, tmp_path, hand_made, layout, bare):
        layout(tmp_path, hand_made, bare)
        _, reference, (part,) = read(tmp_path)
        events = part.events
        assert reference.tolist() == [30.5, 2047.5]  # integers are steps
        assert part.n_saturated == {"MET_Et": 1, "muons": 0, "egammas": 0, "jets": 0}
        assert events.smeared_ht.tolist() == [120, 0]
        px = 10 - 30 - 20 + 100 * np.cos(-71 * 2 * PI / 144)
        assert events.smeared_met[0] == pytest.approx(np.hypot(px, 100 * np.sin(-71 * 2 * PI / 144)))
        assert events.weights.tolist() == [1, 1]
        assert events.ids.tolist() == [0, 0]
        assert np.isnan([events.true_met, events.true_ht, events.original_met]).all()
        assert read(tmp_path, "smeared_ht")[1].tolist() == [120.5, 0]  # floats are GeV


def fill(kind, et, eta=None, phi=None, sizes=None):
    (of_kind,) = (of for of in KINDS if of.prefix == kind)
    values = [np.asarray(given if given is not None else np.zeros(len(et)), np.int32) for given in (et, eta, phi)]
    sizes = np.asarray([len(et)] if sizes is None else sizes, np.int64)
    objects = np.zeros((len(sizes), 18, 3), np.float32)
    saturated = fill_slots(objects, of_kind, sizes, *values)
    return objects[:, of_kind.slots], saturated


class TestFillSlots:
    @pytest.mark.parametrize("kind", ["muons", "egammas", "jets"])
    @given(data=st.data())
    def test_the_leading_objects_come_in_falling_order(self, kind, data):
        events = data.draw(st.lists(st.lists(st.integers(0, 511), max_size=14), min_size=1, max_size=5))
        et = np.array([value for event in events for value in event], np.int32)
        objects, saturated = fill(kind, et, et % 100, sizes=[len(event) for event in events])
        zero, least, eta_step = (1, 0.5, 0.010875) if kind == "muons" else (0, 20 if kind == "jets" else 0.5, 0.0435)
        n_slots = objects.shape[1]
        n_saturated = 0
        for event, found in zip(events, objects, strict=True):
            pt = sorted((pt for pt in ((value - zero) / 2 for value in event) if pt >= least), reverse=True)[:n_slots]
            assert found[:, PT].tolist() == [*pt, *[0] * (n_slots - len(pt))]
            assert found[: len(pt), 1] == pytest.approx([(2 * value + zero) % 100 * eta_step for value in pt])
            n_saturated += sum(value >= (511 - zero) / 2 for value in pt)
        assert saturated == (0 if kind == "jets" else n_saturated)

    def test_equal_energies_keep_their_order(self):
        objects, _ = fill("egammas", [10, 20, 10, 20, 10], [1, 2, 3, 4, 5])
        assert objects[0, :, 1] == pytest.approx(np.array([2, 4, 1, 3]) * 0.0435)

    @pytest.mark.parametrize(("kind", "turn"), [("jets", 144), ("muons", 576)])
    def test_phi_is_above_minus_pi_and_at_most_pi(self, kind, turn):
        steps = np.arange(-turn, turn + 1)
        objects, _ = fill(kind, np.full(len(steps), 100), phi=steps, sizes=np.ones(len(steps)))
        phi = objects[:, 0, 2]
        assert phi.max() == np.float32(PI)
        assert phi.min() == pytest.approx(-PI + 2 * PI / turn)
        assert np.cos(phi) == pytest.approx(np.cos(steps * 2 * PI / turn), abs=1e-6)
        assert np.sin(phi) == pytest.approx(np.sin(steps * 2 * PI / turn), abs=1e-6)
        assert phi[turn + np.array([0, turn // 2, turn // 2 + 1])] == pytest.approx([0, PI, -PI + 2 * PI / turn])

    def test_saturated_objects_are_counted_where_they_enter(self):
        assert fill("jets", [2047] * 12)[1] == 10
        assert fill("muons", [511, 510])[1] == 1
        assert fill("muons", [511])[0][0, 0, PT] == 255

    def test_a_muon_of_the_first_step_has_no_momentum(self):
        assert not fill("muons", [1, 0])[0].any()


class TestReading:
    @pytest.mark.parametrize("layout", [write_folders, write_flat])
    @pytest.mark.parametrize("row_group_size", [7, 1000])
    def test_chunks_do_not_matter(self, tmp_path, layout, row_group_size):
        layout(tmp_path, random_zero_bias(100), row_group_size=row_group_size)
        whole, reference, _ = read(tmp_path)
        assert len(whole) == len(reference) == 100
        for size in (1, 13, 100):
            objects, sums, parts = read(tmp_path, size=size)
            assert np.array_equal(objects, whole)
            assert np.array_equal(sums, reference)
            assert [len(part.events) for part in parts] == [size] * (100 // size) + [100 % size] * (100 % size > 0)

    def test_row_groups_of_folders_may_differ(self, tmp_path):
        write_folders(tmp_path / "a", random_zero_bias(50))
        write_folders(tmp_path / "b", random_zero_bias(50))
        write(tmp_path / "b" / "jets" / "part-0.parquet", jets_of(random_zero_bias(50)), row_group_size=11)
        assert np.array_equal(read(tmp_path / "a", size=8)[0], read(tmp_path / "b", size=8)[0])

    def test_all_runs_splits_and_files_are_read_in_the_order_of_their_names(self, tmp_path):
        expected = []
        for i, place in enumerate(("391000/test", "391000/train", "391001/train")):
            table = random_zero_bias(10 + i, seed=i)
            write_folders(tmp_path / place, table)
            expected.append(table["MET_Et"].to_numpy() / 2)
        data = ZeroBiasData.check(tmp_path, "smeared_met")
        assert data.n_events == 33
        assert np.array_equal(np.concatenate([part.reference for part in data.chunks(100)]), np.concatenate(expected))

    def test_links_to_folders_on_another_disk_are_followed_and_hidden_files_are_not_read(self, tmp_path):
        write_folders(tmp_path / "disk" / "train", random_zero_bias(10))
        (tmp_path / "[zerobias]" / "train").mkdir(parents=True)
        (tmp_path / "[zerobias]" / "391000").symlink_to(tmp_path / "disk")
        write(tmp_path / "[zerobias]" / "391000" / "train" / "jets" / ".part.parquet", random_zero_bias(3))
        assert len(read(tmp_path / "[zerobias]")[0]) == 10

    @pytest.mark.parametrize("layout", [write_folders, write_flat])
    def test_both_layouts_hold_the_same(self, tmp_path, layout):
        layout(tmp_path, random_zero_bias(30))
        assert np.array_equal(read(tmp_path)[0], read(write_folders(tmp_path / "other", random_zero_bias(30)))[0])

    @pytest.mark.parametrize("kind", [pa.large_list(pa.int32()), pa.list_(pa.uint16()), pa.list_(pa.int64())])
    def test_lists_may_be_of_any_integers(self, tmp_path, hand_made, kind):
        expected = read(write_flat(tmp_path / "a", hand_made))[0]
        hand_made["jets_jetIEt"] = hand_made["jets_jetIEt"].cast(kind)
        assert np.array_equal(read(write_flat(tmp_path / "b", hand_made))[0], expected)

    def test_empty_entries_of_lists_stand_for_no_objects(self, tmp_path, hand_made):
        for name in list(jets_of(hand_made)):
            hand_made[name] = pa.array([hand_made[name][0].as_py(), None], SHORT)
        objects, _, _ = read(write_flat(tmp_path, hand_made))
        assert np.count_nonzero(objects[:, JETS, PT], axis=1).tolist() == [2, 0]


def jets_of(table):
    return {name: values for name, values in table.items() if name.startswith("jets")}


class TestRefused:
    def check(self, folder, *message, reconstructed="smeared_met"):
        with pytest.raises(UserError) as error:
            read(folder, reconstructed)
        for part in message:
            assert str(part) in str(error.value)

    def test_no_folder_or_files(self, tmp_path):
        self.check(tmp_path / "none", tmp_path / "none", "no such folder")
        self.check(tmp_path, tmp_path, "expected Parquet files", "found none")

    def test_no_events(self, tmp_path):
        self.check(write_flat(tmp_path, random_zero_bias(0)), tmp_path, "no events")

    def test_other_numbers_of_rows(self, tmp_path, hand_made):
        write_folders(tmp_path, hand_made)
        path = write(tmp_path / "jets" / "part-0.parquet", jets_of(random_zero_bias(5)))
        self.check(tmp_path, path, tmp_path / "muons" / "part-0.parquet", "expected 2 rows", "found 5")

    def test_other_numbers_of_files(self, tmp_path, hand_made):
        write_folders(tmp_path, hand_made)
        write(tmp_path / "jets" / "part-1.parquet", jets_of(hand_made))
        self.check(tmp_path, "1 in", tmp_path / "muons", "2 in", tmp_path / "jets")

    @pytest.mark.parametrize("layout", [write_folders, write_flat])
    @pytest.mark.parametrize("name", ["jets_jetIEta", "egammas_egIEt", "muons_muonIPhiAtVtx", "MET_Et"])
    def test_missing_columns(self, tmp_path, hand_made, layout, name):
        del hand_made[name]
        self.check(layout(tmp_path, hand_made), f"expected column '{name}'", "found it in none", tmp_path)

    def test_a_column_missing_in_a_later_file(self, tmp_path, hand_made):
        write_flat(tmp_path, hand_made)
        del hand_made["jets_jetIEta"]
        path = write(tmp_path / "data" / "zerobias" / "valid-0.parquet", hand_made)
        self.check(tmp_path, path, "column 'jets_jetIEta' is missing, found muons_muonIEt")

    @pytest.mark.parametrize(
        ("name", "values", "expected"),
        [
            ("jets_jetIEt", pa.array([[1.5], []]), "lists of integers, found list<"),
            ("muons_muonIEt", pa.array([1, 2]), "lists of integers, found int64"),
            ("MET_Et", pa.array(["a", "b"]), "integers or floats, found string"),
            ("MET_Et", pa.array([[1], [2]]), "integers or floats, found list<"),
        ],
    )
    def test_wrong_types(self, tmp_path, hand_made, name, values, expected):
        hand_made[name] = values
        folder = write_flat(tmp_path, hand_made)
        self.check(folder, "train-00000-of-00001.parquet", f"column '{name}': expected {expected}")

    @pytest.mark.parametrize(
        ("name", "values", "expected"),
        [
            ("jets_jetIEta", pa.array([[1], []], SHORT), "expected lists as long as in 'jets_jetIEt'"),
            ("jets_jetIEta", pa.array([[1, None, 2], []], SHORT), "expected integers in the lists"),
            ("jets_jetIEta", pa.array([[1, 2**40, 2], []]), "expected integers of 32 bits"),
            ("MET_Et", pa.array([1, None]), "event 1: expected GeV from 0 to 30000, found nan"),
            ("MET_Et", pa.array([1, np.inf]), "event 1: expected GeV from 0 to 30000, found inf"),
            ("MET_Et", pa.array([1e6, 1]), "event 0: expected GeV from 0 to 30000, found 1e+06"),
            ("MET_Et", pa.array([2**63 - 1, 0]), "event 0: expected GeV from 0 to 30000, found 4.61169e+18"),
            ("MET_Et", pa.array([0, -1.5]), "event 1: expected GeV from 0 to 30000, found -1.5"),
            ("jets_jetIEt", pa.array([[100_000, 1, 1], []]), "event 0: expected steps from 0 to 60000, found 100000"),
            ("jets_jetIEta", pa.array([[0, 0, 139], []]), "event 0: expected steps from -137 to 137, found 139"),
            ("jets_jetIPhi", pa.array([[0, 0, -180], []]), "event 0: expected steps from -144 to 144, found -180"),
            ("jets_jetIEta", pa.array([[0] * 201, []], SHORT), "202 entries in 2 events, expected 100 an event"),
        ],
    )
    def test_wrong_values(self, tmp_path, hand_made, name, values, expected):
        hand_made[name] = values
        path = write_folders(tmp_path, hand_made) / name.partition("_")[0] / "part-0.parquet"
        self.check(tmp_path, path, f"column '{name}'", expected)

    @pytest.mark.parametrize("way", ["symlink", "copy", "part"])
    @pytest.mark.parametrize("layout", [write_folders, write_flat])
    def test_the_same_events_twice(self, tmp_path, layout, way):
        layout(tmp_path / "a", random_zero_bias(50))
        if way == "symlink":
            (tmp_path / "b").symlink_to(tmp_path / "a")
        elif way == "copy":
            shutil.copytree(tmp_path / "a", tmp_path / "b")
        else:
            layout(tmp_path / "b", {name: column[:30] for name, column in random_zero_bias(50).items()})
        self.check(tmp_path, tmp_path / "b", "has the events of", tmp_path / "a")

    def test_rows_of_a_few_bytes_do_not_take_all_memory(self, tmp_path, monkeypatch):
        monkeypatch.setattr(parquet, "READING_BYTES", 1 << 20)
        n_events, n_objects = 10_000, 99
        offsets = pa.array(np.arange(n_events + 1, dtype=np.int32) * n_objects)
        equal = pa.ListArray.from_arrays(offsets, pa.array(np.zeros(n_events * n_objects, np.int16)))
        table = random_zero_bias(n_events) | dict.fromkeys(KINDS[-1].names, equal)
        write_flat(tmp_path, table, compression="zstd", use_dictionary=False)
        (path,) = tmp_path.rglob("*.parquet")
        self.check(tmp_path, path, "column 'jets_jetIEt': 3 MiB in a group of rows, expected at most 1")

    def test_a_file_that_was_cut_short(self, tmp_path):
        write_folders(tmp_path, random_zero_bias(200))
        path = tmp_path / "jets" / "part-0.parquet"
        path.write_bytes(path.read_bytes()[:-100])
        self.check(tmp_path, path, "not a readable Parquet file, damaged or cut short")

    def test_a_file_that_is_damaged_inside(self, tmp_path):
        write_folders(tmp_path, random_zero_bias(2000))
        path = tmp_path / "jets" / "part-0.parquet"
        content = bytearray(path.read_bytes())
        content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
        path.write_bytes(content)
        self.check(tmp_path, path, "not a readable Parquet file, damaged or cut short")


def test_jets_have_the_threshold_of_the_data_that_the_networks_learn_from():
    from create_L1regression_data import parse_args

    args = parse_args(["--input=QCD=x", "--train_output=y", "--test_output=z"])
    thresholds = {kind.prefix: kind.threshold for kind in KINDS}
    assert thresholds["jets"] == args.jet_threshold
    assert thresholds["muons"] == args.muon_threshold
    assert thresholds["egammas"] == args.egamma_threshold
