"""Files that are whole or absent, checked HDF5 input, JSON."""

import argparse
import errno
import fcntl
import json
import math
import os
import socket
from pathlib import Path

import h5py
import numpy as np
import pytest

from utils.formats.hdf5 import checked_dataset, open_hdf5
from utils.runtime.errors import UserError
from utils.runtime.locks import NO_LOCKS
from utils.runtime.paths import find_files, refuse_overlaps
from utils.runtime.provenance import provenance
from utils.runtime.text_files import read_json, write_json
from utils.runtime.whole_files import FOLDER_MARK, replaced_together, whole_file, whole_folder


class WritingError(Exception):
    """Something that goes wrong while a file is written."""


class TestWholeFile:
    def test_is_there_only_at_the_end(self, tmp_path):
        path = tmp_path / "new" / "folder" / "file.txt"
        with whole_file(path) as temporary:
            temporary.write_text("content")
            assert temporary.parent == path.parent
            assert not path.exists()
        assert path.read_text() == "content"
        assert list(path.parent.iterdir()) == [path]

    def test_an_error_leaves_nothing(self, tmp_path):
        with pytest.raises(WritingError), whole_file(tmp_path / "file.txt") as temporary:
            temporary.write_text("half")
            raise WritingError
        assert list(tmp_path.iterdir()) == []

    def test_an_error_leaves_what_was_there(self, tmp_path):
        path = tmp_path / "file.txt"
        path.write_text("old")
        with pytest.raises(WritingError), whole_file(path) as temporary:
            temporary.write_text("half")
            raise WritingError
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_what_a_killed_run_left_is_overwritten(self, tmp_path):
        path = tmp_path / "file.txt"
        with whole_file(path) as temporary:
            name = temporary
            temporary.write_text("first")
        name.write_text("left by a killed run")
        with whole_file(path) as temporary:
            temporary.write_text("second")
        assert path.read_text() == "second"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("write", [whole_file, whole_folder])
    def test_what_is_no_file_is_refused_and_stays(self, write, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "link").symlink_to("pipe")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "socket"))
        found = {path: path.lstat() for path in (*tmp_path.iterdir(), Path("/dev/null"))}
        for path in found:
            with pytest.raises(UserError, match=f"{path}: is a (pipe|socket|device), expected"), write(path):
                pytest.fail("the work has begun")
        assert {path: path.lstat().st_ino for path in found} == {path: info.st_ino for path, info in found.items()}

    @pytest.mark.parametrize("write", [whole_file, whole_folder])
    def test_a_descriptor_is_refused_also_where_it_is_of_a_file(self, write, tmp_path):
        with (tmp_path / "log").open("w") as log:
            (tmp_path / "link").symlink_to(f"/dev/fd/{log.fileno()}")
            for path in (f"/dev/fd/{log.fileno()}", f"/proc/self/fd/{log.fileno()}", tmp_path / "link"):
                with pytest.raises(UserError, match="is a descriptor of this process"), write(path):
                    pytest.fail("the work has begun")

    def test_a_folder_in_its_place_is_refused_before_the_work(self, tmp_path):
        (tmp_path / "taken" / "inside").mkdir(parents=True)
        with pytest.raises(UserError, match="taken: is a folder"), whole_file(tmp_path / "taken"):
            pytest.fail("the work has begun")
        assert [path.name for path in tmp_path.iterdir()] == ["taken"]
        assert (tmp_path / "taken" / "inside").is_dir()


def make_folder(path, *names):
    """Make a whole folder with empty files."""
    with whole_folder(path) as temporary:
        for name in names:
            (temporary / name).touch()
    return path


def shown(path):
    """Return the names in a folder that are not hidden."""
    return sorted(file.name for file in path.iterdir() if not file.name.startswith("."))


class TestWholeFolder:
    def test_replaces_the_old_folder_at_the_end(self, tmp_path):
        path = make_folder(tmp_path / "deep" / "folder", "old")
        with whole_folder(path) as temporary:
            (temporary / "new").touch()
            assert shown(path) == ["old"]
        assert shown(path) == ["new"]
        assert list(path.parent.iterdir()) == [path]

    def test_an_error_leaves_what_was_there(self, tmp_path):
        path = make_folder(tmp_path / "folder", "old")
        with pytest.raises(WritingError), whole_folder(path) as temporary:
            (temporary / "new").touch()
            raise WritingError
        assert shown(path) == ["old"]
        assert list(tmp_path.iterdir()) == [path]

    def test_what_a_killed_run_left_is_removed(self, tmp_path):
        path = tmp_path / "folder"
        with whole_folder(path) as temporary:
            name = temporary
        name.mkdir()
        (name / "left").touch()
        make_folder(path, "new")
        assert shown(path) == ["new"]
        assert list(tmp_path.iterdir()) == [path]

    def test_an_empty_folder_is_replaced(self, tmp_path):
        (tmp_path / "folder").mkdir()
        assert shown(make_folder(tmp_path / "folder", "new")) == ["new"]

    def test_a_folder_of_others_is_refused_before_the_work(self, tmp_path):
        (tmp_path / "precious").touch()
        with pytest.raises(UserError, match=f"{tmp_path}: the folder has files"), whole_folder(tmp_path):
            pytest.fail("the work has begun")
        assert shown(tmp_path) == ["precious"]

    def test_a_symbolic_link_to_a_folder_stays_one(self, tmp_path):
        target, link = tmp_path / "disk" / "target", tmp_path / "link"
        make_folder(target, "old")
        link.symlink_to(target)
        make_folder(link, "new")
        assert link.is_symlink()
        assert shown(target) == ["new"]
        assert [path.name for path in target.parent.iterdir()] == ["target"]

    def test_a_file_in_its_place_is_refused_before_the_work(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("old")
        with pytest.raises(UserError, match="file: is not a folder"), whole_folder(path):
            pytest.fail("the work has begun")
        assert path.read_text() == "old"


class TestJson:
    def test_what_is_not_finite_becomes_null(self, tmp_path):
        path = tmp_path / "numbers.json"
        write_json(
            path,
            {
                "nan": math.nan,
                "array": np.array([[1.0, np.nan], [np.inf, -np.inf]]),
                "scalar": np.float32(0.5),
                "integer": np.int64(3),
                "flag": np.bool_(True),
                "nested": [{"x": (np.float64("nan"), None, "text")}],
                2: "number as a key",
            },
        )
        assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
            "nan": None,
            "array": [[1.0, None], [None, None]],
            "scalar": 0.5,
            "integer": 3,
            "flag": True,
            "nested": [{"x": [None, None, "text"]}],
            "2": "number as a key",
        }

    def test_is_read_as_it_was_written(self, tmp_path):
        content = {"a": [1, 2.5, None], "b": {"c": "text"}}
        write_json(tmp_path / "x.json", content)
        assert read_json(tmp_path / "x.json") == content

    def test_content_that_json_cannot_hold_leaves_no_file(self, tmp_path):
        with pytest.raises(TypeError):
            write_json(tmp_path / "x.json", {"a": object()})
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\xfd", b"{'a': 1}"])
    def test_what_is_no_json_is_named(self, content, tmp_path):
        path = tmp_path / "x.json"
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"x\.json: not a JSON file"):
            read_json(path)

    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.json: no such file"):
            read_json(tmp_path / "none.json")


def test_provenance_has_arguments_and_versions_in_plain_types():
    args = argparse.Namespace(input=Path("a/b.h5"), seed=3, fractions=(0.5, 1.0), nothing=None)
    found = json.loads(json.dumps(provenance(args)))
    assert found["arguments"] == {"input": "a/b.h5", "seed": 3, "fractions": [0.5, 1.0], "nothing": None}
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["h5py"] == h5py.__version__


@pytest.fixture
def hdf5_file(tmp_path):
    """Return an HDF5 file with compressed numbers, text, a group and a scalar."""
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        numbers = np.random.default_rng(0).normal(size=(2000, 3))
        file.create_dataset("numbers", data=numbers, compression="gzip", chunks=(500, 3))
        file["counts"] = np.arange(5)
        file["names"] = np.array([b"a", b"b"])
        file["scalar"] = 1.0
        file.create_group("group")
    return path


def test_links_in_a_circle_are_one_line(tmp_path):
    (tmp_path / "x").symlink_to("y")
    (tmp_path / "y").symlink_to("x")
    with pytest.raises(UserError, match=r"x: is a link to y, which does not exist"), whole_file(tmp_path / "x"):
        pass
    with pytest.raises(UserError, match=r"x: is a link to y, which does not exist"), open_hdf5(tmp_path / "x"):
        pass
    refuse_overlaps({"--output": tmp_path / "z"}, [tmp_path / "x"])


def test_an_output_that_the_system_does_not_let_be_made_is_named(tmp_path):
    path = tmp_path / ("x" * 253)  # with the name of its lock longer than a name may be
    with pytest.raises(UserError, match=f"{path}: cannot be written: File name too long"), whole_file(path):
        pass
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "folder" / "x"
    with pytest.raises(UserError, match=f"{path}: cannot be written, its folder cannot be made: "), whole_file(path):
        pass


class TestReadText:
    """Text of a bounded length, from files only."""

    @pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo, Path.mkdir])
    def test_what_has_no_end_is_refused(self, make, tmp_path):
        make(tmp_path / "x.json")
        for read in (read_json, lambda path: open_hdf5(path).__enter__()):
            with pytest.raises(UserError, match=r"x\.json: is a (device|pipe|folder), expected a file"):
                read(tmp_path / "x.json")

    def test_a_file_of_any_size_takes_no_memory(self, tmp_path):
        with (tmp_path / "x.json").open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(UserError, match=r"x\.json: is larger than 16 MiB"):
            read_json(tmp_path / "x.json")

    @pytest.mark.parametrize("text", ["9" * 5000, "[" * 100_000])
    def test_numbers_and_lists_beyond_those_of_python_are_no_json(self, text, tmp_path):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(UserError, match=r"x\.json: not a JSON file"):
            read_json(tmp_path / "x.json")


class TestOpen:
    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.h5: no such file"), open_hdf5(tmp_path / "none.h5"):
            pass

    def test_folder_is_no_file(self, tmp_path):
        with pytest.raises(UserError, match="is a folder, expected a file"), open_hdf5(tmp_path):
            pass

    def test_a_file_that_another_program_has_locked_is_not_called_damaged(self, hdf5_file):
        with hdf5_file.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(UserError, match=r"data\.h5: another program has locked it"), open_hdf5(hdf5_file):
                pass
        with open_hdf5(hdf5_file) as file:
            assert "numbers" in file

    @pytest.mark.parametrize("error", NO_LOCKS)
    def test_a_file_system_without_locks_is_read(self, hdf5_file, monkeypatch, error):
        opened = h5py.File

        def refuse_to_lock(path, mode, locking):
            if locking is None:
                raise OSError(error, "unable to lock file")
            return opened(path, mode, locking=locking)

        monkeypatch.setattr(h5py, "File", refuse_to_lock)
        with open_hdf5(hdf5_file) as file:
            assert "numbers" in file

    def test_a_file_that_may_not_be_read_is_not_called_damaged(self, hdf5_file, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError(13, "unable to open file")

        monkeypatch.setattr(h5py, "File", refuse)
        with pytest.raises(UserError, match=r"data\.h5: cannot be read: Permission denied$"), open_hdf5(hdf5_file):
            pass

    @pytest.mark.parametrize("libver", ["earliest", "latest"])
    def test_a_file_of_another_version_of_hdf5_is_said_to_be_one(self, tmp_path, libver):
        path = tmp_path / "data.h5"
        with h5py.File(path, "w", libver=libver) as file:
            file["x"] = 1.0
        content = bytearray(path.read_bytes())
        content[8] = 9  # the version of the first block
        path.write_bytes(content)
        with pytest.raises(UserError, match="written by another version of HDF5 than"), open_hdf5(path):
            pass

    @pytest.mark.parametrize("length", [0, 1, 100, 2000])
    def test_truncated_file_is_named(self, hdf5_file, length):
        hdf5_file.write_bytes(hdf5_file.read_bytes()[:length])
        message = r"data\.h5: not a readable HDF5 file, damaged or cut short"
        with pytest.raises(UserError, match=message), open_hdf5(hdf5_file):
            pass

    def test_garbage_is_named(self, tmp_path):
        path = tmp_path / "garbage.h5"
        path.write_bytes(np.random.default_rng(0).bytes(5000))
        with pytest.raises(UserError, match=r"garbage\.h5: not a readable HDF5 file"), open_hdf5(path):
            pass

    def test_file_is_closed_afterwards(self, hdf5_file):
        with open_hdf5(hdf5_file) as file:
            assert file["counts"][2] == 2
        assert not file


class TestDataset:
    @pytest.mark.parametrize(
        ("name", "shape", "kinds", "message"),
        [
            ("other", (None,), "f", "dataset 'other' is missing, found counts, group, names, numbers, scalar"),
            ("group", (None,), "f", r"'group' is a group, expected a dataset of shape \(any\)"),
            ("numbers", (None, 4), "f", r"dataset 'numbers' has shape \(2000, 3\), expected \(any, 4\)"),
            ("numbers", (None,), "f", r"dataset 'numbers' has shape \(2000, 3\), expected \(any\)"),
            ("numbers", (5, 3), "f", r"dataset 'numbers' has shape \(2000, 3\), expected \(5, 3\)"),
            ("scalar", (None,), "f", r"dataset 'scalar' has shape \(\), expected \(any\)"),
            ("counts", (None,), "f", "dataset 'counts' has type int64, expected one of kind f"),
            ("names", (None,), "iuf", r"dataset 'names' has type \|S1, expected one of kind iuf"),
        ],
    )
    def test_what_differs_is_named(self, hdf5_file, name, shape, kinds, message):
        with open_hdf5(hdf5_file) as file, pytest.raises(UserError, match=rf"data\.h5: {message}"):
            checked_dataset(file, name, shape, kinds)

    def test_what_fits_is_returned(self, hdf5_file):
        with open_hdf5(hdf5_file) as file:
            assert len(checked_dataset(file, "numbers", (None, 3))) == 2000
            assert checked_dataset(file, "counts", (5,), "iu")[4] == 4

    def test_a_filter_that_is_not_here_is_named(self, tmp_path):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((100,))
        properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (2, 2))  # the number of Blosc
        with h5py.File(tmp_path / "data.h5", "w") as file:
            space = h5py.h5s.create_simple((100,))
            h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F64LE, space, properties).write_direct_chunk((0,), b"1" * 9, 0)
        with (
            open_hdf5(tmp_path / "data.h5") as file,
            pytest.raises(UserError, match="'x' is compressed with filter 32001"),
        ):
            checked_dataset(file, "x", (None,))

    def test_data_elsewhere_or_not_written_or_in_chunks_beyond_memory_are_refused(self, tmp_path, hdf5_file):
        layout = h5py.VirtualLayout((2000, 3), float)
        layout[:] = h5py.VirtualSource(hdf5_file, "numbers", (2000, 3))
        with h5py.File(tmp_path / "hostile.h5", "w") as file:
            file["external"] = h5py.ExternalLink(hdf5_file, "numbers")
            file["dangling"] = h5py.SoftLink("/nothing")
            file.create_virtual_dataset("virtual", layout)
            file.create_dataset("raw", (2, 3), float, external=[(hdf5_file, 0, 48)])
            file.create_dataset("unwritten", (10**12, 3), float, chunks=(4096, 3))
            file.create_dataset("contiguous", (10**9, 3), float)
            file.create_dataset("huge", (2**25, 3), float, chunks=(2**25, 3))
            file.create_dataset("references", data=[file.ref], dtype=h5py.ref_dtype)
        expected = {
            "external": "is a link, expected the data themselves",
            "dangling": "is a link, expected the data themselves",
            "virtual": "takes its data from other files",
            "raw": "takes its data from other files",
            "unwritten": "declares 1000000000000 rows, but not all of them are written",
            "contiguous": "declares 1000000000 rows, but not all of them are written",
            "huge": "has chunks of 768 MiB, expected at most 256",
            "references": "has type object, expected one of kind fSO",
        }
        with open_hdf5(tmp_path / "hostile.h5") as file:
            for name, message in expected.items():
                with pytest.raises(UserError, match=f"dataset '{name}' {message}"):
                    checked_dataset(file, name, (None,) if name == "references" else (None, 3), "fSO")


class TestTogether:
    """Two files and a folder."""

    NAMES = ("one", "two", "folder/inner")

    def write(self, root, text, fail=False):
        with replaced_together() as together:
            with (
                whole_folder(root / "folder", together) as folder,
                whole_file(root / "one", together) as one,
                whole_file(root / "two", together) as two,
            ):
                for path in (one, two, folder / "inner"):
                    path.write_text(text)
            assert all((root / name).read_text() == "former" for name in self.NAMES if (root / name).exists())
            if fail:
                raise ZeroDivisionError

    def content(self, root):
        found = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
        found.pop(f"folder/{FOLDER_MARK}", None)
        return found

    def test_outputs_are_all_new(self, tmp_path):
        for text in ("former", "new"):
            self.write(tmp_path, text)
            assert self.content(tmp_path) == dict.fromkeys(self.NAMES, text)

    def test_outputs_all_stay_after_an_error(self, tmp_path):
        with pytest.raises(ZeroDivisionError):
            self.write(tmp_path, "new", fail=True)
        assert list(tmp_path.iterdir()) == []
        self.write(tmp_path, "former")
        with pytest.raises(ZeroDivisionError):
            self.write(tmp_path, "new", fail=True)
        assert self.content(tmp_path) == dict.fromkeys(self.NAMES, "former")

    @pytest.mark.parametrize("n_before", range(7))
    @pytest.mark.parametrize("former", [True, False])
    def test_outputs_all_stay_if_one_cannot_take_its_name(self, former, n_before, tmp_path, monkeypatch):
        if former:
            self.write(tmp_path, "former")
        replace, left = Path.replace, [n_before]

        def failing(path, target):
            left[0] -= 1
            if left[0] == -1:
                raise OSError(errno.EIO, "Input/output error")
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", failing)
        if n_before < (6 if former else 3):
            with pytest.raises(OSError, match="Input/output error"):
                self.write(tmp_path, "new")
            assert self.content(tmp_path) == (dict.fromkeys(self.NAMES, "former") if former else {})
        else:
            self.write(tmp_path, "new")
            assert self.content(tmp_path) == dict.fromkeys(self.NAMES, "new")

    def test_what_a_kill_left_of_former_ones_is_removed(self, tmp_path):
        (tmp_path / ".former.one").write_text("former")
        (tmp_path / ".former.folder").mkdir()
        self.write(tmp_path, "new")
        assert self.content(tmp_path) == dict.fromkeys(self.NAMES, "new")


class TestOverlaps:
    @pytest.fixture
    def paths(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "in.h5").touch()
        (tmp_path / "hard.h5").hardlink_to("in.h5")
        (tmp_path / "soft.h5").symlink_to("in.h5")
        (tmp_path / "here").symlink_to(".")

    @pytest.mark.usefixtures("paths")
    @pytest.mark.parametrize("output", ["in.h5", "hard.h5", "soft.h5", "here/in.h5"])
    def test_of_an_output_with_an_input_are_refused(self, output):
        with pytest.raises(UserError, match=f"--output {output}: is the same file as the input in.h5"):
            refuse_overlaps({"--output": Path(output), "--plots": None}, [None, Path("in.h5")])

    @pytest.mark.usefixtures("paths")
    def test_of_outputs_are_refused(self):
        outputs = {"--output": Path("out.h5"), "--summary": Path("here/out.h5")}
        with pytest.raises(UserError, match=r"--output out\.h5: is the same file as --summary here/out\.h5"):
            refuse_overlaps(outputs, [])

    @pytest.mark.usefixtures("paths")
    @pytest.mark.parametrize(("output", "inner"), [("x/y.h5", "--output"), ("y.h5", "the input")])
    def test_of_a_folder_with_what_is_in_it_are_refused(self, output, inner):
        outputs = {"--output": Path(output), "--plots": Path("x")}
        with pytest.raises(UserError, match=f"--plots x: is replaced as a whole, but {inner} .*x/.* is in it"):
            refuse_overlaps(outputs, [Path("here/x/in.h5") if inner == "the input" else Path("in.h5")])

    def test_are_no_names_that_begin_alike(self, tmp_path):
        refuse_overlaps({"--output": tmp_path / "out.h5", "--plots": tmp_path / "out"}, [tmp_path / "out.h5.in"])


class TestFindFiles:
    @pytest.mark.parametrize(
        ("source", "names"),
        [
            ("run [2]/a*.h5", ["a1.h5", "a2.h5"]),
            ("run [2]/a[1].h5", ["a1.h5"]),
            ("run [2]/b[1].h5", ["b[1].h5"]),  # there is a file of that name
            ("run [2]/*{3}.h5", ["c{3}.h5"]),
            ("*/a1.h5", ["a1.h5"]),
            ("run [2]/none*.h5", []),
            ("run [2]", []),
        ],
    )
    def test_are_globbed_only_where_no_file_has_that_name(self, source, names, tmp_path):
        start = tmp_path / "start {1} [a]"
        (start / "run [2]").mkdir(parents=True)
        for name in ("a1.h5", "a2.h5", "b1.h5", "b[1].h5", "c{3}.h5"):
            (start / "run [2]" / name).touch()
        assert find_files(source, start) == [start / "run [2]" / name for name in names]
        assert find_files(str(start / source), start / "run [2]") == [start / "run [2]" / name for name in names]
