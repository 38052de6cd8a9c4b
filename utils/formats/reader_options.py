"""Options of the readers of events, for those formats that leave a choice."""

from dataclasses import dataclass

from utils.formats.delphes_options import DelphesOptions
from utils.formats.nanoaod_options import NanoAODOptions


@dataclass(frozen=True, kw_only=True)
class ReaderOptions(NanoAODOptions, DelphesOptions):
    """What of a file is read."""
