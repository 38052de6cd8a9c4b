"""Quality of a fit."""

from scipy.special import gammaincc

MAX_CHI2, MIN_PROBABILITY = 2, 0.01  # of a good fit: chi-squared per degree of freedom, or its probability


def is_good_fit(chi2: float, n_degrees: float) -> bool:
    """Return whether a fit describes its points: chi-squared is not far above the number of degrees of freedom."""
    if not n_degrees > 0:
        return False
    return chi2 <= MAX_CHI2 * n_degrees or bool(gammaincc(n_degrees / 2, chi2 / 2) > MIN_PROBABILITY)
