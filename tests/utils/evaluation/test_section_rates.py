"""Rates by luminosity section: the same as a loop over the sections."""

import numpy as np
import pytest

from utils.evaluation.efficiencies import clopper_pearson
from utils.evaluation.section_rates import section_rates


def test_each_section_on_its_own():
    rng = np.random.default_rng(1)
    sections = np.stack([rng.choice([362001, 362000], 5000), rng.integers(1, 20, 5000)], axis=1).astype(np.uint32)
    quantities = {"baseline": rng.exponential(30, 5000), "teacher": rng.exponential(20, 5000)}
    found = section_rates(sections, quantities, (50, 40), 2000)
    pairs = sorted({(int(run), int(section)) for run, section in sections})
    assert list(zip(found.run.tolist(), found.section.tolist(), strict=True)) == pairs
    for i, pair in enumerate(pairs):
        inside = (sections == pair).all(axis=1)
        assert found.n_events[i] == inside.sum()
        for name, values in quantities.items():
            for j, threshold in enumerate((50, 40)):
                passed = np.sum(values[inside] > threshold)
                assert found.passed[name][j, i] == passed
                khz = 2000 * 11.2455
                assert found.value[name][j, i] == pytest.approx(khz * passed / inside.sum())
                low, high = clopper_pearson(np.array([passed]), np.array([inside.sum()]))
                assert (found.low[name][j, i], found.high[name][j, i]) == pytest.approx((khz * low[0], khz * high[0]))
