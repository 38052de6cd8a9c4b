"""Estimate what bounds a training step of the teacher on a GPU: launches of kernels, memory or arithmetic.

No GPU is used: the kernels, their operations and the bytes that they read and write are counted in the step as
TensorFlow traces it, and as XLA compiles it for this CPU, in place of the GPU. Only the time to make a batch is
measured.
"""

import argparse
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import benchmark_parser, report
from benchmarks.network import network
from utils.data_processing import METGraphCreator
from utils.formats.l1_files import L1Dataset
from utils.runtime.arguments import number
from utils.training.batches import GraphBatches
from utils.training.hyperparameters import TeacherHyperparameters
from utils.training.options import EventSplit
from utils.training.training_graphs import read_training_graphs

SEED = 1
LOG_FEATURES = ("pt", "met", "ht")

# Operations of TensorFlow that only name, describe or hand on an array.
NO_KERNEL = {
    *("AssignVariableOp", "BroadcastGradientArgs", "Const", "ExpandDims", "Identity", "IdentityN", "NoOp"),
    *("Placeholder", "PreventGradient", "Rank", "ReadVariableOp", "Reshape", "Shape", "ShapeN", "Size", "Squeeze"),
    *("StopGradient", "VarHandleOp"),
}
LARGEST_ON_HOST = 8  # elements of arrays of integers, such as shapes, that are computed by the host

NO_KERNEL_OF_XLA = frozenset({"bitcast", "constant", "get-tuple-element", "parameter", "tuple"})
INSTRUCTION = re.compile(
    r"^\s*(?:ROOT )?%?(?P<name>[\w.-]+) = (?P<type>\(.*?\)|\S+) (?P<operation>[\w-]+)\((?P<operands>[^)]*)\)"
)
BITS = {"pred": 8}  # of types whose name does not end with it


@dataclass(frozen=True)
class Gpu:
    """Peak figures of a GPU; the defaults are those of an NVIDIA A100 in float32 without tensor cores.

    Attributes
    ----------
    operations : float
        Floating-point operations a second.
    bandwidth : float
        Bytes a second from and to its memory.
    launch : float
        Seconds to launch a kernel.
    """

    operations: float = 19.5e12
    bandwidth: float = 1.555e12
    launch: float = 5e-6

    def milliseconds(self, kernels: int, operations: float, n_bytes: float) -> dict[str, float]:
        """Return the least time of a step for each of its costs."""
        return {
            "launches": 1e3 * kernels * self.launch,
            "memory": 1e3 * n_bytes / self.bandwidth,
            "arithmetic": 1e3 * operations / self.operations,
        }


def _size(tensor: Any) -> int:
    return int(np.prod(tensor.shape.as_list(), dtype=np.int64))


def _is_kernel(operation: Any) -> bool:
    if operation.type in NO_KERNEL:
        return False
    return not operation.outputs or not all(
        tensor.dtype.is_integer and _size(tensor) <= LARGEST_ON_HOST for tensor in operation.outputs
    )


def _operations(operation: Any) -> int:
    """Count the multiplications and additions of a matrix product, or one for each element of another operation."""
    if operation.type in ("MatMul", "BatchMatMulV2"):
        first = operation.inputs[0]
        transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
        return 2 * _size(operation.outputs[0]) * first.shape[-2 if transposed else -1]
    return max((_size(tensor) for tensor in _arrays(operation)), default=0)


def _arrays(operation: Any) -> list[Any]:
    return [tensor for tensor in (*operation.inputs, *operation.outputs) if tensor.dtype.size and _is_array(tensor)]


def _is_array(tensor: Any) -> bool:
    return tensor.dtype.name not in ("resource", "variant")


def traced_costs(operations: Iterable[Any]) -> tuple[int, int, int]:
    """Count the kernels of operations of a graph of TensorFlow, their floating-point operations and bytes."""
    kernels = [operation for operation in operations if _is_kernel(operation)]
    n_bytes = sum(_size(tensor) * tensor.dtype.size for kernel in kernels for tensor in _arrays(kernel))
    return len(kernels), sum(map(_operations, kernels)), n_bytes


def _type_bytes(text: str) -> int:
    """Return the bytes of a type of HLO, such as f32[8,3]{1,0}, or of a tuple of types."""
    n_bytes = 0
    for name, shape in re.findall(r"([a-z]+\d*)\[([\d,]*)\]", text):
        bits = BITS.get(name) or int(re.sub(r"\D", "", name))
        n_bytes += bits // 8 * int(np.prod([int(size) for size in shape.split(",") if size], dtype=np.int64))
    return n_bytes


def compiled_costs(hlo: str) -> tuple[int, int]:
    """Count the kernels of a program that XLA has optimised, in the text of HLO, and the bytes of their arrays."""
    entry = hlo[hlo.index("\nENTRY ") :].split("\n}")[0]
    found = [match for line in entry.splitlines() if (match := INSTRUCTION.match(line))]
    sizes = {match["name"]: _type_bytes(match["type"]) for match in found}
    kernels = [match for match in found if match["operation"] not in NO_KERNEL_OF_XLA]
    operands = [name for match in kernels for name in re.findall(r"%([\w.-]+)", match["operands"])]
    return len(kernels), sum(sizes[match["name"]] for match in kernels) + sum(sizes[name] for name in operands)


def step_costs(model: Any, batch: Any) -> dict[str, tuple[int, int, int]]:
    """Return the kernels of a training step with a batch, their floating-point operations and bytes.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    batch : Batch

    Returns
    -------
    dict
        By how the step is executed. XLA fuses operations, but does as many.
    """
    import tensorflow as tf

    def step(*data: Any) -> Any:
        return model.train_step(data)

    tensors = tf.nest.map_structure(tf.constant, batch)
    kernels, operations, n_bytes = traced_costs(
        tf.function(step, autograph=False).get_concrete_function(*tensors).graph.get_operations()
    )
    by_xla = tf.function(step, autograph=False, jit_compile=True)
    fused, bytes_of_fused = compiled_costs(by_xla.experimental_get_compiler_ir(*tensors)(stage="optimized_hlo"))
    return {"one by one": (kernels, operations, n_bytes), "XLA": (fused, operations, bytes_of_fused)}


def as_row(gpu: Gpu, n_events: int, kernels: int, operations: int, n_bytes: int) -> dict[str, Any]:
    """Return the costs of a step of so many events, and its least time on a GPU, as columns of a table."""
    times = gpu.milliseconds(kernels, operations, n_bytes)
    return {
        "kernels": kernels,
        "kernels/event": kernels / n_events,
        "operations/event": operations / n_events,
        "bytes/event": n_bytes / n_events,
        **{f"{name} [ms]": duration for name, duration in times.items()},
        "bound by": max(times, key=lambda name: times[name]),
    }


def batch_milliseconds(batches: GraphBatches) -> tuple[float, int]:
    """Measure the CPU time to make a batch, the mean of an epoch after a first one, and count the shapes."""
    shapes = {(len(labels), *inputs[1].shape) for inputs, labels, _ in batches.epoch(0)}
    start = time.process_time()
    for _ in batches.epoch(1):
        pass
    return 1e3 * (time.process_time() - start) / len(batches), len(shapes)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = benchmark_parser(__doc__)
    args.add_argument("--data", type=Path, required=True, help="L1 regression file")
    args.add_argument("--batch_size", type=number(int, 1), default=8192, help="events in a step of the training")
    return args.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Count, measure, print and write the table."""
    args = parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from nn.devices import BATCH_FRACTION
    from nn.teacher import TeacherHyperModel

    networks = {name: network(name) for name in ("2x64x3", "4x96x4")} | {"default": TeacherHyperparameters()}
    creator = METGraphCreator(LOG_FEATURES)
    graphs = read_training_graphs(L1Dataset.check(args.data), creator, EventSplit(test_split=0.2, seed=SEED), None)
    multiple = max(2, args.batch_size // BATCH_FRACTION)
    batches = GraphBatches(graphs, False, args.batch_size, SEED, row_multiple=multiple)
    host, shapes = batch_milliseconds(batches)
    batch = next(batches.epoch(0))
    hypermodel = TeacherHyperModel.from_moments(creator, graphs.moments, "log_huber_3.0")
    rows = []
    for name, hyperparameters in networks.items():
        for execution, costs in step_costs(hypermodel.build_fixed(hyperparameters), batch).items():
            rows.append({"network": name, "execution": execution, **as_row(Gpu(), len(batch[1]), *costs)})
    print("ESTIMATED for a GPU, not measured; only the time to make a batch is measured, on this CPU")
    report(args, rows, batch_on_host_ms=host, shapes_an_epoch=shapes, rows_a_batch=len(batch[0][1]))


if __name__ == "__main__":
    main()
