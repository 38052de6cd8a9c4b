"""Where a simulation of Verilog is built; tests/test_export_firmware.py builds one."""

import types

import pytest

from utils.hardware.rtl_simulation import simulation


@pytest.mark.parametrize(("name", "moved"), [("verilog", False), ("run [2]", True)])
def test_is_built_where_make_can(name, moved, tmp_path):
    """It cannot in a folder with spaces in its path; links are followed."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / name).mkdir()
    folder = tmp_path / "link"
    folder.symlink_to(tmp_path / "sub" / name)
    built = []
    design = types.SimpleNamespace(_path=folder, compile=lambda nproc: built.append(design._path))
    with simulation(design, folder):
        (place,) = built
        assert (place != folder) == moved
        assert " " not in str(place)
    assert design._path == folder
    assert place.exists() != moved
