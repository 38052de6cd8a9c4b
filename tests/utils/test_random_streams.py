"""Random numbers that depend on the seed, the process and the event, and on nothing else."""

import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import stats

from utils.random_streams import BLOCK, STREAMS, normals, uniforms

N = 3 * BLOCK + 500


@st.composite
def cut_ranges(draw):
    """Draw a range of events, across block borders at times, and how it is cut into chunks."""
    start = draw(st.one_of(st.integers(0, N), st.sampled_from([0, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])))
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
        whole = normals(3, "smearing", "W", 0, N, 5)
        chunks = [normals(3, "smearing", "W", *pair, 5) for pair in itertools.pairwise(edges)]
        assert_array_equal(np.concatenate(chunks), whole[edges[0] : edges[-1]])

    def test_without_events_are_empty(self):
        assert uniforms(1, "split", "W", 7, 7).shape == (0,)
        assert normals(1, "smearing", "W", BLOCK, BLOCK, 28).shape == (0, 28)

    def test_have_the_types_that_are_stored(self):
        assert normals(1, "smearing", "W", 0, 2, 3).dtype == np.float32
        assert uniforms(1, "split", "W", 0, 2).dtype == np.float64


def numbers_of_all_keys():
    """Return uniform numbers of one block for different seeds, streams, processes and blocks."""
    keys = [
        (seed, stream, name, block)
        for seed in (0, 1, 2**32 - 1)
        for stream in STREAMS
        for name in ("", "QCD", "W")
        for block in (0, 1, 2)
    ]
    return keys, np.stack([uniforms(seed, stream, name, b * BLOCK, (b + 1) * BLOCK) for seed, stream, name, b in keys])


def test_seeds_streams_processes_and_blocks_are_independent():
    keys, numbers = numbers_of_all_keys()
    correlation = np.corrcoef(numbers)[np.triu_indices(len(keys), 1)]
    # Each is of width 1/sqrt(BLOCK), and there are some 9000 of them.
    assert len(correlation) == len(keys) * (len(keys) - 1) // 2
    assert np.abs(correlation).max() < 5.5 / np.sqrt(BLOCK)
    assert correlation.std() == pytest.approx(1 / np.sqrt(BLOCK), rel=0.05)
    assert len(np.unique(numbers)) == numbers.size


def test_the_numbers_are_those_of_philox_with_block_and_stream_in_its_counter():
    key = np.array([7, zlib.crc32(b"QCD")], np.uint64)
    counter = np.array([0, 0, 2, STREAMS["split"]], np.uint64)
    bits = np.random.Philox(counter=counter, key=key).random_raw(10) >> np.uint64(11)
    assert_array_equal(uniforms(7, "split", "QCD", 2 * BLOCK, 2 * BLOCK + 10), bits * 2.0**-53)


def test_the_numbers_stay_the_same_from_version_to_version():
    expected = [0.25928606805416, 0.3514788276038111, 0.14797637146170228]
    assert_array_equal(uniforms(1, "split", "QCD", 4095, 4098), expected)


def test_normal_numbers_are_normal_in_each_column():
    numbers = normals(11, "smearing", "QCD", 0, N, 28).astype(np.float64)
    assert np.abs(numbers.mean(0)).max() < 5 / np.sqrt(N)
    assert np.abs(numbers.var(0) - 1).max() < 5 * np.sqrt(2 / N)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-4
    correlation = np.corrcoef(numbers.T)[np.triu_indices(28, 1)]
    assert np.abs(correlation).max() < 5 / np.sqrt(N)


def test_uniform_numbers_are_uniform():
    numbers = uniforms(11, "thinning", "", 0, N)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 5 / np.sqrt(12 * N)
    counts = np.histogram(numbers, 100, (0, 1))[0]
    assert stats.chisquare(counts).pvalue > 1e-4
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 5 / np.sqrt(N)
