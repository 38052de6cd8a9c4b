"""The results of an evaluation as text: tables of counts, thresholds, rates and signal efficiencies."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np

from utils.evaluation.bootstrap import Estimate
from utils.evaluation.results import Results
from utils.evaluation.run_conditions import WorkingPoint
from utils.evaluation.signal_result import SignalResult
from utils.evaluation.turn_on import REACHED_EFFICIENCIES, TurnOn
from utils.evaluation.zero_bias_result import ZeroBiasResult
from utils.predictions import BASELINE, REFERENCE, WITH_JET, WITHOUT_JET, Counts

MOST_DIGITS = 9
BEYOND, ALL_PASS = "beyond the sample", "all pass"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of text as right-aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _plain(value: float, digits: int) -> str:
    """Write a number, and 0 without a sign."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _digits(error: float, digits: int) -> int:
    """Digits that an error needs in order not to be written as 0."""
    return min(max(digits, math.ceil(-math.log10(error))), MOST_DIGITS) if error > 0 else digits


def _number(estimate: Estimate[float], digits: int, scale: float = 1) -> str:
    """Write a number and its error, in as many digits as the error needs; a dash where the number is not known."""
    value, error = scale * estimate.value, scale * estimate.error
    if not math.isfinite(value):
        return "-"
    if not error > 0:
        return _plain(value, digits)
    digits = _digits(error, digits)
    return f"{_plain(value, digits)} +- {_plain(error, digits)}"


def _percent(estimate: Estimate[float], digits: int = 2) -> str:
    """Write an efficiency; where none or all of the events pass, the limit."""
    limit = 100 * estimate.error
    if estimate.value <= 0:
        return f"< {_plain(limit, _digits(limit, digits))}"
    if estimate.value >= 1:
        return f"> {_plain(100 - limit, _digits(limit, digits))}"
    return _number(estimate, digits, 100)


def _rate(estimate: Estimate[float], digits: int = 1) -> str:
    """Write a rate; where no event passes, the limit."""
    if estimate.value <= 0:
        return f"< {_plain(estimate.error, _digits(estimate.error, digits))}"
    return _number(estimate, digits)


def _threshold(estimate: Estimate[float]) -> str:
    """Write a threshold, or that there is none."""
    if math.isnan(estimate.value):
        return BEYOND
    return ALL_PASS if math.isinf(estimate.value) else _number(estimate, 1)


def _count_table(processes: dict[str, Counts]) -> str:
    """Write how many events there are of each process."""
    rows = [("process", "events", "no jet at L1", "no target", "sum of weights")]
    rows += [
        (name, str(counts.events), str(counts.without_jet), str(counts.without_target), f"{counts.weight:.5g}")
        for name, counts in processes.items()
    ]
    return _columns(rows)


def _background_table(results: Results) -> str:
    """Write the thresholds at the working points and what of the background passes them, with and without a jet."""
    background = results.background
    thresholds = next(iter(results.signals.values())).gains.thresholds
    rate_heading = ("rate [kHz]",) if results.run_conditions else ()
    heading = ("background", "quantity", "threshold [GeV]", "events", "of them no jet", *rate_heading)
    rows = [(*heading, "all [%]", "with jet [%]", "no jet [%]")]
    for i, point in enumerate(background.working_points):
        for quantity, passing in background.at_working_points.items():
            parts = [background.parts[part][quantity] for part in (WITH_JET, WITHOUT_JET)]
            counts = (str(passing.n_events[i]), str(parts[1].n_events[i]))
            rate = (_rate(passing.rate.at(i)),) if results.run_conditions else ()
            efficiencies = (_percent(of.efficiency.at(i), 3) for of in (passing, *parts))
            threshold = _threshold(thresholds[quantity].at(i))
            rows.append((point.label, quantity, threshold, *counts, *rate, *efficiencies))
    return _columns(rows)


def _signal_tables(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> str:
    """Write the efficiencies of a signal, what the models gain, turn-on curves, and areas under the ROC curves."""
    points = signal.gains
    kinds = {"all": points.efficiency} | {
        name: part.efficiency for name, part in zip(("with jet", "no jet"), points.parts, strict=True)
    }
    efficiencies: list[tuple[str, ...]] = [
        ("background", "events", *(f"{quantity} [%]" for quantity in points.efficiency))
    ]
    for i, point in enumerate(working_points):
        for kind, of_kind in kinds.items():
            efficiencies.append((point.label, kind, *(_percent(of.at(i)) for of in of_kind.values())))
    tables = (
        efficiencies,
        _gain_rows(signal, working_points),
        _turn_on_rows(signal, working_points),
        _area_rows(signal),
    )
    return "\n\n".join((_shares_text(signal, working_points), *map(_columns, tables)))


def _gain_rows(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> list[tuple[str, ...]]:
    """Write what the models gain, and how much of it by events with and without a jet."""
    points, first = signal.gains, next(iter(signal.turn_on_gain))
    contributions = ("with jet [%]", "no jet [%]", "share of no jet [%]")
    heading = ("background", "model", "gain [%]", *contributions, "model/baseline", "gap closed [%]")
    compared = len(points.gain) > 1
    rows: list[tuple[str, ...]] = [(*heading, f"gain / that of {first} [%]") if compared else heading]
    for i, point in enumerate(working_points):
        for model in points.gain:
            row = (
                point.label,
                model,
                _number(points.gain[model].at(i), 2, 100),
                *(_number(part.gain[model].at(i), 2, 100) for part in points.parts),
                _number(points.parts[1].share[model].at(i), 0, 100),
                _number(points.ratio[model].at(i), 3),
                _number(points.gap_closed[model].at(i), 1, 100),
            )
            kept = "" if model == first else _number(points.kept[model].at(i), 1, 100)
            rows.append((*row, kept) if compared else row)
    return rows


def _shares_text(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> str:
    """Say which share of the gain of each model comes from events that it leaves as they are."""
    points, lines = signal.gains, []
    for model in points.gain:
        shares = points.parts[1].share[model]
        known = np.flatnonzero(np.isfinite(shares.value)).tolist()
        if len(known):
            found = ", ".join(f"{_number(shares.at(i), 0, 100)}% at {working_points[i].label}" for i in known)
            lines.append(f"Of the gain of {model}, events without a jet at L1, which stay uncorrected, make {found}.")
        elif np.isfinite(points.gain[model].value).any():
            lines.append(f"{model} gains nothing beyond the error of the gain.")
        else:
            lines.append(f"What {model} gains is not known: all working points are beyond the sample.")
    return "\n".join(textwrap.fill(line, 118, break_on_hyphens=False) for line in lines)


def _reached(curve: TurnOn, i: int) -> str:
    """Write the true value at which an efficiency is reached, or that it is not."""
    value = float(curve.reached.value[i])
    if math.isnan(curve.threshold):
        return "-"
    if math.isinf(value):
        return "everywhere"
    return "not reached" if math.isnan(value) else _number(curve.reached.at(i), 1)


def _turn_on_rows(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> list[tuple[str, ...]]:
    """Write where the turn-on curves at the working points reach efficiencies, what the models change, and the fits."""
    levels = [f"{100 * level:g}%" for level in REACHED_EFFICIENCIES]
    heading = (
        "turn-on [GeV]",
        "quantity",
        *(f"{level} at" for level in levels),
        *(f"{level} moved" for level in levels),
    )
    rows: list[tuple[str, ...]] = [(*heading, "plateau of fit [%]", "width of fit", "chi2/n")]
    for i, point in enumerate(working_points):
        for quantity in (BASELINE, *signal.turn_on_gain):
            curve = signal.turn_on[quantity][i]
            moved: tuple[str, ...] = ("",) * len(levels)
            if quantity != BASELINE:
                gain = signal.turn_on_gain[quantity][i]
                moved = tuple(_number(of, 1) for of in (gain.midpoint, gain.at_90_percent, gain.at_95_percent))
            fit = curve.fit
            quality = f"{fit.chi2 / fit.n_degrees:.1f}" if fit.n_degrees > 0 else "-"
            fitted = ("no fit", "no fit")
            if curve.described:
                fitted = (_number(fit.plateau, 1, 100), _number(fit.width, 1))
            reached = (_reached(curve, level) for level in range(len(levels)))
            rows.append((point.label, quantity, *reached, *moved, *fitted, quality))
    return rows


def _area_rows(signal: SignalResult) -> list[tuple[str, ...]]:
    """Write the areas under the ROC curves and what the models gain."""
    gains = {quantity: _number(gain, 4) for quantity, gain in signal.area_gain.items()}
    areas = [(quantity, _number(roc.area, 4), gains.get(quantity, "")) for quantity, roc in signal.roc.items()]
    return [("ROC", "area", "gain"), *areas]


def _interval(value: float, low: float, high: float, digits: int) -> str:
    """Write a number and its interval; a limit where nothing was seen."""
    if math.isnan(value):
        return BEYOND
    if math.isinf(value):
        return ALL_PASS
    if value <= 0 and low <= 0:
        return f"< {_plain(high, _digits(high, digits))}"
    digits = _digits(high - low, digits)
    return f"{_plain(value, digits)} [{_plain(low, digits)}, {_plain(high, digits)}]"


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


LEGEND = """Gap closed: the gain over what the ideal would gain. Events without a jet at L1 ("no jet") have no
correction and keep their L1 value, but the threshold changes: the tables give the efficiency of each kind of events
by itself, and what each kind contributes to the gain. Turn-on: the true values in GeV at which the efficiency itself
reaches 50, 90 and 95%, from the curve without any fit, and by how much a model moves them (below 0: earlier). Plateau
and width are those of an error function; "no fit": it does not describe the points. chi2/n: its quality, 1 where the
shape is right. Errors: one standard deviation, with the statistics of signal and background (turn-ons: signal) and,
in what compares two quantities, with their correlation. "< x", "> x": none or all of the events pass, x is the limit
(84%). "beyond the sample": no background event passes, so that the threshold and what follows is not known. "-": not
known, or divided by what is not above 0 by more than its error."""


def summary(results: Results) -> str:
    """Write what the signals gain at fixed background efficiencies and rates, and the counts behind it."""
    parts = [
        f"Signal efficiency at fixed background: {results.variable}, background {results.background_name}",
        *results.notes,
        f"baseline: L1; {', '.join(results.models)}: L1 corrected by a model; true: the ideal.\n{LEGEND}",
        _count_table({name: process.counts for name, process in results.processes.items()}),
        _background_table(results),
    ]
    if conditions := results.run_conditions:
        bunches = f"{conditions.colliding_bunches} colliding bunches"
        parts.insert(-2, f"Rates: at {conditions.luminosity:g} cm^-2 s^-1, {bunches}.")
    working_points = results.background.working_points
    parts += [f"{name}\n{_signal_tables(signal, working_points)}" for name, signal in results.signals.items()]
    if results.zero_bias:
        parts.append(_zero_bias_text(results.zero_bias, results.variable))
    return "\n\n".join(parts) + "\n"
