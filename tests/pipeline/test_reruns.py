"""Rules that run again after a change: of each key of the configuration, files of the user, folders; after failures."""

import shutil

import pytest
import yaml

from tests.pipeline import planning
from tests.pipeline.planning import ROOT, job_counts
from utils.config.schema import config_schema

KINDS = ("plots_student", "firmware", "onnx")
TARGETS = ("all", *(f"{kind}_{name}" for kind in KINDS for name in ("true_met", "true_ht")))
CONFIG = {
    "variables": ["true_met", "true_ht"],
    "generate_events": {
        "events_per_shard": 10,
        "processes": {"QCD": {"events": 15}, "W": {"events": 10}, "Zll": {"events": 10}},
    },
    "create_L1regression_data": {
        "processes": {"mine": "mine.h5", "hToTauTau": None, "hChToTauNu": None},
        **{f"jet_{name}": f"{name}.csv" for name in ("inverse_response", "resolution_central", "resolution_forward")},
    },
    "selective_sampling_jets": {"processes": ["QCD", "W"], "sampling_threshold": {"true_met": 20, "true_ht": 40}},
    "analyze_results_teacher": {
        "signal_names": ["W"],
        "extra_signals": {"Znunu": None, "Zll": "generated"},
        "zero_bias": "data",
    },
}

ANALYSED = {"analyze_results_teacher": 4}  # teacher and student, MET and HT
EXPORTED = {"export_firmware": 2}
CONVERTED = {"export_onnx": 2}
DISTILLED = {"train_student": 2, "analyze_results_teacher": 2, **EXPORTED}
TRAINED = {"train_teacher": 2, **DISTILLED, **ANALYSED, **CONVERTED}
SELECTED = {"selective_sampling_jets": 2, **TRAINED}
PREPARED = {"create_L1regression_data": 1, **SELECTED}
RESPONSE = {"create_extra_signal": 1, **PREPARED}
GENERATED = {"generate_events": 4, **RESPONSE}
OF_MET = {"train_teacher": 1, "train_student": 1, "analyze_results_teacher": 2, "export_firmware": 1, "export_onnx": 1}

# For each key of the configuration another value, and the jobs that depend on it.
CHANGES = [
    ("output", "other", GENERATED),
    ("seed", 2, GENERATED),
    ("variables", ["true_ht"], {}),
    ("generate_events.energy", 13600, GENERATED),
    ("generate_events.underlying_event", 0, GENERATED),
    ("generate_events.pileup", 10, GENERATED),
    ("generate_events.events_per_shard", 20, {**PREPARED, "generate_events": 1}),  # a shard of QCD, before two
    ("generate_events.processes", {"ttbar": {"events": 7}}, {}),
    ("generate_events.processes.QCD.events", 25, {**PREPARED, "generate_events": 2}),
    ("generate_events.processes.W.settings", ["HardQCD:all = on"], {**PREPARED, "generate_events": 1}),
    ("generate_events.processes.W.source", "mine.h5", {**PREPARED, "generate_events": 1}),
    ("generate_events.processes.W.cross_section", 2.5, {**PREPARED, "generate_events": 1}),
    ("generate_events.processes.Zll.events", 9, {"generate_events": 1, "create_extra_signal": 1, **ANALYSED}),
    ("create_L1regression_data.processes", {"mine": None}, PREPARED),
    ("create_L1regression_data.test_fraction", 0.3, PREPARED),
    ("create_L1regression_data.smearings", 1, PREPARED),
    ("create_L1regression_data.saturated", "cut", RESPONSE),
    ("create_L1regression_data.chunk_size", 100, {}),
    ("create_L1regression_data.jet_inverse_response", None, {}),  # the default table has the same content
    ("create_L1regression_data.jet_inverse_response", "other.csv", RESPONSE),
    ("create_L1regression_data.jet_resolution_central", "resolution_forward.csv", RESPONSE),
    ("create_L1regression_data.jet_resolution_forward", "resolution_central.csv", RESPONSE),
    ("create_L1regression_data.jet_scale_mean", 1.0, RESPONSE),
    ("create_L1regression_data.jet_scale_width", 0.1, RESPONSE),
    ("create_L1regression_data.jet_resolution_factor", 1, RESPONSE),
    ("create_L1regression_data.jet_threshold", 25, RESPONSE),
    ("create_L1regression_data.jet_threshold", 20.0, {}),
    ("create_L1regression_data.muon_threshold", 3, RESPONSE),
    ("create_L1regression_data.egamma_threshold", 5, RESPONSE),
    ("create_L1regression_data.muon_response", [1, 1], RESPONSE),
    ("create_L1regression_data.muon_eta_edge", 2.0, RESPONSE),
    ("create_L1regression_data.muon_resolution", 0.1, RESPONSE),
    ("create_L1regression_data.egamma_response", [1, 1], RESPONSE),
    ("create_L1regression_data.egamma_eta_edge", 1.4, RESPONSE),
    ("create_L1regression_data.egamma_resolution", 0.1, RESPONSE),
    ("create_L1regression_data.nanoaod_l1", "L1Emul", RESPONSE),
    ("create_L1regression_data.nanoaod_met", "PuppiMET", RESPONSE),
    ("create_L1regression_data.nanoaod_jets", "Jet", RESPONSE),
    ("create_L1regression_data.cross_sections", {"QCD": 1e9}, PREPARED),
    ("create_L1regression_data.cross_sections", {"Zll": 2}, {"create_extra_signal": 1, **ANALYSED}),
    ("create_L1regression_data.delphes_met", "GenMissingET", RESPONSE),
    ("create_L1regression_data.delphes_jets", "JetPUPPI", RESPONSE),
    ("create_L1regression_data.delphes_electrons", "ElectronCHS", RESPONSE),
    ("create_L1regression_data.delphes_photons", "PhotonLoose", RESPONSE),
    ("create_L1regression_data.delphes_muons", "MuonLoose", RESPONSE),
    ("selective_sampling_jets.processes", ["QCD", "W", "mine"], SELECTED),
    ("selective_sampling_jets.fractions_to_keep", [0.5], SELECTED),
    ("selective_sampling_jets.mode", ">=", SELECTED),
    ("selective_sampling_jets.sampling_threshold", {"true_met": 30}, {**OF_MET, "selective_sampling_jets": 1}),
    ("selective_sampling_jets.sampling_threshold", {"original_met": 30}, {}),
    ("selective_sampling_jets.sampling_bins", 7, SELECTED),
    ("selective_sampling_jets.chunk_size", 100, {}),
    ("train_teacher.loss_function", "mae", TRAINED),
    ("train_teacher.weight_power", 0.5, TRAINED),
    ("train_teacher.floor_share", 0, TRAINED),
    ("train_teacher.target_scale", {"true_met": 0.9}, OF_MET),
    ("train_teacher.sampled_spectrum", 0, TRAINED),
    ("train_teacher.process_shares", {"QCD": 2, "W": 1}, TRAINED),
    ("train_teacher.log_features", {"true_met": ["pt"]}, OF_MET),
    ("train_teacher.metric_thresholds", {"true_met": [40]}, OF_MET),
    ("train_teacher.max_events", 100, TRAINED),
    ("train_teacher.use_generator", 1, {}),
    ("train_teacher.test_split", 0.3, TRAINED),
    ("train_teacher.batch_size", 100, TRAINED),
    ("train_teacher.search_space", {"units": [64]}, TRAINED),
    ("train_teacher.max_epochs", 7, TRAINED),
    ("train_teacher.final_epochs", 7, TRAINED),
    ("train_teacher.patience", 7, TRAINED),
    ("train_teacher.hyperband_factor", 2, TRAINED),
    ("train_teacher.search_share", 1, TRAINED),
    ("train_teacher.hyperband_iterations", 2, TRAINED),
    ("train_teacher.devices", 2, TRAINED),
    ("train_teacher.mixed_precision", 1, TRAINED),
    ("train_teacher.workers", 2, {}),
    ("train_teacher.worker_jobs", 2, {"train_teacher_worker": 4}),
    ("train_teacher.chief_host", "here", {}),
    ("train_teacher.hyperparameters", "hyperparameters.json", TRAINED),
    ("train_student.alpha", 0.4, DISTILLED),
    ("train_student.feature_weight", 0.1, DISTILLED),
    ("train_student.first_beta", 1e-6, DISTILLED),
    ("train_student.beta", 1e-5, DISTILLED),
    ("train_student.max_ebops", 1000, DISTILLED),
    ("train_student.epochs", 4, DISTILLED),
    ("train_student.loss_function", "mae", DISTILLED),
    ("train_student.weight_power", 1, DISTILLED),
    ("train_student.floor_share", 0, DISTILLED),
    ("train_student.target_scale", 0.9, DISTILLED),
    ("train_student.sampled_spectrum", 0, DISTILLED),
    ("train_student.process_shares", {"QCD": 2, "W": 1}, DISTILLED),
    ("train_student.target", "factor", DISTILLED),
    ("train_student.quantised", 0, DISTILLED),
    ("train_student.object_units", 4, DISTILLED),
    ("train_student.event_units", [8], DISTILLED),
    ("train_student.max_events", 100, DISTILLED),
    ("train_student.use_generator", 1, {}),
    ("train_student.test_split", 0.3, DISTILLED),
    ("train_student.batch_size", 64, DISTILLED),
    ("train_student.learning_rate", 1e-3, DISTILLED),
    ("train_student.energy_step", 1, DISTILLED),
    ("train_student.eta_step", 0.05, DISTILLED),
    ("train_student.phi_steps", 72, DISTILLED),
    ("train_student.object_saturation", 511, DISTILLED),
    ("train_student.n_muons", 2, DISTILLED),
    ("train_student.n_egammas", 2, DISTILLED),
    ("train_student.n_jets", {"true_met": 6}, {"train_student": 1, "analyze_results_teacher": 1, "export_firmware": 1}),
    ("train_student.rate_weighting", 0, DISTILLED),
    ("train_student.muon_saturation", 510, DISTILLED),
    ("train_student.egamma_saturation", 511, DISTILLED),
    ("train_student.jet_saturation", 2047, DISTILLED),
    ("train_student.sum_saturation", 1023, DISTILLED),
    ("train_student.feature_bits", 6, DISTILLED),
    ("train_student.output_bits", 0, DISTILLED),
    ("train_student.table_bits", 6, DISTILLED),
    ("analyze_results_teacher.signal_names", ["W", "mine"], ANALYSED),
    ("analyze_results_teacher.bg_names", ["QCD", "mine"], ANALYSED),
    ("analyze_results_teacher.inclusive_thresholds", {"true_met": [60]}, {"analyze_results_teacher": 2}),
    ("analyze_results_teacher.scaling_thresholds", {"true_met": [60, 70, 80]}, {"analyze_results_teacher": 2}),
    ("analyze_results_teacher.offline_efficiency", 0.95, ANALYSED),
    ("analyze_results_teacher.background_efficiencies", [0.1], ANALYSED),
    ("analyze_results_teacher.fixed_rates", [10], ANALYSED),
    ("analyze_results_teacher.luminosity", 1e34, ANALYSED),
    ("analyze_results_teacher.colliding_bunches", 100, ANALYSED),
    ("analyze_results_teacher.zero_bias", None, ANALYSED),
    ("analyze_results_teacher.zero_bias_mask", "golden.json", ANALYSED),
    ("analyze_results_teacher.zero_bias_runs", [362000], ANALYSED),
    ("analyze_results_teacher.zero_bias_l1", "L1Emul", ANALYSED),
    (
        "analyze_results_teacher.extra_signals",
        {"ttbar": "generated"},
        {"generate_events": 600, "create_extra_signal": 1, **ANALYSED},
    ),
    ("export_firmware.clock_period", 3, EXPORTED),
    ("export_firmware.latency_cutoff", 2, EXPORTED),
    ("export_firmware.rtl_events", 10, EXPORTED),
    ("export_firmware.emulator_version", 2, EXPORTED),
    ("export_firmware.hls", 0, EXPORTED),
    ("export_onnx.tolerance", 1e-4, CONVERTED),
]


def keys_of(schema):
    """Return the keys of the configuration; `*` stands for the name of a process."""
    keys = {f"generate_events.processes.*.{name}" for name in ("events", "settings", "source", "cross_section")}
    for section, inner in schema["properties"].items():
        keys |= {f"{section}.{key}" for key in inner["properties"]} if "properties" in inner else {section}
    return keys


def test_the_table_has_a_row_for_each_key():
    rows = {key for key, *_ in CHANGES}
    rows = {".*.".join(key.rsplit(".", 2)[::2]) if key.count(".") == 3 else key for key in rows}
    assert rows == keys_of(config_schema())


def plan(folder, config, targets=TARGETS, **settings):
    return planning.plan(folder, targets, config=config, **settings)


def counts(*args, **settings):
    return job_counts(plan(*args, **settings))


def changed(key, value):
    """Return the configuration with another value."""
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    *sections, last = key.split(".")
    inner = config
    for section in sections:
        inner = inner.setdefault(section, {})
    old = inner.get(last)
    inner[last] = {**old, **value} if isinstance(old, dict) else value
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder in which all outputs exist, empty, and are recorded as made with `CONFIG`."""
    folder = tmp_path_factory.mktemp("reruns") / "run"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.parquet").write_text("zero bias")
    (folder / "mine.h5").write_text("events")
    (folder / "hyperparameters.json").write_text("{}")
    (folder / "golden.json").write_text('{"362000": [[1, 2]]}')
    tables = ROOT / "utils" / "simulation" / "l1_response"
    for name in ("inverse_response", "resolution_central", "resolution_forward"):
        shutil.copy(tables / f"jet_{name}.csv", folder / f"{name}.csv")
    (folder / "other.csv").write_text((tables / "jet_inverse_response.csv").read_text() + "\n")
    for job in plan(folder, CONFIG):
        for output in job.output:
            path = folder / "output" / output
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if output.is_directory else path.touch()
    plan(folder, CONFIG, executor="touch")
    return folder


class TestKeys:
    def test_nothing_runs_again_where_nothing_has_changed(self, finished):
        assert counts(finished, CONFIG) == {}

    @pytest.mark.parametrize(("key", "value", "expected"), CHANGES, ids=[f"{key}={value}" for key, value, _ in CHANGES])
    @pytest.mark.slow
    def test_a_changed_value_runs_just_what_depends_on_it(self, key, value, expected, finished):
        assert counts(finished, changed(key, value)) == expected
        shutil.rmtree(finished / "other", ignore_errors=True)


def test_an_extra_signal_is_evaluated_from_a_file_of_its_own(finished):
    config = changed("analyze_results_teacher.luminosity", 1e34)
    jobs = [job for job in plan(finished, config) if job.rule.name == "analyze_results_teacher"]
    for job in jobs:
        assert "--signal_names=W,Zll" in job.params.flags
        assert job.params.data == ["--data=l1_regression/test.h5", "--data=l1_regression/extra_signals/Zll.h5"]


def test_cross_sections_are_given_to_the_jobs_that_need_them(finished):
    """And those that nothing needs to the job that smears most processes, which names them in a warning."""
    given = {"QCD": 5, "Zll": 2, "mine.h5": 3, "other": 4}
    jobs = plan(finished, changed("create_L1regression_data.cross_sections", given))
    for rule, expected in (("create_L1regression_data", "QCD=5,mine.h5=3,other=4"), ("create_extra_signal", "Zll=2")):
        (job,) = [job for job in jobs if job.rule.name == rule]
        assert f"--cross_sections={expected}" in job.params.flags


class TestContent:
    """The name, place and time of a file do not count."""

    @pytest.mark.parametrize(
        ("name", "expected"), [("mine.h5", PREPARED), ("data/a.parquet", ANALYSED), ("inverse_response.csv", RESPONSE)]
    )
    def test_of_a_file_of_the_user_decides(self, name, expected, finished):
        path = finished / name
        content = path.read_bytes()
        path.write_bytes(content)
        assert counts(finished, CONFIG) == {}
        path.write_bytes(content + b"\n\n")
        found = counts(finished, CONFIG)
        path.write_bytes(content)
        assert found == expected

    def test_of_a_les_houches_file_decides(self, finished):
        settings = changed("generate_events.processes.Zll.settings", ["Beams:frameType = 4", "Beams:LHEF = ../a.lhe"])
        moved = changed(
            "generate_events.processes.Zll.settings", ["Beams:frameType = 4", f"Beams:LHEF={finished}/b.lhe"]
        )
        for name in ("a.lhe", "b.lhe"):
            (finished / name).write_text("hard events")
        target = ["events/Zll/0.h5"]
        plan(finished, settings, executor="touch", targets=target)
        assert counts(finished, settings, targets=target) == counts(finished, moved, targets=target) == {}
        (finished / "b.lhe").write_text("other events")
        found = counts(finished, moved, targets=target)
        plan(finished, CONFIG, executor="touch", targets=target)
        assert found == {"generate_events": 1}

    def test_of_a_source_decides_and_its_shards_follow_each_other(self, finished):
        block = {"events": 25, "settings": None, "source": "a.hepmc", "cross_section": 2.5}
        sourced = changed("generate_events.processes.Zll", block)
        moved = changed("generate_events.processes.Zll", {**block, "source": str(finished / "b.hepmc")})
        for name in ("a.hepmc", "b.hepmc"):
            (finished / name).write_text("events")
        targets = [f"events/Zll/{shard}.h5" for shard in range(3)]
        jobs = plan(finished, sourced, targets=targets)
        for target in targets:  # as made, since what is not there cannot be touched
            (finished / "output" / target).touch()
        plan(finished, sourced, executor="touch", targets=targets)
        same = counts(finished, sourced, targets=targets), counts(finished, moved, targets=targets)
        (finished / "b.hepmc").write_text("other events")
        found = counts(finished, moved, targets=targets)
        plan(finished, CONFIG, executor="touch", targets=targets[:1])
        assert (*same, found) == ({}, {}, {"generate_events": 3})
        commands = " ".join(job.shellcmd for job in jobs)
        for words in ("--events=8", "--events=9", "--first_event=0", "--first_event=8", "--first_event=16"):
            assert words in commands
        assert f"--source={finished / 'a.hepmc'}" in commands
        assert "--cross_section=2.5" in commands
        assert "--settings" not in commands

    def test_in_another_folder_is_the_same(self, finished):
        moved = finished.rename(finished.with_name("a [2] {moved} folder"))
        (moved / "code {3}").symlink_to(ROOT)
        shutil.copy(moved / "mine.h5", moved / "copy.h5")
        config = changed("create_L1regression_data.processes.mine", "copy.h5")
        try:
            assert counts(moved, config, snakefile=moved / "code {3}" / "Snakefile") == {}
        finally:
            moved.rename(finished)

    def test_of_the_training_sample_decides_on_a_training(self, finished):
        """Selected again with the same events, it is newer, and a process that is only evaluated is in its record."""
        folder = finished / "output" / "selective_true_met"
        for name in ("train.h5", "train.sha256"):
            (folder / name).write_text((folder / name).read_text())
        assert counts(finished, CONFIG, targets=["teacher_true_met"]) == {}
        (folder / "train.sha256").write_text("other events")
        found = counts(finished, CONFIG, targets=["teacher_true_met"])
        (folder / "train.sha256").write_text("")
        assert found == {"train_teacher": 1}


class TestRefused:
    """Nothing is made or removed before."""

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            ("train_teacher.hyperparameters", "output/teacher_true_met/best_hyperparameters.json"),
            ("train_teacher.hyperparameters", "link.json"),
            ("create_L1regression_data.jet_inverse_response", "output/plots_teacher_true_ht/table.csv"),
            ("create_L1regression_data.processes.mine", "output/events/QCD/0.h5"),
            ("create_L1regression_data.processes.mine", "output/l1_regression/t*.h5"),
            ("analyze_results_teacher.zero_bias", "output/firmware_original_met"),
        ],
    )
    def test_a_file_of_the_user_in_an_output(self, key, name, finished):
        path = finished / name
        content = finished / ("inverse_response.csv" if path.suffix == ".csv" else "hyperparameters.json")
        made = not path.exists() and "*" not in name
        if name == "link.json":
            path = finished / "output" / "student_true_ht" / "hyperparameters.json"
            (finished / name).symlink_to(path)
        if not path.suffix:
            path.mkdir()
            (path / "a.parquet").touch()
        elif made:
            shutil.copy(content, path)
        before = sorted((finished / "output").glob("*/*"))
        with pytest.raises(Exception, match=f"{key}: .* is in an output of the workflow"):
            plan(finished, changed(key, name), executor="local")
        assert sorted((finished / "output").glob("*/*")) == before
        if not path.suffix:
            shutil.rmtree(path)
        elif made:
            path.unlink()

    def test_a_directory_beside_the_output(self, finished):
        with pytest.raises(Exception, match=r"--directory .*: results go to `output` of the configuration, output"):
            plan(finished, CONFIG, workdir=finished / "other")


class TestFailure:
    """An output stays until a whole one replaces it."""

    SNAKEFILE = """
import sys
sys.path.insert(0, "{root}")
from utils.compat.snakemake import leave_outputs_to_scripts
leave_outputs_to_scripts()

rule make:
    output: directory("result")
    params:
        depends_on=lambda wildcards: config["value"],
        command=lambda wildcards, input: config["command"],
    shell: "{{params.command}}"
"""

    def run(self, folder, value, command="mkdir -p result; echo new > result/file", executor="local"):
        (folder / "Snakefile").write_text(self.SNAKEFILE.format(root=ROOT))
        config = {"value": value, "command": command}
        return counts(folder, config, ["result"], snakefile=folder / "Snakefile", executor=executor)

    def test_leaves_the_former_output_and_what_is_known_of_it(self, tmp_path):
        assert self.run(tmp_path, 1) == {"make": 1}
        assert self.run(tmp_path, 1, executor="dryrun") == {}
        with pytest.raises(Exception, match="did not complete"):
            self.run(tmp_path, 2, "test -f result/file && kill -9 $$")
        assert (tmp_path / "result" / "file").read_text() == "new\n"
        assert self.run(tmp_path, 2, executor="dryrun") == {"make": 1}
        assert self.run(tmp_path, 1, executor="dryrun") == {}
        assert self.run(tmp_path, 2) == {"make": 1}
        assert self.run(tmp_path, 2, executor="dryrun") == {}
