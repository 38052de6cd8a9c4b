"""What the comparison of grouped and random batches computes, with figures known from elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.grouping import compared, figures, grouped_steps


class TestGroupedSteps:
    @given(st.integers(1, 200), st.integers(4, 30), st.integers(0, 2**32 - 1))
    def test_have_no_graph_twice_and_are_full(self, n_graphs, batch_size, seed):
        found = grouped_steps(np.ones(n_graphs, int), batch_size, np.random.default_rng(seed))
        rows = np.concatenate([[], *found])
        assert len(set(rows.tolist())) == len(rows)
        full = batch_size // 4 * 4
        assert [len(rows) for rows in found] == [full] * (n_graphs // full)

    def test_have_a_group_of_each_quarter_of_the_sizes(self):
        sizes = np.random.default_rng(1).permutation(8 * 20)
        found = grouped_steps(sizes, 20, np.random.default_rng(2))
        for rows in found:
            assert (4 * sizes[rows] // len(sizes)).tolist() == [quarter for quarter in range(4) for _ in range(5)]
            groups = sizes[rows].reshape(4, 5)
            assert (groups.max(axis=1) - groups.min(axis=1) == 4).all()
        assert sorted(np.concatenate(found)) == list(range(len(sizes)))


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
