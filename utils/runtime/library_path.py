"""The folders in which libraries are found: those of this Python, and not those that PYTHONPATH adds.

Software stacks of the experiments name libraries of another Python there, which would come first. They may even be of
the names of Python's own, so that only modules that are loaded anyway are imported here.
"""

import os
import site
import sys

ROOT = os.path.abspath(f"{__file__}/../../..")  # noqa: PTH100 see above


def without_additions(path: list[str], additions: str) -> list[str]:
    """Return the folders of a path without those that a list like PYTHONPATH has and Python itself has not."""
    standard = os.path.dirname(os.__file__)  # noqa: PTH120 see above
    own = (ROOT, standard, f"{standard}/lib-dynload", *site.getsitepackages())
    added = {os.path.abspath(folder) for folder in additions.split(os.pathsep)}  # noqa: PTH100 see above
    return [folder for folder in path if folder in own or folder not in added]


sys.path[:] = without_additions(sys.path, os.environ.pop("PYTHONPATH", ""))
