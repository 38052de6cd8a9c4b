"""Whether a fit describes its points."""

from scipy.special import gammaincc

MAX_CHI2, MIN_PROBABILITY = 2, 0.01  # of a fit that is_good_fit its points: chi2 a degree of freedom, or probability


def is_good_fit(chi2: float, n_degrees: float) -> bool:
    """Whether a fit is_good_fit its points: chi-squared is not far above the number of degrees of freedom."""
    if not n_degrees > 0:
        return False
    return chi2 <= MAX_CHI2 * n_degrees or bool(gammaincc(n_degrees / 2, chi2 / 2) > MIN_PROBABILITY)
