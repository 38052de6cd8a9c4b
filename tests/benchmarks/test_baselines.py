"""Features of the baselines and the average of their figures, against events computed by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.baselines import Training, build_deep_sets, calibration, event_features, event_sum, table_rows
from nn.teacher import TeacherHyperModel, TeacherHyperparameters
from utils.data_processing import HTGraphCreator, METGraphCreator
from utils.evaluation.bootstrap import Estimate
from utils.training.options import LossOptions
from utils.training.ragged_graphs import RaggedGraphs


def graph(*objects, met, ht):
    """Return plain features of one event, shape (1, n + 1, 6), of objects (pT, eta, phi, pid), and an empty node."""
    features = [[pt, eta, phi, met, ht, pid] for pt, eta, phi, pid in objects]
    return np.array([[*features, [0] * 6]], np.float32)


def test_features_of_a_muon_and_two_jets():
    """The jets cancel along x but for 30 GeV, the muon adds 40 GeV along y: MET is (30, 40)."""
    features = graph((40, 1.0, np.pi / 2, 1), (100, -2.0, 0, 3), (70, 0.5, np.pi, 3), met=50, ht=170)
    (found,) = event_features(features, METGraphCreator())
    to_x = np.arctan2(40, 30)
    expected = [50, 170]
    expected += [1, 40, 40, 40 * 0.8, 40, 1.0, np.pi / 2 - to_x]  # muons
    expected += [0, 0, 0, 0, np.nan, np.nan, np.nan]  # e/g
    expected += [2, 170, 30, 100 * 0.6 - 70 * 0.6]  # jets
    expected += [100, 70, np.nan, np.nan, 2.0, 0.5, np.nan, np.nan, to_x, np.pi - to_x, np.nan, np.nan, np.pi]
    assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_features_of_jets_alone():
    features = np.array([[[100, -2.0, 0, 170], [70, 0.5, np.pi, 170]]], np.float32)
    (found,) = event_features(features, HTGraphCreator())
    assert_allclose(found, [30, 170, 2, 170, 30, 30, 100, 70, 2.0, 0.5, 0, np.pi, np.pi], rtol=1e-5, atol=1e-4)


def test_features_depend_neither_on_order_nor_on_rotation():
    objects = (40, 1.0, 0.5, 1), (100, -2.0, 2.0, 3), (70, 0.5, -1.0, 3), (30, 0.1, 1.0, 2)
    rotated = [(pt, -eta, phi + 1.3, pid) for pt, eta, phi, pid in objects[::-1]]
    features = [event_features(graph(*of, met=50, ht=170), METGraphCreator()) for of in (objects, rotated)]
    # Float32 momenta of 240 GeV in all are rotated, which is off by 3e-5 GeV.
    assert_allclose(*features, rtol=1e-5, atol=1e-4)


def test_calibration_finds_the_factor_of_each_met(monkeypatch):
    """True MET is half of L1's below 50 GeV and the same above."""
    rng = np.random.default_rng(1)
    reco = rng.uniform(20, 80, 20000).astype(np.float32)
    features = np.zeros((20000, 1, 6), np.float32)
    features[:, 0, 0] = features[:, 0, 3] = reco
    factor = np.where(reco < 50, 0.5, 1)
    graphs = RaggedGraphs.from_padded(features, np.stack([factor, factor * reco], 1).astype(np.float32))
    monkeypatch.setattr(Training, "all_graphs", lambda _: graphs)
    baseline = calibration(Training(None, 1, LossOptions(), METGraphCreator()))
    assert_allclose(event_sum(features, baseline.creator), reco)
    found = baseline.predict(features)
    far = np.abs(reco - 50) > 3
    assert_allclose(found[far], factor[far], rtol=1e-5)


def test_deep_sets_has_the_size_of_the_teacher():
    names = METGraphCreator.feature_names
    hypermodel = TeacherHyperModel(names, [0.0] * 5, [1.0] * 5, "mse")
    teacher = hypermodel.build_fixed(TeacherHyperparameters())
    assert build_deep_sets(hypermodel).count_params() == pytest.approx(teacher.count_params(), rel=0.1)


def test_average_over_seeds():
    def figures(value, error):
        return {"W": {"area": Estimate(value, error)}}

    seeds = [{"trees": figures(1.0, 3.0), "teacher": figures(4.0, 1.0)}]
    seeds += [{"trees": figures(3.0, 4.0), "teacher": figures(8.0, 1.0)}]
    trees, _ = table_rows(seeds)
    assert trees == {
        "process": "W",
        "figure": "area",
        "baseline": "trees",
        "mean": 2.0,
        "error": pytest.approx(np.sqrt(12.5)),
        "spread": pytest.approx(np.sqrt(2)),
        "teacher's more": 4.0,  # 3 and 5
        "its error": pytest.approx(1),
    }


def test_without_the_teacher_nothing_is_compared_with_it():
    (row,) = table_rows([{"trees": {"W": {"area": Estimate(1.0, 3.0)}}}])
    assert np.isnan([row["spread"], row["teacher's more"], row["its error"]]).all()
