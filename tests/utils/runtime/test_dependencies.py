"""Hashes of code and content, and inputs inside outputs."""

import os
import shutil

import pytest

from utils.runtime.dependencies import code_hash, content_hash, refuse_inputs_of_outputs
from utils.runtime.errors import UserError


class TestCode:
    def test_counts_by_content_wherever_it_is(self, tmp_path):
        code = tmp_path / "a [1]"
        (code / "utils").mkdir(parents=True)
        (code / "main.py").write_text("from utils import a\n")
        (code / "utils" / "a.py").write_text("A = 1\n")
        (code / "utils" / "unused.py").write_text("")
        (code / "utils" / "a_files").mkdir()
        (code / "utils" / "a_files" / "table.csv").write_text("1")
        moved = shutil.copytree(code, tmp_path / "b")
        assert code_hash(code / "main.py") == code_hash(moved / "main.py")
        changed = shutil.copytree(code, tmp_path / "c")
        (changed / "utils" / "a.py").write_text("A = 2\n")
        assert code_hash(changed / "main.py") != code_hash(code / "main.py")
        table = shutil.copytree(code, tmp_path / "e")
        (table / "utils" / "a_files" / "table.csv").write_text("2")
        assert code_hash(table / "main.py") != code_hash(code / "main.py")
        more = shutil.copytree(code, tmp_path / "d")
        (more / "utils" / "unused.py").write_text("B = 2\n")
        assert code_hash(more / "main.py") == code_hash(code / "main.py")


class TestContent:
    def test_a_file_counts_by_content_not_by_name_or_time(self, tmp_path):
        (tmp_path / "a").write_text("x")
        (tmp_path / "b").write_text("x")
        os.utime(tmp_path / "b", (1, 1))
        assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b")
        (tmp_path / "a").write_text("y")
        assert content_hash(tmp_path / "a") != content_hash(tmp_path / "b")

    def test_a_folder_counts_by_the_names_and_contents_of_its_files(self, tmp_path):
        for name in ("a", "b", "c"):
            (tmp_path / name / "inner").mkdir(parents=True)
            (tmp_path / name / "inner" / "1").write_text("x")
        assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b")
        (tmp_path / "c" / "inner" / "1").rename(tmp_path / "c" / "inner" / "2")
        assert content_hash(tmp_path / "a") != content_hash(tmp_path / "c")


class TestInputsOfOutputs:
    @pytest.fixture
    def folder(self, tmp_path):
        """Return an output folder with a teacher, which is a link to another disk, and a link to a file of it."""
        (tmp_path / "disk").mkdir()
        (tmp_path / "disk" / "best.json").touch()
        output = tmp_path / "output"
        output.mkdir()
        (output / "teacher").symlink_to(tmp_path / "disk")
        (output / "mine.json").symlink_to(output / "teacher" / "best.json")
        (output / "teacher.partial").mkdir()
        (output / "own").mkdir()
        (output / "own" / "best.json").touch()
        return tmp_path

    @pytest.mark.parametrize(
        "path",
        [
            "output/teacher",
            "output/teacher/best.json",
            "output/own/../teacher/best.json",
            "disk/best.json",
            "output/mine.json",
            "output/teacher.partial/best.json",
        ],
    )
    def test_are_refused_by_name_and_by_link(self, path, folder):
        with pytest.raises(UserError, match=r"^configuration: key: .* is in an output of .* another place$"):
            refuse_inputs_of_outputs([("key", folder / path)], folder / "output", ["teacher"])

    def test_inputs_beside_outputs_are_accepted(self, folder):
        refuse_inputs_of_outputs([("key", folder / "output" / "own" / "best.json")], folder / "output", ["teacher"])
