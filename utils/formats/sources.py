"""Files of events of a process, of any kind: each kind has its reader, which is found from the content of the file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.formats.cross_sections import with_cross_sections
from utils.formats.events import EventsFile, OfflineFile, check_events_files, refuse_mixed_weights
from utils.formats.kinds import PARTICLES, Kind, kind_of, particles_error
from utils.formats.reader_options import ReaderOptions
from utils.runtime.errors import UserError

if TYPE_CHECKING:
    from utils.formats.delphes import DelphesFile  # uproot takes a second to load
    from utils.formats.nanoaod import NanoAODFile

    Source = EventsFile | DelphesFile | NanoAODFile

WITH_CROSS_SECTIONS = (Kind.NANOAOD, Kind.DELPHES)  # files with generator weights


def check_sources(process: str, paths: Sequence[str | Path], options: ReaderOptions) -> "list[Source]":
    """Check the files of a process; either all of them have weights or none has.

    Files of an unknown kind are checked as events files, whose reader says what is wrong.
    """
    kinds = {path: kind_of(path) for path in paths}
    for path, kind in kinds.items():
        if kind in PARTICLES:
            raise particles_error(path, kind)
        if kind == Kind.ROOT:
            raise UserError(f"{path}: expected a ROOT file with a tree 'Events' (NanoAOD) or 'Delphes', found none")
    if process in options.cross_sections and not set(kinds.values()) & {*WITH_CROSS_SECTIONS}:
        raise UserError(f"--cross_sections: process {process} has no NanoAOD or Delphes file, whose events need it")
    at_l1 = [path for path, kind in kinds.items() if kind == Kind.NANOAOD]
    others = [path for path in paths if path not in at_l1]
    if at_l1 and others:
        raise UserError(f"{others[0]}: is to be smeared, but {at_l1[0]} of process {process} has objects of L1")
    files: dict[str | Path, Source] = {}
    for kind in dict.fromkeys(kinds.values()):
        same = [path for path in paths if kinds[path] == kind]
        files |= dict(zip(same, _checked(process, kind, same, options), strict=True))
    refuse_mixed_weights({str(path): files[path] for path in paths})
    return [files[path] for path in paths]


def _checked(
    process: str, kind: Kind | None, paths: Sequence[str | Path], options: ReaderOptions
) -> "Sequence[Source]":
    """Check files of one kind."""
    if kind == Kind.NANOAOD:
        from utils.formats.nanoaod import check_nanoaod_files

        return with_cross_sections(process, check_nanoaod_files(paths, options), options.cross_sections)
    if kind == Kind.DELPHES:
        from utils.formats.delphes import check_delphes_files

        return with_cross_sections(process, check_delphes_files(paths, options), options.cross_sections)
    return check_events_files(paths)


def takes_cross_section(file: "Source") -> bool:
    """Return whether a cross section may be given for a file: all but events files have generator weights."""
    return not isinstance(file, EventsFile)


def thresholds_of(files: "Sequence[Source]") -> Mapping[str, tuple[float, Path]]:
    """Return the highest threshold that the L1 objects of a file have, by their kind, and the first such file."""
    found: dict[str, tuple[float, Path]] = {}
    for file in files:
        for kind, cut in file.cut.items() if not isinstance(file, OfflineFile) else ():
            if kind not in found or cut > found[kind][0]:
                found[kind] = cut, file.path
    return found


def kept_columns(files: "Sequence[Source]") -> tuple[str, ...]:
    """Return the columns of L1 regression files that only files with objects of L1 give."""
    return tuple(dict.fromkeys(name for file in files if not isinstance(file, OfflineFile) for name in file.columns))
