"""Checks of the configuration: its schema, and values that exclude each other."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from utils.config.processes import check_settings, check_sources, settle_sources, with_events
from utils.config.schema import complete, config_schema
from utils.hardware.scales import HardwareScales
from utils.runtime.errors import UserError
from utils.training.loss_names import parse_loss
from utils.training.search_space import SearchSpace

MOST_ENTRIES = 100_000


def check_config(config: Mapping[str, Any], start: Path | None = None) -> None:
    """Refuse an unknown key, a wrong type, a value out of range and values that exclude each other.

    Keys that only the workflow uses are completed, and sources `auto` settled, in place.

    Parameters
    ----------
    config : mapping
    start : Path, optional
        Folder to which paths are relative. Without it no file is looked for.
    """
    _refuse_many_entries(config)
    error = best_match(Draft202012Validator(config_schema()).iter_errors(config))
    if error is not None:
        key = ".".join(str(part) for part in error.absolute_path)
        raise UserError(f"configuration: {key + ': ' if key else ''}{error.message}{_hint(error.instance)}")
    complete(config)
    settle_sources(config, start)
    check_sources(config)
    check_settings(config["generate_events"]["processes"])
    _check_trainings(config)
    _check_analysis(config["analyze_results_teacher"])
    selection = config["selective_sampling_jets"]
    shares = selection.get("fractions_to_keep")
    if shares and selection.get("mode") == ">=" and not any(shares):
        raise UserError("configuration: selective_sampling_jets.fractions_to_keep: no event would be kept")


def _check_trainings(config: Mapping[str, Any]) -> None:
    """Refuse losses, search spaces and scales of the hardware that do not exist, and workers without a search."""
    for name in ("train_teacher", "train_student"):
        try:
            parse_loss(config[name].get("loss_function", "mse"))
        except ValueError as error:
            raise UserError(f"configuration: {name}.loss_function: {error}") from None
    student = config["train_student"]
    try:
        HardwareScales(**{field.name: student[field.name] for field in fields(HardwareScales) if field.name in student})
    except ValueError as error:
        raise UserError(f"configuration: train_student.{error}") from None
    teacher = config["train_teacher"]
    try:
        SearchSpace.from_dict(teacher.get("search_space", {}))
    except ValueError as error:
        raise UserError(f"configuration: train_teacher.search_space: {error}") from None
    for key in ("worker_jobs", "chief_host"):
        if teacher.get("hyperparameters") and teacher.get(key):
            raise UserError(
                f"configuration: train_teacher.{key}: {teacher[key]}, but train_teacher.hyperparameters leaves out the "
                "search: there is nothing to join"
            )


def _check_analysis(section: Mapping[str, Any]) -> None:
    """Refuse an analysis without a signal, and a process that is named twice."""
    signals = [*section.get("signal_names", []), *with_events(section["extra_signals"])]
    if "signal_names" in section and not signals:
        raise UserError("configuration: analyze_results_teacher.signal_names: expected at least one")
    both = [*signals, *section.get("bg_names", [])]
    twice = [name for name in both if both.count(name) > 1]
    if twice:
        raise UserError(
            f"configuration: analyze_results_teacher: '{twice[0]}' is named twice among signal_names, extra_signals "
            "and bg_names"
        )


def _refuse_many_entries(config: Mapping[str, Any]) -> None:
    """Refuse nested aliases, with which a few lines of YAML expand to more entries than memory holds."""
    waiting, n_entries = [config], 0
    while waiting:
        value = waiting.pop()
        inner = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
        n_entries += len(inner)
        if n_entries > MOST_ENTRIES:
            raise UserError(f"configuration: more than {MOST_ENTRIES} entries, with aliases expanded")
        waiting += inner


def _hint(value: Any) -> str:
    """Explain how to write a number that YAML or --config reads as text."""
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    if "e" in value.lower():
        return "; YAML reads a number such as 2e34 as text: write 2.0e+34, in a file for --configfile"
    return "; within a section --config gives text only: write numbers into a file, for --configfile"
