"""Calibration of corrected sums, against known laws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.toys import random_l1_events, write_l1
from utils.data_processing import graph_creator
from utils.formats.l1_files import L1Dataset
from utils.training import calibration, training_graphs
from utils.training.calibration import Calibration, fit_calibration, l1_sums, training_calibration
from utils.training.options import EventSplit
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import read_training_graphs

TABLE = Calibration(np.array([0.0, 10, 20, 1e6]), np.array([0.0, 10, 40, 3e6]))


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_it_recovers_a_power_law(rng):
    """The median of 3 t^0.6 times a number of median 1 is inverted by (s / 3)^(1 / 0.6)."""
    true = 10 * (1 + rng.pareto(2, 300_000))
    corrected = 3 * true**0.6 * rng.lognormal(0, 0.15, len(true))
    found = fit_calibration(corrected, true, np.ones(len(true)))
    for value in (15.0, 20, 40, 80, 150):
        assert found(np.array([3 * value**0.6])) == pytest.approx(value, rel=0.03)


def test_the_median_response_of_other_events_becomes_1(rng):
    def events(n):
        true = rng.exponential(30, n) + 10
        return 8 + 0.5 * true + rng.normal(0, 4, n), true

    found = fit_calibration(*events(80_000), np.ones(80_000))
    corrected, true = events(80_000)
    response = found(corrected) / true
    for low in (20, 40, 60, 80, 100):
        inside = (true >= low) & (true < low + 10)
        assert np.median(response[inside]) == pytest.approx(1, abs=0.03)


def test_it_continues_a_straight_line_and_goes_through_the_origin(rng):
    true = rng.uniform(10, 100, 20_000)
    found = fit_calibration(5 + 0.4 * true, true, np.ones(len(true)))
    assert found(np.array([5 + 0.4 * 400, 5 + 0.4 * 2000])) == pytest.approx([400, 2000], rel=0.02)
    first = found.corrected[1], found.calibrated[1]
    assert found(np.array([0, first[0] / 2])) == pytest.approx([0, first[1] / 2])


def test_events_count_with_their_weight(rng):
    """Two kinds of events with medians of t / 2 and 2 t: the weight decides which of them the median is of."""
    true = rng.uniform(10, 100, 20_000)
    halved = rng.random(len(true)) < 0.5
    corrected = np.where(halved, true / 2, 2 * true) * rng.lognormal(0, 0.05, len(true))
    found = fit_calibration(corrected, true, np.where(halved, 20.0, 1))
    assert found(np.array([25.0])) == pytest.approx(50, rel=0.06)
    found = fit_calibration(corrected, true, np.where(halved, 1.0, 20))
    assert found(np.array([100.0])) == pytest.approx(50, rel=0.06)


def test_events_of_negative_weight_take_away_others(rng):
    true = rng.uniform(10, 100, 20_000)
    corrected = true / 2 * rng.lognormal(0, 0.1, len(true))
    wrong = 3 * true[:5000]
    columns = [np.concatenate(parts) for parts in ((corrected, wrong, wrong), (true, true[:5000], true[:5000]))]
    weights = np.repeat([1.0, 1, -1], [20_000, 5000, 5000])
    values = np.array([10.0, 20, 40])
    assert fit_calibration(*columns, weights)(values) == pytest.approx(2 * values, rel=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_keeps_order_type_and_blocks(rng, dtype, monkeypatch):
    sums = rng.exponential(30, 5000).astype(dtype)
    whole = TABLE(sums)
    assert whole.dtype == dtype
    order = np.argsort(sums)
    assert (np.diff(whole[order]) >= 0).all()
    monkeypatch.setattr("utils.training.rising_tables.BLOCK", 70)
    assert (TABLE(sums) == whole).all()
    assert TABLE.inverse(TABLE(np.array([5.0, 12, 500]))) == pytest.approx([5, 12, 500])


def test_a_threshold_in_steps_separates_the_same_sums_as_the_calibrated_one():
    steps, thresholds = np.arange(200), np.array([5.0, 10, 12.5, 40, 77])
    calibrated = TABLE(0.5 * steps)
    for threshold, below in zip(thresholds, TABLE.steps_below(thresholds, 0.5), strict=True):
        assert ((steps > below) == (calibrated > threshold)).all()


def test_medians_that_fall_are_joined_to_rising_ones(rng):
    true = rng.uniform(10, 100, 20_000)
    corrected = np.where(true < 50, true, 100 - true) + rng.normal(0, 1, len(true))
    found = fit_calibration(corrected, true, np.ones(len(true)))
    assert (np.diff(found.corrected) > 0).all() and (np.diff(found.calibrated) > 0).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_events", [0, 1, 50])
def test_few_events_give_no_calibration(rng, n_events):
    true = rng.uniform(10, 100, n_events)
    assert fit_calibration(true, true, np.ones(n_events)) is None
    assert fit_calibration(np.full(1000, np.nan), np.full(1000, 20.0), np.ones(1000)) is None
    assert fit_calibration(np.full(1000, 5.0), np.full(1000, 5.0), np.ones(1000)) is None


def test_its_record_is_read_again():
    found = Calibration.from_record({"calibration": TABLE.record()})
    assert found.record() == TABLE.record()
    assert Calibration.from_record({}) is None
    assert Calibration.from_record({"calibration": None}) is None


@pytest.mark.parametrize(
    "record",
    [
        3,
        [],
        {},
        {"corrected": [0, 1]},
        {"corrected": [0, 1], "calibrated": [0, 1, 2]},
        {"corrected": [0, 1], "calibrated": [1, 1]},
        {"corrected": [0, 1], "calibrated": [0, float("nan")]},
        {"corrected": [0, "x"], "calibrated": [0, 1]},
        {"corrected": [[0], [1]], "calibrated": [[0], [1]]},
        {"corrected": [0], "calibrated": [0]},
        {"corrected": [0, 10**400], "calibrated": [0, 1]},
    ],
)
def test_a_record_of_no_rising_table_is_refused(record):
    with pytest.raises(ValueError, match="'calibration': expected lists of rising numbers"):
        Calibration.from_record({"calibration": record})


def test_a_network_is_calibrated_on_its_training_events(tmp_path, rng):
    """A network that halves the true sum of all events with a jet is doubled."""
    events = random_l1_events(6000)
    data = L1Dataset.check(write_l1(tmp_path / "train.h5", events))
    graphs = read_training_graphs(data, graph_creator("true_met"), EventSplit())
    part = graphs.chunk(0, False)
    kept = (events.smeared_data[:, 8, 0] > 0) & (events.true_met > 0)
    assert set(np.round(l1_sums(part, 1.0), 3)) < set(np.round(events.smeared_met[kept], 3))
    found = training_calibration(graphs, lambda part: part.labels[:, 1] / 2)
    assert found(np.array([10.0, 20, 40])) == pytest.approx([20, 40, 80], rel=0.02)


def test_l1_sums_do_not_depend_on_the_scale_of_the_target():
    events = random_l1_events(300)
    graphs = [
        RaggedGraphs.from_events(creator, events, creator.labels(events), events.weights, events.ids)
        for creator in (graph_creator("met"), graph_creator("met", target_scale=0.7))
    ]
    sums = [l1_sums(part, scale) for part, scale in zip(graphs, (1.0, 0.7), strict=True)]
    assert_allclose(sums[1], sums[0], rtol=1e-6)
    known = events.true_met > 0
    assert_allclose(sums[0][known], events.smeared_met[known], rtol=1e-6)


def test_of_many_events_a_part_calibrates(tmp_path, monkeypatch):
    """About half of 4,000 events, of all chunks, with the calibration of all of them."""
    path = write_l1(tmp_path / "x.h5", random_l1_events(4000))
    monkeypatch.setattr(training_graphs, "ROWS_A_CHUNK", 500)
    graphs = read_training_graphs(L1Dataset.check(path), graph_creator("met"), EventSplit(test_split=0.3))
    monkeypatch.setattr(calibration, "MOST_EVENTS", (graphs.n_training + graphs.n_validation) // 2)
    taken = []

    def half_of_the_true_sum(part):
        taken.append(len(part))
        return part.labels[:, 1] / 2

    found = training_calibration(graphs, half_of_the_true_sum)
    width = np.sqrt(calibration.MOST_EVENTS / 2)
    assert abs(sum(taken) - calibration.MOST_EVENTS) < 5 * width
    assert len(taken) == 2 * graphs.n_chunks == 16
    assert found(np.array([10.0, 20, 40])) == pytest.approx([20, 40, 80], rel=0.02)
