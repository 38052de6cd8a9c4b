"""What events come from: collisions of Pythia, or those of a file, with weights that sum to a cross section."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from utils.formats.text_events import HardEvents
from utils.runtime.errors import UserError
from utils.simulation.particles import Particles


class EventSource(ABC):
    """Source of the events of one process.

    Parameters
    ----------
    process : str
        Name for messages.
    cross_section_pb : float, optional
        Cross section in pb in place of the one that the source has.

    Attributes
    ----------
    file : Path or None
        File of another generator that is read, if any.
    hard_events : HardEvents or None
        Range of its events.
    """

    file: Path | None = None
    hard_events: HardEvents | None = None

    def __init__(self, process: str, cross_section_pb: float | None):
        self._process, self._given = process, cross_section_pb
        self._n_asked, self._weight_sum = 0, 0.0

    @abstractmethod
    def batch(self, n_events: int) -> tuple[Particles, np.ndarray]:
        """Return stable particles, including invisible ones, and relative weights, shape (n,), of the next events."""

    @property
    @abstractmethod
    def energy(self) -> float:
        """Centre-of-mass energy in GeV."""

    @abstractmethod
    def estimate(self) -> tuple[float, float]:
        """Return the cross section and its statistical error in pb, estimated by the source from all events so far."""

    @property
    def n_tried(self) -> int:
        """Number of events so far, including failed and vetoed ones."""
        return self._n_asked

    @property
    def cross_section_pb(self) -> float:
        """Cross section in pb: the one that is given, or the estimate."""
        return self._given or self.estimate()[0]

    @property
    def cross_section_error_pb(self) -> float:
        """Statistical error of the cross section in pb, 0 of one that is given."""
        return 0.0 if self._given else self.estimate()[1]

    @property
    def weight_scale(self) -> float:
        """Factor by which the weights of all events so far sum to the cross section in pb.

        The unit of weights depends on the generator, for Pythia also on the strategy of a Les Houches file, and its
        sums of weights have yet other units. Therefore only the cross section is used.

        Raises
        ------
        UserError
            If the cross section or the sum of weights is not above 0.
        """
        if not self._weight_sum > 0:
            raise UserError(
                f"process {self._process}: expected events whose weights sum to more than 0, found a sum of "
                f"{self._weight_sum:g}"
            )
        if not self.cross_section_pb > 0:
            raise UserError(
                f"process {self._process}: expected a cross section above 0, found {self.cross_section_pb:g} pb: "
                "give it by --cross_section"
            )
        return self.cross_section_pb / self._weight_sum
