"""Size and CPU time of L1 regression files and of events files, by compression and length of the chunks.

All columns of a file are written and read with each of the filters that every HDF5 library has. "gzip 1, ours" is the
way of this project, written by libdeflate and read by ISA-L. Chunks are read in random order, as the training reads
them.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.common import benchmark_parser, report
from utils.formats.events import EventsFile
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
HDF5, OURS = "gzip 1", "gzip 1, ours"
COMPARED_CHUNK = 4096

Columns = Mapping[str, np.ndarray]


def write(path: Path, columns: Columns, filters: str, chunk: int) -> None:
    """Write all columns chunk by chunk."""
    with h5py.File(path, "w") as file:
        if filters == OURS:
            with worker_threads(1) as workers:
                kinds = {name: (values.shape[1:], values.dtype.type) for name, values in columns.items()}
                table = GzipTable(file, kinds, chunk, workers)
                table.append(dict(columns))
                table.finish()
            return
        for name, values in columns.items():
            column = file.create_dataset(
                name, values.shape, values.dtype, chunks=(chunk, *values.shape[1:]), **FILTERS[filters]
            )
            for start in range(0, len(values), chunk):
                column[start : start + chunk] = values[start : start + chunk]


def read(path: Path, filters: str, chunk: int) -> None:
    """Read all columns chunk by chunk, in random order."""
    with h5py.File(path) as file:
        for column in file.values():
            for start in np.random.default_rng(1).permutation(np.arange(0, len(column), chunk)):
                stop = min(start + chunk, len(column))
                if filters == OURS:
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


def repeated(columns: Mapping[str, np.ndarray | None], n_events: int) -> Columns:
    """Repeat the events to the wanted number."""
    return {
        name: np.resize(values, (n_events, *values.shape[1:])) for name, values in columns.items() if values is not None
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Write and read each file with each filter and chunk length."""
    parser = benchmark_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file")
    parser.add_argument("--generated", type=Path, required=True, help="events file")
    parser.add_argument("--events", type=number(int, 1), default=1_000_000, help="events that are written, repeated")
    args = parser.parse_args(argv)
    data, generated = L1Dataset.check(args.data), EventsFile.check(args.generated)
    particles, weights = generated.rows(0, generated.n_events)
    files: dict[str, Mapping[str, np.ndarray | None]] = {
        "L1": vars(data.rows(0, data.n_events)),
        "events": {"Particles": particles, "Weights": weights},
    }
    rows, ratios = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "file.h5"
        for file, contents in files.items():
            columns, costs = repeated(contents, args.events), {}
            for filters in (*FILTERS, OURS):
                for chunk in (1024, COMPARED_CHUNK, 16384):
                    written = cpu(write, path, columns, filters, chunk)
                    costs[filters, chunk] = written, cpu(read, path, filters, chunk)
                    rows.append(
                        {
                            "file": file,
                            "filters": filters,
                            "events a chunk": chunk,
                            "write [us/event]": 1e6 * written / args.events,
                            "read [us/event]": 1e6 * costs[filters, chunk][1] / args.events,
                            "size [B/event]": path.stat().st_size / args.events,
                        }
                    )
            for i, action in enumerate(("write", "read")):
                ratio = costs[HDF5, COMPARED_CHUNK][i] / costs[OURS, COMPARED_CHUNK][i]
                ratios[f"{file}, {action}: CPU time of the gzip filter of HDF5 over ours"] = ratio
    report(args, rows, **ratios)


if __name__ == "__main__":
    main()
