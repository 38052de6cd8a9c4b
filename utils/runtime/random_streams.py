"""Random numbers that depend on the seed, the process and the event only.

They come from the counter-based generator Philox 4x32-10 (J. Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", SC11). Its key is the seed and the process, its counter the event. Chunks of any size, read in any order by any
number of workers, therefore get the same numbers, and unneeded numbers are not drawn.
"""

import zlib

import numpy as np

from utils.runtime.compiled import compiled, inlined

STREAMS = {"smearing": 0, "split": 1, "prescale": 2, "flattening": 3, "validation": 4, "subset": 5, "batches": 6}

StreamAndKey = tuple[np.uint64, np.uint64, np.uint64]
Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]


def normal_pairs(seed: int, stream: str, name: str, events: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Draw two standard normal numbers for each wanted object.

    Parameters
    ----------
    seed : int
    stream : str
    name : str
        Process of the events.
    events : np.ndarray, shape (n_events,)
        Number of each event in its process.
    wanted : np.ndarray, shape (n_events, n_objects), bool

    Returns
    -------
    np.ndarray, shape (n_events, n_objects, 2), float32
        Within 6.7 standard deviations; zero where not wanted.
    """
    return _normal_pairs(events.astype(np.uint64), wanted, *stream_and_key(seed, stream, name))


def uniforms(seed: int, stream: str, name: str, start: int, stop: int) -> np.ndarray:
    """Return uniform numbers in [0, 1) of the events [start, stop), shape (stop - start,), float64."""
    return _uniforms(np.arange(start, stop, dtype=np.uint64), *stream_and_key(seed, stream, name))


def uniforms_of(seed: int, stream: str, numbers: np.ndarray) -> np.ndarray:
    """Return uniform numbers in [0, 1) of events with given numbers, uint64, the same for equal ones; float64."""
    return _uniforms(numbers, *stream_and_key(seed, stream, ""))


def generator(seed: int, stream: str, *numbers: int) -> np.random.Generator:
    """Return a generator for numbers that do not belong to single events, one for each tuple of integers."""
    return np.random.default_rng([*numbers, seed, 1 + STREAMS[stream]])


def stream_and_key(seed: int, stream: str, name: str) -> StreamAndKey:
    """Return the last word of the counter and the two words of the key."""
    return np.uint64(STREAMS[stream]), np.uint64(seed), np.uint64(zlib.crc32(name.encode()))


@compiled
def _normal_pairs(
    events: np.ndarray, wanted: np.ndarray, stream: np.uint64, key_0: np.uint64, key_1: np.uint64
) -> np.ndarray:
    normals = np.zeros((*wanted.shape, 2), np.float32)
    for i in range(len(events)):
        for j in range(wanted.shape[1]):
            if wanted[i, j]:
                normals[i, j, 0], normals[i, j, 1] = normal_pair(events[i], j, stream, key_0, key_1)
    return normals


@inlined
def normal_pair(
    event: np.uint64, place: int, stream: np.uint64, key_0: np.uint64, key_1: np.uint64
) -> tuple[np.float32, np.float32]:
    """Transform two uniform numbers of an object after Box and Muller (Ann. Math. Statist. 29 (1958) 610)."""
    word_0, word_1, _, _ = _event_words(event, np.uint64(place), stream, key_0, key_1)
    above_0 = np.float32((word_0 + ONE) * 2.0**-32)
    radius = np.sqrt(np.float32(-2) * np.log(above_0))
    angle = np.float32(word_1 * (2 * np.pi * 2.0**-32))
    return radius * np.cos(angle), radius * np.sin(angle)


@compiled
def _uniforms(events: np.ndarray, stream: np.uint64, key_0: np.uint64, key_1: np.uint64) -> np.ndarray:
    """Combine two words into a number of 53 bits."""
    numbers = np.empty(len(events))
    for i in range(len(events)):
        word_0, word_1, _, _ = _event_words(events[i], ZERO, stream, key_0, key_1)
        numbers[i] = (((word_0 << WORD) | word_1) >> np.uint64(11)) * 2.0**-53
    return numbers


@inlined
def _event_words(event: np.uint64, place: np.uint64, stream: np.uint64, key_0: np.uint64, key_1: np.uint64) -> Words:
    """Return four random words of a place in an event."""
    return philox(event & LOW_WORD, event >> WORD, place, stream, key_0, key_1)


ZERO, ONE, WORD, LOW_WORD = (np.uint64(number) for number in (0, 1, 32, 2**32 - 1))
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@inlined
def philox(c_0: np.uint64, c_1: np.uint64, c_2: np.uint64, c_3: np.uint64, key_0: np.uint64, key_1: np.uint64) -> Words:
    """Scramble a counter of four words of 32 bits with a key of two, by the ten rounds of Philox 4x32-10."""
    for _ in range(10):
        product_0, product_1 = MULTIPLIER_0 * c_0, MULTIPLIER_1 * c_2
        c_0, c_1 = (product_1 >> WORD) ^ c_1 ^ key_0, product_1 & LOW_WORD
        c_2, c_3 = (product_0 >> WORD) ^ c_3 ^ key_1, product_0 & LOW_WORD
        key_0, key_1 = (key_0 + WEYL_0) & LOW_WORD, (key_1 + WEYL_1) & LOW_WORD
    return c_0, c_1, c_2, c_3
