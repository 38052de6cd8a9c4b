"""Kernels, operations and bytes of small functions, counted by hand."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.kernel_launches import Gpu, as_row, compiled_costs, step_costs, traced_costs
from nn.teacher import TeacherHyperModel, TeacherHyperparameters
from utils.training.packing import pack
from utils.training.ragged_graphs import RaggedGraphs

HLO = """HloModule a_step

%fused (p: f32[2,3]) -> f32[2,3] {
  %p = f32[2,3]{1,0} parameter(0)
  ROOT %twice = f32[2,3]{1,0} add(%p, %p)
}

ENTRY %main (x: f32[2,3], w: bf16[3,4]) -> (f32[2,4], pred[2]) {
  %x = f32[2,3]{1,0} parameter(0)
  %w = bf16[3,4]{1,0} parameter(1)
  %doubled = f32[2,3]{1,0} fusion(%x), kind=kLoop, calls=%fused, metadata={op_name="f(x)"}
  %dot.1 = f32[2,4]{1,0} dot(f32[2,3]{1,0} %doubled, bf16[3,4]{1,0} %w), lhs_contracting_dims={1}
  %both = (f32[2,4]{1,0}, /*index=1*/pred[2]{0}) custom-call(%dot.1), custom_call_target="f"
  %first = f32[2,4]{1,0} get-tuple-element(%both), index=0
  ROOT %result = (f32[2,4]{1,0}) tuple(%first)
}
"""


def test_traced_operations_by_hand():
    """A product of (2, 3) and (3, 4), an ELU, a sum: what shapes need is no kernel."""

    @tf.function(autograph=False)
    def function(x, w):
        y = tf.nn.elu(tf.matmul(x, tf.reshape(w, (tf.shape(x)[1], 4))))
        return tf.reduce_sum(y)

    x, w = tf.ones((2, 3)), tf.ones(12)
    found = traced_costs(function.get_concrete_function(x, w).graph.get_operations())
    axes = 8  # the numbers of the two axes that are summed
    assert found == (3, 2 * 2 * 3 * 4 + 8 + 8, 4 * (6 + 12 + 8) + 4 * (8 + 8) + 4 * (8 + 1) + axes)


@pytest.mark.parametrize(("transposed", "shape"), [(False, (5, 2, 3)), (True, (5, 3, 2))])
def test_operations_of_products_of_many_matrices(transposed, shape):
    @tf.function(autograph=False)
    def function(x, y):
        return tf.matmul(x, y, transpose_a=transposed)

    graph = function.get_concrete_function(tf.ones(shape), tf.ones((5, 3, 4))).graph
    assert traced_costs(graph.get_operations()) == (1, 5 * 2 * 2 * 3 * 4, 4 * 5 * (6 + 12 + 8))


def test_compiled_kernels_by_hand():
    """A fusion, a product, a call: what is inside of the fusion is no kernel."""
    assert compiled_costs(HLO) == (3, (24 + 24) + (24 + 24 + 32) + (32 + 32 + 2))


def test_bound_is_the_largest_of_the_times():
    gpu = Gpu(operations=1e12, bandwidth=1e11, launch=1e-5)
    row = as_row(gpu, 100, kernels=50, operations=10**9, n_bytes=10**7)
    assert [row[f"{name} [ms]"] for name in ("launches", "memory", "arithmetic")] == pytest.approx([0.5, 0.1, 1])
    assert row["bound by"] == "arithmetic"
    assert row["kernels/event"] == 0.5


@pytest.mark.slow
def test_xla_leaves_fewer_kernels_and_bytes_of_a_step():
    rng = np.random.default_rng(1)
    features = rng.exponential(1, (16, 3, 4)).astype(np.float32)
    batch = pack(RaggedGraphs.from_padded(features)).inputs, np.ones((16, 2), np.float32), np.ones(16, np.float32)
    hypermodel = TeacherHyperModel(("pt", "eta", "phi", "ht"), [0.5] * 4, [1.0] * 4, "mse")
    network = TeacherHyperparameters(graph_layers=1, units=4, heads=2, readout=())
    found = step_costs(hypermodel.build_fixed(network), batch)
    (kernels, operations, n_bytes), (fused, same, fewer) = found["one by one"], found["XLA"]
    assert 0 < fused < kernels
    assert 0 < fewer < n_bytes
    assert same == operations
