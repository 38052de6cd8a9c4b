from utils.hardware.logic import event_symbols, trace_logic
from utils.hardware.ports import Port
from utils.hardware.verilog import port_map


def test_port_map_divides_the_input_word():
    ports = [
        Port("eta", 2, -127, 127, quantity="pseudorapidity", objects=("jet 1", "jet 2")),
        Port("met", 1, 0, 3, 0.5, "GeV", "missing", saturates=True),
        Port("ht", 1, 0, 7, 0.5, "GeV"),
    ]
    event = event_symbols(ports)
    logic = trace_logic(ports, event, event.eta[:, :1] * 0.5 + event.eta[:, 1:] - event.met)
    found = port_map(ports, logic, energy_unit=4.0)
    eta = {"quantity": "pseudorapidity", "signed": True, "step": {"value": 1.0, "unit": ""}, "range": [-127, 127]}
    eta |= {"saturates": False}
    energy = {"object": None, "signed": False, "step": {"value": 0.5, "unit": "GeV"}}
    assert found["inputs"] == [
        {"name": "eta[0]", "object": "jet 1", "bits": [7, 0], **eta},
        {"name": "eta[1]", "object": "jet 2", "bits": [15, 8], **eta},
        {"name": "met", "quantity": "missing", "bits": [17, 16], **energy, "range": [0, 3], "saturates": True},
        {"name": "ht", "quantity": "", "bits": None, **energy, "range": [0, 7], "saturates": False},
    ]
    names = {"name": "student", "clock": "clk", "input": "model_inp", "output": "model_out"}
    assert found["module"] == {**names, "input_bits": 18, "output_bits": 10}
    # from -63.5 - 127 - 3 to 63.5 + 127 in steps of 0.5: 9 bits before the point with the sign, 1 after
    output = {"step": {"value": 2.0, "unit": "GeV"}, "saturation": {"value": 4 * 190.5, "unit": "GeV"}}
    lowest, highest = found["output"].pop("range")
    assert lowest <= -387 < 381 == highest  # alkaid knows a range in which the output is
    assert found["output"] == {"bits": [9, 0], "signed": True, **output}
