"""Fixtures that several tests share."""

import signal

import pytest
from hypothesis import settings

from tests.shared import (
    MET_FLAGS,
    shared_folder,
    train_tiny_teacher,
    write_hyperparameters,
    write_smeared,
    write_student,
)
from utils.runtime import signals

settings.register_profile("reproducible", deadline=None, derandomize=True, max_examples=40, database=None)
settings.load_profile("reproducible")


# Shells have programs in the background ignore SIGINT, nohup SIGHUP: scripts that the tests start would do so too.
for number in set(signals.SIGNALS) - set(signals.handled()):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """Begin with the workflow and other files with long tests, so that all processes end at about the same time."""
    marks = ("slow", "faults", "farm")
    long_files = {item.path for item in items if any(item.get_closest_marker(mark) for mark in marks)}
    items.sort(key=lambda item: (item.path.parent.name != "pipeline", item.path not in long_files))


@pytest.fixture(scope="session")
def smeared_folder(tmp_path_factory):
    """Return a folder with ``train.h5`` and ``test.h5`` of two processes."""
    return shared_folder(tmp_path_factory, "smeared", write_smeared)


@pytest.fixture(scope="session")
def tiny_hyperparameters(tmp_path_factory):
    """Return a file of hyperparameters of a tiny teacher."""
    return shared_folder(tmp_path_factory, "hyperparameters", write_hyperparameters) / "tiny.json"


@pytest.fixture(scope="session")
def met_teacher(tmp_path_factory, smeared_folder, tiny_hyperparameters):
    """Return the folder of a tiny teacher for MET, trained by the script."""

    def train(folder):
        train_tiny_teacher(folder / "teacher", smeared_folder / "train.h5", tiny_hyperparameters, *MET_FLAGS)

    return shared_folder(tmp_path_factory, "met_teacher", train) / "teacher"


@pytest.fixture(scope="session")
def student_dir(tmp_path_factory):
    """Return the folder of a student for HT of random weights."""
    return shared_folder(tmp_path_factory, "ht_student", write_student)
