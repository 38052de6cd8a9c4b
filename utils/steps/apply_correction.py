"""Options of apply_correction.py."""

from dataclasses import dataclass
from pathlib import Path

from utils.formats.column_files import SUFFIXES
from utils.l1_sources import SourceOptions
from utils.runtime.options import flag


@dataclass(frozen=True, kw_only=True)
class Options(SourceOptions):
    """Flags of the script."""

    model_dir: Path = flag(help="output folder of the training of a teacher or student", config=False)
    input: Path = flag(
        help="events: a file of any format that is read, or a folder of zero-bias events",
        metavar="FILE",
        config=False,
    )
    output: Path = flag(
        help="file of the sums and corrections; its suffix, .h5, .parquet or .root, decides the format",
        metavar="FILE",
        config=False,
    )

    def check(self) -> None:
        """Refuse an output of unknown format."""
        if self.output.suffix not in SUFFIXES:
            raise ValueError(f"argument --output: expected a suffix of {', '.join(SUFFIXES)}, found '{self.output}'")
