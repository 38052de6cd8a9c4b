"""Reading of Parquet files in batches of bounded memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from utils.formats.first_look import memory_limited
from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error, unreadable_error

READ_AHEAD = 1 << 20
READING_BYTES = 1 << 29  # memory of a batch
MAX_VALUES = 100  # of a column per event, on average: a few bytes of a file may encode any number of equal values


@dataclass(frozen=True)
class Table:
    """A Parquet file, and the names in the file of the columns that are read, by their names here."""

    path: Path
    columns: dict[str, str]


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; any error while it is read becomes a :class:`UserError` that names it."""
    if not path.is_file():
        raise missing_error(path)
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_AHEAD) as file:
            yield file
    except MemoryError:
        limit = f"{READING_BYTES >> 20} MiB"
        raise UserError(f"{path}: takes more than {limit} of memory to be read: write it in smaller pages") from None
    except pa.ArrowNotImplementedError as error:
        raise UserError(f"{path}: written in a way that pyarrow {pa.__version__} does not read ({error})") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable_error(path, error, f"not a readable Parquet file, damaged or cut short ({error})") from None


def read_batches(table: Table, size: int) -> Iterator[dict[str, pa.Array]]:
    """Read the columns of a table, by their names here, in batches of exactly `size` rows except the last."""
    with open_parquet(table.path) as file:
        _refuse_long_lists(file.metadata, table)
        waiting: list[pa.RecordBatch] = []
        batches = file.iter_batches(size, columns=list(table.columns.values()), use_threads=False)
        while (batch := _next(batches)) is not None:
            waiting.append(batch)
            while sum(map(len, waiting)) >= size:
                joined = pa.concat_batches(waiting)
                yield _named(joined[:size], table)
                waiting = [joined[size:]]
        rest = pa.concat_batches(waiting) if waiting else []
        if len(rest):
            yield _named(rest, table)


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    """Read a batch, or None at the end; the file itself declares the memory of a page, up to 2 GiB."""
    with memory_limited(READING_BYTES):
        return next(batches, None)


def _refuse_long_lists(metadata: pq.FileMetaData, table: Table) -> None:
    """Refuse lists that may not fit into memory."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            name = column.path_in_schema.partition(".")[0]
            if name in table.columns.values() and column.total_uncompressed_size > READING_BYTES:
                raise UserError(
                    f"{table.path}: column '{name}': {column.total_uncompressed_size >> 20} MiB in a group of rows, "
                    f"expected at most {READING_BYTES >> 20}: write it in smaller groups"
                )
            if name in table.columns.values() and column.num_values > MAX_VALUES * group.num_rows:
                raise UserError(
                    f"{table.path}: column '{name}': {column.num_values} entries in {group.num_rows} events, "
                    f"expected {MAX_VALUES} an event at most"
                )


def _named(batch: pa.RecordBatch, table: Table) -> dict[str, pa.Array]:
    return {name: batch.column(column) for name, column in table.columns.items()}
