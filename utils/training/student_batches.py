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
from utils.training.training_graphs import TrainingGraphs


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


class StudentBatches(TrainingBatches):
    """Batches of the inputs of a student, all of the same shape.

    Training events that do not fill a batch are left out, different ones in each epoch. The last validation batch is
    filled up with events of weight 0.

    Parameters
    ----------
    graphs : TrainingGraphs
        Made with a StudentCreator.
    validation : bool
    batch_size : int
    seed : int
    inputs : StudentInputs
    """

    def __init__(self, graphs: TrainingGraphs, validation: bool, batch_size: int, seed: int, inputs: StudentInputs):
        super().__init__(graphs, validation, batch_size, seed)
        self._inputs = inputs

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return super().__len__() if self._validation else self.n_graphs // self._batch_size

    def _batch(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        features = graphs.padded(self._inputs.n_slots)
        yield self._inputs.split_features(features), graphs.labels, graphs.weights

    def _last(self, graphs: RaggedGraphs, rng: np.random.Generator) -> Iterator[Batch]:
        if self._validation:
            missing = self._batch_size - len(graphs)
            filling = graphs.take(np.zeros(missing, np.int64))
            filled = RaggedGraphs.concatenate([graphs, replace(filling, weights=np.zeros(missing, np.float32))])
            yield from self._batch(filled, rng)
