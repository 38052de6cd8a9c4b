"""Cost of the evaluation of a teacher, from the file to the last plot, by the number of events."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import as_row, cost, project_script, report, scaling_parser
from benchmarks.repeated import write_repeated_l1_events
from utils.formats.l1_files import L1Dataset


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate files of several sizes."""
    parser = scaling_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file whose events are repeated")
    parser.add_argument("--model_dir", type=Path, required=True, help="output folder of the training")
    args = parser.parse_args(argv)
    data, rows = L1Dataset.check(args.data), []
    for n_events in args.events:
        with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
            path, plots = Path(scratch) / "events.h5", Path(scratch) / "plots"
            write_repeated_l1_events(data, path, n_events)
            flags = ("--data", path, "--model_dir", args.model_dir.resolve(), "--output", plots)
            measured = cost(project_script("analyze_results_teacher.py", *flags))
            rows.append({"events": n_events, **as_row(measured, n_events)})
    report(args, rows)


if __name__ == "__main__":
    main()
