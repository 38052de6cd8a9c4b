"""Options of the reader of Delphes trees."""

from dataclasses import dataclass

from utils.runtime.options import flag

METS = ("MissingET", "GenMissingET", "PuppiMissingET")


@dataclass(frozen=True, kw_only=True)
class DelphesObjectOptions:
    """Which objects of a Delphes tree are read; their branches depend on the card."""

    delphes_jets: str = flag("Jet", help="branch of the jets of Delphes; other cards have JetPUPPI or JetCHS")
    delphes_electrons: str = flag("Electron", help="branch of the electrons of Delphes")
    delphes_photons: str = flag("Photon", help="branch of the photons of Delphes; other cards have PhotonLoose")
    delphes_muons: str = flag("Muon", help="branch of the muons of Delphes; other cards have MuonLoose")


@dataclass(frozen=True, kw_only=True)
class DelphesOptions(DelphesObjectOptions):
    """What of a Delphes tree is read."""

    delphes_met: str = flag(
        METS[0],
        help="MET of Delphes for original_met: of the detector, of the particles that it does not see, or with pile-up "
        "removed",
        choices=METS,
    )
