"""One set of versions, which the pinned requirements, conda environments and dependencies share; and settings outside.

What a user has set for other programs neither stops a script nor changes a number.
"""

import os
import re
import site
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import h5py
import pytest
import yaml
from numpy.testing import assert_array_equal
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.toys import random_particles, write_events
from utils.runtime import environment
from utils.runtime.library_path import without_additions

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
EXPORT = pins(lines("requirements-export.txt"))
FARM = pins(lines("requirements-farm.txt"))
DEVELOP = pins(lines("requirements-dev.txt"))
DOCS = pins(lines("requirements-docs.txt"))


def test_requirements_name_versions_and_no_addresses():
    for name in ("requirements.txt", *(f"requirements-{use}.txt" for use in ("export", "farm", "dev", "docs"))):
        for line in lines(name):
            assert "://" not in line
            assert "@" not in line


@pytest.mark.parametrize(
    ("name", "included"),
    [
        ("requirements-export.txt", "requirements.txt"),
        ("requirements-farm.txt", "requirements.txt"),
        ("requirements-dev.txt", "requirements-export.txt"),
        ("requirements-dev.txt", "requirements-farm.txt"),
        ("requirements-docs.txt", "requirements.txt"),
    ],
)
def test_requirements_include_those_that_they_add_to(name, included):
    assert f"-r {included}" in (ROOT / name).read_text().splitlines()


def test_the_installer_is_pinned():
    assert pins(lines("envs/uv.txt")).keys() == {"uv"}


def test_no_requirement_is_repeated():
    files = (RUN, EXPORT, FARM, DEVELOP, DOCS)
    assert len(set().union(*files)) == sum(map(len, files))


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["cpu"]])
def test_each_dependency_of_the_project_is_pinned_within_its_bounds(text):
    requirement = Requirement(text)
    pinned = RUN[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned)


@pytest.mark.parametrize(("extra", "pinned"), [("export", EXPORT), ("farm", FARM)])
def test_each_package_of_an_extra_is_pinned_within_its_bounds(extra, pinned):
    for text in PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("text", PROJECT["optional-dependencies"]["dev"])
def test_each_tool_of_the_development_is_pinned(text):
    assert canonicalize_name(Requirement(text).name) in DEVELOP


@pytest.mark.parametrize("text", PROJECT["optional-dependencies"]["docs"])
def test_each_tool_of_the_documentation_is_pinned(text):
    assert canonicalize_name(Requirement(text).name) in DOCS


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
            assert {**RUN, **EXPORT}[name] == pinned, name

    def test_has_the_python_of_the_project(self, path):
        assert f"python{PROJECT['requires-python']}" in yaml.safe_load(path.read_text())["dependencies"]

    def test_has_what_its_scripts_import(self, path):
        from utils.runtime.imports import imported_modules

        rules = re.split(r"^rule ", (ROOT / "Snakefile").read_text(), flags=re.MULTILINE)
        scripts = {re.search(r'script\("(\w+)"\)', rule)[1] for rule in rules if f'"envs/{path.name}"' in rule}
        assert scripts
        texts = [
            module.read_text()
            for name in scripts
            for module in (ROOT / f"{name}.py", *imported_modules(ROOT / f"{name}.py"))
        ]
        imported = set(re.findall(r"^ *(?:import|from) ([a-z0-9_]+)", "\n".join(texts), re.MULTILINE))
        pinned = {*RUN, *EXPORT}
        needed = {canonicalize_name(LIBRARIES.get(name, name)) for name in imported} & pinned
        assert len(needed) > 3
        assert needed <= set(self.packages(path))


@pytest.fixture
def settings_for_others(tmp_path):
    """Return a folder with events, and environment variables that each would stop a script or change its results."""
    write_events(tmp_path / "events.h5", random_particles(300))
    (tmp_path / "keras.json").write_text('{"backend": "jax", "floatx": "float64"}')
    (tmp_path / "matplotlibrc").write_bytes(b"text.usetex: True\n\xff\xfe")
    for name in ("h5py", "keras", "matplotlib", "nn", "numpy", "pathlib", "signal", "utils"):
        package = tmp_path / "stack" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('built for another Python')")
    libraries = dict.fromkeys(("TF_XLA_FLAGS", "XLA_FLAGS", "TF_CONFIG", "TF_NUM_INTRAOP_THREADS"), "--nonsense")
    libraries |= {"KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path), "KERAS_MAX_EPOCHS": "1"}
    libraries |= {"KERASTUNER_TUNER_ID": "chief", "KERASTUNER_ORACLE_IP": "localhost", "TF_USE_LEGACY_KERAS": "1"}
    libraries |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": str(tmp_path)}
    libraries |= {
        "NUMBA_DISABLE_JIT": "1",
        "NUMBA_OPT": "9",
        "NUMBA_NUM_THREADS": "0",
        "NUMBA_CACHE_DIR": "/dev/null/x",
    }
    libraries |= {"HDF5_USE_FILE_LOCKING": "perhaps", "TQDM_MININTERVAL": "often", "PYTHIA8DATA": "/dev/null"}
    python = {"PYTHONPATH": str(tmp_path / "stack"), "PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "2"}
    python |= {
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "1",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "LC_ALL": "C",
    }
    nowhere = dict.fromkeys(
        ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"), "/dev/null/nowhere"
    )
    return tmp_path, libraries | python | nowhere


def run(folder, variables, script, *flags):
    """Run a script in a folder; it has to come to its end."""
    done = subprocess.run(
        [sys.executable, ROOT / script, *flags], cwd=folder, env={**os.environ, **variables}, stderr=subprocess.PIPE
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stderr.decode()


@pytest.mark.parametrize(
    ("notebook", "expected"), [(True, "module://matplotlib_inline.backend_inline"), (False, "agg")]
)
def test_figures_of_a_notebook_are_shown_as_before(notebook, expected, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    if notebook:
        monkeypatch.setitem(sys.modules, "ipykernel", sys)
    environment.set_variables()
    assert os.environ["MPLBACKEND"] == expected


@pytest.mark.slow
def test_settings_for_other_programs_change_nothing(settings_for_others):
    folder, variables = settings_for_others
    create = ["create_L1regression_data.py", "--input=A=events.h5", "--train_output=train.h5", "--test_output=test.h5"]
    outputs = []
    for changes in ({}, variables):
        run(folder, changes, *create, "--plots=plots")
        outputs.append([path.read_bytes() for path in (folder / "train.h5", *sorted((folder / "plots").glob("*.png")))])
    assert len(outputs[0]) > 1
    assert outputs[0] == outputs[1]
    (folder / "hp.json").write_text('{"graph_layers": 1, "units": 4, "heads": 1, "readout": [4]}')
    train = ["--input=train.h5", "--output=teacher", "--hyperparameters=hp.json", "--final_epochs=2"]
    log = run(folder, variables, "train_teacher.py", *train)
    assert "final fit, epoch 2: loss" in log
    assert "TF_NUM_INTRAOP_THREADS: expected a whole number above 0, found '--nonsense', which is left out" in log


def test_libraries_that_cannot_be_loaded_are_one_line(tmp_path):
    for module in ("utils", "nn"):
        (tmp_path / module).symlink_to(ROOT / module)
    script = tmp_path / "script.py"
    script.write_text("import utils.runtime.environment\nimport a_library_that_is_not_there\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "error: the libraries cannot be loaded, compare them with requirements.txt: "
        "ModuleNotFoundError: No module named 'a_library_that_is_not_there'\n"
    )


@pytest.mark.slow
def test_closed_standard_streams_stay_out_of_the_output(settings_for_others):
    """A file that is opened first would get their numbers, and the log would go into it."""
    folder, _ = settings_for_others
    words = f"{sys.executable} {ROOT}/create_L1regression_data.py --input=A=events.h5"
    outputs = []
    for name, closed in (("open", ""), ("closed", "<&- >&- 2>&-")):
        command = f"{words} --train_output={name}.h5 --test_output=test_{name}.h5 {closed}"
        assert subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True).returncode == 0
        with h5py.File(folder / f"{name}.h5") as file:
            outputs.append(file["smeared_data"][:])
    assert_array_equal(*outputs)


def test_a_path_keeps_what_python_itself_has():
    own = site.getsitepackages()[0]
    path = ["/stack/lib", str(ROOT), own, "/other"]
    assert without_additions(path, os.pathsep.join(["/stack/lib", str(ROOT), own])) == [str(ROOT), own, "/other"]
