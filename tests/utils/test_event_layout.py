"""Slots of events files and of L1 regression files."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import random_particles
from utils.event_layout import event_objects


class TestEventObjects:
    def test_slots_of_events_files_go_to_the_slots_of_l1_files(self):
        particles = np.zeros((1, 19, 4), np.float32)
        particles[0, :, 0] = 100 + np.arange(19)
        particles[0, :, 1] = 0.01 * np.arange(19)
        particles[0, :, 2] = -0.01 * np.arange(19)
        muons, egammas, jets = [5, 6, 7, 8], [1, 2, 3, 4], [9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
        came_from = np.array(muons + egammas + jets)
        expected = np.stack([100 + came_from, 0.01 * came_from, -0.01 * came_from], axis=1)
        objects = event_objects(particles)
        assert objects.shape == (1, 18, 3)
        assert objects.dtype == np.float32
        assert_allclose(objects[0], expected, rtol=1e-6)

    def test_empty_slots_are_set_to_zero(self):
        particles = np.zeros((2, 19, 4))
        particles[:, :, 1:] = [1.5, -2.0, 4.0]
        particles[1, 9, 0] = 30
        objects = event_objects(particles)
        assert not objects[0].any()
        assert_array_equal(objects[1, 8], np.float32([30, 1.5, -2.0]))
        assert np.count_nonzero(objects) == 3

    def test_files_in_double_precision_become_single(self):
        particles = random_particles(20)
        from_double = event_objects(particles.astype(np.float64))
        assert from_double.dtype == np.float32
        assert_array_equal(from_double, event_objects(particles))
