"""Designs whose look-up tables, registers and levels of logic are known."""

import pytest

from utils.hardware.synthesis import Resources, logic_levels, synthesise
from utils.runtime.errors import UserError

# A register of 8 bits takes 8 FF, an AND of 6 inputs one LUT. A sum of 16 bits takes a LUT a bit, two of which share a
# place, and 4 carry chains of 4 bits, one after the other. A delay by 20 clocks is a shift register.
DESIGN = """module design(input clk, input [7:0] d, input [5:0] e, input [15:0] a, b,
    output reg [7:0] q, output f, output [15:0] s, output late);
    reg [19:0] delay;
    always @(posedge clk) q <= d;
    always @(posedge clk) delay <= {delay[18:0], e[0]};
    assign f = &e;
    assign s = a + b;
    assign late = delay[19];
endmodule
"""


@pytest.mark.slow
def test_resources_of_a_small_design(tmp_path):
    (tmp_path / "a design.v").write_text(DESIGN)
    known = {"lut": 17, "shared_lut": 9, "inverters": 0, "carry": 4, "logic_levels": 2}
    sources = [tmp_path / "a design.v"]
    assert synthesise(sources, "design") == Resources(ff=8, shift_registers=1, **known)
    assert synthesise(sources, "design", shift_registers=False) == Resources(ff=28, shift_registers=0, **known)
    with pytest.raises(UserError, match=r"yosys cannot synthesise other: ERROR: .*other"):
        synthesise(sources, "other")


def cell(kind, output, **inputs):
    """Return a cell as the netlist of yosys has it; numbers are nets."""
    connections = {"O": [output], **{port: [net] for port, net in inputs.items()}}
    return {
        "type": kind,
        "connections": connections,
        "port_directions": {port: "output" if port == "O" else "input" for port in connections},
    }


def test_levels_of_logic_by_hand():
    """A LUT, a chain of two carries, an inverter and a LUT, and then a register, after which levels begin again."""
    cells = {
        "a": cell("LUT2", 10, I0=1, I1="0"),
        "b": cell("CARRY4", 11, CI="0", S=10),
        "c": cell("CARRY4", 12, CI=11, S=2),
        "d": cell("INV", 13, I=12),
        "e": cell("LUT3", 14, I0=13, I1=1, I2=10),
        "f": {**cell("FDRE", 15, D=14)},
        "g": cell("LUT1", 16, I0=15),
    }
    assert logic_levels(cells) == 4
    assert logic_levels({"g": cells["g"], "f": cells["f"]}) == 1
    assert logic_levels({"f": cells["f"]}) == 0
    # not along the chain: its sum feeds the next carry as an operand
    assert logic_levels({**cells, "c": cell("CARRY4", 12, CI="0", S=11)}) == 5
