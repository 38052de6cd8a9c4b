"""Benchmark of pile-up: its rates and efficiencies of toy events."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.pileup import Options, create, efficiency_rows, named_events, rate_rows
from utils.evaluation.rates import crossing_rate
from utils.predictions import Predictions
from utils.runtime.errors import UserError

OPTIONS = Options(events=[], output=Path("unused.json"))
N = 20_000
CROSSING_RATE = crossing_rate(2448)


def toy(reco: np.ndarray, true: np.ndarray | float = 0.0, weight: float = 1.0) -> Predictions:
    """Events whose model doubles the L1 sum."""
    n = len(reco)
    return Predictions(
        true=np.full(n, true, np.float32) if np.isscalar(true) else true.astype(np.float32),
        reco=reco.astype(np.float32),
        corrections={"teacher": np.full(n, 2, np.float32)},
        weight=np.full(n, weight, np.float32),
        process_id=np.zeros(n, np.int32),
        jets=np.ones(n, np.int8),
    )


def events() -> dict[str, Predictions]:
    """QCD of 1 GeV steps with 2e9 pb, crossings that are the same, and a signal of which half are high."""
    reco = np.arange(N) / 100
    return {
        "QCD": toy(reco, weight=2e9 / N),
        "MinBias": toy(reco),
        "Znunu": toy(np.repeat([1.0, 1e4], 500), np.repeat([90.0], 1000)),
    }


def test_efficiencies_are_those_at_equal_rate():
    rows = efficiency_rows(OPTIONS, events(), "QCD", np.array([0.01, 0.002]))
    here = [row for row in rows if row["true"] == "80-120"]
    assert [row["efficiency"] for row in here] == [0.5] * 4
    assert [row["gain"] for row in here] == [0] * 4
    by_model = {(row["model"], row["rate [kHz]"]): row["threshold [GeV]"] for row in here}
    assert by_model["baseline", 30.0] == pytest.approx(198, abs=0.05)  # 1% of events from 0 to 200 GeV
    assert by_model["teacher", 10.0] == pytest.approx(2 * 199.6, abs=0.1)


def test_rates_of_crossings_are_shares_of_all_crossings():
    """At the thresholds of fixed rates of the background, which are the same shares of the crossings here."""
    rows = rate_rows(OPTIONS, events())
    for row in rows:
        above = 1 - row["threshold [GeV]"] / (200 if row["model"] == "baseline" else 400)
        assert row["crossings [kHz]"] == pytest.approx(above * CROSSING_RATE, rel=0.01, abs=2)
        assert row["from"] < row["crossings [kHz]"] < row["to"]
    rates = [row["rate [kHz]"] for row in rows if row["model"] == "teacher"]
    assert rates == pytest.approx([3000, 1000, 300, 100, 30], rel=0.05)


def test_without_crossings_their_rates_are_unknown():
    with_crossings = events()
    without = {name: process for name, process in with_crossings.items() if name != "MinBias"}
    for row, other in zip(rate_rows(OPTIONS, without), rate_rows(OPTIONS, with_crossings), strict=True):
        assert list(row) == list(other)
        assert row["rate [kHz]"] == other["rate [kHz]"]
        assert np.isnan(row["crossings [kHz]"])


def test_folders_without_events_of_the_training_are_refused(tmp_path):
    (tmp_path / "W").mkdir()
    with pytest.raises(UserError, match=f"{tmp_path}: expected a folder with events of QCD, found W"):
        create(OPTIONS, "0", tmp_path, tmp_path)


def test_events_of_a_pileup_have_its_number():
    assert named_events("60=output/events") == ("60", Path("output/events"))
    with pytest.raises(ValueError, match="expected PILEUP=FOLDER, received: 'output'"):
        named_events("output")
