import sys
from types import ModuleType

import pytest

from nn.compat.keras_extras import EXTRAS, keras_without_extras


def test_extras_are_as_if_not_installed_only_in_the_block(monkeypatch):
    for name in EXTRAS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    with keras_without_extras(), pytest.raises(ImportError):
        import pandas  # noqa: F401
    assert not set(EXTRAS) & set(sys.modules)


def test_imported_extras_stay(monkeypatch):
    imported = {name: ModuleType(name) for name in EXTRAS}
    for name, module in imported.items():
        monkeypatch.setitem(sys.modules, name, module)
    with keras_without_extras():
        assert {name: sys.modules[name] for name in EXTRAS} == imported
    assert {name: sys.modules[name] for name in EXTRAS} == imported
