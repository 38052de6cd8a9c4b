from utils.plotting.firmware import draw_latency


def test_latency_and_registers_against_the_clock():
    designs = [
        {"clock [MHz]": 40, "latency [ns]": 100, "FF": 1500},
        {"clock [MHz]": 320, "latency [ns]": 71, "FF": 9000},
    ]
    fig, _ = draw_latency(designs)
    (latency,), (registers,) = (axes.lines for axes in fig.axes)
    assert latency.get_xdata().tolist() == registers.get_xdata().tolist() == [40, 320]
    assert latency.get_ydata().tolist() == [100, 71]
    assert registers.get_ydata().tolist() == [1500, 9000]
