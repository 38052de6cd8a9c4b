"""L1 regression files: own and foreign files are read, and errors name what is wrong."""

import json

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.toys import random_l1_events, write_l1
from utils.formats import l1_files as l1_dataset
from utils.formats.l1_files import L1Dataset, new_l1_file
from utils.l1_events import L1Events
from utils.runtime.errors import UserError
from utils.runtime.workers import in_order, worker_threads

NAMES = {1: "QCD", 2: "h_To_TauTau"}


def write(path, events, cuts=()):
    with new_l1_file(path, NAMES, seed=3, made_by={"arguments": {"flag": 1}}) as file:
        for start, stop in zip([0, *cuts], [*cuts, len(events)], strict=True):
            file.append(events[start:stop])
        assert len(file) == len(events)
    return path


class TestRoundTrip:
    @pytest.mark.parametrize("cuts", [(), (1, 50), (30, 30)])
    def test_events_are_read_as_written(self, cuts, tmp_path):
        events = random_l1_events(100)
        data = L1Dataset.check(write(tmp_path / "x.h5", events, cuts))
        assert (data.n_events, data.process_names, data.weighted) == (100, NAMES, True)
        chunks = list(data.chunks(33))
        assert [len(chunk) for chunk in chunks] == [33, 33, 33, 1]
        for found, expected in ((L1Events.concatenate(chunks), events), (data.rows(10, 20), events[10:20])):
            assert found.keep_probability is None
            for name, column in vars(expected).items():
                if column is not None:
                    assert_array_equal(getattr(found, name), column)
                    assert getattr(found, name).dtype == column.dtype

    def test_threads_read_an_open_file(self, tmp_path):
        events = random_l1_events(5000)
        with L1Dataset.check(write(tmp_path / "x.h5", events)).opened() as rows, worker_threads(4) as workers:
            parts = list(in_order(workers, lambda start: rows.events(start, start + 100), range(0, 5000, 100), 8))
            true_met = list(in_order(workers, lambda start: rows.column("true_met", start, start + 50), [0, 4100], 1))
        found = L1Events.concatenate(parts)
        for name, column in vars(events).items():
            assert_array_equal(getattr(found, name), column)
        assert_array_equal(true_met, [events.true_met[:50], events.true_met[4100:4150]])

    @pytest.mark.parametrize(
        ("attribute", "found"), [(30.0, 30.0), (None, None), ("soft", None), (np.nan, None), ([20.0, 30.0], None)]
    )
    def test_the_jet_threshold_is_a_number_or_unknown(self, attribute, found, tmp_path):
        path = write(tmp_path / "x.h5", random_l1_events(7))
        with h5py.File(path, "a") as file:
            if attribute is not None:
                file.attrs["jet_threshold"] = attribute
        assert L1Dataset.check(path).jet_threshold == found

    @pytest.mark.parametrize(
        ("name", "good", "bad", "expected"),
        [("l1_htt", 500, -1, "numbers from 0 to 30000"), ("l1_etm_phi", -3, 180, "radians from -2 pi to 2 pi")],
    )
    def test_sums_of_the_trigger_may_be_unknown_but_not_impossible(self, name, good, bad, expected, tmp_path):
        path = write(tmp_path / "x.h5", random_l1_events(3))
        with h5py.File(path, "a") as file:
            file[name] = np.float32([np.nan, 0, good])
        events = L1Dataset.check(path).rows(0, 3)
        assert_array_equal(getattr(events, name), np.float32([np.nan, 0, good]))
        assert events.l1_etm is None
        with h5py.File(path, "a") as file:
            file[name][1] = bad
        with pytest.raises(UserError, match=rf"x\.h5: dataset '{name}', event 1: expected {expected}, or NaN, found"):
            L1Dataset.check(path).rows(0, 3)

    def test_the_layout_is_that_of_prepared_files(self, tmp_path):
        with h5py.File(write(tmp_path / "x.h5", random_l1_events(7))) as file:
            found = {name: (values.shape, values.dtype.str) for name, values in file.items()}
            attributes = dict(file.attrs)
            assert file["ids_names"][:].tolist() == [b"QCD_1", b"h_To_TauTau_2"]
        sums = ("smeared_met", "smeared_ht", "true_met", "true_ht", "original_met", "weights")
        assert found == {
            "smeared_data": ((7, 18, 3), "<f4"),
            "true_data": ((7, 18, 3), "<f4"),
            **dict.fromkeys(sums, ((7,), "<f4")),
            "ids": ((7,), "<i4"),
            "ids_names": ((2,), "|S13"),
        }
        assert attributes["format_version"] == 1
        assert attributes["seed"] == 3
        assert json.loads(attributes["slots"]) == {"muons": [0, 4], "egammas": [4, 8], "jets": [8, 18]}
        assert json.loads(attributes["configuration"]) == {"arguments": {"flag": 1}}

    def test_an_error_leaves_no_file(self, tmp_path):
        with pytest.raises(ValueError, match="stop"), new_l1_file(tmp_path / "x.h5", NAMES, 3, {}) as file:
            file.append(random_l1_events(5))
            raise ValueError("stop")
        assert list(tmp_path.iterdir()) == []


class TestFilesFromElsewhere:
    def test_without_weights_and_attributes_are_read(self, tmp_path):
        events = random_l1_events(20)
        data = L1Dataset.check(write_l1(tmp_path / "x.h5", events, weights=False))
        assert not data.weighted
        assert data.process_names == {1: "QCD", 2: "W"}
        found = data.rows(0, 20)
        assert_array_equal(found.weights, np.ones(20, np.float32))
        assert_array_equal(found.smeared_data, events.smeared_data)

    @pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64])
    def test_ids_may_be_of_any_number_type(self, dtype, tmp_path):
        path = write_l1(tmp_path / "x.h5", random_l1_events(20))
        with h5py.File(path, "a") as file:
            ids = file["ids"][:]
            del file["ids"]
            file["ids"] = ids.astype(dtype)
        assert_array_equal(L1Dataset.check(path).rows(0, 20).ids, ids)

    def test_double_precision_is_read_as_single(self, tmp_path):
        events = random_l1_events(20)
        path = write_l1(tmp_path / "x.h5", events)
        with h5py.File(path, "a") as file:
            for name in ("smeared_data", "true_met", "weights"):
                values = file[name][:]
                del file[name]
                file[name] = values.astype(np.float64)
        found = L1Dataset.check(path).rows(0, 20)
        assert found.smeared_data.dtype == found.true_met.dtype == found.weights.dtype == np.float32
        assert_array_equal(found.true_met, events.true_met)

    def test_process_names_may_be_of_any_text_type(self, tmp_path):
        path = write_l1(tmp_path / "x.h5", random_l1_events(5))
        with h5py.File(path, "a") as file:
            del file["ids_names"]
            file.create_dataset("ids_names", data=["QCD_1", "h_To_2_W_2"], dtype=h5py.string_dtype())
        assert L1Dataset.check(path).process_names == {1: "QCD", 2: "h_To_2_W"}


class TestProcesses:
    def test_ids_of_names_are_in_the_order_of_the_names(self, tmp_path):
        data = L1Dataset.check(write(tmp_path / "x.h5", random_l1_events(5)))
        assert data.process_ids(("h_To_TauTau", "QCD")) == [2, 1]

    def test_unknown_one_is_named(self, tmp_path):
        data = L1Dataset.check(write(tmp_path / "x.h5", random_l1_events(5)))
        with pytest.raises(UserError, match=r"x\.h5: unknown process 'Z', the file has QCD, h_To_TauTau"):
            data.process_ids(("QCD", "Z"))

    @pytest.mark.parametrize(
        "label", [b"QCD", b"QCD_", b"_1", b"QCD_one", b"QCD_-1", b"QCD_1.5", "QCD_²".encode(), b"\xff"]
    )
    def test_label_without_id_is_named(self, label, tmp_path):
        path = write_l1(tmp_path / "x.h5", random_l1_events(5), names=(b"QCD_1", label))
        with pytest.raises(UserError, match=r"x\.h5: dataset 'ids_names' has '.*', expected NAME_ID such as QCD_1"):
            L1Dataset.check(path)

    @pytest.mark.parametrize("names", [(b"QCD_1", b"W_1"), (b"QCD_1", b"QCD_2")])
    def test_label_that_contradicts_another_is_named(self, names, tmp_path):
        path = write_l1(tmp_path / "x.h5", random_l1_events(5), names=names)
        with pytest.raises(UserError, match=rf"x\.h5: dataset 'ids_names' has '{names[1].decode()}'"):
            L1Dataset.check(path)


class TestBadFiles:
    def replace(self, path, name, values):
        with h5py.File(path, "a") as file:
            del file[name]
            if values is not None:
                file[name] = values
        return path

    @pytest.fixture
    def path(self, tmp_path):
        return write_l1(tmp_path / "x.h5", random_l1_events(50))

    @pytest.mark.parametrize(
        "name",
        [
            "smeared_data",
            "true_data",
            "smeared_met",
            "smeared_ht",
            "true_met",
            "true_ht",
            "original_met",
            "ids",
            "ids_names",
        ],
    )
    def test_missing_dataset_is_named(self, name, path):
        with pytest.raises(UserError, match=rf"x\.h5: dataset '{name}' is missing, found "):
            L1Dataset.check(self.replace(path, name, None))

    @pytest.mark.parametrize(
        ("name", "values", "message"),
        [
            ("smeared_data", np.zeros((50, 17, 3)), r"has shape \(50, 17, 3\), expected \(any, 18, 3\)"),
            ("true_data", np.zeros((49, 18, 3)), r"has shape \(49, 18, 3\), expected \(50, 18, 3\)"),
            ("true_ht", np.zeros((50, 1)), r"has shape \(50, 1\), expected \(50\)"),
            ("weights", np.zeros(51), r"has shape \(51,\), expected \(50\)"),
            ("smeared_met", np.zeros(50, int), "has type int64, expected one of kind f"),
            ("ids", np.array([b"1"] * 50), r"has type \|S1, expected one of kind iuf"),
            ("ids_names", np.array([1, 2]), "has type int64, expected one of kind SO"),
        ],
    )
    def test_wrong_shape_or_type_is_named(self, name, values, message, path):
        with pytest.raises(UserError, match=rf"x\.h5: dataset '{name}' {message}"):
            L1Dataset.check(self.replace(path, name, values))

    @pytest.mark.parametrize(
        ("name", "place", "value", "message"),
        [
            ("smeared_data", (33, 8, 2), np.nan, ", slot 8, phi: expected radians from -2 pi to 2 pi, found nan"),
            ("smeared_data", (33, 8, 2), 90, ", slot 8, phi: expected radians from -2 pi to 2 pi, found 90"),
            ("smeared_data", (33, 8, 1), -6.1, ", slot 8, eta: expected values from -6 to 6, found -6.1"),
            ("true_data", (33, 0, 0), np.inf, ", slot 0, pT: expected GeV from 0 to 30000, found inf"),
            ("true_data", (33, 17, 0), -1.0, ", slot 17, pT: expected GeV from 0 to 30000, found -1"),
            ("smeared_data", (33, 8, 0), 45e3, ", slot 8, pT: expected GeV from 0 to 30000, found 45000"),
            ("smeared_met", 33, np.nan, ": expected GeV from 0 to 30000, found nan"),
            ("original_met", 33, -0.5, ": expected GeV from 0 to 30000, found -0.5"),
            ("true_ht", 33, 4e5, ": expected GeV from 0 to 30000, found 400000"),
            ("weights", 33, np.nan, ": expected finite numbers"),
            ("ids", 33, 7, r": expected one of \[1, 2\]"),
        ],
    )
    def test_bad_number_is_named_with_its_event(self, name, place, value, message, path):
        with h5py.File(path, "a") as file:
            for objects in ("smeared_data", "true_data"):
                file[objects][33, 8] = [30, 0, 0]
            file[name][place] = value
        data = L1Dataset.check(path)
        for size in (10, 20, 1000):
            with pytest.raises(UserError, match=rf"x\.h5: dataset '{name}', event 33{message}"):
                list(data.chunks(size))
        assert len(data.rows(0, 33)) == 33

    def test_phi_is_wrapped_and_empty_slots_are_not_checked(self, path):
        expected = L1Dataset.check(path).rows(0, 50)
        with h5py.File(path, "a") as file:
            for name in ("smeared_data", "true_data"):
                objects = file[name][:]
                real = objects[:, :, 0] > 0
                objects[real, 2] %= 2 * np.pi
                objects[~real, 1:] = [np.nan, -999]
                file[name][:] = objects
        found = L1Dataset.check(path).rows(0, 50)
        for name in ("smeared_data", "true_data"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-6)

    def test_negative_eta_phi_and_weights_are_allowed(self, path):
        with h5py.File(path, "a") as file:
            file["smeared_data"][3, 8, 1:] = [-4.0, -3.0]
            file["weights"][3] = -2.0
        assert L1Dataset.check(path).rows(3, 4).weights[0] == -2


def test_rows_of_a_process_are_found_by_number(tmp_path, monkeypatch):
    monkeypatch.setattr(l1_dataset, "ROWS_A_CHUNK", 7)
    events = random_l1_events(50)
    data = L1Dataset.check(write_l1(tmp_path / "l1.h5", events))
    for process_id in (1, 2):
        rows = np.flatnonzero(events.ids == process_id)
        indices = [len(rows) - 1, 0, 3, 3]
        assert data.process_rows(process_id, indices) == rows[indices].tolist()
    assert data.process_rows(1, []) == []
