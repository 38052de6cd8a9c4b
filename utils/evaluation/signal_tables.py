"""Results of a signal as text: efficiencies, gains, turn-on curves and areas under ROC curves."""

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from utils.evaluation.binning import REACHED_EFFICIENCIES
from utils.evaluation.gains_in_bins import GainsInBins
from utils.evaluation.number_text import columns, number_text, percent_text
from utils.evaluation.run_conditions import WorkingPoint, rates_first
from utils.evaluation.signal_result import ALL, SignalResult
from utils.evaluation.turn_on import TurnOn
from utils.predictions import BASELINE, WITH_JET, WITHOUT_JET

FEWEST_EVENTS = 10  # effective, of a bin in the table of all gains
PARTS = {ALL: "all", WITH_JET: "with jet", WITHOUT_JET: "no jet"}


def signal_tables(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> str:
    """Write the efficiencies of a signal, the gains of the models, turn-on curves, and areas under the ROC curves."""
    gains = signal.gains
    kinds = {"all": gains.efficiency} | {
        name: part.efficiency for name, part in zip(("with jet", "no jet"), gains.parts, strict=True)
    }
    efficiencies: list[tuple[str, ...]] = [
        ("background", "events", *(f"{quantity} [%]" for quantity in gains.efficiency))
    ]
    for i, point in enumerate(working_points):
        for kind, by_quantity in kinds.items():
            efficiencies.append(
                (point.label, kind, *(percent_text(efficiency.at(i)) for efficiency in by_quantity.values()))
            )
    tables = (
        efficiencies,
        _gain_rows(signal, working_points),
        _bin_rows(signal, working_points),
        _turn_on_rows(signal, working_points),
        _area_rows(signal),
    )
    notes = "\n".join((_shares_text(signal, working_points), _below_text(signal.in_bins[ALL], working_points)))
    return "\n\n".join((notes, *map(columns, tables)))


def _shares_text(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> str:
    """Write the share of uncorrected events in the gain of each model."""
    gains, lines = signal.gains, []
    for model in gains.gain:
        shares = gains.parts[1].share[model]
        known = np.flatnonzero(np.isfinite(shares.value)).tolist()
        if len(known):
            found = ", ".join(f"{number_text(shares.at(i), 0, 100)}% at {working_points[i].label}" for i in known)
            lines.append(f"Share of uncorrected events (without a jet at L1) in the gain of {model}: {found}.")
        elif np.isfinite(gains.gain[model].value).any():
            lines.append(f"The gain of {model} is not above its error.")
        else:
            lines.append(f"The gain of {model} is unknown: all working points are beyond the sample.")
    return "\n".join(map(_filled, lines))


def _below_text(gains: GainsInBins, working_points: Sequence[WorkingPoint]) -> str:
    """Write in which bins of the true variable each model is significantly below the baseline."""
    lines = []
    for model, gain in gains.gain.items():
        below = gains.below_baseline(model)
        found = [
            f"{bin_text(gains.edges, j)} GeV at {point.label} ({number_text(gain.at((i, j)), 1, 100)}%)"
            for i, point in rates_first(working_points)
            for j in np.flatnonzero(below[i]).tolist()
        ]
        where = "in no bin" if not found else f"in {len(found)} of {below.size} bins: {', '.join(found)}"
        lines.append(f"{model} is below the baseline by more than two errors {where}.")
    return "\n".join(map(_filled, lines))


def _filled(line: str) -> str:
    """Break a long line."""
    return textwrap.fill(line, 118, break_on_hyphens=False)


def bin_text(edges: np.ndarray, i: int) -> str:
    """Write the range of a bin."""
    return f"{edges[i]:g}-{edges[i + 1]:g}"


def gains_table(signals: Mapping[str, SignalResult], working_points: Sequence[WorkingPoint]) -> str:
    """Write the gains of the models on each signal at the working points, and in bins of the true variable."""
    edges = next(iter(signals.values())).in_bins[ALL].edges
    bins = range(len(edges) - 1)
    heading = ("background", "signal", "model", "L1 [%]", "model [%]", "gain [%]", f"in bins: {bin_text(edges, 0)}")
    rows: list[tuple[str, ...]] = [(*heading, *(bin_text(edges, j) for j in bins[1:]))]
    for i, point in rates_first(working_points):
        for name, signal in signals.items():
            for model, gain in signal.gains.gain.items():
                inclusive = (signal.gains.efficiency[quantity].at(i) for quantity in (BASELINE, model))
                in_bins, enough = signal.in_bins[ALL].gain[model], signal.in_bins[ALL].n_effective >= FEWEST_EVENTS
                rows.append(
                    (
                        *(point.label, name, model),
                        *(percent_text(efficiency, 1) for efficiency in inclusive),
                        number_text(gain.at(i), 1, 100),
                        *(number_text(in_bins.at((i, j)), 1, 100) if enough[j] else "-" for j in bins),
                    )
                )
    return columns(rows)


def _bin_rows(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> list[tuple[str, ...]]:
    """List efficiencies and gains in bins of the true variable, of all events and of those with and without a jet."""
    first = signal.in_bins[ALL]
    rows: list[tuple[str, ...]] = [
        (
            *("background", "true [GeV]", "events", "effective"),
            *(f"{quantity} [%]" for quantity in first.efficiency),
            *(f"{model} - baseline [%]" for model in first.gain),
        )
    ]
    for i, point in rates_first(working_points):
        for j in range(len(first.n_effective)):
            for part, gains in signal.in_bins.items():
                if gains.n_effective[j] > 0:
                    efficiencies = (percent_text(of.at((i, j)), 1) for of in gains.efficiency.values())
                    differences = (number_text(of.at((i, j)), 1, 100) for of in gains.gain.values())
                    where = (point.label, bin_text(gains.edges, j), PARTS[part], f"{gains.n_effective[j]:.0f}")
                    rows.append((*where, *efficiencies, *differences))
    return rows


def _gain_rows(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> list[tuple[str, ...]]:
    """List the gains of the models, and the contributions of events with and without a jet."""
    gains, first = signal.gains, next(iter(signal.turn_on_gain))
    contributions = ("with jet [%]", "no jet [%]", "share of no jet [%]")
    heading = ("background", "model", "gain [%]", *contributions, "model/baseline", "gap closed [%]")
    compared = len(gains.gain) > 1
    rows: list[tuple[str, ...]] = [(*heading, f"gain / gain of {first} [%]") if compared else heading]
    for i, point in enumerate(working_points):
        for model in gains.gain:
            row = (
                point.label,
                model,
                number_text(gains.gain[model].at(i), 2, 100),
                *(number_text(part.gain[model].at(i), 2, 100) for part in gains.parts),
                number_text(gains.parts[1].share[model].at(i), 0, 100),
                number_text(gains.ratio[model].at(i), 3),
                number_text(gains.gap_closed[model].at(i), 1, 100),
            )
            kept = "" if model == first else number_text(gains.kept[model].at(i), 1, 100)
            rows.append((*row, kept) if compared else row)
    return rows


def _turn_on_rows(signal: SignalResult, working_points: Sequence[WorkingPoint]) -> list[tuple[str, ...]]:
    """List the true values at which turn-on curves reach efficiencies, their shifts by the models, and the fits."""
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
                moved = tuple(
                    number_text(shift, 1) for shift in (gain.midpoint, gain.at_90_percent, gain.at_95_percent)
                )
            fit = curve.fit
            quality = f"{fit.chi2 / fit.n_degrees:.1f}" if fit.n_degrees > 0 else "-"
            fitted = ("no fit", "no fit")
            if curve.described:
                fitted = (number_text(fit.plateau, 1, 100), number_text(fit.width, 1))
            reached = (_reached(curve, level) for level in range(len(levels)))
            rows.append((point.label, quantity, *reached, *moved, *fitted, quality))
    return rows


def _reached(curve: TurnOn, i: int) -> str:
    """Write the true value at which a turn-on curve reaches an efficiency."""
    value = float(curve.reached.value[i])
    if math.isnan(curve.threshold):
        return "-"
    if math.isinf(value):
        return "everywhere"
    return "not reached" if math.isnan(value) else number_text(curve.reached.at(i), 1)


def _area_rows(signal: SignalResult) -> list[tuple[str, ...]]:
    """List the areas under the ROC curves and the gains of the models."""
    gains = {quantity: number_text(gain, 4) for quantity, gain in signal.area_gain.items()}
    areas = [(quantity, number_text(roc.area, 4), gains.get(quantity, "")) for quantity, roc in signal.roc.items()]
    return [("ROC", "area", "gain"), *areas]
