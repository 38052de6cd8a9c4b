"""Options of the L1 response, and the response made of them."""

from dataclasses import dataclass
from pathlib import Path

from utils.formats.trigger_scales import JET_THRESHOLD
from utils.runtime.options import flag
from utils.simulation.response_tables import InverseResponse, JetResolution
from utils.simulation.smearing import JetResponse, L1Response, LeptonResponse

TABLES = Path(__file__).parent / "l1_response"


@dataclass(frozen=True, kw_only=True)
class ResponseOptions:
    """Response of the Level-1 trigger to offline-like objects."""

    jet_inverse_response: Path = flag(
        TABLES / "jet_inverse_response.csv", help="table of the inverse jet response in bins of |eta| and pT"
    )
    jet_resolution_central: Path = flag(
        TABLES / "jet_resolution_central.csv", help="points (pT, resolution) of jets of |eta| below 3.2"
    )
    jet_resolution_forward: Path = flag(
        TABLES / "jet_resolution_forward.csv", help="points (pT, resolution) of jets of larger |eta|"
    )
    jet_scale_mean: float = flag(1.1, help="mean factor on the inverse response", above=0)
    jet_scale_width: float = flag(0.05, help="width of that factor", minimum=0)
    jet_resolution_factor: float = flag(2.0, help="L1 jet resolution over that of the tables", minimum=0)
    jet_threshold: float = flag(JET_THRESHOLD, help="L1 jet threshold", unit="GeV", minimum=0)
    muon_response: tuple[float, float] = flag(
        (0.98, 0.95), help="muon response within and beyond the |eta| edge", above=0
    )
    muon_eta_edge: float = flag(2.1, help="muon |eta| edge", above=0)
    muon_resolution: float = flag(0.05, help="relative muon resolution", minimum=0)
    muon_threshold: float = flag(0.0, help="L1 muon threshold", unit="GeV", minimum=0)
    egamma_response: tuple[float, float] = flag(
        (0.95, 0.85), help="e/g response within and beyond the |eta| edge", above=0
    )
    egamma_eta_edge: float = flag(1.5, help="e/g |eta| edge", above=0)
    egamma_resolution: float = flag(0.2, help="relative e/g resolution", minimum=0)
    egamma_threshold: float = flag(0.0, help="L1 e/g threshold", unit="GeV", minimum=0)


def l1_response(options: ResponseOptions) -> L1Response:
    """Return the response that the options describe, reading its tables."""
    muons = LeptonResponse(
        *options.muon_response, options.muon_eta_edge, options.muon_resolution, options.muon_threshold
    )
    egammas = LeptonResponse(
        *options.egamma_response, options.egamma_eta_edge, options.egamma_resolution, options.egamma_threshold
    )
    jets = JetResponse(
        inverse_response=InverseResponse.read(options.jet_inverse_response),
        central=JetResolution.read(options.jet_resolution_central),
        forward=JetResolution.read(options.jet_resolution_forward),
        scale_mean=options.jet_scale_mean,
        scale_width=options.jet_scale_width,
        resolution_factor=options.jet_resolution_factor,
        threshold=options.jet_threshold,
    )
    return L1Response(muons, egammas, jets)
