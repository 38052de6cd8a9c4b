"""Options of create_L1regression_data.py."""

from dataclasses import dataclass
from pathlib import Path

from utils.formats.reader_options import ReaderOptions
from utils.runtime.options import Seed, flag
from utils.runtime.paths import resolved
from utils.simulation.response_options import ResponseOptions
from utils.steps.common import SOURCES


@dataclass(frozen=True, kw_only=True)
class Options(ResponseOptions, ReaderOptions, Seed):
    """Flags of the script."""

    input: list[str] = flag(
        help="events of a process: its name and a file or a quoted glob; may be repeated, also for one process",
        metavar="NAME=FILES",
        config=False,
    )
    train_output: Path | None = flag(
        None, help="L1 regression file for the training; none: all events are for the evaluation", config=False
    )
    test_output: Path = flag(help="L1 regression file for the evaluation", config=False)
    plots: Path | None = flag(None, help="folder for plots of the jet scale and resolution", config=False)
    test_fraction: float = flag(0.4, help="share of test events", above=0, maximum=0.99)
    smearings: int = flag(
        5, help="times that each training event is smeared, with its weight divided by them", minimum=1, maximum=1000
    )
    saturated: str = flag(
        "keep",
        help="whether events with an object or sum at the largest integer of the trigger are kept or cut; "
        "an event is cut with all its smearings",
        choices=("keep", "cut"),
    )
    chunk_size: int = flag(32768, help="events that a worker holds at a time", minimum=1, neutral=True)
    workers: int = flag(1, help="threads that read, smear and compress", minimum=1, neutral=True, config=False)

    def check(self) -> None:
        """Refuse one file for both outputs."""
        if self.train_output is not None and resolved(self.train_output) == resolved(self.test_output):
            raise ValueError("--train_output and --test_output name the same file")


@dataclass(frozen=True, kw_only=True)
class WorkflowKeys:
    """Keys of the section that the workflow itself uses."""

    processes: dict[str, str] = flag(
        help="name: `generated`, a file or glob of events, in the ADC2021 layout, Delphes or NanoAOD with L1 tables, "
        "null to leave it out, or `auto`: generated where a list of processes names it and a background is generated",
        processes=True,
        schema={**SOURCES, "minProperties": 1},
    )
