"""Test benches of a small logic: they pass with its outputs, and fail if one of them is changed."""

import os
import subprocess

import numpy as np
import pytest

from utils.hardware.hls import TEST_DATA, simulate_hls, write_hls
from utils.hardware.logic import event_symbols, trace_logic
from utils.hardware.ports import Port, random_words
from utils.hardware.testbench import run_testbench, write_testbench
from utils.hardware.vectors import Vectors, copy_memories, write_vectors
from utils.hardware.verilog import port_map, resources, write_verilog
from utils.runtime.errors import UserError


@pytest.fixture(scope="module")
def sum_of_integers(tmp_path_factory):
    """Return a folder with the sum of three integers in Verilog and its vectors, the logic, its ports and timing."""
    folder = tmp_path_factory.mktemp("export")
    ports = [Port("eta", 2, -127, 127), Port("met", 1, 0, 1023, 0.5, "GeV")]
    event = event_symbols(ports)
    logic = trace_logic(ports, event, event.eta[:, :1] + event.eta[:, 1:] + event.met + 254)
    design = write_verilog(logic, folder / "verilog", 4.0, 1.0)
    found = port_map(ports, logic, energy_unit=0.5)
    words = random_words(ports, 200, seed=1)
    outputs = (words.sum(axis=1) + 254).astype(int)
    write_vectors(folder / "vectors", [Vectors("random", "", words)], outputs, found)
    return folder, logic, found, resources(design, 4.0)


def change_one(path):
    """Change the last bit of the output of event 7."""
    lines = path.read_text().split()
    lines[7] = f"{int(lines[7], 16) ^ 1:x}"
    path.write_text("\n".join(lines))


@pytest.mark.slow
def test_of_verilog(sum_of_integers, tmp_path):
    folder, _, ports, timing = sum_of_integers
    assert timing["latency"]["cycles"] > 1
    write_testbench(folder / "testbench", ports["module"], timing, 200)
    run_testbench(folder / "testbench", tmp_path)
    change_one(folder / "vectors" / "outputs.mem")
    with pytest.raises(UserError, match=r"event 7: output \d+, expected \d+ .*FAIL: 1 of 200 events differ"):
        run_testbench(folder / "testbench", tmp_path)
    change_one(folder / "vectors" / "outputs.mem")


@pytest.mark.parametrize(("target", "simulator"), [("xsim", "xsim"), ("questa", "vsim")])
def test_of_a_simulator_that_always_exits_with_0(sum_of_integers, tmp_path, target, simulator):
    """Stand-ins for the programs of the vendors; the simulator writes a log of its name, as both do when asked to."""
    _, _, ports, timing = sum_of_integers
    write_testbench(tmp_path / "testbench", ports["module"], timing, 200)
    (tmp_path / "bin").mkdir()
    for name in ("xvlog", "xelab", "vlib", "vlog", simulator):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\n[ {name} != {simulator} ] || echo "# $RESULT" > {simulator}.log\n')
        program.chmod(0o755)
    for result, failed in (("PASS: 200 events, latency 3 cycles", False), ("FAIL: 1 of 200 events differ", True)):
        environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "RESULT": result}
        run = subprocess.run(["make", target], cwd=tmp_path / "testbench", env=environment, check=False)
        assert bool(run.returncode) == failed


def test_of_hls(sum_of_integers, tmp_path):
    source, logic, ports, _ = sum_of_integers
    folder = tmp_path / "hls"
    write_hls(logic, ports, folder, 4.0)
    copy_memories(source / "vectors", folder / TEST_DATA)
    words = np.array([[-127, -127, 0], [127, 127, 1023], [-3, 5, 8]], float)
    assert simulate_hls(folder, ports, words).tolist() == [0, 1531, 264]
    assert not (folder / "student_test").exists()
    change_one(folder / TEST_DATA / "outputs.mem")
    with pytest.raises(UserError, match=r"event 7: output \d+, expected \d+ FAIL: 1 of 200 events differ"):
        simulate_hls(folder, ports, words)
