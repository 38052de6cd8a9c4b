"""Folders of unfinished work: kept after errors, complete at the end, for one process and one set of settings."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from utils.runtime.checkpoints import (
    SCRATCH,
    finished_for,
    partial_path,
    read_state,
    unfinished_folder,
    wait_for_file,
    write_state,
)
from utils.runtime.errors import UserError
from utils.runtime.whole_files import FOLDER_MARK


def begin(output, made_for, *names):
    """Make files in a folder and fail."""
    with pytest.raises(ZeroDivisionError), unfinished_folder(output, made_for) as folder:
        for name in names:
            (folder / name).write_text("begun")
        raise ZeroDivisionError


class TestFolder:
    def test_takes_the_name_of_the_output_when_complete(self, tmp_path):
        with unfinished_folder(tmp_path / "out", {"a": 1}) as folder:
            assert folder == partial_path(tmp_path / "out") == tmp_path / "out.partial"
            (folder / "file").touch()
            (folder / SCRATCH / "state").touch()
            assert not (tmp_path / "out").exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [FOLDER_MARK, "file"]

    def test_replaces_an_earlier_output_but_only_at_the_end(self, tmp_path):
        for text in ("first", "second"):
            with unfinished_folder(tmp_path / "out", {"a": text}) as folder:
                (folder / "file").write_text(text)
                assert (tmp_path / "out").exists() == (text == "second")
        assert (tmp_path / "out" / "file").read_text() == "second"

    def test_is_kept_after_an_error_and_gone_on_with(self, tmp_path, caplog):
        caplog.set_level(logging.INFO)
        begin(tmp_path / "out", {"a": [1, 2], "b": 0.1}, "file")
        assert [path.name for path in tmp_path.iterdir()] == ["out.partial"]
        with unfinished_folder(tmp_path / "out", {"a": (1, 2), "b": 0.1}) as folder:
            assert (folder / "file").read_text() == "begun"
        assert "resumes the work of an earlier run" in caplog.text

    def test_that_was_begun_for_something_else_starts_anew_and_says_so(self, tmp_path, caplog):
        caplog.set_level(logging.INFO)
        begin(tmp_path / "out", {"--seed": 1, "--loss": "mse"}, "file")
        with unfinished_folder(tmp_path / "out", {"--seed": 2, "--loss": "mse"}) as folder:
            assert not (folder / "file").exists()
        assert f"{tmp_path / 'out.partial'}: was begun with another --seed; starts again" in caplog.text

    def test_a_complete_output_knows_its_settings(self, tmp_path):
        assert finished_for(tmp_path / "out") == {}
        with unfinished_folder(tmp_path / "out", {"a": (1, 2)}) as folder:
            (folder / "file").touch()
        assert finished_for(tmp_path / "out") == {"a": [1, 2]}
        with unfinished_folder(tmp_path / "out", {"a": 1}, {"a": 1, "b": 2}) as folder:
            (folder / "file").touch()
        assert finished_for(tmp_path / "out") == {"a": 1, "b": 2}
        (tmp_path / "out" / FOLDER_MARK).write_text("")  # as of folders that are made at once
        assert finished_for(tmp_path / "out") == {}

    def test_without_content_leaves_nothing(self, tmp_path):
        begin(tmp_path / "out", {})
        assert list(tmp_path.iterdir()) == []

    def test_a_foreign_folder_is_refused(self, tmp_path):
        (tmp_path / "precious").touch()
        with pytest.raises(UserError, match="the folder has files"), unfinished_folder(tmp_path, {}):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["precious"]


HOLD = """
import sys, time
from utils.runtime.checkpoints import unfinished_folder
with unfinished_folder(sys.argv[1], {}) as folder:
    (folder / "ready").touch()
    time.sleep(100)
"""


class TestLock:
    def test_lets_one_process_in_and_dies_with_it(self, tmp_path):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "out")], env=environment)
        try:
            assert wait_for_file(tmp_path / "out.partial" / "ready", 60)
            with (
                pytest.raises(UserError, match=r"out\.partial: another process is at work here"),
                unfinished_folder(tmp_path / "out", {}),
            ):
                pass
            assert (tmp_path / "out.partial" / "ready").exists()
        finally:
            other.kill()
            other.wait()
        with unfinished_folder(tmp_path / "out", {}) as folder:
            assert (folder / "ready").exists()


class TestState:
    def test_comes_back_to_the_bit(self, tmp_path):
        record = {"best": 0.1 + 0.2, "wait": 3, "none": None, "history": {"loss": [1 / 3, float("inf")]}}
        arrays = [np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32), np.array(5), np.zeros(0, np.int64)]
        write_state(tmp_path / "folder" / "state.npz", record, arrays)
        found, found_arrays = read_state(tmp_path / "folder" / "state.npz")
        assert found == record
        for one, other in zip(found_arrays, arrays, strict=True):
            assert one.dtype == other.dtype
            assert_array_equal(one, other)
        assert [path.name for path in (tmp_path / "folder").iterdir()] == ["state.npz"]

    def test_a_missing_file_is_none(self, tmp_path):
        assert read_state(tmp_path / "state.npz") is None


def test_waiting_for_a_file_ends(tmp_path):
    assert not wait_for_file(tmp_path / "none", 0.3)
    assert wait_for_file(tmp_path, 0)
