"""Random numbers that depend on the seed, the process and the event, and on nothing else.

Each block of 4096 consecutive events has its own stream of the counter-based generator Philox (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC11), and the numbers of an event are one row of its block. Chunks of
any size, read in any order by any number of processes, get the same numbers.
"""

import zlib
from collections.abc import Iterator

import numpy as np

BLOCK = 4096

STREAMS = {"smearing": 0, "split": 1, "thinning": 2, "flattening": 3, "validation": 4, "subset": 5, "batches": 6}


def normals(seed: int, stream: str, name: str, start: int, stop: int, per_event: int) -> np.ndarray:
    """Draw the standard normal numbers of the events [start, stop), shape (stop - start, per_event), float32."""
    parts = [
        generator.standard_normal((rows.stop, per_event), np.float32)[rows]
        for generator, rows in _blocks(seed, stream, name, start, stop)
    ]
    return np.concatenate(parts) if parts else np.empty((0, per_event), np.float32)


def uniforms(seed: int, stream: str, name: str, start: int, stop: int) -> np.ndarray:
    """Uniform numbers in [0, 1) of the events [start, stop), shape (stop - start,), float64."""
    parts = [generator.random(rows.stop)[rows] for generator, rows in _blocks(seed, stream, name, start, stop)]
    return np.concatenate(parts) if parts else np.empty(0)


def generator(seed: int, stream: str, *numbers: int) -> np.random.Generator:
    """Make a generator of random numbers that do not belong to single events, one for each tuple of numbers."""
    return np.random.default_rng([*numbers, seed, 1 + STREAMS[stream]])


def _blocks(seed: int, stream: str, name: str, start: int, stop: int) -> Iterator[tuple[np.random.Generator, slice]]:
    """Make the generators of the blocks that hold the events [start, stop), each with the rows wanted of it."""
    key = np.array([seed, zlib.crc32(name.encode())], np.uint64)
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        first = block * BLOCK
        counter = np.array([0, 0, block, STREAMS[stream]], np.uint64)
        generator = np.random.Generator(np.random.Philox(counter=counter, key=key))
        yield generator, slice(max(start - first, 0), min(stop - first, BLOCK))
