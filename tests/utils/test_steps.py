"""A declared default is a value of its own flag."""

import importlib

import pytest

from tests.flags import REQUIRED
from utils.runtime.options import as_text, declared, parse


@pytest.mark.parametrize("step", REQUIRED)
def test_a_default_is_read_from_its_text(step):
    options = importlib.import_module(f"utils.steps.{step}").Options
    without_flags, found = parse(options, None, REQUIRED[step]), {}
    for option in declared(options):
        value = getattr(without_flags, option.name)
        if value is None or option.container is list or option.kind is bool:
            continue
        required = [word for word in REQUIRED[step] if not word.startswith(f"--{option.name}=")]
        found[option.name] = getattr(
            parse(options, None, [*required, f"--{option.name}={as_text(value)}"]), option.name
        )
    assert found == {name: getattr(without_flags, name) for name in found}
    assert len(found) > 4
