"""Files of columns: what was appended, in any number of parts; equal runs give equal files."""

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from utils.formats.column_files import SUFFIXES, TREE, new_column_file

TYPES = {"number": np.float32, "flag": np.bool_}


def write(path, sizes, seed=1):
    """Write rows in parts of some sizes, and return all of them."""
    rng = np.random.default_rng(seed)
    parts = [{"number": rng.normal(size=n).astype(np.float32), "flag": rng.random(n) < 0.5} for n in sizes]
    with new_column_file(path, TYPES, {"seed": seed}) as append:
        for part in parts:
            append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in TYPES}


def read(path):
    if path.suffix == ".root":
        with uproot.open(path) as file:
            return file[TREE].arrays(library="np")
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return {name: table[name].to_numpy() for name in table.column_names}
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_parts_of_any_size_follow_each_other(suffix, tmp_path):
    path = tmp_path / f"columns{suffix}"
    expected = write(path, (1, 20_000, 0, 3000))
    found = read(path)
    assert {name: values.dtype for name, values in found.items()} == TYPES
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("suffix", [".h5", ".parquet"])
def test_equal_runs_give_equal_files(suffix, tmp_path):
    contents = []
    for name in ("one", "other"):
        write(tmp_path / f"{name}{suffix}", (300, 20))
        contents.append((tmp_path / f"{name}{suffix}").read_bytes())
    assert contents[0] == contents[1]


def test_equal_runs_give_root_files_of_one_identifier(tmp_path):
    """Their times differ."""
    identifiers = []
    for name, seed in (("one", 1), ("equal", 1), ("other", 2)):
        write(tmp_path / f"{name}.root", (300,), seed)
        with uproot.open(tmp_path / f"{name}.root") as file:
            identifiers.append(file.file.uuid)
    assert identifiers[0] == identifiers[1] != identifiers[2]
