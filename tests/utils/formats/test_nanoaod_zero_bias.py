"""Zero-bias events as NanoAOD: those of the certified sections, each as a loop finds it."""

import json

import numpy as np
import pytest
import uproot
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import random_nanoaod, write_nanoaod
from tests.utils.formats.test_nanoaod import expected_event
from utils.formats.luminosity_mask import LuminosityMask
from utils.formats.nanoaod_zero_bias import NOT_CERTIFIED, OTHER_RUN
from utils.formats.zero_bias_sources import check_zero_bias
from utils.runtime.errors import UserError


def data_of_runs(n_events, seed, runs=(362000, 362001), l1="L1"):
    made = random_nanoaod(n_events, seed, l1, data=True)
    made["run"] = np.random.default_rng(seed).choice(np.uint32(runs), n_events)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zerobias")
    for seed, name in enumerate(("a", "run/b")):
        write_nanoaod(folder / f"{name}.root", data_of_runs(100, seed))
    (folder / "golden.json").write_text(json.dumps({"362000": [[1, 3], [6, 6]], "362001": [[2, 2]]}))
    return folder


@pytest.mark.parametrize(("reconstructed", "name"), [("smeared_met", "l1_etmhf"), ("smeared_ht", "l1_htt")])
@pytest.mark.parametrize("size", [37, 1000])
def test_event_by_event(reconstructed, name, size, folder):
    mask = LuminosityMask.read(folder / "golden.json", (362000, 362001, 7))
    data = check_zero_bias(folder, reconstructed, mask, 20.0)
    parts = list(data.chunks(size))
    assert max(len(part.events) for part in parts) <= size
    found = 0
    for event in [e for f in ("a", "run/b") for e in uproot.open(folder / f"{f}.root")["Events"].arrays().to_list()]:
        certified = {362000: (1, 2, 3, 6), 362001: (2,)}[event["run"]]
        if event["luminosityBlock"] not in certified:
            continue
        # e/g below the threshold of the other test count here
        event["L1EG_pt"] = [pt + 5 if pt > 0 else 0 for pt in event["L1EG_pt"]]
        expected = expected_event(event, true_met="PuppiMET", jets="Jet")
        objects = np.array(expected["smeared_data"])
        objects[4:8, 0] -= 5 * (objects[4:8, 0] > 0)
        part, place = next(
            (p, found - s) for p, s in zip(parts, starts(parts), strict=True) if found < s + len(p.events)
        )
        assert_allclose(part.events.smeared_data[place], objects, rtol=2e-6, atol=2e-5)
        assert part.reference[place] == pytest.approx(expected[name])
        assert part.sections[place].tolist() == [event["run"], event["luminosityBlock"]]
        found += 1
    assert found == sum(len(part.events) for part in parts) > 20
    left_out = sum(part.left_out[reason] for part in parts for reason in (OTHER_RUN, NOT_CERTIFIED))
    assert found + left_out == data.n_events == 200


def starts(parts):
    return np.cumsum([0, *(len(part.events) for part in parts)])[:-1].tolist()


def test_runs_and_mask_are_counted_apart(folder):
    data = check_zero_bias(folder, "smeared_met", LuminosityMask.read(folder / "golden.json", [362001]))
    (first, *_), counted = (
        data.chunks(1000),
        uproot.open(folder / "a.root")["Events"].arrays(["run", "luminosityBlock"]),
    )
    assert first.left_out[OTHER_RUN] == np.sum(counted.run == 362000)
    assert len(first.events) == np.sum((counted.run == 362001) & (counted.luminosityBlock == 2))
    assert (first.sections[:, 0] == 362001).all()


def test_jets_below_the_threshold_of_the_training_are_left_out(folder):
    softer, harder = (
        np.concatenate(
            [part.events.smeared_data for part in check_zero_bias(folder, "smeared_ht", None, pt).chunks(99)]
        )
        for pt in (20.0, 30.0)
    )
    jets = softer[:, 8:, 0]
    assert ((jets > 0) & (jets < 30)).any()
    assert_array_equal(harder[:, 8:, 0], np.where(jets < 30, 0, jets))
    assert_array_equal(harder[:, :8], softer[:, :8])


def test_one_file_of_any_name_and_emulated_tables(tmp_path):
    both = {**data_of_runs(50, 1), **data_of_runs(50, 2, l1="L1Emul")}
    write_nanoaod(tmp_path / "events.h5", both)
    sums = []
    for l1 in (None, "L1", "L1Emul"):
        (chunk,) = check_zero_bias(tmp_path / "events.h5", "smeared_met", l1=l1).chunks(100)
        sums.append(chunk.reference)
    assert_array_equal(sums[0], sums[1])
    assert (sums[1] != sums[2]).any()


def test_saturated_objects_and_sums_are_counted(tmp_path):
    made = data_of_runs(40, 3)
    for table, largest in (("Jet", 1023.5), ("EG", 255.5), ("Mu", 255.0), ("EtSum", 2047.5)):
        sizes, pt = made[f"L1{table}_pt"]
        made[f"L1{table}_pt"] = sizes, np.full_like(pt, largest)
    write_nanoaod(tmp_path / "x.root", made)
    (chunk,) = check_zero_bias(tmp_path / "x.root", "smeared_ht").chunks(100)
    in_time = [made[f"L1{table}_bx"][1] == 0 for table in ("Mu", "EG", "Jet")]
    owners = [np.repeat(np.arange(40), made[f"L1{table}_pt"][0]) for table in ("Mu", "EG", "Jet")]
    counts = [np.bincount(o[t], minlength=40) for o, t in zip(owners, in_time, strict=True)]
    expected = [np.minimum(count, slots).sum() for count, slots in zip(counts, (4, 4, 10), strict=True)]
    assert [chunk.n_saturated[name] for name in ("muons", "egammas", "jets")] == expected
    assert chunk.n_saturated["l1_htt"] == 40


def test_missing_et_without_the_forward_calorimeter_where_there_is_no_other(tmp_path):
    made = data_of_runs(30, 4)
    sizes, types = made["L1EtSum_etSumType"]
    made["L1EtSum_etSumType"] = sizes, np.where(types == 8, np.int16(50), types)
    write_nanoaod(tmp_path / "x.root", made)
    data = check_zero_bias(tmp_path / "x.root", "smeared_met")
    chosen = (made["L1EtSum_bx"][1] == 0) & (types == 2)
    (chunk,) = data.chunks(100)
    assert_array_equal(chunk.reference, made["L1EtSum_pt"][1][chosen])
    made["L1EtSum_etSumType"] = sizes, np.full_like(types, 50)
    write_nanoaod(tmp_path / "x.root", made)
    with pytest.raises(UserError, match=r"'L1EtSum_etSumType': expected a sum l1_etmhf or l1_etm in the first events"):
        check_zero_bias(tmp_path / "x.root", "smeared_met")


def test_what_cannot_be_used_is_named(tmp_path):
    made = data_of_runs(20, 5)
    write_nanoaod(
        tmp_path / "x" / "x.root", {name: values for name, values in made.items() if name != "luminosityBlock"}
    )
    with pytest.raises(UserError, match=r"x\.root: branch 'luminosityBlock': is missing"):
        check_zero_bias(tmp_path / "x", "smeared_met")
    (tmp_path / "x" / "x.parquet").touch()
    with pytest.raises(UserError, match="x: expected either Parquet files or ROOT files, found both"):
        check_zero_bias(tmp_path / "x", "smeared_met")
    write_nanoaod(tmp_path / "y" / "1.root", made)
    write_nanoaod(tmp_path / "y" / "2.root", made)
    with pytest.raises(UserError, match=r"2\.root: has the events of .*1\.root"):
        check_zero_bias(tmp_path / "y", "smeared_met")
    with pytest.raises(UserError, match="expected Parquet files"):
        (tmp_path / "z").mkdir()
        check_zero_bias(tmp_path / "z", "smeared_met")
