"""Run Snakemake for each line of the standard input: a folder and arguments as JSON; print the exit code of each.

Each runs in a process of its own, forked where the libraries are already loaded, which takes longer than a plan.
"""

import importlib
import json
import os
import re
import sys
from pathlib import Path

import snakemake.parser  # noqa: F401
from snakemake.cli import main

from utils.config.schema import STEPS
from utils.runtime.dependencies import code_hash

ROOT = Path(__file__).parents[2]
LOG = "plan.log"  # in the folder


def load() -> None:
    """Load what the Snakefile loads, and hash the code of the scripts, which is kept."""
    for name in re.findall(r"^from (utils[\w.]*) import", (ROOT / "Snakefile").read_text(), re.M):
        importlib.import_module(name)
    for step in STEPS:
        code_hash(ROOT / f"{step}.py")


def exit_code(folder: str, arguments: list[str]) -> int:
    """Run Snakemake in a child and return its exit code."""
    child = os.fork()
    if not child:
        os.chdir(folder)
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            main(["--snakefile", str(ROOT / "Snakefile"), *arguments])
        except SystemExit as left:
            sys.stdout.flush()
            os._exit(int(left.code or 0))
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    load()
    for line in sys.stdin:
        print(exit_code(*json.loads(line)), flush=True)
