"""Options of selective_sampling_jets.py."""

from dataclasses import dataclass
from pathlib import Path

from utils.runtime.options import Seed, flag
from utils.runtime.paths import resolved
from utils.training.sampling import SelectionOptions
from utils.variables import VARIABLES, full_variable


@dataclass(frozen=True, kw_only=True)
class Options(SelectionOptions, Seed):
    """Flags of the script."""

    input: Path = flag(help="L1 regression file", config=False)
    output: Path = flag(help="L1 regression file of the events kept", config=False)
    discarded_output: Path | None = flag(None, help="L1 regression file of the events not kept", config=False)
    content: Path | None = flag(
        None, help="text file: hash of the events kept, by which the workflow sees whether they changed", config=False
    )
    summary: Path | None = flag(None, help="text file: events by jet multiplicity, before and after", config=False)
    plots: Path | None = flag(
        None, help="folder for plots of the spectrum of events and of the loss, before and after", config=False
    )
    sampling_var: str | None = flag(
        None,
        help=f"variable to show and to flatten: {', '.join(VARIABLES)}, met or ht",
        parse=full_variable,
        config=False,
    )
    chunk_size: int = flag(16384, help="events that a worker holds at a time", minimum=1, neutral=True)
    workers: int = flag(1, help="threads that read and compress", minimum=1, neutral=True, config=False)

    def check(self) -> None:
        """Refuse a threshold without its variable, and one file for both outputs."""
        if self.sampling_threshold is not None and self.sampling_var is None:
            raise ValueError("--sampling_threshold needs --sampling_var")
        if self.discarded_output and resolved(self.discarded_output) == resolved(self.output):
            raise ValueError("--output and --discarded_output name the same file")
