"""Run conditions of the LHC, which turn a cross section into a rate, and working points of the trigger."""

from collections.abc import Sequence
from dataclasses import dataclass

from utils.runtime.options import flag


@dataclass(frozen=True, kw_only=True)
class RunConditions:
    """Run conditions for the rates."""

    luminosity: float = flag(2e34, help="luminosity of all bunches together, for the rates", unit="cm^-2 s^-1", above=0)
    colliding_bunches: int = flag(
        2448, help="pairs of bunches that collide, for the rates; depends on the LHC fill", minimum=1, maximum=3564
    )


@dataclass(frozen=True)
class WorkingPoint:
    """A working point of the trigger: a fixed background efficiency or rate.

    Attributes
    ----------
    background_efficiency : float
    rate : float or None
        In kHz, for a working point at a fixed rate.
    """

    background_efficiency: float
    rate: float | None = None

    @property
    def label(self) -> str:
        """Background efficiency in percent, or the fixed rate in kHz."""
        return f"{100 * self.background_efficiency:g}%" if self.rate is None else f"{self.rate:g} kHz"


def rates_first(working_points: Sequence[WorkingPoint]) -> list[tuple[int, WorkingPoint]]:
    """Return the working points with their numbers, those at a fixed rate first, as tables and the report show them."""
    return sorted(enumerate(working_points), key=lambda numbered: numbered[1].rate is None)
