"""Reading of ROOT files: columns of numbers and of lists, in bounded memory.

uproot is imported by those who read such a file, because that takes a second.
"""

import functools
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import uproot

import utils.compat.uproot  # noqa: F401  bounds the decompression
from utils.formats.first_look import memory_limited
from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error, unreadable_error

READING_BYTES = 1 << 29  # memory of the columns of a chunk, and to unfold them
MOST_ENTRIES = 100  # for each byte of a file: more than any compression stores of several columns
OPEN_FILES = 2  # parsing the names of thousands of branches takes a second

# The limit on the memory is that of the process, so threads take turns.
_lock = threading.RLock()


@contextmanager
def open_root(path: Path) -> Iterator[uproot.ReadOnlyDirectory]:
    """Open a ROOT file; any error while it is read becomes a :class:`UserError` that names it."""
    if not path.is_file():
        raise missing_error(path)
    with _named_errors(path), _opened(path) as file:
        yield file


@contextmanager
def open_tree(path: Path, name: str) -> Iterator["Tree"]:
    """Open a tree at the top of a ROOT file; only one thread at a time reads ROOT files."""
    if not path.is_file():
        raise missing_error(path)
    with _lock, _named_errors(path), memory_limited(READING_BYTES):
        status = path.stat()
        yield _tree(path, name, os.getpid(), (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


def _opened(path: Path) -> uproot.ReadOnlyDirectory:
    """Open a file without threads, caches and a mapping: a disk that fails under a mapping ends the process."""
    reader = {"handler": uproot.MultithreadedFileSource, "num_workers": 1, "use_threads": False}
    return uproot.open(path, **reader, object_cache=None, array_cache=None)


@functools.lru_cache(maxsize=OPEN_FILES)
def _tree(path: Path, name: str, process: int, status: tuple[int, ...]) -> "Tree":
    """Return a tree of a file, opened again in another process and after a change."""
    file = _opened(path)
    if name not in {key.partition(";")[0] for key in file.keys(recursive=False)}:
        raise UserError(f"{path}: has no tree '{name}'")
    return Tree(path, file[name])


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Name the file in all errors of uproot: damaged bytes raise anything from struct.error to AttributeError."""
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        limit = f"{READING_BYTES >> 20} MiB"
        raise UserError(f"{path}: takes more than {limit} of memory to be read: write it in smaller baskets") from None
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0].rstrip(',:')}" if lines else type(error).__name__
        raise unreadable_error(path, error, f"not a readable ROOT file, damaged or cut short ({reason})") from None


class Tree:
    """A tree, or an RNTuple, whose columns are numbers and lists of numbers.

    Parameters
    ----------
    path : Path
    source : uproot.TTree or uproot.models.RNTuple.Model_ROOT_3a3a_RNTuple

    Attributes
    ----------
    n_entries : int
    names : set of str
        Columns. The field ``pt`` of a collection ``Jet`` is ``Jet_pt``, as in a tree.
    """

    def __init__(self, path: Path, source: Any):
        self.path = path
        if not hasattr(source, "num_entries"):
            raise UserError(f"{path}: expected a tree, found a {type(source).__name__}")
        self._source, self.n_entries = source, int(source.num_entries)
        if not 0 <= self.n_entries <= MOST_ENTRIES * path.stat().st_size:
            raise UserError(f"{path}: declares {self.n_entries} entries, which the file is too small for")
        keys: list[str] = source.keys()
        self._keys = {key.rpartition("/")[2].replace(".", "_"): key for key in keys}
        self.names = set(self._keys)

    def numbers(self, name: str, start: int, stop: int) -> np.ndarray:
        """Return a column of numbers in the entries [start, stop), in its own type."""
        sizes, values = self._column(name, start, stop)
        if sizes is not None:
            self.refuse(name, "expected a number an event, found lists")
        return values

    def one_each(self, name: str, start: int, stop: int) -> np.ndarray:
        """Return a column with one number an event, or with lists of one number, in its own type."""
        sizes, values = self._column(name, start, stop)
        if sizes is not None and np.any(sizes != 1):
            event = int(np.argmax(sizes != 1))
            self.refuse(name, f"event {start + event}: expected one entry, found {sizes[event]}")
        return values

    def lists(self, names: Sequence[str], start: int, stop: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return columns of lists of equal lengths.

        Returns
        -------
        sizes : np.ndarray, shape (n_entries,), int64
            Length of each list.
        values : list of np.ndarray, shape (sum of lengths,)
            Joined lists of each column, in its own type.
        """
        common, joined = np.zeros(0, np.int64), list[np.ndarray]()
        for name in names:
            sizes, values = self._column(name, start, stop)
            if sizes is None:
                self.refuse(name, "expected lists, found a number an event")
            if joined and not np.array_equal(sizes, common):
                event = int(np.argmin(sizes == common))
                self.refuse(
                    name,
                    f"event {start + event}: expected {common[event]} entries as in '{names[0]}', found {sizes[event]}",
                )
            common = sizes
            joined.append(values)
        return common, joined

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise an error about a column."""
        shown = self._keys.get(name, name).rpartition("/")[2]
        raise UserError(f"{self.path}: branch '{shown}': {problem}")

    def _column(self, name: str, start: int, stop: int) -> tuple[np.ndarray | None, np.ndarray]:
        """Return the lengths of the lists, or None for a column of numbers, and the values.

        They are copies, since a part of an array would keep all of it in memory.
        """
        if name not in self.names:
            self.refuse(name, "is missing")
        layout = self._source[self._keys[name]].array(entry_start=start, entry_stop=stop, library="ak").layout
        if len(layout) != stop - start:
            self.refuse(name, f"expected {stop - start} entries from {start} on, found {len(layout)}")
        if not layout.is_list:
            return None, self._values(name, layout).copy()
        if layout.is_regular:
            self.refuse(name, "expected lists of any length, found arrays of one length")
        offsets, values = np.asarray(layout.offsets.data), self._values(name, layout.content)
        sizes = np.diff(offsets)
        if np.any(sizes < 0) or offsets[0] < 0 or offsets[-1] > len(values):
            self.refuse(
                name, f"the lists of the entries {start} to {stop} have impossible lengths, the file is damaged"
            )
        return sizes.astype(np.int64), values[offsets[0] : offsets[-1]].copy()

    def _values(self, name: str, layout: Any) -> np.ndarray:
        """Return the numbers of an innermost array."""
        values = np.asarray(layout.data) if layout.is_numpy else np.zeros(0, object)
        if values.dtype.kind not in "iufb" or values.ndim != 1:
            self.refuse(name, f"expected numbers, found {layout.form.type}")
        return values
