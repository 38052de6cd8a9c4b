"""The README names what there is: each flag of each script, and each key of the configuration."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SCRIPTS = (
    "generate_events",
    "create_L1regression_data",
    "selective_sampling_jets",
    "train_teacher",
    "train_student",
    "analyze_results_teacher",
    "export_firmware",
)


def section_of(script: str) -> str:
    return re.split(r"\n##+ ", README.split(f"### {script}.py")[1])[0]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_section_of_a_script_names_all_its_flags_and_no_others(script, capsys):
    spec = importlib.util.spec_from_file_location(script, ROOT / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(SystemExit):
        module.parse_args(["--help"])
    flags = set(re.findall(r"--[a-z0-9_]+", capsys.readouterr().out)) - {"--help"}
    assert set(re.findall(r"--[a-z0-9_]+", section_of(script))) - {"--logdir"} == flags


def test_the_configuration_chapter_names_all_keys():
    chapter = re.split(r"\n## ", README.split("## Configuration")[1])[0]
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    keys = set(config) | {key for section in config.values() if isinstance(section, dict) for key in section}
    missing = {key for key in keys if f"`{key}`" not in chapter}
    assert not missing
