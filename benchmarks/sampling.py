"""Cost of the selective sampling by the number of events, beside the creation of as many events.

An L1 regression file is repeated to several sizes and flattened, with all outputs of the workflow but the plots. With
`--generated`, generated events are repeated to the same sizes and smeared, in turn with the sampling.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import as_row, cost, project_script, report, scaling_parser
from benchmarks.repeated import write_repeated_events, write_repeated_l1_events
from utils.formats.events import check_events_files
from utils.formats.l1_files import L1Dataset
from utils.runtime.arguments import comma_separated, number


def main(argv: Sequence[str] | None = None) -> None:
    """Sample files of several sizes."""
    parser = scaling_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file whose events are repeated")
    parser.add_argument("--generated", type=Path, nargs="+", default=(), help="events files to compare the creation")
    parser.add_argument("--workers", type=comma_separated(number(int, 1)), default="1,2", help="numbers of workers")
    parser.add_argument("--turns", type=number(int, 1), default=1, help="runs of each size and number of workers")
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        scratch = Path(folder)
        commands = {"selection": ["selective_sampling_jets.py", f"--input={scratch / 'l1.h5'}"]}
        outputs = ("output", "discarded_output", "content", "summary")
        commands["selection"] += [f"--{name}={scratch / name}" for name in outputs]
        commands["selection"] += ["--sampling_var=met", "--sampling_threshold=30"]
        if args.generated:
            commands["creation"] = ["create_L1regression_data.py", f"--input=QCD={scratch / 'events.h5'}"]
            commands["creation"] += [f"--{name}={scratch / name}" for name in ("train_output", "test_output")]
        for n_events in args.events:
            write_repeated_l1_events(L1Dataset.check(args.data), scratch / "l1.h5", n_events)
            if args.generated:
                write_repeated_events(check_events_files(args.generated), scratch / "events.h5", n_events)
            for n_workers in args.workers:
                for _ in range(args.turns):
                    for step, command in commands.items():
                        measured = cost(project_script(*command, f"--workers={n_workers}"))
                        rows.append(
                            {"step": step, "events": n_events, "workers": n_workers, **as_row(measured, n_events)}
                        )
    spent = {step: sum(row["CPU [s]"] for row in rows if row["step"] == step) for step in commands}
    ratio = {"selection over creation, CPU": spent["selection"] / spent["creation"]} if args.generated else {}
    report(args, rows, **ratio)


if __name__ == "__main__":
    main()
