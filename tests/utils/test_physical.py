"""Fingerprints: the same for the same events, however they are stored."""

import numpy as np

from utils.physical import fingerprint


def test_fingerprints_are_those_of_the_first_events_with_an_object(random_particles):
    objects = random_particles(60, seed=1)[:, :, :3]
    objects[:, 0] = 0
    expected = fingerprint(objects)
    assert expected is not None
    assert fingerprint(objects[:40]) == expected
    assert fingerprint(np.concatenate([np.zeros_like(objects), objects])) == expected
    stale = np.where(objects[:, :, :1] > 0, objects, [0, np.nan, -999])
    assert fingerprint(stale.astype(np.float32)) == expected
    assert fingerprint(objects[1:]) != expected
    assert fingerprint(random_particles(60, seed=2)[:, :, :3]) != expected


def test_events_that_tell_nothing_have_no_fingerprint(random_particles):
    objects = random_particles(60)[:, :, :3]
    assert fingerprint(objects[:0]) is None
    assert fingerprint(np.zeros_like(objects)) is None
    assert fingerprint(np.repeat(objects[:1], 20, axis=0)) is None
