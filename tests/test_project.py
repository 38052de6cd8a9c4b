"""The project's files agree: one version, a citation that is complete, an installation without modules."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_version_stands_in_the_changelog_and_in_the_citation():
    newest = re.search(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert newest.groups() == (VERSION, citation["date-released"])
    assert citation["version"] == VERSION


def test_the_citation_has_what_the_format_requires():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    for work in (citation, *citation["references"]):
        assert work["title"]
        assert all("name" in author or "family-names" in author for author in work["authors"])


def test_the_workflow_of_the_public_ci_has_the_supported_versions_of_python():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yaml").read_text())["jobs"]
    assert {"run": ".ci/run", "env": {"PYTHON": "python${{ matrix.python }}"}} in jobs["test"]["steps"]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    versions = [name.rpartition(" ")[2] for name in classifiers]
    assert jobs["test"]["strategy"]["matrix"]["python"] == versions


def test_an_installation_has_no_modules(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE", "utils", "nn", "train_teacher.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "."]
    subprocess.run(pip, cwd=tmp_path, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()} == {f"l1_regression-{VERSION}.dist-info"}
