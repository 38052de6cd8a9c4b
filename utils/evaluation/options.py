"""Options of the evaluation."""

from dataclasses import dataclass

from utils.evaluation.binning import BINNINGS, REACHED_EFFICIENCIES
from utils.evaluation.run_conditions import RunConditions
from utils.runtime.options import flag

UNIQUE = {"uniqueItems": True}


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(RunConditions):
    """Processes, thresholds and working points of the evaluation."""

    signal_names: tuple[str, ...] = flag(
        ("W", "hToTauTau", "hChToTauNu"), help="signal processes", processes=True, schema=UNIQUE
    )
    bg_names: tuple[str, ...] = flag(
        ("QCD",), help="background processes, taken together", processes=True, schema={**UNIQUE, "minItems": 1}
    )
    inclusive_thresholds: tuple[float, ...] | None = flag(
        None,
        help="thresholds of the turn-on curves; if not given, those of the variable",
        unit="GeV",
        minimum=0,
        by_variable={variable: binning.inclusive_thresholds for variable, binning in BINNINGS.items()},
        schema=UNIQUE,
    )
    scaling_thresholds: tuple[float, ...] | None = flag(
        None,
        help="thresholds of the online-to-offline scaling; if not given, those of the variable",
        unit="GeV",
        minimum=0,
        by_variable={variable: binning.scaling_thresholds for variable, binning in BINNINGS.items()},
        schema=UNIQUE,
    )
    offline_efficiency: float = flag(
        0.9,
        help="signal efficiency that defines the offline threshold of the rates",
        choices=REACHED_EFFICIENCIES,
    )
    background_efficiencies: tuple[float, ...] = flag(
        (0.05, 0.01),
        help="working points: background efficiencies at which signal efficiencies are compared",
        above=0,
        maximum=1,
        schema={**UNIQUE, "minItems": 1},
    )
    fixed_rates: tuple[float, ...] = flag(
        (30.0, 10.0, 3.0),
        help="working points at fixed background rates; a background without weights has no rates",
        unit="kHz",
        above=0,
        schema=UNIQUE,
    )

    def check(self) -> None:
        """Refuse an evaluation without signal, background or working point, and a process that is named twice."""
        for name in ("signal_names", "bg_names", "background_efficiencies"):
            if not getattr(self, name):
                raise ValueError(f"argument --{name}: expected at least one")
        names = self.signal_names + self.bg_names
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise ValueError(f"arguments --signal_names, --bg_names: '{repeated[0]}' is named twice")

    def thresholds(self, variable: str) -> tuple[float, ...]:
        """Thresholds of the turn-on curves of a variable, in GeV."""
        return self.inclusive_thresholds or BINNINGS[variable].inclusive_thresholds

    def thresholds_of_scaling(self, variable: str) -> tuple[float, ...]:
        """Thresholds of the online-to-offline scaling of a variable, in GeV."""
        return self.scaling_thresholds or BINNINGS[variable].scaling_thresholds
