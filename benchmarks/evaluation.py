"""Cost of the evaluation of a teacher, from the file to the last plot, by the number of events."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import as_row, benchmark_parser, cost, project_script, report
from benchmarks.repeated import write_repeated_l1_events
from utils.cli import comma_separated, number
from utils.l1_dataset import L1Dataset


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate files of several sizes."""
    parser = benchmark_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file whose events are repeated")
    parser.add_argument("--model_dir", type=Path, required=True, help="output folder of the training")
    sizes = comma_separated(number(int, 1))
    parser.add_argument(
        "--events",
        type=sizes,
        default="100000,1000000,5000000,13500000",
        help="sizes of the files, not below that of --data",
    )
    args = parser.parse_args(argv)
    data, rows = L1Dataset.check(args.data), []
    folder = args.output.resolve().parent
    folder.mkdir(parents=True, exist_ok=True)
    for n_events in args.events:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            path, plots = Path(scratch) / "events.h5", Path(scratch) / "plots"
            write_repeated_l1_events(data, path, n_events)
            flags = ("--data", path, "--model_dir", args.model_dir.resolve(), "--output", plots)
            measured = cost(project_script("analyze_results_teacher.py", *flags))
            rows.append({"events": n_events, **as_row(measured, n_events)})
    report(args, rows)


if __name__ == "__main__":
    main()
