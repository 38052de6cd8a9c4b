"""Training on devices.

On several: the same as on one, for batches of any size, and resumed after a kill. On one GPU, as far as a CPU shows it:
shapes, XLA, bfloat16, reproducibility.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from nn import devices
from nn.devices import distribution_strategy
from nn.prediction import predict
from nn.teacher import TeacherHyperModel, TeacherHyperparameters, load_teacher
from nn.training.stacks import fit
from utils.training.packing import PLACES_A_ROW, pack
from utils.training.ragged_graphs import RaggedGraphs

NAMES = ("pt", "eta", "phi", "met", "pid")
SMALL = TeacherHyperparameters(units=4, heads=2, readout=(8,), learning_rate=0.003)
BATCH_SIZE = 64
ROUNDING = 1e-5  # of two computations in float32, as in test_teacher.py
ROOT = Path(__file__).parents[2]
# Each batch is summed in two parts, and 21 steps of Adam go on with numbers that are off by some 40 roundings of 1e-7.
RTOL = 1e-4


class Batches:
    """Batches of 64 events, and one of the rest; the same in each epoch."""

    n_labels = 2

    def __init__(self, row_multiple=1, n_events=300):
        self._row_multiple, self._n_events = row_multiple, n_events

    def __len__(self):
        return -(-self._n_events // BATCH_SIZE)

    def epoch(self, number):
        rng = np.random.default_rng(11)
        for start in range(0, self._n_events, BATCH_SIZE):
            n = min(BATCH_SIZE, self._n_events - start)
            sizes = np.clip(rng.poisson(2, n) + 1, 1, PLACES_A_ROW).astype(np.int16)
            nodes = rng.exponential(1, (sizes.sum(), len(NAMES))).astype(np.float32)
            nodes[:, 3] = np.repeat(rng.exponential(1, n), sizes)
            nodes[:, 4] = rng.integers(1, 4, len(nodes))
            labels = (1 + rng.exponential(1, (n, 2))).astype(np.float32)
            weights = rng.exponential(1, n).astype(np.float32)
            graphs = RaggedGraphs(nodes, sizes, labels, weights, np.zeros(n, np.int16))
            yield pack(graphs, row_multiple=self._row_multiple).inputs, labels, weights


def hypermodel(**options):
    keras.utils.set_random_seed(4)
    return TeacherHyperModel(NAMES, [0.5] * 4, [1.0] * 4, "log_huber_3.0", (50,), **options)


@pytest.fixture
def one_gpu(monkeypatch):
    """TensorFlow lists a GPU."""
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind="GPU": [gpu])


class TestDevices:
    def test_of_a_cpu_have_batches_of_any_shape_and_no_xla(self):
        assert devices.only_gpu() is None
        assert devices.row_multiple(8192) == 1
        assert not hypermodel().build_fixed(SMALL).jit_compile

    @pytest.mark.parametrize(("batch_size", "expected"), [(8192, 256), (256, 8), (31, 2)])
    def test_of_one_gpu_have_batches_of_few_shapes(self, one_gpu, batch_size, expected):
        assert devices.row_multiple(batch_size) == expected

    def test_of_one_gpu_have_xla(self, one_gpu):
        assert devices.only_gpu() == "/device:GPU:0"
        assert hypermodel().build_fixed(SMALL).jit_compile

    def test_several_gpus_have_batches_of_any_shape(self, one_gpu):
        assert devices.only_gpu(2) is None
        assert devices.row_multiple(8192, 2) == 1


class TestReproducible:
    @pytest.fixture
    def called(self, monkeypatch):
        """Record the calls that would change TensorFlow for the rest of the process."""
        called = {}
        for name in ("enable_op_determinism", "enable_tensor_float_32_execution"):
            monkeypatch.setattr(tf.config.experimental, name, lambda *args, name=name: called.update({name: args}))
        monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=true")
        return called

    def test_on_several_gpus(self, one_gpu, called):
        devices.make_gpus_reproducible(2)
        assert called == {"enable_op_determinism": (), "enable_tensor_float_32_execution": (False,)}

    def test_on_one_gpu_with_xla(self, one_gpu, called):
        """Keras leaves out XLA where TensorFlow has to be deterministic."""
        for _ in range(2):  # a process may follow one that has set the flag
            devices.make_gpus_reproducible()
        assert called == {"enable_tensor_float_32_execution": (False,)}
        expected = ["--xla_cpu_multi_thread_eigen=true", "--xla_gpu_exclude_nondeterministic_ops=true"]
        assert os.environ["XLA_FLAGS"].split() == expected

    def test_not_on_a_cpu(self, called):
        devices.make_gpus_reproducible()
        assert called == {}
        assert os.environ["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=true"


class TestShapes:
    def test_of_an_epoch_are_few(self):
        """The full batches have 15 to 17 rows, the last one 12."""
        exact, few = ({batch[0][1].shape[:2] for batch in Batches(m).epoch(0)} for m in (1, 8))
        assert len(exact) > len(few)
        assert few == {(24, 12), (16, 12)}

    def test_empty_rows_change_neither_loss_nor_gradient(self):
        model = hypermodel().build_fixed(SMALL)
        found = []
        for multiple in (1, 64):
            inputs, labels, weights = next(Batches(multiple).epoch(0))
            with tf.GradientTape() as tape:
                loss = model.compute_loss(inputs, labels, model(inputs), weights)
            found.append((loss, *tape.gradient(loss, model.trainable_weights)))
        for one, other in zip(*found, strict=True):
            one, other = (np.asarray(tf.convert_to_tensor(value)) for value in (one, other))
            assert_allclose(other, one, rtol=ROUNDING, atol=ROUNDING * np.abs(one).max())


@pytest.fixture(scope="module")
def history():
    """Three epochs as on a CPU."""
    return fit(hypermodel().build_fixed(SMALL), Batches(), Batches(1, 64), epochs=3).history


@pytest.mark.slow
class TestTraining:
    """Three epochs with a validation: 15 steps of Adam. XLA compiles two shapes of training and one of validation."""

    def test_by_xla_has_the_same_losses(self, history):
        model = hypermodel(by_xla=True).build_fixed(SMALL)
        found = fit(model, Batches(24), Batches(24, 64), epochs=3).history
        assert found.keys() == history.keys()
        for name, values in history.items():
            assert_allclose(found[name], values, rtol=1e-4, err_msg=name)

    def test_in_bfloat16_has_nearly_the_same_losses(self, history):
        """A number of bfloat16 is off by up to 2^-9; the longest path has some ten of them one after the other."""
        mixed = hypermodel(mixed_precision=True)
        model = mixed.build_fixed(SMALL)
        found = fit(model, Batches(), Batches(1, 64), epochs=3).history
        assert_allclose(found["loss"], history["loss"], rtol=10 * 2**-9)
        assert_allclose(found["val_loss"], history["val_loss"], rtol=10 * 2**-9)
        assert found["loss"] != history["loss"]
        assert {weight.dtype for weight in [*model.weights, *model.optimizer.variables[1:]]} == {"float32"}
        assert model.get_layer("graph_attention_1").compute_dtype == "bfloat16"
        for name in ("relative_kinematics", "sum_events", "sum"):
            assert model.get_layer(name).compute_dtype == "float32"

    def test_the_teacher_of_a_training_in_bfloat16_predicts_in_float32(self):
        mixed = hypermodel(mixed_precision=True)
        teacher = mixed.padded(mixed.build_fixed(SMALL), SMALL)
        assert {layer.compute_dtype for layer in teacher.layers} == {"float32"}
        full = hypermodel()
        other = full.padded(full.build_fixed(SMALL), SMALL)
        other.set_weights(teacher.get_weights())
        features = np.random.default_rng(3).exponential(1, (20, 5, len(NAMES))).astype(np.float32)
        features[:, :, 4] = 2
        assert_array_equal(other(features), teacher(features))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Fits on one device, and on two with an interruption."""
    folder = tmp_path_factory.mktemp("devices")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", "TF_NUM_INTRAOP_THREADS": "1"}
    script = Path(__file__).with_name("two_devices.py")
    done = subprocess.run([sys.executable, script, folder], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_losses_and_metrics_are_those_of_one_device(folder):
    one, two = (json.loads((folder / f"history_{n}.json").read_text()) for n in (1, 2))
    assert set(one) == {"loss", "val_loss", "mse_above_0.5", "val_mse_above_0.5"} == set(two)
    assert len(set(one["loss"])) == 3
    for name, values in one.items():
        assert_allclose(two[name], values, rtol=RTOL)


@pytest.mark.slow
def test_weights_and_state_of_adam_are_those_of_one_device(folder):
    with np.load(folder / "weights_1.npz") as one, np.load(folder / "weights_2.npz") as two:
        assert one.files == two.files
        for name in one.files:
            assert one[name].dtype == two[name].dtype
            if one[name].dtype == np.float32:
                assert_allclose(two[name], one[name], rtol=RTOL, atol=RTOL * np.abs(one[name]).max())


@pytest.mark.slow
def test_a_model_trained_on_two_devices_is_loaded_on_one(folder):
    one, two = (load_teacher(folder / f"model_{n}.keras") for n in (1, 2))
    rng = np.random.default_rng(4)
    features = rng.integers(1, 4, (20, 5, 5)).astype(np.float32)
    assert_allclose(predict(two, features), predict(one, features), rtol=RTOL)


def test_more_devices_than_there_are():
    with pytest.raises(ValueError, match="expected 99 GPUs, found "):
        distribution_strategy(99)
