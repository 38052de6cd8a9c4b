"""Luminosity masks: which events are in them, and files that are none."""

import json

import numpy as np
import pytest

from utils.formats.luminosity_mask import LuminosityMask
from utils.runtime.errors import UserError

GOLDEN = {"362001": [[5, 9], [1, 2]], "362000": [[3, 3]], "362002": []}


def write(folder, content):
    (folder / "golden.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / "golden.json"


def test_each_section_is_looked_up(tmp_path):
    mask = LuminosityMask.read(write(tmp_path, GOLDEN))
    run, section = (values.ravel() for values in np.meshgrid([361999, 362000, 362001, 362002], range(12)))
    expected = [
        any(low <= s <= high for low, high in GOLDEN.get(str(r), [])) for r, s in zip(run, section, strict=True)
    ]
    assert mask.certified(run, section).tolist() == expected
    assert mask.of_runs(run).all()
    assert LuminosityMask.read(None).certified(run, section).all()
    assert LuminosityMask.read(None, [362000, 362002]).of_runs(run).tolist() == [r in (362000, 362002) for r in run]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[", "not a JSON file"),
        ([1], "expected a luminosity mask"),
        ({}, "expected a luminosity mask"),
        ({"run": [[1, 2]]}, "expected the numbers of runs as keys, found 'run'"),
        ({"4294967296": [[1, 2]]}, "expected the numbers of runs as keys"),
        ({"1": 7}, r"run 1: expected ranges \[FIRST, LAST\], found 7"),
        ({"1": [[1]]}, r"run 1: expected ranges \[FIRST, LAST\], found \[1\]"),
        ({"1": [[2, 1]]}, r"found \[2, 1\]"),
        ({"1": [[1, 2.5]]}, r"found \[1, 2.5\]"),
        ({"1": [[1, True]]}, r"found \[1, True\]"),
        ({"1": [[1, 10**30]]}, "expected ranges"),
        ({"1": [[1, 5], [5, 9]]}, "expected ranges that do not overlap"),
    ],
)
def test_other_files_are_refused(content, problem, tmp_path):
    with pytest.raises(UserError, match=rf"golden\.json: .*{problem}"):
        LuminosityMask.read(write(tmp_path, content))
