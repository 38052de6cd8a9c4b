"""Self-checking test bench of the Verilog, for Verilator and for other simulators."""

import os
import subprocess
from pathlib import Path
from typing import Any

from utils.hardware.rtl_simulation import verilator_environment
from utils.runtime.errors import UserError

PASS = "PASS"
TEST_BENCH = """\
// Self-checking test bench: an event of ../vectors enters in each clock cycle, and each output is compared with the
// expected one after the latency. Prints PASS, or FAIL and ends with $fatal.
`timescale 1 ns / 1 ps

module {module}_tb;
    localparam int N_EVENTS = {n_events};
    localparam int LATENCY = {latency};  // clock edges from an event at the pins to its output in the output register
    localparam int INPUT_BITS = {input_bits};
    localparam int OUTPUT_BITS = {output_bits};
    localparam real CLOCK_PERIOD = {clock_period};  // ns
    localparam int MOST_SHOWN = 10;

    logic {clock} = 0;
    logic [INPUT_BITS-1:0] {input} = '0;
    wire [OUTPUT_BITS-1:0] {output};
    logic [INPUT_BITS-1:0] inputs [0:N_EVENTS-1];
    logic [OUTPUT_BITS-1:0] expected [0:N_EVENTS-1];
    int different = 0;

    {module} dut (.{clock}({clock}), .{input}({input}), .{output}({output}));

    always #(CLOCK_PERIOD / 2) {clock} = ~{clock};

    task compare(input int number);
        // a file that is missing or too short leaves X, in the expected output too
        if ({output} !== expected[number] || (^expected[number]) === 1'bx) begin
            different++;
            if (different <= MOST_SHOWN)
                $display("event %0d: output %0d, expected %0d", number, {output}, expected[number]);
        end
    endtask

    initial begin
        $readmemh("../vectors/inputs.mem", inputs);
        $readmemh("../vectors/outputs.mem", expected);
        for (int cycle = 0; cycle < N_EVENTS + LATENCY; cycle++) begin
            @(negedge {clock});
            if (cycle >= LATENCY) compare(cycle - LATENCY);
            if (cycle < N_EVENTS) {input} = inputs[cycle];
        end
        if (different != 0) $fatal(1, "FAIL: %0d of %0d events differ", different, N_EVENTS);
        $display("PASS: %0d events, latency %0d cycles", N_EVENTS, LATENCY);
        $finish;
    end
endmodule
"""
MAKEFILE = """\
# make: Verilator 5 or later, with g++; make xsim: Vivado; make questa: Questa or ModelSim.
VERILATOR ?= verilator
JOBS ?= 0
# Its path must be without spaces.
BUILD ?= obj_dir
VERILOG = $(wildcard ../verilog/src/static/*.v) $(wildcard ../verilog/src/*.v)
# Settings of Verilator for g++, which its package on PyPI lacks. Without optimisation the build is faster.
SETTINGS = CFG_CXXFLAGS_COROUTINES=-fcoroutines CFG_CXXFLAGS_PCH_I=-include PYTHON3=python3 \\
  OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0

.PHONY: run xsim questa clean

run: $(BUILD)/V{module}_tb
	$(BUILD)/V{module}_tb

$(BUILD)/V{module}_tb: {module}_tb.sv $(VERILOG)
	$(VERILATOR) --binary -j $(JOBS) --Mdir $(BUILD) --top-module {module}_tb -MAKEFLAGS "$(SETTINGS)" $^

xsim:
	xvlog -sv {module}_tb.sv $(VERILOG)
	xelab {module}_tb -s {module}_tb
	xsim {module}_tb -runall

questa:
	vlib work
	vlog -sv {module}_tb.sv $(VERILOG)
	vsim -c {module}_tb -do "run -all; quit"

clean:
	rm -rf $(BUILD) work xsim.dir *.log *.jou *.pb *.wdb transcript
"""


def write_testbench(folder: Path, module: dict[str, Any], timing: dict[str, Any], n_events: int) -> None:
    """Write the test bench and its makefile into a folder, which is made.

    Parameters
    ----------
    folder : Path
    module : dict
        Top module, of `port_map`.
    timing : dict
        Latency and clock, of `resources`.
    n_events : int
        Test vectors.
    """
    folder.mkdir()
    values = {
        **{name: module[name] for name in ("clock", "input", "output", "input_bits", "output_bits")},
        "module": module["name"],
        "n_events": n_events,
        "latency": timing["latency"]["cycles"],
        "clock_period": float(timing["clock_period"]["value"]),
    }
    (folder / f"{module['name']}_tb.sv").write_text(TEST_BENCH.format(**values), encoding="ascii")
    (folder / "Makefile").write_text(MAKEFILE.format(**values), encoding="ascii")


def run_testbench(folder: Path, build: Path) -> None:
    """Run a test bench with Verilator; a :class:`UserError` has its last words unless it passes.

    Parameters
    ----------
    folder : Path
    build : Path
        Folder for the program, which is built if it is not there; a path without spaces.
    """
    with verilator_environment():
        command = ["make", "-s", f"BUILD={build}", f"JOBS={len(os.sched_getaffinity(0))}"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode != 0 or PASS not in run.stdout:
        last = " ".join((run.stdout + run.stderr).split()[-60:])
        raise UserError(f"the test bench of the Verilog does not pass: {last}")
