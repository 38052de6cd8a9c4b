"""The configuration: what it refuses, and that each of its keys is a flag of the script it is for."""

import copy
import importlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.flags import REQUIRED
from tests.toys import random_l1_events, write_l1
from utils.config.checks import check_config
from utils.config.files import check_files
from utils.config.flags import flags
from utils.config.processes import check_generation, check_names, check_not_left_out, leave_out, n_shards
from utils.config.schema import config_schema, not_flags
from utils.data_processing import graph_creator
from utils.runtime.errors import UserError
from utils.runtime.imports import EXCEPTIONS, WITHOUT_NUMBERS, imported_modules, numeric_modules

ROOT = Path(__file__).parents[2]
VARIABLES = ("true_met", "true_ht", "original_met")


@pytest.fixture
def config():
    return copy.deepcopy(yaml.safe_load((ROOT / "config.yaml").read_text()))


def change(config, key, value):
    """Set a key such as ``train_teacher.max_epochs``."""
    *sections, last = key.split(".")
    for section in sections:
        config = config[section]
    config[last] = value


class TestCheck:
    def test_the_configuration_that_comes_with_the_project_is_valid(self, config):
        check_config(config)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("variables", ["true_met", "true_ht", "original_met"]),
            ("train_teacher.max_events", 1000),
            ("train_teacher.hyperparameters", "file.json"),
            ("create_L1regression_data.processes.Extra", "data/*.h5"),
            ("create_L1regression_data.jet_threshold", 0),
            ("generate_events.pileup", 12.5),
            ("generate_events.processes.Mine", {"events": 10, "settings": ["HardQCD:all = on"]}),
            ("selective_sampling_jets.fractions_to_keep", [1, 0.5, 0]),
            ("analyze_results_teacher.inclusive_thresholds", {"true_ht": [200]}),
            ("analyze_results_teacher.zero_bias", "data/zerobias"),
        ],
    )
    def test_other_values_are_allowed(self, config, key, value):
        change(config, key, value)
        check_config(config)

    @pytest.mark.parametrize(
        ("key", "value", "named"),
        [
            ("sead", 1, "sead"),
            ("train_teacher.max_epoch", 3, "train_teacher: .*max_epoch"),
            ("generate_events.processes.W.event", 3, "generate_events.processes.W: .*'event'"),
            ("seed", "one", "seed: 'one' is not of type 'integer'"),
            ("seed", -1, "seed: -1 is less than the minimum"),
            ("seed", 2**32, "seed: 4294967296 is greater than the maximum"),
            ("seed", True, "seed: True is not of type 'integer'"),
            ("output", "", "output: "),
            ("variables", [], "variables: "),
            ("variables", ["met"], "variables.0: 'met' is not one of"),
            ("variables", ["true_met", "true_met"], "variables: .*non-unique"),
            ("generate_events.energy", 0, "generate_events.energy: 0 is less than or equal to the minimum of 0"),
            ("generate_events.underlying_event", 2, "generate_events.underlying_event: 2 is not one of"),
            ("generate_events.events_per_shard", 0, "generate_events.events_per_shard: "),
            ("generate_events.processes.W.events", 1.5, "generate_events.processes.W.events: 1.5 is not of type"),
            (
                "generate_events.processes.W.settings",
                ["WeakSingleBoson:ffbar2W = on", "beams::ECM 7000"],
                "generate_events.processes.W.settings: 'beams::ECM 7000' would be overridden: --energy decides it",
            ),
            ("generate_events.processes.W.settings", "a = b", "generate_events.processes.W.settings: "),
            ("train_student.table_bits", 15, "train_student.object_saturation, table_bits: expected at most 24 bits"),
            (
                "generate_events.processes",
                {"a/b": {"events": 1, "settings": ["x"]}},
                "generate_events.processes: 'a/b'",
            ),
            ("create_L1regression_data.jet_threshold", -20, "create_L1regression_data.jet_threshold: -20 is less than"),
            ("create_L1regression_data.test_fraction", 1, "create_L1regression_data.test_fraction: "),
            ("create_L1regression_data.muon_response", [1.0], "create_L1regression_data.muon_response: "),
            ("create_L1regression_data.muon_response", [1.0, 0], "create_L1regression_data.muon_response.1: "),
            ("create_L1regression_data.processes.Z", 3, "create_L1regression_data.processes.Z: 3 is not of type"),
            ("selective_sampling_jets.fractions_to_keep", [1, 1.5], "selective_sampling_jets.fractions_to_keep.1: 1.5"),
            ("selective_sampling_jets.mode", "=", "selective_sampling_jets.mode: '=' is not one of"),
            (
                "selective_sampling_jets.sampling_threshold",
                {"true_met": -5},
                "sampling_threshold.true_met: -5 is less than",
            ),
            (
                "selective_sampling_jets.sampling_threshold",
                {"met": 5},
                "selective_sampling_jets.sampling_threshold: 'met'",
            ),
            ("selective_sampling_jets.sampling_threshold", 20, "selective_sampling_jets.sampling_threshold: 20"),
            ("train_teacher.log_features.true_met", ["eta"], "train_teacher.log_features.true_met.0: 'eta' is not one"),
            ("train_teacher.metric_thresholds.true_ht", [-1], "train_teacher.metric_thresholds.true_ht.0: -1 is less"),
            ("train_teacher.hyperband_factor", 1, "train_teacher.hyperband_factor: 1 is less than the minimum of 2"),
            ("train_teacher.max_events", 0, "train_teacher.max_events: "),
            ("train_teacher.use_generator", "yes", "train_teacher.use_generator: 'yes' is not one of"),
            ("analyze_results_teacher.inclusive_thresholds.true_met", [-1], "inclusive_thresholds.true_met.0: -1"),
            (
                "analyze_results_teacher.background_efficiencies",
                [0.5, 1.5],
                "background_efficiencies.1: 1.5 is greater",
            ),
            ("analyze_results_teacher.zero_bias", ["a", "b"], "analyze_results_teacher.zero_bias: "),
            ("analyze_results_teacher.colliding_bunches", 4000, "colliding_bunches: 4000 is greater than the maximum"),
            (
                "analyze_results_teacher.luminosity",
                "2e34",
                "luminosity: '2e34' is not of type 'number'; YAML reads a number such as 2e34 as text: write",
            ),
            ("seed", "one", "seed: 'one' is not of type 'integer'$"),
            ("train_teacher.loss_function", "hubert_1", "train_teacher.loss_function: expected a loss among mse"),
            ("train_teacher.loss_function", "huber", "train_teacher.loss_function: .* received: loss='huber'"),
            ("train_student.loss_function", "quantile_1.5", "train_student.loss_function: .* 0 < TAU < 1"),
            ("train_teacher.log_features.true_ht", ["met"], "log_features.true_ht.0: 'met' is not one of"),
            ("train_teacher.log_features.met", ["pt"], "log_features: .*'met' was unexpected"),
            ("train_teacher.metric_thresholds.true_met", [50, 50], "true_met: .*non-unique"),
            ("train_teacher.max_events", 1, "train_teacher.max_events: 1 is less than the minimum of 2"),
            ("train_teacher.search_space.units", 64, "train_teacher.search_space.units: 64 is not of type"),
            ("train_teacher.search_space.unit", [64], "train_teacher.search_space: unit: expected one of graph_layers"),
            (
                "train_teacher.search_space.units.min",
                65.5,
                "search_space: units: expected a positive integer",
            ),
            ("analyze_results_teacher.bg_names", [], "analyze_results_teacher.bg_names: "),
            ("analyze_results_teacher.signal_names", [], "signal_names: expected at least one"),
            ("analyze_results_teacher.signal_names", ["W", "QCD"], "'QCD' is named twice"),
            (
                "analyze_results_teacher.extra_signals",
                {"W": "w.h5"},
                r"extra_signals\.W: is in create_L1",
            ),
            ("analyze_results_teacher.extra_signals", {"ZZ": "generated"}, r"extra_signals\.ZZ: generated, but"),
            ("generate_events.processes.W.events", 10**12, "shards, expected at most"),
        ],
    )
    def test_what_is_wrong_is_named(self, config, key, value, named):
        change(config, key, value)
        with pytest.raises(UserError, match=f"^configuration: .*{named}"):
            check_config(config)

    @pytest.mark.parametrize("key", ["output", "seed", "train_teacher", "generate_events"])
    def test_what_is_missing_is_named(self, config, key):
        del config[key]
        with pytest.raises(UserError, match=f"'{key}' is a required property"):
            check_config(config)

    def test_generated_process_without_settings_is_named(self, config):
        change(config, "create_L1regression_data.processes.ZZ", "generated")
        with pytest.raises(
            UserError, match=r"create_L1regression_data\.processes\.ZZ: generated, but .* has only QCD, W"
        ):
            check_config(config)

    @pytest.mark.parametrize("key", ["worker_jobs", "chief_host"])
    def test_a_search_that_is_left_out_has_nothing_to_join(self, key, config):
        config["train_teacher"] |= {"hyperparameters": "file.json", key: 3 if key == "worker_jobs" else "here"}
        with pytest.raises(UserError, match=f"^configuration: train_teacher.{key}: .* there is nothing to join$"):
            check_config(config)

    def test_a_selection_that_keeps_nothing_is_refused(self, config):
        config["selective_sampling_jets"] |= {"fractions_to_keep": [0, 0], "mode": ">="}
        with pytest.raises(UserError, match="fractions_to_keep: no event would be kept"):
            check_config(config)

    @pytest.mark.parametrize("variable", VARIABLES)
    def test_the_features_of_the_schema_are_those_that_can_be_transformed(self, variable, config):
        for name in ("pt", "eta", "phi", "met", "ht", "pid"):
            change(config, f"train_teacher.log_features.{variable}", [name])
            try:
                graph_creator(variable, [name])
            except ValueError:
                with pytest.raises(UserError):
                    check_config(config)
            else:
                check_config(config)


class TestNames:
    @pytest.mark.parametrize(
        ("key", "names"),
        [
            ("selective_sampling_jets.processes", ["QCD", "Wjets"]),
            ("analyze_results_teacher.signal_names", ["Wjets"]),
            ("analyze_results_teacher.bg_names", ["Wjets"]),
            ("train_student.process_shares", {"QCD": 4, "Wjets": 2}),
        ],
    )
    def test_of_processes_that_nothing_makes_are_refused(self, key, names, config, tmp_path):
        change(config, key, names)
        with pytest.raises(UserError, match=f"^configuration: {key}: no process 'Wjets', .* has QCD, W, hToTauTau"):
            check_names(config, tmp_path)

    def test_of_prepared_files_are_known(self, config, tmp_path):
        write_l1(tmp_path / "output" / "l1_regression" / "test.h5", random_l1_events(5), (b"SM_1", b"a_b_2"))
        config["analyze_results_teacher"] |= {"signal_names": ["a_b"], "bg_names": ["SM"]}
        check_names(config, tmp_path)
        (tmp_path / "output" / "benchmarks").mkdir()
        (tmp_path / "output" / "benchmarks" / "create_L1regression_data.tsv").touch()  # the workflow has made it
        with pytest.raises(UserError, match="no process 'a_b'"):
            check_names(config, tmp_path)

    def test_of_a_prepared_file_that_hangs_the_library_are_not_waited_for(self, config, tmp_path, monkeypatch):
        path = tmp_path / "output" / "l1_regression" / "train.h5"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"damaged")
        monkeypatch.setattr("utils.formats.first_look.CPU_SECONDS", 1)
        monkeypatch.setattr("utils.formats.l1_files.open_hdf5", lambda path: all(itertools.count(1)))
        config["analyze_results_teacher"]["signal_names"] = ["a_b"]
        with pytest.raises(UserError, match="no process 'a_b'"):
            check_names(config, tmp_path)

    def test_of_processes_that_are_null_are_left_out_of_all_lists(self, config, tmp_path):
        config["create_L1regression_data"]["processes"] |= {"W": None, "hToTauTau": None}
        taken = leave_out(config, tmp_path)
        assert taken == [
            "W of selective_sampling_jets.processes",
            *(f"{name} of analyze_results_teacher.signal_names" for name in ("W", "hToTauTau")),
        ]
        assert config["selective_sampling_jets"]["processes"] == ["QCD"]
        assert config["analyze_results_teacher"]["signal_names"] == ["hChToTauNu"]

    def test_of_processes_that_are_null_leave_no_list_empty(self, config, tmp_path):
        """An empty list of processes would train on all of them."""
        config["create_L1regression_data"]["processes"] |= {"QCD": None, "W": None}
        leave_out(config, tmp_path)
        assert config["selective_sampling_jets"]["processes"] == ["QCD", "W"]
        with pytest.raises(UserError, match=r"selective_sampling_jets\.processes: no process 'QCD'"):
            check_not_left_out(config, "selective_sampling_jets", tmp_path)


class TestFiles:
    @pytest.mark.parametrize(
        ("key", "content", "found"),
        [
            ("create_L1regression_data.processes.Z", None, "no such file: wrong"),
            ("create_L1regression_data.jet_inverse_response", None, "no such file: .*wrong"),
            ("create_L1regression_data.jet_inverse_response", "a,b\n1,2\n", "wrong: "),
            ("create_L1regression_data.jet_resolution_forward", "pt,resolution\n1,-2\n", "expected at least 3 points"),
            ("train_teacher.hyperparameters", None, "no such file: .*wrong"),
            ("train_teacher.hyperparameters", "{", "not a JSON file"),
            ("train_teacher.hyperparameters", '{"unit": 3}', "hyperparameter unit: expected one of graph_layers"),
            ("train_teacher.hyperparameters", '{"units": 0}', "hyperparameter units: expected a positive integer"),
            ("analyze_results_teacher.zero_bias", "a file", "no such folder"),
            ("analyze_results_teacher.extra_signals.Z", None, "no such file: wrong"),
        ],
    )
    def test_that_are_not_there_or_of_no_use_are_refused(self, key, content, found, config, tmp_path):
        if content is not None:
            (tmp_path / "wrong").write_text(content)
        change(config, key, "wrong")
        with pytest.raises(UserError, match=f"^configuration: {key}: .*{found}"):
            check_files(config, tmp_path)

    @pytest.mark.parametrize("output", ["file", "file/of/results"])
    def test_in_the_place_of_the_output_are_refused(self, output, config, tmp_path):
        (tmp_path / "file").touch()
        change(config, "output", output)
        with pytest.raises(UserError, match=r"^configuration: output: .*file: is a file, expected a folder"):
            check_files(config, tmp_path)

    def test_of_hard_events_that_are_not_there_are_refused_where_they_are_needed(self, config, tmp_path):
        block = {"events": 5, "settings": ["Beams:frameType = 4", f"beams:LHEF={tmp_path / 'hard.lhe'}"]}
        change(config, "generate_events.processes.Z", block)
        check_files(config, tmp_path)
        change(config, "analyze_results_teacher.extra_signals.Z", "generated")
        with pytest.raises(UserError, match=r"generate_events\.processes\.Z\.settings: no such file: .*hard\.lhe"):
            check_files(config, tmp_path)
        (tmp_path / "hard.lhe").touch()
        check_files(config, tmp_path)

    def test_of_settings_that_pythia_does_not_know_are_refused_where_they_are_needed(self, config):
        check_generation(config)
        change(config, "generate_events.processes.ttbar.settings", ["Top:gg2tbar = on"])
        check_generation(config)
        change(config, "create_L1regression_data.processes.ttbar", "generated")
        with pytest.raises(
            UserError, match=r"generate_events\.processes\.ttbar\.settings: .* accept 'Top:gg2tbar = on'"
        ):
            check_generation(config)

    def test_of_a_folder_without_parquet_files_are_refused(self, config, tmp_path):
        (tmp_path / "data").mkdir()
        change(config, "analyze_results_teacher.zero_bias", "data")
        with pytest.raises(UserError, match=r"analyze_results_teacher\.zero_bias: no Parquet file"):
            check_files(config, tmp_path)


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


@pytest.mark.parametrize("script", REQUIRED)
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


class TestModules:
    def test_are_found_through_others_in_all_ways_to_import(self, tmp_path):
        contents = {
            "main.py": "import os\nimport utils.a\nfrom utils import b, missing\nfrom utils.c import thing\n",
            "utils/a.py": "import numpy\n",
            "utils/b.py": "def f():\n    from nn.deep import x\n",
            "utils/c.py": "import utils.a\nfrom utils import b\n",
            "utils/unused.py": "",
            "nn/deep.py": "if True:\n    import utils.d as e\n",
            "utils/d.py": "from main import nothing\n",
            "other/x.py": "",
        }
        for name, text in contents.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        found = [str(path.relative_to(tmp_path)) for path in imported_modules(tmp_path / "main.py")]
        assert found == ["nn/deep.py", "utils/a.py", "utils/b.py", "utils/c.py", "utils/d.py"]

    def test_of_the_data_steps_are_without_the_network(self):
        for script in ("generate_events", "create_L1regression_data", "selective_sampling_jets"):
            found = imported_modules(ROOT / f"{script}.py")
            assert ROOT / "utils" / "runtime" / "paths.py" in found
            assert not any(path.is_relative_to(ROOT / "nn") for path in found)

    def test_of_the_training_are_with_the_network_that_it_imports_late(self):
        found = imported_modules(ROOT / "train_teacher.py")
        assert {ROOT / "nn" / name for name in ("layers.py", "losses.py", "teacher.py")} <= {*found}
        assert ROOT / "utils" / "simulation" / "smearing.py" in found  # through the plots
        assert ROOT / "utils" / "simulation" / "detector.py" not in found

    @pytest.mark.parametrize("script", ["train_teacher", "train_student"])
    def test_with_numbers_are_those_that_compute(self, script):
        found = {str(path.relative_to(ROOT)) for path in numeric_modules(ROOT / f"{script}.py")}
        computing = ("data_processing", "variables", "formats/l1_files", "runtime/random_streams", "runtime/compiled")
        training = ("batches", "loss_weights", "normalisation", "ragged_graphs", "training_graphs")
        assert {f"utils/{name}.py" for name in computing} <= found
        assert {f"utils/training/{name}.py" for name in training} <= found
        assert {"nn/layers.py", "nn/losses.py", "nn/training/fit.py"} <= found
        left_out = ("utils/plotting", "utils/steps", "utils/evaluation", "utils/cli.py", "utils/runtime/signals.py")
        assert not any(name.startswith(left_out) for name in found)

    def test_that_a_network_imports_count_without_being_listed(self, tmp_path):
        for name in (*WITHOUT_NUMBERS, *EXCEPTIONS):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch() if name.endswith(".py") else (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "train.py").write_text("import nn.model, utils.plotting.style\n")
        (tmp_path / "nn").mkdir()
        (tmp_path / "nn" / "model.py").write_text("import utils.new, utils.runtime.compiled, utils.cli\n")
        (tmp_path / "utils" / "new.py").touch()
        (tmp_path / "utils" / "plotting" / "style.py").write_text("import utils.colours\n")
        (tmp_path / "utils" / "colours.py").touch()
        found = [str(path.relative_to(tmp_path)) for path in numeric_modules(tmp_path / "train.py")]
        assert found == ["nn/model.py", "utils/new.py", "utils/runtime/compiled.py"]
        (tmp_path / "utils" / "cli.py").unlink()
        with pytest.raises(FileNotFoundError, match=r"utils/cli\.py: is left out .* but is not there"):
            numeric_modules(tmp_path / "train.py")


@pytest.mark.parametrize("script", ["generate_events", "selective_sampling_jets", "analyze_results_teacher"])
def test_scripts_import_no_module_that_the_workflow_does_not_know_of(script):
    code = f"import sys, {script}\nfor m in list(sys.modules.values()):\n    print(getattr(m, '__file__', None) or '')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    loaded = {Path(line) for line in output.splitlines() if line.startswith((f"{ROOT}/utils/", f"{ROOT}/nn/"))}
    loaded = {path for path in loaded if path.name != "__init__.py"}
    assert len(loaded) > 3
    assert loaded <= set(imported_modules(ROOT / f"{script}.py"))


def test_an_abbreviated_flag_is_refused():
    from selective_sampling_jets import parse_args

    with pytest.raises(SystemExit):
        parse_args(["--input=x", "--output=y", "--process=QCD"])
    assert parse_args(["--input=x", "--output=y"]).processes == ()


def test_shards_are_as_many_as_the_events_need_and_not_beyond_what_can_be_planned():
    assert [n_shards(events, 3000) for events in (1, 3000, 3001)] == [1, 1, 2]
    with pytest.raises(UserError, match="10000000 shards, expected at most 100000: raise events_per_shard"):
        n_shards(10**10, 1000)


def test_aliases_of_aliases_are_refused_before_they_are_written_out():
    bomb = ["x"] * 9
    for _ in range(12):
        bomb = [bomb] * 9
    with pytest.raises(UserError, match="more than 100000 entries"):
        check_config({"seed": bomb})
