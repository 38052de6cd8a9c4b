"""The configuration of the workflow: what is allowed in it, and how it becomes the flags of the scripts."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from utils.hardware.integers import HardwareScales
from utils.runtime.errors import UserError
from utils.runtime.paths import find_files, missing_error
from utils.runtime.text_files import read_json
from utils.simulation.pythia_settings import les_houches_file, overriding_flag, refusal
from utils.training.hyperparameters import TeacherHyperparameters
from utils.training.loss_names import parse_loss
from utils.variables import VARIABLES

MOST_ENTRIES = 100_000
MAX_SHARDS = 100_000
SCHEMA = Path(__file__).with_name("config.schema.yaml")

# Keys of the sections that are no flags of their scripts: the workflow itself makes use of them.
NOT_FLAGS = {
    "generate_events": ("processes", "events_per_shard"),
    "create_L1regression_data": ("processes",),
    "train_teacher": ("worker_jobs",),
    "analyze_results_teacher": ("extra_signals",),
}

# Keys without effect on the results: nothing runs again where they change.
NO_EFFECT = {
    "create_L1regression_data": ("chunk_size",),
    "selective_sampling_jets": ("chunk_size",),
    "train_teacher": ("use_generator", "workers", "chief_host"),
    "train_student": ("use_generator",),
}

# Keys that name a file or a folder of the user: its content counts, not its place.
FILES = {
    "create_L1regression_data": ("jet_inverse_response", "jet_resolution_central", "jet_resolution_forward"),
    "train_teacher": ("hyperparameters",),
    "analyze_results_teacher": ("zero_bias",),
}

# Where the events of processes come from.
SOURCES = (("create_L1regression_data", "processes"), ("analyze_results_teacher", "extra_signals"))

# Lists of names of processes.
PROCESS_LISTS = (
    ("selective_sampling_jets", "processes"),
    ("analyze_results_teacher", "signal_names"),
    ("analyze_results_teacher", "bg_names"),
)


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse an unknown key, a wrong type, a value out of range and values that exclude each other."""
    _refuse_many_entries(config)
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is not None:
        key = ".".join(str(part) for part in error.absolute_path)
        raise UserError(f"configuration: {key + ': ' if key else ''}{error.message}{_hint(error.instance)}")
    _check_sources(config)
    _check_settings(config["generate_events"]["processes"])
    _check_trainings(config)
    _check_analysis(config["analyze_results_teacher"])
    selection = config["selective_sampling_jets"]
    shares = selection.get("fractions_to_keep")
    if shares and selection.get("mode") == ">=" and not any(shares):
        raise UserError("configuration: selective_sampling_jets.fractions_to_keep: no event would be kept")


def _check_sources(config: Mapping[str, Any]) -> None:
    """Refuse processes that are to be generated but are not defined, too many events, and no process at all."""
    processes = config["create_L1regression_data"]["processes"]
    extra = config["analyze_results_teacher"].get("extra_signals", {})
    for key, sources in (
        ("create_L1regression_data.processes", processes),
        ("analyze_results_teacher.extra_signals", extra),
    ):
        for name, source in sources.items():
            if source == "generated" and name not in config["generate_events"]["processes"]:
                raise UserError(
                    f"configuration: {key}.{name}: generated, but "
                    f"generate_events.processes has only {', '.join(config['generate_events']['processes'])}"
                )
            if source == "generated":
                n_shards(
                    config["generate_events"]["processes"][name]["events"],
                    config["generate_events"]["events_per_shard"],
                )
    for name in _named(extra):
        if name in _named(processes):
            raise UserError(
                f"configuration: analyze_results_teacher.extra_signals.{name}: is in "
                "create_L1regression_data.processes, expected a process that is only evaluated"
            )


def _check_settings(processes: Mapping[str, Any]) -> None:
    """Refuse settings for Pythia that the flags of the script decide."""
    for name, process in processes.items():
        for setting in process["settings"] if process else ():
            if flag := overriding_flag(setting):
                raise UserError(
                    f"configuration: generate_events.processes.{name}.settings: '{setting}' would be overridden: "
                    f"{flag} decides it, give that instead"
                )


def _check_trainings(config: Mapping[str, Any]) -> None:
    """Refuse losses that do not exist, scales that no hardware has, and a search that nobody or everybody may join."""
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
    for key in ("worker_jobs", "chief_host"):
        if teacher.get("hyperparameters") and teacher.get(key):
            raise UserError(
                f"configuration: train_teacher.{key}: {teacher[key]}, but train_teacher.hyperparameters leaves out the "
                "search: there is nothing to join"
            )


def _check_analysis(section: Mapping[str, Any]) -> None:
    """Refuse an analysis without a signal, and a process that is named twice."""
    signals = [*section.get("signal_names", []), *_named(section.get("extra_signals", {}))]
    if "signal_names" in section and not signals:
        raise UserError("configuration: analyze_results_teacher.signal_names: expected at least one")
    named = [*signals, *section.get("bg_names", [])]
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise UserError(
            f"configuration: analyze_results_teacher: '{twice[0]}' is named twice among signal_names, extra_signals "
            "and bg_names"
        )


def _named(sources: Mapping[str, Any]) -> list[str]:
    """Return the processes that are not left out."""
    return [name for name, source in sources.items() if source is not None]


def check_names(config: Mapping[str, Any], start: Path) -> None:
    """Refuse names of processes that the configuration does not have.

    Parameters
    ----------
    config : mapping
    start : Path
        The folder that paths are relative to.
    """
    for section in ("selective_sampling_jets", "analyze_results_teacher"):
        _refuse_unknown(config, section, list(config["create_L1regression_data"]["processes"]), start)
    known = [*config["create_L1regression_data"]["processes"], *_prepared_names(start / config["output"])]
    for name in ("train_teacher", "train_student"):
        for process in config[name].get("process_shares") or {}:
            if process not in known:
                raise UserError(
                    f"configuration: {name}.process_shares: no process '{process}', "
                    f"create_L1regression_data.processes has {', '.join(known)}"
                )


def leave_out(config: Mapping[str, Any], start: Path) -> list[str]:
    """Take processes that are null where events come from out of all lists of processes, but leave no list empty.

    Returns
    -------
    list of str
        What was taken out, with the key of the list.
    """
    known = _known(config, start)
    taken = []
    for section, key in PROCESS_LISTS:
        names = config[section].get(key, [])
        without = [name for name in names if name not in known]
        if len(without) < len(names):
            config[section][key] = [name for name in names if name in known]
            taken += [f"{name} of {section}.{key}" for name in without]
    return taken


def check_not_left_out(config: Mapping[str, Any], section: str, start: Path) -> None:
    """Refuse lists of a section of which all processes are null where events come from."""
    _refuse_unknown(config, section, _named(config["create_L1regression_data"]["processes"]), start)


def _known(config: Mapping[str, Any], start: Path) -> list[str]:
    """Return the processes that are not left out, and those of prepared files."""
    return [*_named(config["create_L1regression_data"]["processes"]), *_prepared_names(start / config["output"])]


def _refuse_unknown(config: Mapping[str, Any], section: str, known: Sequence[str], start: Path) -> None:
    """Refuse names in the lists of a section that are neither known nor in prepared files."""
    keys = [key for name, key in PROCESS_LISTS if name == section]
    unknown = [(key, name) for key in keys for name in config[section].get(key, []) if name not in known]
    prepared = _prepared_names(start / config["output"]) if unknown else set()
    for key, name in unknown:
        if name not in prepared:
            raise UserError(
                f"configuration: {section}.{key}: no process '{name}', create_L1regression_data.processes has "
                f"{', '.join([*known, *sorted(prepared - {*known})])}"
            )


def _prepared_names(output: Path) -> set[str]:
    """Return the processes of prepared files, those that stand where the workflow would write but did not."""
    if (output / "benchmarks" / "create_L1regression_data.tsv").exists():
        return set()
    from utils.formats.l1_files import L1Dataset  # takes a second, seldom needed

    names = set()
    for path in (output / "l1_regression" / "train.h5", output / "l1_regression" / "test.h5"):
        try:
            names |= {*L1Dataset.check(path).process_names.values()} if path.exists() else set()
        except UserError:
            continue  # the script that reads the file says what is wrong
    return names


def check_files(config: Mapping[str, Any], start: Path) -> None:
    """Refuse files that are not there or of no use: of the user, or one in the place of the output.

    Parameters
    ----------
    config : mapping
    start : Path
        The folder that paths are relative to.
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
        if not (path.is_dir() if what == "folder" else path.is_file()):
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
        from utils.simulation.smearing import InverseResponse, JetResolution  # takes a second, seldom needed

        (InverseResponse if key == "jet_inverse_response" else JetResolution).read(path)
    elif key == "zero_bias" and not any(path.rglob("*.parquet")):
        raise ValueError(f"no Parquet file in {path}")


def user_sources(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the key and the file name or glob of each process whose events are the user's."""
    return [
        (f"{section}.{key}.{name}", source)
        for section, key in SOURCES
        for name, source in config[section].get(key, {}).items()
        if source not in (None, "generated")
    ]


def user_files(config: Mapping[str, Any], start: Path) -> list[tuple[str, Path]]:
    """Return the key and the path of each other file or folder of the user."""
    named = [
        (f"{section}.{key}", start / config[section][key])
        for section, keys in FILES.items()
        for key in keys
        if config[section].get(key)
    ]
    hard_events = [
        (f"generate_events.processes.{name}.settings", start / config["output"] / file)
        for name in _generated(config)
        for setting in config["generate_events"]["processes"][name]["settings"]
        if (file := les_houches_file(setting))
    ]
    return named + hard_events


def _generated(config: Mapping[str, Any]) -> list[str]:
    """Return the processes whose events are generated."""
    return [
        name
        for section, key in SOURCES
        for name, source in config[section].get(key, {}).items()
        if source == "generated"
    ]


def check_generation(config: Mapping[str, Any]) -> None:
    """Refuse settings that Pythia does not accept, of processes that are generated."""
    for name in _generated(config):
        problem = refusal(tuple(config["generate_events"]["processes"][name]["settings"]))
        if problem:
            raise UserError(f"configuration: generate_events.processes.{name}.settings: {problem}")


def _refuse_many_entries(config: Mapping[str, Any]) -> None:
    """Refuse aliases of aliases, by which a few lines of YAML stand for more entries than memory holds."""
    waiting, n_entries = [config], 0
    while waiting:
        value = waiting.pop()
        inner = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else []
        n_entries += len(inner)
        if n_entries > MOST_ENTRIES:
            raise UserError(f"configuration: more than {MOST_ENTRIES} entries, aliases counted as what they stand for")
        waiting += inner


def _hint(value: Any) -> str:
    """Say how to give a number that has come as text, as those do that Snakemake reads within a section."""
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    if "e" in value.lower():
        return "; YAML reads a number such as 2e34 as text: write 2.0e+34, in a file for --configfile"
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
        text = ",".join(map(_text, value)) if isinstance(value, list | tuple) else _text(value)
        words.append(f"--{key}={text}")
    return words


def _text(value: Any) -> str:
    """Return a value as the text of a flag, the same for 20 and 20.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)


def use_this_python() -> None:
    """Let commands find the running Python first; a conda environment, where a rule uses one, still comes before it."""
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
