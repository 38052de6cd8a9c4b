"""Results of an evaluation as text: counts, thresholds, rates and signal efficiencies."""

import numpy as np

from utils.evaluation.number_text import columns, interval_text, percent_text, rate_text, threshold_text
from utils.evaluation.results import Results
from utils.evaluation.scaling_tables import scaling_tables
from utils.evaluation.signal_tables import gains_table, signal_tables
from utils.evaluation.zero_bias_result import ZeroBiasResult
from utils.predictions import BASELINE, REFERENCE, WITH_JET, WITHOUT_JET, Counts


def _count_table(processes: dict[str, Counts]) -> str:
    """Write the number of events of each process."""
    rows = [("process", "events", "no jet at L1", "no target", "sum of weights")]
    rows += [
        (name, str(counts.events), str(counts.without_jet), str(counts.without_target), f"{counts.weight:.5g}")
        for name, counts in processes.items()
    ]
    return columns(rows)


def _background_table(results: Results) -> str:
    """Write the thresholds of the working points, and the background above them with and without a jet."""
    background = results.background
    thresholds = next(iter(results.signals.values())).gains.thresholds
    rate_heading = ("rate [kHz]",) if results.run_conditions else ()
    heading = ("background", "quantity", "threshold [GeV]", "events", "events, no jet", *rate_heading)
    rows = [(*heading, "all [%]", "with jet [%]", "no jet [%]")]
    for i, point in enumerate(background.working_points):
        for quantity, passing in background.at_working_points.items():
            parts = [background.parts[part][quantity] for part in (WITH_JET, WITHOUT_JET)]
            counts = (str(passing.n_events[i]), str(parts[1].n_events[i]))
            rate = (rate_text(passing.rate.at(i)),) if results.run_conditions else ()
            efficiencies = (percent_text(rates.efficiency.at(i), 3) for rates in (passing, *parts))
            threshold = threshold_text(thresholds[quantity].at(i))
            rows.append((point.label, quantity, threshold, *counts, *rate, *efficiencies))
    return columns(rows)


def _zero_bias_text(result: ZeroBiasResult, variable: str) -> str:
    """Write thresholds at fixed rates of zero-bias events, and rates at fixed thresholds."""
    named = {BASELINE: "L1", REFERENCE: f"CMS {'HT' if variable == 'true_ht' else 'MET'}"}
    names = {quantity: named.get(quantity, quantity) for quantity in result.at_rates}
    at_rates = [("rate [kHz]", *(f"{name} > [GeV]" for name in names.values()))]
    for i, rate in enumerate(result.at_rates[BASELINE].rates):
        found = [result.at_rates[quantity] for quantity in names]
        at_rates.append((f"{rate:g}", *(interval_text(x.value[i], x.low[i], x.high[i], 1) for x in found)))
    at_thresholds = [("threshold [GeV]", *(f"rate, {name} [kHz]" for name in names.values()))]
    for i, threshold in enumerate(result.at_thresholds[BASELINE].thresholds):
        rates = [result.at_thresholds[quantity] for quantity in names]
        at_thresholds.append((f"{threshold:g}", *(interval_text(x.value[i], x.low[i], x.high[i], 2) for x in rates)))
    sections = ""
    if result.sections:
        runs = np.unique(result.sections.run)
        shown = ", ".join(map(str, runs[:5])) + (", ..." if len(runs) > 5 else "")
        sections = f"{len(result.sections.run)} luminosity sections of {len(runs)} runs: {shown}.\n"
    saturated = ", ".join(f"{number} {name}" for name, number in result.n_saturated.items())
    heading = (
        f"Rates of {result.counts.events} zero-bias events of CMS, for {result.colliding_bunches} colliding bunches\n"
        f"{sections}L1: sum of the input objects of the network; CMS: sum of the trigger itself. Intervals of 68.27%.\n"
        f"{result.counts.without_jet} events without a jet and {result.counts.without_target} without an L1 sum stay "
        f"uncorrected. Saturated: {saturated}."
    )
    return "\n\n".join((heading, columns(at_rates), columns(at_thresholds)))


GAINS = """Gains at equal rate: signal efficiency of the model minus that of L1, in total and in bins of {} [GeV]
(-: a bin with fewer than 10 effective events)"""
LEGEND = """Gap closed: gain over the gain of the ideal. Events without a jet at L1 ("no jet") keep their L1 value, but
the threshold changes. The tables give the efficiency of each kind of events, and its contribution to the gain.
Bins of the true value: absolute efficiencies; "effective" is the effective number of events of the bin. Of many bins a
few differ by two errors by chance.
Turn-on: true values in GeV at which the efficiency reaches 50, 90 and 95%, from the curve and not from a fit, and how
far a model moves them (negative: earlier). Plateau and width are from a fit of an error function; "no fit": it does not
describe the points. chi2/n: quality of the fit, 1 for the right shape.
Scaling: true value at which a threshold reaches an efficiency, as offline = slope * threshold + offset. Offline: this
value at the threshold of the working point; lowered: model minus L1, negative is better; "*": extrapolated.
Errors: one standard deviation, from the statistics of signal and background (turn-on: signal only). Errors of gains and
ratios contain the correlation. "< x", "> x": none or all of the events pass, x is the limit (84%). "beyond the sample":
no background event passes, so that the threshold is unknown. "-": unknown, or the denominator is 0 within its error."""


def summary(results: Results) -> str:
    """Write the gains of the signals at the working points, and the numbers of events."""
    working_points = results.background.working_points
    parts = [
        f"Signal efficiency at fixed background: {results.variable}, background {results.background_name}",
        *results.notes,
        f"{GAINS.format(results.variable)}\n{gains_table(results.signals, working_points)}",
        f"baseline: L1; {', '.join(results.models)}: L1 corrected by a model; true: the ideal.\n{LEGEND}",
        _count_table({name: process.counts for name, process in results.processes.items()}),
        _background_table(results),
    ]
    if conditions := results.run_conditions:
        bunches = f"{conditions.colliding_bunches} colliding bunches"
        parts.insert(-2, f"Rates: at {conditions.luminosity:g} cm^-2 s^-1, {bunches}.")
    for name, signal in results.signals.items():
        tables = signal_tables(signal, working_points), scaling_tables(results.scalings[name], working_points)
        parts.append("\n\n".join((f"{name}\n{tables[0]}", tables[1])))
    if results.zero_bias:
        parts.append(_zero_bias_text(results.zero_bias, results.variable))
    return "\n\n".join(parts) + "\n"
