"""Latency of a small design against its clock."""

import pytest

from benchmarks.synthesis import design_row
from utils.hardware.logic import event_symbols, trace_logic
from utils.hardware.ports import Port


@pytest.fixture
def logic():
    """Return a sum of 8 integers of 8 bits, 3 adders deep."""
    ports = [Port("pt", 8, 0, 255)]
    event = event_symbols(ports)
    total = event.pt[:, :1]
    for i in range(1, 8):
        total = total + event.pt[:, i : i + 1]
    return trace_logic(ports, event, total)


def test_a_faster_clock_needs_more_stages_and_registers(logic):
    slow, fast = (design_row(logic, clock, 0.9, by_yosys=False) for clock in (25.0, 1.0))
    assert (slow["stages"], slow["latency [cycles]"], slow["latency [ns]"]) == (1, 2, 50)
    assert slow["FF"] == 8 * 8 + 11  # a register of the inputs and one of the output
    assert fast["stages"] > 1
    assert fast["latency [ns]"] == fast["stages"] + 1
    assert fast["FF"] > slow["FF"]
    assert fast["LUT"] == slow["LUT"]
    assert "yosys" not in fast
