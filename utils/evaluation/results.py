"""All results of an evaluation."""

from dataclasses import dataclass

from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.process_result import ProcessResult
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.signal_result import SignalResult
from utils.evaluation.zero_bias_result import ZeroBiasResult


@dataclass(frozen=True)
class Results:
    """All results of an evaluation.

    Attributes
    ----------
    variable : str
        The true variable.
    models : list of str
        Their names; the first one is the model that single plots are of.
    background_names : list of str
    beams : RunConditions or None
        None where the background has no weights.
    unweighted : list of str
        Processes whose events have no weights, and count 1 each.
    notes : list of str
        What a reader has to know first: that there are no weights, that events were trained on.
    n_events : int
        In the file.
    processes : dict of str to ProcessResult
    background : BackgroundResult
    signals : dict of str to SignalResult
    zero_bias : ZeroBiasResult or None
        None without such events.
    """

    variable: str
    models: list[str]
    background_names: list[str]
    beams: RunConditions | None
    unweighted: list[str]
    notes: list[str]
    n_events: int
    processes: dict[str, ProcessResult]
    background: BackgroundResult
    signals: dict[str, SignalResult]
    zero_bias: ZeroBiasResult | None

    @property
    def background_name(self) -> str:
        """Name of all background processes together."""
        return "+".join(self.background_names)
