"""Fingerprints of events, by which the evaluation recognises events of the training.

A fingerprint is a hash of the true MET, the true HT and the original MET of an event. These belong to the generated
event. They are the same in a copy, a subset or a superset of a file, before and after a selection, and after smearing
with another seed.

A training stores the smallest fingerprints of its events, at most `N_KEPT`, in ``training.json`` as
``data.fingerprints`` (a bottom-k sketch: A. Z. Broder, "On the resemblance and containment of documents", 1997). The
evaluation uses them as follows::

    trained_on = TrainedOn.from_record(record)  # of training.json; None if it has no fingerprints
    for events in chunks:
        trained_on.count(events)
    trained_on.n_compared, trained_on.n_found, trained_on.share

An evaluated event is compared if its fingerprint is at most the largest stored one, which is a random sample. If the
training had at most `N_KEPT` events, all events are compared.
"""

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from utils.l1_events import L1Events

N_KEPT = 4096  # 44 kB of training.json
FINGERPRINTS = "fingerprints"
_ALL = np.uint64(2**64 - 1)


def fingerprints(events: L1Events) -> np.ndarray:
    """Hash events, shape (n_events,), uint64; -0 and 0 give the same hash."""
    true_met, true_ht, original_met = (
        (np.asarray(values, np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
        for values in (events.true_met, events.true_ht, events.original_met)
    )
    return _mixed(_mixed(true_met << np.uint64(32) | true_ht) ^ original_met)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Mix the bits of integers: the output function of SplitMix64 (Steele, Lea and Flood 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


class SmallestFingerprints:
    """Smallest fingerprints of events, in bounded memory."""

    def __init__(self) -> None:
        self._kept = np.zeros(0, np.uint64)

    def add(self, found: np.ndarray) -> None:
        """Add fingerprints."""
        self._kept = np.union1d(self._kept, found)[:N_KEPT]

    def record(self) -> str:
        """Return the content for JSON: little-endian 64-bit integers in base 64."""
        return base64.b64encode(self._kept.astype("<u8").tobytes()).decode()


class TrainedOn:
    """Counter of training events among the evaluated events.

    Attributes
    ----------
    n_compared, n_found : int
        Number of compared events, and number of those that were in the training.
    """

    def __init__(self, kept: np.ndarray):
        self._kept = kept
        self._largest = kept[-1] if len(kept) == N_KEPT else _ALL
        self.n_compared, self.n_found = 0, 0

    @classmethod
    def from_record(cls, record: Any) -> "TrainedOn | None":
        """Read the fingerprints in the record of a training; None if there are none, or they are damaged."""
        data = record.get("data") if isinstance(record, Mapping) else None
        text = data.get(FINGERPRINTS) if isinstance(data, Mapping) else None
        if not isinstance(text, str) or len(text) > 16 * N_KEPT:
            return None
        try:
            content = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        if not content or len(content) % 8 or len(content) > 8 * N_KEPT:
            return None
        return cls(np.unique(np.frombuffer(content, "<u8").astype(np.uint64)))

    def count(self, events: L1Events) -> None:
        """Count the events that were in the training."""
        found = fingerprints(events)
        found = found[found <= self._largest]
        self.n_compared += len(found)
        self.n_found += int(np.isin(found, self._kept).sum())

    @property
    def share(self) -> float:
        """Share of the compared events that were in the training; NaN if none were compared."""
        return self.n_found / self.n_compared if self.n_compared else math.nan
