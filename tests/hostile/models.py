"""Model files made bad in many ways."""

import io
import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np

from tests.hostile import configurations, hdf5_files

Rng = np.random.Generator

TRAINING = {"variable": "true_met", "log_features": ["pt", "met"], "loss_function": "huber_1.0", "seed": 1}
RUNS_CODE = "import os; os.system('touch hostile')"
# What stands for a layer in the configuration of a model, and would run code if it were believed.
HOSTILE_LAYERS = (
    {"module": "builtins", "class_name": "exec", "config": {"source": RUNS_CODE}},
    {"module": "os", "class_name": "system", "config": {"command": "touch hostile"}},
    {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "hostile"]}},
    {"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}},
    {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "x", "function": {"class_name": "function", "config": "system", "module": "os"}},
    },
    {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "config": {"module": "gASVJgAAAAAAAACMBXBvc2l4lIwGc3lzdGVt"},
    },
    {"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {"origin": "file:///etc/hostname"}},
    {"module": "nn.layers", "class_name": "NoSuchLayer", "config": {}},
)


def make(folder: Path) -> None:
    """Write a small trained model, in a process of its own, since TensorFlow must not have begun to work here."""
    process = os.fork()
    if process == 0:
        try:
            from nn.teacher import TeacherHyperparameters, build_teacher
            from utils.data_processing import graph_creator

            names = graph_creator("true_met", TRAINING["log_features"]).feature_names
            hyperparameters = TeacherHyperparameters(graph_layers=1, units=4, heads=1, readout=(4,))
            n_continuous = len(names) - ("pid" in names)
            teacher = build_teacher(
                hyperparameters, names, [0.0] * n_continuous, [1.0] * n_continuous, log_features=("pt",)
            )
            teacher.save(folder / "best_model.keras")
            (folder / "training.json").write_text(json.dumps(TRAINING))
        finally:
            os._exit(0)
    os.waitpid(process, 0)


def _bytes(content: bytes, rng: Rng) -> bytes:
    changed = bytearray(content)
    hdf5_files.BYTES[rng.integers(len(hdf5_files.BYTES))](rng, changed)
    return bytes(changed)


def _values(content: bytes, rng: Rng) -> bytes:
    return json.dumps(configurations.change_values(json.loads(content), rng)).encode()


def _text(content: bytes, rng: Rng) -> bytes:
    return configurations.change_text(content.decode(), rng).encode()


def _hostile_layer(content: bytes, rng: Rng) -> bytes:
    config = json.loads(content)
    layer = HOSTILE_LAYERS[rng.integers(len(HOSTILE_LAYERS))]
    if rng.random() < 0.3:
        return json.dumps({**config, **layer}).encode()
    layers = config["config"]["layers"]
    place = int(rng.integers(len(layers)))
    layers[place] = {**layers[place], **layer, "config": {**layers[place]["config"], **layer["config"]}}
    return json.dumps(config).encode()


def _wide(content: bytes, rng: Rng) -> bytes:
    """Name widths that take gigabytes, or other numbers beyond reason."""
    config = json.loads(content)
    found = [(holder, key) for holder, key in configurations.places(config) if type(holder[key]) in (int, float)]
    of_layers = [(holder, key) for holder, key in found if key in ("units", "num_heads", "output_dim", "input_dim")]
    holder, key = (of_layers or found)[rng.integers(len(of_layers or found))]
    holder[key] = (10**4, 10**6, 10**10, 10**400, -1, 1e308)[rng.integers(6)]
    return json.dumps(config).encode()


def _bomb(members: dict[str, bytes], rng: Rng) -> None:
    """Add what unfolds to much more: in the archive, or in the file of the weights."""
    choices = rng.integers(4)
    if choices == 0:
        members["assets/x"] = bytes(1 << 28)
    elif choices == 1:
        members["config.json"] += b" " * (1 << 28)
    elif choices == 2:
        members["model.weights.h5"] = bytes(1 << 28)
    else:
        content = io.BytesIO(members["model.weights.h5"])
        with h5py.File(content, "a") as file:
            places: list[str] = []
            file.visititems(lambda name, found: places.append(name) if isinstance(found, h5py.Dataset) else None)
            name = places[rng.integers(len(places))]
            del file[name]
            file.create_dataset(name, (1 << 28,), "f4", compression="gzip", chunks=(1 << 20,), fillvalue=1)
        members["model.weights.h5"] = content.getvalue()


def bad_model(content: bytes, rng: Rng) -> bytes:
    """Change the bytes of a .keras file, or of the files in it, or which there are."""
    if rng.random() < 0.25:
        return _bytes(content, rng)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change = rng.integers(11)
    if change == 0:
        del members[str(rng.choice(list(members)))]
    elif change == 1:
        members["../../hostile"] = b"x"
        members["/tmp/hostile"] = b"x"
    elif change in (2, 3):
        members["model.weights.h5"] = _bytes(members["model.weights.h5"], rng)
    elif change == 4:
        members["config.json"] = _text(members["config.json"], rng)
    elif change == 5:
        members["config.json"] = _values(members["config.json"], rng)
    elif change == 6:
        members["config.json"] = _wide(members["config.json"], rng)
    elif change == 7:
        _bomb(members, rng)
    else:
        members["config.json"] = _hostile_layer(members["config.json"], rng)
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return changed.getvalue()


def bad_folder(folder: Path, good: dict[str, bytes], rng: Rng) -> None:
    """Write the folder of a model with one file changed."""
    folder.mkdir()
    of_record = rng.random() < 0.2
    for name, content in good.items():
        if of_record and name == "training.json":
            content = (_values if rng.random() < 0.6 else _text)(content, rng)
        elif not of_record and name == "best_model.keras":
            content = bad_model(content, rng)
        (folder / name).write_bytes(content)
