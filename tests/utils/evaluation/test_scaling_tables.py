import numpy as np
import pytest
import yaml

from utils.evaluation.bootstrap import Estimate
from utils.evaluation.offline_rates import OfflineRates
from utils.evaluation.run_conditions import WorkingPoint
from utils.evaluation.scaling import fit_line
from utils.evaluation.scaling_result import ScalingResult
from utils.evaluation.scaling_tables import menu_scalings, scaling_tables
from utils.predictions import BASELINE

THRESHOLDS = np.arange(40.0, 101, 20)


def line(efficiency, slope, offset):
    moved = np.random.default_rng(1).normal(0, 0.1, (201, len(THRESHOLDS)))
    moved[0] = 0
    return fit_line(efficiency, THRESHOLDS, slope * THRESHOLDS + offset + moved)


@pytest.fixture
def result():
    unknown = fit_line(0.95, THRESHOLDS, np.full((201, len(THRESHOLDS)), np.inf))
    scaling = {BASELINE: [line(0.5, 0.8, 2), line(0.9, 1.1, 9), unknown], "teacher": [line(0.5, 1, 0)] * 2 + [unknown]}
    thresholds = {
        BASELINE: Estimate(np.array([95.0, np.nan]), np.array([3.0, np.nan])),
        "teacher": Estimate(np.array([88.0, np.nan]), np.array([4.0, np.nan])),
    }
    lowered = {"teacher": Estimate(np.array([-7.0, np.nan]), np.array([2.0, np.nan]))}
    extrapolated = {BASELINE: np.array([False, False]), "teacher": np.array([True, False])}
    return ScalingResult(scaling, OfflineRates(0.9, THRESHOLDS, {}, {}, {}, thresholds, lowered, extrapolated))


def test_tables_have_lines_and_offline_thresholds(result):
    text = scaling_tables(result, [WorkingPoint(0.001, 30.0), WorkingPoint(0.0001, 3.0)])
    rows = [line.split() for line in text.splitlines()]
    assert rows[1][:3] == ["50%", "baseline", "0.800"]
    assert rows[3][:3] == ["90%", "baseline", "1.100"]
    assert "too few points" in text.splitlines()[5]
    assert rows[9] == ["30", "kHz", "baseline", "95.0", "+-", "3.0"]
    assert rows[10] == ["30", "kHz", "teacher", "88.0", "+-", "4.0*", "-7.0", "+-", "2.0"]
    assert rows[12] == ["3", "kHz", "teacher", "-", "-"]


@pytest.mark.parametrize(("variable", "kind"), [("true_met", "MET"), ("original_met", "MET"), ("true_ht", "HT")])
def test_menus_read_slope_and_offset_by_object_id_and_region(result, variable, kind):
    found = yaml.safe_load(yaml.safe_dump(menu_scalings({"Znunu": result}, variable)))
    assert list(found) == [f"L1{kind}", f"teacher{kind}"]
    assert list(found[f"L1{kind}"]) == ["Znunu_50", "Znunu_90"]  # no line at 95%
    line = found[f"L1{kind}"]["Znunu_90"]["inclusive"]
    assert line == pytest.approx({"slope": 1.1, "offset": 9})
