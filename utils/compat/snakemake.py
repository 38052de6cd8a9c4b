"""Private parts of Snakemake: removal of outputs, records of failed jobs, and braces in paths.

- Snakemake removes the outputs of a job before it starts and again when it fails, so a failed training would remove the
  finished one: https://github.com/snakemake/snakemake/issues/1150. The scripts of this project replace an output only
  by a whole one, so nothing has to be removed. Snakemake's own flag, ``update()``, copies each output first, and
  records a failed job as complete: https://github.com/snakemake/snakemake/issues/3808.
- Snakemake takes braces in the path of the working directory or of the code for wildcards. No issue is known upstream.
"""

import atexit
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snakemake.jobs import Job
from snakemake.persistence.file import FilePersistence
from snakemake.sourcecache import LocalSourceFile

from utils.compat.versions import require_version

require_version("snakemake", "9.20", "9.28")

_postprocess = Job.postprocess


async def _remove_logs(job: Job) -> None:
    """Remove the logs of the previous run of a job, but no output."""
    for log in job.log:
        await log.remove(remove_non_empty_dir=False)


async def _keep_record(job: Job, *args: Any, error: bool = False, **kwargs: Any) -> None:
    """After a failure keep the outputs and their record, which belong to the previous run."""
    if not error:
        await _postprocess(job, *args, **kwargs)
        return
    persistence = job.dag.workflow.persistence
    persistence._clear_cache()
    for output in job.output:
        persistence._unmark_incomplete(persistence._get_key(output))


def _read_locks(persistence: FilePersistence) -> Iterator[tuple[str, str]]:
    """Read the locked files of any working directory."""
    for kind in ("input", "output"):
        for path in Path(persistence._lockdir).glob(f"*.{kind}.lock"):
            for line in path.read_text().splitlines():
                yield kind, line.strip()


def leave_outputs_to_scripts() -> None:
    """Keep the outputs of a job until its script replaces them."""
    Job.remove_existing_output = _remove_logs
    Job.postprocess = _keep_record


def _same(file: LocalSourceFile, **wildcards: Any) -> LocalSourceFile:
    """Return a file of the code without replacing wildcards in its path."""
    return file


def allow_braces_in_paths() -> None:
    """Allow any name for the folders of the results and of the code."""
    FilePersistence._read_locks = _read_locks
    LocalSourceFile.format = _same


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that does not exist yet, and its parents, at the end of the process unless they hold a file.

    Snakemake makes its working directory even for a dry run, and leaves a cache of modification times in it.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    if missing:
        atexit.register(_remove_empty, folder, missing)


def _remove_empty(folder: Path, parents: list[Path]) -> None:
    shutil.rmtree(folder / ".snakemake" / "iocache", ignore_errors=True)
    inner = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
    for path in (*inner, *parents):
        try:
            path.rmdir()
        except OSError:
            continue  # has a file in it
