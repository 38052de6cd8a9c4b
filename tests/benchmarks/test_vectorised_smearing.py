"""Two computations of the smearing, in compiled loops and in array code, give the same objects and sums."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks import vectorised_smearing
from tests.toys import random_particles
from utils.event_layout import event_objects
from utils.l1_events import met
from utils.simulation.response_options import ResponseOptions, l1_response


def test_both_agree():
    response = l1_response(ResponseOptions())
    true = event_objects(random_particles(5000))
    normals = np.random.default_rng(1).standard_normal((len(true), 18, 2), np.float32)
    found, expected = response.smear(true, normals), vectorised_smearing.smeared(true, normals, response)
    assert (expected[:, :16, 0] > 0).any(axis=0).all()
    assert_array_equal(found[:, :, 0] > 0, expected[:, :, 0] > 0)
    assert_allclose(found, expected, rtol=3e-6)
    assert_allclose(met(found), vectorised_smearing.met(expected), rtol=1e-4, atol=1e-3)
