"""Content of results.json; its schema is docs/results.schema.json.

Each number has a unit, an error or an interval of one standard deviation, and its number of events: `events` for
counts, `effective_events`, (sum of w)^2 / sum of w^2, for weighted events. Values in bins or at thresholds are lists.
Where none or all of the events pass, error and interval are from the limit. An unknown error is null; none is 0.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from utils.cutflow import EVENT_COUNTS, NamedCutflows, cutflows_record
from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.binning import BINNINGS, REACHED_EFFICIENCIES
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.gains_in_bins import GainsInBins
from utils.evaluation.histograms import Histogram
from utils.evaluation.offline_rates import OfflineRates
from utils.evaluation.process_result import ProcessResult
from utils.evaluation.rates import Rates
from utils.evaluation.response import BinnedResponse
from utils.evaluation.results import Results
from utils.evaluation.run_conditions import WorkingPoint
from utils.evaluation.scaling import Scaling
from utils.evaluation.scaling_result import ScalingResult
from utils.evaluation.section_rates import SectionRates
from utils.evaluation.signal_result import ALL, SignalResult
from utils.evaluation.turn_on import TurnOn, TurnOnGain
from utils.evaluation.turn_on_fit import TurnOnFit
from utils.evaluation.zero_bias_rates import RateThresholds, ZeroBiasRates
from utils.evaluation.zero_bias_result import ZeroBiasResult
from utils.predictions import WITH_JET, WITHOUT_JET, Counts
from utils.variables import reconstructed

FORMAT = 6
GEV, KHZ, PB, RAD, ONE = "GeV", "kHz", "pb", "rad", "1"

Tree = dict[str, Any]
Number = float | np.ndarray


def _estimate(estimate: Estimate, unit: str, **events: Number) -> Tree:
    """Return a number with its error, its unit and its number of events, `events` or `effective_events`."""
    error = np.where(np.greater(estimate.error, 0), estimate.error, np.nan)
    return {"value": estimate.value + 0.0, "error": error, "unit": unit, **events}  # + 0.0: no negative zeros


def _limited(estimate: Estimate, unit: str, largest: float, **events: Number) -> Tree:
    """Return a number between 0 and `largest` with its error and the ends of its interval, which may be limits."""
    low, high = (np.clip(estimate.value + sign * estimate.error, 0, largest) for sign in (-1, 1))
    return {**_estimate(estimate, unit), "low": low, "high": high, **events}


def _efficiency(estimate: Estimate, **events: Number) -> Tree:
    return _limited(estimate, ONE, 1, **events)


def _interval(result: Any, unit: str, **events: Number) -> Tree:
    """Return a number with the ends of its interval."""
    return {"value": result.value, "low": result.low, "high": result.high, "unit": unit, **events}


def _effective(sums: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return effective numbers of events, from sums of weights and their errors."""
    return np.divide(sums**2, errors**2, out=np.zeros_like(sums), where=errors > 0)


def _histogram(content: Histogram, unit: str, unit_of_content: str) -> Tree:
    sums = Estimate(content.values, content.errors)
    effective = _effective(content.values, content.errors)
    return {
        "edges": {"value": content.edges, "unit": unit},
        "content": _estimate(sums, unit_of_content, effective_events=effective),
    }


def _binned(result: BinnedResponse, unit: str) -> Tree:
    names = ("median", "half_width", "resolution")
    values = {name: _estimate(getattr(result, name), ONE, effective_events=result.n_effective) for name in names}
    return {"edges": {"value": result.edges, "unit": unit}, **values}


def _direction(result: BinnedResponse) -> Tree:
    return {
        "edges": {"value": result.edges, "unit": GEV},
        "median": _estimate(result.median, RAD, effective_events=result.n_effective),
        "half_width": _estimate(result.half_width, RAD, effective_events=result.n_effective),
    }


def _fit(fit: TurnOnFit, described: bool, effective_events: float) -> Tree:
    events = {"effective_events": effective_events}
    return {
        "plateau": _estimate(fit.plateau, ONE, **events),
        "midpoint": _estimate(fit.midpoint, GEV, **events),
        "width": _estimate(fit.width, GEV, **events),
        "chi2": fit.chi2,
        "degrees_of_freedom": fit.n_degrees,
        "describes": described,
    }


def _turn_on(curve: TurnOn) -> Tree:
    efficiency = curve.efficiency
    effective = float(efficiency.n_effective.sum())
    return {
        "threshold": {"value": curve.threshold, "unit": GEV},
        "edges": {"value": curve.edges, "unit": GEV},
        "efficiency": _interval(efficiency, ONE, effective_events=efficiency.n_effective),
        "reached": [
            {"efficiency": wanted, "true": _estimate(curve.reached.at(i), GEV, effective_events=effective)}
            for i, wanted in enumerate(REACHED_EFFICIENCIES)
        ],
        "fit": _fit(curve.fit, curve.described, effective),
    }


def _turn_on_gain(gain: TurnOnGain, effective_events: float) -> Tree:
    events = {"effective_events": effective_events}
    return {
        "midpoint": _estimate(gain.midpoint, GEV, **events),
        "at_90_percent": _estimate(gain.at_90_percent, GEV, **events),
        "at_95_percent": _estimate(gain.at_95_percent, GEV, **events),
    }


def _counts(counts: Counts, weighted: bool) -> Tree:
    return {
        "events": counts.events,
        "without_jet": counts.without_jet,
        "without_target": counts.without_target,
        "sum_of_weights": {"value": counts.weight, "unit": PB if weighted else ONE},
    }


def _process(process: ProcessResult, slices: np.ndarray, weighted: bool) -> Tree:
    sums = PB if weighted else ONE
    responses = {}
    for quantity, response in process.response.items():
        content = response.histogram
        effective = float(_effective(content.values.sum(), np.sqrt(np.sum(content.errors**2))))
        responses[quantity] = {
            "histogram": _histogram(content, ONE, sums),
            "core": {
                "mean": _estimate(response.core.mean, ONE, effective_events=effective),
                "sigma": _estimate(response.core.sigma, ONE, effective_events=effective),
                "range": {"value": [response.core.low, response.core.high], "unit": ONE},
                "chi2": response.core.chi2,
                "degrees_of_freedom": response.core.n_degrees,
                "describes": response.core.described,
            },
        }
    return {
        "counts": _counts(process.counts, weighted),
        "target": _histogram(process.target, ONE, sums),
        "prediction": {model: _histogram(content, ONE, sums) for model, content in process.prediction.items()},
        "correction_in_l1_sum": {name: _binned(result, GEV) for name, result in process.correction_in_reco.items()},
        "correction_in_jets": {name: _binned(result, ONE) for name, result in process.correction_in_jets.items()},
        "spectra": {quantity: _histogram(content, GEV, sums) for quantity, content in process.spectra.items()},
        "response": responses,
        "response_slices": {
            quantity: [
                {"true_between": {"value": between, "unit": GEV}, "histogram": _histogram(content, ONE, sums)}
                for between, content in zip(pairwise(slices), contents, strict=True)
            ]
            for quantity, contents in process.response_slices.items()
        },
        "resolution": {quantity: _binned(result, GEV) for quantity, result in process.resolution.items()},
        "inverse_resolution": {
            quantity: _binned(result, GEV) for quantity, result in process.inverse_resolution.items()
        },
        "direction": _direction(process.direction) if process.direction else None,
        "turn_on": {quantity: [_turn_on(curve) for curve in curves] for quantity, curves in process.turn_on.items()},
    }


def _rates(rates: Rates, weighted: bool) -> Tree:
    return {
        "threshold": {"value": rates.thresholds, "unit": GEV},
        "efficiency": _efficiency(rates.efficiency, events=rates.n_events),
        "rate": _limited(rates.rate, KHZ, np.inf, events=rates.n_events) if weighted else None,
    }


def _passing(rates: Mapping[str, Rates], i: int, weighted: bool) -> Tree:
    """Return the background that passes a working point, by quantity."""
    passing = {}
    for quantity, found in rates.items():
        events = {"events": found.n_events[i]}
        rate = _limited(found.rate.at(i), KHZ, np.inf, **events) if weighted else None
        passing[quantity] = {"efficiency": _efficiency(found.efficiency.at(i), **events), "rate": rate}
    return passing


def _working_point(point: WorkingPoint) -> Tree:
    rate = None if point.rate is None else {"value": point.rate, "unit": KHZ}
    return {"background_efficiency": point.background_efficiency, "fixed_rate": rate}


def _background(result: BackgroundResult, names: Sequence[str], weighted: bool) -> Tree:
    return {
        "processes": list(names),
        "working_points": [
            {
                **_working_point(point),
                "beyond_sample": {quantity: beyond[i] for quantity, beyond in result.beyond_sample.items()},
                "passing": _passing(result.at_working_points, i, weighted),
                "parts": {part: _passing(rates, i, weighted) for part, rates in result.parts.items()},
            }
            for i, point in enumerate(result.working_points)
        ],
        "rates": {quantity: _rates(rates, weighted) for quantity, rates in result.rates.items()},
        "rate_ratios": {
            model: _estimate(ratio, ONE, events=result.rates[model].n_events) for model, ratio in result.ratios.items()
        },
    }


def _gains_in_bins(gains: GainsInBins, i: int) -> Tree:
    """Return efficiencies and gains in bins of the true variable at a working point."""
    events = {"effective_events": gains.n_effective}
    return {
        "signal_efficiency": {
            quantity: _efficiency(_row(efficiency, i), **events) for quantity, efficiency in gains.efficiency.items()
        },
        "models": {
            model: {
                "gain": _estimate(_row(gain, i), ONE, **events),
                "below_baseline": gains.below_baseline(model)[i],
            }
            for model, gain in gains.gain.items()
        },
    }


def _row(estimates: Estimate, i: int) -> Estimate:
    """Return the row of a table of numbers."""
    return Estimate(estimates.value[i], estimates.error[i])


def _signal(signal: SignalResult, background: BackgroundResult, counts: Counts) -> Tree:
    points, behind = signal.gains, {"events": counts.events}
    model_gains = {"gain": points.gain, "ratio": points.ratio, "gap_closed": points.gap_closed, "kept": points.kept}
    events_of = {WITH_JET: counts.events - counts.without_jet, WITHOUT_JET: counts.without_jet}
    parts = dict(zip((WITH_JET, WITHOUT_JET), points.parts, strict=True))
    return {
        "roc": {
            quantity: {
                "background_efficiency": roc.background_efficiency,
                "signal_efficiency": roc.signal_efficiency,
                "area": _estimate(roc.area, ONE, **behind),
            }
            for quantity, roc in signal.roc.items()
        },
        "area_gain": {model: _estimate(gain, ONE, **behind) for model, gain in signal.area_gain.items()},
        "working_points": [
            {
                **_working_point(point),
                "thresholds": {
                    quantity: _estimate(
                        thresholds.at(i), GEV, events=background.at_working_points[quantity].n_events[i]
                    )
                    for quantity, thresholds in points.thresholds.items()
                },
                "signal_efficiency": {
                    quantity: _efficiency(efficiency.at(i), **behind)
                    for quantity, efficiency in points.efficiency.items()
                },
                "parts": {
                    part: {
                        "signal_efficiency": {
                            quantity: _efficiency(efficiency.at(i), events=events_of[part])
                            for quantity, efficiency in gains.efficiency.items()
                        },
                        "models": {
                            model: {
                                "gain": _estimate(gains.gain[model].at(i), ONE, **behind),
                                "share": _estimate(gains.share[model].at(i), ONE, **behind),
                            }
                            for model in gains.gain
                        },
                    }
                    for part, gains in parts.items()
                },
                "models": {
                    model: {
                        **{name: _estimate(found[model].at(i), ONE, **behind) for name, found in model_gains.items()},
                        "turn_on": _turn_on_gain(
                            turn_on_gains[i], float(signal.turn_on[model][i].efficiency.n_effective.sum())
                        ),
                    }
                    for model, turn_on_gains in signal.turn_on_gain.items()
                },
                "true_bins": {
                    "edges": {"value": signal.in_bins[ALL].edges, "unit": GEV},
                    **{part: _gains_in_bins(gains, i) for part, gains in signal.in_bins.items()},
                },
                "turn_on": {quantity: _turn_on(curves[i]) for quantity, curves in signal.turn_on.items()},
            }
            for i, point in enumerate(background.working_points)
        ],
    }


def _line(line: Scaling, behind: Mapping[str, Number]) -> Tree:
    return {
        "efficiency": line.efficiency,
        "threshold": {"value": line.thresholds, "unit": GEV},
        "offline": _estimate(line.reached, GEV, **behind),
        "slope": _estimate(line.slope, ONE, **behind),
        "offset": _estimate(line.offset, GEV, **behind),
        "chi2": line.chi2,
        "degrees_of_freedom": line.n_degrees,
        "describes": line.describes,
        "largest_distance": {"value": line.largest_distance, "unit": GEV},
    }


def _offline_rates(result: OfflineRates, background: BackgroundResult, weighted: bool) -> Tree:
    def at_points(estimates: Mapping[str, Estimate[np.ndarray]], i: int) -> Tree:
        return {
            quantity: _estimate(estimate.at(i), GEV, events=background.at_working_points[quantity].n_events[i])
            for quantity, estimate in estimates.items()
        }

    return {
        "efficiency": result.efficiency,
        "offline": {"value": result.offline, "unit": GEV},
        "rates": {
            quantity: {**_rates(rates, weighted), "extrapolated": ~result.fitted[quantity]}
            for quantity, rates in result.rates.items()
        },
        "rate_ratios": {
            model: _estimate(ratio, ONE, events=result.rates[model].n_events) for model, ratio in result.ratios.items()
        },
        "working_points": [
            {
                **_working_point(point),
                "offline": at_points(result.thresholds, i),
                "lowered": at_points(result.lowered, i),
                "extrapolated": {quantity: outside[i] for quantity, outside in result.extrapolated.items()},
            }
            for i, point in enumerate(background.working_points)
        ],
    }


def _scaling(result: ScalingResult, background: BackgroundResult, counts: Counts, weighted: bool) -> Tree:
    behind = {"events": counts.events}
    return {
        "lines": {quantity: [_line(line, behind) for line in lines] for quantity, lines in result.scaling.items()},
        "rates": _offline_rates(result.rates, background, weighted),
    }


def _crossing_rates(rates: ZeroBiasRates) -> Tree:
    return {
        "threshold": {"value": rates.thresholds, "unit": GEV},
        "rate": _interval(rates, KHZ, events=rates.n_events),
    }


def _rate_thresholds(result: RateThresholds, events: int) -> Tree:
    return {"rate": {"value": result.rates, "unit": KHZ}, "threshold": _interval(result, GEV, events=events)}


def _sections(result: SectionRates) -> Tree:
    return {
        "run": result.run,
        "section": result.section,
        "events": result.n_events,
        "threshold": {"value": result.thresholds, "unit": GEV},
        "rates": {
            quantity: [
                {
                    "value": result.value[quantity][i],
                    "low": result.low[quantity][i],
                    "high": result.high[quantity][i],
                    "unit": KHZ,
                    "events": passed,
                }
                for i, passed in enumerate(result.passed[quantity])
            ]
            for quantity in result.value
        },
    }


def _zero_bias(result: ZeroBiasResult) -> Tree:
    return {
        "colliding_bunches": result.colliding_bunches,
        "counts": _counts(result.counts, weighted=False),
        "saturated": result.n_saturated,
        "rates": {quantity: _crossing_rates(rates) for quantity, rates in result.rates.items()},
        "rate_ratios": {
            quantity: _estimate(ratio, ONE, events=result.rates[quantity].n_events)
            for quantity, ratio in result.ratios.items()
        },
        "at_rates": {
            quantity: _rate_thresholds(found, result.counts.events) for quantity, found in result.at_rates.items()
        },
        "at_thresholds": {quantity: _crossing_rates(rates) for quantity, rates in result.at_thresholds.items()},
        "sections": _sections(result.sections) if result.sections else None,
    }


def numbers(results: Results, cutflows: NamedCutflows, trainings: Mapping[str, Tree], made_by: Tree) -> Tree:
    """Arrange all numbers as in results.json.

    Parameters
    ----------
    results : Results
    cutflows : sequence of (str, Cutflow)
        Cutflows of the training of each model and of the evaluation.
    trainings : mapping of str to dict
        Record of the training of each model.
    made_by : dict
        From `utils.runtime.provenance.provenance`.
    """
    conditions, weighted, slices = (
        results.run_conditions,
        results.run_conditions is not None,
        BINNINGS[results.variable].slices,
    )
    return {
        "format": FORMAT,
        "variable": results.variable,
        "reconstructed": reconstructed(results.variable),
        "models": dict(trainings),
        "calibrated": results.calibrated,
        "luminosity": {"value": conditions.luminosity, "unit": "cm^-2 s^-1"} if conditions else None,
        "colliding_bunches": conditions.colliding_bunches if conditions else None,
        "notes": results.notes,
        "events": results.n_events,
        "processes": {
            name: _process(process, slices, name not in results.unweighted)
            for name, process in results.processes.items()
        },
        "background": _background(results.background, results.background_names, weighted),
        "signals": {
            name: {
                **_signal(signal, results.background, results.processes[name].counts),
                "scaling": _scaling(
                    results.scalings[name], results.background, results.processes[name].counts, weighted
                ),
            }
            for name, signal in results.signals.items()
        },
        "zero_bias": _zero_bias(results.zero_bias) if results.zero_bias else None,
        EVENT_COUNTS: cutflows_record(cutflows),
        "made_by": made_by,
    }
