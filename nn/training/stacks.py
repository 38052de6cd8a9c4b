"""Fits that run all steps of a stack of batches in one call, as a loop that XLA can compile.

A step of a small network is less work than a call from Python and the dispatch of its operations.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from nn.compat.hgq import narrow_bit_widths
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
    """Return the function that takes a stack from an iterator, and does a step with each of its batches."""

    def steps(stack: Any, n_batches: Any) -> dict[str, Any]:
        def body(number: Any) -> Any:
            step(tf.nest.map_structure(lambda array: array[number], stack))
            return number + 1

        with narrow_bit_widths():
            tf.while_loop(lambda number: number < n_batches, body, [tf.constant(0)], parallel_iterations=1)
        return model.get_metrics_result()

    compiled = tf.function(steps, autograph=False, jit_compile=model.jit_compile)
    return lambda iterator: compiled(*next(iterator))


def stack_dataset(batches: StudentBatches, model: keras.Model, epochs: Iterator[int]) -> tf.data.Dataset:
    """Make the data set of the stacks of batches, with the number of batches of each.

    Parameters
    ----------
    batches : StudentBatches
    model : keras.Model
    epochs : iterator of int
        Numbers of the epochs; each pass over the data set takes the next.
    """
    stacks = Stacks(batches)
    inputs, (labels,), (weights,) = (
        tuple(tf.TensorSpec((stacks.n_batches, batches.batch_size, *shape), tf.float32) for shape in shapes)
        for shapes in ([x.shape[1:] for x in model.inputs], [(batches.n_labels,)], [()])
    )
    signature = (inputs, labels, weights), tf.TensorSpec((), tf.int32)
    data = tf.data.Dataset.from_generator(lambda: stacks.epoch(next(epochs)), output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(len(stacks))).prefetch(1)


def fit_stacks(
    model: keras.Model, training: StudentBatches, validation: StudentBatches, initial_epoch: int = 0, **kwargs: Any
) -> keras.callbacks.History:
    """Fit a model of `loop_over_stacks`; other arguments of keras' ``fit`` are passed on."""
    return model.fit(
        stack_dataset(training, model, itertools.count(initial_epoch)),
        validation_data=stack_dataset(validation, model, itertools.repeat(0)),
        initial_epoch=initial_epoch,
        shuffle=False,
        **{**kwargs, "verbose": 0},
    )


def evaluate_stacks(model: keras.Model, batches: StudentBatches) -> dict[str, float]:
    """Return the loss and the metrics of a model of `loop_over_stacks`."""
    return model.evaluate(stack_dataset(batches, model, itertools.repeat(0)), verbose=0, return_dict=True)
