"""Luminosity sections of data that are certified: golden JSON of CMS, and runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.runtime.errors import UserError
from utils.runtime.text_files import read_json

LARGEST = 2**32 - 1  # runs and luminosity sections are integers of 32 bits
EXPECTED = '{"RUN": [[FIRST, LAST], ...], ...} with numbers of luminosity sections'


@dataclass(frozen=True)
class LuminosityMask:
    """Runs and luminosity sections whose events count.

    Attributes
    ----------
    sections : mapping of int to np.ndarray, shape (n, 2), int64; or None
        First and last section of each range of a run, in rising order; None: all sections of all runs.
    runs : tuple of int
        Empty for all runs.
    """

    sections: Mapping[int, np.ndarray] | None = None
    runs: tuple[int, ...] = ()

    @classmethod
    def read(cls, path: Path | None, runs: Sequence[int] = ()) -> "LuminosityMask":
        """Read a golden JSON; a :class:`UserError` says what is wrong with it."""
        if path is None:
            return cls(None, tuple(runs))
        content = read_json(path)
        if not isinstance(content, dict) or not content:
            raise UserError(f"{path}: expected a luminosity mask {EXPECTED}, found {_shortened(content)}")
        return cls({_run(path, run): _ranges(path, run, found) for run, found in content.items()}, tuple(runs))

    def of_runs(self, run: np.ndarray) -> np.ndarray:
        """Return which events are of the runs, bool."""
        return np.isin(run, self.runs) if self.runs else np.ones(len(run), bool)

    def certified(self, run: np.ndarray, section: np.ndarray) -> np.ndarray:
        """Return which events are in a section of the mask, bool."""
        if self.sections is None:
            return np.ones(len(run), bool)
        inside = np.zeros(len(run), bool)
        for number in np.unique(run):
            ranges, here = self.sections.get(int(number)), run == number
            if ranges is not None:
                last = ranges[np.searchsorted(ranges[:, 0], section[here], side="right") - 1]
                inside[here] = (last[:, 0] <= section[here]) & (section[here] <= last[:, 1])
        return inside


def _run(path: Path, text: str) -> int:
    """Return the number of a run."""
    if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= LARGEST):
        raise UserError(f"{path}: expected the numbers of runs as keys, found {_shortened(text)}")
    return int(text)


def _ranges(path: Path, run: str, found: Any) -> np.ndarray:
    """Return the ranges of a run in rising order; none may overlap another."""
    for pair in found if isinstance(found, list) else [found]:
        fits = isinstance(pair, list) and len(pair) == 2 and all(type(number) is int for number in pair)
        if not (isinstance(found, list) and fits and 0 <= pair[0] <= pair[1] <= LARGEST):
            raise UserError(f"{path}: run {run}: expected ranges [FIRST, LAST], found {_shortened(pair)}")
    ranges = np.array(sorted(found), np.int64).reshape(-1, 2)
    if np.any(ranges[1:, 0] <= ranges[:-1, 1]):
        raise UserError(f"{path}: run {run}: expected ranges that do not overlap, found {_shortened(sorted(found))}")
    return ranges if len(ranges) else np.array([[1, 0]])


def _shortened(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 60 else f"{text[:60]}..."
