"""Export a trained student to firmware: Verilog whose inputs are the integers of the trigger, checked bit for bit.

Takes the output folder of the training of a student and an L1 regression file. Every event of the file goes through the
bit-exact interpreter of the logic, and some of them through a simulation of the Verilog. The output of both must equal
the output of the Keras model, to the bit. Writes Verilog and VHDL with constraints and build scripts, test vectors, a
test bench, an emulator for CMSSW, README.md, firmware.json, firmware.txt and events.txt. With --hls 1 it also writes a
project for Vitis HLS with the same inputs, and a project of hls4ml.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 as Python does but for PYTHONSAFEPATH
import utils.runtime.environment  # noqa: F401

# isort: split
import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli import script
from utils.cutflow import EVENT_COUNTS, READ, Cutflow, StepCounter, cutflow_table, cutflows_record
from utils.evaluation.binning import BINNINGS
from utils.formats.l1_files import L1Dataset
from utils.hardware.emulator import emulate, write_emulator
from utils.hardware.export_readme import readme
from utils.hardware.hls import PROGRAMS, TEST_DATA, simulate_hls, write_hls
from utils.hardware.integers import hardware_events
from utils.hardware.ports import random_words, word_events
from utils.hardware.rtl_simulation import check_programs, check_tools, simulation
from utils.hardware.testbench import run_testbench, write_testbench
from utils.hardware.vectors import N_TYPICAL, copy_memories, make_vectors, write_vectors
from utils.hardware.verilog import port_map, resources, write_verilog, write_vhdl
from utils.runtime.errors import UserError
from utils.runtime.options import parse
from utils.runtime.paths import refuse_inputs_in
from utils.runtime.progress import progress
from utils.runtime.provenance import provenance, sha256
from utils.runtime.text_files import read_json, write_json
from utils.runtime.whole_files import whole_folder
from utils.steps.export_firmware import Checks, Options
from utils.training.records import MODEL_FILE, STUDENT, TRAINING_FILE, Training, read_training

if TYPE_CHECKING:
    from alkaid.codegen import RTLModel

    from nn.firmware.reference import ReferenceEvents, TracedStudent

logger = logging.getLogger("export_firmware")

N_RANDOM = 1000  # events of random integers, in addition to those of the file
INTERPRETER = "the interpreter of the logic"
CHECKED, SIMULATED = "checked", "checked and simulated"


@dataclass(frozen=True)
class Export:
    """An export that is being written; its parts are made of this.

    Attributes
    ----------
    options : Options
    folder : Path
        Folder in which the export is written, before it gets its final name.
    student : TracedStudent
    events, typical : ReferenceEvents
        Events for the comparisons and for the test vectors, with the output of the Keras model.
    """

    options: Options
    folder: Path
    student: "TracedStudent"
    events: "ReferenceEvents"
    typical: "ReferenceEvents"


def parse_args(argv: Sequence[str] | None = None) -> Options:
    """Read the command line."""
    return parse(Options, __doc__, argv)


def read_student(folder: Path) -> Training:
    """Read the record of the training of a student."""
    training = read_training(folder)
    if training.kind != STUDENT:
        raise UserError(f"{folder / TRAINING_FILE}: belongs to a {training.kind}, expected a student")
    return training


def check_logic(
    checks: Checks, data: L1Dataset, student: "TracedStudent"
) -> tuple["ReferenceEvents", "ReferenceEvents", Cutflow]:
    """Compare the interpreter of the logic with the Keras model, for all events of the file and for random integers.

    Returns
    -------
    events : ReferenceEvents
        Events for the simulation: some spread evenly over the file, and the random ones.
    typical : ReferenceEvents
        Events for the test vectors, spread evenly over the file.
    cutflow : Cutflow
        Cutflow of the events of the file.
    """
    from nn.firmware.reference import ReferenceEvents

    counter = StepCounter(data.process_names, [CHECKED, SIMULATED])
    random_integers = word_events(student.ports, random_words(student.ports, N_RANDOM, checks.seed))
    random = student.predict("random event", 0, random_integers)
    random.compare(student.logic.predict(random.words), INTERPRETER)
    to_simulate, for_vectors = (evenly(data.n_events, n) for n in (checks.rtl_events, N_TYPICAL))
    simulated, typical = [], []
    with progress(data.n_events, "check") as bar:
        for events in data.chunks(checks.chunk_size, true_objects=False):
            integers = hardware_events(events, student.inputs.slots, student.inputs.scales)
            expected = student.predict(f"{data.path}: event", bar.n, integers)
            expected.compare(student.logic.predict(expected.words), INTERPRETER)
            numbers = np.arange(bar.n, bar.n + len(events))
            chosen = np.isin(numbers, to_simulate)
            simulated.append(expected.take(chosen))
            typical.append(expected.take(np.isin(numbers, for_vectors)))
            counter.add(READ, events.ids)
            counter.add(CHECKED, events.ids[~chosen])
            counter.add(SIMULATED, events.ids[chosen])
            bar.update(len(events))
    concatenate = ReferenceEvents.concatenate
    return concatenate([*simulated, random]), concatenate(typical), counter.append_to(data.cutflow, "export_firmware")


def evenly(n_events: int, n_chosen: int) -> np.ndarray:
    """Return the numbers of some events, spread evenly, or of all events if there are fewer."""
    return np.linspace(0, n_events - 1, min(n_chosen, n_events)).astype(int)


def check_verilog(design: "RTLModel", folder: Path, events: "ReferenceEvents") -> None:
    """Compare a simulation of the Verilog with the Keras model."""
    logger.info("build the simulation of the Verilog, minutes for a large network")
    with simulation(design, folder) as simulate:
        events.compare(simulate(events.words), "the simulation of the Verilog")


def write_checked_emulator(export: Export) -> dict[str, Any]:
    """Write an emulator for CMSSW, compare it with the Keras model if the Verilog is simulated, return its record."""
    student, events, folder = export.student, export.events, export.folder / "cmssw"
    model = write_emulator(student.inputs, student.logic, folder, export.options.emulator_version)
    if not export.options.rtl_events:
        return {"model": model, "events": 0}
    logger.info("build the emulator for CMSSW, a minute for a large network")
    events.compare(emulate(folder, model, events.words) * student.output_step, "the emulator for CMSSW")
    return {"model": model, "events": len(events.words), "mismatches": 0}


def write_hls4ml(
    student: "TracedStudent",
    folder: Path,
    final_folder: Path,
    clock_period: float,
    events: "ReferenceEvents",
    vectors: "ReferenceEvents",
) -> dict[str, Any]:
    """Write a project of hls4ml, and compare its compiled C++ with the Keras model.

    Parameters
    ----------
    student : TracedStudent
    folder, final_folder : Path
        Folder of the project, now and when the firmware is complete.
    clock_period : float
        In ns.
    events : ReferenceEvents
    vectors : ReferenceEvents
        Events for its test bench.

    Returns
    -------
    dict
        The record of the project, with the reason if hls4ml cannot write one.
    """
    from nn.firmware.hls import hls_project, make_reproducible, simulate_hls, write_test_data

    logger.info("write and compile a project of hls4ml")
    try:
        project = hls_project(student.network, folder, clock_period)
    except ValueError as error:
        shutil.rmtree(folder, ignore_errors=True)
        logger.warning("no project of hls4ml: %s", error)
        return {"written": False, "reason": str(error)}

    def network_inputs(events: "ReferenceEvents") -> tuple[np.ndarray, ...]:
        return student.inputs.network_inputs(word_events(student.ports, events.words))

    write_test_data(folder, network_inputs(vectors), vectors.outputs)
    try:
        outputs = simulate_hls(project, network_inputs(events))
    except RuntimeError as error:
        raise UserError(f"the project of hls4ml does not compile: {error}") from None
    events.compare(outputs, "the C++ of hls4ml")
    for library in folder.glob("firmware/*.so"):
        library.unlink()
    make_reproducible(folder / "keras_model.keras")
    settings = folder / "hls4ml_config.yml"
    settings.write_text(settings.read_text().replace(str(folder), str(final_folder)))
    return {"written": True, "events": len(events.words), "mismatches": 0}


def write_hls_project(export: Export, ports: dict[str, Any]) -> dict[str, Any]:
    """Write a project for Vitis HLS, and compare its compiled C++ with the Keras model.

    Returns
    -------
    dict
        The record of the project.
    """
    logger.info("write and compile a project for Vitis HLS")
    folder, events, student = export.folder / "hls", export.events, export.student
    write_hls(student.logic, ports, folder, export.options.clock_period)
    copy_memories(export.folder / "vectors", folder / TEST_DATA)
    outputs = simulate_hls(folder, ports, events.words)
    events.compare(student.output_step * outputs[:, None], "the C++ of the HLS project")
    return {"written": True, "events": len(events.words), "mismatches": 0}


def write_parts(export: Export) -> dict[str, Any]:
    """Write each part of an export into its folder, and return their records for firmware.json."""
    options, folder, student, clock_period = export.options, export.folder, export.student, export.options.clock_period
    vectors = make_vectors(student.inputs, student.ports, export.typical.words, options.seed)
    events = student.predict("vector", 0, word_events(student.ports, np.concatenate([part.words for part in vectors])))
    events.compare(student.logic.predict(events.words), INTERPRETER)
    verilog = folder / "verilog"
    design = write_verilog(student.logic, verilog, clock_period, options.cutoff)
    write_vhdl(student.logic, folder / "vhdl", clock_period, options.cutoff)
    timing = resources(design, clock_period)
    ports = port_map(student.ports, student.logic, student.inputs.scales.energy_unit)
    kinds = write_vectors(folder / "vectors", vectors, steps(student, events), ports)
    write_testbench(folder / "testbench", ports["module"], timing, len(events.words))
    if options.rtl_events:
        check_verilog(design, verilog, export.events)
        logger.info("build and run the test bench")
        with tempfile.TemporaryDirectory(prefix="verilog_") as build:
            run_testbench(folder / "testbench", Path(build))
    hls = hls4ml = None
    if options.hls:
        hls = write_hls_project(export, ports)
        project = "hls4ml"
        hls4ml = write_hls4ml(student, folder / project, options.output / project, clock_period, export.events, events)
    return {
        **timing,
        "latency_cutoff": {"value": options.cutoff, "unit": "ns"},
        "ports": ports,
        "vectors": {"events": len(events.words), "seed": options.seed, "kinds": kinds},
        "emulator": write_checked_emulator(export),
        "hls": hls,
        "hls4ml": hls4ml,
    }


def steps(student: "TracedStudent", events: "ReferenceEvents") -> np.ndarray:
    """Return the outputs of events in steps, shape (n_events,), int."""
    return np.rint(events.outputs[:, 0] / student.output_step).astype(np.int64)


def calibration_record(training: Training, step: float) -> dict[str, Any] | None:
    """Return the calibration in steps of the output, and the output that calibrated thresholds mean.

    Parameters
    ----------
    training : Training
        Of a student.
    step : float
        A step of the output in GeV.

    Returns
    -------
    dict or None
        None for a training without a calibration.
    """
    calibration = training.calibration
    if calibration is None:
        return None
    assert training.student_inputs is not None
    largest = training.student_inputs.scales.largest_sum
    corrected = np.append(calibration.corrected[calibration.corrected < largest], largest)
    thresholds = np.array(BINNINGS[training.creator.variable].scaling_thresholds, float)
    return {
        "corrected": {"value": corrected / step, "unit": "steps"},
        "calibrated": {"value": calibration(corrected), "unit": "GeV"},
        "thresholds": [
            {"calibrated": {"value": threshold, "unit": "GeV"}, "above": {"value": steps, "unit": "steps"}}
            for threshold, steps in zip(thresholds, calibration.steps_below(thresholds, step), strict=True)
        ],
    }


def report(record: dict[str, Any]) -> str:
    """Summarise the firmware and its checks in a few lines."""
    clock, latency, checks = record["clock_period"], record["latency"], record["checked"]
    output = record["ports"]["output"]
    lines = [
        f"Firmware of {record['model']['file']}, {record['variable']}",
        "",
        f"The output is the corrected sum in steps of {output['step']['value']:g} GeV.",
        "Events without a jet, or with a sum of 0, keep the uncorrected sum of L1.",
        f"Where a sum or an object is saturated, the output is {output['saturation']['value']:g} GeV, the largest one.",
        "All this is part of the logic, and the evaluation of the student uses its output unchanged.",
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
        lines.append(f"test bench            {record['vectors']['events']:,} test vectors")
    else:
        lines.append("simulated Verilog     not simulated")
    emulated = record["emulator"]["events"]
    lines.append("emulator for CMSSW    " + (f"{emulated:,} of them" if emulated else "not compiled"))
    if record["hls"]:
        lines.append(f"C++ for Vitis HLS     {record['hls']['events']:,} of them")
        hls4ml = record["hls4ml"]
        found = f"{hls4ml['events']:,} of them" if hls4ml["written"] else hls4ml["reason"]
        lines.append(f"C++ of hls4ml         {found}")
    if calibration := record["calibration"]:
        lines += ["", "Thresholds on the calibrated scale: an event passes when the output is above so many steps."]
        for threshold in calibration["thresholds"]:
            lines.append(f"{threshold['calibrated']['value']:g} GeV".ljust(22) + f"{threshold['above']['value']}")
    return "\n".join(lines) + "\n"


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Trace, check, write."""
    options = parse_args(argv)
    refuse_inputs_in(options.output, options.model_dir / MODEL_FILE, options.data)
    data = L1Dataset.check(options.data)
    if data.n_events == 0:
        raise UserError(f"{options.data}: no events to check")
    training = read_student(options.model_dir)
    if options.rtl_events:
        check_tools()
    if options.hls:
        check_programs(PROGRAMS, "needed to compile the projects for HLS; --hls 0 leaves them out")
    training_record = read_json(training.folder / TRAINING_FILE)
    with whole_folder(options.output) as folder:  # from now on another process is refused
        from nn.firmware.reference import TracedStudent

        student = TracedStudent(training)
        events, typical, cutflow = check_logic(options, data, student)
        cutflows = [(STUDENT, Cutflow.from_record(training_record.get(EVENT_COUNTS))), ("firmware", cutflow)]
        record = {
            "variable": training.creator.variable,
            "target": training.target,
            **write_parts(Export(options, folder, student, events, typical)),
            "checked": {
                "events": data.n_events,
                "random_events": N_RANDOM,
                "rtl_events": len(events.words) if options.rtl_events else 0,
                "mismatches": 0,
            },
            EVENT_COUNTS: cutflows_record(cutflows),
            "floor": training.floor and training.floor.record(),
            "calibration": calibration_record(training, student.inputs.scales.energy_unit * student.output_step),
            "model": {"file": str(training.folder / MODEL_FILE), "sha256": sha256(training.folder / MODEL_FILE)},
            "data": {
                "file": str(options.data),
                "sha256": sha256(options.data),
                "jet_threshold": None if data.jet_threshold is None else {"value": data.jet_threshold, "unit": "GeV"},
            },
            "made_by": provenance(options),
        }
        write_json(folder / "firmware.json", record)
        (folder / "README.md").write_text(readme(record), encoding="utf-8")
        text = report(record)
        (folder / "firmware.txt").write_text(text, encoding="utf-8")
        (folder / "events.txt").write_text(cutflow_table(cutflows), encoding="utf-8")
    logger.info("%s", text)


if __name__ == "__main__":
    raise SystemExit(main())
