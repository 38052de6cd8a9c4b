"""The correction of a trained teacher or student as a function of events.

For example, where `output/teacher_true_met` is the output of a training::

    corrected = load_correction("output/teacher_true_met")
    met = corrected(events)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nn.trained import load_trained
from utils.event_layout import N_SLOTS
from utils.l1_events import L1Events
from utils.predictions import CorrectedSums, Model
from utils.training.records import Training, read_training


@dataclass(frozen=True)
class Correction:
    """A trained correction, see :func:`load_correction`.

    Attributes
    ----------
    training : Training
    model : Model
    """

    training: Training
    model: Model

    def __call__(self, events: L1Events | np.ndarray) -> np.ndarray:
        """Return the corrected sums of events on the calibrated scale, shape (n_events,), float32, in GeV.

        Parameters
        ----------
        events : L1Events, or np.ndarray, shape (n_events, 18, 3)
            Events, or pT [GeV], eta, phi of their 4 muons, 4 e/g and 10 jets at L1; empty where pT = 0.
        """
        return self.sums(events).calibrated_sum

    def sums(self, events: L1Events | np.ndarray) -> CorrectedSums:
        """Return the L1 sum, the correction and the corrected sums of events, given as for a call."""
        if isinstance(events, np.ndarray):
            if events.shape[1:] != (N_SLOTS, 3):
                raise ValueError(f"events: expected shape (n_events, {N_SLOTS}, 3), received: {events.shape}")
            events = L1Events.of_objects(events.astype(np.float32, copy=False))
        return CorrectedSums.predicted(events, self.training.creator.variable, self.model)


def load_correction(folder: str | Path) -> Correction:
    """Load the correction of a training from its output folder, such as ``output/teacher_true_met``."""
    training = read_training(Path(folder))
    return Correction(training, load_trained(training).model)
