"""JSON and short text files."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from utils.formats.hdf5 import open_hdf5
from utils.runtime.errors import UserError
from utils.runtime.text_files import read_json, write_json


class TestJson:
    def test_numbers_that_are_not_finite_become_null(self, tmp_path):
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

    def test_is_read_as_written(self, tmp_path):
        content = {"a": [1, 2.5, None], "b": {"c": "text"}}
        write_json(tmp_path / "x.json", content)
        assert read_json(tmp_path / "x.json") == content

    def test_content_that_json_cannot_hold_leaves_no_file(self, tmp_path):
        with pytest.raises(TypeError):
            write_json(tmp_path / "x.json", {"a": object()})
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\xfd", b"{'a': 1}"])
    def test_a_file_that_is_not_json_is_named(self, content, tmp_path):
        path = tmp_path / "x.json"
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"x\.json: not a JSON file"):
            read_json(path)

    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.json: no such file"):
            read_json(tmp_path / "none.json")


class TestReadText:
    """Text of a bounded length, from files only."""

    @pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo, Path.mkdir])
    def test_endless_inputs_are_refused(self, make, tmp_path):
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
    def test_numbers_and_lists_too_large_for_python_are_not_json(self, text, tmp_path):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(UserError, match=r"x\.json: not a JSON file"):
            read_json(tmp_path / "x.json")
