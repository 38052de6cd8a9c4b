"""What Snakemake does to outputs behind the back of the scripts that make them: here it leaves them alone.

Snakemake removes the outputs of a job before the job starts and again when it fails, so that a training that fails or
is killed would take the finished one with it. The scripts of this project replace an output only by a whole one, so
nothing has to be removed. Snakemake's own flag for that, ``update()``, copies each output first, and records a job that
failed as one that made the output: see ``Job.postprocess`` in
https://github.com/snakemake/snakemake/blob/main/src/snakemake/jobs.py.

Written for Snakemake 9.27. No other module reaches into the private API of Snakemake.
"""

import atexit
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snakemake.jobs import Job
from snakemake.persistence.file import FilePersistence
from snakemake.sourcecache import LocalSourceFile

_postprocess = Job.postprocess


async def _remove_logs(job: Job) -> None:
    """Remove the logs of the former run of a job, but no output."""
    for log in job.log:
        await log.remove(remove_non_empty_dir=False)


async def _keep_record(job: Job, *args: Any, error: bool = False, **kwargs: Any) -> None:
    """After a failure leave the outputs and the record of what made them: they are those of the former run."""
    if not error:
        await _postprocess(job, *args, **kwargs)
        return
    persistence = job.dag.workflow.persistence
    persistence._clear_cache()
    for output in job.output:
        persistence._unmark_incomplete(persistence._get_key(output))


def _read_locks(persistence: FilePersistence) -> Iterator[tuple[str, str]]:
    """Read the locked files; Snakemake takes braces in the path of its working directory for a wildcard."""
    for kind in ("input", "output"):
        for path in Path(persistence._lockdir).glob(f"*.{kind}.lock"):
            for line in path.read_text().splitlines():
                yield kind, line.strip()


def leave_outputs_to_scripts() -> None:
    """Let outputs stay until the scripts of the jobs replace them."""
    Job.remove_existing_output = _remove_logs
    Job.postprocess = _keep_record


def _same(file: LocalSourceFile, **wildcards: Any) -> LocalSourceFile:
    """Return a file of the code itself; Snakemake takes braces in its path for a wildcard."""
    return file


def allow_braces_in_paths() -> None:
    """Let the folders of the results and of the code have any name."""
    FilePersistence._read_locks = _read_locks
    LocalSourceFile.format = _same


def remove_if_empty(folder: Path) -> None:
    """Remove at the end of the process a folder that is not there yet, with its parents, unless a file is in it.

    Snakemake makes its working directory for a plan as well, and leaves a cache of the times of files in it.
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
