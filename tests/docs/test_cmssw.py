"""The header of docs/howto/cmssw.md gives the integers of the training from the integers of CMS."""

import re
import subprocess

import numpy as np

from tests.docs.test_snippets import ROOT
from utils.data_processing import METGraphCreator
from utils.event_layout import EGAMMAS, ETA, JETS, MUONS, PHI, PT
from utils.hardware.inputs import leading_slots
from utils.hardware.integers import hardware_events
from utils.hardware.leading_objects import LeadingObjects
from utils.hardware.scales import HardwareScales
from utils.l1_events import L1Events

PROGRAM = """
#include "L1METRegressionInputs.h"
#include <iostream>

int main() {
  using namespace l1metregression;
  int n[3], pt, eta, phi;
  while (std::cin >> n[0] >> n[1] >> n[2]) {
    std::vector<Object> objects[3];
    for (int kind = 0; kind < 3; ++kind)
      for (int i = 0; i < n[kind] && std::cin >> pt >> eta >> phi; ++i)
        objects[kind].push_back(kind == 0 ? muon(pt, eta, phi) : calorimeterObject(pt, eta, phi));
    for (int value : inputs(objects[0], objects[1], objects[2]))
      std::cout << value << ' ';
    std::cout << '\\n';
  }
}
"""


def test_inputs_from_the_integers_of_cms(tmp_path):
    """Of random events; the first has no object. Muons lie at any quarter of a step but the middle."""
    page = (ROOT / "docs" / "howto" / "cmssw.md").read_text()
    header = re.search(r"```cpp\n(// L1METRegressionInputs\.h\n.*?)```", page, re.S)[1]
    (tmp_path / "L1METRegressionInputs.h").write_text(header)
    (tmp_path / "program.cpp").write_text(PROGRAM)
    subprocess.run(["g++", "-std=c++17", "-Wall", "-Werror", "program.cpp", "-o", "program"], cwd=tmp_path, check=True)

    rng, n_events, scales = np.random.default_rng(1), 300, HardwareScales(object_saturation=2047, sum_saturation=4095)
    objects, lines = np.zeros((n_events, 18, 3), np.float32), []
    for event in objects:
        counts, numbers = [], []
        for slots, first, quarters in ((MUONS, 1, 4), (EGAMMAS, 0, 1), (JETS, 0, 1)):
            counts.append(int(rng.integers(slots.stop - slots.start + 1)) if lines else 0)
            pt = -np.sort(-rng.choice(np.arange(1, 500), counts[-1], replace=False))
            eta = rng.integers(-50 * quarters, 50 * quarters, counts[-1])
            phi = rng.integers(0, 144 * quarters, counts[-1])
            eta[eta % 4 == 2] += quarters > 1
            phi[phi % 4 == 2] += quarters > 1
            filled = slice(slots.start, slots.start + counts[-1])
            event[filled, PT], event[filled, ETA] = pt / 2, eta * (0.0435 / quarters)
            event[filled, PHI] = phi * (2 * np.pi / 144 / quarters)
            numbers += [*np.column_stack([pt + first, eta, phi])[::-1].ravel()]
        lines.append(" ".join(map(str, [*counts, *numbers])))
    found = subprocess.check_output([tmp_path / "program"], input="\n".join(lines), text=True)
    found = np.array(found.split(), int).reshape(n_events, 24)
    found[:, 14:22] %= 144
    expected = hardware_events(L1Events.of_objects(objects), leading_slots(METGraphCreator(), LeadingObjects()), scales)
    columns = (expected.pt, expected.eta, expected.phi, expected.met_phi, expected.met, expected.ht)
    np.testing.assert_array_equal(found, np.column_stack(columns))
