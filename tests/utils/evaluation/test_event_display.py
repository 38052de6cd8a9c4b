import numpy as np
import pytest

from tests.toys import random_l1_events, write_l1
from utils.data_processing import graph_creator
from utils.evaluation.event_display import HIGHEST, KEPT, LOWERED_MOST, choose_events, event_displays, met_direction
from utils.formats.l1_files import L1Dataset
from utils.predictions import BASELINE, TRUE, Predictions


def predictions_of(true, reco, correction, jets=None):
    n = len(true)
    true, reco, correction, weight = (np.asarray(column, np.float32) for column in (true, reco, correction, np.ones(n)))
    jets = np.asarray([3] * n if jets is None else jets, np.int8)
    return Predictions(true, reco, {"teacher": correction}, weight, np.ones(n, np.int32), jets)


def test_the_event_lowered_most_and_the_highest_that_is_kept_are_chosen():
    predictions = predictions_of(
        true=[10, 90, 80, 300, 20, 500],
        reco=[100, 100, 100, 100, 100, 100],
        correction=[0.5, 0.8, 0.9, 0.6, 0.1, 0.2],
    )
    assert choose_events(predictions, "teacher", 70) == {LOWERED_MOST: 4, KEPT: 1}
    assert choose_events(predictions, "teacher", 200) == {LOWERED_MOST: 4, HIGHEST: 2}


def test_an_event_is_chosen_once_and_the_first_of_equal_ones():
    assert choose_events(predictions_of([90], [100], [0.8]), "teacher", 70) == {LOWERED_MOST: 0}
    assert choose_events(predictions_of([90] * 3, [100] * 3, [0.8] * 3), "teacher", 70) == {LOWERED_MOST: 0, KEPT: 1}


def test_events_of_few_jets_or_without_prediction_are_not_chosen():
    assert choose_events(predictions_of([90, 90], [100, 0], [0.1, 0.1], jets=[2, 5]), "teacher", 0) == {}
    assert choose_events(predictions_of([], [], []), "teacher", 0) == {}


def test_met_is_opposite_to_the_sum_of_the_objects():
    objects = np.zeros((18, 3), np.float32)
    assert np.isfinite(met_direction(objects))
    objects[3] = 20, 4, 1.0
    assert met_direction(objects) == pytest.approx(1 - np.pi)
    objects[10:12] = (30, -1, 0.0), (10, 2, np.pi)
    objects[3, 0] = 0
    assert abs(met_direction(objects)) == pytest.approx(np.pi)


def equal_attention(features):
    real = (features[:, :, 0] > 0).astype(np.float32)
    return [(real[:, :, None] * real[:, None, :])[:, None] * (i + 1) for i in range(2)]


@pytest.mark.parametrize(
    ("variable", "directions"),
    [("true_met", {BASELINE, TRUE}), ("original_met", {BASELINE}), ("true_ht", set())],
)
def test_displays_hold_the_events_of_the_file(tmp_path, variable, directions):
    events = random_l1_events(300)
    data = L1Dataset.check(write_l1(tmp_path / "test.h5", events))
    creator = graph_creator(variable)
    rows = np.flatnonzero(events.ids == 2)
    reco = getattr(events, "smeared_ht" if variable == "true_ht" else "smeared_met")[rows]
    predictions = predictions_of(getattr(events, variable)[rows], reco, np.full(len(rows), 0.5))
    full = np.flatnonzero((events.smeared_data[rows, creator.slots, 0] > 0).sum(axis=1) >= 3)
    chosen = {KEPT: int(full[7]), LOWERED_MOST: int(full[2])}
    displays = list(event_displays(data, 2, chosen, predictions, creator, equal_attention))
    assert [display.chosen_as for display in displays] == [KEPT, LOWERED_MOST]
    for display, index in zip(displays, chosen.values(), strict=True):
        row = rows[index]
        objects = events.smeared_data[row, creator.slots]
        assert display.process == "W"
        assert display.variable == variable
        assert display.objects.tolist() == objects[objects[:, 0] > 0].tolist()
        assert len(display.pids) == len(display.objects)
        assert [layer.tolist() for layer in display.attention] == [
            np.full((1, *[len(display.objects)] * 2), value).tolist() for value in (1, 2)
        ]
        assert display.sums == pytest.approx(
            {BASELINE: reco[index], "teacher": reco[index] / 2, TRUE: getattr(events, variable)[row]}
        )
        assert set(display.directions) == directions
