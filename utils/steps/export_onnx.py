"""Options of export_onnx.py."""

from dataclasses import dataclass
from pathlib import Path

from utils.runtime.options import Seed, flag


@dataclass(frozen=True, kw_only=True)
class Options(Seed):
    """Flags of the script."""

    model_dir: Path = flag(help="output folder of the training of a teacher", config=False)
    data: Path = flag(help="L1 regression file of the events to compare", config=False)
    output: Path = flag(help="folder for the ONNX file, replaced as a whole", config=False)
    tolerance: float = flag(1e-5, help="largest relative difference of a correction to that of Keras", above=0)
    chunk_size: int = flag(1024, help="events in a batch", minimum=1, neutral=True, config=False)
