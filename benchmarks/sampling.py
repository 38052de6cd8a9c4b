"""Cost of the selective sampling by the number of events: a repeated L1 regression file is flattened."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import as_row, cost, project_script, report, scaling_parser
from benchmarks.repeated import write_repeated_l1_events
from utils.formats.l1_files import L1Dataset
from utils.runtime.arguments import comma_separated, number


def main(argv: Sequence[str] | None = None) -> None:
    """Sample files of several sizes."""
    parser = scaling_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file whose events are repeated")
    parser.add_argument("--workers", type=comma_separated(number(int, 1)), default="1,2", help="numbers of workers")
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        path, kept, discarded = (Path(scratch) / name for name in ("events.h5", "kept.h5", "discarded.h5"))
        for n_events in args.events:
            write_repeated_l1_events(L1Dataset.check(args.data), path, n_events)
            for n_workers in args.workers:
                flags = (f"--input={path}", f"--output={kept}", f"--discarded_output={discarded}")
                flattening = ("--sampling_var=met", "--sampling_threshold=30")
                measured = cost(
                    project_script("selective_sampling_jets.py", *flags, *flattening, f"--workers={n_workers}")
                )
                rows.append({"events": n_events, "workers": n_workers, **as_row(measured, n_events)})
    report(args, rows)


if __name__ == "__main__":
    main()
