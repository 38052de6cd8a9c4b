"""Kinds of files: by their content, with any name."""

import gzip

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from tests.toys import random_particles, write_events, write_les_houches
from utils.formats.kinds import Kind, kind_of
from utils.runtime.errors import UserError


def write_trees(path, *names):
    with uproot.recreate(path) as file:
        for name in names:
            file.mktree(name, {"x": np.float32}).extend({"x": np.zeros(3, np.float32)})
    return path


def test_hdf5_also_behind_a_user_block(tmp_path):
    assert kind_of(write_events(tmp_path / "x.root", random_particles(3))) == Kind.HDF5
    with h5py.File(tmp_path / "y", "w", userblock_size=1024) as file:
        file["x"] = 1
    assert kind_of(tmp_path / "y") == Kind.HDF5


def test_parquet(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.h5")
    assert kind_of(tmp_path / "x.h5") == Kind.PARQUET


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("Runs", "Events"), Kind.NANOAOD),
        (("Delphes",), Kind.DELPHES),
        (("ntuple",), Kind.ROOT),
        (("folder/Events",), Kind.ROOT),
    ],
)
def test_root_by_its_trees(tmp_path, names, kind):
    assert kind_of(write_trees(tmp_path / "x.h5", *names)) == kind


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_texts_also_compressed(tmp_path, pack):
    events = write_les_houches(tmp_path / "x.lhe", 3, [1.0])
    (tmp_path / "x").write_bytes(pack(b'<?xml version="1.0"?>\n<!-- -->\n' + events.read_bytes()))
    assert kind_of(tmp_path / "x") == Kind.LES_HOUCHES
    for name in (b"HepMC::IO_GenEvent", b"HepMC::Asciiv3"):
        (tmp_path / "x").write_bytes(pack(b"\nHepMC::Version 3.02.04\n" + name + b"-START_EVENT_LISTING\n"))
        assert kind_of(tmp_path / "x") == Kind.HEPMC


def test_a_compressed_file_that_is_cut_short_is_known_by_its_beginning(tmp_path):
    """So that its reader says what is wrong."""
    events = write_les_houches(tmp_path / "x.lhe", 3, np.ones(20))
    (tmp_path / "x").write_bytes(gzip.compress(events.read_bytes())[:-200])
    assert kind_of(tmp_path / "x") == Kind.LES_HOUCHES


@pytest.mark.parametrize("content", [b"", b"pT eta phi", b"\x1f\x8b", b"\x1f\x8b" + bytes(99)])
def test_unknown(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    assert kind_of(tmp_path / "x") is None


def test_no_file(tmp_path):
    assert kind_of(tmp_path) is None
    assert kind_of(tmp_path / "x") is None


def test_a_damaged_root_file_is_named(tmp_path):
    path = write_trees(tmp_path / "x.root", "Events")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UserError, match=r"x\.root: not a readable ROOT file, damaged or cut short \("):
        kind_of(path)
