"""Scales of the integers of the trigger.

They stand apart from the events, whose compiled loops the workflow would wait for.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from utils.formats.trigger_scales import (
    CALORIMETER_ETA_STEP,
    CALORIMETER_PHI_STEPS,
    EGAMMA_SATURATION,
    ENERGY_STEP,
    JET_SATURATION,
    MUON_SATURATION,
    SUM_SATURATION,
)
from utils.runtime.options import declared, flag

LARGEST_ETA = 5.5
EXACT_BITS = 24  # of whole numbers that a float32 of Keras holds exactly

KIND_SATURATIONS = ("muon_saturation", "egamma_saturation", "jet_saturation")

# Limits of steps. The limits of the integers are chosen so that 32 bits hold all products and tables fit into memory.
SMALLEST_STEP, LARGEST_STEP = 1 / 1024, 1024
PT_SATURATION: dict[str, Any] = {"unit": "steps", "minimum": 1, "maximum": 1 << 20}


@dataclass(frozen=True, kw_only=True)
class HardwareScales:
    """Scales of the integers of the trigger.

    Muons are taken in the coarser eta and phi of the calorimeter, so that all objects share one scale. Energies above a
    saturation are set to it, and an object or a sum with this value counts as saturated. The defaults are the
    saturations of the CMS trigger, from `utils.formats.trigger_scales`.
    """

    energy_step: float = flag(
        ENERGY_STEP,
        help="step of the energies of objects and sums",
        unit="GeV",
        minimum=SMALLEST_STEP,
        maximum=LARGEST_STEP,
    )
    eta_step: float = flag(CALORIMETER_ETA_STEP, help="step of eta", minimum=SMALLEST_STEP, maximum=LARGEST_STEP)
    phi_steps: int = flag(
        CALORIMETER_PHI_STEPS,
        help="steps of phi in a full turn; even",
        minimum=4,
        maximum=1 << 16,
        schema={"multipleOf": 2},
    )
    object_saturation: int | None = flag(
        None, help="largest transverse momentum of every object; none: by kind", **PT_SATURATION
    )
    muon_saturation: int | None = flag(
        None, help=f"that of a muon; none: object_saturation, or {MUON_SATURATION}", **PT_SATURATION
    )
    egamma_saturation: int | None = flag(
        None, help=f"that of an e/g; none: object_saturation, or {EGAMMA_SATURATION}", **PT_SATURATION
    )
    jet_saturation: int | None = flag(
        None, help=f"that of a jet; none: object_saturation, or {JET_SATURATION}", **PT_SATURATION
    )
    sum_saturation: int = flag(SUM_SATURATION, help="largest MET and HT", unit="steps", minimum=1, maximum=1 << 24)
    feature_bits: int = flag(
        7, help="unit of energy at the network's inputs is 2 to this power steps", minimum=1, maximum=16
    )
    output_bits: int = flag(
        2,
        help="bits of the corrected sum below a step of the energies: its steps are an energy step divided by 2 to "
        "this power, and a threshold can lie between two steps of energy",
        minimum=0,
        maximum=8,
    )
    table_bits: int = flag(
        5, help="bits after the binary point of the tables of cosine and sine", minimum=1, maximum=16
    )

    def __post_init__(self) -> None:
        """Check each value.

        Raises
        ------
        ValueError
            If a value is out of range, naming it.
        """
        for option in declared(HardwareScales):
            value, bounds = getattr(self, option.name), option.flag.bounds()
            if value is None and option.nullable:
                continue
            if option.kind is int and type(value) is not int:
                raise ValueError(f"{option.name}: expected an integer, received: {value!r}")
            if not bounds["minimum"] <= value <= bounds["maximum"]:
                raise ValueError(f"{option.name}: expected {option.range()}, received: {value!r}")
        for name, value in zip(KIND_SATURATIONS, self.saturations, strict=True):
            bits = value.bit_length() + self.table_bits
            if bits > EXACT_BITS:
                found = "object_saturation" if getattr(self, name) is None and self.object_saturation else name
                raise ValueError(f"{found}, table_bits: expected at most {EXACT_BITS} bits together, found {bits}")
        if self.largest_output.bit_length() > EXACT_BITS:
            raise ValueError(
                f"sum_saturation, output_bits: expected at most {EXACT_BITS} bits together, "
                f"found {self.largest_output.bit_length()}"
            )
        if self.phi_steps % 2:
            raise ValueError(f"phi_steps: expected an even integer, received: {self.phi_steps!r}")

    @property
    def saturations(self) -> tuple[int, int, int]:
        """Largest transverse momentum of muons, e/g and jets, in steps."""
        given = self.muon_saturation, self.egamma_saturation, self.jet_saturation
        of_kind = MUON_SATURATION, EGAMMA_SATURATION, JET_SATURATION
        muon, egamma, jet = (
            next(value for value in (own, self.object_saturation, default) if value is not None)
            for own, default in zip(given, of_kind, strict=True)
        )
        return muon, egamma, jet

    def record(self) -> dict[str, Any]:
        """Return the scales for the record of a training, with the saturation of each kind of object."""
        return {**asdict(self), **dict(zip(KIND_SATURATIONS, self.saturations, strict=True))}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the scales in the record of a training; in records of former versions `output_bits`, 0, is missing."""
        return cls(**{"output_bits": 0, **record})

    @property
    def half_turn(self) -> int:
        """Steps of phi in half a turn."""
        return self.phi_steps // 2

    @property
    def largest_sum(self) -> float:
        """Largest MET, HT and corrected sum, in GeV."""
        return self.sum_saturation * self.energy_step

    @property
    def largest_output(self) -> int:
        """Largest corrected sum, in its own steps."""
        return self.sum_saturation << self.output_bits

    @property
    def energy_unit(self) -> float:
        """Unit of energy at the input and the output of the network, in GeV."""
        return self.energy_step * 2**self.feature_bits

    @property
    def largest_eta(self) -> int:
        """Largest |eta| in steps; larger ones are set to it."""
        return math.ceil(LARGEST_ETA / self.eta_step)
