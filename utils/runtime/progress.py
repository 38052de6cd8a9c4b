"""Progress of long steps: a bar on a terminal, lines of the log elsewhere."""

import io
import logging
import sys

from tqdm import tqdm

logger = logging.getLogger(__name__)


class _LoggedBar(tqdm):
    """A bar that writes its state to the log."""

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Log the state of the bar."""
        logger.info(msg or str(self))
        return True


def progress(total: int, what: str, unit: str = "events") -> tqdm:
    """Return a bar to advance with ``update(n)``; without a terminal it logs a line every 5 seconds."""
    if sys.stderr.isatty():
        return tqdm(total=total, desc=what, unit=f" {unit}", smoothing=0.1)
    return _LoggedBar(
        total=total,
        desc=what,
        unit=f" {unit}",
        mininterval=5,
        file=io.StringIO(),
        bar_format="{desc}: {n_fmt} of {total_fmt}{unit}, {rate_fmt}, {remaining} left",
    )
