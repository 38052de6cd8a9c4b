"""Options of export_firmware.py."""

from dataclasses import dataclass
from pathlib import Path

from utils.runtime.options import Seed, flag

LOGIC_SHARE = 0.9  # of a clock period; the rest is for the registers


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Timing of the firmware."""

    clock_period: float = flag(2.8, help="clock period of the firmware", unit="ns", above=0)
    latency_cutoff: float | None = flag(
        None,
        help=f"estimated delay of the logic between two registers; none: {LOGIC_SHARE:g} of the clock period",
        unit="ns",
        above=0,
    )

    @property
    def cutoff(self) -> float:
        """Estimated delay of the logic between two registers, in ns."""
        return self.latency_cutoff or LOGIC_SHARE * self.clock_period


@dataclass(frozen=True, kw_only=True)
class Checks(Seed):
    """Events with which the firmware is compared with the Keras model."""

    data: Path = flag(help="L1 regression file of the events to compare", config=False)
    rtl_events: int = flag(
        10000,
        help="events that go through the simulation of the Verilog and the emulator for CMSSW, spread evenly over the "
        "file; 0: neither is compiled",
        minimum=0,
    )
    chunk_size: int = flag(16384, help="events read at a time", minimum=1, neutral=True, config=False)


@dataclass(frozen=True, kw_only=True)
class Options(Timing, Checks):
    """Flags of the script."""

    model_dir: Path = flag(help="output folder of the training of a student", config=False)
    output: Path = flag(help="folder for the firmware, replaced as a whole", config=False)
    hls: int = flag(
        1,
        help="1: write the projects for HLS as well: of the whole logic, and of the network by hls4ml",
        choices=(0, 1),
    )
    emulator_version: int = flag(1, help="version of the emulator for CMSSW, part of its names", minimum=1)
