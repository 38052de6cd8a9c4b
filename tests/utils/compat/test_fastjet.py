"""FastJet still offers no public way to omit its banner, and here it prints none."""

import awkward as ak
import fastjet

from utils.compat.fastjet import omit_banner


def test_the_package_still_does_not_export_the_function():
    # Once this fails, the public function replaces utils/compat/fastjet.py.
    assert not hasattr(fastjet.ClusterSequence, "set_fastjet_banner_stream")
    assert not hasattr(fastjet, "set_fastjet_banner_stream")


def test_no_banner_is_printed(capfd):
    omit_banner()
    particle = ak.Array([{"px": 30.0, "py": 0.0, "pz": 0.0, "E": 30.0}])
    jets = fastjet.ClusterSequence(particle, fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)).inclusive_jets()
    assert jets.px.tolist() == [30.0]
    assert capfd.readouterr().out == ""
