"""Run Snakemake for each command line of a list, which is JSON on the standard input, until one fails.

Each runs in a process of its own, forked where the libraries are already loaded, which takes longer than a plan.
"""

import json
import os
import sys

from snakemake.cli import main

import utils.config  # noqa: F401 what the Snakefile loads


def exit_code(arguments: list[str]) -> int:
    """Run Snakemake in a child and return its exit code."""
    child = os.fork()
    if not child:
        os.dup2(1, 2)
        try:
            main(arguments)
        except SystemExit as left:
            sys.stdout.flush()
            os._exit(int(left.code or 0))
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


for command in json.load(sys.stdin):
    if exit_code(command):
        sys.exit(f"snakemake {' '.join(command)}: failed")
