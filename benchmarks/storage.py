"""Size and CPU time of the objects of events in HDF5, by compression and length of the chunks.

The `smeared_data` of an L1 regression file are written and read with each of the filters that every HDF5 library has;
"gzip, ISA-L" is what the project does. Chunks are read in random order, as the training does.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.common import benchmark_parser, report
from utils.formats.gzip_table import GzipTable
from utils.formats.l1_files import L1Dataset
from utils.formats.rows import read_rows
from utils.runtime.arguments import number
from utils.runtime.workers import worker_threads

FILTERS: dict[str, dict[str, Any]] = {
    "none": {},
    "gzip 1": {"compression": "gzip", "compression_opts": 1},
    "gzip 4": {"compression": "gzip", "compression_opts": 4},
    "shuffle + gzip 1": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
}
ISAL = "gzip 1, ISA-L"


def write(path: Path, objects: np.ndarray, filters: str, chunk: int) -> None:
    """Write the objects chunk by chunk."""
    with h5py.File(path, "w") as file:
        if filters == ISAL:
            with worker_threads(1) as workers:
                table = GzipTable(file, {"objects": (objects.shape[1:], objects.dtype.type)}, chunk, workers)
                table.append({"objects": objects})
                table.finish()
            return
        column = file.create_dataset(
            "objects", objects.shape, objects.dtype, chunks=(chunk, *objects.shape[1:]), **FILTERS[filters]
        )
        for start in range(0, len(objects), chunk):
            column[start : start + chunk] = objects[start : start + chunk]


def read(path: Path, filters: str, chunk: int) -> None:
    """Read the objects chunk by chunk, in random order."""
    with h5py.File(path) as file:
        column = file["objects"]
        for start in np.random.default_rng(1).permutation(np.arange(0, len(column), chunk)):
            stop = min(start + chunk, len(column))
            if filters == ISAL:
                read_rows(column, start, stop)
            else:
                column[start:stop]


def cpu(action: Callable[..., None], *arguments: Any) -> float:
    """CPU time in seconds of all threads, the shortest of three times."""
    times = []
    for _ in range(3):
        start = time.process_time()
        action(*arguments)
        times.append(time.process_time() - start)
    return min(times)


def main(argv: Sequence[str] | None = None) -> None:
    """Write and read with each filter and chunk length."""
    parser = benchmark_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file")
    parser.add_argument("--events", type=number(int, 1), default=200_000, help="events that are written, repeated")
    args = parser.parse_args(argv)
    data = L1Dataset.check(args.data)
    objects = np.resize(data.rows(0, data.n_events).smeared_data, (args.events, 18, 3))
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "objects.h5"
        for filters in (*FILTERS, ISAL):
            for chunk in (1024, 4096, 16384):
                written = cpu(write, path, objects, filters, chunk)
                rows.append(
                    {
                        "filters": filters,
                        "events a chunk": chunk,
                        "write [us/event]": 1e6 * written / len(objects),
                        "read [us/event]": 1e6 * cpu(read, path, filters, chunk) / len(objects),
                        "size [B/event]": path.stat().st_size / len(objects),
                    }
                )
    report(args, rows)


if __name__ == "__main__":
    main()
