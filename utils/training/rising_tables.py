"""Rising functions of an energy sum, as tables in the record of a training."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np

LARGEST_SUM = 1e6  # GeV, above all sums: end of a table
MOST_EVENTS = 1 << 20  # that determine a table; of more events a random part
DIGITS = 3  # of a GeV in a table
BLOCK = 1 << 16  # events


@dataclass(frozen=True)
class RisingTable:
    """A table of energy sums and of their values, both strictly rising, linear between its points.

    It begins at 0 and ends above all sums, so that it needs no rule for what lies outside. A subclass has two
    attributes, np.ndarray, shape (n_points,), float64, in GeV: the sums and their values.
    """

    key: ClassVar[str]  # of the record of a training

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """Return the values of sums, of the same type."""
        found = np.empty_like(sums)
        for start in range(0, len(sums), BLOCK):
            rows = slice(start, start + BLOCK)
            found[rows] = np.interp(sums[rows], *vars(self).values())
        return found

    def record(self) -> dict[str, list[float]]:
        """Return the table for the record of a training."""
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self | None:
        """Read the table in the record of a training; None where it has none.

        Raises
        ------
        ValueError
            If it is no table of strictly rising numbers.
        """
        table, names = record.get(cls.key), tuple(field.name for field in fields(cls))
        if table is None:
            return None
        try:
            columns = [np.array(table[name], np.float64) for name in names]
        except (KeyError, TypeError, ValueError, OverflowError):
            columns = [np.zeros(0)] * len(names)
        same = len({column.shape for column in columns}) == 1 and columns[0].ndim == 1 and len(columns[0]) > 1
        if not (same and all((np.isfinite(x).all() and (np.diff(x) > 0).all()) for x in columns)):
            raise ValueError(f"'{cls.key}': expected lists of rising numbers, {' and '.join(map(repr, names))}")
        return cls(*columns)


def rising_points(*columns: np.ndarray) -> list[np.ndarray]:
    """Round the columns of a table, and leave out the points at which one of them does not rise."""
    rounded = [np.round(column, DIGITS) for column in columns]
    rising = np.all([np.diff(np.maximum.accumulate(column), prepend=-1) > 0 for column in rounded], axis=0)
    return [column[rising] for column in rounded]
