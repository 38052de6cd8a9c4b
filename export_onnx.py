"""Export a trained teacher as an ONNX file: L1 objects in, corrected sums out, for C++ and other programs.

Takes the output folder of the training of a teacher and an L1 regression file. The ONNX file does all that the
evaluation does: energy sums, features, network, uncorrected events, floor, calibration. Every event of the L1 file goes
through onnxruntime and through Keras, and both have to agree. Writes correction.onnx and a record, onnx.json. The
packages are in requirements-export.txt.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from utils.cli import script
from utils.event_layout import PT
from utils.formats.l1_files import L1Dataset
from utils.l1_events import L1Events
from utils.runtime.errors import UserError
from utils.runtime.optional import check_installed
from utils.runtime.options import parse
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.progress import progress
from utils.runtime.provenance import provenance, sha256
from utils.runtime.text_files import write_json
from utils.runtime.whole_files import whole_folder
from utils.steps.export_onnx import Options
from utils.training.records import MODEL_FILE, TEACHER, TRAINING_FILE, Training, read_training
from utils.variables import reconstructed

if TYPE_CHECKING:
    from nn.correction import Correction
    from nn.onnx_export import OnnxCorrection

logger = logging.getLogger("export_onnx")

ONNX_FILE = "correction.onnx"
ROUNDING = 2.0**-22  # of the cosines and sines, relative to the scalar sum of the momenta


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    return parse(Options, __doc__, argv)


def read_teacher(options: Options) -> Training:
    """Read the record of the training of a teacher."""
    training = read_training(options.model_dir)
    if training.kind != TEACHER:
        path = options.model_dir / TRAINING_FILE
        raise UserError(f"{path}: belongs to a {training.kind}, which export_firmware.py exports; expected a {TEACHER}")
    return training


def largest_differences(
    found: dict[str, np.ndarray], events: L1Events, correction: "Correction"
) -> dict[str, np.ndarray]:
    """Compare the outputs of ONNX with Keras.

    MET may be the small difference of large momenta, so two implementations of a cosine may give sums that differ in
    more digits. Therefore L1 sums are compared relative to the scalar sum, and all else for the same L1 sum.

    Returns
    -------
    dict of str to np.ndarray, shape (n_events,), float64
        Differences of each output: of the L1 sum in units of its rounding, of others relative to Keras.
    """
    l1_sum = reconstructed(correction.training.creator.variable)
    momenta = np.maximum(events.smeared_data[:, :, PT], 0).sum(axis=1, dtype=np.float64)
    expected = vars(correction.sums(replace(events, **{l1_sum: found["l1_sum"]})))
    differences = {"l1_sum": _relative(found["l1_sum"], getattr(events, l1_sum), momenta)}
    for name, values in found.items():
        if name != "l1_sum":
            differences[name] = _relative(values, expected[name], np.abs(expected[name]))
    return differences


def _relative(found: np.ndarray, expected: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return |found - expected| / scale; 0 for equal values."""
    difference = np.abs(found.astype(np.float64) - expected)
    return np.divide(difference, scale, out=difference, where=difference != 0)


def check(options: Options, data: L1Dataset, onnx: "OnnxCorrection", correction: "Correction") -> dict[str, float]:
    """Compare ONNX and Keras for all events of a file, and return the largest difference of each output."""
    from nn.onnx_export import slot_kinds

    largest: dict[str, float] = {}
    rng = np.random.default_rng(options.seed)
    with progress(data.n_events, "check") as bar:
        for chunk in data.chunks(options.chunk_size, true_objects=False):
            events = L1Events.of_objects(chunk.smeared_data)
            found = onnx(*shuffled(events.smeared_data, slot_kinds(len(events)), rng))
            for name, differences in largest_differences(found, events, correction).items():
                allowed = ROUNDING if name == "l1_sum" else options.tolerance
                worst = int(np.argmax(np.nan_to_num(differences, nan=np.inf)))
                if not differences[worst] <= allowed:
                    raise UserError(
                        f"{data.path}: event {bar.n + worst}: {name} of ONNX differs from Keras by "
                        f"{differences[worst]:.2g}, relative, expected {allowed:.2g} at most"
                    )
                largest[name] = max(largest.get(name, 0.0), float(differences[worst]))
            bar.update(len(events))
    return largest


def shuffled(objects: np.ndarray, kinds: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Add some empty slots to events, and put all slots into another order, on which no output depends."""
    n_slots = objects.shape[1]
    more = int(rng.integers(4))
    order = rng.permutation(n_slots + more)
    objects = np.pad(objects, ((0, 0), (0, more), (0, 0)))
    return objects[:, order], np.pad(kinds, ((0, 0), (0, more)))[:, order]


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Convert, check, write."""
    options = parse_args(argv)
    refuse_inputs_in(options.output, options.model_dir / MODEL_FILE, options.data)
    check_installed("onnx", "onnxruntime", "tf2onnx")
    data = L1Dataset.check(options.data)
    if data.n_events == 0:
        raise UserError(f"{options.data}: no events to check")
    training = read_teacher(options)
    if training.calibration is None:
        logger.warning("%s has no calibration: calibrated_sum is the corrected sum", options.model_dir)
    with whole_folder(options.output) as folder:  # from now on another process is refused
        from nn.onnx_export import INPUTS, OUTPUTS, OnnxCorrection, export_onnx

        model_file = training.folder / MODEL_FILE
        record = {
            "variable": training.creator.variable,
            "inputs": INPUTS,
            "outputs": OUTPUTS,
            "model": {"file": str(model_file), "sha256": sha256(model_file)},
        }
        logger.info("convert %s", model_file)
        try:
            model, correction = export_onnx(training, record)
        except ValueError as error:
            raise UserError(f"{model_file}: tf2onnx cannot convert it: {error}") from None
        content = model.SerializeToString()
        largest = check(options, data, OnnxCorrection(content), correction)
        (folder / ONNX_FILE).write_bytes(content)
        record |= {
            "checked": {"events": data.n_events, "largest_differences": largest},
            "data": {"file": str(options.data), "sha256": sha256(options.data)},
            "made_by": provenance(options),
        }
        write_json(folder / "onnx.json", record)
    logger.info("%d events: corrections as with Keras to %.1g", data.n_events, largest["correction"])


if __name__ == "__main__":
    raise SystemExit(main())
