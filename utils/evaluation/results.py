"""All results of an evaluation."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from utils.compat.glibc import return_freed_memory
from utils.evaluation.background_result import BackgroundResult, evaluate_background
from utils.evaluation.binning import BINNINGS
from utils.evaluation.options import EvaluationOptions
from utils.evaluation.process_result import ProcessResult, evaluate_process
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.samples import Sample, unweighted_processes
from utils.evaluation.scaling_result import ScalingResult, evaluate_scaling
from utils.evaluation.signal_result import SignalResult, evaluate_signal
from utils.evaluation.zero_bias_result import ZeroBiasResult
from utils.predictions import Predictions
from utils.runtime.options import part

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Results:
    """All results of an evaluation.

    Attributes
    ----------
    variable : str
        The true variable.
    models : list of str
        Names of the models; plots of a single model show the first one.
    background_names : sequence of str
    run_conditions : RunConditions or None
        None for a background without weights.
    unweighted : list of str
        Processes whose events have no weights, and count 1 each.
    notes : list of str
        Warnings for the reader, such as missing weights or events that a model was trained on.
    n_events : int
        In the files.
    processes : dict of str to ProcessResult
    background : BackgroundResult
    signals : dict of str to SignalResult
    scalings : dict of str to ScalingResult
        Of each signal.
    zero_bias : ZeroBiasResult or None
        None without zero-bias events.
    calibrated : list of str
        Models whose sums are calibrated.
    """

    variable: str
    models: list[str]
    background_names: Sequence[str]
    run_conditions: RunConditions | None
    unweighted: list[str]
    notes: list[str]
    n_events: int
    processes: dict[str, ProcessResult]
    background: BackgroundResult
    signals: dict[str, SignalResult]
    scalings: dict[str, ScalingResult]
    zero_bias: ZeroBiasResult | None
    calibrated: list[str]

    @property
    def background_name(self) -> str:
        """Name of all background processes together."""
        return "+".join(self.background_names)


def evaluate(
    predictions: Mapping[str, Predictions],
    samples: Sequence[Sample],
    variable: str,
    options: EvaluationOptions,
    seed: int,
    notes: list[str],
    zero_bias: ZeroBiasResult | None,
) -> Results:
    """Evaluate each process, the background, and each signal against it.

    Parameters
    ----------
    predictions : mapping of str to Predictions
        By process.
    samples : sequence of Sample
        The files of the events.
    variable : str
    options : EvaluationOptions
    seed : int
        Seed of the bootstrap errors.
    notes : list of str
    zero_bias : ZeroBiasResult or None
    """
    return_freed_memory()  # of the prediction
    binning, thresholds = BINNINGS[variable], options.thresholds(variable)
    unweighted = unweighted_processes(samples)
    run_conditions = None if options.bg_names[0] in unweighted else part(options, RunConditions)
    processes = {}
    for name in (*options.signal_names, *options.bg_names):
        logger.info("evaluate %s", name)
        processes[name] = evaluate_process(predictions[name], binning, thresholds, seed, name)
    background_events = Predictions.concatenate([predictions[name] for name in options.bg_names])
    background = evaluate_background(
        background_events,
        binning,
        options.background_efficiencies,
        run_conditions,
        options.fixed_rates,
        seed,
    )
    signals, scalings = {}, {}
    for name in options.signal_names:
        logger.info("evaluate %s against the background", name)
        signals[name] = evaluate_signal(predictions[name], background, binning, seed, name)
        scalings[name] = evaluate_scaling(
            predictions[name],
            background_events,
            background,
            run_conditions,
            binning,
            options.thresholds_of_scaling(variable),
            options.offline_efficiency,
            seed,
            name,
        )
    return Results(
        variable=variable,
        models=list(background_events.corrections),
        background_names=options.bg_names,
        run_conditions=run_conditions,
        unweighted=unweighted,
        notes=notes,
        n_events=sum(sample.data.n_events for sample in samples),
        processes=processes,
        background=replace(background, rankings={}),  # as large as the events, and no plot needs them
        signals=signals,
        scalings=scalings,
        zero_bias=zero_bias,
        calibrated=list(background_events.calibrations),
    )
