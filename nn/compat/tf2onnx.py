"""tf2onnx beyond its public interface: captured constants, and operations that it converts otherwise or not at all.

- Of constants that a function captures, such as the moments of a `keras.layers.Normalization`,
  `tf2onnx.convert.from_function` makes inputs. So TensorFlow freezes the function first.
- ONNX has neither expm1 nor log1p: https://onnx.ai/onnx/operators. They become exp(x) - 1 and log(1 + x) in float64.
- Of a selection, tf2onnx makes a sum of products with 0 and 1, so that NaN where nothing is selected gives NaN.

No issue about these is known upstream.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import TensorProto
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from utils.compat.versions import require_version

require_version("tf2onnx", "1.17", "1.18")

OPSET = 17  # of 2022, so that older runtimes read it too


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's and tf2onnx's notes on their own functions out of the log."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx")]
    levels = [found.level for found in loggers]
    for found in loggers:
        found.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for found, level in zip(loggers, levels, strict=True):
            found.setLevel(level)


def _expm1(graph: Any, x: str, one: str) -> str:
    return graph.make_node("Sub", [graph.make_node("Exp", [x]).output[0], one]).output[0]


def _log1p(graph: Any, x: str, one: str) -> str:
    return graph.make_node("Log", [graph.make_node("Add", [x, one]).output[0]]).output[0]


def _replacement(operations: Callable[[Any, str, str], str]) -> tuple[Callable[..., None], list[Any]]:
    """Return a handler of tf2onnx that puts operations in float64 into the place of one."""

    def replace(graph: Any, node: Any, name: str, arguments: Any) -> None:
        (x,), dtype, shapes = node.input, graph.get_dtype(node.output[0]), node.output_shapes
        graph.remove_node(node.name)
        one = graph.make_const(f"{node.name}_one", np.array(1, np.float64)).output[0]
        result = operations(graph, graph.make_node("Cast", [x], attr={"to": TensorProto.DOUBLE}).output[0], one)
        graph.make_node(
            "Cast", [result], attr={"to": dtype}, name=node.name, outputs=node.output, shapes=shapes, dtypes=[dtype]
        )

    return replace, []


def _select(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Put a Where into the place of a SelectV2."""
    dtypes, shapes = node.output_dtypes, node.output_shapes
    graph.remove_node(node.name)
    graph.make_node("Where", node.input, name=node.name, outputs=node.output, shapes=shapes, dtypes=dtypes)


HANDLERS = {"Expm1": _replacement(_expm1), "Log1p": _replacement(_log1p), "SelectV2": (_select, [])}


def onnx_model(
    function: Callable[..., Sequence[Any]], inputs: Sequence[tf.TensorSpec], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Convert a function of TensorFlow to ONNX.

    Parameters
    ----------
    function : callable
        Takes and returns tensors.
    inputs : sequence of tf.TensorSpec
        Type, shape and name of each argument.
    outputs : sequence of str
        Name of each result.

    Raises
    ------
    ValueError
        If an operation has no counterpart.
    """
    traced = tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()
    with _quiet():
        frozen = convert_variables_to_constants_v2(traced)
        names = {tensor.name: spec.name for tensor, spec in zip(frozen.inputs, inputs, strict=True)}
        results = {tensor.name: name for tensor, name in zip(frozen.outputs, outputs, strict=True)}
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(add_shapes=True),
            name="graph",
            input_names=list(names),
            output_names=list(results),
            tensors_to_rename=names | results,
            opset=OPSET,
            custom_op_handlers=HANDLERS,
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ValueError(" ".join(str(error).split())) from None
    return model
