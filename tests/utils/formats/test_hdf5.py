"""Checks of HDF5 files: errors name the file, the dataset, and what is wrong."""

import fcntl

import h5py
import numpy as np
import pytest

from utils.formats.hdf5 import checked_dataset, open_hdf5
from utils.runtime.errors import UserError
from utils.runtime.locks import NO_LOCKS


@pytest.fixture
def hdf5_file(tmp_path):
    """Return an HDF5 file with compressed numbers, text, a group and a scalar."""
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        numbers = np.random.default_rng(0).normal(size=(2000, 3))
        file.create_dataset("numbers", data=numbers, compression="gzip", chunks=(500, 3))
        file["counts"] = np.arange(5)
        file["names"] = np.array([b"a", b"b"])
        file["scalar"] = 1.0
        file.create_group("group")
    return path


class TestOpen:
    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.h5: no such file"), open_hdf5(tmp_path / "none.h5"):
            pass

    def test_folder_is_no_file(self, tmp_path):
        with pytest.raises(UserError, match="is a folder, expected a file"), open_hdf5(tmp_path):
            pass

    def test_a_locked_file_is_not_called_damaged(self, hdf5_file):
        with hdf5_file.open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(UserError, match=r"data\.h5: another program has locked it"), open_hdf5(hdf5_file):
                pass
        with open_hdf5(hdf5_file) as file:
            assert "numbers" in file

    @pytest.mark.parametrize("error", NO_LOCKS)
    def test_a_file_system_without_locks_is_read(self, hdf5_file, monkeypatch, error):
        opened = h5py.File

        def refuse_to_lock(path, mode, locking):
            if locking is None:
                raise OSError(error, "unable to lock file")
            return opened(path, mode, locking=locking)

        monkeypatch.setattr(h5py, "File", refuse_to_lock)
        with open_hdf5(hdf5_file) as file:
            assert "numbers" in file

    def test_a_file_without_permission_is_not_called_damaged(self, hdf5_file, monkeypatch):
        def refuse(*_, **__):
            raise PermissionError(13, "unable to open file")

        monkeypatch.setattr(h5py, "File", refuse)
        with pytest.raises(UserError, match=r"data\.h5: cannot be read: Permission denied$"), open_hdf5(hdf5_file):
            pass

    @pytest.mark.parametrize("libver", ["earliest", "latest"])
    def test_another_version_of_hdf5_is_named(self, tmp_path, libver):
        path = tmp_path / "data.h5"
        with h5py.File(path, "w", libver=libver) as file:
            file["x"] = 1.0
        content = bytearray(path.read_bytes())
        content[8] = 9  # the version of the first block
        path.write_bytes(content)
        with pytest.raises(UserError, match="written by another version of HDF5 than"), open_hdf5(path):
            pass

    @pytest.mark.parametrize("length", [0, 1, 100, 2000])
    def test_truncated_file_is_named(self, hdf5_file, length):
        hdf5_file.write_bytes(hdf5_file.read_bytes()[:length])
        message = r"data\.h5: not a readable HDF5 file, damaged or cut short"
        with pytest.raises(UserError, match=message), open_hdf5(hdf5_file):
            pass

    def test_garbage_is_named(self, tmp_path):
        path = tmp_path / "garbage.h5"
        path.write_bytes(np.random.default_rng(0).bytes(5000))
        with pytest.raises(UserError, match=r"garbage\.h5: not a readable HDF5 file"), open_hdf5(path):
            pass

    def test_file_is_closed_afterwards(self, hdf5_file):
        with open_hdf5(hdf5_file) as file:
            assert file["counts"][2] == 2
        assert not file


class TestDataset:
    @pytest.mark.parametrize(
        ("name", "shape", "kinds", "message"),
        [
            ("other", (None,), "f", "dataset 'other' is missing, found counts, group, names, numbers, scalar"),
            ("group", (None,), "f", r"'group' is a group, expected a dataset of shape \(any\)"),
            ("numbers", (None, 4), "f", r"dataset 'numbers' has shape \(2000, 3\), expected \(any, 4\)"),
            ("numbers", (None,), "f", r"dataset 'numbers' has shape \(2000, 3\), expected \(any\)"),
            ("numbers", (5, 3), "f", r"dataset 'numbers' has shape \(2000, 3\), expected \(5, 3\)"),
            ("scalar", (None,), "f", r"dataset 'scalar' has shape \(\), expected \(any\)"),
            ("counts", (None,), "f", "dataset 'counts' has type int64, expected one of kind f"),
            ("names", (None,), "iuf", r"dataset 'names' has type \|S1, expected one of kind iuf"),
        ],
    )
    def test_a_difference_is_named(self, hdf5_file, name, shape, kinds, message):
        with open_hdf5(hdf5_file) as file, pytest.raises(UserError, match=rf"data\.h5: {message}"):
            checked_dataset(file, name, shape, kinds)

    def test_a_matching_dataset_is_returned(self, hdf5_file):
        with open_hdf5(hdf5_file) as file:
            assert len(checked_dataset(file, "numbers", (None, 3))) == 2000
            assert checked_dataset(file, "counts", (5,), "iu")[4] == 4

    def test_a_missing_filter_is_named(self, tmp_path):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((100,))
        properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (2, 2))  # the number of Blosc
        with h5py.File(tmp_path / "data.h5", "w") as file:
            space = h5py.h5s.create_simple((100,))
            h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F64LE, space, properties).write_direct_chunk((0,), b"1" * 9, 0)
        with (
            open_hdf5(tmp_path / "data.h5") as file,
            pytest.raises(UserError, match="'x' is compressed with filter 32001"),
        ):
            checked_dataset(file, "x", (None,))

    def test_external_or_missing_data_and_huge_chunks_are_refused(self, tmp_path, hdf5_file):
        layout = h5py.VirtualLayout((2000, 3), float)
        layout[:] = h5py.VirtualSource(hdf5_file, "numbers", (2000, 3))
        with h5py.File(tmp_path / "hostile.h5", "w") as file:
            file["external"] = h5py.ExternalLink(hdf5_file, "numbers")
            file["dangling"] = h5py.SoftLink("/nothing")
            file.create_virtual_dataset("virtual", layout)
            file.create_dataset("raw", (2, 3), float, external=[(hdf5_file, 0, 48)])
            file.create_dataset("unwritten", (10**12, 3), float, chunks=(4096, 3))
            file.create_dataset("contiguous", (10**9, 3), float)
            file.create_dataset("huge", (2**25, 3), float, chunks=(2**25, 3))
            file.create_dataset("references", data=[file.ref], dtype=h5py.ref_dtype)
        expected = {
            "external": "is a link, expected the data themselves",
            "dangling": "is a link, expected the data themselves",
            "virtual": "takes its data from other files",
            "raw": "takes its data from other files",
            "unwritten": "declares 1000000000000 rows, but not all of them are written",
            "contiguous": "declares 1000000000 rows, but not all of them are written",
            "huge": "has chunks of 768 MiB, expected at most 256",
            "references": "has type object, expected one of kind fSO",
        }
        with open_hdf5(tmp_path / "hostile.h5") as file:
            for name, message in expected.items():
                with pytest.raises(UserError, match=f"dataset '{name}' {message}"):
                    checked_dataset(file, name, (None,) if name == "references" else (None, 3), "fSO")
