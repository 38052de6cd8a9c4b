"""The set-up: it finds a supported Python, says which it needs, and replaces an environment that cannot be used.

Scripts stand for interpreters, so that nothing is installed.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = (
    *(
        "sh",
        "make",
        "cp",
        "date",
        "dirname",
        "expr",
        "find",
        "head",
        "ln",
        "ls",
        "mkdir",
        "mktemp",
        "nproc",
        "rm",
        "sed",
    ),
    *("tail", "touch"),
)
NEEDED = "Python 3.11, 3.12 or 3.13 is needed"

# It knows its version, makes an environment with a link to itself, and does not install where the file "offline" is.
# Its pip installs uv, if there is one.
INTERPRETER = """#!/bin/sh
case "$*" in
    --version) echo "Python {version}" ;;
    "-c import ensurepip"*) [ -z "{broken}" ] && echo "{path}" ;;
    "-m venv "*)
        mkdir -p "$3/bin"
        ln -s "{path}" "$3/bin/python"
        echo "command = {path} -m venv $PWD/$3" > "$3/pyvenv.cfg" ;;
    "-m pip install -r"*/uv.txt) cp uv "$(dirname "$0")/uv" ;;
    *"/install.py "*) ! [ -e offline ] && echo "{version}: $*" >> installed ;;
esac
"""

# It installs the Python of the file "managed", or says why not.
UV = """#!/bin/sh
case "$UV_PYTHON_PREFERENCE $*" in
    "only-managed python install 3.11") [ -e managed ] || { echo "error: no network" >&2; exit 2; } ;;
    "only-managed python find 3.11") echo "$PWD/managed" ;;
    *) exit 1 ;;
esac
"""


class Checkout:
    """A copy of what the set-up consists of, and a folder of programs that holds all that can be called."""

    def __init__(self, folder):
        self.folder, self.programs = folder / "checkout", folder / "bin"
        self.folder.mkdir()
        self.programs.mkdir()
        for name in ("Makefile", *(path.name for path in ROOT.glob("requirements*.txt"))):
            shutil.copy(ROOT / name, self.folder)
        shutil.copytree(ROOT / "envs", self.folder / "envs")
        for name in TOOLS:
            (self.programs / name).symlink_to(shutil.which(name))

    def add_python(self, name, version, broken=""):
        """Add an interpreter; a broken one has no module to make environments with."""
        path = self.programs / name
        self.write_program(path, INTERPRETER.format(version=version, path=path, broken=broken))
        return path

    @staticmethod
    def write_program(path, text):
        path.write_text(text)
        path.chmod(0o755)

    def make(self, *arguments, target=".venv/run.done"):
        """Run make in an environment that has nothing but these programs."""
        words = ["make", target, *(str(word) for word in arguments)]
        return subprocess.run(words, cwd=self.folder, env={"PATH": str(self.programs)}, capture_output=True, text=True)

    def error(self, *arguments):
        """Run make, which has to fail, and return the line that says why."""
        done = self.make(*arguments)
        assert done.returncode != 0
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
        assert not (self.folder / ".venv").exists()
        return line

    def installed(self):
        """Return what was installed since the last call: the version of the interpreter, and the requirements."""
        path = self.folder / "installed"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [(line.partition(":")[0], line.rpartition(" ")[2]) for line in lines]


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.mark.parametrize("version", ["2.7.18", "3.9.0", "3.10.13", "3.14.0", "3.110.1"])
def test_a_python_that_is_not_supported_is_named_with_those_that_are(checkout, version):
    path = checkout.add_python("python3", version)
    for arguments in ([], [f"PYTHON={path}"], ["PYTHON=python3"]):
        line = checkout.error(*arguments)
        assert f"{NEEDED}; found {path}, which is Python {version}" in line


def test_no_python_at_all(checkout):
    assert f"{NEEDED}; found none" in checkout.error()
    assert f"{NEEDED}; found none" in checkout.error("PYTHON=/nowhere/python3.12")


def test_a_python_without_venv_is_named_and_another_one_taken(checkout):
    path = checkout.add_python("python3.11", "3.11.2", broken="yes")
    assert f"found {path}, which is Python 3.11.2 without the modules venv and ensurepip" in checkout.error()
    checkout.add_python("python3.13", "3.13.0")
    assert checkout.make().returncode == 0
    assert checkout.installed() == [("3.13.0", "requirements.txt")]


@pytest.mark.parametrize("uv", ["checkout/uv", "bin/uv"])
def test_where_there_is_none_uv_installs_one(checkout, uv, tmp_path):
    """It is there, or any Python installs it for this."""
    checkout.add_python("python3", "3.9.2")
    checkout.write_program(tmp_path / uv, UV)
    managed = checkout.folder / "managed"
    found = f"{checkout.programs}/python3, which is Python 3.9.2"
    assert f"{NEEDED}; found {found}; uv cannot install one: error: no network: install it" in checkout.error()
    checkout.write_program(managed, INTERPRETER.format(version="3.11.9", path=managed, broken=""))
    for expected in ([("3.11.9", "requirements.txt")], []):
        assert checkout.make().returncode == 0
        assert checkout.installed() == expected
    assert f"found {found}: install it" in checkout.make("PYTHON=python3").stderr  # the named one or none


def test_the_right_python_is_found_among_others_and_installed_with_once(checkout):
    checkout.add_python("python3", "3.14.0")
    checkout.error()
    checkout.add_python("python3.12", "3.12.1")
    for expected in ([("3.12.1", "requirements.txt")], []):
        assert checkout.make().returncode == 0
        assert checkout.installed() == expected
    assert checkout.make(target=".venv/dev.done").returncode == 0
    assert checkout.installed() == [("3.12.1", "requirements-dev.txt")]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-farm.txt"])
def test_changed_requirements_are_installed_into_what_is_there(checkout, name):
    checkout.add_python("python3", "3.11.7")
    checkout.make(target=".venv/dev.done")
    kept = checkout.folder / ".venv" / "kept"
    kept.touch()
    later = kept.stat().st_mtime + 10
    os.utime(checkout.folder / name, (later, later))
    checkout.installed()
    assert checkout.make(target=".venv/dev.done").returncode == 0
    assert checkout.installed() == [("3.11.7", "requirements-dev.txt")]
    assert kept.exists()


class TestReplaced:
    """What is in the environment is gone afterwards, and the requirements are installed."""

    @pytest.fixture
    def made(self, checkout):
        checkout.add_python("python3.11", "3.11.7")
        assert checkout.make().returncode == 0
        (checkout.folder / ".venv" / "former").touch()
        checkout.installed()
        return checkout

    @staticmethod
    def check(checkout, reason, *arguments, version="3.11.7"):
        done = checkout.make(*arguments)
        assert done.returncode == 0
        assert f".venv is replaced: {reason}" in done.stdout
        assert checkout.installed() == [(version, "requirements.txt")]
        assert not (checkout.folder / ".venv" / "former").exists()
        assert checkout.make(*arguments).stdout == ""

    def test_after_an_interrupted_installation(self, made):
        later = (made.folder / ".venv" / "run.done").stat().st_mtime + 10
        os.utime(made.folder / "requirements.txt", (later, later))
        (made.folder / "offline").touch()
        assert made.make().returncode != 0
        (made.folder / "offline").unlink()
        os.utime(made.folder / "requirements.txt", (0, 0))
        self.check(made, "its installation was interrupted")

    def test_where_another_python_is_asked_for(self, made):
        path = made.add_python("python3.13", "3.13.0")
        self.check(made, f"its Python is {made.programs / 'python3.11'}", f"PYTHON={path}", version="3.13.0")
        assert made.make().stdout == ""  # which is kept where none is asked for

    def test_where_its_python_is_gone(self, made):
        (made.programs / "python3.11").unlink()
        made.add_python("python3", "3.12.1")
        self.check(made, "its Python is gone or not supported", version="3.12.1")

    def test_where_its_python_is_no_longer_supported(self, made):
        made.add_python("python3.11", "3.10.13")
        made.add_python("python3", "3.12.1")
        self.check(made, "its Python is gone or not supported", version="3.12.1")

    @pytest.mark.parametrize("place", [shutil.move, shutil.copytree])
    def test_where_the_checkout_was_moved_or_copied(self, made, place, tmp_path):
        place(made.folder, tmp_path / "other place")
        made.folder = tmp_path / "other place"
        self.check(made, "its folder was moved or copied")

    def test_not_where_it_is_a_link_to_that_of_another_checkout(self, made, tmp_path):
        (tmp_path / "other").mkdir()
        other = Checkout(tmp_path / "other")
        (other.folder / ".venv").symlink_to(made.folder / ".venv")
        os.utime(other.folder / "requirements.txt", (0, 0))
        other.programs = made.programs
        assert other.make().returncode == 0
        assert (made.folder / ".venv" / "former").exists()


@pytest.mark.parametrize("cores", ["", "0", "-1", "2x", "1.5", "all"])
def test_a_wrong_number_of_processors_is_named(checkout, cores):
    assert f"CORES={cores}: expected a number of processors, 1 or more" in checkout.error(f"CORES={cores}")


@pytest.mark.parametrize("venv", ["", ".", "precious", "/tmp", ".venv/.."])
def test_nothing_but_an_environment_of_the_project_is_replaced(checkout, venv):
    checkout.add_python("python3", "3.11.7")
    assert f"VENV={venv}: expected a name in this folder that begins with .venv" in checkout.error(f"VENV={venv}")


class TestInstallation:
    """Programs stand for uv and for the Python of an environment, so that nothing is installed."""

    PYTHON = """#!/bin/sh
case "$*" in
    "-m pip config list") cat "{folder}/settings" ;;
    "-m pip install --only-binary=:all: -r "*/uv.txt) cp "{folder}/new" "{folder}/uv" ;;
    *) echo "pip: $*" >> "{folder}/called" ;;
esac
"""
    UV = """#!/bin/sh
case "$*" in
    --version) echo "uv {version} (of a distribution)" ;;
    *)
        env | grep -E "^(UV_|SSL_|ALL_PROXY)" | sort >> "{folder}/called"
        echo "uv: $*" >> "{folder}/called"
        exit {code} ;;
esac
"""
    WITH_PIP = ("pip: -m pip install pip==26.3", "pip: -m pip install -r requirements.txt")

    @pytest.fixture
    def environment(self, tmp_path, monkeypatch):
        """Return a folder with the program python, without settings of pip."""
        Checkout.write_program(tmp_path / "python", self.PYTHON.format(folder=tmp_path))
        (tmp_path / "settings").touch()
        (tmp_path / "bin").mkdir()
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
        for name in [name for name in os.environ if name.startswith(("UV_", "SSL_", "ALL_PROXY", "PYTHONDONT"))]:
            monkeypatch.delenv(name)
        return tmp_path

    def add_uv(self, environment, name="new", version="0.13.8", code=0):
        """Add a uv that pip can install, or that of the user."""
        Checkout.write_program(environment / name, self.UV.format(version=version, code=code, folder=environment))

    @staticmethod
    def called(environment):
        """Install, and return the calls of uv, with its variables, and of pip."""
        spec = importlib.util.spec_from_file_location("install", ROOT / "envs" / "install.py")
        install = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(install)
        assert install.main("requirements.txt") == 0
        return tuple((environment / "called").read_text().splitlines())

    @staticmethod
    def with_uv(environment):
        return f"uv: pip install --python {environment}/python -r requirements.txt"

    def test_uv_is_installed_and_used(self, environment):
        self.add_uv(environment)
        assert self.called(environment) == (self.with_uv(environment),)

    def test_bytecode_is_stored_at_once_where_python_will_not_store_it(self, environment, monkeypatch):
        self.add_uv(environment)
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        assert self.called(environment) == (f"{self.with_uv(environment)} --compile-bytecode",)

    @pytest.mark.parametrize(
        ("version", "used"), [("0.4.30", False), ("0.5.0", True), ("1.0.0", True), ("unknown", False)]
    )
    def test_the_uv_of_the_user_is_used_where_it_is_new_enough(self, environment, capfd, version, used):
        self.add_uv(environment, "bin/uv", version)
        assert self.called(environment) == ((self.with_uv(environment),) if used else self.WITH_PIP)
        assert ("pip installs, which takes longer" in capfd.readouterr().out) != used

    def test_pip_follows_where_uv_fails(self, environment, capfd):
        self.add_uv(environment, code=2)
        assert self.called(environment) == (self.with_uv(environment), *self.WITH_PIP)
        assert capfd.readouterr().out == "uv is not used: exit code 2; pip installs, which takes longer\n"

    def test_the_settings_of_pip_are_those_of_uv(self, environment, monkeypatch):
        """The environment is before the files, and the section of the command before the global one."""
        self.add_uv(environment)
        (environment / "settings").write_text(
            ":env:.index-url='https://mirror.example/simple'\n"
            "download.no-index='1'\n"
            "global.cert='/etc/certificates.pem'\n"
            "global.extra-index-url='https://a.example/simple\\nfile:///b'\n"
            "global.find-links='/never'\n"
            "global.index-url='https://never.example/simple'\n"
            "global.proxy='http://proxy.example:3128'\n"
            "global.quiet='1'\n"
            "global.timeout='60'\n"
            "install.constraint='/etc/constraints.txt'\n"
            "install.find-links='/wheels /more'\n"
            "install.trusted-host='a.example b.example'\n"
        )
        monkeypatch.setenv("UV_HTTP_TIMEOUT", "30")  # the user's own
        assert self.called(environment) == (
            "ALL_PROXY=http://proxy.example:3128",
            "SSL_CERT_FILE=/etc/certificates.pem",
            "UV_CONSTRAINT=/etc/constraints.txt",
            "UV_DEFAULT_INDEX=https://mirror.example/simple",
            "UV_FIND_LINKS=/wheels,/more",
            "UV_HTTP_TIMEOUT=30",
            "UV_INDEX=https://a.example/simple file:///b",
            "UV_INDEX_STRATEGY=unsafe-best-match",
            "UV_INSECURE_HOST=a.example b.example",
            self.with_uv(environment),
        )

    def test_pip_installs_where_a_setting_has_no_translation(self, environment, capfd):
        self.add_uv(environment)
        (environment / "settings").write_text("global.no-binary=':all:'\n")
        assert self.called(environment) == self.WITH_PIP
        assert "uv is not used: it does not have the setting no-binary of pip; pip" in capfd.readouterr().out


class TestTargets:
    @staticmethod
    def command(checkout, *arguments, target):
        """Return the last command that make would run."""
        return checkout.make("--dry-run", *arguments, target=target).stdout.splitlines()[-1]

    def test_quick_tests_are_those_without_a_marker(self, checkout):
        markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
        names = " or ".join(marker.partition(":")[0] for marker in markers)
        for target in ("test-quick", "numerics"):
            assert f'-m "not ({names})"' in self.command(checkout, target=target)

    def test_quick_tests_are_all_or_some(self, checkout):
        assert self.command(checkout, target="test-quick").endswith(" tests")
        assert self.command(checkout, "TESTS=tests/nn", target="test-quick").endswith(" tests/nn")

    def test_all_tests_have_two_processes_more_than_cores(self, checkout):
        assert " --numprocesses $((4 + 2)) " in self.command(checkout, "CORES=4", target="test")
        assert " -m " not in self.command(checkout, target="test").partition(" pytest ")[2]
