"""Paths: links, globs, and outputs that are also inputs."""

from pathlib import Path

import pytest

from utils.formats.hdf5 import open_hdf5
from utils.runtime.errors import UserError
from utils.runtime.paths import find_files, refuse_overlaps
from utils.runtime.whole_files import whole_file


def test_links_in_a_circle_are_one_line(tmp_path):
    (tmp_path / "x").symlink_to("y")
    (tmp_path / "y").symlink_to("x")
    with pytest.raises(UserError, match=r"x: is a link to y, which does not exist"), whole_file(tmp_path / "x"):
        pass
    with pytest.raises(UserError, match=r"x: is a link to y, which does not exist"), open_hdf5(tmp_path / "x"):
        pass
    refuse_overlaps({"--output": tmp_path / "z"}, [tmp_path / "x"])


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
    def test_an_output_that_is_an_input_is_refused(self, output):
        with pytest.raises(UserError, match=f"--output {output}: is the same file as the input in.h5"):
            refuse_overlaps({"--output": Path(output), "--plots": None}, [None, Path("in.h5")])

    @pytest.mark.usefixtures("paths")
    def test_an_output_that_is_another_output_is_refused(self):
        outputs = {"--output": Path("out.h5"), "--summary": Path("here/out.h5")}
        with pytest.raises(UserError, match=r"--output out\.h5: is the same file as --summary here/out\.h5"):
            refuse_overlaps(outputs, [])

    @pytest.mark.usefixtures("paths")
    @pytest.mark.parametrize(("output", "inner"), [("x/y.h5", "--output"), ("y.h5", "the input")])
    def test_a_folder_that_contains_another_path_is_refused(self, output, inner):
        outputs = {"--output": Path(output), "--plots": Path("x")}
        with pytest.raises(UserError, match=f"--plots x: is replaced as a whole, but {inner} .*x/.* is in it"):
            refuse_overlaps(outputs, [Path("here/x/in.h5") if inner == "the input" else Path("in.h5")])

    def test_paths_with_a_common_beginning_are_accepted(self, tmp_path):
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
