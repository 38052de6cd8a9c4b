"""Compressed columns: the HDF5 library reads them, and they do not depend on the number of threads."""

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from utils.formats.gzip_table import CHUNKS_A_RESIZE, GzipTable
from utils.formats.rows import read_rows
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
    def test_the_hdf5_library_reads_the_columns(self, n_rows, n_workers, tmp_path):
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

    def test_whole_chunks_are_not_copied_but_may_have_any_strides_and_type(self, tmp_path):
        n_rows = 10 * CHUNKS_A_RESIZE + 25
        columns = random_columns(n_rows)
        whole = stored_chunks(write(tmp_path / "whole.h5", columns))
        others = {name: np.repeat(values, 2, axis=0)[::2].astype(np.float64) for name, values in columns.items()}
        assert stored_chunks(write(tmp_path / "others.h5", others, cuts=(5, 25, n_rows - 1))) == whole
        with h5py.File(tmp_path / "others.h5") as file:
            for name, values in columns.items():
                assert_array_equal(file[name][:], values)

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
