"""The teacher: hyperparameters, search space, invariances, training, saving."""

import dataclasses
import itertools
import json

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from nn.layers import GraphAttention
from nn.losses import get_loss
from nn.teacher import (
    L2,
    TeacherHyperModel,
    TeacherHyperparameters,
    build_teacher,
    load_teacher,
    sample_hyperparameters,
)
from utils.data_processing import METGraphCreator
from utils.training.normalisation import Moments
from utils.training.packing import pack
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.search_space import DEFAULT_SEARCH_SPACE

MET_FEATURES = ("pt", "eta", "phi", "met", "ht", "pid")
HT_FEATURES = ("pt", "eta", "phi", "ht")
SMALL = TeacherHyperparameters(units=4, heads=2)
FACTOR = dataclasses.replace(SMALL, target="factor")
PLAIN = dataclasses.replace(FACTOR, relative=False, residual=False, readout=())
# Of two computations of a small teacher: some 80 operations in float32 one after the other, each off by up to 1.2e-7.
ROUNDING = 1e-5
SMALLEST = float(np.finfo(np.float32).tiny)  # what is below may be rounded to 0


def statistics(names):
    """Return a mean and a variance of each feature but the particle id."""
    n_continuous = len(names) - ("pid" in names)
    return [0.5] * n_continuous, [2.0] * n_continuous


def events(names, n_events=8, n_objects=6, seed=0):
    """Return events with holes among their objects, the first one empty, and their labels."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_events, n_objects, len(names))).astype(np.float32)
    features[..., 0] = rng.exponential(2, (n_events, n_objects)) + 0.1
    if "pid" in names:
        features[..., -1] = rng.integers(1, 4, (n_events, n_objects))
    for name in {"met", "ht"} & set(names):  # sums of the whole event
        features[..., names.index(name)] = rng.exponential(1, (n_events, 1))
    empty = rng.random((n_events, n_objects)) < 0.4
    empty[0] = True
    features[empty] = 0
    labels = np.stack([1 + 0.1 * features[..., 1].sum(axis=1), rng.exponential(80, n_events)], axis=1)
    return features, labels.astype(np.float32)


def packed(features):
    return pack(RaggedGraphs.from_padded(features)).inputs


def teacher(names, hyperparameters=SMALL):
    return build_teacher(hyperparameters, names, *statistics(names))


@pytest.mark.parametrize("names", [MET_FEATURES, HT_FEATURES], ids=["met", "ht"])
class TestTeacher:
    def test_depends_neither_on_order_nor_on_padding(self, names):
        model = teacher(names)
        features, _ = events(names)
        expected = model(features)
        assert expected.shape == (8, 1)
        assert_allclose(model(features[:, ::-1]), expected, rtol=ROUNDING)
        assert_allclose(model(np.pad(features, ((0, 0), (0, 12), (0, 0)))), expected, rtol=ROUNDING)

    def test_starts_from_no_correction_for_an_empty_event(self, names):
        features, _ = events(names)
        assert_allclose(teacher(names, FACTOR)(features)[0], [1.0], rtol=1e-6)

    @pytest.mark.parametrize("target", ["sum", "factor"])
    def test_not_negative(self, names, target):
        model = teacher(names, dataclasses.replace(SMALL, target=target))
        model.get_layer(target).bias.assign([-50.0])
        features, _ = events(names)
        assert np.min(model(features)) >= 0

    @pytest.mark.parametrize("log", [False, True])
    def test_divides_the_corrected_sum_by_that_of_l1(self, names, log):
        """The last dense layer is in units of 16 GeV of MET or 64 GeV of HT; an L1 sum below 0.5 GeV counts as 0.5."""
        variable, unit = ("met", 16) if "met" in names else ("ht", 64)
        features, _ = events(names)
        l1_sum = np.array([0, 0.25, 0.5, 1, 20, 300, 5, 80], np.float32)
        real = features[..., 0] > 0
        column = np.log1p(l1_sum) if log else l1_sum
        features[..., names.index(variable)] = np.where(real, column[:, None], 0)
        model = build_teacher(SMALL, names, *statistics(names), log_features=(variable,) if log else ())
        corrected = keras.Model(model.input, model.get_layer("sum").output)(features)
        expected = np.asarray(corrected)[:, 0] * unit / np.maximum(l1_sum, 0.5)
        assert_allclose(np.asarray(model(features))[:, 0], expected, rtol=ROUNDING, atol=SMALLEST)

    @pytest.mark.slow
    def test_learns_and_is_the_same_when_loaded(self, names, tmp_path):
        """The processor decides on the course of a training: with five seeds the loss ends at 0.06 or less."""
        keras.utils.set_random_seed(1)
        hyperparameters = dataclasses.replace(FACTOR, units=16, learning_rate=3e-3, relative=False, readout=(128,))
        hypermodel = TeacherHyperModel(names, *statistics(names), "mse", (50, 100))
        model = build_teacher(hyperparameters, names, *statistics(names))
        hypermodel.compile(model, hyperparameters.learning_rate)
        features, labels = events(names, n_events=256)
        history = model.fit(features, labels, epochs=20, batch_size=8, verbose=0).history
        assert history["loss"][-1] < 0.2 * np.var(labels[:, 0])
        model.save(tmp_path / "teacher.keras")
        loaded = load_teacher(tmp_path / "teacher.keras")
        assert_array_equal(loaded.predict(features, verbose=0), model.predict(features, verbose=0))
        assert loaded.evaluate(features, labels, verbose=0) == model.evaluate(features, labels, verbose=0)


@pytest.mark.parametrize("names", [MET_FEATURES, HT_FEATURES], ids=["met", "ht"])
@pytest.mark.parametrize(
    "hyperparameters", [SMALL, PLAIN, dataclasses.replace(SMALL, graph_layers=3, activation="relu")]
)
class TestPackedGraphs:
    """Events that share rows give the numbers of events with a row each."""

    def test_same_corrections(self, names, hyperparameters):
        features, _ = events(names, n_events=50, n_objects=9)
        hypermodel = TeacherHyperModel(names, *statistics(names), "mse")
        model = hypermodel.build_fixed(hyperparameters)
        expected = np.asarray(hypermodel.padded(model, hyperparameters)(features))
        assert_allclose(model(packed(features)), expected, rtol=ROUNDING)

    def test_same_gradient_as_the_mean_over_batches_of_events_of_similar_size(self, names, hyperparameters):
        features, labels = events(names, n_events=64, n_objects=9)
        weights = np.random.default_rng(2).exponential(1, 64).astype(np.float32)
        hypermodel = TeacherHyperModel(names, *statistics(names), "huber_1.0")
        model = hypermodel.build_fixed(hyperparameters)
        other = hypermodel.padded(model, hyperparameters)
        hypermodel.compile(other, hyperparameters.learning_rate)

        def gradient(model, inputs, rows):
            with tf.GradientTape() as tape:
                loss = model.compute_loss(inputs, labels[rows], model(inputs), weights[rows])
            values = tape.gradient(loss, model.trainable_variables)
            return {
                v.path: np.asarray(tf.convert_to_tensor(g))
                for v, g in zip(model.trainable_variables, values, strict=True)
            }

        found = gradient(model, packed(features), slice(None))
        groups = np.split(np.argsort((features[:, :, 0] > 0).sum(1)), 4)
        means = [gradient(other, features[rows], rows) for rows in groups]
        expected = {path: np.mean([mean[path] for mean in means], axis=0) for path in found}
        # The terms of a gradient of the attention cancel.
        largest = max(np.abs(value).max() for value in expected.values())
        assert len(found) > 5
        for path, value in found.items():
            assert_allclose(value, expected[path], rtol=ROUNDING, atol=ROUNDING * largest)


def test_input_is_normalised():
    """Shifted and scaled features with their own statistics give the same correction."""
    features = np.rint(events(HT_FEATURES)[0] * 64) / 64  # which stay exact when they are shifted
    real = features[..., :1] > 0
    model = build_teacher(PLAIN, HT_FEATURES, [0.0] * 4, [1.0] * 4)
    moved = build_teacher(PLAIN, HT_FEATURES, [0.0, 3.0, 3.0, 3.0], [1.0, 4.0, 4.0, 4.0])
    moved.set_weights(model.get_weights())
    scaled = np.where(real, features * [1, 2, 2, 2] + [0, 3, 3, 3], 0).astype(np.float32)
    assert_allclose(moved(scaled), model(features), rtol=ROUNDING)


@pytest.mark.parametrize("names", [MET_FEATURES, HT_FEATURES], ids=["met", "ht"])
@pytest.mark.parametrize("log", [False, True])
class TestBeyondTheRange:
    """Of the training: sums up to 2 GeV there."""

    def model(self, names, log):
        log_features = [name for name in ("pt", "met", "ht") if log and name in names]
        largest = {name: 2.0 for name in ("met", "ht") if name in names}
        return build_teacher(SMALL, names, *statistics(names), log_features, largest=largest)

    def scaled(self, names, log, features, factor):
        features = features.copy()
        momenta = [i for i, name in enumerate(names) if name in ("pt", "met", "ht")]
        values = features[..., momenta] * np.float32(factor)
        features[..., momenta] = np.log1p(values) if log else values
        return features

    def test_the_correction_is_the_one_at_its_end(self, names, log):
        """The larger of the sums over their limits decides."""
        model, (features, _) = self.model(names, log), events(names)
        sums = [i for i, name in enumerate(names) if name in ("met", "ht")]
        largest = features[..., sums].max(axis=(1, 2))
        end = 2 / np.where(largest > 0, largest, 1)[:, None, None]
        expected = model(self.scaled(names, log, features, end))
        for times in (1.5, 16, 1000):
            assert_allclose(model(self.scaled(names, log, features, end * times)), expected, rtol=ROUNDING)

    def test_within_it_nothing_changes(self, names, log, tmp_path):
        model, (features, _) = self.model(names, log), events(names)
        within = keras.Model(model.input, model.get_layer("within_range").output)
        features = self.scaled(names, log, features, 2 / max(2, features[..., 3:5].max()))
        assert_array_equal(within(features), features)
        model.save(tmp_path / "teacher.keras")
        far = self.scaled(names, log, features, 50)
        assert_array_equal(load_teacher(tmp_path / "teacher.keras")(far), model(far))


def test_range_of_a_training_is_that_of_its_l1_sums():
    moments = Moments()
    for met, ht in ((20.0, 300.0), (70.0, 0.0)):
        moments.add(np.array([[3.0, 1.0, 1.0, met, np.log1p(ht), 1.0], [2.0, 0.0, 0.0, met, np.log1p(ht), 3.0]]))
    creator = METGraphCreator(log_features=["ht"])
    hypermodel = TeacherHyperModel.from_moments(creator, moments, "mse")
    assert hypermodel.largest == pytest.approx({"met": 70, "ht": 300})
    model = hypermodel.build_fixed(SMALL)
    assert "within_range" not in [layer.name for layer in model.layers]
    assert hypermodel.padded(model, SMALL).get_layer("within_range").largest == pytest.approx({3: 70, 4: 300})


def test_particle_id_matters():
    model = teacher(MET_FEATURES)
    features, _ = events(MET_FEATURES)
    other = features.copy()
    other[..., -1] = np.where(features[..., 0] > 0, 1 + features[..., -1] % 3, 0)
    assert np.abs(model(other) - model(features))[1:].min() > 0


def test_architecture_follows_the_hyperparameters():
    hyperparameters = dataclasses.replace(
        PLAIN, graph_layers=3, units=8, activation="relu", embedding=4, attention_dropout=0.02, dropout=0.03
    )
    model = teacher(MET_FEATURES, hyperparameters)
    layers = [layer for layer in model.layers if isinstance(layer, GraphAttention)]
    assert [layer.combine for layer in layers] == ["concat", "concat", "average"]
    assert [tuple(layer.kernel.shape) for layer in layers] == [(9, 2, 8), (16, 2, 8), (16, 2, 8)]
    assert {layer.attention_dropout for layer in layers} == {0.02}
    assert {layer.activation for layer in layers} == {keras.activations.relu}
    assert model.get_layer("dropout_2").rate == 0.03
    kernels = [w.value for layer in layers for w in layer.weights] + [model.get_layer("factor").kernel]
    # Some 250 squares are summed.
    assert_allclose(sum(model.losses), L2 * sum(np.sum(np.square(w)) for w in kernels), rtol=10 * ROUNDING)
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in model.layers)


@pytest.mark.parametrize("names", [MET_FEATURES, HT_FEATURES], ids=["met", "ht"])
def test_search_space(names):
    hp = keras_tuner.HyperParameters()
    assert sample_hyperparameters(hp, names) == TeacherHyperparameters()
    assert ("embedding" in hp.values) == ("pid" in names)
    ranges = {
        "graph_layers": {2, 3, 4},
        "units": {64, 96, 128},
        "heads": {3, 4, 5},
        "activation": {"relu", "elu"},
    }
    assert set(hp.values) | {"embedding"} == set(DEFAULT_SEARCH_SPACE)
    drawn = []
    for seed in range(50):
        hp = keras_tuner.HyperParameters()
        hp.values = {}
        sample_hyperparameters(hp, names)
        hp.values = {one.name: one.random_sample(seed) for one in hp.space}
        drawn.append(sample_hyperparameters(hp, names))
    for name, values in ranges.items():
        assert {getattr(one, name) for one in drawn} == values
    assert all(0 <= one.dropout <= 0.05 and 0 <= one.attention_dropout <= 0.05 for one in drawn)
    assert all(1e-4 <= one.learning_rate <= 1e-2 for one in drawn)
    assert {one.embedding for one in drawn} == ({2, 3, 4} if "pid" in names else {2})


def test_search_space_has_all_hyperparameters_but_what_the_network_is_made_of():
    names = [field.name for field in dataclasses.fields(TeacherHyperparameters)]
    assert names == [*DEFAULT_SEARCH_SPACE, "relative", "residual", "readout", "target"]


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("readout", [(), (16,), (16, 8)])
def test_number_of_parameters(residual, readout):
    """Counted by hand: inputs are 6 relative features, pt, met, ht and 2 of the embedding, which has 4 x 2 weights."""
    hyperparameters = TeacherHyperparameters(units=4, heads=2, residual=residual, readout=readout)
    inputs, hidden = 6 + 3 + 2, 2 * 4
    layers = (inputs + hidden) * hidden + 2 * 2 * hidden  # kernels, and vectors of the attention
    shortcuts = inputs * hidden + hidden * 4 if residual else 0
    widths = [4, *readout, 1]
    head = sum((before + 1) * after for before, after in itertools.pairwise(widths))
    found = teacher(MET_FEATURES, hyperparameters)
    assert sum(int(np.prod(weight.shape)) for weight in found.trainable_weights) == 4 * 2 + layers + shortcuts + head


@pytest.mark.parametrize("names", [MET_FEATURES, HT_FEATURES], ids=["met", "ht"])
def test_rotated_and_reflected_events_have_the_same_correction(names):
    features, _ = events(names)
    angles = np.linspace(0, 6, len(features), dtype=np.float32)[:, None]
    moved = features.copy()
    real = features[:, :, 0] > 0
    moved[:, :, 1] = -features[:, :, 1]
    moved[:, :, 2] = np.where(real, features[:, :, 2] + angles, 0)
    model = teacher(names)
    assert_allclose(model(moved), model(features), rtol=10 * ROUNDING)  # angles up to 9 round by more
    assert np.abs(teacher(names, PLAIN)(moved) - teacher(names, PLAIN)(features)).max() > 1e-3


def test_hypermodel_compiles_with_loss_metrics_and_learning_rate():
    hypermodel = TeacherHyperModel(MET_FEATURES, *statistics(MET_FEATURES), "huber_1.0", (0, 50))
    hp = keras_tuner.HyperParameters()
    hp.Fixed("learning_rate", 3e-3)
    hp.Fixed("units", 4)
    model = hypermodel.build(hp)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(3e-3)
    features, labels = events(MET_FEATURES)
    inputs = packed(features)
    results = model.test_on_batch(inputs, labels, return_dict=True)
    predictions = np.asarray(model(inputs))
    squares = (labels[:, 0] - predictions[:, 0]) ** 2
    assert results["mse_above_0"] == pytest.approx(squares.mean(), rel=ROUNDING)
    assert results["mse_above_50"] == pytest.approx(squares[labels[:, 1] > 50].mean(), rel=ROUNDING)
    expected = float(get_loss("huber_1.0")(labels, predictions) + sum(model.losses))
    assert results["loss"] == pytest.approx(expected, rel=ROUNDING)


def test_sample_weights_reach_the_loss():
    model = TeacherHyperModel(HT_FEATURES, *statistics(HT_FEATURES), "mse").build_fixed(SMALL)
    features, labels = events(HT_FEATURES)
    regularization = float(sum(model.losses))
    plain, doubled = (
        model.test_on_batch(packed(features), labels, np.full(8, weight), return_dict=True)["loss"] - regularization
        for weight in (1.0, 2.0)
    )
    assert doubled == pytest.approx(2 * plain, rel=10 * ROUNDING)  # differences of what is evaluated


def test_hyperparameters_go_through_json():
    hyperparameters = TeacherHyperparameters(graph_layers=3, dropout=0.01)
    text = json.dumps(dataclasses.asdict(hyperparameters))
    assert TeacherHyperparameters.from_dict(json.loads(text)) == hyperparameters
    assert TeacherHyperparameters.from_dict({}) == TeacherHyperparameters()
    assert TeacherHyperparameters.from_dict({"dropout": 0}).dropout == 0


@pytest.mark.parametrize(
    "values, message",
    [
        ({"layers": 3}, "hyperparameter layers: expected one of graph_layers, units, .*received: layers=3"),
        ({"units": 64.0}, "hyperparameter units: expected a positive integer, received: units=64.0"),
        ({"units": 10**9}, "hyperparameter units: expected at most 4096, received: units=1000000000"),
        ({"readout": [8] * 99}, "hyperparameter readout: expected at most 32 layers"),
        ({"heads": True}, "hyperparameter heads: expected a positive integer, received: heads=True"),
        ({"graph_layers": 0}, "received: graph_layers=0"),
        ({"embedding": "2"}, "received: embedding='2'"),
        (
            {"activation": "tanh"},
            "hyperparameter activation: expected relu or elu, received: activation='tanh'",
        ),
        ({"dropout": 1.0}, r"hyperparameter dropout: expected a fraction in \[0, 1\), received: dropout=1.0"),
        ({"attention_dropout": None}, "received: attention_dropout=None"),
        ({"target": "met"}, "hyperparameter target: expected sum or factor, received: target='met'"),
        ({"residual": 1}, "hyperparameter residual: expected true or false, received: residual=1"),
        ({"readout": [8, 0]}, r"hyperparameter readout: expected a list of positive integers, received: .*\[8, 0\]"),
        ({"readout": 8}, "hyperparameter readout: expected a list of positive integers, received: readout=8"),
        ({"learning_rate": 0.0}, "expected a finite number > 0, received: learning_rate=0.0"),
        ({"learning_rate": float("nan")}, "received: learning_rate=nan"),
        ([1], r"expected a mapping of hyperparameters, received: \[1\]"),
    ],
)
def test_bad_hyperparameters_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        TeacherHyperparameters.from_dict(values)


@pytest.mark.parametrize(
    "names, mean, variance, message",
    [
        (("eta", "pt"), [0, 0], [1, 1], "'pt' first"),
        (("pt", "pid", "eta"), [0, 0], [1, 1], "'pid' last"),
        (("pt", "eta", "eta"), [0, 0, 0], [1, 1, 1], "different names"),
        (("pt", "eta", "pid"), [0, 0, 0], [1, 1], r"expected 2 values.*received: mean=\[0, 0, 0\]"),
        (("pt", "phi", "eta"), [0, 0, 0], [1, 1, 1], "relative needs eta and phi after pt"),
        (("pt", "eta", "phi"), [0, 0, 0], [1, 1, 1], r"target sum needs met or ht, received: feature_names=\["),
        (("pt", "eta"), [0, 0], [1], r"expected 2 values.*received: variance=\[1\]"),
        (("pt", "eta"), [0, 0], [1, 0], "feature eta: .*received: mean=0, variance=0"),
        (("pt", "eta"), [float("nan"), 0], [1, 1], "feature pt: .*received: mean=nan"),
    ],
)
def test_bad_features_are_named(names, mean, variance, message):
    with pytest.raises(ValueError, match=message):
        build_teacher(SMALL, names, mean, variance)
