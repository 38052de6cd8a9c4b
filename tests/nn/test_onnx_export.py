"""Exported models in onnxruntime, against the correction in Keras and against numbers by hand."""

import json

import numpy as np
import onnx
import pytest

from nn.onnx_export import INPUTS, OUTPUTS, OnnxCorrection, export_onnx, slot_kinds
from tests.shared import write_teacher
from tests.toys import random_l1_events
from utils.event_layout import PID_JET, PID_MUON
from utils.training.records import read_training

N_EVENTS = 300


@pytest.fixture(scope="module", params=["true_met", "true_ht"])
def exported(request, tmp_path_factory):
    """Return the model of a teacher, as onnxruntime runs it, and the same correction with Keras."""
    training = read_training(write_teacher(tmp_path_factory.mktemp("teacher"), request.param))
    model, correction = export_onnx(training, {"variable": request.param, "inputs": INPUTS, "outputs": OUTPUTS})
    return model, OnnxCorrection(model.SerializeToString()), correction


@pytest.fixture(scope="module")
def objects():
    """Return the objects of events, some without a jet or without any object, and some beyond the training."""
    found = random_l1_events(N_EVENTS).smeared_data.copy()
    found[:5] = 0
    found[5:20, 8:] = 0
    found[20:60, :, 0] *= 20
    return found


def assert_as_with_keras(found, expected):
    assert {name: values.dtype for name, values in found.items()} == {
        name: np.dtype(output["type"]) for name, output in OUTPUTS.items()
    }
    for name, values in found.items():
        np.testing.assert_allclose(values, vars(expected)[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_outputs_are_those_of_keras_in_any_batch_and_any_slots(exported, objects):
    _, run, correction = exported
    expected = correction.sums(objects)
    assert 15 < expected.uncorrected.sum() < N_EVENTS / 2
    assert np.ptp(expected.correction) > 0.1
    floor = correction.training.floor(expected.l1_sum)
    raised = expected.corrected_sum[~expected.uncorrected] <= floor[~expected.uncorrected] * (1 + 1e-6)
    assert 0.1 < raised.mean() < 0.9
    found = run(objects, slot_kinds(N_EVENTS))
    assert_as_with_keras(found, expected)

    order = np.random.default_rng(1).permuted(np.tile(np.arange(25), (N_EVENTS, 1)), axis=1)  # 7 slots are added
    more = np.pad(objects, ((0, 0), (0, 7), (0, 0)), constant_values=np.nan)
    kinds = np.pad(slot_kinds(N_EVENTS), ((0, 0), (0, 7)), constant_values=PID_JET)
    more[:, 21:] = 50.0, 0.3, 0.2  # of no kind
    kinds[:, 21:] = [0, 4, -1, 7]
    shuffled = np.take_along_axis(more, order[:, :, None], axis=1)
    assert_as_with_keras(run(shuffled, np.take_along_axis(kinds, order, axis=1)), expected)

    for event in (0, 7, 30, 200):
        real = objects[event, :, 0] > 0
        alone = run(objects[event, real][None], slot_kinds(1)[:, real])
        for name, values in alone.items():
            assert values == pytest.approx(found[name][event : event + 1], rel=1e-5, abs=1e-6), name


def test_known_sums_of_more_objects_than_slots(exported):
    """25 jets of 40 GeV along x and a muon of 30 GeV along y: HT is 1000 GeV, MET their vector sum."""
    _, run, correction = exported
    objects = np.zeros((1, 26, 3), np.float32)
    objects[0, :, 0] = 40
    objects[0, -1] = 30, 0, np.pi / 2
    kinds = np.full((1, 26), PID_JET, np.int32)
    kinds[0, -1] = PID_MUON
    found = run(objects, kinds)
    ht = correction.training.creator.variable == "true_ht"
    assert found["l1_sum"] == pytest.approx(1000 if ht else np.hypot(1000, 30), rel=1e-6)
    corrected = float(found["corrected_sum"][0])
    assert corrected == pytest.approx(found["l1_sum"][0] * found["correction"][0], rel=1e-6)
    points = [0, 5, 12, 1e6], [0, 9, 11, 2e6]
    assert found["calibrated_sum"] == pytest.approx(np.interp(corrected, *points), rel=1e-6)
    assert not found["uncorrected"][0]


def test_no_events(exported):
    _, run, _ = exported
    assert {values.shape for values in run(np.zeros((0, 18, 3), np.float32), slot_kinds(0)).values()} == {(0,)}


def test_describes_itself(exported):
    model, _, correction = exported
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["variable"] == correction.training.creator.variable
    assert json.loads(metadata["inputs"]) == INPUTS
    assert json.loads(metadata["outputs"]) == OUTPUTS
    for tensors, described in ((model.graph.input, INPUTS), (model.graph.output, OUTPUTS)):
        assert [tensor.name for tensor in tensors] == list(described)
        for tensor in tensors:
            found, expected = tensor.type.tensor_type, described[tensor.name]
            assert onnx.helper.tensor_dtype_to_np_dtype(found.elem_type) == np.dtype(expected["type"])
            assert [axis.dim_param or axis.dim_value for axis in found.shape.dim] == expected["shape"]
