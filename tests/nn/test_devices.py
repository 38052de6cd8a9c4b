"""Training on several devices: the same as on one, for batches of any size, and resumed after a kill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nn.devices import distribution_strategy
from nn.prediction import predict
from nn.teacher import load_teacher

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# Each batch is summed in two parts, and 21 steps of Adam go on with numbers that are off by some 40 roundings of 1e-7.
RTOL = 1e-4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Fits on one device, and on two with an interruption."""
    folder = tmp_path_factory.mktemp("devices")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", "TF_NUM_INTRAOP_THREADS": "1"}
    script = Path(__file__).with_name("two_devices.py")
    done = subprocess.run([sys.executable, script, folder], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_losses_and_metrics_are_those_of_one_device(folder):
    one, two = (json.loads((folder / f"history_{n}.json").read_text()) for n in (1, 2))
    assert set(one) == {"loss", "val_loss", "mse_above_0.5", "val_mse_above_0.5"} == set(two)
    assert len(set(one["loss"])) == 3
    for name, values in one.items():
        assert_allclose(two[name], values, rtol=RTOL)


def test_weights_and_state_of_adam_are_those_of_one_device(folder):
    with np.load(folder / "weights_1.npz") as one, np.load(folder / "weights_2.npz") as two:
        assert one.files == two.files
        for name in one.files:
            assert one[name].dtype == two[name].dtype
            if one[name].dtype == np.float32:
                assert_allclose(two[name], one[name], rtol=RTOL, atol=RTOL * np.abs(one[name]).max())


def test_a_model_trained_on_two_devices_is_loaded_on_one(folder):
    one, two = (load_teacher(folder / f"model_{n}.keras") for n in (1, 2))
    rng = np.random.default_rng(4)
    features = rng.integers(1, 4, (20, 5, 5)).astype(np.float32)
    assert_allclose(predict(two, features), predict(one, features), rtol=RTOL)


def test_more_devices_than_there_are():
    with pytest.raises(ValueError, match="expected 99 GPUs, found "):
        distribution_strategy(99)
