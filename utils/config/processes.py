"""The processes of the configuration: the sources of their events, and the lists that name them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.config.schema import process_lists
from utils.evaluation.options import EvaluationOptions
from utils.runtime.errors import UserError
from utils.simulation.pythia_settings import overriding_flag, refusal

MAX_SHARDS = 100_000

# Keys that map processes to the sources of their events.
SOURCES = (("create_L1regression_data", "processes"), ("analyze_results_teacher", "extra_signals"))
AUTO = "auto"

# Process that takes the place of one without events in a training, such as W of prepared files.
INSTEAD = {"Wjets": "W"}


def n_shards(events: int, events_per_shard: int) -> int:
    """Return the number of files for the events of a process; Snakemake cannot plan more than MAX_SHARDS."""
    number = -(-events // events_per_shard)
    if number > MAX_SHARDS:
        raise UserError(
            f"configuration: generate_events: {events} events make {number} shards, expected at most {MAX_SHARDS}: "
            "raise events_per_shard"
        )
    return number


def settle_sources(config: Mapping[str, Any], start: Path | None) -> None:
    """Replace each source `auto` by `generated`, or by none where the events would be of no use.

    A generated signal is of no use beside a background from files, which is of another detector and may have no
    weights. A process of ``create_L1regression_data`` has to be named in a list of processes. An extra signal must not
    have another source already.

    Parameters
    ----------
    config : mapping
        Changed in place.
    start : Path, optional
        Folder to which paths are relative. Without it prepared files are not looked for.
    """
    processes = config["create_L1regression_data"]["processes"]
    extra = config["analyze_results_teacher"]["extra_signals"]
    backgrounds = config["analyze_results_teacher"].get("bg_names", EvaluationOptions.bg_names)
    generated_background = any(processes.get(name) == "generated" for name in backgrounds)
    automatic = [*_automatic(processes), *_automatic(extra)]
    useful = generated_background and not (automatic and start and _prepared(start / config["output"]))
    named = {name for section, key in process_lists() for name in config[section].get(key, [])}
    for name in _automatic(processes):
        processes[name] = "generated" if useful and name in named else None
    for name in _automatic(extra):
        extra[name] = "generated" if useful and processes.get(name) is None else None


def _automatic(sources: Mapping[str, Any]) -> list[str]:
    """Return the processes with the source `auto`."""
    return [name for name, source in sources.items() if source == AUTO]


def check_sources(config: Mapping[str, Any]) -> None:
    """Refuse a process to be generated without settings, too many events, and an extra signal that is trained on."""
    processes = config["create_L1regression_data"]["processes"]
    extra = config["analyze_results_teacher"]["extra_signals"]
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
    for name in with_events(extra):
        if name in with_events(processes):
            raise UserError(
                f"configuration: analyze_results_teacher.extra_signals.{name}: is in "
                "create_L1regression_data.processes, expected a process that is only evaluated"
            )


def check_settings(processes: Mapping[str, Any]) -> None:
    """Refuse a process without events, and Pythia settings that a flag of the script would override."""
    for name, process in processes.items():
        if process and not (process.get("settings") or process.get("source")):
            raise UserError(
                f"configuration: generate_events.processes.{name}: expected settings or a source, found neither"
            )
        for setting in (process.get("settings") or ()) if process else ():
            if flag := overriding_flag(setting):
                raise UserError(
                    f"configuration: generate_events.processes.{name}.settings: '{setting}' would be overridden: "
                    f"{flag} decides it, give that instead"
                )


def check_generation(config: Mapping[str, Any]) -> None:
    """Refuse settings of generated processes that Pythia does not accept."""
    for name in generated(config):
        problem = refusal(tuple(config["generate_events"]["processes"][name].get("settings") or ()))
        if problem:
            raise UserError(f"configuration: generate_events.processes.{name}.settings: {problem}")


def check_names(config: Mapping[str, Any], start: Path) -> None:
    """Refuse names of processes that the configuration does not have.

    Parameters
    ----------
    config : mapping
    start : Path
        Folder to which paths are relative.
    """
    for section in dict.fromkeys(step for step, _ in process_lists()):
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
    """Remove processes without a source of events from all lists of processes, but leave no list empty.

    In the list of the training, another process may take the place of one that is removed (`INSTEAD`).

    Returns
    -------
    list of str
        The names removed, each with the key of its list and the process in its place.
    """
    known = _known(config, start)
    taken = []
    for section, key in process_lists():
        names = config[section].get(key, [])
        left, removed = [name for name in names if name in known], []
        for name in (name for name in names if name not in known):
            other = INSTEAD.get(name) if section == "selective_sampling_jets" else None
            instead = other in known and other not in left
            left += [other] * instead
            removed.append(f"{name} of {section}.{key}" + f" ({other} instead)" * instead)
        if left:
            config[section][key] = left
            taken += removed
    return taken


def check_not_left_out(config: Mapping[str, Any], section: str, start: Path) -> None:
    """Refuse a list of a section in which no process has a source of events."""
    _refuse_unknown(config, section, with_events(config["create_L1regression_data"]["processes"]), start)


def _known(config: Mapping[str, Any], start: Path) -> list[str]:
    """Return the processes with a source of events, and those of prepared files."""
    return [*with_events(config["create_L1regression_data"]["processes"]), *_prepared_names(start / config["output"])]


def _refuse_unknown(config: Mapping[str, Any], section: str, known: Sequence[str], start: Path) -> None:
    """Refuse names in the lists of a section that are neither known nor in prepared files."""
    keys = [key for name, key in process_lists() if name == section]
    unknown = [(key, name) for key in keys for name in config[section].get(key, []) if name not in known]
    prepared = _prepared_names(start / config["output"]) if unknown else set()
    for key, name in unknown:
        if name not in prepared:
            raise UserError(
                f"configuration: {section}.{key}: no process '{name}', create_L1regression_data.processes has "
                f"{', '.join([*known, *sorted(prepared - {*known})])}"
            )


def _prepared_names(output: Path) -> set[str]:
    """Return the processes of prepared files: L1 files in the output folder that the workflow did not write."""
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


def _prepared(output: Path) -> bool:
    """Return whether the L1 files are prepared. The workflow writes the log first, so jobs on a farm agree."""
    return not (output / "logs" / "create_L1regression_data.log").exists() and bool(_prepared_names(output))


def generated(config: Mapping[str, Any]) -> list[str]:
    """Return the processes whose events are generated."""
    return [name for section, key in SOURCES for name, source in config[section][key].items() if source == "generated"]


def with_events(sources: Mapping[str, Any]) -> list[str]:
    """Return the processes with a source of events."""
    return [name for name, source in sources.items() if source is not None]
