"""Sections of the configuration as flags of the scripts."""

import importlib

import pytest

from tests.flags import REQUIRED
from utils.config.flags import flags
from utils.config.schema import STEPS, config_schema, not_flags
from utils.variables import VARIABLES


class TestFlags:
    def test_values_become_text_lists_are_joined_and_null_is_left_out(self):
        section = {"a": 1.0, "b": 0.5, "c": [1, 2.5], "d": [], "e": None, "f": "==", "processes": {"W": {}}}
        expected = ["--a=1", "--b=0.5", "--c=1,2.5", "--d=", "--f==="]
        assert flags(section, leave_out=("processes",)) == expected

    def test_of_a_mapping_by_name_all_is_given(self):
        assert flags({"shares": {"QCD": 4, "h+_2": 0.5}}, "true_met") == ["--shares=QCD=4,h+_2=0.5"]

    def test_of_a_mapping_by_variable_the_value_of_the_variable_is_taken(self):
        section = {"threshold": {"true_met": 20, "true_ht": 60}, "features": {"true_met": ["pt", "met"]}}
        assert flags(section, "true_met") == ["--threshold=20", "--features=pt,met"]
        assert flags(section, "true_ht") == ["--threshold=60"]
        assert flags(section, "original_met") == []


@pytest.mark.parametrize("script", STEPS)
class TestScripts:
    @pytest.mark.parametrize("variable", VARIABLES)
    def test_accept_each_value_of_the_configuration(self, script, variable, config):
        section = {key: value for key, value in config[script].items() if key not in not_flags(script)}
        parse_args = importlib.import_module(script).parse_args
        words = flags(config[script], variable, not_flags(script))
        if script == "selective_sampling_jets":
            words = [*words, f"--sampling_var={variable}"]
        parsed = vars(parse_args([*REQUIRED[script], *words]))
        for key, setting in section.items():
            value = setting[variable] if isinstance(setting, dict) and variable in setting else setting
            found = type(value)(parsed[key]) if isinstance(value, list | dict) else parsed[key]
            assert found == value, key

    def test_have_a_flag_for_each_key_that_the_schema_allows(self, script, capsys):
        properties = config_schema()["properties"][script]["properties"]
        with pytest.raises(SystemExit) as left:
            importlib.import_module(script).parse_args(["--help"])
        assert left.value.code == 0
        words = capsys.readouterr().out.replace("[", " ").split()
        missing = [key for key in properties if key not in not_flags(script) and f"--{key}" not in words]
        assert missing == []


def test_an_abbreviated_flag_is_refused():
    from selective_sampling_jets import parse_args

    with pytest.raises(SystemExit):
        parse_args(["--input=x", "--output=y", "--process=QCD"])
    assert parse_args(["--input=x", "--output=y"]).processes == ()
