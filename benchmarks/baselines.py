"""Compare the teacher with baselines, on the same events, over several seeds.

All baselines learn the same correction from the same events with the same weights in the loss. They are tested on other
events, and do not correct an event without a jet at L1. Each seed divides and smears the events and trains again.
"""

import itertools
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import cost, project_script, report
from utils.data_processing import GraphCreator, graph_creator
from utils.evaluation.background_result import evaluate_background
from utils.evaluation.binning import BINNINGS, Binning
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.response import binned_response
from utils.evaluation.signal_result import evaluate_signal
from utils.event_layout import ETA, PHI, PID_EGAMMA, PID_JET, PID_MUON, PT
from utils.formats.l1_files import L1Dataset
from utils.predictions import Model, Predictions, predict_events
from utils.runtime.options import flag, parse
from utils.training.batches import training_batches
from utils.training.loss_weights import LossWeights
from utils.training.options import EventSplit, LossOptions
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import TrainingGraphs, read_training_graphs
from utils.variables import full_variable

if TYPE_CHECKING:
    import keras

BACKGROUND, CORRECTED, TEACHER = "QCD", "corrected", "teacher"
WORKING_POINTS = (0.05, 0.01, 0.005)
TEST_FRACTION, VALIDATION = 0.5, 0.1
CONFIGURED_SHARES = {BACKGROUND: 4.0}
CALIBRATION_BINS = 40
LEADING_OBJECTS = 4
LOG_FEATURES = {"true_met": ("pt", "met", "ht"), "true_ht": ("pt", "ht")}
RESPONSE_EDGES = {"true_met": (20, 40, 60, 100, 200), "true_ht": (50, 100, 200, 400, 800)}
THRESHOLDS = {"true_met": (50, 100), "true_ht": (200, 320)}
EPOCHS, PATIENCE, BATCH_SIZE = 25, 6, 256


@dataclass(frozen=True)
class Training:
    """Training data of the baselines: graphs of one file, with plain features and with the features of the networks."""

    data: L1Dataset
    seed: int
    options: LossOptions
    creator: GraphCreator

    def graphs(self, creator: GraphCreator) -> TrainingGraphs:
        """Return graphs with the features of a creator."""
        split = EventSplit(test_split=VALIDATION, seed=self.seed)
        return read_training_graphs(self.data, creator, split, loss_weights=LossWeights.from_options(self.options))

    def all_graphs(self) -> RaggedGraphs:
        """Return all graphs with plain features, for baselines that need no validation events."""
        graphs = self.graphs(self.creator)
        return RaggedGraphs.concatenate(
            [graphs.chunk(i, validation) for i in range(graphs.n_chunks) for validation in (False, True)]
        )


Predictor = Callable[[np.ndarray], np.ndarray]
Figures = dict[str, dict[str, Any]]  # estimates by process and name


@dataclass(frozen=True)
class Baseline:
    """A trained baseline: the creator of its graphs, and its correction of features (n_graphs, n_nodes, n_features)."""

    creator: GraphCreator
    predict: Predictor


def uncorrected(training: Training) -> Baseline:
    """Leave the sums of L1 uncorrected."""
    return Baseline(training.creator, lambda features: np.ones(len(features), np.float32))


def event_sum(features: np.ndarray, creator: GraphCreator) -> np.ndarray:
    """Return MET or HT at L1 [GeV] of plain features, shape (n_graphs,)."""
    return features[:, :, creator.feature_names.index("ht" if creator.variable == "true_ht" else "met")].max(1)


def calibration(training: Training) -> Baseline:
    """Correct L1's MET or HT by itself: mean true over mean L1 value in bins of equal numbers of events."""
    graphs = training.all_graphs()
    reco, true = event_sum(graphs.padded(), training.creator), graphs.labels[:, 1]
    edges = np.quantile(reco, np.linspace(0, 1, CALIBRATION_BINS + 1))
    bins = np.clip(np.searchsorted(edges, reco, side="right") - 1, 0, CALIBRATION_BINS - 1)
    sums, sums_true, sums_reco = (
        np.bincount(bins, graphs.weights * values, CALIBRATION_BINS) for values in (np.ones(len(reco)), true, reco)
    )
    centres, factor = sums_reco / sums, sums_true / sums_reco

    def predict(features: np.ndarray) -> np.ndarray:
        return np.interp(event_sum(features, training.creator), centres, factor).astype(np.float32)

    return Baseline(training.creator, predict)


def event_features(features: np.ndarray, creator: GraphCreator) -> np.ndarray:
    """Describe events by sums over objects of each kind and by the leading ones, for trees.

    Parameters
    ----------
    features : np.ndarray, shape (n_graphs, n_nodes, n_features)
        Plain features: pT [GeV], eta, phi and others, zero where empty.
    creator : GraphCreator
        Which made them.

    Returns
    -------
    np.ndarray, shape (n_graphs, n)
        MET of the objects given, HT; for each kind of object the number, scalar sum, length of the vector sum and its
        part along MET; pT, |eta| and angle to MET of the leading objects of each kind, NaN where there is none; the
        angle between the leading jets.
    """
    pt, eta, phi = features[:, :, PT], features[:, :, ETA], features[:, :, PHI]
    has_pid = "pid" in creator.feature_names
    pid = features[:, :, -1] if has_pid else np.where(pt > 0, PID_JET, 0)
    px, py = pt * np.cos(phi), pt * np.sin(phi)
    met_phi = np.arctan2(py.sum(1), px.sum(1))[:, None]
    angle_to_met = np.abs(np.angle(np.exp(1j * (phi - met_phi))))
    columns = [np.hypot(px.sum(1), py.sum(1)), features[:, :, creator.feature_names.index("ht")].max(1)]
    for kind in (PID_MUON, PID_EGAMMA, PID_JET) if has_pid else (PID_JET,):
        is_kind = pid == kind
        kind_pt = np.where(is_kind, pt, 0)
        x, y = (px * is_kind).sum(1), (py * is_kind).sum(1)
        columns += [is_kind.sum(1), kind_pt.sum(1), np.hypot(x, y), (kind_pt * np.cos(angle_to_met)).sum(1)]
        leading = np.argsort(-kind_pt, axis=1, kind="stable")[:, : LEADING_OBJECTS if kind == PID_JET else 1]
        there = np.take_along_axis(is_kind, leading, 1)
        for values in (pt, np.abs(eta), angle_to_met):
            columns += list(np.where(there, np.take_along_axis(values, leading, 1), np.nan).T)
        if kind == PID_JET and leading.shape[1] > 1:
            first, second = np.take_along_axis(phi, leading, 1)[:, :2].T
            columns.append(np.where(there[:, 1], np.abs(np.angle(np.exp(1j * (first - second)))), np.nan))
    return np.stack(columns, axis=1)


def trees(training: Training) -> Baseline:
    """Boost trees on event features, with the squared error of the logarithm of the correction."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    from nn.losses import LOG_OFFSET

    graphs = training.all_graphs()
    model = HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.06, min_samples_leaf=200, random_state=training.seed
    )
    target = np.log(graphs.labels[:, 0] + LOG_OFFSET)
    model.fit(event_features(graphs.padded(), training.creator), target, graphs.weights)

    def predict(features: np.ndarray) -> np.ndarray:
        logarithm = model.predict(event_features(features, training.creator))
        return np.maximum(np.exp(logarithm) - LOG_OFFSET, 0).astype(np.float32)

    return Baseline(training.creator, predict)


def network(training: Training, deep_sets: bool) -> Baseline:
    """Train the teacher with its default hyperparameters, or a DeepSets network of the same inputs and size."""
    import keras

    from nn.prediction import predict
    from nn.teacher import TeacherHyperModel, TeacherHyperparameters, copy_weights
    from nn.training.fit import stopping_callbacks
    from nn.training.stacks import fit

    creator = graph_creator(training.creator.variable, LOG_FEATURES[training.creator.variable])
    graphs = training.graphs(creator)
    hyperparameters = TeacherHyperparameters()
    hypermodel = TeacherHyperModel.from_moments(creator, graphs.moments, training.options.loss_function)
    keras.utils.set_random_seed(training.seed)
    if deep_sets:
        model, padded = (build_deep_sets(hypermodel, packed=packed) for packed in (True, False))
        hypermodel.compile(model, hyperparameters.learning_rate)
    else:
        model = hypermodel.build_fixed(hyperparameters)
        padded = hypermodel.padded(model, hyperparameters)
    batches, validation = training_batches(graphs, BATCH_SIZE, training.seed)
    fit(model, batches, validation, epochs=EPOCHS, callbacks=stopping_callbacks(PATIENCE))
    copy_weights(model, padded)
    return Baseline(creator, lambda features: predict(padded, features))


def build_deep_sets(hypermodel: Any, layers: int = 3, units: int = 144, packed: bool = False) -> "keras.Model":
    """Build a network of the teacher's inputs, sum and readout without a connection between objects before the sum.

    Zaheer et al. 2017, arXiv:1703.06114. The defaults give as many parameters as the teacher's.
    """
    import keras

    from nn.teacher import TeacherHyperparameters, correction_output, node_inputs

    hyperparameters = TeacherHyperparameters()
    names, log_features = hypermodel.feature_names, hypermodel.log_features
    graphs, x = node_inputs(hyperparameters, names, hypermodel.mean, hypermodel.variance, log_features, packed)
    for number in range(1, layers + 1):
        x = keras.layers.Dense(units, hyperparameters.activation, name=f"object_{number}")(x)
    correction = correction_output(graphs.sum_nodes(x), graphs, hyperparameters, names, log_features)
    return keras.Model(graphs.inputs, correction)


BASELINES: dict[str, Callable[[Training], Baseline]] = {
    "L1": uncorrected,
    "calibration": calibration,
    "trees": trees,
    "DeepSets": lambda training: network(training, deep_sets=True),
    TEACHER: lambda training: network(training, deep_sets=False),
}


def squared_error(predictions: Predictions, threshold: float) -> Estimate:
    """Return the mean squared error of the correction of events above a true value in GeV, all counting the same."""
    rows = (predictions.true > threshold) & (predictions.reco > 0) & (predictions.jets > 0)
    squares = (predictions.corrections[CORRECTED][rows] - predictions.true[rows] / predictions.reco[rows]) ** 2
    return Estimate(squares.mean(), squares.std() / math.sqrt(rows.sum()))


def figures(
    events: dict[str, Predictions], binning: Binning, edges: np.ndarray, thresholds: Sequence[float], seed: int
) -> Figures:
    """Evaluate corrected events of each process."""
    background = evaluate_background(events[BACKGROUND], binning, WORKING_POINTS, None, (), seed)
    found: Figures = {}
    for name, predictions in events.items():
        corrected, true = predictions.scores[CORRECTED], predictions.true
        response = np.divide(corrected, true, where=true > 0, out=np.full(len(true), np.nan))
        rng = np.random.default_rng([seed, len(found)])
        resolution = binned_response(true, response, predictions.weight, edges, rng)
        found[name] = {
            f"{of} {low:g}-{high:g}": Estimate(estimate.value[i], estimate.error[i])
            for of, estimate in (("resolution", resolution.half_width), ("median", resolution.median))
            for i, (low, high) in enumerate(itertools.pairwise(edges))
        }
        for threshold in thresholds:
            found[name][f"squared error above {threshold:g}"] = squared_error(predictions, threshold)
        if name != BACKGROUND:
            signal = evaluate_signal(predictions, background, binning, seed, name)
            found[name]["area"] = signal.roc[CORRECTED].area
            points = signal.gains
            for of, estimate in (
                ("efficiency", points.efficiency[CORRECTED]),
                ("gap closed", points.gap_closed[CORRECTED]),
            ):
                for i, efficiency in enumerate(WORKING_POINTS):
                    found[name][f"{of} {100 * efficiency:g}%"] = Estimate(estimate.value[i], estimate.error[i])
    return found


@dataclass(frozen=True, kw_only=True)
class Options(LossOptions):
    """Flags of the benchmark; the default shares of the processes are those of config.yaml."""

    input: list[str] = flag(help="events of a process; may be repeated", metavar="NAME=FILES")
    output: Path = flag(help="JSON file of the numbers and the machine")
    variable: str = flag("true_met", help="met or ht", parse=full_variable)
    processes: tuple[str, ...] = flag(("QCD", "W"), help="processes of the training")
    flat: float | None = flag(None, help="flatten the spectrum below this; none: leave it", unit="GeV", above=0)
    baselines: tuple[str, ...] = flag(tuple(BASELINES), help="baselines to train", choices=tuple(BASELINES))
    seeds: int = flag(3, help="number of seeds", minimum=1)


def compare(options: Options, seed: int, folder: Path) -> dict[str, Figures]:
    """Divide, smear, train all baselines and evaluate them with one seed: figures by baseline, process and name."""
    train, test, selected = (folder / f"{name}.h5" for name in ("train", "test", "selected"))
    inputs = [f"--input={text}" for text in options.input]
    outputs = ("--train_output", train, "--test_output", test)
    flags = (f"--seed={seed}", f"--test_fraction={TEST_FRACTION}")
    cost(project_script("create_L1regression_data.py", *inputs, *outputs, *flags))
    sampling = [f"--sampling_var={options.variable}", f"--sampling_threshold={options.flat}"] if options.flat else []
    processes = f"--processes={','.join(options.processes)}"
    files = ("--input", train, "--output", selected)
    cost(project_script("selective_sampling_jets.py", *files, processes, *sampling, f"--seed={seed}"))
    training = Training(L1Dataset.check(selected), seed, options, graph_creator(options.variable))
    data = L1Dataset.check(test)
    found = {}
    for name in options.baselines:
        baseline = BASELINES[name](training)
        chunks = data.chunks(1 << 16, true_objects=False)
        model = Model(baseline.creator.features, baseline.predict)
        predictions = predict_events(chunks, list(data.process_names), options.variable, {CORRECTED: model})
        events = {process: predictions[predictions.process_id == i] for i, process in data.process_names.items()}
        edges = np.array(RESPONSE_EDGES[options.variable], float)
        found[name] = figures(events, BINNINGS[options.variable], edges, THRESHOLDS[options.variable], seed)
    return found


def table_rows(seeds: Sequence[dict[str, Figures]]) -> list[dict[str, Any]]:
    """Average over the seeds.

    The error is the statistical error of one test sample, which the seeds mostly share. The spread is the standard
    deviation over the seeds, from the division and smearing of the events and from the training. The excess of the
    teacher is the difference on the same events with the same seed; its error is the spread over the root of the seeds.
    """
    first = next(iter(seeds[0].values()))
    rows = []
    keys = ((process, name) for process, of_process in first.items() for name in of_process)

    def values_of(baseline: str, process: str, name: str) -> np.ndarray:
        return np.array([float(seed[baseline][process][name].value) for seed in seeds])

    def spread(values: np.ndarray) -> float:
        return float(values.std(ddof=1)) if len(values) > 1 else math.nan

    for (process, name), baseline in itertools.product(keys, seeds[0]):
        estimates = [seed[baseline][process][name] for seed in seeds]
        values = values_of(baseline, process, name)
        more = values_of(TEACHER, process, name) - values if TEACHER in seeds[0] else np.full(len(seeds), math.nan)
        rows.append(
            {
                "process": process,
                "figure": name,
                "baseline": baseline,
                "mean": float(values.mean()),
                "error": math.sqrt(np.mean([float(estimate.error) ** 2 for estimate in estimates])),
                "spread": spread(values),
                "teacher's more": float(more.mean()),
                "its error": spread(more) / math.sqrt(len(more)),
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Compare the baselines with each seed."""
    options = parse(Options, __doc__, argv)
    if options.process_shares is None:
        options = replace(options, process_shares=CONFIGURED_SHARES)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    found = []
    for seed in range(1, 1 + options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(compare(options, seed, Path(folder)))
    report(options, table_rows(found))


if __name__ == "__main__":
    main()
