"""Zero-bias events of CMS in files of any kind that is read: Parquet files or NanoAOD."""

from pathlib import Path
from typing import TYPE_CHECKING

from utils.formats.kinds import Kind, kind_of
from utils.formats.luminosity_mask import LuminosityMask
from utils.formats.trigger_scales import JET_THRESHOLD
from utils.runtime.errors import UserError

if TYPE_CHECKING:
    from utils.formats.nanoaod_zero_bias import NanoAODZeroBias
    from utils.formats.zero_bias import ZeroBiasData

    ZeroBias = ZeroBiasData | NanoAODZeroBias


def zero_bias_files(path: Path) -> tuple[list[Path], bool]:
    """Return the files of a folder and below it, or a single file, and whether they are ROOT files."""
    if not path.is_dir():
        return [path], kind_of(path) in (Kind.NANOAOD, Kind.ROOT)
    found = {suffix: sorted(path.rglob(f"*{suffix}")) for suffix in (".parquet", ".root")}
    if all(found.values()):
        raise UserError(f"{path}: expected either Parquet files or ROOT files, found both")
    return found[".root"] or found[".parquet"], bool(found[".root"])


def check_zero_bias(
    path: Path,
    reconstructed: str,
    mask: LuminosityMask | None = None,
    jet_threshold: float = JET_THRESHOLD,
    l1: str | None = None,
) -> "ZeroBias":
    """Check zero-bias events; a library that reads them is imported only here, because it takes time and memory.

    Parameters
    ----------
    path : Path
        Folder or file.
    reconstructed : str
        Corrected L1 sum, ``smeared_met`` or ``smeared_ht``, which decides the reference.
    mask : LuminosityMask, optional
        By default all events count.
    jet_threshold : float
        Of the events of the training, in GeV.
    l1 : str, optional
        Prefix of the L1 tables of NanoAOD; by default that of the trigger where a file has them.
    """
    files, is_root = zero_bias_files(path)
    if is_root:
        from utils.formats.nanoaod_zero_bias import NanoAODZeroBias

        return NanoAODZeroBias.check(files, reconstructed, mask or LuminosityMask(), jet_threshold, l1)
    from utils.formats.zero_bias import ZeroBiasData

    data = ZeroBiasData.check(path, reconstructed, jet_threshold)
    if mask not in (None, LuminosityMask()):
        raise UserError(f"{path}: Parquet files have no runs and luminosity sections, expected NanoAOD for a mask")
    return data
