"""The tutorial on events of the user: its commands and its converter do what it says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

import create_L1regression_data
from tests.toys import random_l1_events, random_particles, write_events, write_l1

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorials" / "own_events.md").read_text()
SCRIPTS = "selective_sampling_jets|train_teacher|analyze_results_teacher"


def block(language, containing):
    """Return the only block of the page in a language with a text in it."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = [text.strip() for name, text in blocks if name == language and containing in text]
    return found


def run(commands, folder):
    """Run commands of the page, which stand for those of this Python and of this repository."""
    commands = re.sub(rf"^python ({SCRIPTS})", rf"{sys.executable} {ROOT}/\1", commands, flags=re.MULTILINE)
    snakemake = f"{sys.executable} -m snakemake --nocolor --snakefile {ROOT / 'Snakefile'}"
    found = subprocess.run(
        ["bash", "-ec", re.sub("^snakemake", snakemake, commands, flags=re.MULTILINE)],
        cwd=folder,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


def rules(planned):
    return list(dict.fromkeys(re.findall(r"^(\w+) +\d+$", planned, re.MULTILINE)))  # the table is shown twice


ANALYSIS = ["selective_sampling_jets", "train_teacher", "analyze_results_teacher"]


@pytest.mark.slow
class TestPublicFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        config = block("yaml", "output_adc2021")
        sources = yaml.safe_load(config)["create_L1regression_data"]["processes"]
        names = [Path(source).name for source in sources.values() if source]
        assert len(names) == 5
        for seed, name in enumerate(names):
            write_events(tmp_path / "data" / name, random_particles(60, seed).astype(np.float64))
        (tmp_path / "adc2021.yaml").write_text(config.replace("/data/adc2021", "data"))
        return tmp_path

    def test_the_command_runs_all_steps_but_the_generation(self, folder):
        planned = run(block("bash", "adc2021.yaml") + " --dry-run --printshellcmds", folder)
        assert rules(planned) == ["create_L1regression_data", *ANALYSIS, "all", "total"]
        assert "--signal_names=Ato4l,hChToTauNu,hToTauTau,leptoquark --bg_names=SM" in planned

    def test_the_training_sample_is_of_the_standard_model(self, folder):
        run(block("bash", "adc2021.yaml").replace("snakemake", "snakemake plots_selective_true_met"), folder)
        with h5py.File(folder / "output_adc2021" / "selective_true_met" / "train.h5") as file:
            (sm,) = [int(name.decode().split("_")[1]) for name in file["ids_names"] if name.startswith(b"SM_")]
            assert set(file["ids"][:]) == {sm}
        lengths = {}
        for name in ("train", "test"):
            with h5py.File(folder / "output_adc2021" / "l1_regression" / f"{name}.h5") as file:
                lengths[name] = len(file["ids"])
        assert lengths["train"] / 5 + lengths["test"] == 5 * 60  # training events are smeared five times


@pytest.mark.slow
class TestPreparedFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        for seed, name in enumerate(("train", "test")):
            write_l1(tmp_path / f"l1_regression_w_sig_{name}.h5", random_l1_events(600, seed), weights=False)
        return tmp_path

    def commands(self, folder):
        return block("bash", "ln -s").replace("/data/", f"{folder}/")

    def test_the_workflow_starts_with_the_selective_sampling(self, folder):
        planned = run(self.commands(folder) + " --dry-run", folder)
        assert rules(planned) == [*ANALYSIS, "total"]

    def test_the_workflow_reads_the_files(self, folder):
        run(self.commands(folder).replace("plots_teacher_true_met", "plots_selective_true_met"), folder)
        assert "all" in (folder / "output" / "selective_true_met" / "summary.txt").read_text()

    def test_the_scripts_read_the_files(self, folder):
        values = {"graph_layers": 1, "units": 8, "heads": 1, "activation": "relu", "embedding": 2}
        values |= {"attention_dropout": 0.0, "dropout": 0.0, "learning_rate": 0.001}
        (folder / "small.json").write_text(json.dumps(values))
        commands = block("bash", "python train_teacher.py")
        commands = commands.replace("--variable met", "--variable met --hyperparameters small.json --final_epochs 1")
        run(commands + " --inclusive_thresholds 30 --background_efficiencies 0.1", folder)
        results = json.loads((folder / "plots" / "results.json").read_text())
        assert results["events"] == 600
        assert results["luminosity"] is None
        assert (folder / "plots" / "turn_on_at_10_percent_W.png").is_file()


def test_the_converter_writes_what_the_pipeline_reads(tmp_path):
    (tmp_path / "convert.py").write_text(block("python", "mine.h5"))
    subprocess.run([sys.executable, "convert.py"], cwd=tmp_path, check=True)
    outputs = [tmp_path / "train.h5", tmp_path / "test.h5"]
    arguments = ["--input", f"mine={tmp_path}/mine.h5", "--test_fraction", "0.5"]
    arguments += ["--train_output", str(outputs[0]), "--test_output", str(outputs[1])]
    assert create_L1regression_data.main(arguments) == 0
    found, weights = {}, []
    for path in outputs:
        with h5py.File(path) as file:
            for i, original in enumerate(file["original_met"][:]):
                found[float(original)] = [float(file[name][i]) for name in ("true_met", "true_ht")]
            weights.append(file["weights"][:].sum())
            assert list(file["ids_names"]) == [b"mine_1"]
    # Muon of 30 GeV across a jet of 40; e of 25 GeV and a jet of 90 against a jet of 60.
    assert found == {48: pytest.approx([50, 40], rel=1e-5), 60: pytest.approx([55, 150], rel=1e-5)}
    assert weights == pytest.approx([1500, 1500])
