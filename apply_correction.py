"""Apply a trained teacher or student to events of any readable format.

Takes the output folder of a training and a file of events: L1 objects of NanoAOD, of an L1 regression file or of
zero-bias events, or objects at offline resolution of an events file or Delphes, which are smeared to Level-1 first.
Writes the L1 sum, the correction, the corrected and the calibrated sum of each event, and whether it is uncorrected or
saturated, in the order of the input. The suffix of the output decides its format: HDF5, Parquet, or a ROOT tree that
can be a friend of that of the input.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.cli import script
from utils.formats.column_files import new_column_file
from utils.l1_sources import open_l1_source
from utils.predictions import EVENTS_PER_BLOCK
from utils.runtime import threads
from utils.runtime.options import parse
from utils.runtime.paths import refuse_overlaps
from utils.runtime.progress import progress
from utils.runtime.provenance import provenance
from utils.steps.apply_correction import Options
from utils.training.records import MODEL_FILE, TRAINING_FILE, read_training

if TYPE_CHECKING:
    from nn.correction import Correction

logger = logging.getLogger("apply_correction")

COLUMNS = {
    **dict.fromkeys(("l1_sum", "correction", "corrected_sum", "calibrated_sum"), np.float32),
    **dict.fromkeys(("uncorrected", "saturated"), np.bool_),
}


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    return parse(Options, __doc__, argv)


def load(folder: Path) -> "Correction":
    """Load a correction; Keras is imported only here, because its import takes seconds and logs much."""
    from nn.compat.keras_extras import keras_without_extras

    with keras_without_extras():
        from nn.correction import load_correction

    return load_correction(folder)


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Read, correct and write, a block of events at a time."""
    options = parse_args(argv)
    training_files = [options.model_dir / name for name in (MODEL_FILE, TRAINING_FILE)]
    refuse_overlaps({"--output": options.output}, [options.input, *training_files])
    training = read_training(options.model_dir)
    if training.calibration is None:
        logger.warning("%s has no calibration: calibrated_sum is the corrected sum", options.model_dir)
    source = open_l1_source(options.input, training.creator.variable, options)
    threads.divide_operations(1)  # batches are predicted at the same time
    n_uncorrected, n_saturated = 0, 0
    with new_column_file(options.output, COLUMNS, provenance(options)) as append:
        correction = load(options.model_dir)
        with progress(source.n_events, "correct") as bar:
            for events in source.chunks(EVENTS_PER_BLOCK):
                sums = correction.sums(events)
                append(vars(sums))
                n_uncorrected += int(np.sum(sums.uncorrected))
                n_saturated += int(np.sum(sums.saturated))
                bar.update(len(events))
    logger.info("%d events, %d of them uncorrected: no jet at L1, or an L1 sum of 0", source.n_events, n_uncorrected)
    logger.info("%d events have a saturated object or sum", n_saturated)


if __name__ == "__main__":
    raise SystemExit(main())
