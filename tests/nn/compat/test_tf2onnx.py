"""What the conversion adds to tf2onnx; once tf2onnx does it itself, the module has nothing to do."""

import logging

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx

from nn.compat.tf2onnx import HANDLERS, OPSET, onnx_model

X = tf.TensorSpec((None,), tf.float32, "x")


def test_operations_that_onnx_lacks_are_exact_to_float32():
    model = onnx_model(lambda x: [tf.math.expm1(x), tf.math.log1p(x)], [X], ["e", "l"])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.array([0, 1e-6, 0.1, 3, 20], np.float32)
    e, log = session.run(["e", "l"], {"x": x})
    np.testing.assert_allclose(e, np.expm1(x.astype(np.float64)), rtol=1e-7)
    np.testing.assert_allclose(log, np.log1p(x.astype(np.float64)), rtol=1e-7)


def test_captured_constants_are_no_inputs():
    captured = tf.constant([1.0, 2.0, 3.0])
    model = onnx_model(lambda x: [x + captured], [X], ["y"])
    assert [tensor.name for tensor in model.graph.input] == ["x"]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert session.run(["y"], {"x": np.ones(3, np.float32)})[0].tolist() == [2, 3, 4]


def test_an_operation_without_a_counterpart_is_named():
    with pytest.raises(ValueError, match="Digamma"):
        onnx_model(lambda x: [tf.math.digamma(x)], [X], ["y"])
    assert logging.getLogger("tf2onnx").level != logging.ERROR


def test_a_selection_takes_nothing_of_what_is_not_selected():
    model = onnx_model(lambda x: [tf.where(x[:, None] > 0, x[:, None], [[1.0, 2.0]])], [X], ["y"])
    session = onnxruntime.InferenceSession(model.SerializeToString())
    assert session.run(["y"], {"x": np.array([3, np.nan], np.float32)})[0].tolist() == [[3, 3], [1, 2]]


@pytest.mark.parametrize("name", ["Expm1", "Log1p"])
def test_tf2onnx_does_not_convert_them(name):
    assert name in HANDLERS
    assert name not in tf2onnx.handler.tf_op.get_opsets()[""][OPSET]
