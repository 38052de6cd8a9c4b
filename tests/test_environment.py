"""One set of versions: the pinned requirements, the conda environments and the project's own dependencies agree."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
LIBRARIES = {
    "grpc": "grpcio",
    "hgq": "hgq2",
    "yaml": "pyyaml",
    "tensorflow": "tensorflow-cpu",
}  # modules whose distribution has another name


def lines(name):
    """Return the requirements of a file, without comments and includes."""
    text = (ROOT / name).read_text()
    found = [re.sub(r"\s*#.*", "", line).strip() for line in text.splitlines()]
    return [line for line in found if line and not line.startswith("-")]


def pins(requirements):
    """Return the version of each requirement NAME==VERSION."""
    found = {}
    for line in requirements:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), f"expected NAME==VERSION, found {line}"
        name, _, pinned = line.partition("==")
        assert canonicalize_name(name) not in found
        found[canonicalize_name(name)] = pinned
    return found


RUN = pins(lines("requirements.txt"))
FARM = pins(lines("requirements-farm.txt"))
DEVELOP = pins(lines("requirements-dev.txt"))


def test_requirements_name_versions_and_no_addresses():
    for name in ("requirements.txt", "requirements-farm.txt", "requirements-dev.txt"):
        for line in lines(name):
            assert "://" not in line
            assert "@" not in line


@pytest.mark.parametrize(
    ("name", "included"),
    [("requirements-farm.txt", "requirements.txt"), ("requirements-dev.txt", "requirements-farm.txt")],
)
def test_requirements_include_those_that_they_add_to(name, included):
    assert f"-r {included}" in (ROOT / name).read_text().splitlines()


def test_no_requirement_is_repeated():
    assert len({**RUN, **FARM, **DEVELOP}) == len(RUN) + len(FARM) + len(DEVELOP)


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["cpu"]])
def test_each_dependency_of_the_project_is_pinned_within_its_bounds(text):
    requirement = Requirement(text)
    pinned = RUN[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned)


@pytest.mark.parametrize("text", PROJECT["optional-dependencies"]["farm"])
def test_each_plugin_for_a_farm_is_pinned_within_its_bounds(text):
    requirement = Requirement(text)
    assert requirement.specifier.contains(FARM[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("text", PROJECT["optional-dependencies"]["dev"])
def test_each_tool_of_the_development_is_pinned(text):
    assert canonicalize_name(Requirement(text).name) in DEVELOP


@pytest.mark.parametrize("name", [canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]])
def test_what_is_installed_is_what_is_pinned(name):
    assert version(name) == RUN[name]


def test_the_same_versions_of_python_everywhere():
    prefix = "Programming Language :: Python :: "
    versions = [text.removeprefix(prefix) for text in PROJECT["classifiers"] if text.startswith(prefix)]
    first, last = versions[0], versions[-1]
    assert versions == [f"3.{minor}" for minor in range(int(first[2:]), int(last[2:]) + 1)]
    assert PROJECT["requires-python"] == f">={first},<3.{int(last[2:]) + 1}"
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["ruff"]["target-version"] == "py" + first.replace(".", "")
    assert tools["mypy"]["python_version"] == first
    named = f"Python {', '.join(versions[:-1])} or {last}"
    setup = (ROOT / "envs" / "python.sh").read_text()
    assert f"needed='{named}'" in setup
    assert re.findall(r"'Python (\d+\.\d+)\.'", setup) == versions
    assert named in (ROOT / "README.md").read_text()


def test_there_is_an_environment_for_each_rule():
    used = set(re.findall(r'"envs/([a-z]+\.yaml)"', (ROOT / "Snakefile").read_text()))
    assert used == {path.name for path in ENVIRONMENTS}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
class TestCondaEnvironment:
    def packages(self, path):
        (pip,) = [entry["pip"] for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, dict)]
        return pins(pip)

    def test_pins_the_same_versions(self, path):
        for name, pinned in self.packages(path).items():
            assert RUN[name] == pinned, name

    def test_has_the_python_of_the_project(self, path):
        assert f"python{PROJECT['requires-python']}" in yaml.safe_load(path.read_text())["dependencies"]

    def test_has_what_its_scripts_import(self, path):
        from utils.files import modules_of

        rules = re.split(r"^rule ", (ROOT / "Snakefile").read_text(), flags=re.MULTILINE)
        scripts = {re.search(r"\{CODE:q\}/(\w+)\.py", rule)[1] for rule in rules if f'"envs/{path.name}"' in rule}
        assert scripts
        texts = [
            module.read_text() for name in scripts for module in (ROOT / f"{name}.py", *modules_of(ROOT / f"{name}.py"))
        ]
        imported = set(re.findall(r"^ *(?:import|from) ([a-z0-9_]+)", "\n".join(texts), re.MULTILINE))
        pinned = {canonicalize_name(name) for name in RUN}
        needed = {canonicalize_name(LIBRARIES.get(name, name)) for name in imported} & pinned
        assert len(needed) > 3
        assert needed <= set(self.packages(path))
