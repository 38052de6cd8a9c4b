"""Run conditions of the LHC, and working points of the trigger."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunConditions:
    """What makes a rate of a cross section.

    Attributes
    ----------
    luminosity : float
        In cm^-2 s^-1.
    colliding_bunches : int
        Pairs of bunches that collide in the experiment.
    """

    luminosity: float
    colliding_bunches: int


@dataclass(frozen=True)
class WorkingPoint:
    """What of the background may pass.

    Attributes
    ----------
    background_efficiency : float
    rate : float or None
        In kHz, where it is this that was asked for.
    """

    background_efficiency: float
    rate: float | None = None
