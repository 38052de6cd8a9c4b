"""Files with the same events are recognised by their first events, however they are stored."""

import dataclasses
import os

import numpy as np
import pytest

from tests.toys import random_l1_events, random_particles, write_l1
from utils.formats.duplicates import find_duplicates, fingerprint, refuse_duplicates
from utils.formats.l1_files import L1Dataset
from utils.runtime.errors import UserError


def test_fingerprints_are_those_of_the_first_events_with_an_object():
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


def test_events_that_tell_nothing_have_no_fingerprint():
    objects = random_particles(60)[:, :, :3]
    assert fingerprint(objects[:0]) is None
    assert fingerprint(np.zeros_like(objects)) is None
    assert fingerprint(np.repeat(objects[:1], 20, axis=0)) is None


def test_l1_files_of_the_same_true_events_are_refused(tmp_path):
    """Whatever their processes are called, and with whatever seed they are smeared."""
    first, other = random_l1_events(50, seed=1), random_l1_events(50, seed=2)
    again = dataclasses.replace(first, smeared_data=other.smeared_data, smeared_met=other.smeared_met)
    paths = [
        write_l1(tmp_path / f"{name}.h5", events, names)
        for name, events, names in (
            ("first", first, (b"QCD_1", b"W_2")),
            ("other", other, (b"QCD_1", b"W_2")),
            ("again", again, (b"Z_1", b"top_2")),
        )
    ]
    files = [L1Dataset.check(path) for path in paths]
    refuse_duplicates(files[:2])
    with pytest.raises(UserError, match=rf"{paths[2]}: has the events of {paths[0]}, expected each event once"):
        refuse_duplicates(files)


def test_each_copy_and_link_is_one_of_the_first_file(tmp_path):
    """In any order in which Python visits the elements of a set."""
    path = write_l1(tmp_path / "first.h5", random_l1_events(50))
    (tmp_path / "copy.h5").write_bytes(path.read_bytes())
    os.link(path, tmp_path / "link.h5")
    os.link(tmp_path / "copy.h5", tmp_path / "link_of_copy.h5")
    files = [L1Dataset.check(tmp_path / f"{name}.h5") for name in ("first", "copy", "link", "link_of_copy")]
    assert list(find_duplicates(files)) == [(file.path, path) for file in files[1:]]
