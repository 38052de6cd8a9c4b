"""Mean and variance of features, chunk by chunk."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from utils.training.normalisation import Moments


class TestMoments:
    @given(st.integers(1, 200), st.lists(st.integers(0, 200), max_size=6), st.integers(0, 2**32 - 1))
    def test_of_uneven_chunks_agree_with_numpy(self, n_rows, cuts, seed):
        rows = np.random.default_rng(seed).normal([5, -1000, 0], [1, 3, 1e-3], (n_rows, 3))
        moments = Moments()
        for part in np.split(rows, sorted(cut for cut in cuts if cut <= n_rows)):
            moments.add(part)
        assert moments.count == n_rows
        assert_allclose(moments.mean, rows.mean(0), rtol=1e-10, atol=1e-12)
        assert_allclose(moments.variance, rows.var(0), rtol=1e-7, atol=1e-12)
        assert_array_equal(moments.largest, rows.max(0))
        moments.extend_range(rows + 1)
        assert_array_equal(moments.largest, rows.max(0) + 1)
        assert moments.count == n_rows

    def test_of_single_precision_rows_far_from_zero_do_not_cancel(self):
        rows = (10000 + np.arange(1000) % 2).astype(np.float32)[:, None]
        moments = Moments()
        for start in range(0, 1000, 7):
            moments.add(rows[start : start + 7])
        assert_allclose([moments.mean[0], moments.variance[0]], [10000.5, 0.25], rtol=1e-9)
