"""The lock of h5py is still needed for direct access to chunks."""

import threading

import h5py
import numpy as np
import pytest
from h5py._objects import phil

from utils.compat.h5py import read_chunk, write_chunk


@pytest.fixture
def column(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        yield file.create_dataset("x", data=np.arange(6, dtype=np.int16), chunks=(3,))


def ends_while_locked(action):
    """Return whether an action in another thread ends while this one holds the lock of h5py."""
    thread = threading.Thread(target=action)
    with phil:
        thread.start()
        thread.join(0.3)
        ended = not thread.is_alive()
    thread.join()
    return ended


def test_chunks_are_read_and_written(column):
    content = np.array([7, 8, 9], np.int16).tobytes()
    write_chunk(column, (3,), content)
    mask, stored = read_chunk(column, (3,), np.empty(100, np.uint8))
    assert (mask, bytes(stored)) == (0, content)


def test_h5py_still_reads_and_writes_chunks_without_its_lock(column):
    # Once this fails, direct access takes the lock itself, and utils/compat/h5py.py is no longer needed.
    identifier = column.id
    assert ends_while_locked(lambda: identifier.read_direct_chunk((0,)))
    assert ends_while_locked(lambda: identifier.write_direct_chunk((0,), bytes(6)))


def test_here_the_lock_is_taken(column):
    assert not ends_while_locked(lambda: read_chunk(column, (0,), np.empty(100, np.uint8)))
    assert not ends_while_locked(lambda: write_chunk(column, (0,), bytes(6)))
