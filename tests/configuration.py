"""The configuration that comes with the project, and changes of it."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def default_config():
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def change(config, key, value):
    """Set a key such as ``train_teacher.max_epochs``."""
    *sections, last = key.split(".")
    for section in sections:
        config = config[section]
    config[last] = value
