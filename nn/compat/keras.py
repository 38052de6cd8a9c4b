"""Keras beyond its public interface: steps on one vector, and fits that draw no extra batch.

Upstream:

- Under a `tf.distribute` strategy `fit` draws a batch to build a model that is built already. This is fixed for other
  backends by https://github.com/keras-team/keras/pull/19945; for TensorFlow no issue is known.
- An optimizer updates each array of weights on its own. No issue about this is known.
"""

import math
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from utils.compat.versions import require_version

require_version("keras", "3.10", "3.16")

PACKAGE = "l1regression"


class FlatAdam(keras.optimizers.Adam):
    """Adam on one vector of all weights, which is less to compile and to dispatch than an update of each array.

    Arguments are those of keras.optimizers.Adam. A step is the same to the bit.
    """

    def build(self, variables: list[Any]) -> None:
        """Make the vector and its moments."""
        if self.built:
            return
        self._sizes = [math.prod(variable.shape) for variable in variables]
        self._vector = self.add_variable((sum(self._sizes),), name="vector")
        super().build([self._vector])
        self._trainable_variables_indices |= {self._var_key(variable): 0 for variable in variables}

    def _backend_update_step(self, grads: Iterable[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
        """Step along all gradients at once."""
        self.assign(self._vector, _as_vector(trainable_variables))
        self.update_step(_as_vector(grads), self._vector, learning_rate)
        parts = tf.split(tf.convert_to_tensor(self._vector), self._sizes)
        for variable, part in zip(trainable_variables, parts, strict=True):
            self.assign(variable, ops.reshape(part, variable.shape))


def _as_vector(arrays: Iterable[Any]) -> Any:
    return ops.concatenate([ops.reshape(array, (-1,)) for array in arrays])


class BuiltModel(keras.Model):
    """A model that is built before its first fit, so that a fit draws no batch to build it."""

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Draw no batch from the data: each epoch has its own batches."""


def input_names(layer: keras.layers.Layer) -> list[str]:
    """Return the names of the tensors from which a layer that is called once in a model computes its output."""
    (node,) = layer._inbound_nodes
    return [tensor.name for tensor in node.arguments.keras_tensors]


def output_name(layer: keras.layers.Layer) -> str:
    """Return the name of the output of a layer that is called once in a model."""
    (node,) = layer._inbound_nodes
    return node.outputs[0].name
