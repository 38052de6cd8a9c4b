"""Samples and small models that several tests begin with, made once a session: see the fixtures in conftest.py."""

import fcntl
import json
import os
import shutil

import numpy as np

from tests.toys import random_particles, write_events
from utils.data_processing import graph_creator

TINY = {"graph_layers": 2, "units": 4, "heads": 2, "activation": "relu", "embedding": 3, "dropout": 0.02}
QUICK = ("--max_epochs=2", "--final_epochs=3", "--hyperband_factor=2", "--batch_size=64")
MET_FLAGS = ("--variable=met", "--log_features=pt,met,ht", "--metric_thresholds=20,60")


def shared_folder(tmp_path_factory, name, make):
    """Return a folder that `make` fills, called with it in the first process that asks for the folder."""
    session = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session = session.parent  # the folder of all processes
    folder, whole = session / name, session / f"{name}.whole"
    with (session / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder


def write_smeared(folder):
    """Write ``train.h5`` and ``test.h5`` of two processes, made by the script that smears events."""
    from create_L1regression_data import main

    qcd = write_events(folder / "qcd.h5", random_particles(1500, 1), np.random.default_rng(1).uniform(1, 3, 1500))
    w = write_events(folder / "w.h5", random_particles(1000, 2), np.full(1000, 0.5))
    outputs = ["--train_output", folder / "train.h5", "--test_output", folder / "test.h5", "--smearings=1"]
    assert main([str(word) for word in ["--input", f"QCD={qcd}", "--input", f"W={w}", *outputs]]) == 0


def write_hyperparameters(folder):
    """Write the hyperparameters of a tiny teacher to ``tiny.json``."""
    (folder / "tiny.json").write_text(json.dumps({**TINY, "learning_rate": 0.01}))


def train_tiny_teacher(output, train_file, hyperparameters, *flags):
    """Train a tiny network with fixed hyperparameters for three epochs."""
    from train_teacher import main

    words = [f"--input={train_file}", f"--output={output}", f"--hyperparameters={hyperparameters}", *QUICK, *flags]
    assert main([str(word) for word in words]) == 0
    return output


def write_student(folder):
    """Write a student for HT of random weights, above zero so that nothing is cut off by a relu."""
    import keras

    from nn.student import StudentHyperparameters, build_student, calibrate
    from utils.hardware.inputs import StudentInputs
    from utils.hardware.scales import HardwareScales

    inputs = StudentInputs(graph_creator("true_ht"), HardwareScales())
    keras.utils.set_random_seed(1)
    shape = StudentHyperparameters(object_units=2, event_units=(3,))
    network = build_student(shape, inputs.n_slots, inputs.n_object_features, inputs.n_sums)
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
        "hardware": inputs.scales.record(),
    }
    (folder / "training.json").write_text(json.dumps(record))


def write_teacher(folder, variable):
    """Write a small teacher of random weights with all parts that a teacher may have, and a calibration."""
    import keras

    from nn.teacher import build_teacher
    from utils.training.hyperparameters import TeacherHyperparameters

    parts = {"relative": True, "residual": True, "readout": (4,), "target": "sum"}
    shape = TeacherHyperparameters(**{name: value for name, value in TINY.items() if name != "dropout"}, **parts)
    creator = graph_creator(variable, ["pt", "ht"])
    n_continuous = len(creator.feature_names) - ("pid" in creator.feature_names)
    keras.utils.set_random_seed(1)
    moments = [0.5] * n_continuous, [2.0] * n_continuous
    network = build_teacher(shape, creator.feature_names, *moments, creator.log_features, largest={"ht": 300.0})
    output = network.get_layer("sum")
    output.kernel.assign(output.kernel / 10)  # no correction near 0, which rounding would decide
    folder.mkdir(exist_ok=True)
    network.save(folder / "best_model.keras")
    record = {
        "variable": variable,
        "log_features": creator.log_features,
        "loss_function": "mse",
        "floor": {"l1": [0, 40, 80, 1e6], "corrected": [0, 4, 30, 4e5]},
        "calibration": {"corrected": [0, 5, 12, 1e6], "calibrated": [0, 9, 11, 2e6]},
    }
    (folder / "training.json").write_text(json.dumps(record))
    return folder
