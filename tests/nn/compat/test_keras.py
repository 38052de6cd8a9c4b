"""Keras beyond its public interface: what is replaced exists, is still needed, and gives the same numbers."""

import keras
import numpy as np
import tensorflow as tf
from numpy.testing import assert_array_equal

from nn.compat.keras import BuiltModel, FlatAdam, input_names, output_name


def test_flat_adam_is_adam():
    rng = np.random.default_rng(1)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((2, 3), (), (4,))]
    adams = [cls(0.1) for cls in (FlatAdam, keras.optimizers.Adam)]
    networks = [[keras.Variable(array, constraint="non_neg") for array in start] for _ in adams]
    for _ in range(5):
        gradients = [keras.ops.array(rng.normal(size=array.shape), "float32") for array in start]
        for adam, variables in zip(adams, networks, strict=True):
            adam.apply(gradients, variables)
    for one, other in zip(*networks, strict=True):
        assert_array_equal(one, other)


def fitted(model_class):
    """Fit a model of one weight for an epoch on one mirrored device; return the number of passes over its data."""
    passes = []

    def batches():
        passes.append(1)
        yield np.ones((2, 1), np.float32), np.ones((2, 1), np.float32)

    x, y = (tf.TensorSpec((None, 1), tf.float32) for _ in range(2))
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        inputs = keras.Input((1,))
        model = model_class(inputs, keras.layers.Dense(1)(inputs))
        model.compile(keras.optimizers.Adam(0.1), "mse")
        model.optimizer.build(model.trainable_variables)
    data = tf.data.Dataset.from_generator(batches, output_signature=(x, y))
    model.fit(data.apply(tf.data.experimental.assert_cardinality(1)), shuffle=False, verbose=0)
    return len(passes)


def test_a_fit_of_a_built_model_draws_each_batch_once():
    assert fitted(BuiltModel) == 1


def test_a_fit_of_keras_alone_draws_a_batch_more():
    """Where this fails, `BuiltModel` is no longer needed."""
    assert fitted(keras.Model) == 2


def test_private_methods_that_are_replaced_exist():
    assert hasattr(keras.optimizers.Adam, "_backend_update_step")
    assert hasattr(keras.Model, "_maybe_symbolic_build")


def test_names_of_the_tensors_of_a_layer():
    one, two = (keras.Input((2,), name=name) for name in ("one", "two"))
    layer = keras.layers.Add(name="both")
    model = keras.Model([one, two], layer([one, two]))
    assert input_names(layer) == ["one", "two"]
    assert output_name(layer) == model.outputs[0].name
