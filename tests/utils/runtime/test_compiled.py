"""Stored machine code is never older than the sources."""

import os

from utils.runtime.compiled import remove_outdated


def test_machine_code_older_than_a_source_is_forgotten(tmp_path):
    for name in ("old.nbi", "new.nbi", "old.txt"):
        (tmp_path / name).touch()
    for name in ("old.nbi", "old.txt"):
        os.utime(tmp_path / name, (0, 0))
    remove_outdated(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.nbi", "old.txt"]
