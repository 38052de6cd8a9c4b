"""Fits on one and on two CPU devices, to be run by a test: devices are set before TensorFlow begins."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nn import teacher as models
from nn.teacher import TeacherHyperModel, TeacherHyperparameters
from nn.training.resume import resumable_fit
from utils.training.packing import pack
from utils.training.ragged_graphs import RaggedGraphs

NAMES = ("pt", "eta", "phi", "ht", "pid")
SMALL = TeacherHyperparameters(graph_layers=1, units=4, heads=2, readout=(), learning_rate=0.002)

models.L2 = 0.02  # enough to be seen in the losses


class UnevenBatches:
    """Batches of even and odd sizes, one of them with less events than devices; each epoch has its own."""

    sizes = (7, 8, 8, 1, 6, 5, 5, 5, 2, 3)

    n_labels = 2

    def __init__(self, devices):
        self.devices = devices

    def __len__(self):
        return len(self.sizes)

    def epoch(self, number):
        rng = np.random.default_rng([7, number])
        for n_events in self.sizes:
            features = rng.exponential(1, (n_events, rng.integers(1, 6), len(NAMES)))
            features[..., -1] = rng.integers(1, 4, features.shape[:2])
            features[:, 1:] *= rng.random((*features[:, 1:].shape[:2], 1)) < 0.6
            labels = rng.exponential(1, (n_events, 2)).astype(np.float32)
            weights = rng.exponential(1, n_events).astype(np.float32)
            for rows in np.array_split(np.arange(n_events), self.devices):
                graphs = RaggedGraphs.from_padded(features[rows].astype(np.float32))
                yield pack(graphs).inputs, labels[rows], weights[rows]


def run(folder: Path, devices: int, *epochs: int) -> None:
    """Fit anew to each of some numbers of epochs in turn, going on where the one before ended; keep the results."""
    for n_epochs in epochs:
        keras.utils.set_random_seed(3)
        hypermodel = TeacherHyperModel(NAMES, [0.5] * 4, [1.0] * 4, "log_huber_3.0", [0.5], devices=devices)
        model = hypermodel.build_fixed(SMALL)
        batches = UnevenBatches(devices)
        history = resumable_fit(model, batches, batches, n_epochs, [], folder / f"state_{devices}.npz").history
    (folder / f"history_{devices}.json").write_text(json.dumps(history))
    variables = [*model.variables, *model.optimizer.variables]
    np.savez(folder / f"weights_{devices}.npz", *(np.asarray(variable) for variable in variables))
    hypermodel.padded(model, SMALL).save(folder / f"model_{devices}.keras")


if __name__ == "__main__":
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    run(Path(sys.argv[1]), 1, 3)
    run(Path(sys.argv[1]), 2, 2, 3)
