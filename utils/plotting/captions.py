"""What the report of the workflow says of a result by its file name: the process that it shows, and what of it."""

import re
from collections.abc import Iterable

TITLES = {
    r"turn_on_at_(.+)_percent": r"turn-on at \1% of the background",
    r"turn_on_at_(.+)_kHz": r"turn-on at \1 kHz of background",
    r"turn_on_(\d[\d.]*)": r"turn-on at \1 GeV",
    r"target_prediction": "target and prediction, distributions",
    r"target_vs_prediction(.*)": r"target and prediction, event by event\1",
    r"correction_vs_(.+)": r"correction against \1",
    r"rate_zero_bias": "rate of zero-bias data",
    r"roc": "ROC",
    r"attention_(\d+)": r"attention, event \1",
    r"trials": "search of hyperparameters",
    r"history": "losses by epoch",
}
ALL, NUMBERS = "all processes", "numbers"


def _split(plot: str, processes: Iterable[str]) -> tuple[str, str | None]:
    """Divide the name of a plot into its kind and the process; a kind may have a number after the process."""
    names = "|".join(re.escape(name) for name in sorted(processes, key=len, reverse=True))
    found = re.search(rf"_(?P<process>{names})(?=(_\d+)?$)", plot) if names else None
    if found:
        return plot[: found.start()] + plot[found.end() :], found["process"]
    return plot.removesuffix("_all"), None


def process_of(plot: str, processes: Iterable[str]) -> str:
    """Return the process that a plot shows, or that it shows all."""
    return _split(plot, processes)[1] or ALL


def title_of(plot: str, processes: Iterable[str] = ()) -> str:
    """Say what a plot shows, without the process; the name itself, in words, if it is of no kind known here."""
    kind, _ = _split(plot, processes)
    for pattern, title in TITLES.items():
        found = re.fullmatch(pattern, kind)
        if found:
            return found.expand(title).replace("_", " ")
    return kind.replace("_", " ")
