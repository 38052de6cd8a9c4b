"""Where quantities stand, energy sums and graphs, against values worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import l1_events, random_l1_events, random_particles
from utils.data_processing import Graphs, HTGraphCreator, METGraphCreator, graph_creator, normalised_adjacency
from utils.event_layout import event_objects
from utils.l1_events import L1Events, ht, jet_count, met
from utils.variables import full_variable, reconstructed

REFERENCE = Path(__file__).parents[1] / "nn" / "reference" / "keras_dgl_vectors.npz"


def objects_at(**slots):
    """Return one event with objects (pT, eta, phi) in slots such as ``jet0``, ``muon2``, ``egamma1``."""
    first = {"muon": 0, "egamma": 4, "jet": 8}
    objects = np.zeros((1, 18, 3), np.float32)
    for name, values in slots.items():
        objects[0, first[name[:-1]] + int(name[-1])] = values
    return objects


class TestEventObjects:
    def test_slots_of_events_files_go_to_the_slots_of_l1_files(self):
        particles = np.zeros((1, 19, 4), np.float32)
        particles[0, :, 0] = 100 + np.arange(19)
        particles[0, :, 1] = 0.01 * np.arange(19)
        particles[0, :, 2] = -0.01 * np.arange(19)
        muons, egammas, jets = [5, 6, 7, 8], [1, 2, 3, 4], [9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
        came_from = np.array(muons + egammas + jets)
        expected = np.stack([100 + came_from, 0.01 * came_from, -0.01 * came_from], axis=1)
        objects = event_objects(particles)
        assert objects.shape == (1, 18, 3)
        assert objects.dtype == np.float32
        assert_allclose(objects[0], expected, rtol=1e-6)

    def test_what_empty_slots_hold_is_set_to_zero(self):
        particles = np.zeros((2, 19, 4))
        particles[:, :, 1:] = [1.5, -2.0, 4.0]
        particles[1, 9, 0] = 30
        objects = event_objects(particles)
        assert not objects[0].any()
        assert_array_equal(objects[1, 8], np.float32([30, 1.5, -2.0]))
        assert np.count_nonzero(objects) == 3

    def test_files_in_double_precision_become_single(self):
        particles = random_particles(20)
        from_double = event_objects(particles.astype(np.float64))
        assert from_double.dtype == np.float32
        assert_array_equal(from_double, event_objects(particles))


class TestEnergySums:
    @pytest.mark.parametrize(
        ("objects", "expected"),
        [
            (objects_at(), 0),
            (objects_at(jet0=(50, 1, 2)), 50),
            (objects_at(jet0=(50, 1, 0.5), jet1=(50, -3, 0.5 + np.pi)), 0),
            (objects_at(jet0=(50, 0, 0.5), jet1=(30, 0, 0.5 - np.pi)), 20),
            (objects_at(muon0=(30, 0, 1.0), egamma3=(40, 2, 1.0 + np.pi / 2)), 50),
            (objects_at(muon0=(10, 0, 0), egamma0=(10, 0, 2 * np.pi / 3), jet9=(10, 0, -2 * np.pi / 3)), 0),
        ],
        ids=["empty", "one", "back to back", "unequal back to back", "right angle", "star"],
    )
    def test_met_of_known_events(self, objects, expected):
        assert_allclose(met(objects), [expected], atol=1e-4)
        assert met(objects).dtype == np.float32

    def test_ht_is_the_sum_of_the_jets_only(self):
        objects = objects_at(muon0=(100, 0, 0), egamma2=(200, 0, 0), jet0=(50, 1, 2), jet9=(7, 0, -3))
        assert_array_equal(ht(objects), np.float32([57]))

    def test_jets_are_counted_wherever_they_stand(self):
        objects = np.concatenate(
            [objects_at(muon0=(9, 0, 0), egamma0=(9, 0, 0)), objects_at(jet1=(9, 0, 0), jet9=(1, 0, 0))]
        )
        assert_array_equal(jet_count(objects), [0, 2])

    @given(st.integers(0, 2**32 - 1), st.floats(-10, 10))
    def test_rotation_keeps_met_and_ht(self, seed, angle):
        rng = np.random.default_rng(seed)
        objects = rng.uniform(0, 100, (3, 18, 3)).astype(np.float32)
        rotated = objects.copy()
        rotated[:, :, 2] += np.float32(angle)
        assert_allclose(met(rotated), met(objects), rtol=1e-4, atol=2e-2)
        assert_array_equal(ht(rotated), ht(objects))

    @given(st.integers(0, 2**32 - 1))
    def test_order_of_the_objects_does_not_matter(self, seed):
        rng = np.random.default_rng(seed)
        objects = rng.uniform(0, 100, (3, 18, 3)).astype(np.float32)
        assert_allclose(met(objects[:, rng.permutation(18)]), met(objects), rtol=1e-6)
        assert_allclose(ht(objects[:, np.append(np.arange(8), 8 + rng.permutation(10))]), ht(objects), rtol=1e-6)

    @given(st.integers(0, 2**32 - 1))
    def test_met_is_at_most_the_scalar_sum(self, seed):
        objects = np.random.default_rng(seed).uniform(0, 100, (3, 18, 3)).astype(np.float32)
        assert (met(objects) <= objects[:, :, 0].sum(1) * (1 + 1e-6)).all()


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

    def test_log_features_become_log_of_one_more_and_others_stay(self):
        graphs = METGraphCreator(["pt", "met"])(l1_events(EVENT, smeared_met=[np.e**2 - 1], smeared_ht=[90]))
        assert_allclose(graphs.features[0, 8], [np.log(51), 0.25, 3, 2, 90, 3], rtol=1e-6)
        assert_allclose(graphs.features[0, 1], [np.log(31), 1.5, -1, 2, 90, 1], rtol=1e-6)
        assert not graphs.features[0, [0, 2, 3, 5, 6, 7, 9, *range(11, 18)]].any()

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

    def test_no_events_are_no_graphs(self):
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

    def test_no_target_where_l1_measured_nothing(self):
        events = l1_events(np.repeat(EVENT, 3, 0), smeared_met=[0, 40, 0], true_met=[30, 20, 0])
        assert_array_equal(METGraphCreator()(events).labels, np.float32([[np.nan, 30], [0.5, 20], [np.nan, 0]]))


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

    def test_is_computed_once_and_only_when_asked_for(self):
        graphs = Graphs(np.ones((2, 3, 4), np.float32), *[np.zeros(2)] * 4)
        assert "adjacency" not in vars(graphs)
        assert graphs.adjacency is graphs.adjacency


def test_events_are_taken_and_joined_again():
    events = random_l1_events(50)
    joined = L1Events.concatenate([events[:20], events[np.arange(20, 35)], events[np.arange(50) >= 35]])
    assert len(joined) == 50
    for name, column in vars(events).items():
        assert_array_equal(getattr(joined, name), column)
