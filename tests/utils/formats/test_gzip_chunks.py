"""Compressed chunks: the HDF5 library reads what is written here, and what it wrote itself is read here."""

import zlib

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from utils.formats.gzip_chunks import GZIP, GzipTable, read_rows
from utils.runtime.errors import UserError
from utils.runtime.workers import in_order, worker_threads

COLUMNS = {"objects": ((18, 3), np.float32), "met": ((), np.float32), "ids": ((), np.int32)}


def random_columns(n_rows):
    rng = np.random.default_rng(n_rows)
    return {name: rng.integers(0, 50, (n_rows, *row)).astype(dtype) for name, (row, dtype) in COLUMNS.items()}


def write(path, columns, cuts=(), n_workers=1):
    with worker_threads(n_workers) as workers, h5py.File(path, "w") as file:
        table = GzipTable(file, COLUMNS, 10, workers)
        for start, stop in zip([0, *cuts], [*cuts, len(columns["ids"])], strict=True):
            table.append({name: values[start:stop] for name, values in columns.items()})
            assert len(table) == stop
        table.finish()
    return path


def stored_chunks(path):
    """Return all compressed chunks and where in the file they are."""
    with h5py.File(path) as file:
        return {
            (name, i): (file[name].id.get_chunk_info(i), file[name].id.read_direct_chunk((10 * i, *[0] * len(row)))[1])
            for name, (row, _) in COLUMNS.items()
            for i in range(file[name].id.get_num_chunks())
        }


class TestGzipTable:
    @pytest.mark.parametrize("n_workers", [1, 3])
    @pytest.mark.parametrize("n_rows", [0, 1, 9, 10, 11, 100, 137])
    def test_the_hdf5_library_reads_what_is_written(self, n_rows, n_workers, tmp_path):
        columns = random_columns(n_rows)
        with h5py.File(write(tmp_path / "x.h5", columns, n_workers=n_workers)) as file:
            for name, values in columns.items():
                assert file[name].dtype == values.dtype
                assert file[name].compression == "gzip"
                assert_array_equal(file[name][:], values)

    @pytest.mark.parametrize("cuts", [(1,), (10,), (10, 10), (3, 7, 64), tuple(range(1, 137))])
    def test_stored_chunks_are_equal_whatever_the_parts_and_the_workers(self, cuts, tmp_path):
        columns = random_columns(137)
        whole = stored_chunks(write(tmp_path / "whole.h5", columns))
        for n_workers in (1, 4):
            assert stored_chunks(write(tmp_path / "parts.h5", columns, cuts, n_workers)) == whole

    def test_a_file_can_be_extended_by_the_hdf5_library(self, tmp_path):
        columns = random_columns(25)
        with h5py.File(write(tmp_path / "x.h5", columns), "a") as file:
            file["met"].resize(30, axis=0)
            assert_array_equal(file["met"][:], np.append(columns["met"], np.zeros(5, np.float32)))
            file["met"][25:] = 7
            assert_array_equal(file["met"][20:], np.append(columns["met"][20:], np.full(5, 7)))


def test_threads_read_while_another_writes(tmp_path):
    columns = random_columns(5000)
    source = write(tmp_path / "source.h5", columns)

    def read(start):
        with h5py.File(source) as file:
            return {name: read_rows(file[name], start, start + 25) for name in COLUMNS}

    with worker_threads(4) as workers, h5py.File(tmp_path / "copy.h5", "w") as file:
        table = GzipTable(file, COLUMNS, 10, workers)
        for rows in in_order(workers, read, range(0, 5000, 25), ahead=20):
            table.append(rows)
        table.finish()
        for name, values in columns.items():
            assert_array_equal(file[name][:], values)


@pytest.fixture
def numbers():
    return np.random.default_rng(1).normal(size=(2000, 3)).astype(np.float32)


LAYOUTS = {
    "contiguous": {},
    "gzip": {"chunks": (300, 3), **GZIP},
    "gzip, long chunks": {"chunks": (5000, 3), "maxshape": (None, 3), **GZIP},
    "gzip of columns": {"chunks": (300, 1), **GZIP},
    "gzip with shuffle": {"chunks": (300, 3), "shuffle": True, **GZIP},
    "gzip with checksum": {"chunks": (300, 3), "fletcher32": True, **GZIP},
    "lzf": {"chunks": (300, 3), "compression": "lzf"},
    "chunks": {"chunks": (300, 3)},
}


class TestReadRows:
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4"])
    def test_all_layouts_are_read(self, layout, dtype, tmp_path, numbers):
        numbers = numbers.astype(dtype)
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file.create_dataset("numbers", data=numbers, **LAYOUTS[layout])
        with h5py.File(tmp_path / "x.h5") as file:
            for rows in (slice(0, 2000), slice(0, 1), slice(299, 301), slice(600, 900), slice(1999, 2000), slice(5, 5)):
                found = read_rows(file["numbers"], rows.start, rows.stop)
                assert found.dtype == dtype
                assert_array_equal(found, numbers[rows])

    def test_chunks_that_were_never_written_are_zero(self, tmp_path, numbers):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            column = file.create_dataset("numbers", (2000, 3), np.float32, **LAYOUTS["gzip"])
            column[700:800] = numbers[:100]
        expected = np.zeros((2000, 3), np.float32)
        expected[700:800] = numbers[:100]
        with h5py.File(tmp_path / "x.h5") as file:
            assert_array_equal(read_rows(file["numbers"], 0, 2000), expected)

    @pytest.mark.parametrize("layout", ["gzip", "gzip with checksum"])
    @pytest.mark.parametrize("damage", ["zeros", "one byte", "truncated"])
    def test_damaged_rows_are_named(self, layout, damage, tmp_path, numbers):
        path = tmp_path / "data.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("numbers", data=numbers, **LAYOUTS[layout])
        with h5py.File(path) as file:
            chunk = file["numbers"].id.get_chunk_info(2)
        content = bytearray(path.read_bytes())
        if damage == "zeros":
            content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
        elif damage == "one byte":
            content[chunk.byte_offset + chunk.size // 2] ^= 0xFF
        else:
            content[chunk.byte_offset + chunk.size // 2 : chunk.byte_offset + chunk.size] = bytes(
                chunk.size - chunk.size // 2
            )
        path.write_bytes(content)
        with h5py.File(path) as file:
            assert_array_equal(read_rows(file["numbers"], 0, 600), numbers[:600])
            with pytest.raises(UserError, match=r"data\.h5: dataset 'numbers' cannot be read in rows 500 to 700"):
                read_rows(file["numbers"], 500, 700)

    @pytest.mark.parametrize("layout", ["gzip", "gzip of columns", "gzip with shuffle", "gzip with checksum"])
    def test_a_chunk_that_grows_beyond_its_size_is_refused(self, layout, tmp_path, numbers):
        path = tmp_path / "data.h5"
        with h5py.File(path, "w") as file:
            column = file.create_dataset("numbers", data=numbers, **LAYOUTS[layout])
            column.id.write_direct_chunk((300, 0), zlib.compress(bytes(1_000_000)))
        with h5py.File(path) as file:
            assert_array_equal(read_rows(file["numbers"], 0, 300), numbers[:300])
            with pytest.raises(UserError, match=r"a chunk has \d+ bytes or more, expected (3600|1200)"):
                read_rows(file["numbers"], 0, 2000)

    @pytest.mark.parametrize("layout", ["gzip", "lzf", "shuffle"])
    def test_a_chunk_that_is_stored_as_more_than_its_content_is_not_read(self, layout, tmp_path, numbers):
        path = tmp_path / "data.h5"
        options = LAYOUTS.get(layout, {"chunks": (300, 3), "shuffle": True})
        with h5py.File(path, "w") as file:
            column = file.create_dataset("numbers", data=numbers, **options)
            column.id.write_direct_chunk((300, 0), bytes(100_000))
        with h5py.File(path) as file, pytest.raises(UserError, match="100000 bytes required"):
            read_rows(file["numbers"], 500, 700)

    def test_what_is_compressed_twice_is_refused(self, tmp_path, numbers):
        options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        options.set_chunk((300, 3))
        for _ in range(2):
            options.set_deflate(1)
        with h5py.File(tmp_path / "data.h5", "w") as file:
            space, kind = h5py.h5s.create_simple(numbers.shape), h5py.h5t.py_create(numbers.dtype)
            h5py.Dataset(h5py.h5d.create(file.id, b"numbers", kind, space, options))[...] = numbers
            with pytest.raises(UserError, match="compressed twice"):
                read_rows(file["numbers"], 0, 10)
