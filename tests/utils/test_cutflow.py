"""Cutflow: sums, the attribute of HDF5 files, and the report of numbers that do not add up."""

import json
import logging
from dataclasses import replace

import h5py
import numpy as np
import pytest

from utils.cutflow import (
    EVENT_COUNTS,
    GENERATED,
    LEFT_OUT,
    READ,
    Cutflow,
    StepCounter,
    StepCounts,
    cutflow_table,
    disagreements,
)
from utils.formats.hdf5 import open_hdf5, read_text_attribute
from utils.runtime.errors import UserError

GENERATE = StepCounts(
    "generate", GENERATED, {"QCD": 12, "W": 5}, {"events": {"QCD": 10, "W": 5}}, {"failed": {"QCD": 2}}
)
SPLIT = StepCounts(
    "split",
    "events",
    {"QCD": 10, "W": 5},
    {"training": {"QCD": 7, "W": 3}, "test": {"QCD": 3, "W": 2}},
    {},
    including={"saturated": {"QCD": 4, "W": 1}},
)
SELECT = StepCounts(
    "select",
    "training",
    {"QCD": 7, "W": 3},
    {"kept": {"QCD": 4, "W": 0}},
    {"other process": {"QCD": 0, "W": 3}, "prescaled": {"QCD": 3, "W": 0}},
)
KEPT = Cutflow((GENERATE, SPLIT, SELECT), "kept")


def through_a_file(path, attributes):
    """Write attributes to an HDF5 file and read the cutflow back."""
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
    with open_hdf5(path) as file:
        return Cutflow.from_json(read_text_attribute(file, EVENT_COUNTS))


def test_a_cutflow_is_read_as_written(tmp_path):
    assert through_a_file(tmp_path / "x.h5", KEPT.attribute()) == KEPT
    assert Cutflow.from_record(json.loads(json.dumps(KEPT.record()))) == KEPT


def test_a_cutflow_may_exceed_the_64_kb_of_a_fixed_length_attribute(tmp_path):
    of_many = {f"process{i}": i for i in range(5000)}
    cutflow = Cutflow((StepCounts("generate", GENERATED, of_many, {"events": of_many}, {}),), "events")
    assert len(cutflow.attribute()["event_counts"]) > 1 << 17
    assert through_a_file(tmp_path / "x.h5", cutflow.attribute()) == cutflow


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
def test_an_attribute_that_is_no_cutflow_gives_an_empty_one(tmp_path, attribute):
    assert through_a_file(tmp_path / "x.h5", {"event_counts": attribute}) == Cutflow()


def test_a_file_of_another_program_has_no_cutflow(tmp_path):
    assert through_a_file(tmp_path / "x.h5", {}) == Cutflow()


class TestStepCounter:
    def counter(self):
        counter = StepCounter({1: "QCD", 7: "W"}, ["kept", "spare"], ["prescaled"])
        counter.add(READ, np.array([1, 7, 7], np.int32))
        counter.add(READ, np.array([1]))
        counter.add("kept", np.array([7, 1]))
        counter.add("prescaled", np.array([1]))
        return counter

    def test_counts_are_appended_by_process(self, caplog):
        caplog.set_level(logging.INFO)
        counter = self.counter()
        counter.add_number("spare", 7, 1)
        cutflow = counter.append_to(Cutflow((), "somewhere"), "select")
        expected = StepCounts(
            "select",
            "somewhere",
            {"QCD": 2, "W": 2},
            {"kept": {"QCD": 1, "W": 1}, "spare": {"QCD": 0, "W": 1}},
            {"prescaled": {"QCD": 1, "W": 0}},
        )
        assert cutflow == Cutflow((expected,), "kept")
        assert "select: 4 events read; kept: 2; spare: 1; left out, prescaled: 1" in caplog.text

    def test_a_lost_event_stops_the_step(self):
        with pytest.raises(UserError, match=r"events were lost.* select: W: 2 read, 1 accounted for"):
            self.counter().append_to(Cutflow(), "select")

    def test_a_step_warns_where_its_input_has_other_events_than_its_record_says(self, caplog):
        counter = self.counter()
        counter.add_number("spare", 7, 1)
        before = replace(SPLIT, written={"training": {"QCD": 2, "W": 3}})
        counter.append_to(Cutflow((before,), "training"), "select")
        assert "select: W: 2 read, but 3 written by split" in caplog.text


class TestInputs:
    def test_shards_add_up_under_the_names_that_are_given(self):
        shards = [
            StepCounts("generate", GENERATED, {name: n + 1}, {"events": {name: n}}, {"failed": {name: 1}})
            for name, n in (("QCD", 10), ("QCD", 20), ("Wlnu", 5))
        ]
        first, second, w = (Cutflow((step,), "events") for step in shards)
        expected = StepCounts(
            "generate",
            GENERATED,
            {"QCD": 32, "W": 6},
            {"events": {"QCD": 30, "W": 5}},
            {"failed": {"QCD": 2, "W": 1}},
        )
        found = Cutflow.merged({"QCD": [first, second], "W": [w]})
        assert found == Cutflow((expected,), "events")

    def test_a_process_with_a_file_without_a_cutflow_is_left_out(self):
        step = StepCounts("generate", GENERATED, {"QCD": 10}, {"events": {"QCD": 10}}, {})
        known, unknown = Cutflow((step,), "events"), Cutflow()
        found = Cutflow.merged({"QCD": [known], "W": [known, unknown]})
        assert found == Cutflow((step,), "events")
        assert Cutflow.merged({"W": [known, unknown]}) == Cutflow()
        # A process that is not recorded does not disagree.
        after = StepCounts("split", "events", {"QCD": 10, "W": 9}, {"training": {"QCD": 10, "W": 9}}, {})
        assert Cutflow((step, after), "training").disagreements() == []


class TestTable:
    def test_shows_each_step_once(self):
        train = StepCounts("train", "kept", {"QCD": 4, "W": 0}, {"training": {"QCD": 4, "W": 0}}, {})
        evaluate = StepCounts("evaluate", "test", {"QCD": 3, "W": 2}, {"corrected": {"QCD": 3, "W": 2}}, {})
        cutflows = [
            ("teacher", Cutflow((*KEPT.steps, train), "training")),
            ("evaluation", Cutflow((GENERATE, SPLIT, evaluate), "corrected")),
        ]
        rows = [" ".join(line.split()) for line in cutflow_table(cutflows).splitlines()]
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
            "including: saturated 4 1 5",
            "",
            "select (teacher)",
            "in: training 7 3 10",
            "out: kept 4 0 4",
            "left out: other process 0 3 3",
            "left out: prescaled 3 0 3",
            "",
            "train (teacher)",
            "in: kept 4 0 4",
            "out: training 4 0 4",
            "",
            "evaluate (evaluation)",
            "in: test 3 2 5",
            "out: corrected 3 2 5",
            "",
            "All recorded numbers add up.",
        ]

    def test_names_the_steps_that_are_not_recorded(self):
        first = replace(SELECT, source=None)
        text = cutflow_table([("teacher", Cutflow((first,), "kept")), ("student", Cutflow())])
        assert "in: a file without a cutflow" in text
        assert text.splitlines()[-3:] == [
            "teacher: the steps before select are not recorded.",
            "student: nothing is recorded.",
            "All recorded numbers add up.",
        ]

    def test_an_empty_cutflow_is_named(self):
        assert cutflow_table([("evaluation", Cutflow())]).splitlines()[2] == "evaluation: nothing is recorded."

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
        cutflows = [("teacher", Cutflow(changed, "kept")), ("student", Cutflow(changed, "kept"))]
        assert disagreements(cutflows) == expected
        text = cutflow_table(cutflows)
        assert [line for line in text.splitlines() if line.startswith("DOES NOT ADD UP: ")] == [
            f"DOES NOT ADD UP: {line}" for line in expected
        ]
        assert "add up." not in text

    def test_events_that_were_left_out_can_be_read_too(self):
        after = StepCounts("train", LEFT_OUT, {"QCD": 3, "W": 3}, {"training": {"QCD": 3, "W": 3}}, {})
        assert Cutflow((*KEPT.steps, after), "training").disagreements() == []
