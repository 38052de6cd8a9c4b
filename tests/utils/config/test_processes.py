"""Names of processes, and the settings of those that are generated."""

import itertools

import pytest

from tests.configuration import change
from tests.toys import random_l1_events, write_l1
from utils.config.checks import check_config
from utils.config.processes import check_names, check_not_left_out, generated, leave_out, n_shards
from utils.runtime.errors import UserError


class TestNames:
    @pytest.mark.parametrize(
        ("key", "names"),
        [
            ("selective_sampling_jets.processes", ["QCD", "WZ"]),
            ("analyze_results_teacher.signal_names", ["WZ"]),
            ("analyze_results_teacher.bg_names", ["WZ"]),
            ("train_student.process_shares", {"QCD": 4, "WZ": 2}),
        ],
    )
    def test_of_processes_that_nothing_makes_are_refused(self, key, names, config, tmp_path):
        change(config, key, names)
        with pytest.raises(UserError, match=f"^configuration: {key}: no process 'WZ', .* has QCD, W, hToTauTau"):
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
        config["create_L1regression_data"]["processes"] |= {"W": None, "hToTauTau": None, "Wjets": None}
        taken = leave_out(config, tmp_path)
        assert taken == [
            "Wjets of selective_sampling_jets.processes",
            *(f"{name} of analyze_results_teacher.signal_names" for name in ("W", "hToTauTau")),
        ]
        assert config["selective_sampling_jets"]["processes"] == ["QCD"]
        assert config["analyze_results_teacher"]["signal_names"] == ["hChToTauNu"]

    def test_of_w_takes_the_place_of_wjets_in_the_training(self, config, tmp_path):
        """Such as W of prepared files, beside which no events are generated."""
        config["create_L1regression_data"]["processes"]["Wjets"] = None
        assert leave_out(config, tmp_path) == ["Wjets of selective_sampling_jets.processes (W instead)"]
        assert config["selective_sampling_jets"]["processes"] == ["QCD", "W"]

    def test_of_processes_that_are_null_leave_no_list_empty(self, config, tmp_path):
        """An empty list of processes would train on all of them."""
        config["create_L1regression_data"]["processes"] |= {"QCD": None, "W": None, "Wjets": None}
        assert "QCD of selective_sampling_jets.processes" not in leave_out(config, tmp_path)
        assert config["selective_sampling_jets"]["processes"] == ["QCD", "Wjets"]
        with pytest.raises(UserError, match=r"selective_sampling_jets\.processes: no process 'QCD'"):
            check_not_left_out(config, "selective_sampling_jets", tmp_path)


class TestAutomaticSources:
    """By default Znunu is only evaluated, and Wjets waits for a list to name it, as that of the training does."""

    DEFAULT = ("QCD", "W", "hToTauTau", "hChToTauNu")

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, [*DEFAULT, "Wjets", "Znunu"]),
            ({"selective_sampling_jets.processes": ["QCD", "W"]}, [*DEFAULT, "Znunu"]),
            ({"selective_sampling_jets.processes": []}, [*DEFAULT, "Znunu"]),  # all that is there
            (
                {"selective_sampling_jets.processes": ["QCD", "W"], "analyze_results_teacher.signal_names": ["Wjets"]},
                [*DEFAULT, "Wjets", "Znunu"],
            ),
            ({"analyze_results_teacher.extra_signals.Znunu": None}, [*DEFAULT, "Wjets"]),
            ({"analyze_results_teacher.extra_signals.VBFHinv": "generated"}, [*DEFAULT, "Wjets", "Znunu", "VBFHinv"]),
            (
                {
                    "selective_sampling_jets.processes": ["QCD", "W"],
                    "analyze_results_teacher.extra_signals.Wjets": "generated",
                },
                [*DEFAULT, "Znunu", "Wjets"],
            ),
            ({"create_L1regression_data.processes.Znunu": "generated"}, [*DEFAULT, "Wjets", "Znunu"]),
            ({"create_L1regression_data.processes.QCD": "qcd.h5"}, [*DEFAULT[1:]]),
            (
                {
                    "create_L1regression_data.processes.SM": "sm.h5",
                    "analyze_results_teacher.bg_names": ["SM"],
                    "selective_sampling_jets.processes": ["SM", "Wjets"],
                },
                [*DEFAULT],
            ),
        ],
        ids=lambda value: ",".join(value),
    )
    def test_generate_what_is_of_use_beside_a_generated_background(self, changes, expected, config):
        for key, value in changes.items():
            change(config, key, value)
        check_config(config)
        assert generated(config) == expected

    def test_of_extra_signals_wait_for_no_generation_beside_prepared_files(self, config, tmp_path):
        write_l1(tmp_path / "output" / "l1_regression" / "test.h5", random_l1_events(5), (b"QCD_1", b"W_2"))
        check_config(config, tmp_path)
        assert generated(config) == [*self.DEFAULT]

    def test_do_not_change_once_the_workflow_writes_its_files(self, config, tmp_path):
        """A job on a farm reads the configuration again, while others run."""
        write_l1(tmp_path / "output" / "l1_regression" / "test.h5", random_l1_events(5), (b"QCD_1", b"W_2"))
        (tmp_path / "output" / "logs").mkdir()
        (tmp_path / "output" / "logs" / "create_L1regression_data.log").touch()
        check_config(config, tmp_path)
        assert generated(config) == [*self.DEFAULT, "Wjets", "Znunu"]

    def test_do_not_hide_a_signal_that_is_also_trained_on(self, config):
        config["selective_sampling_jets"]["processes"] = ["QCD", "Wjets"]
        config["analyze_results_teacher"]["extra_signals"]["Wjets"] = "generated"
        with pytest.raises(UserError, match=r"extra_signals\.Wjets: is in create_L1regression_data\.processes"):
            check_config(config)


def test_shards_are_as_many_as_the_events_need_and_not_beyond_what_can_be_planned():
    assert [n_shards(events, 3000) for events in (1, 3000, 3001)] == [1, 1, 2]
    with pytest.raises(UserError, match="10000000 shards, expected at most 100000: raise events_per_shard"):
        n_shards(10**10, 1000)
