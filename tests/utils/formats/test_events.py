"""Events files: they are read as they were written, and errors name what is wrong."""

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.toys import random_particles, write_events
from utils.formats.events import EventsFile, check_events_files, new_events_file
from utils.runtime.errors import UserError


class TestRoundTrip:
    @pytest.mark.parametrize("parts", [[100], [1, 99], [40, 0, 60]])
    def test_events_are_read_as_written(self, parts, tmp_path):
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

    def test_the_layout_is_that_of_the_public_files(self, tmp_path):
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

    def test_an_error_leaves_no_file(self, tmp_path):
        with pytest.raises(ValueError, match="stop"), new_events_file(tmp_path / "x.h5") as file:
            file.append(random_particles(5), np.ones(5))
            raise ValueError("stop")
        assert list(tmp_path.iterdir()) == []


def test_files_without_weights_have_weight_one(tmp_path):
    found = EventsFile.check(write_events(tmp_path / "x.h5", random_particles(10).astype(np.float64)))
    particles, weights = found.rows(0, 10)
    assert not found.weighted
    assert particles.dtype == np.float32
    assert_array_equal(weights, np.ones(10, np.float32))


class TestTidied:
    """What a file holds is brought into one form: phi in (-pi, pi], and zeros where nothing is."""

    @pytest.mark.parametrize("stale", [[0, 2.5, -1, 17], [-0.0, np.nan, np.nan, np.nan], [0, -999, np.inf, -999]])
    def test_empty_slots_are_not_checked(self, stale, tmp_path):
        particles = random_particles(50)
        particles[:5, 0] = 0
        expected = particles.copy()
        particles[particles[:, :, 0] == 0] = stale
        assert_array_equal(EventsFile.check(write_events(tmp_path / "x.h5", particles)).rows(0, 50)[0], expected)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_phi_is_above_minus_pi_and_at_most_pi(self, dtype, tmp_path):
        particles = random_particles(200).astype(dtype)
        expected = particles.astype(np.float32)
        real = particles[:, :, 0] > 0
        particles[real, 2] %= 2 * np.pi
        turned = particles.copy()
        turned[real, 2] -= 2 * np.pi
        for number, values in enumerate((particles, turned)):
            path = write_events(tmp_path / f"{number}.h5", values)
            found = EventsFile.check(path).rows(0, 200)[0]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
            assert (np.abs(found[:, :, 2]) <= np.float32(np.pi)).all()

    def test_the_ends_of_a_turn(self, tmp_path):
        ends = np.array([np.pi, -np.pi, 2 * np.pi, -2 * np.pi, 0], np.float32)
        particles = np.zeros((5, 19, 4), np.float32)
        particles[:, 9] = np.stack([np.full(5, 50), np.zeros(5), ends, np.full(5, 4)], axis=1)
        phi = EventsFile.check(write_events(tmp_path / "x.h5", particles)).rows(0, 5)[0][:, 9, 2]
        np.testing.assert_allclose(phi, [np.pi, np.pi, 0, 0, 0], atol=1e-6)

    def test_the_eta_of_met_has_no_meaning(self, tmp_path):
        particles = random_particles(20)
        particles[:, 0, 1] = np.nan
        EventsFile.check(write_events(tmp_path / "x.h5", particles)).rows(0, 20)


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
    def test_shape_and_type_are_named(self, change, message, tmp_path):
        with pytest.raises(UserError, match=rf"x\.h5: {message}"):
            self.check_all(write_events(tmp_path / "x.h5", change(random_particles(50))))

    @pytest.mark.parametrize(
        ("place", "value", "message"),
        [
            ((33, 9, 1), np.nan, "event 33, slot 9, eta: expected values from -6 to 6, found nan"),
            ((33, 9, 1), 6.5, "event 33, slot 9, eta: expected values from -6 to 6, found 6.5"),
            ((33, 9, 2), 6.3, "event 33, slot 9, phi: expected radians from -2 pi to 2 pi, found 6.3"),
            ((33, 0, 2), -170, "event 33, slot 0, phi: expected radians from -2 pi to 2 pi, found -170"),
            ((33, 9, 0), 15e3, "event 33, slot 9, pT: expected GeV from 0 to 7000, found 15000"),
            ((0, 0, 0), np.inf, "event 0, slot 0, pT: expected GeV from 0 to 7000, found inf"),
            ((40, 3, 0), np.nan, "event 40, slot 3, pT: expected GeV from 0 to 7000, found nan"),
            ((49, 5, 0), -1, "event 49, slot 5, pT: expected GeV from 0 to 7000, found -1"),
            ((33, 9, slice(None)), [30, 0, 0, 3], "event 33, slot 9, class: expected 4, found 3"),
            ((33, 1, slice(None)), [30, 0, 0, np.nan], "event 33, slot 1, class: expected 2, found nan"),
        ],
    )
    def test_unphysical_numbers_are_named(self, place, value, message, tmp_path):
        particles = random_particles(50)
        particles[33, 9] = [30, 0, 0, 4]
        particles[place] = value
        with pytest.raises(UserError, match=rf"x\.h5: dataset 'Particles', {message}"):
            self.check_all(write_events(tmp_path / "x.h5", particles))

    def test_weights_that_are_not_finite_are_named(self, tmp_path):
        weights = np.ones(50)
        weights[21] = np.nan
        with pytest.raises(UserError, match=r"x\.h5: dataset 'Weights', event 21: expected finite numbers"):
            self.check_all(write_events(tmp_path / "x.h5", random_particles(50), weights))

    def test_too_few_weights_are_named(self, tmp_path):
        with pytest.raises(UserError, match=r"x\.h5: dataset 'Weights' has shape \(49,\), expected \(50\)"):
            self.check_all(write_events(tmp_path / "x.h5", random_particles(50), np.ones(49)))

    def test_missing_particles_are_named(self, tmp_path):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["Jets"] = np.zeros(3)
        with pytest.raises(UserError, match=r"x\.h5: dataset 'Particles' is missing, found Jets"):
            EventsFile.check(tmp_path / "x.h5")


def test_either_all_files_of_a_process_have_weights_or_none(tmp_path):
    particles = random_particles(5)
    weighted = [write_events(tmp_path / f"w{i}.h5", particles, np.ones(5)) for i in range(2)]
    plain = [write_events(tmp_path / f"p{i}.h5", particles) for i in range(2)]
    assert [file.path for file in check_events_files(weighted)] == weighted
    assert [file.weighted for file in check_events_files(plain)] == [False, False]
    for mixed in ([weighted[0], plain[0]], [plain[0], weighted[0]]):
        with pytest.raises(UserError, match=r"p0\.h5: dataset 'Weights' is missing, but .*w0\.h5 has it"):
            check_events_files(mixed)
