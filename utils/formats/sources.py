"""Files of events of a process, of any kind: each kind has its reader, which is found from the content of the file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.formats.events import EventsFile, check_events_files, refuse_mixed_weights
from utils.formats.kinds import Kind, kind_of
from utils.formats.nanoaod_options import NanoAODOptions
from utils.runtime.errors import UserError

if TYPE_CHECKING:
    from utils.formats.nanoaod import NanoAODFile  # uproot takes a second to load

    Source = EventsFile | NanoAODFile


def check_sources(process: str, paths: Sequence[str | Path], options: NanoAODOptions) -> "list[Source]":
    """Check the files of a process; either all of them have weights or none has.

    Files of an unknown kind are checked as events files, whose reader says what is wrong.
    """
    kinds = {path: kind_of(path) for path in paths}
    files: dict[str | Path, Source] = {}
    if at_l1 := [path for path, kind in kinds.items() if kind == Kind.NANOAOD]:
        from utils.formats.nanoaod import check_nanoaod_files, with_cross_sections

        found = check_nanoaod_files(at_l1, options)
        files |= dict(zip(at_l1, with_cross_sections(process, found, options.cross_sections), strict=True))
    elif process in options.cross_sections:
        raise UserError(f"--cross_sections: process {process} has no NanoAOD file, whose events need it")
    for path, kind in kinds.items():
        if kind == Kind.ROOT:
            raise UserError(f"{path}: expected a ROOT file with a tree 'Events', as NanoAOD has, found none")
    others = [path for path in paths if path not in files]
    if files and others:
        raise UserError(f"{others[0]}: is to be smeared, but {at_l1[0]} of process {process} has objects of L1")
    files |= dict(zip(others, check_events_files(others), strict=True))
    refuse_mixed_weights({str(path): files[path] for path in paths})
    return [files[path] for path in paths]


def thresholds_of(files: "Sequence[Source]") -> Mapping[str, tuple[float, Path]]:
    """Return the highest threshold that the L1 objects of a file have, by their kind, and the first such file."""
    found: dict[str, tuple[float, Path]] = {}
    for file in files:
        for kind, cut in file.cut.items() if not isinstance(file, EventsFile) else ():
            if kind not in found or cut > found[kind][0]:
                found[kind] = cut, file.path
    return found


def kept_columns(files: "Sequence[Source]") -> tuple[str, ...]:
    """Return the columns of L1 regression files that only files with objects of L1 give."""
    return tuple(dict.fromkeys(name for file in files if not isinstance(file, EventsFile) for name in file.columns))
