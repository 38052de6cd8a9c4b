"""The set-up: it finds a supported Python, says which it needs, and replaces an environment that cannot be used.

Scripts stand for interpreters, so that nothing is installed.
"""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "make", "dirname", "expr", "find", "head", "ln", "ls", "mkdir", "nproc", "rm", "sed", "touch")
NEEDED = "Python 3.11, 3.12 or 3.13 is needed"

# It knows its version, makes an environment with a link to itself, and does not install where the file "offline" is.
INTERPRETER = """#!/bin/sh
case "$*" in
    --version) echo "Python {version}" ;;
    "-c import ensurepip"*) [ -z "{broken}" ] && echo "{path}" ;;
    "-m venv "*)
        mkdir -p "$3/bin"
        ln -s "{path}" "$3/bin/python"
        echo "command = {path} -m venv $PWD/$3" > "$3/pyvenv.cfg" ;;
    "-m pip "*) ! [ -e offline ] && echo "{version}: $*" >> installed ;;
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
        path.write_text(INTERPRETER.format(version=version, path=path, broken=broken))
        path.chmod(0o755)
        return path

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
        return [(line.partition(":")[0], line.rpartition(" ")[2]) for line in lines if " -r " in line]


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
