"""Record of the arguments and versions of a step."""

import argparse
import json
from pathlib import Path

import h5py
import numpy as np

from utils.runtime.provenance import provenance


def test_provenance_has_arguments_and_versions_in_plain_types():
    args = argparse.Namespace(input=Path("a/b.h5"), seed=3, fractions=(0.5, 1.0), nothing=None)
    found = json.loads(json.dumps(provenance(args)))
    assert found["arguments"] == {"input": "a/b.h5", "seed": 3, "fractions": [0.5, 1.0], "nothing": None}
    assert found["versions"]["numpy"] == np.__version__
    assert found["versions"]["h5py"] == h5py.__version__
