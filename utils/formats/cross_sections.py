"""Cross sections that are given for files whose events have only generator weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from utils.runtime.errors import UserError


class GeneratedFile(Protocol):
    """A checked file with generator weights."""

    @property
    def path(self) -> Path:
        """Path of the file."""

    @property
    def n_events(self) -> int:
        """Number of events."""

    @property
    def sum_of_weights(self) -> float | None:
        """Generator weights of all events that were generated for the file; None without weights."""

    @property
    def weights_name(self) -> str:
        """Name of the weights in messages."""


File = TypeVar("File", bound=GeneratedFile)


def with_cross_sections(process: str, files: Sequence[File], cross_sections: Mapping[str, float]) -> list[File]:
    """Scale the generator weights of the files of a process, by their field `scale`.

    The files to which an entry applies share its cross section, by their sums of generator weights. The cross section
    of the process is the sum over all entries. The weights of each file add up to it, as in events files: whoever joins
    files divides by their numbers of events. So either all files have an entry or none, even one with a cross section
    of its own.
    """
    found = [_entry(process, file, cross_sections) for file in files]
    names = [name for name in found if name is not None]
    if not names:
        return list(files)
    if len(names) < len(files):
        missing, given = files[found.index(None)].path, files[found.index(names[0])].path
        raise UserError(f"{missing}: a cross section (--cross_sections) is missing, but {given} has it")
    n_events = sum(file.n_events for file in files)
    totals = {
        name: sum(file.sum_of_weights or 0 for file, other in zip(files, names, strict=True) if other == name)
        for name in names
    }
    scaled = []
    for file, name in zip(files, names, strict=True):
        if file.sum_of_weights is None:
            raise UserError(
                f"{file.path}: {file.weights_name} is missing, expected it for its cross section of '{name}'"
            )
        if not totals[name] > 0:
            raise UserError(
                f"{file.path}: expected generator weights that sum to more than 0, found a sum of {totals[name]:g}"
            )
        changed: Any = file
        scale = cross_sections[name] / totals[name] * n_events / max(file.n_events, 1)
        scaled.append(replace(changed, scale=scale))
    return scaled


def _entry(process: str, file: GeneratedFile, cross_sections: Mapping[str, float]) -> str | None:
    """Return the entry that gives the cross section of a file."""
    found = [name for name in cross_sections if name == process or file.path.match(name)]
    if len(found) > 1:
        raise UserError(f"--cross_sections: {file.path} of process {process} has several: {', '.join(found)}")
    return found[0] if found else None
