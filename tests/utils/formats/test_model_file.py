"""File of a model: oversized members are refused before Keras reads them."""

import io
import zipfile

import h5py
import numpy as np
import pytest

from utils.formats import first_look as first_look_module
from utils.formats.first_look import first_look
from utils.formats.model_file import check_model_file
from utils.runtime.errors import UserError


@pytest.fixture(autouse=True)
def one_second(monkeypatch):
    monkeypatch.setattr(first_look_module, "CPU_SECONDS", 1)


def weights(write=lambda file: None):
    """Return a file of weights as Keras writes it, with whatever else is written to it."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        group = file.create_group("layers/dense")
        group.attrs["name"] = "dense"
        group["vars/0"] = np.ones((6, 4), np.float32)
        write(file)
    return content.getvalue()


@pytest.fixture
def check(tmp_path):
    def check(**members):
        content = {"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": weights()} | members
        with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, of_member in content.items():
                archive.writestr(name, of_member)
        first_look(check_model_file, [tmp_path / "x.keras"])

    return check


def test_a_file_of_keras_is_accepted(check):
    check()


def test_a_bomb_is_not_unfolded(check):
    with pytest.raises(UserError, match=r"x\.keras: its 'model.weights.h5' has 134217728 bytes, expected at most"):
        check(**{"model.weights.h5": bytes(1 << 27)})
    with pytest.raises(UserError, match=r"x\.keras: its 'config.json' has 1048577 bytes"):
        check(**{"config.json": b" " * ((1 << 20) + 1)})
    with pytest.raises(UserError, match=r"x\.keras: has 'assets/x', expected config.json"):
        check(**{"assets/x": b"x"})


def test_a_false_size_in_the_archive_is_not_trusted(check, tmp_path):
    check()
    content = (tmp_path / "x.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.keras") as archive:
        size = archive.getinfo("model.weights.h5").file_size
    (tmp_path / "x.keras").write_bytes(content.replace(size.to_bytes(4, "little"), (size // 2).to_bytes(4, "little")))
    with pytest.raises(UserError, match=r"x\.keras: not a readable model"):
        first_look(check_model_file, [tmp_path / "x.keras"])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: file.create_dataset("big", (1 << 25,), "f4", compression="gzip"), "expected numbers, not compr"),
        (lambda file: file.create_dataset("big", (1 << 25,), "f4"), "more than 67108864 bytes of numbers"),
        (lambda file: file.update({"text": np.array(["x"], h5py.string_dtype())}), "expected numbers"),
        (lambda file: file.update({"there": h5py.ExternalLink("/dev/zero", "x")}), "has a link, 'there'"),
        (lambda file: file.update({"circle": file["layers"]}), "has '.*' twice"),
    ],
)
def test_weights_are_numbers_in_the_file_itself(write, message, check):
    with pytest.raises(UserError, match=message):
        check(**{"model.weights.h5": weights(write)})


def test_a_zeroed_heap_is_not_an_endless_loop(check):
    """It is one in HDF5 1.14, where the bound on the time ends it; another version may end with an error."""
    content = bytearray(weights())
    heap = content.find(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)
    with pytest.raises(UserError, match=r"^\S*x\.keras: "):
        check(**{"model.weights.h5": bytes(content)})


def test_a_file_that_is_not_an_archive_is_named(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"PK" * 100)
    with pytest.raises(UserError, match=r"x\.keras: not a readable model"):
        first_look(check_model_file, [tmp_path / "x.keras"])
