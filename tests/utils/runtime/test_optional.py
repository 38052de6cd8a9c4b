"""The one line about a library that is not installed."""

import sys

import pytest

from utils.runtime.errors import UserError
from utils.runtime.optional import REQUIREMENTS, check_installed


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    check_installed("json")
    monkeypatch.setitem(sys.modules, "json", None)
    with pytest.raises(UserError, match=rf"^json, no_such: not installed, needed here: pip install -r {REQUIREMENTS}$"):
        check_installed("json", "csv", "no_such")
