"""Output files and folders that are whole or absent."""

import errno
import os
import socket
from pathlib import Path

import pytest

from utils.runtime.errors import UserError
from utils.runtime.whole_files import FOLDER_MARK, replaced_together, whole_file, whole_folder


class WritingError(Exception):
    """Something that goes wrong while a file is written."""


class TestWholeFile:
    def test_appears_only_at_the_end(self, tmp_path):
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

    def test_an_error_leaves_the_previous_output(self, tmp_path):
        path = tmp_path / "file.txt"
        path.write_text("old")
        with pytest.raises(WritingError), whole_file(path) as temporary:
            temporary.write_text("half")
            raise WritingError
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_the_rest_of_a_killed_run_is_overwritten(self, tmp_path):
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
    def test_a_special_file_is_refused_and_stays(self, write, tmp_path):
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
    def test_a_descriptor_of_a_file_is_refused_too(self, write, tmp_path):
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

    def test_an_error_leaves_the_previous_output(self, tmp_path):
        path = make_folder(tmp_path / "folder", "old")
        with pytest.raises(WritingError), whole_folder(path) as temporary:
            (temporary / "new").touch()
            raise WritingError
        assert shown(path) == ["old"]
        assert list(tmp_path.iterdir()) == [path]

    def test_the_rest_of_a_killed_run_is_removed(self, tmp_path):
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

    def test_a_foreign_folder_is_refused_before_the_work(self, tmp_path):
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


def test_an_output_that_cannot_be_made_is_named(tmp_path):
    path = tmp_path / ("x" * 253)  # with the name of its lock longer than a name may be
    with pytest.raises(UserError, match=f"{path}: cannot be written: File name too long"), whole_file(path):
        pass
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "folder" / "x"
    with pytest.raises(UserError, match=f"{path}: cannot be written, its folder cannot be made: "), whole_file(path):
        pass


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

    def test_previous_outputs_left_by_a_kill_are_removed(self, tmp_path):
        (tmp_path / ".former.one").write_text("former")
        (tmp_path / ".former.folder").mkdir()
        self.write(tmp_path, "new")
        assert self.content(tmp_path) == dict.fromkeys(self.NAMES, "new")
