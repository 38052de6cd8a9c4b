"""Snakemake still removes outputs, and still takes braces in paths for wildcards."""

import inspect
import subprocess
import sys

from snakemake.jobs import Job
from snakemake.persistence.file import FilePersistence

# Once one of these fails, Snakemake may have what utils/compat/snakemake.py does: see the issues that it names.


def test_the_methods_that_are_replaced_exist_with_their_parameters():
    assert inspect.iscoroutinefunction(Job.remove_existing_output)
    assert inspect.iscoroutinefunction(Job.postprocess)
    assert "error" in inspect.signature(Job.postprocess).parameters
    for name in ("_read_locks", "_clear_cache", "_unmark_incomplete", "_get_key"):
        assert callable(getattr(FilePersistence, name))


def test_braces_in_the_path_of_a_source_file_are_still_taken_for_a_wildcard():
    """In a process of its own, since a plan in this one replaces the method."""
    code = """
from snakemake.sourcecache import LocalSourceFile
print(LocalSourceFile("/code{x}/a.py").format(x=1).get_path_or_uri(secret_free=True))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "/code1/a.py\n"
