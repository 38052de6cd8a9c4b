"""The schema, the defaults and the comments of config.yaml are those that the scripts declare."""

import subprocess
import sys
from collections.abc import Mapping

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.configuration import ROOT
from utils.config.checks import check_config
from utils.config.schema import STEPS, config_schema, options, workflow_keys

TEXT = (ROOT / "config.yaml").read_text()
KEYS = [(step, option) for step in STEPS for option in (*options(step), *workflow_keys(step))]

# Keys whose value in config.yaml is not the default of the script.
OTHER_VALUES = {
    "generate_events.energy": "without the flag a Les Houches file decides, which the default processes have not",
    "generate_events.processes": "has no default: the processes are what a user chooses",
    "create_L1regression_data.processes": "has no default: the processes are what a user chooses",
    "selective_sampling_jets.processes": "names processes of this configuration; without the flag all are kept",
    "train_teacher.process_shares": "names a process of this configuration; without the flag all have the same share",
    "train_student.process_shares": "names a process of this configuration; without the flag all have the same share",
    "analyze_results_teacher.extra_signals": "names a process of this configuration; without the key there is none",
}


def comments(text):
    """Return the comment of each key, above it or behind it, by the dotted name of the key."""
    found, above, section = {}, [], ""
    for line in text.splitlines():
        code, _, comment = line.partition("#")
        name, colon, _ = code.strip().partition(":")
        indent = len(code) - len(code.lstrip())
        if not code.strip():
            above = [*above, comment.strip()] if comment else []
            continue
        if colon and indent <= 2:
            key = f"{section}.{name}" if indent else name
            section = section if indent else name
            found[key] = " ".join([*above, comment.strip()]).strip()
        above = []
    return found


def plain(value):
    """Return a value in the types of YAML."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(config_schema())


@pytest.mark.parametrize(("step", "option"), KEYS, ids=[f"{step}.{option.name}" for step, option in KEYS])
def test_a_value_of_the_configuration_is_the_default_of_the_script(step, option):
    section, name = yaml.safe_load(TEXT)[step], f"{step}.{option.name}"
    if option.name in section:
        default = option.flag.by_variable or option.default
        found, expected = plain(section[option.name]), plain(default)
        if expected is not None and not isinstance(found, dict | list) and option.flag.by_variable:
            expected = None  # null stands for no value of any variable
        assert (found == expected) != (name in OTHER_VALUES)


def test_keys_with_other_values_are_keys():
    assert {*OTHER_VALUES} <= {f"{step}.{option.name}" for step, option in KEYS}


@pytest.mark.parametrize("section", ["", *STEPS])
def test_a_comment_of_the_configuration_is_the_help_of_the_script(section):
    properties = config_schema()["properties"]
    known = properties[section]["properties"] if section else properties
    found = {
        name.rpartition(".")[2]: text for name, text in comments(TEXT).items() if name.rpartition(".")[0] == section
    }
    expected = {key: known[key]["description"] for key in found if "description" in known[key]}
    assert {key: found[key] for key in expected} == expected


def test_keys_that_are_left_out_have_defaults():
    config = yaml.safe_load(TEXT)
    for step in STEPS:
        config[step] = {key: value for key, value in config[step].items() if key == "processes"}
    check_config(config)
    assert config["generate_events"]["events_per_shard"] == 3000
    assert config["train_teacher"]["worker_jobs"] == 0
    assert config["analyze_results_teacher"]["extra_signals"] == {}


def test_the_options_load_without_large_libraries():
    """They are read at each plan."""
    code = "import sys, utils.config.schema as schema; schema.config_schema(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    large = {"keras", "tensorflow", "hgq", "alkaid", "hls4ml", "pythia8mc", "fastjet", "matplotlib", "pandas"}
    assert not large & {*loaded.split()}
