"""Search path of libraries: the folders of this Python, without the additions of PYTHONPATH.

Software stacks of the experiments add libraries of another Python to PYTHONPATH, which would come first. They may even
hide modules of the standard library, so only modules that Python has already loaded are imported here.
"""

import os
import site
import sys

ROOT = os.path.abspath(f"{__file__}/../../..")  # noqa: PTH100 pathlib is not loaded


def without_additions(path: list[str], additions: str) -> list[str]:
    """Return a search path without the folders that only a list such as PYTHONPATH has."""
    standard = os.path.dirname(os.__file__)  # noqa: PTH120 pathlib is not loaded
    own = (ROOT, standard, f"{standard}/lib-dynload", *site.getsitepackages())
    added = {os.path.abspath(folder) for folder in additions.split(os.pathsep)}  # noqa: PTH100 pathlib is not loaded
    return [folder for folder in path if folder in own or folder not in added]


sys.path[:] = without_additions(sys.path, os.environ.pop("PYTHONPATH", ""))
