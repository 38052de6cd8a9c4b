"""The workflow on a batch farm: a Slurm that the test starts on this machine, and a dry run for HTCondor."""

import csv
import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles"
CONFIGURATION = [ROOT / "tests" / "pipeline" / name for name in ("quick.yaml", "farm.yaml")]
SLURM_CONF = Path("/etc/slurm/slurm.conf")  # the only place where all commands find it
WRITTEN_BY = "# Written by a test, process "


def snakemake(folder, *words):
    """Return the arguments for subprocess to call snakemake in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--configfile", *CONFIGURATION]
    return {
        "args": [str(word) for word in [*command, "--nocolor", *words]],
        "cwd": folder,
        "env": {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def plan(folder, *words):
    """Return the output of a dry run."""
    run = subprocess.run(**snakemake(folder, "--dry-run", "--printshellcmds", *words))
    assert run.returncode == 0, run.stdout
    return run.stdout


class TestProfile:
    @pytest.mark.parametrize("farm", ["slurm", "htcondor"])
    def test_has_only_settings_that_the_plugin_knows(self, farm):
        settings = yaml.safe_load((PROFILES / farm / "config.yaml").read_text())
        assert settings["executor"] == farm
        plugin = ExecutorPluginRegistry().get_plugin(farm)
        known = {field.name for field in dataclasses.fields(plugin.settings_cls)}
        found = {key.removeprefix(f"{farm}-").replace("-", "_") for key in settings if key.startswith(f"{farm}-")}
        assert found
        assert found <= known

    @pytest.mark.parametrize(
        ("farm", "requests"),
        [
            ("slurm", "runtime=2880, .*mem_mb=8000, .*gpu=0"),
            ("htcondor", "htcondor_request_mem_mb=8000, classad_MaxRuntime=172800, .*request_gpus=0"),
        ],
    )
    def test_plans_all_jobs_with_their_requests(self, farm, requests, tmp_path):
        found = plan(tmp_path, "--profile", PROFILES / farm)
        counts = dict(re.findall(r"^(\w+) +(\d+)$", found, re.MULTILINE))
        assert (counts["generate_events"], counts["train_teacher_worker"], counts["total"]) == ("2", "1", "8")
        chief = re.search(r"^rule train_teacher:.*?(?=^\[)", found, re.MULTILINE | re.DOTALL).group()
        assert re.search(f"resources: .*{requests}", chief)
        assert '--chief_host "$(hostname)"' in chief

    def test_of_htcondor_has_only_requests_that_the_plugin_reads(self):
        source = Path(sys.modules[ExecutorPluginRegistry().get_plugin("htcondor").executor.__module__].__file__)
        settings = yaml.safe_load((PROFILES / "htcondor" / "config.yaml").read_text())
        requests = {key for rule in settings["set-resources"].values() for key in rule}
        for name in (*requests, "htcondor_request_mem_mb", "classad_"):
            assert f'"{name}"' in source.read_text()


def test_a_training_with_fixed_hyperparameters_takes_no_workers(tmp_path):
    (tmp_path / "fixed.json").write_text("{}")
    (tmp_path / "fixed.yaml").write_text("train_teacher: {hyperparameters: fixed.json}\n")
    run = subprocess.run(**snakemake(tmp_path, "--dry-run", "--configfile", *CONFIGURATION, tmp_path / "fixed.yaml"))
    assert run.returncode == 1
    assert "configuration: train_teacher.worker_jobs: 1, but train_teacher.hyperparameters leaves out" in run.stdout


def ports(number):
    """Return free ports of this machine."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def slurm_conf(content):
    """Write the configuration of Slurm, unless there is one that no test has written."""
    if SLURM_CONF.exists():
        first = SLURM_CONF.read_text().partition("\n")[0]
        if not first.startswith(WRITTEN_BY) or psutil.pid_exists(int(first.removeprefix(WRITTEN_BY))):
            pytest.skip(f"no run on Slurm: {SLURM_CONF} is in use")
    SLURM_CONF.write_text(f"{WRITTEN_BY}{os.getpid()}\n{content}")
    try:
        yield
    finally:
        SLURM_CONF.unlink()


@contextmanager
def daemon(folder, *command):
    """Run a daemon in the foreground."""
    with (folder / f"{Path(command[0]).name}.log").open("ab") as log:
        process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def said_by(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def wait_until(condition, seconds, text=lambda: ""):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, text()
        time.sleep(0.2)


@pytest.fixture
def slurm():
    """Start a Slurm of two nodes, named a and b, without accounting; both are this machine."""
    if not all(shutil.which(name) for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun")):
        pytest.skip("no run on Slurm: Debian's slurm-wlm is not installed")
    if os.geteuid() != 0:
        pytest.skip("no run on Slurm: its daemons want to be started by root")
    host = socket.gethostname()
    control, *nodes = ports(3)
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # the path of a socket must be short
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    content = [
        "ClusterName=test",
        f"SlurmctldHost={host}(127.0.0.1)",
        f"SlurmctldPort={control}",
        "SlurmUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge.socket",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool-%n",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmdPidFile={folder}/slurmd-%n.pid",
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "SlurmdParameters=config_overrides",  # the nodes may have more cores than this machine
        "AccountingStorageType=accounting_storage/none",
        "JobAcctGatherType=jobacct_gather/none",
        "ReturnToService=2",
        "MinJobAge=1800",
        *(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=32 RealMemory=32000"
            for name, port in zip("ab", nodes, strict=True)
        ),
        "PartitionName=all Nodes=a,b Default=YES MaxTime=INFINITE State=UP",
    ]
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.enter_context(slurm_conf("\n".join(content) + "\n"))
        files = (f"--{name}={folder}/munge.{end}" for name, end in (("socket", "socket"), ("pid-file", "pid")))
        more = f"--key-file={folder}/key", f"--log-file={folder}/munge.log", f"--seed-file={folder}/seed"
        stack.enter_context(daemon(folder, "munged", "--foreground", "--force", *files, *more))
        wait_until((folder / "munge.socket").exists, 30)
        stack.enter_context(daemon(folder, "slurmctld", "-D"))
        for name in "ab":
            stack.enter_context(daemon(folder, "slurmd", "-D", "-N", name))
        wait_until(lambda: said_by("sinfo", "-h", "-N", "-o", "%N %T").split() == ["a", "idle", "b", "idle"], 60)
        yield
        subprocess.run(["scancel", "--user=root"], check=True)
        wait_until(lambda: not said_by("squeue", "-h"), 60)


def jobs():
    """Return rule, state and node of each job of Slurm, in their order."""
    lines = said_by("squeue", "-h", "--states=all", "--sort=i", "-o", "%k|%T|%N").splitlines()
    rows = (line.split("|") for line in lines)
    return [(comment.removeprefix("rule_").partition("_wildcards_")[0], state, node) for comment, state, node in rows]


@pytest.mark.farm
def test_slurm_runs_the_main_job_though_a_node_is_drained(slurm, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "output").symlink_to(tmp_path / "disk")
    here = "--slurm-no-account", "--slurm-status-command=squeue", "--slurm-init-seconds-before-status-checks=1"
    with subprocess.Popen(**snakemake(tmp_path, "--profile", PROFILES / "slurm", *here)) as run:
        try:
            wait_until(lambda: run.poll() is not None or ("generate_events", "RUNNING", "a") in jobs(), 600)
            said_by("scontrol", "update", "NodeName=a", "State=DRAIN", "Reason=test")
            text, _ = run.communicate(timeout=3600)
        finally:
            run.kill()
    assert run.returncode == 0, text
    found = jobs()
    assert {state for _, state, _ in found} == {"COMPLETED"}
    after = ["create_L1regression_data", "selective_sampling_jets", "train_teacher", "train_teacher_worker"]
    expected = ["generate_events"] * 2 + [*after, "analyze_results_teacher"]
    assert sorted(rule for rule, _, _ in found) == sorted(expected)
    assert ("generate_events", "a") in {(rule, node) for rule, _, node in found}
    assert {node for rule, _, node in found if rule != "generate_events"} == {"b"}

    output = tmp_path / "output"
    results = json.loads((output / "plots_teacher_true_met" / "results.json").read_text())
    assert set(results["signals"]) == {"W"}
    with (output / "teacher_true_met" / "trials.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) > 0
    log = (output / "logs" / "train_teacher" / "true_met_worker1.log").read_text()
    assert "trial 0000, epoch 1: loss" in log
    assert "Nothing to be done" in plan(tmp_path)
