"""The bound by classifiers: against optimal classifiers in closed form, and against numbers computed by hand."""

import json
import math

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from benchmarks.bound import BOUND, L1, Result, ScoredEvents, as_table, best, figures, grouped, main
from benchmarks.efficiencies import efficiencies_in_ranges, range_name, working_points
from benchmarks.folds import FOR_TRAINING, Sample, read_samples
from benchmarks.methods.classifiers import LabelledEvents, as_classifier, cross_entropy, share_above, trees
from benchmarks.methods.networks import teacher
from nn.teacher import TeacherHyperModel, copy_weights
from tests.toys import l1_events, random_l1_events, write_l1
from utils.data_processing import METGraphCreator
from utils.evaluation.run_conditions import WorkingPoint
from utils.l1_events import L1Events
from utils.predictions import BASELINE
from utils.runtime.errors import UserError
from utils.training.packing import pack
from utils.training.ragged_graphs import RaggedGraphs

N = 5000


@pytest.fixture(autouse=True)
def one_thread():
    """Let scikit-learn use one thread: several wait for each other where tests run side by side."""
    with threadpool_limits(1, "openmp"):
        yield


def events_of_jets(pt, weights=None):
    """Return events of one jet each."""
    objects = np.zeros((len(pt), 18, 3))
    objects[:, 8, 0] = pt
    sums = dict.fromkeys(("smeared_met", "smeared_ht", "true_met"), pt)
    return l1_events(objects, **sums, weights=np.ones(len(pt)) if weights is None else weights)


def efficiency(model, signal, background, allowed):
    """Return the signal efficiency of a cut on the scores of a classifier."""
    in_signal, in_background = (model.predict(model.inputs(events)) for events in (signal, background))
    return np.mean(in_signal > np.quantile(in_background, 1 - allowed))


def test_trees_reach_the_optimum_of_two_gaussians():
    """The optimum is a cut on pT, 2 standard deviations apart."""
    rng = np.random.default_rng(1)
    samples = [(events_of_jets(rng.normal(70, 10, N)), events_of_jets(rng.normal(50, 10, N))) for _ in range(2)]
    model = trees(LabelledEvents.of(*samples[0], "true_met", 1.0, 1))
    for allowed in (0.2, 0.05):
        optimum = 1 - norm.cdf(norm.ppf(1 - allowed) - 2)
        assert efficiency(model, *samples[1], allowed) == pytest.approx(optimum, abs=0.03)


def test_trees_find_a_peak_that_no_cut_on_the_sum_finds():
    """The optimum around a peak of width 3 GeV on a flat background keeps erf(d / 3 sqrt(2)) within +- d.

    A cut on pT keeps none of the peak.
    """
    rng = np.random.default_rng(2)
    samples = [(events_of_jets(rng.normal(60, 3, N)), events_of_jets(rng.uniform(20, 100, N))) for _ in range(2)]
    model = trees(LabelledEvents.of(*samples[0], "true_met", 1.0, 1))
    optimum = math.erf(4 / (3 * math.sqrt(2)))
    assert efficiency(model, *samples[1], 0.1) == pytest.approx(optimum, abs=0.08)


def test_weights_divide_by_the_share_of_the_background_above():
    """The shares above are 1, 0.75 and 0.5; signal and background have the same sum."""
    signal, background = (
        events_of_jets(np.array([45.0, 10]), [1, 4]),
        events_of_jets(np.array([30.0, 50, 40]), [1, 2, 1]),
    )
    assert_allclose(share_above(signal, background, "true_met"), [0.5, 1])
    assert_allclose(share_above(background, background, "true_met"), [1, 0.5, 0.75])
    weights = LabelledEvents.of(signal, background, "true_met", 1, 1).weights
    assert_allclose(weights[:2], np.array([2, 4]) * 2.5 / 6, rtol=1e-6)
    assert_allclose(weights[2:], np.array([1, 4, 4 / 3]) * 2.5 / (19 / 3), rtol=1e-6)
    weights = LabelledEvents.of(signal, background, "true_met", 0.5, 1).weights
    assert_allclose(weights[1] / weights[0], math.sqrt(2), rtol=1e-6)


def test_cross_entropy_is_that_of_the_sigmoid():
    logits = np.array([[-2.0], [0.5], [30.0]], np.float32)
    labels = np.array([[1, 9], [0, 9], [1, 9]], np.float32)
    expected = [math.log1p(math.exp(2)), math.log1p(math.exp(0.5)), math.exp(-30)]
    assert_allclose(cross_entropy(labels, logits), expected, rtol=1e-5, atol=1e-7)


def test_the_network_ranks_events_that_share_rows_alike_also_without_objects():
    creator = METGraphCreator()
    events = random_l1_events(40)
    events.smeared_data[:3] = 0
    hypermodel = TeacherHyperModel(creator.feature_names, [0.0] * 5, [10.0] * 5, "mse")
    padded, packed = (as_classifier(teacher(hypermodel, packed)) for packed in (False, True))
    copy_weights(padded, packed)
    features = creator.features(events)
    logits = keras.ops.convert_to_numpy(padded(features))
    assert_allclose(packed(pack(RaggedGraphs.from_padded(features)).inputs), logits, rtol=1e-3, atol=1e-3)
    assert (logits[:3] == 0).all()  # all biases are 0
    assert np.ptp(logits) > 1


def test_each_event_is_in_one_fold_and_weights_add_up_to_the_cross_section(tmp_path):
    """Two files of one process, 60 and 40 events: their weights count 0.6 and 0.4."""
    paths = []
    for i, n in enumerate((60, 40, 30)):
        events = events_of_jets(np.arange(n) + 100 * i + 20.0, np.full(n, 5.0 / n))
        paths.append(write_l1(tmp_path / f"{i}.h5", events, names=(b"QCD_1",)))
    sample = read_samples(paths[:2], paths[2:], 5, seed=1)["QCD"]
    assert sample.divided.weights.sum() == pytest.approx(5)
    sizes = [len(sample.fold(fold)) for fold in range(5)]
    assert sum(sizes) == 100
    for fold in range(5):
        assert sample.fold(fold).weights.sum() == pytest.approx(5)
        assert sizes[fold] == pytest.approx(20, abs=5 * 4)
        used = fold, (fold + 1) % 5
        others, half = (sample.training(used, share) for share in (1.0, 0.5))
        assert (len(others), len(half)) == (130 - sizes[used[0]] - sizes[used[1]], round(len(others) / 2))
        assert not set(others.true_met) & set(sample.fold(fold).true_met)
        assert set(half.true_met) < set(others.true_met)
    assert set(sample.events[sample.folds == FOR_TRAINING].true_met) == set(np.arange(30) + 220.0)
    assert_allclose(sample.events.weights, 0.05)  # an event counts the same wherever it is from


def test_copies_of_an_event_are_in_the_same_fold():
    events = random_l1_events(300)
    twice = Sample.divide(L1Events.concatenate([events, events]), None, 4, seed=2)
    assert (twice.folds[:300] == twice.folds[300:]).all()
    assert set(twice.folds) == {0, 1, 2, 3}


def test_the_same_events_twice_are_refused(tmp_path):
    paths = [write_l1(tmp_path / f"{i}.h5", random_l1_events(20)) for i in range(2)]
    with pytest.raises(UserError):
        read_samples(paths[:1], paths[1:], 3, seed=1)


LOW_AND_HIGH = ((0.0, 50.0), (50.0, math.inf))


def scored(true, **scores):
    true = np.array(true, float)
    return ScoredEvents(true, np.ones(len(true)), {name: np.array(values, float) for name, values in scores.items()})


def test_the_best_quantity_of_each_range_is_chosen():
    """Of four background events one may pass, so thresholds are 30: `a` keeps the low event, `b` the high ones."""
    background = scored([0] * 4, a=[10, 20, 30, 40], b=[10, 20, 30, 40])
    signal = scored([10, 60, 70], a=[35, 0, 35], b=[0, 35, 35])
    assert best(signal, background, ("a", "b"), np.array([0.25]), LOW_AND_HIGH) == [["a"], ["b"]]


def test_classifiers_are_grouped_by_kind():
    names = ("trees, 1", "network, 1", "trees, 2")
    kinds = {"trees": ("trees, 1", "trees, 2"), "network": ("network, 1",)}
    assert grouped(names) == {**kinds, BOUND: (BASELINE, *names)}


def test_the_chosen_columns_are_those_of_the_test():
    rng = np.random.default_rng(3)
    background = scored([0] * 1000, baseline=rng.normal(0, 1, 1000), a=rng.normal(0, 1, 1000), b=rng.normal(0, 1, 1000))
    true = np.repeat([10, 60], 500)
    shift = {"baseline": (1, 1), "a": (2, 0), "b": (0, 2)}
    signal = scored(true, **{name: rng.normal(np.repeat(of, 500), 1) for name, of in shift.items()})
    points = np.array([0.1, 0.02])
    result = Result.test(signal, background, ("baseline",), {BOUND: [["a"] * 2, ["b"] * 2]}, points, LOW_AND_HIGH, 7, 1)
    at = {
        name: [
            np.mean(signal.scores[name][500 * i :][:500] > np.sort(background.scores[name])[-1 - n]) for n in (100, 20)
        ]
        for i, name in ((0, "a"), (1, "b"))
    }
    assert_allclose(result.replicas[BOUND][:, 0], [at["a"], at["b"]])
    expected = 1 - norm.cdf(norm.ppf(1 - points) - 2)
    errors = result.replicas[BOUND][:, 1:].std(1)
    assert np.all(np.abs(result.replicas[BOUND][:, 0] - expected) < 5 * errors)


def test_share_of_the_gain_of_the_bound():
    replicas = {BASELINE: 0.5, BOUND: 0.7, "ours": 0.65}
    rng = np.random.default_rng(4)
    result = Result(
        np.array([1e4]),
        {name: value + rng.normal(0, [[[0]] + [[0.01]] * 200]) for name, value in replicas.items()},
        9,
        {},
    )
    rows = figures(Result.mean([result, result]), ["ours"], [(50, 80)], [WorkingPoint(0.01)])
    found = {row["figure"]: row["value"] for row in rows}
    assert {(row["true"], row["background"]) for row in rows} == {("50-80", "1%")}
    expected = {L1: 0.5, BOUND: 0.7, "ours": 0.65, "ours - L1": 0.15, "bound - L1": 0.2, "ours - bound": -0.05}
    assert found == pytest.approx(expected | {"share of ours": 0.75})
    (line,) = as_table(rows, "figure", ("true", "background"))
    assert line["true"] == "50-80"
    assert line[BOUND].startswith("70.0 +- 1.")


def test_working_points_at_rates_need_a_cross_section():
    """14 mb at 2e34 are 280 MHz of collisions; 28 kHz of them are 1e-4, to first order."""
    (at_rate,) = working_points([28.0], 1.4e10)[2:]
    assert (at_rate.label, at_rate.background_efficiency) == ("28 kHz", pytest.approx(1e-4, rel=1e-3))
    assert [point.label for point in working_points([30.0], None)] == ["5%", "1%"]


def test_efficiencies_of_ranges_are_shares_of_their_events():
    true, score = np.array([10, 60, 70, 80.0]), np.array([5, 1, 5, 5.0])
    thresholds = {"x": np.full((11, 1), 2.0)}
    low, high = efficiencies_in_ranges(true, {"x": score}, np.array([1, 2, 1, 1.0]), thresholds, LOW_AND_HIGH, 1)
    assert (low.replicas["x"][0, 0], high.replicas["x"][0, 0]) == (1, 0.5)
    assert [range_name(limits) for limits in LOW_AND_HIGH] == ["0-50", "above 50"]


def test_the_command(smeared_folder, met_teacher, tmp_path, capsys):
    """The efficiencies of L1 are those of all test events, and events of the training are refused."""
    output = tmp_path / "bound.json"
    flags = ["--classifiers=trees", "--above=0", "--weight_powers=1", "--shares=0.5,1", "--folds=3"]
    command = [*flags, f"--model_dir=ours={met_teacher}", f"--output={output}"]
    main([f"--data={smeared_folder / 'test.h5'}", *command])
    written = json.loads(output.read_text())
    found = {
        (row["true"], row["figure"]): row["value"]
        for row in written["figures"]
        if row["background"] == "5%" and row["share"] == 1
    }
    assert found["20-50", "ours - L1"] == pytest.approx(found["20-50", "ours"] - found["20-50", "L1"])
    assert "training events" in written["trainings"][0]
    assert "bound [%] by the number of training events" in capsys.readouterr().out
    with pytest.raises(UserError, match="ours was trained on"):
        main([f"--data={smeared_folder / 'train.h5'}", *command])
