"""What the workflow does with odd names, hostile text and links that lead nowhere."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.toys import random_particles, write_events

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]
HOSTILE = "; touch hostile; $(touch hostile) `touch hostile` ' \" & {2} [3] 50% *"


def snakemake(folder, config, *words):
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    snakefile = folder / f"code {HOSTILE}" / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--configfile", "config.yaml"]
    return subprocess.run(
        [str(word) for word in [*command, "--cores", 1, "--nocolor", "-p", *words]],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path):
    """Return a folder with blanks and worse in its name, and in it the code, events and hyperparameters."""
    folder = tmp_path / f"a folder {HOSTILE}"
    write_events(folder / f"my events {HOSTILE}.h5", random_particles(200))
    (folder / f"my {HOSTILE}.json").write_text("{}")
    (folder / f"code {HOSTILE}").symlink_to(ROOT)
    return folder


def configuration(output):
    others = ("W", "hToTauTau", "hChToTauNu")
    return {
        "output": output,
        "create_L1regression_data": {
            "processes": {"QCD": f"my events {HOSTILE}.h5", **dict.fromkeys(others)},
        },
        "train_teacher": {"hyperparameters": f"my {HOSTILE}.json"},
    }


def test_text_of_the_configuration_is_only_text(folder):
    config = configuration(f"out put {HOSTILE}")
    run = snakemake(folder, config, "l1_regression/train.h5")
    assert run.returncode == 0, run.stdout
    assert (folder / config["output"] / "l1_regression" / "train.h5").is_file()
    plan = snakemake(folder, config, "--dry-run", "teacher_true_met")
    assert plan.returncode == 0, plan.stdout
    assert shlex.quote(f"--hyperparameters={folder / config['train_teacher']['hyperparameters']}") in plan.stdout
    assert not [path for path in folder.rglob("*") if path.name.strip(";") == "hostile"]


def test_an_output_that_is_a_link_that_leads_nowhere_is_named(folder):
    (folder / "output").symlink_to("nowhere")
    run = snakemake(folder, configuration("output"), "--dry-run", "l1_regression/train.h5")
    assert run.returncode == 1
    assert "output: is a link to nowhere, which does not exist" in run.stdout
    assert "Traceback" not in run.stdout
