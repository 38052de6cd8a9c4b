"""Graphs of events against values calculated by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import l1_events, objects_at, random_l1_events
from utils.data_processing import Graphs, HTGraphCreator, METGraphCreator, graph_creator, normalised_adjacency
from utils.variables import full_variable, reconstructed

REFERENCE = Path(__file__).parents[1] / "nn" / "reference" / "keras_dgl_vectors.npz"


class TestVariables:
    def test_short_names_stand_for_the_true_values(self):
        names = ("met", "ht", "true_met", "true_ht", "original_met")
        assert [full_variable(name) for name in names] == ["true_met", "true_ht", *names[2:]]

    def test_the_corrected_quantity_is_that_of_l1(self):
        names = ("met", "ht", "original_met")
        assert [reconstructed(name) for name in names] == ["smeared_met", "smeared_ht", "smeared_met"]

    def test_unknown_variable_is_named(self):
        with pytest.raises(ValueError, match=r"unknown variable 'mht', expected one of true_met, true_ht"):
            full_variable("mht")

    def test_creator_is_chosen_by_the_variable(self):
        assert isinstance(graph_creator("ht"), HTGraphCreator)
        assert isinstance(graph_creator("met"), METGraphCreator)
        assert graph_creator("original_met").variable == "original_met"

    def test_met_creator_refuses_ht(self):
        with pytest.raises(ValueError, match=r"METGraphCreator regresses true_met or original_met, not true_ht"):
            METGraphCreator(variable="ht")

    @pytest.mark.parametrize("feature", ["eta", "pid", "PT", ""])
    def test_unknown_log_feature_is_named(self, feature):
        with pytest.raises(ValueError, match=f"unknown log feature '{feature}', expected some of pt, met, ht"):
            METGraphCreator([feature])

    def test_met_is_no_feature_of_ht_graphs(self):
        with pytest.raises(ValueError, match=r"unknown log feature 'met', expected some of pt, ht"):
            graph_creator("ht", ["met"])


EVENT = objects_at(
    muon1=(30, 1.5, -1), egamma0=(10, -2, 0.5), jet0=(50, 0.25, 3), jet2=(40, -4, -3)
)  # holes in between, as object slots have


class TestFeatures:
    def test_met_graph_has_all_objects_and_the_sums_and_ids(self):
        graphs = METGraphCreator()(l1_events(EVENT, smeared_met=[55], smeared_ht=[90]))
        expected = np.zeros((18, 6), np.float32)
        expected[1] = [30, 1.5, -1, 55, 90, 1]
        expected[4] = [10, -2, 0.5, 55, 90, 2]
        expected[8] = [50, 0.25, 3, 55, 90, 3]
        expected[10] = [40, -4, -3, 55, 90, 3]
        assert METGraphCreator.feature_names == ("pt", "eta", "phi", "met", "ht", "pid")
        assert graphs.features.dtype == np.float32
        assert_array_equal(graphs.features, expected[None])

    def test_ht_graph_has_the_jets_and_ht(self):
        graphs = HTGraphCreator()(l1_events(EVENT, smeared_met=[55], smeared_ht=[90]))
        expected = np.zeros((10, 4), np.float32)
        expected[0] = [50, 0.25, 3, 90]
        expected[2] = [40, -4, -3, 90]
        assert HTGraphCreator.feature_names == ("pt", "eta", "phi", "ht")
        assert_array_equal(graphs.features, expected[None])

    def test_log_features_become_log_of_one_plus_x_and_others_stay(self):
        graphs = METGraphCreator(["pt", "met"])(l1_events(EVENT, smeared_met=[np.e**2 - 1], smeared_ht=[90]))
        assert_allclose(graphs.features[0, 8], [np.log(51), 0.25, 3, 2, 90, 3], rtol=1e-6)
        assert_allclose(graphs.features[0, 1], [np.log(31), 1.5, -1, 2, 90, 1], rtol=1e-6)
        assert not graphs.features[0, [0, 2, 3, 5, 6, 7, 9, *range(11, 18)]].any()

    def test_logarithms_of_float64_are_rounded_once(self):
        events = random_l1_events(100)
        creator = METGraphCreator(["pt"])
        found = creator.features(events, np.float64)[:, :, 0]
        for pt, value in zip(events.smeared_data[:, :, 0].ravel(), found.ravel(), strict=True):
            assert value == np.float32(math.log1p(float(pt)))
        assert_allclose(creator.features(events)[:, :, 0], found, rtol=3e-7)

    def test_log_of_the_ht_of_ht_graphs(self):
        graphs = HTGraphCreator(["ht"])(l1_events(EVENT, smeared_ht=[np.e**3 - 1]))
        assert_allclose(graphs.features[0, 0], [50, 0.25, 3, 3], rtol=1e-6)

    @pytest.mark.parametrize("creator", [METGraphCreator(), HTGraphCreator()])
    def test_events_without_a_jet_are_left_out(self, creator):
        no_jet = objects_at(muon0=(30, 0, 0), egamma0=(20, 0, 0))
        events = l1_events(
            np.concatenate([EVENT, no_jet, EVENT, np.zeros_like(EVENT)]), ids=[3, 4, 5, 6], weights=[0.5, 1, 2, 4]
        )
        graphs = creator(events)
        assert_array_equal(graphs.kept, [True, False, True, False])
        assert_array_equal(graphs.process_ids, [3, 5])
        assert_array_equal(graphs.weights, [0.5, 2])
        assert len(graphs.features) == len(graphs.labels) == 2

    def test_no_events_give_no_graphs(self):
        graphs = METGraphCreator()(l1_events(np.zeros((0, 18, 3))))
        assert graphs.features.shape == (0, 18, 6)
        assert graphs.labels.shape == (0, 2)
        assert graphs.adjacency.shape == (0, 18, 18)


class TestLabels:
    COLUMNS = {  # noqa: RUF012
        "smeared_met": [50],
        "smeared_ht": [160],
        "true_met": [75],
        "true_ht": [120],
        "original_met": [25],
    }

    @pytest.mark.parametrize(
        ("variable", "expected"), [("met", (1.5, 75)), ("ht", (0.75, 120)), ("original_met", (0.5, 25))]
    )
    def test_correction_and_true_value(self, variable, expected):
        labels = graph_creator(variable)(l1_events(EVENT, **self.COLUMNS)).labels
        assert labels.dtype == np.float32
        assert_array_equal(labels, np.float32([expected]))

    @pytest.mark.parametrize("variable", ["met", "ht", "original_met"])
    def test_labels_do_not_depend_on_log_features(self, variable):
        events = l1_events(EVENT, **self.COLUMNS)
        log_features = ["pt", "ht"] if variable == "ht" else ["pt", "met", "ht"]
        assert_array_equal(graph_creator(variable, log_features)(events).labels, graph_creator(variable)(events).labels)

    def test_no_target_if_the_l1_sum_is_zero(self):
        events = l1_events(np.repeat(EVENT, 3, 0), smeared_met=[0, 40, 0], true_met=[30, 20, 0])
        assert_array_equal(METGraphCreator()(events).labels, np.float32([[np.nan, 30], [0.5, 20], [np.nan, 0]]))

    @pytest.mark.parametrize("variable", ["met", "ht", "original_met"])
    def test_the_scale_multiplies_the_target_alone(self, variable):
        events = l1_events(EVENT, **self.COLUMNS)
        one, other = (graph_creator(variable, target_scale=scale)(events) for scale in (1.0, 0.5))
        assert_array_equal(other.labels, one.labels * [0.5, 1])
        assert_array_equal(other.features, one.features)

    @pytest.mark.parametrize("scale", [0, -1, np.inf, np.nan])
    def test_a_scale_that_is_no_positive_number_is_refused(self, scale):
        with pytest.raises(ValueError, match="expected a number above 0"):
            METGraphCreator(target_scale=scale)


class TestAdjacency:
    @pytest.mark.parametrize("case", range(5))
    def test_agrees_with_the_keras_dgl_library(self, case):
        with np.load(REFERENCE) as vectors:
            real, expected = vectors[f"case{case}__real"], vectors[f"case{case}__adjacency"]
        assert_allclose(normalised_adjacency(real), expected, rtol=1e-6)

    @given(st.integers(0, 2**32 - 1))
    def test_times_features_has_the_closed_form_of_a_complete_graph(self, seed):
        rng = np.random.default_rng(seed)
        real = rng.random((4, 18)) < rng.random()
        x = rng.normal(size=(4, 18, 3)) * real[:, :, None]
        n = real.sum(1)[:, None, None]
        expected = np.where(real[:, :, None], (x.sum(1, keepdims=True) + x) / (n + 1), x)
        assert_allclose(normalised_adjacency(real) @ x, expected, rtol=1e-5, atol=1e-6)

    def test_of_graphs_is_complete_over_their_real_nodes(self):
        adjacency = METGraphCreator()(l1_events(EVENT)).adjacency[0]
        real = [1, 4, 8, 10]
        assert_allclose(adjacency[np.ix_(real, real)], (1 + np.eye(4)) / 5, rtol=1e-6)
        assert adjacency.sum() == pytest.approx(4 * 4 / 5 + 4 / 5 + 14, rel=1e-6)

    def test_is_computed_once_at_the_first_access(self):
        graphs = Graphs(np.ones((2, 3, 4), np.float32), *[np.zeros(2)] * 4)
        assert "adjacency" not in vars(graphs)
        assert graphs.adjacency is graphs.adjacency
