"""Install a file of requirements into the environment of this Python: with uv where it can be had, otherwise with pip.

usage: .venv/bin/python envs/install.py requirements.txt

uv takes a fifth of the time and does not read the settings of pip. They are translated, so that a mirror or a proxy is
used. Where a setting has no translation, pip installs.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PIP = "pip==26.3"  # faster than the one that comes with Python, and shows its progress
UV = Path(__file__).with_name("uv.txt")
OLDEST_UV = (0, 5)

# Settings of pip: the variable for uv, and what separates several values there.
VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", " "),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
}
# Settings that do not decide what is installed from where.
WITHOUT_EFFECT = {
    *("break-system-packages", "cache-dir", "compile", "disable-pip-version-check", "exists-action", "log"),
    *("no-cache-dir", "no-color", "no-compile", "no-input", "no-python-version-warning", "no-warn-conflicts"),
    *("no-warn-script-location", "prefer-binary", "progress-bar", "quiet", "require-virtualenv"),
    *("resume-retries", "retries", "root-user-action", "upgrade-strategy", "use-deprecated", "use-feature"),
    "verbose",
}


class NoUvError(Exception):
    """Why uv is not used."""


def pip_settings(listed: str) -> dict[str, str]:
    """Read the output of ``pip config list``: the settings that an installation has, by name."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}  # a later one replaces an earlier
    for section, name, value in re.findall(r"^([^.]+)\.(\S+?)=(.*)$", listed, re.MULTILINE):
        if section in sections:
            sections[section][name] = ast.literal_eval(value)
    return {name: value for found in sections.values() for name, value in found.items()}


def uv_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Translate settings of pip to environment variables of uv.

    Raises
    ------
    NoUvError
        If a setting has no translation.
    """
    unknown = settings.keys() - VARIABLES.keys() - WITHOUT_EFFECT
    if unknown:
        raise NoUvError(f"it does not have the setting {min(unknown)} of pip")
    variables = {}
    for name in VARIABLES.keys() & settings.keys():
        variable, separator = VARIABLES[name]
        variables[variable] = separator.join(settings[name].split())
    # Like pip, take the best version of all indices, not that of the first index with the package.
    return variables | ({"UV_INDEX_STRATEGY": "unsafe-best-match"} if "UV_INDEX" in variables else {})


def output(*command: str) -> str:
    """Return the output of a command.

    Raises
    ------
    NoUvError
        If it fails, with the last line of its error.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoUvError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return done.stdout


def uv_command() -> str:
    """Return the path of uv: of one that is there and new enough, else install it with pip.

    Raises
    ------
    NoUvError
        If it cannot be installed.
    """
    found = shutil.which("uv")
    if found:
        version = re.search(r"(\d+)\.(\d+)", output(found, "--version"))
        if version and (int(version[1]), int(version[2])) >= OLDEST_UV:
            return found
    output(sys.executable, "-m", "pip", "install", "--only-binary=:all:", "-r", str(UV))
    return str(Path(sys.executable).with_name("uv"))


def install_with_uv(requirements: str) -> None:
    """Install with uv; variables of the user for uv stay as they are.

    Raises
    ------
    NoUvError
        If uv cannot be had or fails.
    """
    variables = uv_variables(pip_settings(output(sys.executable, "-m", "pip", "config", "list")))
    command = [uv_command(), "pip", "install", "--python", sys.executable, "-r", requirements]
    # Python stores the bytecode of the modules that it imports, unless it is told not to.
    command += ["--compile-bytecode"] if os.environ.get("PYTHONDONTWRITEBYTECODE") else []
    code = subprocess.run(command, env={**variables, **os.environ}, check=False).returncode
    if code:
        raise NoUvError(f"exit code {code}")


def main(requirements: str) -> int:
    """Install a file of requirements, and return the exit code."""
    try:
        install_with_uv(requirements)
    except NoUvError as reason:
        print(f"uv is not used: {reason}; pip installs, which takes longer", flush=True)
    else:
        return 0
    pip = [sys.executable, "-m", "pip", "install"]
    return subprocess.run([*pip, PIP]).returncode or subprocess.run([*pip, "-r", requirements]).returncode


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
