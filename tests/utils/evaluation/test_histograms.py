import numpy as np
import pytest

from utils.evaluation.histograms import (
    bin_index,
    histogram,
    histogram_2d,
    squares_in_bins,
    sum_of_blocks,
    sums_in_bins,
)


def test_histogram_sums_weights_and_leaves_out_what_is_outside():
    content = histogram(np.array([-1, 0, 0.5, 1, 2, np.nan]), np.array([9, 1, 2, 3, 9, 9.0]), np.array([0.0, 1, 2]))
    assert content.values.tolist() == [3, 3]
    assert content.errors.tolist() == pytest.approx([np.sqrt(5), 3])
    assert content.centres.tolist() == [0.5, 1.5]


def test_histogram_of_no_events_has_sums_of_0_like_any_other():
    content = histogram(np.empty(0), np.empty(0, np.float32), np.array([0.0, 1, 2]))
    for sums in (content.values, content.errors):
        assert sums.tolist() == [0, 0]
        assert sums.dtype == np.float64


def test_histogram_2d_has_x_in_rows():
    edges = np.array([0.0, 1, 2])
    content = histogram_2d(np.array([0.5, 1.5]), np.array([1.5, 1.5]), np.array([2.0, 3.0]), edges, edges)
    assert content.values.tolist() == [[0, 2], [0, 3]]


def test_histogram_2d_has_the_bins_of_histograms(rng):
    x, y, weights = rng.normal(0, 1, 5000), rng.normal(0, 1, 5000), rng.random(5000)
    x_edges, y_edges = np.linspace(-1, 1, 6), np.array([-0.5, 0, 2])
    content = histogram_2d(x, y, weights, x_edges, y_edges)
    expected, _, _ = np.histogram2d(x, y, (x_edges, y_edges), weights=weights)
    assert content.values == pytest.approx(expected)
    within = (y >= -0.5) & (y < 2)
    assert content.values.sum(1) == pytest.approx(histogram(x[within], weights[within], x_edges).values)


def test_bin_index_puts_edges_into_the_bin_above():
    assert bin_index(np.array([-1, 0, 1, 2, np.nan, np.inf]), np.array([0, 1, 2])).tolist() == [2, 0, 1, 2, 2, 2]


@pytest.mark.parametrize("block", [1, 7, 4096, 10_000])
def test_sums_are_those_of_all_events_in_their_order_to_the_bit(rng, monkeypatch, block):
    monkeypatch.setattr("utils.evaluation.histograms.BLOCK", block)
    weights, factors = rng.normal(0, 1, 5000).astype(np.float32), rng.lognormal(0, 3, 5000).astype(np.float32)
    passes, values, edges = rng.random(5000) < 0.3, rng.normal(0, 1, 5000), np.linspace(-1, 1, 6)
    bins = bin_index(values, edges)
    assert bins.tolist() == [
        5 if not -1 <= value < 1 else np.searchsorted(edges, value, "right") - 1 for value in values
    ]
    assert sums_in_bins(bins, 5, weights).tolist() == np.bincount(bins, weights)[:5].tolist()
    assert sums_in_bins(bins, 5, weights, passes).tolist() == np.bincount(bins, weights * passes)[:5].tolist()
    products = np.multiply(weights, factors, dtype=np.float64)
    assert sums_in_bins(bins, 5, weights, factors).tolist() == np.bincount(bins, products)[:5].tolist()
    assert squares_in_bins(bins, 5, weights).tolist() == np.bincount(bins, weights.astype(float) ** 2)[:5].tolist()


@pytest.mark.parametrize("n_events", [0, 1, 7, 129, 1000, 12345])
def test_sum_of_blocks_has_the_rounding_of_the_sum_of_all(rng, monkeypatch, n_events):
    monkeypatch.setattr("utils.evaluation.histograms.BLOCK", 150)
    values = rng.lognormal(0, 3, n_events)
    assert sum_of_blocks(lambda rows: values[rows], 0, n_events) == values.sum()


@pytest.mark.parametrize(
    "edges",
    [
        np.arange(0, 3.01, 0.05),
        np.linspace(0, 300, 201),
        np.array([-2.0, -1.9, 0, 7, 100]),
        np.array([0, 1e-6, 100.0]),
        np.array([5.0, 6]),
        np.array([1.0]),
        np.sort(np.random.default_rng(1).normal(0, 1, 40)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bins_of_any_edges_are_those_of_a_binary_search(rng, edges, dtype):
    at_edges = edges.astype(dtype)
    values = np.concatenate(
        [
            rng.uniform(edges[0] - 1, edges[-1] + 1, 20_000).astype(dtype),
            *(at_edges, np.nextafter(at_edges, dtype(np.inf)), np.nextafter(at_edges, dtype(-np.inf))),
            np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e30, -1e30], dtype),
        ]
    )
    n_bins = len(edges) - 1
    expected = np.searchsorted(edges, values, side="right") - 1
    assert bin_index(values, edges).tolist() == np.where(expected < 0, n_bins, expected).tolist()
