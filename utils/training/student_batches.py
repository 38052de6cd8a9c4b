"""Training events and batches of the student: inputs in fixed slots, and labels with distillation targets."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from utils.data_processing import GraphCreator
from utils.event_layout import PT
from utils.hardware.inputs import StudentInputs
from utils.l1_events import L1Events
from utils.training.batches import Batch, TrainingBatches
from utils.training.ragged_graphs import RaggedGraphs
from utils.training.rate_weights import RateWeights, fit_rate_weights
from utils.training.rising_tables import MOST_EVENTS
from utils.training.training_graphs import TrainingGraphs

TEACHER_CORRECTION = 2  # column of the labels: after the correction and the true variable


class StudentCreator:
    """Features and labels of the student's training events; takes the place of a GraphCreator.

    Parameters
    ----------
    creator : GraphCreator
        Creator of the same variable, for the labels.
    inputs : StudentInputs
    distillation_targets : callable, optional
        Function of L1Events that returns the outputs of a teacher, shape (n_events, n), to append to the labels.

    Attributes
    ----------
    variable : str
    inputs : StudentInputs
    """

    def __init__(
        self,
        creator: GraphCreator,
        inputs: StudentInputs,
        distillation_targets: Callable[[L1Events], np.ndarray] | None = None,
    ):
        self.variable, self.inputs = creator.variable, inputs
        self._creator, self._distillation_targets = creator, distillation_targets

    def nodes(self, events: L1Events) -> tuple[np.ndarray, np.ndarray]:
        """Find the real objects, (n_events, n_slots), and their features, (n_real, n_features), float32."""
        features = self.inputs.features(events)
        real = features[:, :, PT] > 0
        return real, features[real]

    def labels(self, events: L1Events) -> np.ndarray:
        """Compute correction, true variable [GeV] and distillation targets, shape (n_events, 2 + n), float32."""
        labels = self._creator.labels(events)
        if self._distillation_targets is None:
            return labels
        return np.concatenate([labels, self._distillation_targets(events)], axis=1)


def teacher_sums(graphs: RaggedGraphs, inputs: StudentInputs) -> np.ndarray:
    """Return the corrected sums of the teacher in GeV, shape (n_graphs,), float32; L1 sums are in steps.

    They are 0 for events whose objects all have a pT of 0 steps.
    """
    sums = np.append(graphs.nodes[:, inputs.n_object_features], np.float32(0))  # each object has those of its event
    first_sum = sums[np.where(graphs.sizes > 0, graphs.starts, -1)]
    return graphs.labels[:, TEACHER_CORRECTION] * first_sum * np.float32(inputs.scales.energy_unit)


def free_outputs(split: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return which events have an output that is no rule, shape (n_events,), bool, from `StudentInputs.split_features`.

    Of the others, which are saturated or have an L1 sum of 0 steps, both limits of the output are the same.
    """
    *_, lowest, highest = split
    return (lowest < highest)[:, 0]


def training_rate_weights(graphs: TrainingGraphs, inputs: StudentInputs) -> RateWeights:
    """Find the rate weights of the training part, by the corrected sums of the teacher.

    Events whose output is a rule count in the rates alone, since they have no part in the loss. Of more than
    `MOST_EVENTS` a random part is taken, so that time and memory are bounded.
    """
    part, rng = graphs.training, np.random.default_rng(0)
    share, columns = MOST_EVENTS / part.n_graphs, []
    for number in range(graphs.n_chunks):
        raw, weighted = part.chunks[number], part.chunk(number)
        chosen = np.flatnonzero(rng.random(len(raw)) < share)
        raw, weighted = raw.take(chosen), weighted.take(chosen)
        in_loss = weighted.weights * free_outputs(inputs.split_features(raw.padded(inputs.n_slots)))
        columns.append((teacher_sums(raw, inputs), raw.weights, in_loss))
    sums, cross_sections, loss_weights = (np.concatenate(column) for column in zip(*columns, strict=True))
    return fit_rate_weights(sums, cross_sections, loss_weights)


class StudentBatches(TrainingBatches):
    """Batches of the inputs of a student, all of the same shape.

    Training events that do not fill a batch are left out, different ones in each epoch. The last validation batch is
    filled up with events of weight 0. Events whose output is a rule, because they are saturated or their L1 sum is 0
    steps, have weight 0: they would add a constant to the loss.

    Parameters
    ----------
    graphs : TrainingGraphs
        Made with a StudentCreator.
    validation : bool
    batch_size : int
    seed : int
    inputs : StudentInputs
    rate_weights : RateWeights, optional
        Further weights of the events, by the corrected sum of the teacher.
    """

    def __init__(
        self,
        graphs: TrainingGraphs,
        validation: bool,
        batch_size: int,
        seed: int,
        inputs: StudentInputs,
        rate_weights: RateWeights | None = None,
    ):
        super().__init__(graphs, validation, batch_size, seed)
        self._inputs, self._rate_weights = inputs, rate_weights

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return super().__len__() if self._validation else self.n_graphs // self._batch_size

    def _batch(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        features, weights = graphs.padded(self._inputs.n_slots), graphs.weights
        if self._rate_weights:
            weights = weights * self._rate_weights(teacher_sums(graphs, self._inputs)).astype(np.float32)
        inputs = self._inputs.split_features(features)
        yield inputs, graphs.labels, weights * free_outputs(inputs)

    def _last(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        if self._validation:
            missing = self._batch_size - len(graphs)
            filling = graphs.take(np.zeros(missing, np.int64))
            filled = RaggedGraphs.concatenate([graphs, replace(filling, weights=np.zeros(missing, np.float32))])
            yield from self._batch(filled, rng)
