"""Rows of HDF5 datasets: all layouts are read, damaged and oversized chunks are named."""

import zlib

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from utils.formats.gzip_table import GZIP
from utils.formats.rows import read_rows
from utils.runtime.errors import UserError


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
    def test_a_stored_chunk_larger_than_its_content_is_not_read(self, layout, tmp_path, numbers):
        path = tmp_path / "data.h5"
        options = LAYOUTS.get(layout, {"chunks": (300, 3), "shuffle": True})
        with h5py.File(path, "w") as file:
            column = file.create_dataset("numbers", data=numbers, **options)
            column.id.write_direct_chunk((300, 0), bytes(100_000))
        with h5py.File(path) as file, pytest.raises(UserError, match="100000 bytes required"):
            read_rows(file["numbers"], 500, 700)

    def test_double_compression_is_refused(self, tmp_path, numbers):
        options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        options.set_chunk((300, 3))
        for _ in range(2):
            options.set_deflate(1)
        with h5py.File(tmp_path / "data.h5", "w") as file:
            space, kind = h5py.h5s.create_simple(numbers.shape), h5py.h5t.py_create(numbers.dtype)
            h5py.Dataset(h5py.h5d.create(file.id, b"numbers", kind, space, options))[...] = numbers
            with pytest.raises(UserError, match="compressed twice"):
                read_rows(file["numbers"], 0, 10)
