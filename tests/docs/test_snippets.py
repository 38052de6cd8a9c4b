"""The snippets of the documentation do what they say: each page is run from its first block to its last.

Shell commands run in a temporary folder, and so do the Python blocks. Commands of the project stand for their checks:
scripts and benchmarks are parsed, Snakemake and make plan what they would do. Blocks of YAML have to be overrides of
config.yaml. A first line such as ``# name.yaml`` or ``# name.py`` makes a file of the block for later ones. A block
that cannot be run says why in the line before it: ``<!-- not run: REASON -->``.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import pytest
import yaml
from snakemake.utils import update_config

from create_L1regression_data import main as create_l1
from tests.toys import random_l1_events, random_nanoaod, random_particles, write_events, write_l1, write_nanoaod
from utils.config.checks import check_config
from utils.plotting.style import save

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for path in [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
    if path.parent.name not in ("api", "_build")
]
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n+)?^```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^```$", re.M | re.S
)
RUN, SHOWN = ("bash", "python", "yaml"), ("text", "json", "cpp")
FILE_NAME = re.compile(r"# ([\w.-]+\.(?:yaml|py))\n")

# Commands whose arguments are noted, each beginning with their number, and checked afterwards.
NOTED = """set -eu
note() { printf '%s\\0' "$#" "$@" >> "$NOTES"; }
for name in snakemake make; do eval "$name() { note $name \\"\\$@\\"; }"; done
python() { if [ -f "${1-}" ]; then "$PYTHON" "$@"; else note python "$@"; fi; }
source() { [ "$1" = .venv/bin/activate ]; }
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    reason: str | None

    @property
    def file_name(self):
        match = FILE_NAME.match(self.text)
        return match and match[1]


def blocks_of(page):
    """Return the blocks of a page but the directives of Sphinx, whose name is in braces."""
    found = [Block(match["language"], match["text"], match["reason"]) for match in FENCE.finditer(page.read_text())]
    return [block for block in found if not block.language.startswith("{")]


def prepare(folder):
    """Write the files that pages name: below /data, and results of the workflow."""
    for name in (
        "adc2021/background_for_training",
        "adc2021/Ato4l_lepFilter_13TeV_filtered",
        "adc2021/hChToTauNu_13TeV_PU20_filtered",
        "adc2021/hToTauTau_13TeV_PU20_filtered",
        "adc2021/leptoquark_LOWMASS_lepFilter_13TeV_filtered",
        "Ato4l_lepFilter_13TeV_filtered",
    ):
        write_events(folder / "data" / f"{name}.h5", random_particles(10))
    for name in ("data/l1_regression_w_sig_train.h5", "data/l1_regression_w_sig_test.h5"):
        write_l1(folder / name, random_l1_events(10))


def prepare_results(folder):
    """Write what the first steps of the workflow leave."""
    for name in ("train", "test"):
        (folder / "output" / "l1_regression").mkdir(parents=True, exist_ok=True)
        write_l1(folder / "output" / "l1_regression" / f"{name}.h5", random_l1_events(10))
    (folder / "output" / "teacher_true_met").mkdir()
    (folder / "output" / "teacher_true_met" / "best_hyperparameters.json").write_text("{}")


def prepare_evaluation(folder):
    """Write a plot, and the part of the results that a page reads, as docs/results.schema.json has it."""
    area = {"value": 0.627, "error": 0.007, "unit": "1", "events": 4882}
    results = {"signals": {"W": {"roc": {"teacher": {"area": area}}}}}
    (folder / "output" / "plots_teacher_true_met").mkdir(parents=True)
    (folder / "output" / "plots_teacher_true_met" / "results.json").write_text(json.dumps(results))
    fig, panels = plt.subplots(2, 1)
    for panel in panels:
        panel.errorbar([1, 2], [3, 4], 1, 0.5, label="L1")
    save(fig, folder / "output" / "plots_teacher_true_met" / "efficiency_at_30_kHz_W")


def prepare_nanoaod(folder):
    """Write NanoAOD of two processes and of data, and the test file that the workflow makes of them."""
    nano = folder / "data" / "nano"
    for seed, name in enumerate(("QCD_PT-30to50", "QCD_PT-50to80", "W")):
        write_nanoaod(nano / f"{name}.root", random_nanoaod(40, seed))
    write_nanoaod(nano / "zero_bias" / "x.root", random_nanoaod(10, 9, data=True))
    (folder / "data" / "golden.json").write_text('{"382000": [[1, 9]]}')
    output = folder / "output_nano" / "l1_regression" / "test.h5"
    inputs = [f"--input=QCD={nano}/QCD_*.root", f"--input=W={nano}/W.root", "--cross_sections=QCD=9,W=1"]
    assert create_l1([*inputs, f"--test_output={output}"]) == 0


def prepare_zero_bias(folder):
    (folder / "data" / "zero_bias").mkdir(parents=True)
    (folder / "data" / "zero_bias" / "events.parquet").touch()


def prepare_own_events(folder):
    """Write the events of two processes."""
    for seed, name in enumerate(("qcd", "w")):
        write_events(folder / "data" / f"{name}.h5", random_particles(10, seed))


def prepare_other_generators(folder):
    (folder / "data").mkdir()
    for name in ("events.lhe.gz", "events.hepmc.gz"):
        (folder / "data" / name).touch()


def prepare_delphes(folder):
    (folder / "data" / "delphes").mkdir(parents=True)
    for name in ("qcd_0", "w"):
        (folder / "data" / "delphes" / f"{name}.root").touch()


PREPARED = {
    "README": prepare_own_events,
    "docs/tutorials/own_events": prepare,
    "docs/tutorials/met_teacher": prepare_results,
    "docs/tutorials/reading_results": prepare_evaluation,
    "docs/howto/delphes": prepare_delphes,
    "docs/howto/other_generators": prepare_other_generators,
    "docs/howto/nanoaod": prepare_nanoaod,
    "docs/howto/zero_bias": prepare_zero_bias,
    "docs/tutorials/nanoaod_rates": prepare_nanoaod,
}


def page_name(page):
    return str(page.relative_to(ROOT).with_suffix(""))


def pages_with(*languages):
    chosen = [
        page for page in PAGES if any(block.language in languages and not block.reason for block in blocks_of(page))
    ]
    return [pytest.param(page, id=page_name(page)) for page in chosen]


class _Parsed(Exception):  # noqa: N818
    """Ends a program that has parsed its command line."""


def parse_only(parser, arguments=None, namespace=None, parse=argparse.ArgumentParser.parse_args):
    parse(parser, arguments, namespace)
    raise _Parsed


def check_python(arguments):
    """Parse a command line as the script or benchmark does, and do nothing of what it asks for."""
    first, *others = arguments
    if first == "-m" and others[0] == "pytest":
        assert all((ROOT / word.partition("::")[0]).exists() for word in others if word.startswith("tests"))
        return
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
            if first == "-m":
                with (
                    mock.patch.object(sys, "argv", others),
                    mock.patch.object(argparse.ArgumentParser, "parse_args", parse_only),
                ):
                    importlib.import_module(others[0]).main()
            else:
                assert (ROOT / first).is_file(), f"python {first}: there is no such script"
                importlib.import_module(first.removesuffix(".py")).parse_args(others)
    except _Parsed:
        pass
    except SystemExit as left:
        assert not left.code, stderr.getvalue()


@pytest.fixture(scope="module")
def plan():
    """Return a function that has Snakemake plan what it would do; a report takes results and is left out."""
    planner = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("plan.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )

    def plan_in(folder, arguments):
        words = [word for word in arguments if word not in ("--report", "report.html")]
        words = words if "--unlock" in words else ["--dry-run", *words]
        planner.stdin.write(json.dumps([str(folder), words]) + "\n")
        planner.stdin.flush()
        assert planner.stdout.readline() == "0\n", (folder / "plan.log").read_text()

    with planner:
        yield plan_in


def noted(path):
    """Yield the commands of the notes."""
    words = path.read_bytes().decode().split("\0")[:-1] if path.exists() else []
    while words:
        number = int(words.pop(0))
        yield words[:number]
        words = words[number:]


def run_page(page, folder):
    """Run all blocks of a page and return the commands of the project that they contain."""
    (folder / "profiles").symlink_to(ROOT / "profiles")
    (folder / "blocks").mkdir()
    lines = [NOTED]
    PREPARED.get(page_name(page), lambda folder: None)(folder)
    for i, block in enumerate(blocks_of(page)):
        if block.reason or block.language not in RUN:
            continue
        text = block.text.replace("/data/", f"{folder}/data/")
        stored = folder / "blocks" / f"{i}.{block.language}"
        stored.write_text(text)
        if block.file_name:
            lines.append(f"cp '{stored}' '{block.file_name}'")
        if block.language == "bash":
            lines.append(text)
        if block.language == "python":
            lines.append(f"'{sys.executable}' '{stored}'")
    (folder / "page.sh").write_text("\n".join(lines))
    environment = {"NOTES": str(folder / "notes"), "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "page.sh"], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return list(noted(folder / "notes"))


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("bash", "python"))
def test_the_snippets_of_a_page_run(page, tmp_path, plan):
    commands = dict.fromkeys(tuple(words) for words in run_page(page, tmp_path))
    for name, *arguments in commands:
        if name == "python":
            check_python(arguments)
        if name == "make":
            done = subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        if name == "snakemake":
            plan(tmp_path, arguments)


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_configurations_of_a_page_are_allowed(page):
    for block in blocks_of(page):
        if block.language == "yaml" and not block.reason:
            config = yaml.safe_load((ROOT / "config.yaml").read_text())
            update_config(config, yaml.safe_load(block.text))
            check_config(config)


@pytest.mark.parametrize("page", [pytest.param(page, id=page_name(page)) for page in PAGES])
def test_each_block_has_a_language_that_is_known(page):
    assert {block.language for block in blocks_of(page)} <= {*RUN, *SHOWN}
    assert page.read_text().count("<!-- not run:") == sum(bool(block.reason) for block in blocks_of(page))


@pytest.mark.parametrize("page", [pytest.param(page, id=page_name(page)) for page in PAGES])
def test_links_to_other_sites_are_well_formed(page):
    links = re.findall(
        r"\]\((\w+:[^)]*)\)|<(https?:[^>]*)>", re.sub(r"```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    )
    for link in ("".join(pair) for pair in links):
        assert re.fullmatch(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[\w.,~%#?=&:+/-]*)?", link), link


@pytest.mark.parametrize("page", [pytest.param(page, id=page_name(page)) for page in PAGES])
def test_files_of_the_project_that_a_page_names_exist(page):
    named = re.findall(r"`((?:utils|nn|tests|docs|benchmarks|envs|profiles)/[\w./-]+)`", page.read_text())
    assert [name for name in named if "SCRIPT" not in name and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [pytest.param(page, id=page_name(page)) for page in PAGES])
def test_modules_of_the_project_that_a_page_names_exist(page):
    for name in re.findall(r"`((?:utils|nn|benchmarks)(?:\.\w+)+)`", page.read_text()):
        place = ROOT.joinpath(*name.split("."))
        if not (place.is_dir() or place.with_suffix(".py").exists()):
            assert re.search(rf"\b{place.name}\b", place.parent.with_suffix(".py").read_text()), name


@pytest.mark.parametrize("page", [pytest.param(page, id=page_name(page)) for page in PAGES])
def test_files_that_a_page_links_to_exist(page):
    for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text()):
        generated = link.startswith("generated/")
        assert generated or (page.parent / link).exists(), link
