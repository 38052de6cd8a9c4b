"""Random numbers that depend on the seed, the process and the event only."""

import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from utils.runtime.random_streams import STREAMS, normal_pairs, philox, uniforms

N = 13000
N_OBJECTS = 18


def all_pairs(start, stop, seed=3, name="W"):
    """Return the pairs of all objects of the events [start, stop)."""
    return normal_pairs(seed, "smearing", name, np.arange(start, stop), np.ones((stop - start, N_OBJECTS), bool))


@st.composite
def cut_ranges(draw):
    """Draw a range of events and how it is cut into chunks."""
    start = draw(st.integers(0, N))
    stop = draw(st.integers(start, N))
    cuts = draw(st.lists(st.integers(start, stop), max_size=5))
    return [start, *sorted(cuts), stop]


class TestChunks:
    @given(cut_ranges())
    def test_of_any_size_have_the_same_uniform_numbers(self, edges):
        whole = uniforms(3, "split", "W", 0, N)
        chunks = [uniforms(3, "split", "W", *pair) for pair in itertools.pairwise(edges)]
        assert_array_equal(np.concatenate(chunks), whole[edges[0] : edges[-1]])

    @given(cut_ranges())
    def test_of_any_size_have_the_same_normal_numbers(self, edges):
        whole = all_pairs(0, N)
        chunks = [all_pairs(*pair) for pair in itertools.pairwise(edges)]
        assert_array_equal(np.concatenate(chunks), whole[edges[0] : edges[-1]])

    @given(st.integers(0, 2**32 - 1))
    def test_in_any_order_and_with_any_objects_wanted_have_the_same_normal_numbers(self, seed):
        rng = np.random.default_rng(seed)
        order, wanted = rng.permutation(100), rng.random((100, N_OBJECTS)) < 0.3
        found = normal_pairs(3, "smearing", "W", 7 + order, wanted)
        assert_array_equal(found, np.where(wanted[:, :, None], all_pairs(7, 107)[order], 0))

    def test_without_events_are_empty(self):
        assert uniforms(1, "split", "W", 7, 7).shape == (0,)
        assert all_pairs(7, 7).shape == (0, N_OBJECTS, 2)

    def test_have_the_types_that_are_stored(self):
        assert all_pairs(0, 2).dtype == np.float32
        assert uniforms(1, "split", "W", 0, 2).dtype == np.float64


def words(text):
    """Return the words of 32 bits that a text says in hexadecimal."""
    return [np.uint64(int(word, 16)) for word in text.split()]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (
            "ffffffff ffffffff ffffffff ffffffff",
            "ffffffff ffffffff",
            "408f276d 41c83b0e a20bc7c6 6d5451fd",
        ),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_has_the_known_answers_of_its_authors(counter, key, expected):
    """The file kat_vectors of Random123, https://github.com/DEShawResearch/random123."""
    assert list(philox(*words(counter), *words(key))) == words(expected)


def philox_in_python(counter, key):
    """Return what Philox 4x32-10 makes of words, in Python's integers."""
    for _ in range(10):
        products = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            (products[1] >> 32) ^ counter[1] ^ key[0],
            products[1] % 2**32,
            (products[0] >> 32) ^ counter[3] ^ key[1],
            products[0] % 2**32,
        ]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return counter


@pytest.mark.parametrize("event", [0, 5, 2**32 + 5])
def test_the_counter_is_event_place_and_stream(event):
    key = [7, zlib.crc32(b"QCD")]
    first, second, _, _ = philox_in_python([event % 2**32, event >> 32, 0, STREAMS["split"]], key)
    assert_array_equal(uniforms(7, "split", "QCD", event, event + 1), [((first << 32 | second) >> 11) * 2.0**-53])
    first, second, _, _ = philox_in_python([event % 2**32, event >> 32, 17, STREAMS["smearing"]], key)
    radius, angle = np.sqrt(-2 * np.log((first + 1) / 2**32)), 2 * np.pi * second / 2**32
    pair = all_pairs(event, event + 1, seed=7, name="QCD")[0, 17]
    assert_allclose(pair, [radius * np.cos(angle), radius * np.sin(angle)], rtol=1e-5, atol=1e-6)


def numbers_of_all_keys():
    """Return uniform numbers of some events for different seeds, streams, processes and ranges of events."""
    keys = [
        (seed, stream, name, start)
        for seed in (0, 1, 2**32 - 1)
        for stream in STREAMS
        for name in ("", "QCD", "W")
        for start in (0, N, 2**32)
    ]
    numbers = [uniforms(seed, stream, name, start, start + N) for seed, stream, name, start in keys]
    return keys, np.stack(numbers)


def test_seeds_streams_processes_and_events_are_independent():
    keys, numbers = numbers_of_all_keys()
    correlation = np.corrcoef(numbers)[np.triu_indices(len(keys), 1)]
    # Each is of width 1/sqrt(N), and there are some 18000 of them.
    assert len(correlation) == len(keys) * (len(keys) - 1) // 2
    assert np.abs(correlation).max() < 5.5 / np.sqrt(N)
    assert correlation.std() == pytest.approx(1 / np.sqrt(N), rel=0.05)
    assert len(np.unique(numbers)) == numbers.size


def test_the_numbers_stay_the_same_from_version_to_version():
    assert_array_equal(
        uniforms(1, "split", "QCD", 4095, 4098), [0.699723348019034, 0.7183671141293619, 0.23003737187589401]
    )


def test_normal_numbers_are_normal_and_independent():
    """Of two numbers of 18 objects: the moments up to the fourth, the distribution, the correlations."""
    numbers = all_pairs(0, N, seed=11).reshape(N, -1).astype(np.float64)
    for power, moment, width in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert np.abs((numbers**power).mean(0) - moment).max() < 5 * np.sqrt(width / N)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-4
    assert stats.kstest((numbers**2).reshape(-1, 2).sum(1), "chi2", (2,)).pvalue > 1e-4
    for values in (numbers, numbers**2):
        correlation = np.corrcoef(values.T)[np.triu_indices(numbers.shape[1], 1)]
        assert np.abs(correlation).max() < 5 / np.sqrt(N)


def test_normal_numbers_have_normal_tails():
    numbers = np.abs(all_pairs(0, 100 * N, seed=12))
    for edge in (3, 4, 4.5):
        expected = numbers.size * 2 * stats.norm.sf(edge)
        assert abs(np.count_nonzero(numbers > edge) - expected) < 5 * np.sqrt(expected)
    assert numbers.max() < 6.7


def test_uniform_numbers_are_uniform():
    numbers = uniforms(11, "prescale", "", 0, N)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 5 / np.sqrt(12 * N)
    counts = np.histogram(numbers, 100, (0, 1))[0]
    assert stats.chisquare(counts).pvalue > 1e-4
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 5 / np.sqrt(N)
