"""Modules of this project that a script imports, and those on which its numbers depend."""

import ast
import functools
from collections.abc import Callable
from pathlib import Path

# Modules and folders that run, show or record a step. Except for `EXCEPTIONS`, no number of a training depends on them.
WITHOUT_NUMBERS = ("utils/cli.py", "utils/compat", "utils/cutflow.py", "utils/plotting", "utils/runtime", "utils/steps")
EXCEPTIONS = ("utils/runtime/compiled.py", "utils/runtime/random_streams.py")


def imported_modules(script: Path) -> list[Path]:
    """Find the modules of this project that a script imports, directly or through others, in sorted order."""
    return _reachable(script, lambda path: True)


def numeric_modules(script: Path) -> list[Path]:
    """Find the modules of this project on which the numbers of a training depend, in sorted order.

    These are all that the script imports, directly or through others, except `WITHOUT_NUMBERS` and their own imports.
    A new module therefore counts, unless it stands in one of those places.

    Raises
    ------
    FileNotFoundError
        If one of those places is not there, naming it.
    """
    root = script.parent
    for name in (*WITHOUT_NUMBERS, *EXCEPTIONS):
        if not (root / name).exists():
            raise FileNotFoundError(f"{root / name}: is left out of the code of a training, but is not there")
    without, exceptions = ([root / name for name in names] for names in (WITHOUT_NUMBERS, EXCEPTIONS))
    return _reachable(script, lambda path: path in exceptions or not any(map(path.is_relative_to, without)))


def _reachable(script: Path, counts: Callable[[Path], bool]) -> list[Path]:
    """Follow the imports of a script through the modules that count."""
    root, found, to_read = script.parent, set(), [script]
    while to_read:
        for name in _imported(to_read.pop()):
            path = root / (name.replace(".", "/") + ".py")
            is_own = name.split(".")[0] in ("utils", "nn") and path.is_file()
            if is_own and path not in found and counts(path):
                found.add(path)
                to_read.append(path)
    return sorted(found)


@functools.cache
def _imported(module: Path) -> list[str]:
    """Return the names that a module imports, at its top or within its functions."""
    names: list[str] = []
    nodes: list[ast.AST] = [ast.parse(module.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        inner = (ast.stmt, ast.excepthandler, ast.match_case)
        nodes += [child for child in ast.iter_child_nodes(node) if isinstance(child, inner)]
    return names
