"""Floor of corrected sums, against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.toys import random_l1_events, write_l1
from utils.formats.l1_files import L1Dataset
from utils.training import sum_floor
from utils.training.sum_floor import SumFloor, fit_floor, training_floor

SHARE = 0.2


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def exponential(scale, n=200_000):
    """Return values whose numbers above x are those of exp(-x / scale)."""
    return -scale * np.log((np.arange(n) + 0.5) / n)


def test_exponential_spectra_give_a_straight_line(rng):
    """exp(-l1 / 30) = share exp(-corrected / 20) is corrected = 20 (l1 / 30 + log(share))."""
    l1, corrected = exponential(30), rng.permutation(exponential(20))
    found = fit_floor(l1, corrected, np.ones(len(l1)), SHARE)
    sums = np.array([60.0, 90, 120, 200, 240])
    assert_allclose(found(sums), 20 * (sums / 30 + np.log(SHARE)), rtol=0.02)


def test_it_lets_the_share_of_each_rate_pass(rng):
    l1 = 20 * (1 + rng.pareto(3, 300_000))
    corrected = l1 * rng.lognormal(-0.5, 0.5, len(l1))
    weights = rng.uniform(0.5, 2, len(l1))
    floor = fit_floor(l1, corrected, weights, SHARE)
    for threshold in np.quantile(corrected, [0.5, 0.9, 0.99, 0.999]):
        passing = weights[floor(l1) > threshold].sum() / weights[corrected > threshold].sum()
        assert passing == pytest.approx(SHARE, rel=0.1)


def test_events_count_with_their_weight_also_a_negative_one(rng):
    """Ten times the weight is ten times the event, and an event of the opposite weight removes one."""
    l1, corrected = exponential(30, 20_000), rng.permutation(exponential(20, 20_000))
    ten = fit_floor(*(np.repeat(x, 10) for x in (l1, corrected)), np.full(200_000, 0.1), SHARE)
    once = fit_floor(l1, corrected, np.ones(20_000), SHARE)
    sums = np.array([60.0, 90, 120])
    assert_allclose(once(sums), ten(sums), rtol=0.02)
    more = rng.exponential(60, 1000)
    with_opposite = fit_floor(
        np.concatenate([l1, more, more]),
        np.concatenate([corrected, more, more]),
        np.repeat([1.0, 1, -1], [20_000, 1000, 1000]),
        SHARE,
    )
    assert_allclose(with_opposite(sums), once(sums), rtol=0.02)


def test_events_without_a_corrected_sum_do_not_count(rng):
    l1, corrected = exponential(30, 20_000), rng.permutation(exponential(20, 20_000))
    left_out = rng.random(20_000) < 0.1
    found = fit_floor(l1, np.where(left_out, np.nan, corrected), np.ones(20_000), SHARE)
    expected = fit_floor(l1[~left_out], corrected[~left_out], np.ones((~left_out).sum()), SHARE)
    assert found.record() == expected.record()


def test_events_of_weight_0_do_not_count():
    l1, corrected, weights = exponential(30, 20_000), exponential(20, 20_000), np.ones(20_000)
    more = (np.append(old, new) for old, new in ((l1, 1e4), (corrected, 5.0), (weights, 0.0)))
    with np.errstate(all="raise"):
        assert fit_floor(*more, SHARE).record() == fit_floor(l1, corrected, weights, SHARE).record()
        assert fit_floor(l1, corrected, 0 * weights, SHARE) is None


def test_it_rises_from_0_and_in_proportion_beyond_its_events(rng):
    l1, corrected = exponential(30), rng.permutation(exponential(20))
    found = fit_floor(l1, corrected, np.ones(len(l1)), SHARE)
    assert found(np.zeros(1)) == 0
    assert (np.diff(found(np.linspace(0, 1000, 5000))) > 0).all()
    last = found.corrected[-2] / found.l1[-2]
    assert_allclose(found(np.array([1000.0, 1e5])), [1000 * last, 1e5 * last], rtol=1e-4)


def test_a_correction_is_raised_to_the_floor():
    floor = SumFloor(np.array([0.0, 100, 1e6]), np.array([0.0, 50, 5e5]))
    assert_allclose(floor.raised(np.array([0.2, 0.7, 0.5]), np.array([80.0, 80, 300])), [0.5, 0.7, 0.5])


@pytest.mark.parametrize(("n_events", "share"), [(0, SHARE), (9, SHARE), (1000, 0), (9, 0.9)])
def test_there_is_none_without_a_share_or_with_too_few_events(n_events, share):
    sums = np.linspace(10, 20, n_events)
    assert fit_floor(sums, sums, np.ones(n_events), share) is None


def test_the_events_of_a_file_count_with_their_cross_section(tmp_path, monkeypatch):
    """The result is that of the columns of the file, and nearly that of a random half of them."""
    events = random_l1_events(30_000)
    data = L1Dataset.check(write_l1(tmp_path / "train.h5", events))
    found = training_floor(data, "true_met", lambda part: part.smeared_met / 2, SHARE)
    expected = fit_floor(events.smeared_met, events.smeared_met / 2, events.weights, SHARE)
    assert found.record() == expected.record()
    monkeypatch.setattr(sum_floor, "MOST_EVENTS", 15_000)
    half = training_floor(data, "true_met", lambda part: part.smeared_met / 2, SHARE)
    middle = expected.l1[1:-4]
    assert_allclose(half(middle), expected(middle), rtol=0.1)
    assert training_floor(data, "true_met", lambda part: part.smeared_met, 0) is None
