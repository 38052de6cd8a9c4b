"""Events files: what is written can be read, and what cannot be used is named."""

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from utils.cli import UserError
from utils.events import EventsFile, check_events_files, new_events_file


class TestRoundTrip:
    @pytest.mark.parametrize("parts", [[100], [1, 99], [40, 0, 60]])
    def test_events_are_read_as_they_were_written(self, parts, tmp_path, random_particles):
        particles, weights = random_particles(100), np.linspace(1, 2, 100, dtype=np.float32)
        with new_events_file(tmp_path / "x.h5") as file:
            start = 0
            for length in parts:
                file.append(particles[start : start + length], weights[start : start + length])
                start += length
            file.finish(4.0, {"process": "QCD", "seed": 7})
        found = EventsFile.check(tmp_path / "x.h5")
        assert (found.n_events, found.weighted) == (100, True)
        for rows in (slice(0, 100), slice(33, 66), slice(99, 100), slice(7, 7)):
            read = found.rows(rows.start, rows.stop)
            assert_array_equal(read[0], particles[rows])
            assert_array_equal(read[1], 4 * weights[rows])

    def test_the_layout_is_that_of_the_public_files(self, tmp_path, random_particles):
        with new_events_file(tmp_path / "x.h5") as file:
            file.append(random_particles(5), np.ones(5))
            file.finish(1.0, {"process": "QCD", "cross_section_pb": 12.5})
        with h5py.File(tmp_path / "x.h5") as file:
            assert file["Particles"].shape == (5, 19, 4)
            assert file["Particles"].dtype == np.float32
            assert file["Particles_Names"][:].tolist() == [b"Pt", b"Eta", b"Phi", b"Class"]
            assert file["Particles_Classes"][:].tolist() == [
                b"MET_class_1",
                b"Four_Ele_class_2",
                b"Four_Mu_class_3",
                b"Ten_Jet_class_4",
            ]
            assert dict(file.attrs) == {"process": "QCD", "cross_section_pb": 12.5}

    def test_an_error_leaves_no_file(self, tmp_path, random_particles):
        with pytest.raises(ValueError, match="stop"), new_events_file(tmp_path / "x.h5") as file:
            file.append(random_particles(5), np.ones(5))
            raise ValueError("stop")
        assert list(tmp_path.iterdir()) == []


def test_files_without_weights_have_weight_one(tmp_path, random_particles, write_events):
    found = EventsFile.check(write_events(tmp_path / "x.h5", random_particles(10).astype(np.float64)))
    particles, weights = found.rows(0, 10)
    assert not found.weighted
    assert particles.dtype == np.float32
    assert_array_equal(weights, np.ones(10, np.float32))


class TestBadFiles:
    """Files that differ from the layout in one thing."""

    def check_all(self, path):
        file = EventsFile.check(path)
        for start in range(0, file.n_events, 20):
            file.rows(start, min(start + 20, file.n_events))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda p: p[:, :18], r"dataset 'Particles' has shape \(50, 18, 4\), expected \(any, 19, 4\)"),
            (lambda p: p[:, :, :3], r"dataset 'Particles' has shape \(50, 19, 3\), expected \(any, 19, 4\)"),
            (lambda p: p[:, :, 0], r"dataset 'Particles' has shape \(50, 19\), expected \(any, 19, 4\)"),
            (lambda p: p.astype(int), "dataset 'Particles' has type int64, expected one of kind f"),
        ],
    )
    def test_shape_and_type_are_named(self, change, message, tmp_path, random_particles, write_events):
        with pytest.raises(UserError, match=rf"x\.h5: {message}"):
            self.check_all(write_events(tmp_path / "x.h5", change(random_particles(50))))

    @pytest.mark.parametrize(
        ("place", "value", "message"),
        [
            ((33, 9, 1), np.nan, "event 33: expected finite numbers"),
            ((0, 0, 0), np.inf, "event 0: expected finite numbers"),
            ((49, 5, 0), -1, "event 49: expected pT of at least 0"),
            (
                (33, 9, slice(None)),
                [30, 0, 0, 3],
                r"event 33: expected classes 1 \(MET\), 2 \(e/g\), 3 \(muons\), 4 \(jets\)",
            ),
            ((33, 1, slice(None)), [30, 0, 0, 0], "event 33: expected classes"),
        ],
    )
    def test_numbers_that_are_not_physical_are_named(
        self, place, value, message, tmp_path, random_particles, write_events
    ):
        particles = random_particles(50)
        particles[place] = value
        with pytest.raises(UserError, match=rf"x\.h5: dataset 'Particles', {message}"):
            self.check_all(write_events(tmp_path / "x.h5", particles))

    def test_empty_slots_may_hold_a_stale_class(self, tmp_path, random_particles, write_events):
        particles = random_particles(50)
        particles[particles[:, :, 0] == 0] = [0, 2.5, -1, 17]
        self.check_all(write_events(tmp_path / "x.h5", particles))

    def test_weights_that_are_not_finite_are_named(self, tmp_path, random_particles, write_events):
        weights = np.ones(50)
        weights[21] = np.nan
        with pytest.raises(UserError, match=r"x\.h5: dataset 'Weights', event 21: expected finite numbers"):
            self.check_all(write_events(tmp_path / "x.h5", random_particles(50), weights))

    def test_too_few_weights_are_named(self, tmp_path, random_particles, write_events):
        with pytest.raises(UserError, match=r"x\.h5: dataset 'Weights' has shape \(49,\), expected \(50\)"):
            self.check_all(write_events(tmp_path / "x.h5", random_particles(50), np.ones(49)))

    def test_missing_particles_are_named(self, tmp_path):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["Jets"] = np.zeros(3)
        with pytest.raises(UserError, match=r"x\.h5: dataset 'Particles' is missing, found Jets"):
            EventsFile.check(tmp_path / "x.h5")


def test_either_all_files_of_a_process_have_weights_or_none(tmp_path, random_particles, write_events):
    particles = random_particles(5)
    weighted = [write_events(tmp_path / f"w{i}.h5", particles, np.ones(5)) for i in range(2)]
    plain = [write_events(tmp_path / f"p{i}.h5", particles) for i in range(2)]
    assert [file.path for file in check_events_files(weighted)] == weighted
    assert [file.weighted for file in check_events_files(plain)] == [False, False]
    for mixed in ([weighted[0], plain[0]], [plain[0], weighted[0]]):
        with pytest.raises(UserError, match=r"p0\.h5: dataset 'Weights' is missing, but .*w0\.h5 has it"):
            check_events_files(mixed)
