"""Files of the user that the configuration names."""

import pytest

from tests.configuration import change, default_config
from utils.config.files import check_files
from utils.config.processes import check_generation, settle_sources
from utils.runtime.errors import UserError


@pytest.fixture
def config():
    config = default_config()
    settle_sources(config, None)
    return config


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
            ("analyze_results_teacher.zero_bias", None, "no such folder"),
            ("analyze_results_teacher.zero_bias", "a file", "no Parquet file and no ROOT file in .*wrong"),
            ("analyze_results_teacher.zero_bias_mask", '{"1": [[2, 1]]}', r"run 1: expected ranges \[FIRST, LAST\]"),
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

    def test_that_are_sources_are_relative_to_the_start(self, config, tmp_path):
        change(config, "generate_events.processes.Z", {"events": 5, "source": "mine.hepmc"})
        change(config, "analyze_results_teacher.extra_signals.Z", "generated")
        with pytest.raises(UserError, match=r"generate_events\.processes\.Z\.source: no such file: .*mine\.hepmc"):
            check_files(config, tmp_path)
        (tmp_path / "mine.hepmc").touch()
        check_files(config, tmp_path)
        check_generation(config)

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
        with pytest.raises(UserError, match=r"analyze_results_teacher\.zero_bias: no Parquet file and no ROOT file"):
            check_files(config, tmp_path)
