import json
import re
import sys

import numpy as np
import pytest

from export_onnx import main, shuffled
from tests.commands import error_of, usage_error_of
from tests.docs.test_snippets import ROOT, blocks_of
from tests.shared import write_teacher
from tests.toys import random_l1_events, write_l1

N_EVENTS = 300


@pytest.fixture
def arguments(tmp_path):
    data = write_l1(tmp_path / "test.h5", random_l1_events(N_EVENTS))

    def make(*more, **other):
        flags = {"--model_dir": tmp_path / "teacher", "--data": data, "--output": tmp_path / "onnx", **other}
        return [str(word) for flag in flags.items() for word in flag] + list(more)

    return make


@pytest.mark.slow
def test_writes_a_file_that_agrees_with_keras_and_refuses_one_that_does_not(arguments, tmp_path, monkeypatch, capsys):
    from nn.onnx_export import INPUTS, OUTPUTS, OnnxCorrection

    write_teacher(tmp_path / "teacher", "true_met")
    assert main(arguments("--chunk_size", "128")) == 0
    assert sorted(path.name for path in (tmp_path / "onnx").glob("[!.]*")) == ["correction.onnx", "onnx.json"]
    record = json.loads((tmp_path / "onnx" / "onnx.json").read_text())
    assert (record["variable"], record["inputs"], record["outputs"]) == ("true_met", INPUTS, OUTPUTS)
    checked = record["checked"]
    assert checked["events"] == N_EVENTS
    assert checked["largest_differences"].keys() == OUTPUTS.keys()
    assert 0 < checked["largest_differences"]["correction"] < 1e-5
    assert record["made_by"]["versions"].keys() >= {"keras", "onnx", "onnxruntime", "tf2onnx"}
    written = (tmp_path / "onnx" / "correction.onnx").read_bytes()

    run_the_snippet(tmp_path, monkeypatch)
    assert re.fullmatch(r"MET of the first event: \d+\.\d GeV at L1, \d+\.\d GeV corrected\n", capsys.readouterr().out)

    def wrong(self, objects, kinds):
        found = right(self, objects, kinds)
        found["calibrated_sum"][-1] += 1
        return found

    right = OnnxCorrection.__call__
    monkeypatch.setattr(OnnxCorrection, "__call__", wrong)
    error = error_of(main, arguments("--chunk_size", "200"))
    assert "test.h5: event 199: calibrated_sum of ONNX differs from Keras by" in error
    assert (tmp_path / "onnx" / "correction.onnx").read_bytes() == written


def run_the_snippet(folder, monkeypatch):
    """Run the Python snippet of the page on an export."""
    (snippet,) = [block.text for block in blocks_of(ROOT / "docs" / "howto" / "onnx.md") if block.language == "python"]
    (folder / "output" / "l1_regression").mkdir(parents=True)
    (folder / "output" / "onnx_true_met").symlink_to(folder / "onnx")
    (folder / "output" / "l1_regression" / "test.h5").symlink_to(folder / "test.h5")
    monkeypatch.chdir(folder)
    exec(snippet, {})


def test_shuffled_slots_hold_the_same_objects_and_empty_ones():
    objects = np.arange(1, 3 * 18 * 2 + 1, dtype=np.float32).reshape(2, 18, 3)
    kinds = np.arange(1, 37, dtype=np.int32).reshape(2, 18)
    found, found_kinds = shuffled(objects, kinds, np.random.default_rng(2))
    for event in range(2):
        order = np.argsort(found_kinds[event])[-18:]
        np.testing.assert_array_equal(found[event, order], objects[event])
        np.testing.assert_array_equal(found_kinds[event, order], kinds[event])
    assert found.shape[1] > 18
    assert (found[found_kinds == 0] == 0).all()


def test_a_student_is_refused(arguments, student_dir):
    error = error_of(main, arguments(**{"--model_dir": student_dir}))
    assert "belongs to a student, which export_firmware.py exports; expected a teacher" in error


def test_without_the_packages(arguments, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert error_of(main, arguments()) == (
        "error: tf2onnx: not installed, needed here: pip install -r requirements-export.txt\n"
    )


def test_a_file_without_events_is_refused(arguments, tmp_path):
    empty = write_l1(tmp_path / "empty.h5", random_l1_events(0))
    assert f"{empty}: no events to check" in error_of(main, arguments(**{"--data": empty}))


def test_the_output_may_not_hold_an_input(arguments, tmp_path):
    assert "is replaced as a whole" in error_of(main, arguments(**{"--output": tmp_path}))


@pytest.mark.parametrize("flag", ["--tolerance=0", "--chunk_size=0"])
def test_usage(arguments, flag):
    assert flag.partition("=")[0] in usage_error_of(main, arguments(flag))
