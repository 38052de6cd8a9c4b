"""The reference tables of the documentation hold what the parsers, the configuration and the schemas hold."""

import importlib.util
import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)


def test_the_row_of_a_flag_has_its_name_default_value_and_meaning():
    rows = {row[0]: row[1:] for row in tables.flag_rows("create_L1regression_data")}
    assert rows["`--test_fraction`"][:2] == ["`0.4`", "number, above 0, at most 0.99"]
    assert rows["`--jet_threshold`"][:2] == ["`20`", r"number \[GeV\], at least 0"]
    assert rows["`--input`"][0] == "required"


@pytest.mark.parametrize("script", tables.STEPS)
def test_each_script_has_a_page_section_with_its_flags_and_each_section_its_keys(script):
    pages = ROOT / "docs" / "reference"
    assert f"## {script}.py\n" in (pages / "command_lines.md").read_text()
    assert f"```{{flags}} {script}\n" in (pages / "command_lines.md").read_text()
    assert f"```{{configuration}} {script}\n" in (pages / "configuration.md").read_text()
    assert all(meaning for *_, meaning in tables.flag_rows(script))


@pytest.mark.parametrize("section", ["", *tables.STEPS])
def test_each_key_of_the_configuration_has_a_row_with_its_default_and_meaning(section):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    rows = {row[0].strip("`"): row[1:] for row in tables.configuration_rows(section)}
    wanted = config[section] if section else {key for key in config if key not in tables.STEPS}
    assert set(wanted) <= set(rows)
    assert all(meaning for *_, meaning in rows.values())


def test_the_default_and_the_range_of_a_key():
    rows = {row[0]: row[1:3] for row in tables.configuration_rows("create_L1regression_data")}
    assert rows["`test_fraction`"] == ["`0.4`", "number, above 0 and at most 0.99"]
    assert rows["`muon_response`"] == ["`[0.98, 0.95]`", "list of: number, above 0"]


def test_all_definitions_of_the_results_schema_are_shown():
    schema = json.loads((ROOT / "docs" / "results.schema.json").read_text())
    lines = list(tables.schema_lines(ROOT / "docs" / "results.schema.json"))
    for name in schema["$defs"]:
        assert any(line.startswith(f"**`{name}") for line in lines)
    for key in schema["properties"]:
        assert any(line.startswith(f"| `{key}` |") for line in lines)


def test_bars_and_markup_of_plain_text_stay_in_their_cell():
    assert tables.text_of("|eta| of a_b, `|x|`") == r"\|eta\| of a\_b, `\|x\|`"


def test_each_module_is_in_the_page_of_its_folder():
    folders = tables.modules_by_folder()
    assert "utils.runtime.errors" in folders["utils.runtime"]
    found = {module for modules in folders.values() for module in modules}
    files = [path for name in ("utils", "nn") for path in (ROOT / name).rglob("*.py") if path.name != "__init__.py"]
    assert len(found) == len(files)
    assert ".. automodule:: utils.runtime.errors" in tables.api_page("utils.runtime", ["utils.runtime.errors"])
