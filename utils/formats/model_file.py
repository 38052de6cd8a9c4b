"""File of a trained model (.keras): a ZIP archive, whose members are checked before Keras unpacks them."""

import io
import zipfile
import zlib
from pathlib import Path

import h5py

from utils.formats.hdf5 import HDF5_ERRORS
from utils.runtime.errors import UserError

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MEMBERS = {CONFIG: 1 << 20, WEIGHTS: 1 << 26, "metadata.json": 1 << 16}  # largest sizes in bytes; a teacher has 200 kB
MAX_OBJECTS = 100_000  # in the file of the weights


def check_model_file(path: Path) -> None:
    """Check the members of a model file, in the child process of `first_look`; a :class:`UserError` names a bad one.

    Keras would read a member of any size as a whole, and unpack unknown members to a folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                most = MEMBERS.get(member.filename)
                if most is None:
                    raise UserError(f"{path}: has '{member.filename}', expected {', '.join(MEMBERS)} only")
                if member.file_size > most:
                    raise UserError(
                        f"{path}: its '{member.filename}' has {member.file_size} bytes, expected at most {most}"
                    )
            _check_weights(path, archive.read(WEIGHTS))
    except (*HDF5_ERRORS, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(f"{path}: not a readable model ({error})") from None


def _check_weights(path: Path, content: bytes) -> None:
    """Read the whole file of the weights; no dataset may be compressed or stored in another file."""
    with h5py.File(io.BytesIO(content)) as file:
        groups: list[h5py.Group] = [file]
        seen: set[int] = set()
        n_bytes = 0
        while groups:
            group = groups.pop()
            for name in group:
                where = f"{path}: its '{WEIGHTS}'"
                if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
                    raise UserError(f"{where} has a link, '{name}', expected the data themselves")
                found = group[name]
                address = h5py.h5o.get_info(found.id).addr
                if address in seen or len(seen) > MAX_OBJECTS:
                    raise UserError(f"{where} has '{name}' twice, or too many of them")
                seen.add(address)
                dict(found.attrs)
                if isinstance(found, h5py.Group):
                    groups.append(found)
                elif found.dtype.kind not in "fiub" or found.chunks or found.is_virtual or found.external:
                    raise UserError(f"{where} has '{name}' of type {found.dtype}, expected numbers, not compressed")
                else:
                    n_bytes += found.nbytes
                    if n_bytes > MEMBERS[WEIGHTS]:
                        raise UserError(f"{where} has more than {MEMBERS[WEIGHTS]} bytes of numbers")
                    found[()]
