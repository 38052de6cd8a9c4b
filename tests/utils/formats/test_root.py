"""ROOT files: trees and RNTuples, any compression, damaged files, memory."""

import re

import awkward as ak
import numpy as np
import pytest
import uproot
from numpy.testing import assert_array_equal

from utils.formats.root import open_tree
from utils.runtime.errors import UserError

LISTS = [[1.5, 2.5], [], [3.5]]
COLUMNS = {
    "Jet_pt": ak.values_astype(ak.Array(LISTS), np.float32),
    "Jet_bx": ak.values_astype(ak.Array([[0, -1], [], [2]]), np.int16),
    "run": np.array([1, 2, 3], np.uint32),
    "good": np.array([True, False, True]),
}


def write_tree(path, columns=COLUMNS, repeat=1, **options):
    with uproot.recreate(path, **options) as file:
        tree = file.mktree(
            "Events",
            {
                name: values.type.content if isinstance(values, ak.Array) else values.dtype
                for name, values in columns.items()
            },
        )
        for _ in range(repeat):
            tree.extend(columns)
    return path


def write_rntuple(path, columns=COLUMNS):
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", columns)
    return path


@pytest.mark.parametrize("write", [write_tree, write_rntuple])
class TestBothLayouts:
    def test_columns_come_back(self, write, tmp_path):
        with open_tree(write(tmp_path / "x"), "Events") as tree:
            assert tree.n_entries == 3
            assert COLUMNS.keys() <= tree.names
            sizes, (pt, bx) = tree.lists(["Jet_pt", "Jet_bx"], 0, 3)
            assert (sizes.tolist(), pt.tolist(), bx.tolist()) == ([2, 0, 1], [1.5, 2.5, 3.5], [0, -1, 2])
            assert tree.numbers("run", 0, 3).tolist() == [1, 2, 3]
            assert tree.numbers("good", 0, 3).tolist() == [True, False, True]

    def test_parts_of_the_entries(self, write, tmp_path):
        with open_tree(write(tmp_path / "x"), "Events") as tree:
            sizes, (pt,) = tree.lists(["Jet_pt"], 1, 3)
            assert (sizes.tolist(), pt.tolist()) == ([0, 1], [3.5])
            assert tree.numbers("run", 2, 3).tolist() == [3]

    def test_errors_name_file_and_branch(self, write, tmp_path):
        columns = {**COLUMNS, "Jet_eta": ak.values_astype(ak.Array([[1.0, 2.0], [3.0], [4.0]]), np.float32)}
        with open_tree(write(tmp_path / "x", columns), "Events") as tree:
            for read, problem in (
                (lambda: tree.numbers("Jet_phi", 0, 3), "'Jet_phi': is missing"),
                (lambda: tree.numbers("Jet_pt", 0, 3), "'Jet_pt': expected a number an event, found lists"),
                (lambda: tree.lists(["run"], 0, 3), "'run': expected lists, found a number an event"),
                (
                    lambda: tree.lists(["Jet_pt", "Jet_eta"], 1, 3),
                    "'Jet_eta': event 1: expected 0 entries as in 'Jet_pt', found 1",
                ),
                (lambda: tree.numbers("run", 2, 9), "'run': expected 7 entries from 2 on, found"),
            ):
                with pytest.raises(UserError, match=rf"x: branch {problem}"):
                    read()


def test_fields_of_a_collection_are_named_as_in_a_tree(tmp_path):
    write_rntuple(tmp_path / "x", {"Jet": ak.Array([[{"pt": 1.0, "eta": 2.0}], []])})
    with open_tree(tmp_path / "x", "Events") as tree:
        sizes, (pt, eta) = tree.lists(["Jet_pt", "Jet_eta"], 0, 2)
    assert (sizes.tolist(), pt.tolist(), eta.tolist()) == ([1, 0], [1.0], [2.0])


@pytest.mark.parametrize("compression", [None, uproot.ZLIB(4), uproot.LZMA(1), uproot.LZ4(1), uproot.ZSTD(1)])
def test_each_compression_in_several_baskets(compression, tmp_path):
    path = write_tree(tmp_path / "x", repeat=50, compression=compression)
    with open_tree(path, "Events") as tree:
        sizes, (pt,) = tree.lists(["Jet_pt"], 1, 149)
    assert_array_equal(sizes, np.tile([2, 0, 1], 50)[1:-1])
    assert_array_equal(pt, np.tile([1.5, 2.5, 3.5], 50)[2:-1])


def test_a_changed_file_is_read_again(tmp_path):
    for values in ([1, 2, 3], [4, 5, 6, 7]):
        write_tree(tmp_path / "x", {"run": np.array(values)})
        with open_tree(tmp_path / "x", "Events") as tree:
            assert tree.numbers("run", 0, tree.n_entries).tolist() == values


def test_missing_files_and_trees(tmp_path):
    with pytest.raises(UserError, match="x: no such file"), open_tree(tmp_path / "x", "Events"):
        pass
    write_tree(tmp_path / "x")
    with pytest.raises(UserError, match="x: has no tree 'Delphes'"), open_tree(tmp_path / "x", "Delphes"):
        pass


@pytest.mark.parametrize("compression", [uproot.ZLIB(9), uproot.LZMA(1), uproot.ZSTD(1)])
def test_blocks_that_unfold_to_more_than_they_declare_are_refused(compression, tmp_path):
    """The declared size of the block is lowered, and with it what is allocated; the content stays."""
    path = write_tree(tmp_path / "x", {"x": np.zeros(1 << 20)}, compression=compression)
    content, size = path.read_bytes(), (8 << 20).to_bytes(3, "little")
    content, n_blocks = re.subn(rb"((?:ZL|XZ|ZS).{4})" + size, rb"\g<1>\000\020\000", content, flags=re.DOTALL)
    assert n_blocks == 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="x: not a readable ROOT file"), open_tree(path, "Events") as tree:
        tree.numbers("x", 0, 1 << 20)


def test_more_entries_than_the_file_has_room_for_are_refused(tmp_path):
    path = write_tree(tmp_path / "x", {"x": np.zeros(77_777)})
    content, number = bytearray(path.read_bytes()), (77_777).to_bytes(8, "big")
    assert content.count(number)
    path.write_bytes(content.replace(number, (1 << 60).to_bytes(8, "big")))
    with pytest.raises(UserError, match=f"x: declares {1 << 60} entries"), open_tree(path, "Events"):
        pass


def test_files_cut_short_are_refused(tmp_path):
    content = write_tree(tmp_path / "x", repeat=20).read_bytes()
    for size in np.linspace(0, len(content) - 1, 40).astype(int):
        (tmp_path / "y").write_bytes(content[:size])
        with pytest.raises(UserError, match="y: "), open_tree(tmp_path / "y", "Events") as tree:
            for name in COLUMNS:
                tree._column(name, 0, tree.n_entries)
            raise UserError("y: read")  # only the unused end of the file is missing
