"""HLS project of a student's logic, with the words of the Verilog and its test vectors."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from alkaid.codegen import HLSModel
from alkaid.types import CombLogic

from utils.hardware.vectors import INPUTS, OUTPUTS, packed_words, write_memory
from utils.hardware.verilog import TOP_MODULE, remove_gzip_times
from utils.runtime.errors import UserError

PROGRAMS = ("g++", "make")  # that the test bench needs
TEST_DATA = "tb_data"
RESULTS = "results.mem"
LOGIC_NAMESPACE = "logic"
TOP_HEADER = """\
#pragma once
#include "{name}.hh"

typedef ap_uint<{input_bits}> input_word;
typedef ap_uint<{output_bits}> output_word;

// The words are those of the Verilog.
void {name}_fn(input_word {input}, output_word &{output});
"""
TOP_SOURCE = """\
#include "{name}_ooc.hh"

void {name}_fn(input_word {input}, output_word &{output}) {{
#pragma HLS INTERFACE ap_ctrl_none port=return
#pragma HLS PIPELINE II=1
    ap_int<{integer_bits}> integers[{n_integers}];
    {output_type} sum[1];
#pragma HLS ARRAY_PARTITION variable=integers complete
#pragma HLS ARRAY_PARTITION variable=sum complete
{integers}
    {namespace}::{name}(integers, sum);
    {output} = sum[0].range();
}}
"""
TEST_BENCH = """\
// Self-checking test bench: compares the output of each event with the expected one. Prints PASS and returns 0, or
// prints FAIL and returns 1. Arguments: folder of the vectors, tb_data by default; file for the outputs.
#include <fstream>
#include <iostream>
#include <string>

#include "utils/@NAME@_ooc.hh"

template <int bits> bool read_word(std::istream &file, ap_uint<bits> &word) {
    std::string digits;
    if (!(file >> digits))
        return false;
    word = 0;
    for (std::string::size_type i = 0; i < digits.size(); i++)
        word = (word << 4) | ap_uint<bits>(std::stoi(digits.substr(i, 1), nullptr, 16));
    return true;
}

int main(int argc, char **argv) {
    const std::string folder = argc > 1 ? argv[1] : "@DATA@";
    std::ifstream inputs(folder + "/@INPUTS@"), outputs(folder + "/@OUTPUTS@");
    std::ofstream results;
    if (argc > 2)
        results.open(argv[2]);
    input_word input;
    output_word expected, found;
    int n_events = 0, different = 0;
    const int most_shown = 10;
    for (; read_word(inputs, input); n_events++) {
        if (!read_word(outputs, expected)) {
            std::cout << "FAIL: no expected output of event " << n_events << std::endl;
            return 1;
        }
        @NAME@_fn(input, found);
        results << std::hex << found.to_uint64() << '\\n';
        if (found != expected && different++ < most_shown)
            std::cout << "event " << n_events << ": output " << found.to_uint64() << ", expected "
                      << expected.to_uint64() << std::endl;
    }
    if (n_events == 0)
        std::cout << "FAIL: no events in " << folder << std::endl;
    else if (different)
        std::cout << "FAIL: " << different << " of " << n_events << " events differ" << std::endl;
    else
        std::cout << "PASS: " << n_events << " events" << std::endl;
    return n_events == 0 || different;
}
"""
MAKEFILE = """\
# make: C simulation with g++ and the types in src/static, without Vitis.
CXXFLAGS ?= -O1

.PHONY: run clean

run: {name}_test
	./{name}_test

{name}_test: {name}_test.cc utils/{name}_ooc.cc utils/{name}_ooc.hh src/{name}.hh
	$(CXX) -std=c++17 $(CXXFLAGS) -Isrc -Isrc/static/ap_types -o $@ {name}_test.cc utils/{name}_ooc.cc

clean:
	rm -f {name}_test
"""
SIMULATION_SCRIPT = """\
# C simulation in Vitis HLS: vitis_hls -f csim.tcl
cd [file dirname [file normalize [info script]]]
open_project -reset csim_{name}
set_top {name}_fn
add_files utils/{name}_ooc.cc -cflags "-std=c++14 -Isrc"
add_files -tb {name}_test.cc -cflags "-std=c++14 -Isrc"
add_files -tb {data}
open_solution -reset solution
set_part {part}
create_clock -period {clock_period} -name default
csim_design
exit
"""
PART = "xcvu13p-flga2577-2-e"


def write_hls(logic: CombLogic, ports: dict[str, Any], folder: Path, clock_period: float) -> None:
    """Write an HLS project for Vitis, with a C++ test bench, into a folder.

    Parameters
    ----------
    logic : CombLogic
    ports : dict
        The `port_map`.
    folder : Path
    clock_period : float
        In ns.
    """
    project = HLSModel(logic, folder, TOP_MODULE, clock_period=clock_period, part_name=PART, namespace=LOGIC_NAMESPACE)
    project.write()
    shutil.rmtree(folder / "sim")  # a binding to Python
    remove_gzip_times(folder)
    (output,) = logic.out_qint
    signed, whole, fraction = output.kif
    widths = [port["bits"][0] - port["bits"][1] + 1 for port in ports["inputs"] if port["bits"]]
    values = {
        **ports["module"],
        "integer_bits": max(widths, default=1) + 1,
        "n_integers": len(ports["inputs"]),
        "integers": "\n".join(_integers(ports)),
        "output_type": f"ap_{'' if signed else 'u'}fixed<{signed + whole + fraction}, {signed + whole}>",
        "namespace": LOGIC_NAMESPACE,
        "clock_period": clock_period,
        "part": PART,
        "data": TEST_DATA,
    }
    bench = TEST_BENCH
    for field, value in (("NAME", TOP_MODULE), ("DATA", TEST_DATA), ("INPUTS", INPUTS), ("OUTPUTS", OUTPUTS)):
        bench = bench.replace(f"@{field}@", value)
    for name, text in (
        (f"utils/{TOP_MODULE}_ooc.hh", TOP_HEADER.format(**values)),
        (f"utils/{TOP_MODULE}_ooc.cc", TOP_SOURCE.format(**values)),
        (f"{TOP_MODULE}_test.cc", bench),
        ("Makefile", MAKEFILE.format(**values)),
        ("csim.tcl", SIMULATION_SCRIPT.format(**values)),
    ):
        (folder / name).write_text(text, encoding="ascii")


def _integers(ports: dict[str, Any]) -> Iterator[str]:
    """Yield the statements that take the integers out of the input word."""
    word = ports["module"]["input"]
    for i, port in enumerate(ports["inputs"]):
        value = "0"
        if port["bits"]:
            high, low = port["bits"]
            value = f"ap_{'' if port['signed'] else 'u'}int<{high - low + 1}>({word}.range({high}, {low}))"
        yield f"    integers[{i}] = {value}; // {port['name']}"


def simulate_hls(folder: Path, ports: dict[str, Any], words: np.ndarray) -> np.ndarray:
    """Run the test bench of a project for its own vectors, and then for other events.

    Parameters
    ----------
    folder : Path
        Of the project.
    ports : dict
        The `port_map`.
    words : np.ndarray, shape (n_events, n_integers), float64

    Returns
    -------
    np.ndarray, shape (n_events,), int
        Outputs of the events, in steps.

    Raises
    ------
    UserError
        If it does not compile, or does not pass for its own vectors.
    """
    program = folder / f"{TOP_MODULE}_test"
    _run(["make", "-s"], folder, "its test bench does not pass")
    with tempfile.TemporaryDirectory() as name:
        other, results = Path(name), Path(name) / RESULTS
        write_memory(
            other / INPUTS, packed_words(words.astype(np.int64), ports["inputs"]), ports["module"]["input_bits"]
        )
        write_memory(other / OUTPUTS, [0] * len(words), ports["module"]["output_bits"])
        subprocess.run([program, name, results], stdout=subprocess.DEVNULL, check=False)  # it finds them different
        outputs = np.array([int(line, 16) for line in results.read_text(encoding="ascii").split()])
    program.unlink()
    return outputs


def _run(command: list[str], folder: Path, problem: str) -> None:
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        last = " ".join((run.stdout + run.stderr).split()[-60:])
        raise UserError(f"the HLS project cannot be simulated, {problem}: {last}")
