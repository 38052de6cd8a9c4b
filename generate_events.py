"""Generate proton-proton collisions of one process, measure them in a fast detector and write an events file.

A process is a list of Pythia 8 settings. The same seed, process name and shard give the same events; other shards give
independent ones. Of a Les Houches file in the settings, shard s of n events takes those from s n to (s + 1) n - 1.
The weights of a file add up to Pythia's cross section of the process in pb. To combine the files of several shards,
multiply the weights of each by its share of all events, n / (n_1 + ... + n_k); for k files of equal length, divide
by k.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import argparse
import json
import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from utils.cli import process_name, progress, script
from utils.cutflow import GENERATED, READ, Cutflow, StepCounter
from utils.formats.events import HARD_EVENTS, new_events_file
from utils.runtime.arguments import checked, number, parser
from utils.runtime.paths import refuse_overlaps
from utils.runtime.provenance import provenance
from utils.simulation.detector import Detected, Detector, measure, overlay, reconstruct
from utils.simulation.generator import DEFAULT_ENERGY, MINIMUM_BIAS, Generator, seed_sequences

logger = logging.getLogger("generate_events")

BATCH = 200
FAILED = "failed or vetoed in Pythia"
MAX_PILEUP_POOL = 2000


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = parser(__doc__)
    args.add_argument("--output", type=Path, required=True, help="events file to write")
    args.add_argument("--process", type=checked(process_name), required=True, help="name of the process")
    args.add_argument(
        "--settings",
        action="extend",
        nargs="+",
        required=True,
        metavar="'KEY = VALUE'",
        help="settings for Pythia that define it; may be repeated",
    )
    args.add_argument(
        "--events", type=number(int, 1), default=10000, help="events to write; of a Les Houches file, to read"
    )
    args.add_argument("--seed", type=number(int, 0), default=1, help="seed of all shards and processes")
    args.add_argument("--shard", type=number(int, 0), default=0, help="which of several independent files this is")
    args.add_argument(
        "--underlying_event",
        type=int,
        choices=(0, 1),
        default=1,
        help="multi-parton interactions; without them generation is five times as fast",
    )
    args.add_argument("--pileup", type=number(float, 0), default=0.0, help="mean number of pile-up collisions")
    args.add_argument(
        "--energy",
        type=number(float, above=0),
        help=f"centre-of-mass energy [GeV]; without it {DEFAULT_ENERGY:g}, or that of a Les Houches file",
    )
    return args.parse_args(argv)


def batches(n_events: int) -> Iterator[int]:
    """Split a number of events into batches."""
    for start in range(0, n_events, BATCH):
        yield min(BATCH, n_events - start)


def pileup_pool(args: argparse.Namespace, energy: float, detector: Detector, seed: np.random.SeedSequence) -> Detected:
    """Generate and measure the minimum-bias collisions that pile-up is drawn from.

    There are as many as are drawn on average, up to 2000; each may be drawn again, in another orientation.
    """
    n_collisions = min(math.ceil(args.pileup * args.events), MAX_PILEUP_POOL)
    pythia_seed, detector_seed = seed.spawn(2)
    generator = Generator(
        "pile-up",
        MINIMUM_BIAS,
        energy=energy,
        underlying_event=bool(args.underlying_event),
        seed=pythia_seed,
    )
    rng = np.random.default_rng(detector_seed)
    parts = []
    with progress(n_collisions, "pile-up", "collisions") as bar:
        for size in batches(n_collisions):
            parts.append(measure(generator.batch(size)[0], detector, rng))
            bar.update(size)
    return Detected.concatenate(parts)


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Run the script."""
    args = parse_args(argv)
    detector = Detector()
    process_seed, pileup_seed, detector_seed = seed_sequences(args.seed, args.process, args.shard)
    rng = np.random.default_rng(detector_seed)
    with new_events_file(args.output) as file:
        generator = Generator(
            args.process,
            args.settings,
            energy=args.energy,
            underlying_event=bool(args.underlying_event),
            seed=process_seed,
            hard_events=range(args.shard * args.events, (args.shard + 1) * args.events),
        )
        refuse_overlaps({"--output": args.output}, [generator.les_houches_file])
        counter = StepCounter({0: args.process}, ["events"], [FAILED])
        pool = pileup_pool(args, generator.energy, detector, pileup_seed) if args.pileup else None
        with progress(args.events, args.process) as bar:
            for size in batches(args.events):
                particles, weights = generator.batch(size)
                detected = measure(particles, detector, rng)
                if pool is not None:
                    detected = overlay(detected, pool, args.pileup, rng)
                file.append(reconstruct(detected, detector, subtract_pileup=pool is not None), weights)
                counter.add_number("events", 0, len(weights))
                bar.update(size)
        n_events = counter.number("events", 0)
        counter.add_number(READ, 0, generator.n_tried)
        counter.add_number(FAILED, 0, generator.n_tried - n_events)
        file.finish(
            generator.weight_scale,
            {
                "process": args.process,
                "cross_section_pb": generator.cross_section_pb,
                "cross_section_error_pb": generator.cross_section_error_pb,
                "weights": "sum to cross_section_pb; to combine shards, multiply by the share of all events",
                "seed": args.seed,
                "shard": args.shard,
                "configuration": json.dumps(provenance(args)),
                **({HARD_EVENTS: generator.hard_events.record()} if generator.hard_events else {}),
                **counter.append_to(Cutflow(output=GENERATED), "generate_events").attribute(),
            },
        )
    logger.info(
        "%s: %d events, cross section %.4g +- %.2g pb",
        args.output,
        n_events,
        generator.cross_section_pb,
        generator.cross_section_error_pb,
    )


if __name__ == "__main__":
    raise SystemExit(main())
