"""What the comparison of grouped and random batches computes, with figures known from elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.grouping import compared, figures, random_batches


class TestRandomBatches:
    @given(st.integers(1, 100), st.integers(1, 30), st.integers(0, 2**32 - 1))
    def test_have_each_graph_once_and_are_full_but_the_last(self, n_graphs, batch_size, seed):
        found = random_batches(np.ones(n_graphs, int), batch_size, np.random.default_rng(seed))
        assert sorted(np.concatenate(found).tolist()) == list(range(n_graphs))
        assert [len(rows) for rows in found[:-1]] == [batch_size] * (len(found) - 1)
        assert 1 <= len(found[-1]) <= batch_size

    def test_mix_sizes(self):
        sizes = np.repeat([1, 10], 500)
        for rows in random_batches(sizes, 100, np.random.default_rng(1)):
            assert abs((sizes[rows] == 1).sum() - 50) < 5 * np.sqrt(25)


class TestFigures:
    def test_of_exact_corrections(self):
        true = np.array([[1, 30], [2, 50], [0.5, 60]])
        assert figures(true[:, 0], true) == {"loss": 0, "MSE": 0, "response width": 0}

    def test_loss_is_quadratic_below_1_and_linear_above(self):
        labels = np.array([[1, 50], [1, 50], [1, 50], [1, 50]])
        found = figures(np.array([1, 1.5, 3, 0]), labels)
        assert found["loss"] == pytest.approx((0 + 0.125 + 1.5 + 0.5) / 4)
        assert found["MSE"] == pytest.approx((0 + 0.25 + 4 + 1) / 4)

    def test_width_is_relative_and_of_events_with_high_met_only(self):
        rng = np.random.default_rng(1)
        labels = np.stack([rng.uniform(0.5, 2, 40000), np.repeat([20, 60], 20000)], axis=1)
        correction = labels[:, 0] * 3 * (1 + 0.1 * rng.normal(size=40000))
        correction[:20000] *= rng.uniform(0, 5, 20000)
        # 16% of a normal distribution is 0.9945 standard deviations from its mean.
        assert figures(correction, labels)["response width"] == pytest.approx(0.09945, rel=0.02)


def test_differences_are_those_of_pairs():
    rows = compared([({"loss": 1.0}, {"loss": 2.0}), ({"loss": 2.0}, {"loss": 4.0}), ({"loss": 6.0}, {"loss": 6.0})])
    assert [row["batches"] for row in rows] == ["grouped", "random", "difference"]
    assert [row["mean"] for row in rows] == [3, 4, -1]
    assert [rows[2][f"seed {seed}"] for seed in (1, 2, 3)] == [-1, -2, 0]
    assert rows[2]["spread"] == pytest.approx(1)
    assert rows[2]["error"] == pytest.approx(1 / np.sqrt(3))
