"""Numba still loads all extensions, obeys a file in the working directory, and fails on a damaged cache."""

import importlib.util
from pathlib import Path

import numba
import pytest
from numba.core import config, entrypoints
from numba.core.caching import FunctionCache

from utils.compat.numba import ForgivingCache


@pytest.fixture
def function(tmp_path):
    """A function in a module of its own, whose machine code is stored beside it."""
    path = tmp_path / "one_function.py"
    path.write_text("def add(a, b):\n    return a + b\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.add


def damaged(cache_class, function):
    """Return a cache whose index was cut short."""
    cache = cache_class(function)
    folder = Path(cache.cache_path)
    folder.mkdir(exist_ok=True)
    (folder / cache._cache_file._index_name).touch()
    return cache


def load(cache, function):
    signature = (numba.int64, numba.int64)
    return cache.load_overload(signature, numba.njit(function).targetctx)


def test_numba_still_fails_on_a_damaged_cache(function):
    # Once this fails, Numba compiles again by itself, and ForgivingCache is needed for folders without space only.
    with pytest.raises(EOFError):
        load(damaged(FunctionCache, function), function)


def test_here_a_damaged_cache_is_a_warning(function, caplog):
    assert load(damaged(ForgivingCache, function), function) is None
    assert "compiled loops are not stored here" in caplog.text


def test_numba_still_loads_all_extensions_at_its_first_compilation(monkeypatch):
    # Once Numba has a setting for that, the setting replaces the private flag.
    assert not [name for name in vars(config) if "EXTENSION" in name or "ENTRY" in name]
    groups = []

    class EntryPoints:
        def select(self, group, name):
            groups.append(group)
            return []

    monkeypatch.setattr(entrypoints.importlib_metadata, "entry_points", EntryPoints)
    assert entrypoints._already_initialized
    entrypoints.init_all()
    assert groups == []
    monkeypatch.setattr(entrypoints, "_already_initialized", False)
    entrypoints.init_all()
    assert groups == ["numba_extensions"]


def test_numba_still_reads_a_file_in_the_working_directory(tmp_path, monkeypatch):
    # Once this fails, DISABLE_JIT need not be reset.
    monkeypatch.chdir(tmp_path)
    Path(".numba_config.yaml").write_text("disable_jit: 1\n")
    reader = config._EnvReloader()
    try:
        assert config.DISABLE_JIT == 1
    finally:
        Path(".numba_config.yaml").unlink()
        reader.reset()
    assert config.DISABLE_JIT == 0
