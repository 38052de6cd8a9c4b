"""Numbers with errors, limits and intervals as text, and tables of them."""

import math
from collections.abc import Sequence

from utils.evaluation.bootstrap import Estimate

MAX_DIGITS = 9
BEYOND, ALL_PASS = "beyond the sample", "all pass"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of text as right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _plain(value: float, digits: int) -> str:
    """Write a number, and 0 without a sign."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _digits(error: float, digits: int) -> int:
    """Return the digits at which an error is not written as 0."""
    return min(max(digits, math.ceil(-math.log10(error))), MAX_DIGITS) if error > 0 else digits


def number_text(estimate: Estimate[float], digits: int, scale: float = 1) -> str:
    """Write a number and its error, with the digits that the error needs; a dash for an unknown number."""
    value, error = scale * estimate.value, scale * estimate.error
    if not math.isfinite(value):
        return "-"
    if not error > 0:
        return _plain(value, digits)
    digits = _digits(error, digits)
    return f"{_plain(value, digits)} +- {_plain(error, digits)}"


def percent_text(estimate: Estimate[float], digits: int = 2) -> str:
    """Write an efficiency in percent, or the limit where none or all of the events pass."""
    limit = 100 * estimate.error
    if estimate.value <= 0:
        return f"< {_plain(limit, _digits(limit, digits))}"
    if estimate.value >= 1:
        return f"> {_plain(100 - limit, _digits(limit, digits))}"
    return number_text(estimate, digits, 100)


def rate_text(estimate: Estimate[float], digits: int = 1) -> str:
    """Write a rate, or the limit where no event passes."""
    if estimate.value <= 0:
        return f"< {_plain(estimate.error, _digits(estimate.error, digits))}"
    return number_text(estimate, digits)


def threshold_text(estimate: Estimate[float]) -> str:
    """Write a threshold, or why it is unknown."""
    if math.isnan(estimate.value):
        return BEYOND
    return ALL_PASS if math.isinf(estimate.value) else number_text(estimate, 1)


def interval_text(value: float, low: float, high: float, digits: int) -> str:
    """Write a number and its interval, or the limit where no event passes."""
    if math.isnan(value):
        return BEYOND
    if math.isinf(value):
        return ALL_PASS
    if value <= 0 and low <= 0:
        return f"< {_plain(high, _digits(high, digits))}"
    digits = _digits(high - low, digits)
    return f"{_plain(value, digits)} [{_plain(low, digits)}, {_plain(high, digits)}]"
