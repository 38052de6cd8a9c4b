"""Networks of the inputs and the target of the teacher, and the teacher itself.

Each function builds a network, not compiled, from the hypermodel of a teacher; `packed` says whether events share rows.
The defaults give about as many parameters as the teacher's.
"""

from collections.abc import Callable

import keras
from keras import ops

from benchmarks.methods.training import LOG_FEATURES, Baseline, Training
from nn.graph_inputs import GraphInputs
from nn.layers import Correction, EventSum
from nn.prediction import predict
from nn.teacher import (
    LEAST_SUM,
    SUM_UNITS,
    TeacherHyperModel,
    TeacherHyperparameters,
    build_teacher,
    copy_weights,
    correction_output,
    node_inputs,
)
from nn.tensors import Tensor
from nn.training.fit import stopping_callbacks
from nn.training.stacks import fit
from utils.data_processing import graph_creator
from utils.event_layout import PHI, PT
from utils.training.batches import training_batches
from utils.training.training_graphs import TrainingGraphs

EPOCHS, PATIENCE, BATCH_SIZE = 25, 6, 256
HYPERPARAMETERS = TeacherHyperparameters()
FIRST_WEIGHTS = 0.02  # scale of the first differences of the weights of objects from 1, as in L1METML

Builder = Callable[..., keras.Model]


def train(training: Training, build: Builder) -> Baseline:
    """Train a network with the learning rate and the loss of the teacher."""
    creator = graph_creator(training.creator.variable, LOG_FEATURES[training.creator.variable])
    graphs = training.graphs(creator)
    hypermodel = TeacherHyperModel.from_moments(creator, graphs.moments, training.options.loss_function)
    padded = trained(
        lambda packed: build(hypermodel, packed=packed),
        lambda model: hypermodel.compile(model, HYPERPARAMETERS.learning_rate),
        graphs,
        training.seed,
    )
    return Baseline(creator, lambda features: predict(padded, features))


def trained(
    build: Callable[[bool], keras.Model], compiled: Callable[[keras.Model], None], graphs: TrainingGraphs, seed: int
) -> keras.Model:
    """Build a network, compile the one whose events share rows, train it, and return the one that predicts."""
    keras.utils.set_random_seed(seed)
    model, padded = (build(packed) for packed in (True, False))
    compiled(model)
    batches, validation = training_batches(graphs, BATCH_SIZE, seed)
    fit(model, batches, validation, epochs=EPOCHS, callbacks=stopping_callbacks(PATIENCE))
    copy_weights(model, padded)
    return padded


def teacher(hypermodel: TeacherHyperModel, packed: bool = False) -> keras.Model:
    """Build the teacher with its default hyperparameters."""
    names, log_features = hypermodel.feature_names, hypermodel.log_features
    return build_teacher(HYPERPARAMETERS, names, hypermodel.mean, hypermodel.variance, log_features, packed)


def deep_sets(hypermodel: TeacherHyperModel, packed: bool = False, layers: int = 3, units: int = 144) -> keras.Model:
    """Build a network without a connection between objects before the sum (Zaheer et al. 2017, arXiv:1703.06114)."""
    graphs, x = _inputs(hypermodel, packed)
    for number in range(1, layers + 1):
        x = _dense(units, f"object_{number}")(x)
    return _corrected(hypermodel, graphs, x)


def jedi_linear(hypermodel: TeacherHyperModel, packed: bool = False, units: int = 120) -> keras.Model:
    """Build a network whose objects are updated once with the sum of all objects of their event.

    It takes the place of messages between pairs, so that the cost is linear in the number of objects, as in JEDI-linear
    (Que et al. 2025, arXiv:2508.15468), here in floats.
    """
    graphs, x = _inputs(hypermodel, packed)
    x = _dense(units, "object")(x)
    x = ops.concatenate([x, ops.matmul(_same_event(graphs), x)], axis=-1)
    x = _dense(units, "update_1")(x)
    x = _dense(units, "update_2")(x)
    return _corrected(hypermodel, graphs, x)


def object_weights(
    hypermodel: TeacherHyperModel, packed: bool = False, layers: int = 3, units: int = 184
) -> keras.Model:
    """Build a network that gives each object a weight; the corrected sum is the sum of the weighted momenta.

    The idea is that of DeepMET (CMS 2025, arXiv:2509.12012) and L1METML. The momenta are vectors for MET and scalars
    for HT. Weights begin near 1, where the corrected sum is the L1 sum.
    """
    graphs, x = _inputs(hypermodel, packed)
    for number in range(1, layers + 1):
        x = _dense(units, f"object_{number}")(x)
    first = keras.initializers.VarianceScaling(FIRST_WEIGHTS)
    weights = keras.layers.Dense(1, kernel_initializer=first, bias_initializer="ones", name="weight")(x)
    names, log_features = hypermodel.feature_names, hypermodel.log_features
    pt, phi = graphs.features[:, :, PT : PT + 1], graphs.features[:, :, PHI : PHI + 1]
    pt = ops.expm1(pt) if "pt" in log_features else pt
    name = next(name for name in SUM_UNITS if name in names)
    unit = SUM_UNITS[name]
    if name == "met":
        total = graphs.sum_nodes(weights * ops.concatenate([pt * ops.cos(phi), pt * ops.sin(phi)], axis=-1) / unit)
        # The small number gives a gradient where the sum is 0.
        corrected = ops.sqrt(ops.sum(ops.square(total), axis=-1, keepdims=True) + keras.config.epsilon())
    else:
        corrected = ops.relu(graphs.sum_nodes(weights * pt / unit))
    l1_sum = EventSum(names.index(name), name in log_features, unit, name="l1_sum")(graphs.nodes_of_events())
    return keras.Model(graphs.inputs, Correction(LEAST_SUM / unit, name="correction")([corrected, l1_sum]))


def _inputs(hypermodel: TeacherHyperModel, packed: bool) -> tuple[GraphInputs, Tensor]:
    names, log_features = hypermodel.feature_names, hypermodel.log_features
    return node_inputs(HYPERPARAMETERS, names, hypermodel.mean, hypermodel.variance, log_features, packed)


def _dense(units: int, name: str) -> keras.layers.Dense:
    return keras.layers.Dense(units, HYPERPARAMETERS.activation, name=name)


def _corrected(hypermodel: TeacherHyperModel, graphs: GraphInputs, x: Tensor) -> keras.Model:
    """End a network with the sum over the objects and the readout of the teacher."""
    names, log_features = hypermodel.feature_names, hypermodel.log_features
    correction = correction_output(graphs.sum_nodes(x), graphs, HYPERPARAMETERS, names, log_features)
    return keras.Model(graphs.inputs, correction)


def _same_event(graphs: GraphInputs) -> Tensor:
    """Return 1 where two nodes of a row are real and of the same event, otherwise 0, (rows, nodes, nodes)."""
    if graphs.same_event is not None:
        return graphs.same_event
    real = ops.cast(graphs.mask, graphs.features.dtype)
    return real[:, :, None] * real[:, None, :]
