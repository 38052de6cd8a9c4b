"""What a file is, found from its content: names and extensions do not count."""

import zlib
from enum import StrEnum
from pathlib import Path

from utils.runtime.errors import UserError

GZIP_MAGIC = b"\x1f\x8b"
GZIP_FORMAT = 16 + zlib.MAX_WBITS
LOOKED_AT = 1 << 16  # bytes at the beginning of a text, unfolded: comments may precede its first word


class Kind(StrEnum):
    """A kind of file, with its name in messages."""

    HDF5 = "HDF5"
    PARQUET = "Parquet"
    NANOAOD = "NanoAOD"
    DELPHES = "Delphes"
    ROOT = "ROOT"
    HEPMC = "HepMC"
    LES_HOUCHES = "Les Houches"


PARTICLES = (Kind.HEPMC, Kind.LES_HOUCHES)  # of which generate_events.py makes objects
TREES = {"Events": Kind.NANOAOD, "Delphes": Kind.DELPHES}  # at the top of a ROOT file
TEXTS = {b"<LesHouchesEvents": Kind.LES_HOUCHES, b"HepMC::": Kind.HEPMC}


def kind_of(path: str | Path) -> Kind | None:
    """Return the kind of a file, or None if it is no file, cannot be read or is of no known kind.

    `Kind.ROOT` are ROOT files without a known tree; damaged ones raise a :class:`UserError`. Texts may be gzipped.
    """
    path = Path(path)
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            first = file.read(LOOKED_AT)
        if first.startswith(GZIP_MAGIC):
            first = zlib.decompressobj(GZIP_FORMAT).decompress(first, LOOKED_AT)  # of a file cut short what is there
    except (OSError, zlib.error):
        return None
    if first.startswith(b"root"):
        return _kind_of_root(path)
    if first.startswith(b"PAR1"):
        return Kind.PARQUET
    import h5py  # not where the workflow imports this module, whose plan would wait for it

    if h5py.is_hdf5(path):
        return Kind.HDF5
    return next((kind for word, kind in TEXTS.items() if word in first), None)


def _kind_of_root(path: Path) -> Kind:
    """Return the kind of a ROOT file by the names at its top; uproot is imported here, because that takes a second."""
    from utils.formats.root import open_root

    with open_root(path) as file:
        names = {name.partition(";")[0] for name in file.keys(recursive=False)}
    return next((kind for name, kind in TREES.items() if name in names), Kind.ROOT)


def particles_error(path: str | Path, kind: Kind) -> UserError:
    """Return the error of a file of particles where one of objects is expected."""
    return UserError(
        f"{path}: {kind} file of particles, expected objects: make an events file by generate_events.py --source, or "
        "name it as source of a process in generate_events of the configuration"
    )
