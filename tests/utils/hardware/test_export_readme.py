"""README of the firmware: what depends on the student. tests/test_export_firmware.py reads that of a whole export."""

import pytest

from utils.data_processing import graph_creator
from utils.hardware.export_readme import readme
from utils.hardware.inputs import StudentInputs
from utils.hardware.ports import input_ports
from utils.hardware.scales import HardwareScales


def record_of(variable, **scales):
    """Return the record of firmware whose inputs are all connected, without a calibration and HLS."""
    ports = input_ports(StudentInputs(graph_creator(variable), HardwareScales(**scales)))
    inputs = [
        {
            "name": f"{port.name}[{i}]" if port.size > 1 else port.name,
            "object": port.objects[i] if port.objects else None,
            "quantity": port.quantity,
            "bits": [0, 0],
            "signed": port.low < 0,
            "step": {"value": port.step, "unit": port.unit},
            "range": [port.low, int(port.highs[i])],
            "saturates": port.saturates,
        }
        for port in ports
        for i in range(port.size)
    ]
    module = {"name": "student", "clock": "clk", "input": "model_inp", "output": "model_out"}
    energy = {"value": 0.125, "unit": "GeV"}
    return {
        "variable": variable,
        "model": {"sha256": "0123"},
        "data": {"jet_threshold": None},
        "ports": {
            "module": {**module, "input_bits": 9, "output_bits": 12},
            "inputs": inputs,
            "output": {"bits": [11, 0], "signed": False, "step": energy, "range": [0, 16380], "saturation": energy},
        },
        "clock_period": {"value": 2.5},
        "latency": {"cycles": 20, "value": 50.0},
        "initiation_interval": {"value": 1},
        "stages": 19,
        **{name: {"value": 1000} for name in ("lut", "ff")},
        "checked": {"events": 5, "random_events": 6, "rtl_events": 0},
        "vectors": {"events": 7, "kinds": []},
        "emulator": {"model": "Name_v1", "events": 0},
        **dict.fromkeys(("floor", "calibration", "hls", "hls4ml")),
    }


def test_the_direction_of_met_is_half_a_turn_from_the_vector_sum():
    text = readme(record_of("true_met"))
    assert "opposite to the vector sum of the objects" in text
    assert "`met_phi` = (`phi` + 72) modulo 144" in text
    assert "`met_phi` = (`phi` + 36) modulo 72" in readme(record_of("true_met", phi_steps=72))
    assert "met_phi" not in readme(record_of("true_ht"))


@pytest.mark.parametrize(("scales", "said"), [({}, True), ({"energy_step": 0.25}, False), ({"phi_steps": 72}, False)])
def test_integers_of_cms_are_inputs_only_where_the_steps_are_those_of_cms(scales, said):
    assert ("hwPt - 1" in readme(record_of("true_met", **scales))) == said


def test_the_rules_name_the_sum_that_is_corrected():
    text = readme(record_of("true_ht"))
    assert "| any other without a jet, or with HT 0 | the input `ht`, times 4, the same energy |" in text
    assert "| a pT or a sum has its largest integer | 16380, so that each threshold accepts the event |" in text


def test_a_floor_and_a_jet_threshold_are_said_where_there_are_some():
    record = record_of("true_met")
    assert "floor" not in readme(record)
    assert "has seen no jets below" not in readme(record)
    record |= {"floor": {"l1": [0, 1], "corrected": [0, 1]}, "data": {"jet_threshold": {"value": 20.0, "unit": "GeV"}}}
    assert "at least the floor of the uncorrected MET: `floor` in `firmware.json`" in readme(record)
    assert "at `met` without its lowest 3 bits, rounded down to a step of `met`;" in readme(record)
    assert "The network has seen no jets below 20 GeV: leave them out." in readme(record)


def test_inputs_of_one_name_have_the_bits_and_the_range_of_each_kind():
    record = record_of("true_met")
    for port, width in zip(record["ports"]["inputs"], [9] * 8 + [11] * 10, strict=False):
        port["bits"] = [width - 1, 0]
    (line,) = (line for line in readme(record).splitlines() if line.startswith("| `pt` |"))
    assert "| unsigned | 9 or 11 | 0 to 510 or 0 to 511 or 0 to 2047 | larger values" in line


def test_an_input_without_bits_is_not_connected():
    record = record_of("true_ht")
    record["ports"]["inputs"][10]["bits"] = None
    (line,) = (line for line in readme(record).splitlines() if line.startswith("| `eta[0]`"))
    assert line == "| `eta[0]` | jet 1 | pseudorapidity | 0.0435 | two's complement | none | -127 to 127 |  |"


@pytest.mark.parametrize(
    ("energy_step", "unchanged"),
    [(0.5, "the input `met`, times 4, the same energy"), (0.125, "the input `met`, unchanged")],
)
def test_an_event_without_a_jet_keeps_its_energy_in_steps_of_the_output(energy_step, unchanged):
    assert f"| {unchanged} |" in readme(record_of("true_met", energy_step=energy_step))
