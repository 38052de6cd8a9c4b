"""Private part of FastJet: the banner on standard output that asks for a citation; the documentation cites FastJet.

FastJet has a function to redirect it, but its Python package does not export that function:
https://github.com/scikit-hep/fastjet/issues/180.
"""

import fastjet

from utils.compat.versions import require_version

require_version("fastjet", "3.4", "3.6")


def omit_banner() -> None:
    """Let this process print no banner."""
    fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)
