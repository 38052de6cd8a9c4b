"""How far apart two computations of the same numbers may be by rounding alone, on whatever processor."""

import numpy as np
from numpy.testing import assert_allclose

EPSILON = float(np.finfo(np.float32).eps)  # distance of 1 to the next float32, twice the largest rounding error


def assert_equal_but_for_rounding(actual, desired, n_terms, size=None, epsilon=EPSILON):
    """Compare arrays that come from sums of the same terms in an order that the processor chooses.

    A sum of n terms, in whatever order and with whatever fused operations, is off by at most n epsilon/2 times the sum
    of their magnitudes (N. Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 4.2), so that two
    computations differ by at most n epsilon times it. Sums one after the other add up their terms.

    Parameters
    ----------
    actual, desired : array_like
        The two results.
    n_terms : int
        Number of terms and other operations one after the other from the input to the result.
    size : float, optional
        Sum of the magnitudes of the terms; by default the largest of the desired results, which is right unless terms
        cancel in all of them.
    epsilon : float
        That of the numbers in between, of float32 by default.
    """
    desired = np.asarray(desired)
    size = np.max(np.abs(desired)) if size is None else size
    assert_allclose(actual, desired, rtol=0, atol=n_terms * epsilon * size)
