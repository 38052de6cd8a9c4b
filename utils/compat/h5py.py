"""Private part of h5py: its lock, for direct access to the chunks of a dataset.

``read_direct_chunk`` and ``write_direct_chunk`` take the lock only from h5py 3.16 on. Before, threads that call them
crash the HDF5 library: https://github.com/h5py/h5py/pull/2764. TensorFlow 2.21 needs h5py below 3.15. The lock is
reentrant, so later versions may take it a second time.
"""

import h5py
import numpy as np
from h5py._objects import phil

from utils.compat.versions import require_version

require_version("h5py", "3.12", "4")


def read_chunk(dataset: h5py.Dataset, offset: tuple[int, ...], out: np.ndarray) -> tuple[int, memoryview]:
    """Read a chunk as it is stored.

    Parameters
    ----------
    dataset : h5py.Dataset
    offset : tuple of int
        Index of the first element of the chunk.
    out : np.ndarray, uint8
        Buffer for the bytes.

    Returns
    -------
    filter_mask : int
        A bit for each filter that was skipped when the chunk was stored.
    stored : memoryview
        The bytes, in the buffer.
    """
    with phil:
        return dataset.id.read_direct_chunk(offset, out=out)


def write_chunk(dataset: h5py.Dataset, offset: tuple[int, ...], content: bytes) -> None:
    """Write a chunk to which all filters of the dataset have been applied."""
    with phil:
        dataset.id.write_direct_chunk(offset, content)
