"""Names of processes, and the settings of those that are generated."""

import itertools

import pytest

from tests.configuration import change
from tests.toys import random_l1_events, write_l1
from utils.config.processes import check_names, check_not_left_out, leave_out, n_shards
from utils.runtime.errors import UserError


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


def test_shards_are_as_many_as_the_events_need_and_not_beyond_what_can_be_planned():
    assert [n_shards(events, 3000) for events in (1, 3000, 3001)] == [1, 1, 2]
    with pytest.raises(UserError, match="10000000 shards, expected at most 100000: raise events_per_shard"):
        n_shards(10**10, 1000)
