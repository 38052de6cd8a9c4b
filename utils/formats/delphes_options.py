"""Options of the reader of Delphes trees."""

from dataclasses import dataclass

from utils.runtime.options import flag

METS = ("MissingET", "GenMissingET", "PuppiMissingET")


@dataclass(frozen=True, kw_only=True)
class DelphesJetOptions:
    """Which objects of a Delphes tree are read."""

    delphes_jets: str = flag("Jet", help="branch of the jets of Delphes; other cards have JetPUPPI or JetCHS")


@dataclass(frozen=True, kw_only=True)
class DelphesOptions(DelphesJetOptions):
    """What of a Delphes tree is read."""

    delphes_met: str = flag(
        METS[0],
        help="MET of Delphes for original_met: of the detector, of the particles that it does not see, or with pile-up "
        "removed",
        choices=METS,
    )
