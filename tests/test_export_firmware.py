import contextlib
import json
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import export_firmware
from export_firmware import calibration_record, main, read_student
from tests.commands import error_of, usage_error_of
from tests.toys import random_l1_events, write_l1
from utils.evaluation.binning import BINNINGS
from utils.training.calibration import Calibration

N_EVENTS = 300


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_l1(tmp_path_factory.mktemp("data") / "test.h5", random_l1_events(N_EVENTS))


@pytest.fixture
def arguments(student_dir, data, tmp_path):
    def make(*more, **other):
        flags = {"--model_dir": student_dir, "--data": data, "--output": tmp_path / "firmware", **other}
        return [str(word) for flag in flags.items() for word in flag] + list(more)

    return make


@pytest.mark.slow
def test_whole_output(arguments, tmp_path):
    flags = ("--rtl_events=120", "--clock_period=4", "--chunk_size=128", "--hls=1", "--emulator_version=7")
    assert main(arguments(*flags)) == 0
    folder = tmp_path / "firmware"
    record = json.loads((folder / "firmware.json").read_text())
    assert record["checked"] == {"events": 300, "random_events": 1000, "rtl_events": 1120, "mismatches": 0}
    assert record["latency"] == {
        "cycles": record["stages"] + 1,
        "value": (record["stages"] + 1) * 4.0,
        "unit": "ns",
    }
    assert record["initiation_interval"] == {"value": 1, "unit": "cycles"}
    assert record["emulator"] == {"model": "L1HTRegression_v7", "events": 1120, "mismatches": 0}
    assert (folder / "cmssw" / "L1HTRegression_v7" / "L1HTRegression_emulator_v7.cpp").exists()
    assert record["hls"] == record["hls4ml"] == {"written": True, "events": 1120, "mismatches": 0}
    assert record["lut"]["value"] > 0
    assert record["made_by"]["versions"].keys() >= {"alkaid", "hgq", "keras", "verilator"}
    inputs = record["ports"]["inputs"]
    assert [port["name"] for port in inputs][::10] == ["pt[0]", "eta[0]", "ht"]
    assert all(port["bits"] for port in inputs)
    # 11 bits of each pT, 8 of each eta and 12 of HT; the output the 12 bits of HT and 2 finer ones
    assert inputs[-1]["bits"] == [201, 190]
    assert inputs[-1]["step"] == {"value": 0.5, "unit": "GeV"}
    assert record["ports"]["output"] == {
        "bits": [13, 0],
        "signed": False,
        "range": [0, 16380],
        "step": {"value": 0.125, "unit": "GeV"},
        "saturation": {"value": 2047.5, "unit": "GeV"},
    }
    verilog = (folder / "verilog" / "src" / "student.v").read_text()
    assert "[201:0] model_inp" in verilog
    assert "[13:0] model_out" in verilog
    vhdl = (folder / "vhdl" / "src" / "student.vhd").read_text()
    assert "model_inp: in std_logic_vector(201 downto 0)" in vhdl
    assert not list(folder.rglob("*.so"))
    assert not list((folder / "testbench").glob("obj_dir"))
    check_readme_and_vectors(folder)
    # neither times nor random names make two equal exports differ
    assert {path.read_bytes()[4:8] for path in folder.rglob("*.gz")} == {bytes(4)}
    assert "LIB_STAMP=student" in (folder / "hls4ml" / "build_lib.sh").read_text()
    with zipfile.ZipFile(folder / "hls4ml" / "keras_model.keras") as file:
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"date" not in file.read("metadata.json")
    assert keras.models.load_model(folder / "hls4ml" / "keras_model.keras").count_params() > 0
    text = (folder / "firmware.txt").read_text()
    assert f"{record['lut']['value']:,}" in text
    assert "Events without a jet, or with a sum of 0, keep the uncorrected sum of L1." in text.splitlines()[:6]

    student, firmware = record["event_counts"]["branches"]
    assert (student, record["event_counts"]["disagreements"]) == ({"name": "student", "steps": []}, [])
    (step,) = firmware["steps"]
    assert sum(step["read"].values()) == 300
    assert {name: sum(counts.values()) for name, counts in step["written"].items()} == {
        "checked": 180,
        "checked and simulated": 120,
    }
    lines = (folder / "events.txt").read_text().splitlines()
    assert lines[2] == "export_firmware (firmware)"
    assert lines[-1] == "All recorded numbers add up."


def check_readme_and_vectors(folder):
    """Read the export as an engineer does: bits of the input word from the README, events from the files of vectors."""
    readme = (folder / "README.md").read_text()
    assert "@" not in readme  # no word of the template is left
    assert "| `model_inp` | in | 202 |" in readme
    assert "| latency | 11 cycles, 44 ns, 1.76 bunch crossings |" in readme
    table = readme.partition("## Bits of the input word")[2].splitlines()[6:]
    ports = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table]
    assert [port[0] for port in ports][::10] == ["pt[0]", "eta[0]", "ht"]
    lines = (folder / "vectors" / "vectors.txt").read_text().splitlines()[3:]
    words = (folder / "vectors" / "inputs.mem").read_text().split()
    outputs = (folder / "vectors" / "outputs.mem").read_text().split()
    assert (folder / "hls" / "tb_data" / "inputs.mem").read_text().split() == words
    by_hls4ml = np.loadtxt(folder / "hls4ml" / "tb_data" / "tb_output_predictions.dat")
    assert np.loadtxt(folder / "hls4ml" / "tb_data" / "tb_input_features.dat").shape == (660, 10 * 2 + 10 + 1 + 2)
    n_corrected = 0
    for line, word, output, network_output in zip(lines, words, outputs, by_hls4ml, strict=True):
        _, kind, *integers, expected = line.split()
        event = {}
        for name, _, _, _, sign, bits, _, _ in ports:
            high, low = map(int, bits.strip("[]").split(":"))
            value = (int(word, 16) >> low) % 2 ** (high - low + 1)
            event[name] = value - 2 ** (high - low + 1) * (sign != "unsigned" and value >> (high - low))
        assert list(event.values()) == [int(value) for value in integers]
        jets = [event[f"pt[{i}]"] for i in range(10)]
        assert int(output, 16) == int(expected) == network_output * 512
        if max(jets) == 2047 or event["ht"] == 4095:
            assert int(expected) == 4 * 4095
        elif max(jets) == 0 or event["ht"] == 0:
            assert int(expected) == 4 * event["ht"]
        else:
            assert kind in ("typical", "one_jet", "random")
            n_corrected += int(expected) != 4 * event["ht"]
    assert n_corrected > 100


def test_the_calibration_is_in_steps_up_to_the_saturation(student_dir):
    """Of a table that adds 10 GeV above 20 GeV: a threshold of 100 GeV is 90 GeV of output, 360 steps of 0.25 GeV."""
    training = replace(read_student(student_dir), calibration=None)
    assert calibration_record(training, 0.25) is None
    table = Calibration(np.array([0.0, 20, 1e6]), np.array([0.0, 30, 1e6 + 10]))
    record = calibration_record(replace(training, calibration=table), 0.25)
    assert record["corrected"]["value"].tolist() == [0, 80, 8190]
    assert record["calibrated"]["value"] == pytest.approx([0, 30, 2057.5])
    above = {found["calibrated"]["value"]: found["above"]["value"] for found in record["thresholds"]}
    assert above[100] == 360
    assert above.keys() == set(BINNINGS["true_ht"].scaling_thresholds)


def test_a_wrong_netlist_is_found_by_the_interpreter(arguments, monkeypatch, tmp_path):
    """With one of its constants changed by a bit, the logic is another one."""
    from nn.firmware.trace import trace_student

    def wrong(*args):
        logic = trace_student(*args)
        (output,) = logic.out_shifts
        return logic._replace(out_shifts=[output + 1])

    monkeypatch.setattr("nn.firmware.reference.trace_student", wrong)
    error = error_of(main, arguments("--rtl_events", "0"))
    assert "random event 1: the interpreter of the logic gives" in error
    assert not (tmp_path / "firmware").exists()


def test_a_mismatch_of_the_simulation_is_an_error_with_the_number_of_the_event(arguments, data, monkeypatch, tmp_path):
    """Events 0, 149 and 299 are simulated, and the second is wrong by one bit."""

    @contextlib.contextmanager
    def simulation(design, folder):
        def simulate(words):
            outputs = design._comb.predict(words)
            outputs[1] += 1 / 128
            return outputs

        yield simulate

    monkeypatch.setattr(export_firmware, "simulation", simulation)
    (tmp_path / "firmware").mkdir()
    error = error_of(main, arguments("--rtl_events", "3"))
    assert f"{data}: event 149: the simulation of the Verilog gives" in error
    assert "1 of 1003 events differ" in error
    assert not list((tmp_path / "firmware").iterdir())


def test_a_layer_that_hls4ml_does_not_support_is_recorded(monkeypatch, tmp_path):
    def unsupported(network, folder, clock_period):
        folder.mkdir()
        raise ValueError("hls4ml: Unsupported layer: Fancy")

    monkeypatch.setattr("nn.firmware.hls.hls_project", unsupported)
    folder = tmp_path / "hls"
    found = export_firmware.write_hls4ml(SimpleNamespace(network=None), folder, folder, 2.8, None, None)
    assert found == {"written": False, "reason": "hls4ml: Unsupported layer: Fancy"}
    assert not folder.exists()


@pytest.mark.parametrize("program", ["g++", "make", "perl"])
def test_a_missing_program_is_said_before_all_work(arguments, monkeypatch, program):
    which = export_firmware.check_tools.__globals__["shutil"].which
    monkeypatch.setattr("shutil.which", lambda name: None if name == program else which(name))
    assert error_of(main, arguments()) == (
        f"error: {program}: no such program, needed to simulate Verilog; --rtl_events 0 leaves that out\n"
    )


@pytest.mark.parametrize("program", ["g++", "make"])
def test_a_program_that_hls_needs_is_missing(arguments, monkeypatch, program):
    which = export_firmware.check_tools.__globals__["shutil"].which
    monkeypatch.setattr("shutil.which", lambda name: None if name == program else which(name))
    assert error_of(main, arguments("--rtl_events", "0")) == (
        f"error: {program}: no such program, needed to compile the projects for HLS; --hls 0 leaves them out\n"
    )


def test_without_verilator(arguments, monkeypatch):
    monkeypatch.setitem(sys.modules, "verilator", None)
    assert "verilator: not installed" in error_of(main, arguments())


def test_a_teacher_is_refused(arguments, tmp_path):
    record = {"variable": "true_ht", "log_features": [], "loss_function": "mse"}
    (tmp_path / "training.json").write_text(json.dumps(record))
    error = error_of(main, arguments(**{"--model_dir": tmp_path}))
    assert error == f"error: {tmp_path / 'training.json'}: belongs to a teacher, expected a student\n"


def test_a_student_of_floats_is_refused(arguments, student_dir, tmp_path):
    from nn.student import StudentHyperparameters, build_student

    (tmp_path / "training.json").write_text((student_dir / "training.json").read_text())
    shape = StudentHyperparameters(object_units=2, event_units=(3,), quantised=False)
    build_student(shape, 10, 2, 1).save(tmp_path / "best_model.keras")
    error = error_of(main, arguments("--rtl_events", "0", **{"--model_dir": tmp_path}))
    assert "best_model.keras: no logic for a layer of the network" in error


def test_the_output_may_not_hold_an_input(arguments, data):
    assert "is replaced as a whole" in error_of(main, arguments(**{"--output": data.parent}))


@pytest.mark.parametrize(
    "flag", ["--clock_period=0", "--latency_cutoff=-1", "--rtl_events=-1", "--hls=2", "--emulator_version=0"]
)
def test_usage(arguments, flag):
    assert flag.partition("=")[0] in usage_error_of(main, arguments(flag))
