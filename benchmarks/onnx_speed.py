"""Speed of an exported correction in onnxruntime, in batches and event by event, beside Keras."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import benchmark_parser, report
from nn.correction import load_correction
from nn.onnx_export import OnnxCorrection, slot_kinds
from utils.event_layout import PT
from utils.formats.l1_files import L1Dataset
from utils.runtime.arguments import comma_separated, number


def as_row(name: str, run: Callable[[np.ndarray], Any], objects: np.ndarray, batch_size: int) -> dict[str, Any]:
    """Time a function on batches of events, after a first call that is not counted."""
    run(objects[:batch_size])
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(objects), batch_size):
        run(objects[start : start + batch_size])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "runs in": name,
        "batch": batch_size,
        "events/s": len(objects) / wall,
        "events/CPU-s": len(objects) / cpu,
        "us/event": 1e6 * wall / len(objects),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Read, time, report."""
    parser = benchmark_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file")
    parser.add_argument("--model_dir", type=Path, required=True, help="folder of the trained teacher")
    parser.add_argument("--onnx", type=Path, required=True, help="its file from export_onnx.py")
    parser.add_argument(
        "--events", type=number(int, 1), default=20_000, help="number of events; event by event a tenth"
    )
    parser.add_argument(
        "--batch_sizes", type=comma_separated(number(int, 1)), default="32,1024", help="events in a batch"
    )
    args = parser.parse_args(argv)
    objects = next(L1Dataset.check(args.data).chunks(args.events, true_objects=False)).smeared_data
    correction, onnx = load_correction(args.model_dir), OnnxCorrection(args.onnx.read_bytes())

    def of_real_objects(events: np.ndarray) -> None:
        real = events[0, :, PT] > 0
        onnx(events[:, real], slot_kinds(1)[:, real])

    rows = [
        as_row("Keras", correction.sums, objects, len(objects)),
        as_row("onnxruntime, without empty slots", of_real_objects, objects[::10], 1),
        as_row("onnxruntime, 18 slots", lambda events: onnx(events, slot_kinds(1)), objects[::10], 1),
    ]
    for size in args.batch_sizes:
        rows.append(
            as_row("onnxruntime, 18 slots", lambda events: onnx(events, slot_kinds(len(events))), objects, size)
        )
    report(args, rows)


if __name__ == "__main__":
    main()
