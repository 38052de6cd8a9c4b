"""Generate proton-proton collisions of one process, measure them in a fast detector and write an events file.

A process is a list of Pythia 8 settings, or a file of another generator: Les Houches events, which Pythia showers and
hadronises, or the complete events of a HepMC file. The same seed, process name and shard give the same events; other
shards give independent events. Of a file, shard s of n events reads the events s n to (s + 1) n - 1, unless
--first_event says otherwise. The weights of the output add up to the cross section of the process in pb. To combine the
files of several shards, multiply the weights of each by its share of all events, n / (n_1 + ... + n_k); for k files of
equal length, divide by k.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from utils.cli import script
from utils.cutflow import GENERATED, READ, Cutflow, StepCounter
from utils.formats.events import HARD_EVENTS, new_events_file
from utils.formats.kinds import PARTICLES, Kind, kind_of
from utils.runtime.errors import UserError
from utils.runtime.options import parse
from utils.runtime.paths import missing_error, refuse_overlaps
from utils.runtime.progress import progress
from utils.runtime.provenance import provenance
from utils.simulation.detector import Detector
from utils.simulation.event_source import EventSource
from utils.simulation.generator import MINIMUM_BIAS, Generator, seed_sequences
from utils.simulation.measurement import measure
from utils.simulation.particles import Detected
from utils.simulation.pileup import overlay
from utils.simulation.reconstruction import reconstruct
from utils.steps.generate_events import Options

logger = logging.getLogger("generate_events")

BATCH = 200
FAILED = "failed or vetoed in Pythia"
MAX_PILEUP_POOL = 2000


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    return parse(Options, __doc__, argv)


def batches(n_events: int) -> Iterator[int]:
    """Split a number of events into batches."""
    for start in range(0, n_events, BATCH):
        yield min(BATCH, n_events - start)


@contextmanager
def event_source(options: Options, seed: np.random.SeedSequence) -> Iterator[EventSource]:
    """Open the source of the events: Pythia, with or without a Les Houches file, or a HepMC file."""
    first = options.shard * options.events if options.first_event is None else options.first_event
    hard_events = range(first, first + options.events)
    if options.source and source_kind(options.source) == Kind.HEPMC:
        from utils.simulation.hepmc_events import open_source  # pyhepmc is seldom needed

        if options.settings:
            raise UserError(
                f"process {options.process}: '{options.settings[0]}' would have no effect: the events of a HepMC file "
                "are complete, leave out the settings"
            )
        with open_source(
            options.process,
            options.source,
            energy=options.energy,
            cross_section_pb=options.cross_section,
            hard_events=hard_events,
        ) as source:
            yield source
    else:
        yield Generator(
            options.process,
            options.settings,
            energy=options.energy,
            underlying_event=bool(options.underlying_event),
            seed=seed,
            les_houches=options.source,
            hard_events=hard_events,
            cross_section_pb=options.cross_section,
        )


def source_kind(path: Path) -> Kind:
    """Return the kind of a file of another generator."""
    if not path.is_file():
        raise missing_error(path)
    kind = kind_of(path)
    if kind not in PARTICLES:
        raise UserError(f"--source {path}: expected a HepMC or a Les Houches file, found {kind or 'neither'}")
    return kind


def pileup_pool(options: Options, energy: float, detector: Detector, seed: np.random.SeedSequence) -> Detected:
    """Generate and measure the pool of minimum-bias collisions from which pile-up is drawn.

    The pool has the mean number of collisions that are drawn, at most 2000. A collision may be drawn again, in another
    orientation.
    """
    n_collisions = min(math.ceil(options.pileup * options.events), MAX_PILEUP_POOL)
    pythia_seed, detector_seed = seed.spawn(2)
    generator = Generator(
        "pile-up",
        MINIMUM_BIAS,
        energy=energy,
        underlying_event=bool(options.underlying_event),
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
    options = parse_args(argv)
    detector = Detector()
    process_seed, pileup_seed, detector_seed = seed_sequences(options.seed, options.process, options.shard)
    rng = np.random.default_rng(detector_seed)
    with new_events_file(options.output) as file, event_source(options, process_seed) as generator:
        refuse_overlaps({"--output": options.output}, [generator.file])
        counter = StepCounter({0: options.process}, ["events"], [FAILED])
        pool = pileup_pool(options, generator.energy, detector, pileup_seed) if options.pileup else None
        with progress(options.events, options.process) as bar:
            for size in batches(options.events):
                particles, weights = generator.batch(size)
                detected = measure(particles, detector, rng)
                if pool is not None:
                    detected = overlay(detected, pool, options.pileup, rng)
                file.append(reconstruct(detected, detector, subtract_pileup=pool is not None), weights)
                counter.add_number("events", 0, len(weights))
                bar.update(size)
        n_events = counter.number("events", 0)
        counter.add_number(READ, 0, generator.n_tried)
        counter.add_number(FAILED, 0, generator.n_tried - n_events)
        file.finish(
            generator.weight_scale,
            {
                "process": options.process,
                "cross_section_pb": generator.cross_section_pb,
                "cross_section_error_pb": generator.cross_section_error_pb,
                "weights": "sum to cross_section_pb; to combine shards, multiply by the share of all events",
                "seed": options.seed,
                "shard": options.shard,
                "configuration": json.dumps(provenance(options)),
                **({HARD_EVENTS: generator.hard_events.record()} if generator.hard_events else {}),
                **counter.append_to(Cutflow(output=GENERATED), "generate_events").attribute(),
            },
        )
    logger.info(
        "%s: %d events, cross section %.4g +- %.2g pb",
        options.output,
        n_events,
        generator.cross_section_pb,
        generator.cross_section_error_pb,
    )


if __name__ == "__main__":
    raise SystemExit(main())
