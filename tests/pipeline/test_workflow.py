"""The Snakemake workflow: plans, a small complete run, repeated runs, bad configurations, the report."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import h5py
import psutil
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from nn.teacher import load_teacher
from tests.pipeline import planning
from tests.pipeline.planning import ROOT, job_counts
from tests.toys import random_nanoaod, write_nanoaod

QUICK = ROOT / "tests" / "pipeline" / "quick.yaml"
GENERATED = {"generate_events": 5}  # two shards of QCD and one of each other process
PREPARED = {**GENERATED, "create_L1regression_data": 1}
SELECTED = {**PREPARED, "selective_sampling_jets": 1}
TRAINED = {**SELECTED, "train_teacher": 1}
ANALYSED = {**TRAINED, "analyze_results_teacher": 1}
TARGETS = ("plots_teacher_true_met", "plots_teacher_true_ht", "plots_student_true_met", "firmware_true_met")


def call(folder, *words, code=ROOT, config=()):
    """Return the arguments for subprocess to call snakemake in a folder, with the quick configuration and changes."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", code / "Snakefile", "--configfile", QUICK, *config]
    return {
        "args": [str(word) for word in [*command, "--cores", 1, "--nocolor", *words]],
        "cwd": folder,
        "env": {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def snakemake(folder, *words, code=ROOT, config=()):
    return subprocess.run(**call(folder, *words, code=code, config=config))


def jobs(run):
    """Return the number of jobs of each rule in the first table of jobs that snakemake shows."""
    if "Nothing to be done" in run.stdout:
        return {}
    table = re.search(r"^job +count\n[- ]+\n(.*?)\n\n", run.stdout, re.MULTILINE | re.DOTALL).group(1)
    counts = {name: int(count) for name, count in (line.split() for line in table.splitlines())}
    assert counts.pop("total") == sum(counts.values())
    return counts


def plan(folder, *targets, own="{}", **settings):
    """Return the jobs planned with the quick configuration and with one of the user's own."""
    (folder / "own.yaml").write_text(own)
    return planning.plan(folder, targets, configfiles=[QUICK, folder / "own.yaml"], **settings)


class TestPlan:
    @pytest.mark.parametrize(
        ("target", "expected"),
        [
            ("plots_selective_original_met", SELECTED),
            ("student_true_ht", {**TRAINED, "train_student": 1}),
        ],
    )
    def test_of_a_target_has_what_it_needs_and_nothing_more(self, target, expected, tmp_path):
        assert job_counts(plan(tmp_path, target)) == expected

    @pytest.mark.parametrize("told", [(), ("-f",)])
    def test_trains_anew_what_is_finished_only_where_it_is_told_to(self, told, tmp_path):
        """In a process of its own, since the Snakefile looks at its command line."""
        run = snakemake(tmp_path, "--dry-run", "--printshellcmds", *told, "student_true_met").stdout
        commands = [line for line in run.splitlines() if "TF_NUM" in line and "train_" in line]
        assert len(commands) == 2
        assert ["--force" in command for command in commands] == 2 * [bool(told)]
        assert not (tmp_path / "output").exists()

    def test_without_a_target_analyses_the_variables_of_the_configuration(self, tmp_path):
        twice = {"selective_sampling_jets": 2, "train_teacher": 2, "analyze_results_teacher": 2}
        assert job_counts(plan(tmp_path)) == ANALYSED
        assert job_counts(plan(tmp_path, own="variables: [true_ht, original_met]")) == {**PREPARED, **twice}

    def test_of_events_files_of_the_user_generates_none_for_them(self, tmp_path):
        (tmp_path / "data").mkdir()
        for name in ("a.h5", "b.h5"):
            (tmp_path / "data" / name).touch()
        own = "create_L1regression_data: {processes: {QCD: data/*.h5}}"
        jobs = plan(tmp_path, "plots_selective_true_met", own=own)
        assert job_counts(jobs) == {**SELECTED, "generate_events": 3}
        (smearing,) = (job for job in jobs if job.rule.name == "create_L1regression_data")
        assert f"--input=QCD={tmp_path / 'data' / 'a.h5'}" in smearing.shellcmd

    def test_of_zero_bias_events_of_the_user_takes_the_folder_from_where_it_was_started(self, tmp_path):
        own = "analyze_results_teacher: {zero_bias: zerobias}"
        with pytest.raises(Exception, match=r"configuration: analyze_results_teacher\.zero_bias: no such folder"):
            plan(tmp_path, "plots_teacher_true_met", own=own)
        (tmp_path / "zerobias").mkdir()
        (tmp_path / "zerobias" / "a.parquet").touch()
        jobs = plan(tmp_path, "plots_teacher_true_met", own=own)
        assert job_counts(jobs) == ANALYSED
        (analysis,) = (job for job in jobs if job.rule.name == "analyze_results_teacher")
        assert f"--zero_bias={tmp_path / 'zerobias'}" in analysis.shellcmd

    def test_of_files_with_objects_of_l1_goes_from_them_to_the_plots(self, tmp_path):
        for name in ("qcd_0", "qcd_1", "w"):
            write_nanoaod(tmp_path / "data" / f"{name}.root", random_nanoaod(9))
        processes = "{QCD: data/qcd_*.root, W: data/w.root, hToTauTau: null, hChToTauNu: null}"
        own = f"create_L1regression_data: {{processes: {processes}, cross_sections: {{QCD: 9, w.root: 2}}}}"
        jobs = plan(tmp_path, "plots_teacher_true_met", own=own)
        assert job_counts(jobs) == {name: 1 for name in ANALYSED if name != "generate_events"}
        (reading,) = (job for job in jobs if job.rule.name == "create_L1regression_data")
        for name in ("QCD=data/qcd_0", "QCD=data/qcd_1", "W=data/w"):
            process, _, path = name.partition("=")
            assert f"--input={process}={tmp_path / path}.root" in reading.shellcmd
        assert "--cross_sections=QCD=9,w.root=2" in reading.shellcmd.replace(".0", "")

    def test_of_an_unknown_variable_is_refused(self, tmp_path):
        with pytest.raises(Exception, match="plots_selective_mht"):
            plan(tmp_path, "plots_selective_mht")


def test_a_bad_configuration_is_refused_in_one_line(tmp_path):
    (tmp_path / "bad.yaml").write_text("create_L1regression_data: {jet_threshold: -20}\n")
    run = snakemake(tmp_path, "--dry-run", "plots_selective_true_met", config=[tmp_path / "bad.yaml"])
    assert run.returncode != 0
    assert "configuration: create_L1regression_data.jet_threshold: -20 is less than" in run.stdout
    assert "Traceback" not in run.stdout


def test_events_files_that_are_not_there_are_refused(tmp_path):
    message = r"configuration: create_L1regression_data\.processes\.Z: no such file: data/none\*\.h5"
    with pytest.raises(Exception, match=message):
        plan(tmp_path, own="create_L1regression_data: {processes: {Z: data/none*.h5}}")


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    """Return a copy of the code, so that tests may change it."""
    code = tmp_path_factory.mktemp("code")
    for path in [*ROOT.glob("*.py"), ROOT / "Snakefile", ROOT / "config.yaml"]:
        shutil.copy2(path, code)
    for name in ("utils", "nn", "envs", "docs/report"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    return code


@pytest.fixture(scope="module")
def finished(code, tmp_path_factory):
    """Return a folder in which the workflow is complete for MET, with a student, and for HT; ``output`` is a link.

    On the way the training for HT was killed.
    """
    folder = tmp_path_factory.mktemp("run")
    (folder / "disk").mkdir()
    (folder / "output").symlink_to(folder / "disk")
    killed = killed_in_the_final_fit(folder, code)
    assert jobs(killed) == {**SELECTED, "train_teacher": 1}
    assert killed.returncode != 0
    run = snakemake(folder, "--rerun-incomplete", *TARGETS, code=code)
    of_met = {"selective_sampling_jets": 1, "train_student": 1, "export_firmware": 1}
    assert jobs(run) == {**of_met, "train_teacher": 2, "analyze_results_teacher": 3}
    assert run.returncode == 0, run.stdout
    return folder


def killed_in_the_final_fit(folder, code):
    """Start the training for HT and kill its process in the second epoch of the final fit."""
    log = folder / "output" / "logs" / "train_teacher" / "true_ht.log"
    with subprocess.Popen(**call(folder, "teacher_true_ht", code=code)) as run:
        while "final fit, epoch 2: 0 of" not in (log.read_text() if log.exists() else ""):
            assert run.poll() is None
            time.sleep(0.02)
        (script,) = [
            process
            for process in psutil.Process(run.pid).children(recursive=True)
            if process.cmdline()[1:2] == [str(code / "train_teacher.py")]
        ]
        script.kill()
        text, _ = run.communicate()
    return subprocess.CompletedProcess(run.args, run.returncode, text)


@pytest.mark.slow
class TestRun:
    def test_leaves_the_link_and_writes_through_it(self, finished):
        assert (finished / "output").is_symlink()
        assert (finished / "disk" / "l1_regression" / "train.h5").is_file()

    def test_makes_the_files_of_each_step(self, finished):
        output = finished / "output"
        expected = [
            *(f"events/{name}.h5" for name in ("QCD/0", "QCD/1", "W/0", "hToTauTau/0", "hChToTauNu/0")),
            "l1_regression/train.h5",
            "l1_regression/test.h5",
            "l1_regression/plots/jet_scale.png",
        ]
        for variable in ("true_met", "true_ht"):
            expected += [f"selective_{variable}/{name}" for name in ("train.h5", "discarded.h5", "summary.txt")]
            expected += [f"plots_selective_{variable}/spectrum.pdf"]
            names = ("best_model.keras", "best_hyperparameters.json", "trials.csv", "history.csv", "training.json")
            expected += [f"teacher_{variable}/{name}" for name in names]
            expected += [f"plots_teacher_{variable}/{name}" for name in ("results.json", "summary.txt", "roc_W.png")]
        expected += [
            f"student_true_met/{name}" for name in ("best_model.keras", "front.csv", "front.png", "training.json")
        ]
        expected += [f"plots_student_true_met/{name}" for name in ("results.json", "summary.txt", "roc_W.png")]
        expected += ["firmware_true_met/firmware.json", "firmware_true_met/firmware.txt"]
        missing = [name for name in expected if not (output / name).is_file()]
        assert missing == []
        assert list(output.rglob(".part.*")) == []

    def test_keeps_all_events(self, finished):
        lengths = {}
        for name in (
            "l1_regression/train",
            "l1_regression/test",
            "selective_true_met/train",
            "selective_true_met/discarded",
        ):
            with h5py.File(finished / "output" / f"{name}.h5") as file:
                lengths[name] = len(file["ids"])
        assert lengths["l1_regression/train"] + lengths["l1_regression/test"] == 700 + 400 + 60 + 60
        assert sum(list(lengths.values())[2:]) == lengths["l1_regression/train"]

    @pytest.mark.parametrize("variable", ["true_met", "true_ht"])
    def test_says_what_became_of_the_events(self, variable, finished):
        folder = finished / "output" / f"plots_teacher_{variable}"
        teacher, evaluation = json.loads((folder / "results.json").read_text())["event_counts"]["branches"]
        scripts = ["generate_events", "create_L1regression_data", "selective_sampling_jets", "train_teacher"]
        assert [step["step"] for step in teacher["steps"]] == scripts
        assert [step["step"] for step in evaluation["steps"]] == [*scripts[:2], "analyze_results_teacher"]
        assert teacher["steps"][0]["written"]["events"] == {"QCD": 700, "W": 400, "hToTauTau": 60, "hChToTauNu": 60}
        assert teacher["steps"][:2] == evaluation["steps"][:2]
        assert (folder / "events.txt").read_text().endswith("\nAll recorded numbers add up.\n")

    def test_selects_the_processes_of_the_configuration(self, finished):
        with h5py.File(finished / "output" / "selective_true_ht" / "train.h5") as file:
            names = dict(label.decode().rpartition("_")[::-2] for label in file["ids_names"][:])
            assert {names[str(number)] for number in file["ids"][:]} == {"QCD", "W"}

    @pytest.mark.parametrize(("variable", "n_features"), [("true_met", 6), ("true_ht", 4)])
    def test_trains_and_analyses_the_variable(self, variable, n_features, finished):
        output = finished / "output"
        record = json.loads((output / f"teacher_{variable}" / "training.json").read_text())
        assert record["variable"] == variable
        assert len(record["feature_names"]) == n_features
        model = load_teacher(output / f"teacher_{variable}" / "best_model.keras")
        assert model.count_params() == record["parameters"]
        results = json.loads((output / f"plots_teacher_{variable}" / "results.json").read_text())
        assert results["variable"] == variable
        assert set(results["signals"]) == {"W"}

    def test_puts_teacher_and_student_side_by_side(self, finished):
        results = json.loads((finished / "output" / "plots_student_true_met" / "results.json").read_text())
        assert list(results["models"]) == ["teacher", "student"]
        branches = {branch["name"]: branch["steps"] for branch in results["event_counts"]["branches"]}
        assert [branches[name][-1]["step"] for name in ("teacher", "student")] == ["train_teacher", "train_student"]
        assert branches["student"][:3] == branches["teacher"][:3]
        record = json.loads((finished / "output" / "student_true_met" / "training.json").read_text())
        written = {name: sum(counts.values()) for name, counts in branches["student"][-1]["written"].items()}
        assert written == {"training": record["n_training"], "validation": record["n_validation"]}
        assert results["event_counts"]["disagreements"] == []

    def test_checks_the_firmware_of_the_student(self, finished):
        record = json.loads((finished / "output" / "firmware_true_met" / "firmware.json").read_text())
        with h5py.File(finished / "output" / "l1_regression" / "test.h5") as file:
            assert record["checked"]["events"] == len(file["ids"])
        assert record["checked"]["rtl_events"] >= 100
        assert record["checked"]["mismatches"] == 0
        branches = {branch["name"]: branch["steps"] for branch in record["event_counts"]["branches"]}
        assert branches["student"][-1]["step"] == "train_student"
        scripts = ["generate_events", "create_L1regression_data", "export_firmware"]
        assert [step["step"] for step in branches["firmware"]] == scripts
        assert record["event_counts"]["disagreements"] == []

    def test_goes_on_with_a_training_that_was_killed(self, finished):
        log = (finished / "output" / "logs" / "train_teacher" / "true_ht.log").read_text()
        assert "resumes the work of an earlier run" in log
        assert re.search(r"final fit, epoch \d", log).group() == "final fit, epoch 2"
        assert not (finished / "output" / "teacher_true_ht.partial").exists()

    def test_keeps_logs_and_benchmarks(self, finished):
        output = finished / "output"
        for name in ("create_L1regression_data", "train_teacher/true_met", "generate_events/QCD_1"):
            assert (output / "logs" / f"{name}.log").stat().st_size > 0
            assert (output / "benchmarks" / f"{name}.tsv").is_file()

    def test_ends_with_the_table_of_times(self, finished):
        table = [line.split() for line in (finished / "output" / "benchmarks" / "summary.txt").read_text().splitlines()]
        assert {"generate_events", "train_teacher", "analyze_results_teacher"} <= {row[0] for row in table}
        assert all(float(cpu) > 0 for *_, cpu, _ in table[1:])


@pytest.mark.slow
class TestAgain:
    """After the workflow came to its end."""

    def test_a_second_run_does_nothing(self, finished, code):
        run = snakemake(finished, *TARGETS, code=code)
        assert run.returncode == 0
        assert "Nothing to be done" in run.stdout

    def test_force_of_one_target_runs_just_its_rule(self, finished, code):
        selected = finished / "output" / "selective_true_met" / "train.h5"
        before, content = selected.stat().st_mtime_ns, read(selected)
        data = (finished / "output" / "l1_regression" / "train.h5").stat().st_mtime_ns
        run = snakemake(finished, "-f", "plots_selective_true_met", code=code)
        assert jobs(run) == {"selective_sampling_jets": 1}
        assert selected.stat().st_mtime_ns > before
        assert (finished / "output" / "l1_regression" / "train.h5").stat().st_mtime_ns == data
        assert read(selected) == content

    def test_force_of_all_runs_what_is_upstream_too(self, finished, code):
        jobs = plan(finished, "plots_selective_true_ht", snakefile=code / "Snakefile", forceall=True)
        assert job_counts(jobs) == SELECTED

    def test_another_threshold_samples_and_trains_anew(self, finished, code):
        own = "selective_sampling_jets: {sampling_threshold: {true_ht: 40}}"
        jobs = plan(finished, "plots_teacher_true_ht", own=own, snakefile=code / "Snakefile")
        assert job_counts(jobs) == {"selective_sampling_jets": 1, "train_teacher": 1, "analyze_results_teacher": 1}

    def test_a_file_as_one_more_signal_is_evaluated_and_not_trained_on(self, finished, code, tmp_path):
        path = write_nanoaod(tmp_path / "nano.root", random_nanoaod(9))
        own = f"analyze_results_teacher: {{extra_signals: {{mine: {path}}}}}"
        jobs = plan(finished, "plots_teacher_true_met", own=own, snakefile=code / "Snakefile")
        assert job_counts(jobs) == {"create_extra_signal": 1, "analyze_results_teacher": 1}

    @pytest.mark.parametrize(
        ("module", "expected"),
        [
            ("utils/evaluation/turn_on.py", {"analyze_results_teacher": 1}),
            ("nn/layers.py", {"train_teacher": 1, "analyze_results_teacher": 1}),
            ("utils/simulation/detector.py", {}),  # events cost hours
        ],
    )
    def test_a_change_of_the_code_runs_what_imports_it(self, module, expected, finished, code):
        """In a process of its own, since this one has imported the modules of another folder."""
        path = code / module
        content, times = path.read_bytes(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
        path.write_bytes(content + b"# changed\n")
        try:
            run = snakemake(finished, "--dry-run", "plots_teacher_true_ht", code=code)
            assert jobs(run) == expected
        finally:
            path.write_bytes(content)
            os.utime(path, ns=times)


@pytest.fixture(scope="module")
def report(finished, code):
    """Return the report of all results; HT has neither student nor firmware."""
    run = snakemake(finished, "finished", "--report", "report.html", code=code)
    assert run.returncode == 0, run.stdout
    return finished / "output" / "report.html"


def value_in(report, name):
    """Return the value of a variable of the report's own script."""
    text = report.read_text()
    start = re.search(f'<script id="[a-z-]+">\\s*var {name} = ', text).end()
    return json.JSONDecoder().raw_decode(text, start)[0]


@pytest.mark.slow
class TestReport:
    def test_has_the_results_of_each_step_and_of_each_process(self, report):
        categories = value_in(report, "categories")
        steps = ("2 Training sample", "3 Training", "4 Trigger performance")
        variables = ("true_met", "true_ht")
        of_student = ("5 Student", "6 Trigger performance with the student", "7 Firmware")
        expected = {f"{step}, {name}" for step in steps for name in variables}
        assert set(categories) == {"1 L1 response", *expected, *(f"{step}, true_met" for step in of_student)}
        assert "plots_student_true_met/roc_W.png" in categories["6 Trigger performance with the student, true_met"]["W"]
        for variable in variables:
            sample, training, performance = (categories[f"{step}, {variable}"] for step in steps)
            assert f"selective_{variable}/summary.txt" in sample["Other"]
            names = ("history.png", "trials.png", "history.csv", "trials.csv")
            assert {f"teacher_{variable}/{name}" for name in names} <= set(training["Other"])
            assert set(performance) == {"W", "QCD", "all processes", "numbers"}
            folder = f"plots_teacher_{variable}"
            assert f"{folder}/roc_W.png" in performance["W"]
            assert f"{folder}/rate.png" in performance["all processes"]
            assert {f"{folder}/{name}" for name in ("results.json", "summary.txt", "events.txt")} == set(
                performance["numbers"]
            )

    def test_has_all_plots(self, report):
        plots = {str(path.relative_to(report.parent)) for path in report.parent.rglob("*.png")}
        assert plots
        assert plots == {name for name in value_in(report, "results") if name.endswith(".png")}

    def test_names_and_explains_each_result(self, report):
        results = value_in(report, "results")
        assert results["plots_teacher_true_ht/turn_on_60_W.png"]["labels"] == {
            "result": "turn-on at 60 GeV",
            "variable": "true_ht",
        }
        without = [
            name for name, result in results.items() if not result["caption"] or "of the step" in result["caption"]
        ]
        assert without == [], "results without a caption: add one to docs/report"

    def test_shows_the_configuration_and_the_run_times(self, report):
        text = value_in(report, "workflow_desc")
        assert "max_epochs: 1\n" in text  # that of the test
        assert "loss_function: &quot;log_huber_3.0&quot;\n" in text  # and that of config.yaml
        rules = {entry["rule"] for entry in value_in(report, "runtimes_spec")["data"]["values"]}
        assert rules == {*ANALYSED, "train_student", "export_firmware"}

    def test_needs_nothing_from_the_network(self, report):
        assert not re.search(r"<(script|link|img)[^>]*(src|href)=\"?https?:", report.read_text())


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return Chromium without a window and without a network."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("the report is not opened: Debian's chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "disable-dev-shm-usage",
        "host-resolver-rules=MAP * ~NOTFOUND",
        "window-size=1500,950",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{word}")
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.mark.slow
@pytest.mark.browser
class TestReportInBrowser:
    @pytest.fixture(autouse=True)
    def opened(self, browser, report):
        browser.get(report.as_uri())
        self.browser = browser
        self.wait_for("//h1[contains(., 'energy sums')]")

    def wait_for(self, xpath):
        return WebDriverWait(self.browser, 30).until(lambda browser: browser.find_element(By.XPATH, xpath))

    def click(self, xpath):
        self.wait_for(xpath).click()

    def wait_for_plot(self):
        """Wait for a plot to be shown, and return its source."""
        image = self.wait_for("//img[@src != '' and not(ancestor::nav)]")
        WebDriverWait(self.browser, 30).until(lambda _: int(image.get_property("naturalWidth")) > 0)
        return image.get_attribute("src")

    def test_the_front_page_leads_to_a_plot_and_its_caption(self):
        self.click("//li[starts-with(., 'W (true_met)')]//a[. = 'turn-on at 10% of the background']")
        shown = self.wait_for_plot()
        results = self.browser.execute_script("return results")
        assert shown == results["plots_teacher_true_met/turn_on_at_10_percent_W.png"]["data_uri"]
        assert "Turn-on curves at equal rate." in self.wait_for("//nav").text

    def test_the_menu_leads_to_a_plot_and_its_caption(self):
        for name in ("4 Trigger performance, true_ht", "W"):
            self.click(f"//nav//a[normalize-space() = '{name}']")
        self.click("(//tr[td[. = 'ROC']]//a)[1]")
        shown = self.wait_for_plot()
        results = self.browser.execute_script("return results")
        assert shown == results["plots_teacher_true_ht/roc_W.png"]["data_uri"]
        self.click("(//tr[td[. = 'ROC']]//a)[2]")
        assert (
            "Signal efficiency against background efficiency"
            in self.wait_for("//nav//*[contains(@class, 'prose')]").text
        )

    def test_the_front_page_leads_to_the_table(self):
        self.click("//li[starts-with(., 'numbers (true_ht)')]//a")
        self.browser.switch_to.frame(self.wait_for("//iframe"))
        assert self.wait_for("//pre").text.startswith("Signal efficiency at fixed background: true_ht,")

    def test_statistics_are_drawn(self):
        self.click("//nav//a[normalize-space() = 'Statistics']")
        assert int(self.wait_for("//div[@id = 'runtimes']//canvas").get_property("width")) > 0


def read(path):
    """Return the contents of an L1 regression file that can be compared."""
    with h5py.File(path) as file:
        return {name: values[()].tobytes() for name, values in file.items()}
