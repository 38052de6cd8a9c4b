"""Fingerprints of events: the share of events that two files have in common."""

import dataclasses

import numpy as np
import pytest

from tests.toys import random_l1_events
from utils.formats import fingerprints
from utils.formats.fingerprints import SmallestFingerprints, TrainedOn
from utils.l1_events import L1Events


@pytest.fixture(scope="module")
def events():
    events = random_l1_events(30000)
    return dataclasses.replace(events, original_met=np.float32(events.original_met % 7))


def record_of(*parts):
    kept = SmallestFingerprints()
    for part in parts:
        kept.add(fingerprints.fingerprints(part))
    return {"data": {"fingerprints": kept.record()}}


def counted(record, *parts):
    seen = TrainedOn.from_record(record)
    for part in parts:
        seen.count(part)
    return seen


def test_of_different_events_differ_and_are_uniform(events):
    found = fingerprints.fingerprints(events)
    assert len(np.unique(found)) == len(events)
    counts = np.histogram(found.astype(float), 20, (0, 2.0**64))[0]
    expected = len(events) / 20
    assert ((counts - expected) ** 2).sum() / expected < 19 + 5 * np.sqrt(2 * 19)
    bits = (found[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(0) - 0.5).max() < 5 * 0.5 / np.sqrt(len(events))


def test_belong_to_the_generated_event(events):
    """Neither the smearing nor weights or the number of a process have a part in them."""
    other = dataclasses.replace(
        events, smeared_data=events.smeared_data + 1, smeared_met=events.smeared_met + 1, weights=-events.weights
    )
    seen = counted(record_of(events), dataclasses.replace(other, ids=events.ids + 5))
    assert seen.share == 1


@pytest.mark.parametrize("n_seen", [0, 3, 100, 10000])
def test_of_few_events_are_all_kept_so_that_the_numbers_are_exact(events, n_seen):
    record = record_of(events[:1000], events[1000:4000])
    start = 4000 - min(n_seen, 4000)
    seen = counted(record, events[start:5000], events[5000:6000])
    assert (seen.n_compared, seen.n_found) == (6000 - start, min(n_seen, 4000))


def test_of_many_events_give_the_share_within_its_error(events):
    trained_on = events[:20000]
    seen = counted(record_of(*(trained_on[i : i + 999] for i in range(0, 20000, 999))), events[15000:])
    assert seen.n_compared == pytest.approx(15000 * 4096 / 20000, abs=5 * np.sqrt(3072))
    assert seen.share == pytest.approx(5 / 15, abs=5 * np.sqrt(2 / 9 / seen.n_compared))
    assert counted(record_of(trained_on), events[20000:]).n_found == 0
    assert counted(record_of(trained_on), trained_on[:500]).share == 1  # a subset


def test_do_not_depend_on_the_order_or_on_copies(events):
    order = np.random.default_rng(1).permutation(len(events))
    again = L1Events.concatenate([events[order], events[:1000]])
    assert record_of(again) == record_of(events)


@pytest.mark.parametrize(
    "record",
    [None, [], {}, {"data": 3}, {"data": {"fingerprints": 3}}, {"data": {"fingerprints": "no base 64"}}]
    + [{"data": {"fingerprints": text}} for text in ("", "AAAA", "A" * 10**6)],
)
def test_missing_fingerprints_are_none(record):
    assert TrainedOn.from_record(record) is None


def test_share_of_nothing_is_nan(events):
    assert np.isnan(counted(record_of(events[:5])).share)
