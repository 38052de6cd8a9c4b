"""Fits that run all steps of a stack of batches in one call, as a loop that XLA can compile.

A step of a small network is less work than a call from Python and the dispatch of its operations.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from nn.compat.hgq import lean_quantisers
from utils.training.student_batches import Stacks, StudentBatches


def loop_over_stacks(model: keras.Model) -> None:
    """Let a compiled model take stacks of batches in place of batches, in its fits and evaluations.

    Parameters
    ----------
    model : keras.Model
        Compiled; it is compiled by XLA if it says so. Callbacks are called once a stack.
    """
    model.train_function, model.test_function = (_loop(model, step) for step in (model.train_step, model.test_step))


def _loop(model: keras.Model, step: Callable[[Any], Any]) -> Callable[[Iterator[Any]], dict[str, Any]]:
    """Return a function that takes a stack from an iterator of `Stacks.epoch`, and does a step with each batch."""

    def steps(stack: Any, n_batches: Any) -> dict[str, Any]:
        def body(number: Any) -> Any:
            step(tf.nest.map_structure(lambda array: array[number], stack))
            return number + 1

        with lean_quantisers():
            tf.while_loop(lambda number: number < n_batches, body, [tf.constant(0)], parallel_iterations=1)
        return model.get_metrics_result()

    compiled = tf.function(steps, autograph=False, jit_compile=model.jit_compile)

    def function(stacks: Iterator[Any]) -> dict[str, Any]:
        stack, n_batches = next(stacks)
        return compiled(stack, tf.constant(n_batches))

    return function


def fit_stacks(
    model: keras.Model,
    training: StudentBatches,
    validation: StudentBatches,
    epochs: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    initial_epoch: int = 0,
) -> keras.callbacks.History:
    """Fit a model of `loop_over_stacks`; arguments and result are as for keras' ``fit``.

    That would make a data set of TensorFlow for each epoch, which costs as much as the epoch of a small network.
    """
    stacks = Stacks(training)
    called = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=model, epochs=epochs, steps=len(stacks)
    )
    model.stop_training = False
    called.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        called.on_epoch_begin(epoch)
        model.reset_metrics()
        logs, iterator = {}, stacks.epoch(epoch)
        for number in range(len(stacks)):
            called.on_train_batch_begin(number)
            logs = _numbers(model.train_function(iterator))
            called.on_train_batch_end(number, logs)
            if model.stop_training:
                break
        found = evaluate_stacks(model, validation, called)
        called.on_epoch_end(epoch, logs | {f"val_{name}": value for name, value in found.items()})
        if model.stop_training:
            break
    called.on_train_end()
    return model.history


def evaluate_stacks(
    model: keras.Model, batches: StudentBatches, called: keras.callbacks.CallbackList | None = None
) -> dict[str, float]:
    """Return the loss and the metrics of a model of `loop_over_stacks`.

    Parameters
    ----------
    model : keras.Model
    batches : StudentBatches
    called : keras.callbacks.CallbackList, optional
        Callbacks of a fit.
    """
    called = called or keras.callbacks.CallbackList()
    stacks, logs = Stacks(batches), {}
    called.on_test_begin()
    model.reset_metrics()
    iterator = stacks.epoch(0)
    for number in range(len(stacks)):
        called.on_test_batch_begin(number)
        logs = _numbers(model.test_function(iterator))
        called.on_test_batch_end(number, logs)
    called.on_test_end(logs)
    return logs


def _numbers(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}
