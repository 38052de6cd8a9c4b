"""Fixtures that several tests share."""

import dataclasses
import json
import signal

import numpy as np
import pytest
from hypothesis import settings

from tests.toys import random_particles, write_events
from utils.data_processing import graph_creator
from utils.runtime import signals

settings.register_profile("reproducible", deadline=None, derandomize=True, max_examples=40, database=None)
settings.load_profile("reproducible")


# Shells have programs in the background ignore SIGINT, nohup SIGHUP: scripts that the tests start would do so too.
for number in set(signals.SIGNALS) - set(signals.heeded()):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """Begin with the longest files, so that all processes end at about the same time."""
    items.sort(key=lambda item: item.path.parent.name != "pipeline")


@pytest.fixture(scope="session")
def smeared_folder(tmp_path_factory):
    """Return a folder with ``train.h5`` and ``test.h5`` of two processes, made by the script that smears events."""
    from create_L1regression_data import main

    folder = tmp_path_factory.mktemp("smeared")
    qcd = write_events(folder / "qcd.h5", random_particles(1500, 1), np.random.default_rng(1).uniform(1, 3, 1500))
    w = write_events(folder / "w.h5", random_particles(1000, 2), np.full(1000, 0.5))
    outputs = ["--train_output", folder / "train.h5", "--test_output", folder / "test.h5"]
    assert main([str(word) for word in ["--input", f"QCD={qcd}", "--input", f"W={w}", *outputs]]) == 0
    return folder


@pytest.fixture(scope="session")
def student_dir(tmp_path_factory):
    """Return the folder of a student for HT of random weights, above zero so that nothing is cut off by a relu."""
    import keras

    from nn.student import StudentHyperparameters, build_student, calibrate
    from utils.hardware.inputs import StudentInputs
    from utils.hardware.integers import HardwareScales

    folder = tmp_path_factory.mktemp("student")
    inputs = StudentInputs(graph_creator("true_ht"), HardwareScales())
    keras.utils.set_random_seed(1)
    network = build_student(StudentHyperparameters(2, (3,)), inputs.n_slots, inputs.n_object_features, inputs.n_sums)
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(0.5 * abs(layer.kernel))
    calibrate(network, inputs)
    network.save(folder / "best_model.keras")
    record = {
        "kind": "student",
        "variable": "true_ht",
        "log_features": [],
        "loss_function": "mse",
        "target": "sum",
        "hardware": dataclasses.asdict(inputs.scales),
    }
    (folder / "training.json").write_text(json.dumps(record))
    return folder
