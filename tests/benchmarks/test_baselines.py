"""Features of the baselines and the average of their figures, against events computed by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.baselines import table_rows
from benchmarks.methods.calibrations import JetFactors, calibration, matched_jets
from benchmarks.methods.networks import deep_sets, jedi_linear, object_weights, teacher
from benchmarks.methods.training import Training, event_sum
from benchmarks.methods.trees import event_features, quantile_levels
from nn.teacher import TeacherHyperModel, copy_weights
from tests.toys import l1_events
from utils.data_processing import HTGraphCreator, METGraphCreator
from utils.evaluation.bootstrap import Estimate
from utils.training.options import LossOptions
from utils.training.packing import pack
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


def test_levels_keep_the_order_and_what_is_missing():
    rng = np.random.default_rng(1)
    features = np.stack([rng.exponential(1, 10000), rng.integers(0, 3, 10000), np.full(10000, np.nan)], 1)
    features[::7, 0] = np.nan
    found = quantile_levels(features)(features)
    assert found.shape == (10000, 2)  # nothing is known of the third feature
    (missing, level) = np.isnan(features[:, 0]), found[:, 0]
    assert (np.isnan(level) == missing).all()
    assert (np.diff(level[~missing][np.argsort(features[~missing, 0])]) >= 0).all()
    numbers = np.unique(level[~missing], return_counts=True)[1]
    assert (len(numbers), len(np.unique(found[:, 1]))) == (255, 3)
    assert numbers == pytest.approx(8571 / 255, abs=2)


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


def test_jets_are_matched_with_the_nearest_true_jet():
    """The second jet of L1 is the first true one, across the end of phi; the third has none."""
    l1, true = np.zeros((2, 1, 18, 3))
    l1[0, 8:11] = [(60, 1.0, 0.5), (50, -2.0, 3.1), (30, 0.0, -1.0)]
    true[0, 8:10] = [(55, -2.0, -3.1), (48, 1.1, 0.5)]
    pt, eta, response, weights = matched_jets(l1_events(l1, true, weights=[3]))
    assert_allclose(pt, [60, 50])
    assert_allclose(eta, [1.0, -2.0])
    assert_allclose(response, [48 / 60, 55 / 50], rtol=1e-6)
    assert_allclose(weights, 3)


def test_factors_give_jets_of_each_bin_the_median_response_1():
    rng = np.random.default_rng(1)
    pt, eta, weights = rng.exponential(40, 50000) + 20, rng.uniform(-4, 4, 50000), rng.uniform(0.5, 2, 50000)
    response = (0.8 + 0.1 * (np.abs(eta) > 2.5)) * (1 - 5 / pt) * rng.lognormal(0, 0.2, 50000)
    after = response / JetFactors.median_response(pt, eta, response, weights)(pt, eta)
    for chosen in (np.abs(eta) < 0.5, (np.abs(eta) > 3) & (pt > 60), (np.abs(eta) > 2.5) & (np.abs(eta) < 3)):
        below = weights[chosen & (after < 1)].sum() / weights[chosen].sum()
        assert below == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(chosen.sum()))


def test_calibrated_jets_change_the_vector_sum():
    """A jet of 100 GeV at 80% against a muon of 60 GeV leaves 20 of 40 GeV; HT is 80 of 100 GeV."""
    factors = JetFactors(np.full((7, 7), 0.8))
    features = graph((60, 1.0, np.pi, 1), (100, 0.2, 0, 3), met=40, ht=100)
    assert_allclose(factors.correction(features, METGraphCreator()), 0.5, rtol=1e-6)
    assert_allclose(factors.correction(features[:, 1:, [0, 1, 2, 4]], HTGraphCreator()), 0.8, rtol=1e-6)


MET_MODEL = TeacherHyperModel(METGraphCreator.feature_names, [0.0] * 5, [1.0] * 5, "mse")


@pytest.mark.parametrize("build", [deep_sets, jedi_linear, object_weights])
def test_a_network_has_the_size_of_the_teacher(build):
    assert build(MET_MODEL).count_params() == pytest.approx(teacher(MET_MODEL).count_params(), rel=0.1)


def random_graphs(n, creator):
    """Return plain features of random events with one to six objects, and the lengths of their vector sums."""
    rng = np.random.default_rng(2)
    real = np.arange(6) < rng.integers(1, 7, n)[:, None]
    pt, phi = np.where(real, rng.uniform(20, 100, real.shape), 0), rng.uniform(-3, 3, real.shape)
    met, ht = np.abs((pt * np.exp(1j * phi)).sum(1)), pt.sum(1)
    columns = {"pt": pt, "eta": rng.uniform(-3, 3, real.shape), "phi": phi, "pid": rng.integers(1, 4, real.shape)}
    columns |= {"met": np.repeat(met[:, None], 6, 1), "ht": np.repeat(ht[:, None], 6, 1)}
    return np.stack([np.where(real, columns[name], 0) for name in creator.feature_names], 2).astype(np.float32)


def set_weights_to(model, value):
    kernel, _ = model.get_layer("weight").get_weights()
    model.get_layer("weight").set_weights([0 * kernel, np.array([value])])


@pytest.mark.parametrize("creator", [METGraphCreator(), HTGraphCreator()], ids=["MET", "HT"])
def test_objects_of_equal_weights_give_the_l1_sum(creator):
    n_continuous = len(creator.feature_names) - ("pid" in creator.feature_names)
    model = object_weights(TeacherHyperModel(creator.feature_names, [0.0] * n_continuous, [1.0] * n_continuous, "mse"))
    features = random_graphs(50, creator)
    for value in (1.0, 0.5):
        set_weights_to(model, value)
        assert_allclose(model(features), np.full((50, 1), value), rtol=1e-4)


@pytest.mark.parametrize("build", [jedi_linear, object_weights])
def test_events_that_share_rows_have_the_same_corrections(build):
    features = random_graphs(50, METGraphCreator())
    padded, packed = build(MET_MODEL), build(MET_MODEL, packed=True)
    copy_weights(padded, packed)
    graphs = pack(RaggedGraphs.from_padded(features))
    assert_allclose(packed(graphs.inputs), padded(features), rtol=2e-3, atol=1e-4)


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
