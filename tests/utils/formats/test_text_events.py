"""Ranges of the events of a file of another generator."""

import io
from pathlib import Path

import numpy as np
import pytest

from tests.toys import write_les_houches
from utils.formats.les_houches import copy_events
from utils.formats.text_events import HardEvents, refuse_shared_events
from utils.runtime.errors import UserError


def test_a_file_is_recognised_by_its_beginning(tmp_path):
    path = write_les_houches(tmp_path / "x.lhe", 3, np.arange(1, 6))
    found = copy_events(path, range(1, 3), io.BytesIO())
    assert (found.start, found.stop) == (1, 3)
    assert copy_events(path, range(3, 5), io.BytesIO()).sha256 == found.sha256
    other = write_les_houches(tmp_path / "y.lhe", 3, np.arange(1, 6), seed=2)
    assert copy_events(other, range(1, 3), io.BytesIO()).sha256 != found.sha256
    assert HardEvents.from_record(found.record()) == found


@pytest.mark.parametrize("text", [None, "", "no JSON", "[1]", "{}", '{"sha256": 1, "start": 0, "stop": 1}'])
def test_another_record_is_none(text):
    assert HardEvents.from_record(text) is None


def test_files_with_the_same_are_refused():
    taken = {Path("a"): HardEvents("x", 100, 200), Path("b"): HardEvents("x", 0, 100), Path("c"): None}
    refuse_shared_events({**taken, Path("d"): HardEvents("y", 0, 100)})
    with pytest.raises(UserError, match=r"^d: has the events from 150 to 249 .* and a those from 100 to 199"):
        refuse_shared_events({**taken, Path("d"): HardEvents("x", 150, 250)})
