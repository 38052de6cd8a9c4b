"""Libraries that only some steps need, and that the set-up of the workflow does not install."""

import importlib.util

from utils.runtime.errors import UserError

REQUIREMENTS = "requirements-export.txt"


def check_installed(*names: str) -> None:
    """Refuse to begin where a library is not installed, with the command that installs it."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{', '.join(missing)}: not installed, needed here: pip install -r {REQUIREMENTS}")
