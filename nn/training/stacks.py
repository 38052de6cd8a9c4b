"""Fits of which TensorFlow runs many steps in one call, as a loop over a stack of batches.

A step of a small network is less work than a call from Python, a data set of TensorFlow or Keras' own loop.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import keras
import tensorflow as tf

from nn.devices import only_gpu
from utils.training.batches import Batches
from utils.training.stacks import stacks

T = TypeVar("T")


def fit(
    model: keras.Model,
    training: Batches,
    validation: Batches,
    epochs: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    initial_epoch: int = 0,
) -> keras.callbacks.History:
    """Fit a compiled model; the number of rows may differ from batch to batch.

    Parameters
    ----------
    model : keras.Model
        The steps are compiled by XLA if it says so.
    training, validation : Batches
        Each batch in as many parts as the model has devices.
    epochs, initial_epoch : int
        As for keras' ``fit``.
    callbacks : sequence of keras.callbacks.Callback
        They are called after each stack of batches, with the number of its last batch.
    """
    called = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=model, epochs=epochs, steps=len(training)
    )
    if model.train_function is None:
        model.train_function = _loop(model, model.train_step, training.n_labels)
    model.stop_training = False
    called.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        called.on_epoch_begin(epoch)
        on_batch = called.on_train_batch_begin, called.on_train_batch_end
        logs = _run(model, model.train_function, training, epoch, *on_batch)
        found = evaluate(model, validation, called)
        called.on_epoch_end(epoch, logs | {f"val_{name}": value for name, value in found.items()})
        if model.stop_training:
            break
    called.on_train_end()
    return model.history


def evaluate(
    model: keras.Model, batches: Batches, called: keras.callbacks.CallbackList | None = None
) -> dict[str, float]:
    """Return the loss and the metrics of a compiled model.

    Parameters
    ----------
    model : keras.Model
    batches : Batches
    called : keras.callbacks.CallbackList, optional
        Callbacks of a fit.
    """
    called = called or keras.callbacks.CallbackList()
    if model.test_function is None:
        model.test_function = _loop(model, model.test_step, batches.n_labels)
    called.on_test_begin()
    logs = _run(model, model.test_function, batches, 0, called.on_test_batch_begin, called.on_test_batch_end)
    called.on_test_end(logs)
    return logs


def _run(
    model: keras.Model,
    function: Callable[..., dict[str, Any]],
    batches: Batches,
    epoch: int,
    on_begin: Callable[[int], None],
    on_end: Callable[[int, dict[str, float]], None],
) -> dict[str, float]:
    """Do all steps of an epoch, or those until a callback stops the training; return loss and metrics."""
    model.reset_metrics()
    logs: dict[str, float] = {}
    n_done = 0
    for parts, n_batches in _ahead(_on_devices(model, batches, epoch)):
        on_begin(n_done)
        logs = {name: float(value) for name, value in function(parts, n_batches).items()}
        n_done += n_batches
        on_end(n_done - 1, logs)
        if model.stop_training:
            break
    return logs


def _loop(model: keras.Model, step: Callable[[Any], Any], n_labels: int) -> Callable[..., dict[str, Any]]:
    """Return a function that takes the parts of a stack and the number of its batches, and does a step with each."""
    strategy = model.distribute_strategy

    def steps(parts: Sequence[Any], n_batches: Any) -> dict[str, Any]:
        def step_of_device(number: Any) -> None:
            device = tf.distribute.get_replica_context().replica_id_in_sync_group
            step(tf.nest.map_structure(lambda array: array[number], parts[int(tf.get_static_value(device))]))

        def body(number: Any) -> Any:
            strategy.run(step_of_device, args=(number,))
            return number + 1

        tf.while_loop(lambda number: number < n_batches, body, [tf.constant(0)], parallel_iterations=1)
        return model.get_metrics_result()

    if model.jit_compile:  # compiled for each shape
        signature = None
    else:
        inputs = tuple(tf.TensorSpec((None, *x.shape), x.dtype) for x in model.inputs)
        part = inputs, tf.TensorSpec((None, None, n_labels)), tf.TensorSpec((None, None))
        signature = [(part,) * strategy.num_replicas_in_sync, tf.TensorSpec((), tf.int32)]
    function = tf.function(steps, signature, autograph=False, jit_compile=model.jit_compile)
    # Keras' TensorBoard would write the graph of a function of TensorFlow, half a megabyte.
    return lambda parts, n_batches: function(parts, n_batches)


def _on_devices(model: keras.Model, batches: Batches, epoch: int) -> Iterator[tuple[Any, Any]]:
    """Make the stacks of an epoch as tensors, and their numbers of batches."""
    n_devices = model.distribute_strategy.num_replicas_in_sync
    for stack in stacks(batches, epoch, n_devices):
        with tf.device(only_gpu(n_devices)):
            parts = tf.nest.map_structure(tf.convert_to_tensor, stack.parts)
        yield parts, stack.n_batches


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items; a thread makes the next one meanwhile."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item
