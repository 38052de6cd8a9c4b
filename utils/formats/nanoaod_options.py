"""Options of the reader of NanoAOD."""

from dataclasses import dataclass

from utils.runtime.options import flag

L1_PREFIXES = ("L1", "L1Emul")  # of the trigger, and emulated again
TRUE_METS = ("GenMET", "PuppiMETNoMu", "PFMETNoMu", "PuppiMET", "PFMET")
TRUE_JETS = ("GenJet", "Jet")


@dataclass(frozen=True)
class Thresholds:
    """Level-1 thresholds in GeV; objects below are left out."""

    jets: float = 0.0
    egammas: float = 0.0
    muons: float = 0.0


@dataclass(frozen=True, kw_only=True)
class L1TableOptions:
    """Which objects of the trigger are read."""

    nanoaod_l1: str | None = flag(
        None,
        help="prefix of the L1 tables of NanoAOD, such as L1Emul of those emulated again; none: L1 where a file has "
        "them",
    )


@dataclass(frozen=True, kw_only=True)
class NanoAODOptions(L1TableOptions):
    """What of a NanoAOD file is read."""

    nanoaod_met: str | None = flag(
        None,
        help="true MET of NanoAOD, NoMu: with the muons added back; none: GenMET in simulation, PuppiMETNoMu in data",
        choices=TRUE_METS,
    )
    nanoaod_jets: str | None = flag(
        None,
        help="jets of NanoAOD whose scalar sum is the true HT; none: GenJet in simulation, Jet in data",
        choices=TRUE_JETS,
    )
    cross_sections: dict[str, float] = flag(
        {},
        help="cross sections of NanoAOD and Delphes files, by the process or by the name or a glob of some of its "
        "files; without one events of NanoAOD have no weights, and those of Delphes take the one in the file",
        unit="pb",
    )
