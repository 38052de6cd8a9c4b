"""File names of plots, and the titles that the report of the workflow makes of them."""

import re
from collections.abc import Iterable

from utils.evaluation.run_conditions import WorkingPoint

TITLES = {
    r"efficiency_at_(.+)_percent": r"efficiency at \1% of the background",
    r"efficiency_at_(.+)_kHz": r"efficiency at \1 kHz of background",
    r"turn_on_at_(.+)_percent": r"turn-on at \1% of the background",
    r"turn_on_at_(.+)_kHz": r"turn-on at \1 kHz of background",
    r"turn_on_(\d[\d.]*)": r"turn-on at \1 GeV",
    r"target_prediction": "target and prediction, distributions",
    r"target_vs_prediction(.*)": r"target and prediction, event by event\1",
    r"correction_vs_(.+)": r"correction against \1",
    r"rate_zero_bias": "rate of zero-bias data",
    r"rate_zero_bias_sections": "rate of zero-bias data by luminosity section",
    r"rate_offline": "rate against offline threshold",
    r"scaling": "online-to-offline scaling",
    r"roc": "ROC",
    r"attention_(\d+)": r"attention, event \1",
    r"trials": "search of hyperparameters",
    r"history": "losses by epoch",
}
ALL, NUMBERS = "all processes", "numbers"


def working_point_name(point: WorkingPoint) -> str:
    """Return the part of a file name that names a working point."""
    if point.rate is None:
        return f"at_{100 * point.background_efficiency:g}_percent"
    return f"at_{point.rate:g}_kHz"


def _split(plot: str, processes: Iterable[str]) -> tuple[str, str | None]:
    """Split the name of a plot into kind and process; a number may follow the process."""
    names = "|".join(re.escape(name) for name in sorted(processes, key=len, reverse=True))
    found = re.search(rf"_(?P<process>{names})(?=(_\d+)?$)", plot) if names else None
    if found:
        return plot[: found.start()] + plot[found.end() :], found["process"]
    return plot.removesuffix("_all"), None


def plot_process(plot: str, processes: Iterable[str]) -> str:
    """Return the process of a plot, or `ALL`."""
    return _split(plot, processes)[1] or ALL


def plot_title(plot: str, processes: Iterable[str] = ()) -> str:
    """Return the title of a plot without its process; the name in words for an unknown kind."""
    kind, _ = _split(plot, processes)
    for pattern, title in TITLES.items():
        found = re.fullmatch(pattern, kind)
        if found:
            return found.expand(title).replace("_", " ")
    return kind.replace("_", " ")
