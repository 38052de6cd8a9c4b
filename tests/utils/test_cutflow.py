"""What became of the events: sums, records that come with files, and what is said where numbers do not add up."""

import json
import logging
from dataclasses import replace

import h5py
import numpy as np
import pytest

from utils.cutflow import GENERATED, LEFT_OUT, READ, Branch, History, StepCounts, Tally, disagreements, event_table
from utils.runtime.errors import UserError

GENERATE = StepCounts(
    "generate", GENERATED, {"QCD": 12, "W": 5}, {"events": {"QCD": 10, "W": 5}}, {"failed": {"QCD": 2}}
)
SPLIT = StepCounts(
    "split", "events", {"QCD": 10, "W": 5}, {"training": {"QCD": 7, "W": 3}, "test": {"QCD": 3, "W": 2}}, {}
)
SELECT = StepCounts(
    "select",
    "training",
    {"QCD": 7, "W": 3},
    {"kept": {"QCD": 4, "W": 0}},
    {"other process": {"QCD": 0, "W": 3}, "thinned": {"QCD": 3, "W": 0}},
)
KEPT = History((GENERATE, SPLIT, SELECT), "kept")


def write(path, history, **attributes):
    with h5py.File(path, "w") as file:
        file.attrs.update({**history.attribute(), **attributes})
    return path


def test_a_record_comes_back_as_it_was(tmp_path):
    assert History.read(write(tmp_path / "x.h5", KEPT)) == KEPT
    assert History.of_record(json.loads(json.dumps(KEPT.record()))) == KEPT


def test_a_record_may_be_longer_than_the_64_kb_of_an_attribute_of_fixed_length(tmp_path):
    of_many = {f"process{i}": i for i in range(5000)}
    history = History((StepCounts("generate", GENERATED, of_many, {"events": of_many}, {}),), "events")
    assert len(history.attribute()["event_counts"]) > 1 << 17
    assert History.read(write(tmp_path / "x.h5", history)) == history


@pytest.mark.parametrize(
    "attribute",
    [
        1000,
        "not JSON",
        "[" * 100_000,
        b"\xff",
        h5py.Empty("f"),
        json.dumps({"steps": 3, "output": "x"}),
        json.dumps({"steps": [{"step": "x"}], "output": "x"}),
        json.dumps({**KEPT.record(), "output": None}),
        KEPT.attribute()["event_counts"].replace("12", "-12"),
        KEPT.attribute()["event_counts"].replace("12", '"many"'),
    ],
)
def test_what_is_no_record_is_not_on_record(tmp_path, attribute):
    assert History.read(write(tmp_path / "x.h5", KEPT, event_counts=attribute)) == History()


def test_a_file_from_elsewhere_has_no_record(tmp_path):
    h5py.File(tmp_path / "x.h5", "w").close()
    assert History.read(tmp_path / "x.h5") == History()


class TestTally:
    def tally(self):
        tally = Tally({1: "QCD", 7: "W"}, ["kept", "spare"], ["thinned"])
        tally.add(READ, np.array([1, 7, 7], np.int32))
        tally.add(READ, np.array([1]))
        tally.add("kept", np.array([7, 1]))
        tally.add("thinned", np.array([1]))
        return tally

    def test_counts_by_process_after_what_was_before(self, caplog):
        caplog.set_level(logging.INFO)
        tally = self.tally()
        tally.add_number("spare", 7, 1)
        history = tally.after(History((), "somewhere"), "select")
        expected = StepCounts(
            "select",
            "somewhere",
            {"QCD": 2, "W": 2},
            {"kept": {"QCD": 1, "W": 1}, "spare": {"QCD": 0, "W": 1}},
            {"thinned": {"QCD": 1, "W": 0}},
        )
        assert history == History((expected,), "kept")
        assert "select: 4 events read; kept: 2; spare: 1; left out, thinned: 1" in caplog.text

    def test_a_lost_event_stops_the_step(self):
        with pytest.raises(UserError, match=r"events got lost.* select: W: 2 read, 1 accounted for"):
            self.tally().after(History(), "select")

    def test_a_step_warns_where_its_input_has_other_events_than_its_record_says(self, caplog):
        tally = self.tally()
        tally.add_number("spare", 7, 1)
        before = replace(SPLIT, written={"training": {"QCD": 2, "W": 3}})
        tally.after(History((before,), "training"), "select")
        assert "select: W: 2 read, but 3 written by split" in caplog.text


class TestInputs:
    def test_shards_add_up_under_the_names_that_are_given(self, tmp_path):
        shards = [
            StepCounts("generate", GENERATED, {name: n + 1}, {"events": {name: n}}, {"failed": {name: 1}})
            for name, n in (("QCD", 10), ("QCD", 20), ("Wlnu", 5))
        ]
        paths = [write(tmp_path / f"{i}.h5", History((step,), "events")) for i, step in enumerate(shards)]
        expected = StepCounts(
            "generate",
            GENERATED,
            {"QCD": 32, "W": 6},
            {"events": {"QCD": 30, "W": 5}},
            {"failed": {"QCD": 2, "W": 1}},
        )
        found = History.of_inputs({"QCD": [*map(History.read, paths[:2])], "W": [History.read(paths[2])]})
        assert found == History((expected,), "events")

    def test_a_process_of_which_a_file_has_no_record_has_none(self, tmp_path):
        step = StepCounts("generate", GENERATED, {"QCD": 10}, {"events": {"QCD": 10}}, {})
        known = write(tmp_path / "known.h5", History((step,), "events"))
        unknown = tmp_path / "unknown.h5"
        h5py.File(unknown, "w").close()
        known, unknown = History.read(known), History.read(unknown)
        found = History.of_inputs({"QCD": [known], "W": [known, unknown]})
        assert found == History((step,), "events")
        assert History.of_inputs({"W": [known, unknown]}) == History()
        # What is not on record is no disagreement.
        after = StepCounts("split", "events", {"QCD": 10, "W": 9}, {"training": {"QCD": 10, "W": 9}}, {})
        assert History((step, after), "training").disagreements() == []


class TestTable:
    def test_shows_the_way_of_all_events(self):
        train = StepCounts("train", "kept", {"QCD": 4, "W": 0}, {"training": {"QCD": 4, "W": 0}}, {})
        evaluate = StepCounts("evaluate", "test", {"QCD": 3, "W": 2}, {"corrected": {"QCD": 3, "W": 2}}, {})
        branches = [
            Branch("teacher", History((*KEPT.steps, train), "training")),
            Branch("evaluation", History((GENERATE, SPLIT, evaluate), "corrected")),
        ]
        rows = [" ".join(line.split()) for line in event_table(branches).splitlines()]
        assert rows == [
            "events QCD W all",
            "",
            "generate (teacher, evaluation)",
            "in: generated 12 5 17",
            "out: events 10 5 15",
            "left out: failed 2 - 2",
            "",
            "split (teacher, evaluation)",
            "in: events 10 5 15",
            "out: training 7 3 10",
            "out: test 3 2 5",
            "",
            "select (teacher)",
            "in: training 7 3 10",
            "out: kept 4 0 4",
            "left out: other process 0 3 3",
            "left out: thinned 3 0 3",
            "",
            "train (teacher)",
            "in: kept 4 0 4",
            "out: training 4 0 4",
            "",
            "evaluate (evaluation)",
            "in: test 3 2 5",
            "out: corrected 3 2 5",
            "",
            "All numbers on record add up.",
        ]

    def test_says_what_is_not_on_record(self):
        first = replace(SELECT, source=None)
        text = event_table([Branch("teacher", History((first,), "kept")), Branch("student", History())])
        assert "in: a file without a record" in text
        assert text.splitlines()[-3:] == [
            "teacher: what was before select is not on record.",
            "student: nothing is on record.",
            "All numbers on record add up.",
        ]

    def test_of_nothing_is_said_to_be_so(self):
        assert event_table([Branch("evaluation", History())]).splitlines()[2] == "evaluation: nothing is on record."

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            (
                (GENERATE, SPLIT, replace(SELECT, read={"QCD": 6, "W": 3})),
                ["select: QCD: 6 read, 7 accounted for", "select: QCD: 6 read, but 7 written by split"],
            ),
            (
                (GENERATE, SPLIT, replace(SELECT, source="test")),
                ["select: QCD: 7 read, but 3 written by split", "select: W: 3 read, but 2 written by split"],
            ),
            ((replace(GENERATE, left_out={}), SPLIT), ["generate: QCD: 12 read, 10 accounted for"]),
        ],
    )
    def test_says_where_numbers_do_not_add_up(self, changed, expected):
        branches = [Branch("teacher", History(changed, "kept")), Branch("student", History(changed, "kept"))]
        assert disagreements(branches) == expected
        text = event_table(branches)
        assert [line for line in text.splitlines() if line.startswith("DOES NOT ADD UP: ")] == [
            f"DOES NOT ADD UP: {line}" for line in expected
        ]
        assert "add up." not in text

    def test_events_that_were_left_out_can_be_read_too(self):
        after = StepCounts("train", LEFT_OUT, {"QCD": 3, "W": 3}, {"training": {"QCD": 3, "W": 3}}, {})
        assert History((*KEPT.steps, after), "training").disagreements() == []
