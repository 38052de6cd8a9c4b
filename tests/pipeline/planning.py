"""Plans of the workflow, made in the process of the test, which takes a tenth of a second instead of two."""

import os
from collections import Counter
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, StorageSettings

ROOT = Path(__file__).parents[2]
SNAKEFILE = ROOT / "Snakefile"


def plan(
    folder,
    targets=(),
    *,
    config=None,
    configfiles=(),
    snakefile=SNAKEFILE,
    executor="dryrun",
    workdir=None,
    forceall=False,
):
    """Return the jobs that Snakemake plans, or runs with the executor `local`, when started in a folder."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        with SnakemakeApi(OutputSettings(quiet=Quietness.all())) as api:
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(config=config or {}, configfiles=list(configfiles)),
                storage_settings=StorageSettings(),
                snakefile=snakefile,
                workdir=workdir,
            )
            dag = workflow.dag(DAGSettings(targets=set(targets), forceall=forceall or executor == "touch"))
            dag.execute_workflow(executor=executor)
            return list(workflow._workflow.dag.needrun_jobs(exclude_finished=False))
    finally:
        os.chdir(here)


def job_counts(jobs):
    """Return the number of jobs of each rule."""
    return dict(Counter(job.rule.name for job in jobs if job.rule.name != "all"))
