import ctypes
import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from utils.compat.glibc import return_freed_memory


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_of_freed_arrays_returns_to_the_system():
    arrays = [np.ones(12_000) for _ in range(2000)]  # 96 kB each, from the pool of the process
    full = resident_bytes()
    last = arrays[-1]
    del arrays
    return_freed_memory()
    assert full - resident_bytes() > 100e6
    assert last.sum() == 12_000


def test_a_c_library_without_the_function_keeps_the_memory(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    return_freed_memory()
