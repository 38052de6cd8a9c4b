"""The configuration of the workflow: what is allowed in it, and how it becomes the flags of the scripts."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from utils.cli import UserError
from utils.variables import VARIABLES

MAX_SHARDS = 100_000
SCHEMA = Path(__file__).with_name("config.schema.yaml")

# Keys of the sections that are no flags of their scripts: the workflow itself makes use of them.
NOT_FLAGS = {
    "generate_events": ("processes", "events_per_shard"),
    "create_L1regression_data": ("processes",),
    "train_teacher": ("worker_jobs",),
}


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse a configuration with an unknown key, a wrong type or a value out of range, naming the key."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is not None:
        key = ".".join(str(part) for part in error.absolute_path)
        raise UserError(f"configuration: {key + ': ' if key else ''}{error.message}{_hint(error.instance)}")
    undefined = [
        name
        for name, source in config["create_L1regression_data"]["processes"].items()
        if source == "generated" and name not in config["generate_events"]["processes"]
    ]
    if undefined:
        raise UserError(
            f"configuration: create_L1regression_data.processes.{undefined[0]}: generated, but "
            f"generate_events.processes has only {', '.join(config['generate_events']['processes'])}"
        )


def _hint(value: Any) -> str:
    """Say how to give a number that has come as text, as those do that Snakemake reads within a section."""
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    return "; within a section --config gives text only: write numbers into a file, for --configfile"


def n_shards(events: int, events_per_shard: int) -> int:
    """Return into how many files the events of a process go; there may not be more than Snakemake can plan."""
    number = -(-events // events_per_shard)
    if number > MAX_SHARDS:
        raise UserError(
            f"configuration: generate_events: {events} events make {number} shards, expected at most {MAX_SHARDS}: "
            "raise events_per_shard"
        )
    return number


def flags(section: Mapping[str, Any], variable: str | None = None, leave_out: tuple[str, ...] = ()) -> list[str]:
    """Turn a section of the configuration into the flags of its script.

    Parameters
    ----------
    section : mapping
        Flag names and values; null stands for the script's default, a list is joined by commas, a mapping becomes
        NAME=VALUE joined by commas, and of a mapping by variable the value of `variable` is taken.
    variable : str, optional
    leave_out : tuple of str
        Keys that are no flags.

    Returns
    -------
    list of str
    """
    words = []
    for key, setting in section.items():
        value = setting
        if isinstance(setting, Mapping) and set(setting) <= set(VARIABLES):
            value = setting.get(variable)
        if key in leave_out or value is None:
            continue
        if isinstance(value, Mapping):
            value = [f"{name}={number}" for name, number in value.items()]
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words.append(f"--{key}={text}")
    return words


def use_this_python() -> None:
    """Let commands find the running Python first; a conda environment, where a rule uses one, still comes before it."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
