"""Files of a zero-bias data set: which columns they hold, and which files hold the same events."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import types

from utils.formats.parquet import Table
from utils.formats.trigger_objects import KINDS
from utils.runtime.errors import UserError

REFERENCES = {"smeared_met": "MET_Et", "smeared_ht": "HT_Et"}


def group_files(paths: Sequence[Path], schemas: Mapping[Path, pa.Schema]) -> list[dict[Path, list[Path]]]:
    """Sort files into groups of folders whose files hold the same events.

    A folder whose first file has several kinds of objects is a group of its own. Other folders form a group with their
    siblings.
    """
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    groups: dict[Path, dict[Path, list[Path]]] = {}
    for folder, files in folders.items():
        names = schemas[files[0]].names
        n_kinds = sum(kind.names[0] in names or kind.columns[0] in names for kind in KINDS)
        groups.setdefault(folder if n_kinds > 1 else folder.parent, {})[folder] = files
    return list(groups.values())


def find_parts(
    folders: Mapping[Path, list[Path]],
    schemas: Mapping[Path, pa.Schema],
    n_rows: Mapping[Path, int],
    reference: str,
) -> list[tuple[Table, ...]]:
    """Find the columns in a group of folders, and pair the files that hold the same events."""
    wanted = [*(name for kind in KINDS for name in kind.names), reference]
    found: dict[Path, list[str]] = {}
    for name in wanted:
        holding = [folder for folder, files in folders.items() if _name_in(schemas[files[0]], folder, name)]
        if not holding:
            where = ", ".join(f"{folder}/*.parquet" for folder in folders)
            raise UserError(f"{where}: expected column '{name}' (or '{name.partition('_')[2]}'), found it in none")
        own = [folder for folder in holding if folder.name == name.partition("_")[0]]
        found.setdefault((own or holding)[0], []).append(name)
    first, *others = found
    for folder in others:
        if len(folders[folder]) != len(folders[first]):
            counts = [f"{len(folders[counted])} in {counted}" for counted in (first, folder)]
            raise UserError(f"{folder}: expected as many files for each kind of object, found {' and '.join(counts)}")
    parts = []
    for paths in zip(*(folders[folder] for folder in found), strict=True):
        for path in paths[1:]:
            if n_rows[path] != n_rows[paths[0]]:
                raise UserError(
                    f"{path}: expected {n_rows[paths[0]]} rows as in {paths[0]}, whose events it describes, "
                    f"found {n_rows[path]}"
                )
        parts.append(
            tuple(_table(path, schemas[path], names) for path, names in zip(paths, found.values(), strict=True))
        )
    return parts


def _name_in(schema: pa.Schema, folder: Path, name: str) -> str | None:
    """Return the name of a column in a file: with its prefix, or without it if that is unambiguous."""
    prefix, _, bare = name.partition("_")
    is_object = any(name in kind.names for kind in KINDS)
    allowed = [name, bare] if is_object or folder.name == prefix else [name]
    return next((candidate for candidate in allowed if candidate in schema.names), None)


def _table(path: Path, schema: pa.Schema, names: Sequence[str]) -> Table:
    """Check the columns of a file."""
    columns = {}
    for name in names:
        column = _name_in(schema, path.parent, name)
        if column is None:
            raise UserError(f"{path}: column '{name}' is missing, found {', '.join(schema.names)}")
        kind = schema.field(column).type
        if name in REFERENCES.values():
            fits, expected = types.is_integer(kind) or types.is_floating(kind), "integers or floats"
        else:
            is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
            fits, expected = is_list and types.is_integer(kind.value_type), "lists of integers"
        if not fits:
            raise UserError(f"{path}: column '{column}': expected {expected}, found {kind}")
        columns[name] = column
    return Table(path, columns)
