from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.toys import random_l1_events
from tests.utils.evaluation.samples import predictions
from utils import predictions as prediction_module
from utils.data_processing import METGraphCreator
from utils.predictions import BASELINE, TRUE, Model, Predictions, corrected_sums, count, predict_events
from utils.runtime.errors import UserError
from utils.training.sum_floor import SumFloor


def first_eta(features):
    return features[:, 8, 1]


def predict(chunks, process_ids, predictor):
    """Predict with one model that takes graphs."""
    return predict_events(chunks, process_ids, "true_met", {"teacher": Model(METGraphCreator().features, predictor)})


def test_predicted_are_events_with_a_jet_and_an_l1_sum():
    found = predictions([5, 5, 5, 5], [9, 0, 9, 0], weight=[1, 2, 4, 8], jets=[1, 2, 0, 0])
    assert found.predicted.tolist() == [True, False, False, False]
    assert asdict(count(found)) == {"events": 4, "without_jet": 2, "without_target": 1, "weight": 15}


def test_corrected_is_the_l1_quantity_times_the_correction():
    scores = predictions([10, 20], [20, 30], [0.5, 2]).scores
    assert {name: values.tolist() for name, values in scores.items()} == {
        BASELINE: [20, 30],
        "teacher": [10, 60],
        TRUE: [10, 20],
    }


def test_estimates_are_the_corrections_over_the_scale_of_the_target():
    scaled = replace(predictions([10, 20], [20, 30], [0.5, 2]), target_scales={"teacher": 0.8})
    assert_allclose(scaled.estimates["teacher"], [0.625, 2.5])
    assert_allclose(scaled.measured["teacher"], [10, 60])
    assert Predictions.concatenate([scaled, scaled])[:3].target_scales == {"teacher": 0.8}


def test_predictions_are_those_of_the_graphs_and_of_no_other_process():
    events = random_l1_events(500)
    events.smeared_met[::7] = 0
    found = predict([events], [2], first_eta)
    expected = events[events.ids == 2]
    correction = np.ones(len(expected))
    predicted = (expected.smeared_data[:, 8, 0] > 0) & (expected.smeared_met > 0)
    correction[predicted] = expected.smeared_data[predicted, 8, 1]
    assert found.corrections["teacher"].tolist() == correction.tolist()
    assert found.predicted.tolist() == predicted.tolist()
    for name, column in (("true", "true_met"), ("reco", "smeared_met"), ("weight", "weights"), ("process_id", "ids")):
        assert getattr(found, name).tolist() == getattr(expected, column).tolist()


@pytest.mark.parametrize("size", [1, 77, 300])
def test_predictions_depend_neither_on_true_objects_nor_on_chunks(monkeypatch, size):
    """Not even those of a network whose output depends on the batch."""
    monkeypatch.setattr(prediction_module, "EVENTS_PER_BLOCK", 50)

    def predictor(features):
        n_graphs.append(len(features))
        return first_eta(features) + features.mean()

    events = replace(random_l1_events(300), true_data=None)
    n_graphs: list[int] = []
    at_once = predict([events], [1, 2], predictor)
    assert set(n_graphs[:-1]) == {50}
    assert sum(n_graphs) == at_once.predicted.sum()
    chunks = [events[start : start + size] for start in range(0, 300, size)]
    in_chunks = predict(chunks, [1, 2], predictor)
    assert repr(at_once) == repr(in_chunks)
    assert np.array_equal(at_once.corrections["teacher"], in_chunks.corrections["teacher"])


def test_the_angle_is_that_of_the_vectors_of_the_objects():
    """Kept with 3 digits, and only where the file has the direction of the variable."""
    events = replace(random_l1_events(300), true_data=random_l1_events(300, seed=7).true_data)
    l1, true = (
        np.sum(objects[..., 0] * np.exp(1j * objects[..., 2]), axis=1)
        for objects in (events.smeared_data, events.true_data)
    )
    angle = predict([events], [1, 2], first_eta).angle
    assert angle.dtype == np.float16
    known = (l1 != 0) & (true != 0)
    assert known.tolist() == np.isfinite(angle).tolist() and 200 < known.sum() < 300
    directions = (l1 * true.conj())[known]
    assert np.exp(1j * angle[known].astype(np.float64)) == pytest.approx(directions / np.abs(directions), abs=2e-3)
    assert predict([replace(events, true_data=None)], [1, 2], first_eta).angle is None
    for variable in ("true_ht", "original_met"):
        assert predict_events([events], [1, 2], variable, {}).angle is None
    parts = [predictions([1, 2], 1), predictions([3], 1)]
    assert Predictions.concatenate(parts).angle is None
    with_angles = [replace(part, angle=part.true.astype(np.float16)) for part in parts]
    assert Predictions.concatenate(with_angles).angle.tolist() == [1, 2, 3]


def test_corrected_sums_of_a_teacher_are_not_below_its_floor():
    events, half = random_l1_events(500), SumFloor(np.array([0.0, 1e6]), np.array([0.0, 5e5]))
    model = Model(METGraphCreator().features, lambda features: 0.1 + np.abs(first_eta(features)), floor=half)
    found = predict_events([events], [1, 2], "true_met", {"teacher": model})
    assert found.predicted.any()
    factors = np.where(found.predicted, np.maximum(0.1 + np.abs(events.smeared_data[:, 8, 1]), 0.5), 1)
    assert_allclose(found.corrections["teacher"], factors, rtol=1e-6)
    assert_allclose(corrected_sums("true_met", model)(events), factors * events.smeared_met, rtol=1e-6)


def test_the_angle_is_that_to_the_direction_of_the_true_met_where_true_objects_do_not_give_it():
    events = random_l1_events(300)
    phi = np.random.default_rng(3).uniform(-np.pi, np.pi, 300).astype(np.float32)
    phi[::3] = np.nan
    of_objects = predict([events], [1, 2], first_eta).angle
    angle = predict([replace(events, true_met_phi=phi)], [1, 2], first_eta).angle
    np.testing.assert_array_equal(angle[::3], of_objects[::3])
    l1 = -np.sum(events.smeared_data[..., 0] * np.exp(1j * events.smeared_data[..., 2]), axis=1)
    known = (l1 != 0) & ~np.isnan(phi)
    expected = np.exp(1j * (np.angle(l1) - phi)[known])
    assert np.exp(1j * angle[known].astype(np.float64)) == pytest.approx(expected, abs=2e-3)


def test_events_that_need_no_prediction_do_not_reach_the_network():
    events = random_l1_events(20)
    events.smeared_met[:] = 0
    found = predict([events], [1, 2], lambda features: pytest.fail("was called"))
    assert found.corrections["teacher"].tolist() == [1] * 20


def test_predictions_that_are_no_numbers_are_counted():
    events = random_l1_events(50)
    with pytest.raises(UserError, match=r"no finite number for \d+ events"):
        predict([events], [1, 2], lambda features: first_eta(features) + np.inf)
