"""A section of the configuration as flags of its script."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.runtime.options import as_text
from utils.variables import VARIABLES


def flags(section: Mapping[str, Any], variable: str | None = None, leave_out: tuple[str, ...] = ()) -> list[str]:
    """Turn a section of the configuration into the flags of its script.

    Parameters
    ----------
    section : mapping
        Flag names and values. Null stands for the default of the script; a mapping of variables stands for the value of
        `variable`.
    variable : str, optional
    leave_out : tuple of str
        Keys that are no flags.

    Returns
    -------
    list of str
    """
    words = []
    for key, setting in section.items():
        by_variable = isinstance(setting, Mapping) and set(setting) <= set(VARIABLES)
        value = setting.get(variable) if by_variable else setting
        if key not in leave_out and value is not None:
            words.append(f"--{key}={as_text(value)}")
    return words


def use_this_python() -> None:
    """Let commands find the running Python first, except in a rule that uses a conda environment."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
