"""Cost of the data creation by the number of events, and its speed relative to array code in memory.

Generated events are repeated to files of several sizes, which create_L1regression_data.py smears and splits. The array
code of `vectorised_smearing` does the arithmetic only: it neither reads nor writes.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import vectorised_smearing
from benchmarks.common import as_row, cost, project_script, report, scaling_parser
from benchmarks.repeated import write_repeated_events
from utils.event_layout import N_SLOTS, event_objects
from utils.formats.events import EventsFile, check_events_files
from utils.l1_events import ht
from utils.runtime.arguments import comma_separated, number
from utils.simulation.response_options import ResponseOptions, l1_response

COMPARED_EVENTS = 50_000


def vectorised_speed(path: Path) -> float:
    """Events in a CPU-second of the array code: random numbers, smearing and sums of events in memory."""
    particles, _ = EventsFile.check(path).rows(0, COMPARED_EVENTS)
    response = l1_response(ResponseOptions())
    rng = np.random.default_rng(1)
    ht(event_objects(particles[:1]))  # compiled loops are loaded at their first call
    start = time.process_time()
    true = event_objects(particles)
    smeared = vectorised_smearing.smeared(true, rng.standard_normal((len(true), N_SLOTS, 2)), response)
    for objects in (true, smeared):
        vectorised_smearing.met(objects)
        ht(objects)
    return len(particles) / (time.process_time() - start)


def main(argv: Sequence[str] | None = None) -> None:
    """Create data of several sizes."""
    parser = scaling_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="events files of one process")
    parser.add_argument("--workers", type=comma_separated(number(int, 1)), default="1,2", help="numbers of workers")
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        path, train, test = (Path(scratch) / name for name in ("events.h5", "train.h5", "test.h5"))
        for n_events in args.events:
            write_repeated_events(check_events_files(args.data), path, n_events)
            for n_workers in args.workers:
                flags = (f"--input=QCD={path}", f"--train_output={train}", f"--test_output={test}")
                measured = cost(project_script("create_L1regression_data.py", *flags, f"--workers={n_workers}"))
                size = (train.stat().st_size + test.stat().st_size) / n_events
                rows.append(
                    {"events": n_events, "workers": n_workers, **as_row(measured, n_events), "file [B/event]": size}
                )
        vectorised = vectorised_speed(path)
    fastest = max(row["events/CPU-s"] for row in rows)
    report(args, rows, **{"array code, events/CPU-s": vectorised, "speed over array code": fastest / vectorised})


if __name__ == "__main__":
    main()
