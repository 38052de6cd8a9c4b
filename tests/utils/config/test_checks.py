"""What the configuration refuses, naming the key."""

import pytest

from tests.configuration import change
from utils.config.checks import check_config
from utils.data_processing import graph_creator
from utils.runtime.errors import UserError
from utils.variables import VARIABLES


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
            ("generate_events.processes.Mine", {"events": 10, "source": "mine.hepmc", "cross_section": 2.5}),
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
            ("generate_events.processes.W", {"events": 3}, "processes.W: expected settings or a source, found neither"),
            ("generate_events.processes.W.source", "", "generate_events.processes.W.source: "),
            ("generate_events.processes.W.cross_section", 0, "generate_events.processes.W.cross_section: 0 is less"),
            ("train_student.table_bits", 15, "train_student.jet_saturation, table_bits: expected at most 24 bits"),
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
            (
                "analyze_results_teacher",
                {"signal_names": [], "extra_signals": {"Znunu": None}},
                "signal_names: expected at least one",
            ),
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


def test_aliases_of_aliases_are_refused_before_they_are_written_out():
    bomb = ["x"] * 9
    for _ in range(12):
        bomb = [bomb] * 9
    with pytest.raises(UserError, match="more than 100000 entries"):
        check_config({"seed": bomb})
