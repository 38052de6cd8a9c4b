"""Trained models that cannot be loaded."""

import json
import shutil
import zipfile

import pytest

from nn.trained import load_trained
from utils.runtime.errors import UserError
from utils.training.records import MODEL_FILE, read_training


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            {"keras_version": "3.99.0"},
            r"best_model\.keras: written by Keras 3\.99\.0, which the Keras .* here does not",
        ),
        ({"keras_version": "3\n9"}, r"best_model\.keras: not a readable model \("),
        ({}, r"best_model\.keras: not a readable model \("),
    ],
)
def test_a_model_of_another_keras_is_said_to_be_one(metadata, message, student_dir, tmp_path):
    folder = shutil.copytree(student_dir, tmp_path / "student")
    with zipfile.ZipFile(folder / MODEL_FILE) as file:
        members = {name: file.read(name) for name in file.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][-1]["config"]["an_argument_of_tomorrow"] = 1
    members |= {"config.json": json.dumps(config).encode(), "metadata.json": json.dumps(metadata).encode()}
    with zipfile.ZipFile(folder / MODEL_FILE, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    with pytest.raises(UserError, match=message):
        load_trained(read_training(folder))
