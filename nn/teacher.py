"""The teacher: a graph attention network that regresses the correction factor of an event."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from nn.devices import DividedModel, distribution_strategy, only_gpu
from nn.graph_inputs import GraphInputs
from nn.layers import Correction, EventSum, GraphAttention, RelativeKinematics, SplitPid, WithinRange, WithoutAngles
from nn.losses import get_loss
from nn.metrics import MseThesholdMetric
from utils.data_processing import GraphCreator
from utils.training.hyperparameters import TeacherHyperparameters
from utils.training.normalisation import Moments
from utils.training.search_space import DEFAULT_SEARCH_SPACE, SearchSpace

L2 = 5e-6
PID_CODES = 4  # 0 empty, 1 muon, 2 e/g, 3 jet

# Types of the hidden layers of a mixed precision: products in bfloat16, weights in float32. A bfloat16 has the range of
# a float32, so no loss has to be scaled.
FULL_PRECISION, MIXED_PRECISION = "float32", "mixed_bfloat16"

# Softplus of this bias is 1: training starts from no correction, or from a typical sum.
SOFTPLUS_INVERSE_OF_ONE = math.log(math.e - 1)

# GeV, typical of events with a jet at L1. The first of these that is a feature of the nodes is the sum to correct.
SUM_UNITS = {"met": 16.0, "ht": 64.0}
MOMENTA = ("pt", *SUM_UNITS)  # features in GeV
LEAST_SUM = 0.5  # GeV, a step of the hardware: smaller L1 sums count as this in a factor


def sample_hyperparameters(
    hp: keras_tuner.HyperParameters, feature_names: Sequence[str], space: SearchSpace = DEFAULT_SEARCH_SPACE
) -> TeacherHyperparameters:
    """Draw hyperparameters from the search space, or read those that a trial has drawn.

    Parameters
    ----------
    hp : keras_tuner.HyperParameters
        Hyperparameters of the trial.
    feature_names : sequence of str
        Names of the features; the embedding is searched only if "pid" is among them.
    space : SearchSpace

    Returns
    -------
    TeacherHyperparameters
    """
    names = [name for name in space if name != "embedding" or "pid" in feature_names]
    return TeacherHyperparameters(**{name: _draw(hp, name, space[name]) for name in names})


def _draw(hp: keras_tuner.HyperParameters, name: str, domain: list[Any] | dict[str, Any]) -> Any:
    """Draw a hyperparameter from its domain, one of a `SearchSpace`."""
    default = getattr(TeacherHyperparameters(), name)
    if isinstance(domain, list):
        drawn = hp.Choice(name, domain, default=default if default in domain else None)
        return type(default)(drawn)  # KerasTuner turns booleans into integers
    draw = hp.Int if isinstance(default, int) else hp.Float
    options = {"step": domain["step"]} if "step" in domain else {"sampling": "log"} if domain.get("log") else {}
    return draw(name, min_value=domain["min"], max_value=domain["max"], default=default, **options)


def _check_features(feature_names: Sequence[str], mean: Sequence[float], variance: Sequence[float]) -> None:
    names = list(feature_names)
    if names[:1] != ["pt"] or "pid" in names[:-1] or len(set(names)) != len(names):
        raise ValueError(
            f"expected different names, 'pt' first and 'pid' last if at all, received: feature_names={names}"
        )
    n_continuous = len(names) - ("pid" in names)
    for argument, values in (("mean", mean), ("variance", variance)):
        if len(values) != n_continuous:
            raise ValueError(
                f"expected {n_continuous} values, one for each feature but pid, received: {argument}={list(values)}"
            )
    for name, m, v in zip(names, mean, variance, strict=False):
        if not (math.isfinite(m) and 0 < v < math.inf):
            raise ValueError(f"feature {name}: expected finite mean and variance > 0, received: mean={m}, variance={v}")


def node_inputs(
    hyperparameters: TeacherHyperparameters,
    feature_names: Sequence[str],
    mean: Sequence[float],
    variance: Sequence[float],
    log_features: Sequence[str],
    packed: bool = False,
    largest: Mapping[str, float] | None = None,
) -> tuple[GraphInputs, keras.KerasTensor]:
    """Begin a network: its inputs, and the features of the nodes. Arguments: `build_teacher`."""
    _check_features(feature_names, mean, variance)
    if hyperparameters.relative and tuple(feature_names[1:3]) != ("eta", "phi"):
        raise ValueError(f"relative needs eta and phi after pt, received: feature_names={list(feature_names)}")
    graphs = (GraphInputs.packed if packed else GraphInputs.padded)(len(feature_names))
    if largest:
        momenta = [i for i, name in enumerate(feature_names) if name in MOMENTA]
        log_momenta = [i for i in momenta if feature_names[i] in log_features]
        limits = {feature_names.index(name): value for name, value in largest.items()}
        within_range = WithinRange(momenta, log_momenta, limits, name="within_range")
        graphs = replace(graphs, features=within_range(graphs.features))
    features = graphs.features
    normalization = keras.layers.Normalization(
        mean=[float(value) for value in mean],
        variance=[float(value) for value in variance],
        name="normalization",
    )
    continuous, pid = SplitPid(name="split_pid")(features) if "pid" in feature_names else (features, None)
    nodes = [normalization(continuous)]
    if hyperparameters.relative:
        nodes = [WithoutAngles(name="without_angles")(nodes[0])]
        relative = RelativeKinematics("pt" in log_features, name="relative_kinematics")
        nodes.append(relative(features, graphs.mask, graphs.same_event))
    if pid is not None:
        nodes.append(keras.layers.Embedding(PID_CODES, hyperparameters.embedding, name="pid_embedding")(pid))
    x = keras.layers.Concatenate(name="nodes")(nodes) if len(nodes) > 1 else nodes[0]
    return graphs, x


def correction_output(
    x: keras.KerasTensor,
    graphs: GraphInputs,
    hyperparameters: TeacherHyperparameters,
    feature_names: Sequence[str],
    log_features: Sequence[str],
    precision: str = FULL_PRECISION,
) -> keras.KerasTensor:
    """End a network: from features of the event, shape (batch, width), to the correction, shape (batch, 1)."""
    regularizer = keras.regularizers.L2(L2)
    for number, units in enumerate(hyperparameters.readout, start=1):
        x = keras.layers.Dense(
            units,
            hyperparameters.activation,
            kernel_regularizer=regularizer,
            dtype=precision,
            name=f"readout_{number}",
        )(x)
    output = keras.layers.Dense(
        1,
        activation="softplus",
        bias_initializer=keras.initializers.Constant(SOFTPLUS_INVERSE_OF_ONE),
        kernel_regularizer=regularizer,
        dtype="float32",
        name=hyperparameters.target,
    )(x)
    if hyperparameters.target == "factor":
        return output
    name = next((name for name in SUM_UNITS if name in feature_names), None)
    if name is None:
        raise ValueError(f"target sum needs met or ht, received: feature_names={list(feature_names)}")
    unit = SUM_UNITS[name]
    l1_sum = EventSum(list(feature_names).index(name), name in log_features, unit, name="l1_sum")

    return Correction(LEAST_SUM / unit, name="correction")([output, l1_sum(graphs.nodes_of_events())])


def build_teacher(
    hyperparameters: TeacherHyperparameters,
    feature_names: Sequence[str],
    mean: Sequence[float],
    variance: Sequence[float],
    log_features: Sequence[str] = (),
    packed: bool = False,
    precision: str = FULL_PRECISION,
    largest: Mapping[str, float] | None = None,
) -> keras.Model:
    """Build the teacher, not compiled.

    Parameters
    ----------
    hyperparameters : TeacherHyperparameters
        Hyperparameters of the network; the learning rate has no effect here.
    feature_names : sequence of str
        Names of the input features in their order: "pt" first, "pid", if present, last.
    mean, variance : sequence of float
        Moments of each feature except "pid" over real objects, after the logarithm of log features.
    log_features : sequence of str
        Features that are log(x + 1).
    packed : bool
        Whether events share rows, for a training; `TeacherHyperModel.padded` makes the same network with an event in
        each row.
    precision : str
        Keras' policy for the types of the hidden layers, `FULL_PRECISION` or `MIXED_PRECISION`. The kinematics, the
        sums over objects and the output are computed in float32 in any case.
    largest : mapping of str to float, optional
        Largest sums [GeV] of the training by feature. The momenta of events with larger ones are scaled down to them.

    Returns
    -------
    keras.Model
        From `features`, shape (batch, n_objects, n_features), float32, to the correction factor, shape
        (batch, 1), not negative. Objects of zero pT are padding; n_objects may change from batch to batch.
        If packed, from the arrays of `utils.training.packing.PackedGraphs`.
    """
    regularizer = keras.regularizers.L2(L2)

    graphs, x = node_inputs(hyperparameters, feature_names, mean, variance, log_features, packed, largest)
    for number in range(1, hyperparameters.graph_layers + 1):
        y = GraphAttention(
            hyperparameters.units,
            hyperparameters.heads,
            combine="average" if number == hyperparameters.graph_layers else "concat",
            activation=hyperparameters.activation,
            attention_dropout=hyperparameters.attention_dropout,
            kernel_regularizer=regularizer,
            dtype=precision,
            name=f"graph_attention_{number}",
        )(x, mask=graphs.mask, adjacency=graphs.adjacency)
        if hyperparameters.residual:
            shortcut = keras.layers.Dense(y.shape[-1], use_bias=False, dtype=precision, name=f"shortcut_{number}")(x)
            y = keras.layers.Add(dtype=precision, name=f"residual_{number}")([y, shortcut])
        x = keras.layers.Dropout(hyperparameters.dropout, dtype=precision, name=f"dropout_{number}")(y)

    sums = graphs.sum_nodes(x)
    correction = correction_output(sums, graphs, hyperparameters, feature_names, log_features, precision)
    return keras.Model(graphs.inputs, correction, name="teacher")


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of each layer to the layer of the same name."""
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


class TeacherHyperModel(keras_tuner.HyperModel):
    """Compiled teachers for packed graphs, with the hyperparameters of a trial or with fixed ones.

    Parameters
    ----------
    feature_names, mean, variance
        As for `build_teacher`.
    loss : str
        Name of the loss, as for `nn.losses.get_loss`.
    metric_thresholds : sequence of float
        Thresholds in GeV on the true variable, above which the mean squared error is monitored.
    log_features : sequence of str
        Features that are log(x + 1).
    devices : int
        Devices over which each batch is divided.
    search_space : SearchSpace
        Domains from which a trial draws.
    mixed_precision : bool
        Whether hidden layers are trained in `MIXED_PRECISION`. The weights, and the teacher that predicts, have
        float32.
    by_xla : bool, optional
        Whether XLA compiles the steps, for each shape of a batch; by default on a single GPU. On a CPU it is not
        faster, and compiles longer than most trials train.
    largest : mapping of str to float, optional
        As for `build_teacher`, for the teacher that predicts. The training needs no such limit.

    Raises
    ------
    ValueError
        If there are fewer devices.
    """

    def __init__(
        self,
        feature_names: Sequence[str],
        mean: Sequence[float],
        variance: Sequence[float],
        loss: str,
        metric_thresholds: Sequence[float] = (),
        log_features: Sequence[str] = (),
        devices: int = 1,
        search_space: SearchSpace = DEFAULT_SEARCH_SPACE,
        mixed_precision: bool = False,
        by_xla: bool | None = None,
        largest: Mapping[str, float] | None = None,
    ):
        super().__init__(name="teacher")
        self.feature_names = tuple(feature_names)
        self.mean = tuple(mean)
        self.variance = tuple(variance)
        self.loss = loss
        self.log_features = tuple(log_features)
        self.metric_thresholds = tuple(metric_thresholds)
        self.search_space = search_space
        self.largest = largest
        self._training_precision = MIXED_PRECISION if mixed_precision else FULL_PRECISION
        self._by_xla = only_gpu(devices) is not None if by_xla is None else by_xla
        self._strategy = distribution_strategy(devices)

    @classmethod
    def from_moments(
        cls,
        creator: GraphCreator,
        moments: Moments,
        loss: str,
        metric_thresholds: Sequence[float] = (),
        devices: int = 1,
        search_space: SearchSpace = DEFAULT_SEARCH_SPACE,
        mixed_precision: bool = False,
    ) -> "TeacherHyperModel":
        """Make the model for graphs of a creator, normalised with the moments of their features.

        Raises
        ------
        ValueError
            If a feature is the same in all events, naming it, or there are fewer devices.
        """
        continuous = [i for i, name in enumerate(creator.feature_names) if name != "pid"]
        for i in continuous:
            if moments.variance[i] == 0:
                raise ValueError(f"feature '{creator.feature_names[i]}' is the same in all training events")
        mean, variance = moments.mean[continuous].tolist(), moments.variance[continuous].tolist()
        return cls(
            creator.feature_names,
            mean,
            variance,
            loss,
            metric_thresholds,
            creator.log_features,
            devices,
            search_space,
            mixed_precision,
            largest=_largest_sums(creator, moments),
        )

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Build the compiled teacher of a trial's keras_tuner.HyperParameters."""
        return self.build_fixed(sample_hyperparameters(hp, self.feature_names, self.search_space))

    def build_fixed(self, hyperparameters: TeacherHyperparameters) -> keras.Model:
        """Build the compiled teacher of given TeacherHyperparameters, for packed graphs."""
        with self._strategy.scope():
            model = self._network(hyperparameters, packed=True, precision=self._training_precision)
            if self._strategy.num_replicas_in_sync > 1:
                model = DividedModel(model.input, model.output, name=model.name)
            self.compile(model, hyperparameters.learning_rate)
        return model

    def padded(self, model: keras.Model, hyperparameters: TeacherHyperparameters) -> keras.Model:
        """Return the teacher of the weights of a model of `build_fixed`, not compiled, with an event in each row."""
        teacher = self._network(hyperparameters, packed=False, precision=FULL_PRECISION)
        copy_weights(model, teacher)
        return teacher

    def _network(self, hyperparameters: TeacherHyperparameters, packed: bool, precision: str) -> keras.Model:
        return build_teacher(
            hyperparameters,
            self.feature_names,
            self.mean,
            self.variance,
            self.log_features,
            packed,
            precision,
            None if packed else self.largest,
        )

    def compile(self, model: keras.Model, learning_rate: float) -> None:
        """Compile a model, the teacher or another of the same input and output, for batches of `GraphBatches`."""
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss=get_loss(self.loss),
            metrics=[MseThesholdMetric(threshold) for threshold in self.metric_thresholds],
            jit_compile=self._by_xla,
        )
        # Only an optimizer that is built can take the state of an earlier trial.
        model.optimizer.build(model.trainable_variables)


def _largest_sums(creator: GraphCreator, moments: Moments) -> dict[str, float]:
    """Return the largest sums of a training in GeV, by feature; a sum that is always 0 has no limit."""
    found = {}
    for name, value in zip(creator.feature_names, moments.largest, strict=True):
        if name in SUM_UNITS and value > 0:
            found[name] = math.expm1(value) if name in creator.log_features else float(value)
    return found


def load_teacher(path: str | Path) -> keras.Model:
    """Load a teacher from its .keras file; importing this module has registered the classes that it needs."""
    return keras.models.load_model(path, safe_mode=True)
