"""Classifiers of signal against background: rankings of events by their L1 objects, not corrections of a sum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.methods.training import LOG_FEATURES, VALIDATION
from benchmarks.methods.trees import event_features, quantile_levels
from utils.cutflow import StepCounter
from utils.data_processing import graph_creator
from utils.formats.fingerprints import SmallestFingerprints
from utils.l1_events import L1Events
from utils.predictions import Model
from utils.training.loss_weights import LossSpectrum, LossWeights
from utils.training.normalisation import Moments
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.training_graphs import GraphPart, TrainingGraphs
from utils.variables import reconstructed

if TYPE_CHECKING:
    import keras

    from nn.tensors import Tensor


LEAST_SHARE = 5e-5  # of the background: the events above it count the same, a fraction of the lowest rate


@dataclass(frozen=True)
class LabelledEvents:
    """Events of a signal and of the background, to train a classifier.

    Attributes
    ----------
    events : L1Events
    is_signal : np.ndarray, shape (n_events,), bool
    weights : np.ndarray, shape (n_events,), float32
        Weight in the loss. Signal and background have the same sum, and the mean is 1.
    variable : str
        Variable of the trigger, which decides the objects: all for MET, jets for HT.
    seed : int
    """

    events: L1Events
    is_signal: np.ndarray
    weights: np.ndarray
    variable: str
    seed: int

    @classmethod
    def of(cls, signal: L1Events, background: L1Events, variable: str, power: float, seed: int) -> "LabelledEvents":
        """Join a signal and the background.

        An event of weight w counts as (w / R)^power. R is the share of the background with a larger L1 sum, so that
        each factor of the background rate counts the same. R depends on L1 quantities only, and changes the weights of
        signal and background alike: with a power of 1 the best classifier stays the likelihood ratio.
        """
        weights = [
            LossWeights(power).powers(events.weights / share_above(events, background, variable))
            for events in (signal, background)
        ]
        n_events = sum(map(len, weights))
        scaled = np.concatenate([part * (n_events / 2 / part.sum()) for part in weights]).astype(np.float32)
        is_signal = np.arange(n_events) < len(signal)
        return cls(L1Events.concatenate([signal, background]), is_signal, scaled, variable, seed)


def share_above(events: L1Events, background: L1Events, variable: str) -> np.ndarray:
    """Return the share of the background whose L1 sum is not below the L1 sum of each event."""
    name = reconstructed(variable)
    sums, in_background = getattr(events, name), getattr(background, name)
    order = np.argsort(in_background)
    below = np.concatenate([[0], np.cumsum(background.weights[order], dtype=np.float64)])
    share = 1 - below[np.searchsorted(in_background[order], sums)] / below[-1]
    return np.maximum(share, LEAST_SHARE)


Classifier = Callable[[LabelledEvents], Model]


def trees(training: LabelledEvents) -> Model:
    """Boost trees on features of the events; their scores are logits."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    creator = graph_creator(training.variable)

    def inputs(events: L1Events) -> np.ndarray:
        return event_features(creator.features(events), creator)

    model = HistGradientBoostingClassifier(
        max_iter=500,
        learning_rate=0.05,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        early_stopping=True,
        validation_fraction=VALIDATION,
        n_iter_no_change=20,
        random_state=training.seed,
    )
    features = inputs(training.events)
    levels = quantile_levels(features)
    model.fit(levels(features), training.is_signal, training.weights)
    return Model(inputs, lambda features: model.decision_function(levels(features)), gives_sums=True)


def network(training: LabelledEvents) -> Model:
    """Train the graph network of the teacher with the output of a classifier; its scores are logits."""
    import keras

    from benchmarks.methods.networks import HYPERPARAMETERS, teacher, trained
    from nn.prediction import predict
    from nn.teacher import TeacherHyperModel

    creator = graph_creator(training.variable, LOG_FEATURES[training.variable])
    labels = np.stack([training.is_signal, getattr(training.events, training.variable)], axis=1).astype(np.float32)
    processes = np.zeros(len(labels), np.int16)
    graphs = training_graphs(
        RaggedGraphs.from_events(creator, training.events, labels, training.weights, processes), training.seed
    )
    hypermodel = TeacherHyperModel.from_moments(creator, graphs.moments, "mse")

    def compiled(model: keras.Model) -> None:
        model.compile(keras.optimizers.Adam(HYPERPARAMETERS.learning_rate), cross_entropy, jit_compile=False)
        model.optimizer.build(model.trainable_variables)

    padded = trained(lambda packed: as_classifier(teacher(hypermodel, packed)), compiled, graphs, training.seed)
    return Model(creator.features, lambda features: predict(padded, features), gives_sums=True)


CLASSIFIERS: dict[str, Classifier] = {"trees": trees, "network": network}


def training_graphs(graphs: RaggedGraphs, seed: int) -> TrainingGraphs:
    """Divide graphs into training and validation at random, events without a jet and without any object included."""
    in_validation = np.random.default_rng(seed).random(len(graphs)) < VALIDATION
    parts = [graphs.take(np.flatnonzero(rows)) for rows in (~in_validation, in_validation)]
    training, validation = (GraphPart([part], len(part), None, np.ones(1)) for part in parts)
    moments = Moments()
    moments.add(parts[0].nodes)
    return TrainingGraphs(
        training,
        validation,
        n_chunks=1,
        n_labels=graphs.labels.shape[1],
        largest=int(graphs.sizes.max()),
        moments=moments,
        counter=StepCounter({}, ()),
        spectrum=LossSpectrum.empty((), ()),
        fingerprints=SmallestFingerprints(),
    )


def as_classifier(network: "keras.Model") -> "keras.Model":
    """Replace the last dense layer of a network for corrections, and what follows, by a logit."""
    import keras

    last = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)][-1]
    return keras.Model(network.input, keras.layers.Dense(1, name="logit")(last.input))


def cross_entropy(labels: "Tensor", logits: "Tensor") -> "Tensor":
    """Binary cross-entropy, shape (batch,), of labels, shape (batch, 2), whose first is 1 for signal, and logits."""
    import keras

    return keras.losses.binary_crossentropy(labels[:, :1], logits, from_logits=True)
