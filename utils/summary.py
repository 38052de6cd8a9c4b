"""The results of an evaluation as text: tables of counts, thresholds, rates and signal efficiencies."""

from collections.abc import Sequence

import numpy as np

from utils.evaluation import (
    BASELINE,
    REFERENCE,
    Allowed,
    Counts,
    Results,
    SignalResult,
    ZeroBiasResult,
)
from utils.performance import Estimate


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of text as right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _entry(estimate: Estimate[np.ndarray], i: int, digits: int, scale: float = 1) -> str:
    """Write one of several numbers and its error."""
    return _number(Estimate(float(estimate.value[i]), float(estimate.error[i])), digits, scale)


def _number(estimate: Estimate[float], digits: int, scale: float = 1) -> str:
    """Write a number and its error; a dash where it is not known."""
    value, error = scale * estimate.value, scale * estimate.error
    return f"{value:.{digits}f} +- {error:.{digits}f}" if np.isfinite(value) else "-"


def _count_table(processes: dict[str, Counts]) -> str:
    """Write how many events there are of each process."""
    rows = [("process", "events", "no jet at L1", "no target", "sum of weights")]
    rows += [
        (name, str(counts.events), str(counts.without_jet), str(counts.without_target), f"{counts.weight:.5g}")
        for name, counts in processes.items()
    ]
    return _columns(rows)


def _allowed_text(allowed: Allowed) -> str:
    """Write what of the background may pass."""
    return f"{allowed.background_efficiency:.3%}" if allowed.rate is None else f"{allowed.rate:g} kHz"


def _background_table(results: Results) -> str:
    """Write the thresholds at the working points and what of the background passes them."""
    background = results.background
    thresholds = next(iter(results.signals.values())).working_points.thresholds
    rows = [("background", "quantity", "threshold [GeV]", "events", *(("rate [kHz]",) if results.beams else ()))]
    for i, allowed in enumerate(background.allowed):
        for quantity, passing in background.at_working_points.items():
            rate = (_entry(passing.rate, i, 1),) if results.beams else ()
            threshold = _entry(thresholds[quantity], i, 1)
            rows.append((_allowed_text(allowed), quantity, threshold, str(passing.n_events[i]), *rate))
    return _columns(rows)


def _signal_tables(signal: SignalResult, allowed: Sequence[Allowed]) -> str:
    """Write the efficiencies of a signal, what the models gain, turn-on curves, and areas under the ROC curves."""
    points, first = signal.working_points, next(iter(signal.turn_on_gain))
    efficiencies: list[tuple[str, ...]] = [("background", *(f"{quantity} [%]" for quantity in points.efficiency))]
    gains: list[tuple[str, ...]] = [("background", "model", "gain [%]", "model/baseline", "gap closed [%]")]
    compared = len(points.gain) > 1
    if compared:
        gains[0] += (f"gain / that of {first} [%]",)
    for i, point in enumerate(allowed):
        text = _allowed_text(point)
        efficiencies.append((text, *(_entry(of, i, 2, 100) for of in points.efficiency.values())))
        for model in points.gain:
            row = (
                text,
                model,
                _entry(points.gain[model], i, 2, 100),
                _entry(points.ratio[model], i, 3),
                _entry(points.gap_closed[model], i, 1, 100),
            )
            gains.append((*row, _entry(points.kept[model], i, 1, 100)) if compared else row)
    return "\n\n".join(map(_columns, (efficiencies, gains, _turn_on_rows(signal, allowed), _area_rows(signal))))


def _turn_on_rows(signal: SignalResult, allowed: Sequence[Allowed]) -> list[tuple[str, ...]]:
    """Write the fits of the turn-on curves at the working points, and what the models change."""
    fitted = ("plateau [%]", "midpoint", "width", "chi2/n")
    changed = ("midpoint moved", "95% point moved", "width changed")
    rows: list[tuple[str, ...]] = [("turn-on [GeV]", "quantity", *fitted, *changed)]
    for i, point in enumerate(allowed):
        for quantity in (BASELINE, *signal.turn_on_gain):
            fit = signal.turn_on[quantity][i].fit
            quality = f"{fit.chi2 / fit.n_degrees:.1f}" if fit.n_degrees > 0 else "-"
            fitted = (_number(fit.plateau, 1, 100), _number(fit.midpoint, 1), _number(fit.width, 1), quality)
            changed = ("", "", "")
            if quantity != BASELINE:
                gain = signal.turn_on_gain[quantity][i]
                changed = (_number(gain.midpoint, 1), _number(gain.at_95_percent, 1), _number(gain.width, 1))
            rows.append((_allowed_text(point), quantity, *fitted, *changed))
    return rows


def _area_rows(signal: SignalResult) -> list[tuple[str, ...]]:
    """Write the areas under the ROC curves and what the models gain."""
    gains = {quantity: _number(gain, 4) for quantity, gain in signal.area_gain.items()}
    areas = [(quantity, _number(roc.area, 4), gains.get(quantity, "")) for quantity, roc in signal.roc.items()]
    return [("ROC", "area", "gain"), *areas]


def _interval(value: float, low: float, high: float, digits: int) -> str:
    """Write a number and its interval."""
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(value) else "-"


def _zero_bias_text(result: ZeroBiasResult, variable: str) -> str:
    """Write the thresholds at fixed rates of zero-bias events, and the rates at fixed thresholds."""
    named = {BASELINE: "L1", REFERENCE: f"CMS {'HT' if variable == 'true_ht' else 'MET'}"}
    names = {quantity: named.get(quantity, quantity) for quantity in result.at_rates}
    at_rates = [("rate [kHz]", *(f"{name} > [GeV]" for name in names.values()))]
    for i, rate in enumerate(result.at_rates[BASELINE].rates):
        found = [result.at_rates[quantity] for quantity in names]
        at_rates.append((f"{rate:g}", *(_interval(of.value[i], of.low[i], of.high[i], 1) for of in found)))
    at_thresholds = [("threshold [GeV]", *(f"rate, {name} [kHz]" for name in names.values()))]
    for i, threshold in enumerate(result.at_thresholds[BASELINE].thresholds):
        rates = [result.at_thresholds[quantity] for quantity in names]
        at_thresholds.append((f"{threshold:g}", *(_interval(of.value[i], of.low[i], of.high[i], 2) for of in rates)))
    saturated = ", ".join(f"{number} {name}" for name, number in result.n_saturated.items())
    heading = (
        f"Rates of {result.counts.events} zero-bias events of CMS, for {result.colliding_bunches} colliding bunches\n"
        "L1: sum of the objects that the network takes; CMS: the sum of the trigger itself. Intervals of 68.27%.\n"
        f"{result.counts.without_jet} events without a jet and {result.counts.without_target} without an L1 sum keep "
        f"their uncorrected value. Saturated: {saturated}."
    )
    return "\n\n".join((heading, _columns(at_rates), _columns(at_thresholds)))


def summary(results: Results) -> str:
    """Write what the signals gain at fixed background efficiencies and rates, and the counts behind it."""
    parts = [
        f"Signal efficiency at fixed background: {results.variable}, background {results.background_name}",
        f"baseline: L1; {', '.join(results.models)}: L1 times the prediction; true: the ideal. Gap closed:\n"
        "the gain over what the ideal would gain. Turn-on: an error function; midpoint and 95% point are the true\n"
        "values in GeV at which half and 95% of its plateau are reached. Where chi2/n is far above 1 the rise is of\n"
        "another shape, and the plateau is no efficiency. Errors: one standard deviation, with the statistics of\n"
        "signal and background (turn-ons: signal) and, in what compares two quantities, with their correlation.",
        _count_table({name: process.counts for name, process in results.processes.items()}),
        _background_table(results),
    ]
    if results.beams:
        parts[1] += (
            f"\nRates: at {results.beams.luminosity:g} cm^-2 s^-1, {results.beams.colliding_bunches} colliding bunches."
        )
    allowed = results.background.allowed
    parts += [f"{name}\n{_signal_tables(signal, allowed)}" for name, signal in results.signals.items()]
    if results.zero_bias:
        parts.append(_zero_bias_text(results.zero_bias, results.variable))
    return "\n\n".join(parts) + "\n"
