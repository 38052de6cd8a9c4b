"""Folders of zero-bias events in Parquet files made bad in many ways."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile import hdf5_files
from tests.toys import random_zero_bias
from utils.formats.trigger_objects import KINDS

Rng = np.random.Generator
Content = dict[str, pa.Array]

N_EVENTS = 24
ODD_INTEGERS = (-1, 2**15, 2**31 - 1, -(2**31), 2**31, 2**40, -(2**63), 2**63 - 1)
TYPES = (pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.decimal128(10, 2))


def content(rng: Rng) -> Content:
    """Return the columns of a good file."""
    return random_zero_bias(N_EVENTS, rng)


def _any(rng: Rng, content: Content) -> str:
    return str(rng.choice(list(content)))


def wrong_type(rng: Rng, content: Content) -> None:
    name, kind = _any(rng, content), TYPES[rng.integers(len(TYPES))]
    content[name] = content[name].cast(pa.list_(kind) if rng.random() < 0.5 else kind)


def wrong_nesting(rng: Rng, content: Content) -> None:
    name = _any(rng, content)
    values = content[name]
    one_each = pa.array(np.arange(len(values) + 1), pa.int32())
    changes: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.ListArray.from_arrays(one_each, values),
        lambda: pa.StructArray.from_arrays([values], ["of"]),
        lambda: pa.MapArray.from_arrays(one_each, pa.array([str(i) for i in range(len(values))]), values),
        lambda: values.flatten()[: len(values)],
        lambda: pa.nulls(len(values)),
        lambda: values.dictionary_encode(),
        lambda: pa.LargeListArray.from_arrays(one_each.cast(pa.int64()), values),
    )
    content[name] = changes[rng.integers(len(changes))]()


def missing(rng: Rng, content: Content) -> None:
    del content[_any(rng, content)]


def renamed(rng: Rng, content: Content) -> None:
    name = _any(rng, content)
    content[str(rng.choice([name.swapcase(), name.partition("_")[2], f"{name} ", "\u4e2d", ""]))] = content.pop(name)


def few_events(rng: Rng, content: Content) -> None:
    stop = int(rng.integers(0, 4))
    for name, values in content.items():
        content[name] = values[:stop]


def other_lists(rng: Rng, content: Content) -> None:
    """Lists of other lengths than those that they belong to."""
    name = _any(rng, content)
    content[name] = content[name].take(pa.array(rng.permutation(len(content[name]))))


def odd_values(rng: Rng, content: Content) -> None:
    """Numbers beyond all steps, empty entries, infinite sums."""
    name = _any(rng, content)
    values = content[name].to_pylist()
    event = int(rng.integers(len(values)))
    odd = None if rng.random() < 0.3 else ODD_INTEGERS[rng.integers(len(ODD_INTEGERS))]
    if isinstance(values[event], list) and rng.random() < 0.8:
        values[event] = [odd, *values[event][1:]]
        content[name] = pa.array(values, pa.list_(pa.int64()))
    else:
        values[event] = odd if rng.random() < 0.5 else float(rng.choice([np.nan, np.inf, -1.0, 1e300]))
        content[name] = pa.array(values)


def long_lists(rng: Rng, content: Content) -> None:
    """Lists of millions of equal numbers, which take a few bytes of a file."""
    lengths = np.zeros(N_EVENTS, np.int64)
    lengths[rng.integers(N_EVENTS)] = 10 ** rng.integers(3, 8)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    for name in KINDS[rng.integers(len(KINDS))].names:
        values = pa.array(np.zeros(lengths.sum(), np.int16))
        content[name] = pa.ListArray.from_arrays(offsets, values)


CHANGES = (
    wrong_type,
    wrong_type,
    wrong_nesting,
    wrong_nesting,
    missing,
    renamed,
    few_events,
    other_lists,
    odd_values,
    odd_values,
    odd_values,
    long_lists,
)


def write(path: Path, columns: Content, rng: Rng) -> None:
    """Write a file with some compression, in one or more row groups."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "compression": str(rng.choice(["none", "snappy", "gzip", "zstd"])),
        "row_group_size": int(rng.choice([7, N_EVENTS])),
        "use_dictionary": bool(rng.random() < 0.5),
        "data_page_version": str(rng.choice(["1.0", "2.0"])),
    }
    pq.write_table(pa.table(columns), path, **options)


def bad_folder(folder: Path, rng: Rng) -> None:
    """Write a folder of two files, or of a file for each kind of object; one is bad."""
    columns = content(rng)
    of_structure = rng.random() < 0.55
    changed = dict(columns)
    if of_structure:
        # What Arrow cannot make of the values, or what a second change does not fit, stays as it is.
        with contextlib.suppress(AttributeError, IndexError, KeyError, TypeError, ValueError, pa.ArrowException):
            for _ in range(rng.integers(1, 3)):
                CHANGES[rng.integers(len(CHANGES))](rng, changed)
    if rng.random() < 0.5:
        write(folder / "a-good.parquet", columns, rng)
        parts = {folder / "b-bad.parquet": changed}
    else:
        parts = {}
        for name, values in changed.items():
            parts.setdefault(folder / (name.partition("_")[0] or "none") / "part-0.parquet", {})[name] = values
    for path, of_part in parts.items():
        try:
            write(path, of_part, rng)
        except (ValueError, pa.ArrowException):  # what Parquet cannot hold
            write(path, columns, rng)
            of_structure = False
    if not of_structure or rng.random() < 0.2:
        hdf5_files.change_bytes(list(parts)[rng.integers(len(parts))], rng)
