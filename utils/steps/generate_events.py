"""Options of generate_events.py, and the keys of its section that the workflow itself uses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.processes import parse_process_name
from utils.runtime.options import Seed, flag
from utils.simulation.pythia_settings import DEFAULT_ENERGY

COUNT = {"type": "integer", "minimum": 1}


@dataclass(frozen=True, kw_only=True)
class Options(Seed):
    """Flags of the script."""

    output: Path = flag(help="events file to write", config=False)
    process: str = flag(help="name of the process", parse=parse_process_name, config=False)
    settings: list[str] = flag(
        [],
        help="settings for Pythia that define the process, or change what it does with Les Houches events; may be "
        "repeated",
        metavar="'KEY = VALUE'",
        many=True,
        config=False,
    )
    source: Path | None = flag(
        None, help="file of another generator with the events, HepMC or Les Houches, gzipped or not", config=False
    )
    cross_section: float | None = flag(
        None,
        help="cross section to which the weights add up; none: that of Pythia or of the HepMC file",
        unit="pb",
        above=0,
        maximum=1e15,
        config=False,
    )
    events: int = flag(10000, help="events to write; of a file of another generator, to read", minimum=1, config=False)
    shard: int = flag(0, help="number of this file among independent ones of the process", minimum=0, config=False)
    first_event: int | None = flag(
        None, help="number of the first event to read from a file; none: shard times events", minimum=0, config=False
    )
    energy: float | None = flag(
        None,
        help=f"centre-of-mass energy; none: {DEFAULT_ENERGY:g}, or that of a file of another generator",
        unit="GeV",
        above=0,
    )
    underlying_event: int = flag(
        1, help="1: with multi-parton interactions; 0: without, five times as fast, for a quick look", choices=(0, 1)
    )
    pileup: float = flag(0.0, help="mean number of minimum-bias collisions overlaid", minimum=0)

    def check(self) -> None:
        """Refuse a process without events."""
        if not self.settings and self.source is None:
            raise ValueError("expected --settings or --source, found neither")


@dataclass(frozen=True, kw_only=True)
class WorkflowKeys:
    """Keys of the section that the workflow itself uses."""

    events_per_shard: int = flag(3000, help="events of a shard: one job, one file, one random seed", minimum=1)
    processes: dict[str, Any] = flag(
        help="name: number of events and Pythia settings, or a HepMC or Les Houches file as source; add your own",
        processes=True,
        schema={
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["events"],
                "properties": {
                    "events": COUNT,
                    "settings": {"type": ["array", "null"], "minItems": 1, "items": {"type": "string", "minLength": 1}},
                    "source": {"type": "string", "minLength": 1},
                    "cross_section": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e15},
                },
            }
        },
    )
