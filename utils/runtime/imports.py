"""Modules of this project that a script imports."""

import ast
import functools
from pathlib import Path


def imported_modules(script: Path) -> list[Path]:
    """Find the modules of this project that a script imports, directly or through others, in sorted order."""
    root, found, to_read = script.parent, set(), [script]
    while to_read:
        for name in _imported(to_read.pop()):
            path = root / (name.replace(".", "/") + ".py")
            if name.split(".")[0] in ("utils", "nn") and path.is_file() and path not in found:
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
