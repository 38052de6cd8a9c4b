from utils.hardware.logic import event_symbols, trace_logic
from utils.hardware.ports import Port
from utils.hardware.verilog import port_map


def test_port_map_divides_the_input_word():
    ports = [Port("eta", 2, -127, 127), Port("met", 1, 0, 3, 0.5, "GeV"), Port("ht", 1, 0, 7, 0.5, "GeV")]
    event = event_symbols(ports)
    logic = trace_logic(ports, event, event.eta[:, :1] * 0.5 + event.eta[:, 1:] - event.met)
    found = port_map(ports, logic, energy_unit=4.0)
    one, energy = {"value": 1.0, "unit": ""}, {"value": 0.5, "unit": "GeV"}
    assert found["inputs"] == [
        {"name": "eta[0]", "bits": [7, 0], "signed": True, "step": one},
        {"name": "eta[1]", "bits": [15, 8], "signed": True, "step": one},
        {"name": "met", "bits": [17, 16], "signed": False, "step": energy},
        {"name": "ht", "bits": None, "signed": False, "step": energy},
    ]
    # from -63.5 - 127 - 3 to 63.5 + 127 in steps of 0.5: 9 bits before the point with the sign, 1 after
    output = {"step": {"value": 2.0, "unit": "GeV"}, "saturation": {"value": 4 * 190.5, "unit": "GeV"}}
    assert found["output"] == {"bits": [9, 0], "signed": True, **output}
