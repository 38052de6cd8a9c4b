"""The files of the user that the configuration names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.config.processes import SOURCES, generated
from utils.config.schema import STEPS, file_defaults
from utils.formats.kinds import Kind, kind_of
from utils.formats.luminosity_mask import LuminosityMask
from utils.formats.zero_bias_sources import zero_bias_files
from utils.runtime.errors import UserError
from utils.runtime.paths import find_files, missing_error
from utils.runtime.text_files import read_json
from utils.simulation.pythia_settings import les_houches_file
from utils.training.hyperparameters import TeacherHyperparameters


def check_files(config: Mapping[str, Any], start: Path) -> None:
    """Refuse missing or unusable files of the user, and a file where the output folder should be.

    Parameters
    ----------
    config : mapping
    start : Path
        Folder to which paths are relative.
    """
    output = start / config["output"]
    there = next(path for path in (output, *output.parents) if path.exists())
    if not there.is_dir():
        raise UserError(f"configuration: output: {missing_error(there, 'folder')}")
    for key, source in user_sources(config):
        if not find_files(source, start):
            raise UserError(f"configuration: {key}: no such file: {source}")
    for key, path in user_files(config, start):
        what = "folder" if key.endswith("zero_bias") else "file"
        if not (path.is_file() or (what == "folder" and path.is_dir())):
            raise UserError(f"configuration: {key}: no such {what}: {path}")
        try:
            _check_content(key.rpartition(".")[2], path)
        except (UserError, ValueError) as error:
            raise UserError(f"configuration: {key}: {error}") from None


def _check_content(key: str, path: Path) -> None:
    """Read a small file of the user as its script does."""
    if key == "hyperparameters":
        TeacherHyperparameters.from_dict(read_json(path))
    elif key.startswith("jet_"):
        from utils.simulation.response_tables import InverseResponse, JetResolution  # takes a second, seldom needed

        (InverseResponse if key == "jet_inverse_response" else JetResolution).read(path)
    elif key == "zero_bias_mask":
        LuminosityMask.read(path)
    elif key == "zero_bias":
        files, is_root = zero_bias_files(path)
        if not files or not (is_root or path.is_dir() or kind_of(path) == Kind.PARQUET):
            raise ValueError(f"no Parquet file and no ROOT file in {path}")


def user_sources(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the key and the file name or glob of each process whose events the user provides."""
    return [
        (f"{section}.{key}.{name}", source)
        for section, key in SOURCES
        for name, source in config[section][key].items()
        if source not in (None, "generated")
    ]


def user_files(config: Mapping[str, Any], start: Path) -> list[tuple[str, Path]]:
    """Return the key and the path of each other file or folder of the user."""
    named = [
        (f"{section}.{key}", start / config[section][key])
        for section in STEPS
        for key in file_defaults(section)
        if config[section].get(key)
    ]
    hard_events = [
        (f"generate_events.processes.{name}.settings", start / config["output"] / file)
        for name in generated(config)
        for setting in config["generate_events"]["processes"][name].get("settings") or ()
        if (file := les_houches_file(setting))
    ]
    sources = [
        (f"generate_events.processes.{name}.source", start / source)
        for name in generated(config)
        if (source := config["generate_events"]["processes"][name].get("source"))
    ]
    return named + hard_events + sources
