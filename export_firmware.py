"""Export a trained student to firmware: Verilog whose inputs are the integers of the trigger, checked bit for bit.

Takes the output folder of a training of a student and an L1 regression file. Every event of the file goes through the
bit-exact interpreter of the logic, and some of them through a simulation of the Verilog; both must give what the Keras
model gives, to the bit. Writes the Verilog with constraints and build scripts, firmware.json, firmware.txt and
events.txt; if asked for, also a project of hls4ml.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import argparse
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli import progress, script
from utils.cutflow import EVENT_COUNTS, READ, Cutflow, StepCounter, cutflow_table, cutflows_record
from utils.formats.l1_files import L1Dataset
from utils.hardware.integers import HardwareEvents, hardware_events
from utils.hardware.ports import input_ports, input_words, random_words, word_events
from utils.hardware.rtl_simulation import check_tools, simulation
from utils.hardware.verilog import port_map, resources, write_verilog
from utils.runtime.arguments import number, parser
from utils.runtime.errors import UserError
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.provenance import provenance, sha256
from utils.runtime.text_files import read_json, write_json
from utils.runtime.whole_files import whole_folder
from utils.training.records import MODEL_FILE, STUDENT, TRAINING_FILE, Training, read_training

if TYPE_CHECKING:
    import keras
    from alkaid.codegen import RTLModel

logger = logging.getLogger("export_firmware")

N_RANDOM = 1000  # events of random integers, on top of those of the file
SHARE_OF_LOGIC = 0.9  # of a clock period, the rest being for the registers
INTERPRETER = "the interpreter of the logic"
CHECKED, SIMULATED = "checked", "checked and simulated"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = parser(__doc__)
    args.add_argument("--model_dir", type=Path, required=True, help="output folder of the training of a student")
    args.add_argument("--data", type=Path, required=True, help="L1 regression file of the events to check")
    args.add_argument("--output", type=Path, required=True, help="folder for the firmware, replaced as a whole")
    args.add_argument("--clock_period", type=number(float, above=0), default=2.8, help="of the firmware, in ns")
    args.add_argument(
        "--latency_cutoff",
        type=number(float, above=0),
        help=f"estimated delay in ns between two registers; {SHARE_OF_LOGIC:g} of the clock period if not given",
    )
    args.add_argument(
        "--rtl_events",
        type=number(int, 0),
        default=10000,
        help="events that the simulation of the Verilog checks, spread evenly over the file; 0: no simulation",
    )
    args.add_argument("--hls", type=int, choices=(0, 1), default=0, help="1: write a project of hls4ml as well")
    args.add_argument("--seed", type=number(int, 0), default=1, help="seed of the random integers that are checked")
    args.add_argument(
        "--chunk_size", type=number(int, 1), default=16384, help="events read at a time, without effect on the results"
    )
    return args.parse_args(argv)


def read_student(folder: Path) -> Training:
    """Read what the training of a student of fixed-point numbers recorded."""
    training = read_training(folder)
    if training.kind != STUDENT:
        raise UserError(f"{folder / TRAINING_FILE}: is of a {training.kind}, expected a student")
    return training


def load_network(training: Training) -> "keras.Model":
    """Load the network of a student."""
    from nn.trained import load_trained

    return load_trained(training).network


@dataclass(frozen=True)
class Expected:
    """Events, and what the Keras model gives.

    Attributes
    ----------
    names : np.ndarray, shape (n_events,), str
        For messages.
    words : np.ndarray, shape (n_events, n_integers), float64
        Integers of the trigger.
    outputs : np.ndarray, shape (n_events, 1), float32
    """

    names: np.ndarray
    words: np.ndarray
    outputs: np.ndarray

    def take(self, rows: np.ndarray) -> "Expected":
        """Return some of the events."""
        return Expected(self.names[rows], self.words[rows], self.outputs[rows])

    def compare(self, found: np.ndarray, what: str) -> None:
        """Compare with what else gives an output; a :class:`UserError` names the first event that differs."""
        differs = (found != self.outputs).any(axis=1)
        if differs.any():
            i = int(np.argmax(differs))
            raise UserError(
                f"{self.names[i]}: {what} gives {found[i, 0]:.9g}, expected {self.outputs[i, 0]:.9g} "
                f"of the Keras model; {differs.sum()} of {len(differs)} events differ"
            )


def concatenated(parts: Sequence[Expected]) -> Expected:
    """Join events."""
    return Expected(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("names", "words", "outputs"))
    )


class Student:
    """A trained student and its logic.

    Parameters
    ----------
    training : Training
    """

    def __init__(self, training: Training):
        from nn.firmware.trace import trace_student

        assert training.student_inputs is not None
        self.inputs = training.student_inputs
        self.network = load_network(training)
        self.ports = input_ports(self.inputs)
        logger.info("trace the logic of %s", training.folder / MODEL_FILE)
        try:
            self.logic = trace_student(self.network, self.inputs, self.ports)
        except ValueError as error:
            raise UserError(f"{training.folder / MODEL_FILE}: {error}") from None

    def expected(self, source: str, first: int, integers: HardwareEvents) -> Expected:
        """Predict events, of which the first has the number `first`."""
        try:
            words = input_words(self.ports, integers, first)
        except ValueError as error:
            raise UserError(f"{source} {error}") from None
        outputs = self.network(list(self.inputs.network_inputs(integers)), training=False)
        names = np.array([f"{source} {event}" for event in range(first, first + len(words))])
        return Expected(names, words, np.asarray(outputs))


def check_logic(args: argparse.Namespace, data: L1Dataset, student: Student) -> tuple[Expected, Cutflow]:
    """Compare the interpreter of the logic with the Keras model, for all events of the file and for random integers.

    Returns
    -------
    events : Expected
        What to simulate: events spread evenly over the file, and random ones.
    cutflow : Cutflow
        What became of the events of the file.
    """
    counter = StepCounter(data.process_names, [CHECKED, SIMULATED])
    random = student.expected(
        "random event", 0, word_events(student.ports, random_words(student.ports, N_RANDOM, args.seed))
    )
    random.compare(student.logic.predict(random.words), INTERPRETER)
    simulated = np.linspace(0, data.n_events - 1, min(args.rtl_events, data.n_events)).astype(int)
    kept = []
    with progress(data.n_events, "check") as bar:
        for events in data.chunks(args.chunk_size, true_objects=False):
            integers = hardware_events(events, student.inputs.slots, student.inputs.scales)
            expected = student.expected(f"{data.path}: event", bar.n, integers)
            expected.compare(student.logic.predict(expected.words), INTERPRETER)
            chosen = np.isin(np.arange(bar.n, bar.n + len(events)), simulated)
            kept.append(expected.take(chosen))
            counter.add(READ, events.ids)
            counter.add(CHECKED, events.ids[~chosen])
            counter.add(SIMULATED, events.ids[chosen])
            bar.update(len(events))
    return concatenated([*kept, random]), counter.append_to(data.cutflow, "export_firmware")


def check_verilog(design: "RTLModel", folder: Path, events: Expected) -> None:
    """Compare a simulation of the Verilog with the Keras model."""
    logger.info("build the simulation of the Verilog, minutes for a large network")
    with simulation(design, folder) as simulate:
        events.compare(simulate(events.words), "the simulation of the Verilog")


def write_hls(args: argparse.Namespace, student: Student, folder: Path, events: Expected) -> dict[str, Any]:
    """Write a project of hls4ml, and compare its compiled C++ with the Keras model; say so if there can be none."""
    from nn.firmware.hls import hls_project, remove_times, simulate_hls

    logger.info("write and compile a project of hls4ml")
    try:
        project = hls_project(student.network, folder, args.clock_period)
    except ValueError as error:
        shutil.rmtree(folder, ignore_errors=True)
        logger.warning("no project of hls4ml: %s", error)
        return {"written": False, "reason": str(error)}
    integers = word_events(student.ports, events.words)
    try:
        found = simulate_hls(project, student.inputs.network_inputs(integers))
    except RuntimeError as error:
        raise UserError(f"the project of hls4ml does not compile: {error}") from None
    events.compare(found, "the C++ of hls4ml")
    for library in folder.glob("firmware/*.so"):
        library.unlink()
    remove_times(folder / "keras_model.keras")
    settings = folder / "hls4ml_config.yml"
    settings.write_text(settings.read_text().replace(str(folder), str(args.output / folder.name)))
    return {"written": True, "events": len(events.words), "mismatches": 0}


def report(record: dict[str, Any]) -> str:
    """Say in a few lines what was made and how it was checked."""
    clock, latency, checks = record["clock_period"], record["latency"], record["checked"]
    output = record["ports"]["output"]
    lines = [
        f"Firmware of {record['model']['file']}, {record['variable']}",
        "",
        f"The output is the corrected sum in steps of {output['step']['value']:g} GeV.",
        "Events without a jet, or with a sum of 0, keep the sum of L1, uncorrected.",
        f"Where a sum or an object is saturated, the output is {output['saturation']['value']:g} GeV, the largest one.",
        "All this is in the logic; the evaluation of the student takes its output as it is.",
        "",
        f"LUT (estimate)        {record['lut']['value']:,}",
        f"FF (estimate)         {record['ff']['value']:,}",
        f"stages                {record['stages']}",
        f"clock                 {clock['value']:g} ns, {1000 / clock['value']:.0f} MHz",
        f"latency               {latency['cycles']} cycles, {latency['value']:.1f} ns, with both registers at the pins",
        f"initiation interval   {record['initiation_interval']['value']} cycle",
        "",
        "Equal to the Keras model in every bit:",
        f"interpreter           {checks['events']:,} events of the file, {checks['random_events']:,} random ones",
    ]
    if checks["rtl_events"]:
        lines.append(f"simulated Verilog     {checks['rtl_events']:,} of them")
    else:
        lines.append("simulated Verilog     not simulated")
    if record["hls"]:
        hls = record["hls"]
        lines.append("C++ of hls4ml         " + (f"{hls['events']:,} of them" if hls["written"] else hls["reason"]))
    return "\n".join(lines) + "\n"


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Trace, check, write."""
    args = parse_args(argv)
    refuse_inputs_in(args.output, args.model_dir / MODEL_FILE, args.data)
    data = L1Dataset.check(args.data)
    if data.n_events == 0:
        raise UserError(f"{args.data}: no events to check")
    training = read_student(args.model_dir)
    if args.rtl_events:
        check_tools()
    record_of_training = read_json(training.folder / TRAINING_FILE)
    cutoff = args.latency_cutoff or SHARE_OF_LOGIC * args.clock_period
    with whole_folder(args.output) as folder:  # from now on another process is refused
        student = Student(training)
        events, cutflow = check_logic(args, data, student)
        of_training = Cutflow.from_record(record_of_training.get(EVENT_COUNTS))
        cutflows = [(STUDENT, of_training), ("firmware", cutflow)]
        verilog = folder / "verilog"
        design = write_verilog(student.logic, verilog, args.clock_period, cutoff)
        if args.rtl_events:
            check_verilog(design, verilog, events)
        record = {
            "variable": training.creator.variable,
            "target": training.target,
            **resources(design, args.clock_period),
            "latency_cutoff": {"value": cutoff, "unit": "ns"},
            "checked": {
                "events": data.n_events,
                "random_events": N_RANDOM,
                "rtl_events": len(events.words) if args.rtl_events else 0,
                "mismatches": 0,
            },
            EVENT_COUNTS: cutflows_record(cutflows),
            "ports": port_map(student.ports, student.logic, student.inputs.scales.energy_unit),
            "hls": write_hls(args, student, folder / "hls", events) if args.hls else None,
            "model": {"file": str(training.folder / MODEL_FILE), "sha256": sha256(training.folder / MODEL_FILE)},
            "data": {"file": str(args.data), "sha256": sha256(args.data)},
            "made_by": provenance(args),
        }
        write_json(folder / "firmware.json", record)
        text = report(record)
        (folder / "firmware.txt").write_text(text, encoding="utf-8")
        (folder / "events.txt").write_text(cutflow_table(cutflows), encoding="utf-8")
    logger.info("%s", text)


if __name__ == "__main__":
    raise SystemExit(main())
