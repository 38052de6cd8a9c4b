"""From Pythia events to turn-on curves and firmware; each rule runs the script of its name.

All paths are relative to the output folder, so that a target is named as its file or folder there:
plots_selective_true_met, teacher_true_met, plots_teacher_true_met, student_true_met, plots_student_true_met,
firmware_true_met, and the same for true_ht and original_met.
"""

import glob
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

sys.path.insert(0, workflow.basedir)

from utils.cli import UserError
from utils.config import NOT_FLAGS, check_config, flags, n_shards, use_this_python
from utils.files import modules_of, refuse_dangling
from utils.report import NUMBERS, process_of, title_of
from utils.variables import VARIABLES

min_version("9.0")


report: "docs/report/workflow.rst"


configfile: Path(workflow.basedir) / "config.yaml"


try:
    check_config(config)
    refuse_dangling(config["output"])
except UserError as error:
    raise WorkflowError(str(error)) from None

# Jobs on a farm read this file again, from within the output folder.
START = Path(os.environ.setdefault("L1_REGRESSION_START", str(Path.cwd())))
CODE = Path(workflow.basedir)
GENERATE = config["generate_events"]
TRAIN = config["train_teacher"]
WORKER_JOBS = 0 if TRAIN.get("hyperparameters") else TRAIN.get("worker_jobs", 0)

use_this_python()


envvars:
    "L1_REGRESSION_START",


workdir: START / config["output"]


wildcard_constraints:
    variable="|".join(VARIABLES),
    kind="teacher|student",
    worker="[0-9]+",
    process="[A-Za-z0-9][A-Za-z0-9_+-]*",
    shard="[0-9]+",


def script(name):
    """The script of a rule and all modules that it imports: a change of any of them runs the rule again."""
    return [CODE / f"{name}.py", *modules_of(CODE / f"{name}.py")]


def shard_events(process, shard):
    """Events of a shard: as many in each, or one more in the last ones, so that shards of a file never overlap."""
    events = GENERATE["processes"][process]["events"]
    number = n_shards(events, GENERATE["events_per_shard"])
    return events // number + (shard >= number - events % number)


def events_files(process, source):
    """The events files of a process: the shards to generate, or what the user's file name or glob finds."""
    if source == "generated":
        shards = range(n_shards(GENERATE["processes"][process]["events"], GENERATE["events_per_shard"]))
        return [f"events/{process}/{shard}.h5" for shard in shards]
    found = sorted(glob.glob(str(START / source)))
    if not found:
        raise WorkflowError(f"configuration: create_L1regression_data.processes.{process}: no such file: {source}")
    return found


def user_file(section, key):
    """A file or folder that the configuration names, relative to where snakemake was started; nothing where it names none."""
    value = config[section].get(key)
    return [START / value] if value else []


SOURCES = config["create_L1regression_data"]["processes"]
EVENTS = {process: events_files(process, source) for process, source in SOURCES.items() if source is not None}
ANALYSED = [name for key in ("signal_names", "bg_names") for name in config["analyze_results_teacher"].get(key, [])]
L1_TABLES = ["jet_inverse_response", "jet_resolution_central", "jet_resolution_forward"]


def needs(mem_mb, runtime):
    """What a job needs, memory in MB and time in minutes, for Slurm and under the names that HTCondor's plugin knows."""
    return {
        "mem_mb": mem_mb,
        "runtime": runtime,
        "htcondor_request_mem_mb": mem_mb,
        "classad_MaxRuntime": 60 * runtime,  # seconds, at CERN
    }


def training_flags(wildcards):
    """The flags of a training, for the chief of its search and for the workers that join it."""
    hyperparameters = next(iter(user_file("train_teacher", "hyperparameters")), None)
    return flags({**TRAIN, "hyperparameters": hyperparameters}, wildcards.variable, NOT_FLAGS["train_teacher"])


def labels(wildcards):
    """What the report calls a plot or a table of numbers."""
    table = wildcards.get("table", "summary")
    result = title_of(wildcards.plot, ANALYSED) if wildcards.get("plot") else f"{table.replace('_', ' ')} (numbers)"
    variable = wildcards.get("variable")
    return {"result": result, "variable": variable} if variable else {"result": result}


def models(wildcards):
    """The trainings that are evaluated together: the teacher, and with a student its teacher before it."""
    return [f"{kind}_{wildcards.variable}" for kind in dict.fromkeys(["teacher", wildcards.kind])]


def chapter(wildcards):
    """In which chapter the report puts the results of an analysis."""
    number = {"teacher": "4 Trigger performance", "student": "6 Trigger performance with the student"}[wildcards.kind]
    return f"{number}, {wildcards.variable}"


def heading(wildcards):
    """Under which heading the report puts a result of the analysis."""
    return process_of(wildcards.plot, ANALYSED) if wildcards.get("plot") else NUMBERS


rule all:
    """Train and analyse the teacher of each variable of the configuration."""
    input:
        expand("plots_teacher_{variable}", variable=config["variables"]),
        expand("workers_{variable}/{worker}", variable=config["variables"], worker=range(1, WORKER_JOBS + 1)),


rule generate_events:
    """Generate and detect a shard of a process. Events cost hours: changed code does not make them anew, -R does."""
    input:
        script=ancient(script("generate_events")),
    output:
        "events/{process}/{shard}.h5",
    log:
        "logs/generate_events/{process}_{shard}.log",
    benchmark:
        "benchmarks/generate_events/{process}_{shard}.tsv"
    conda:
        "envs/events.yaml"
    threads: 1
    resources:
        **needs(mem_mb=1500, runtime=240),
    params:
        flags=flags(GENERATE, leave_out=NOT_FLAGS["generate_events"]),
        settings=lambda wildcards: GENERATE["processes"][wildcards.process]["settings"],
        events=lambda wildcards: shard_events(wildcards.process, int(wildcards.shard)),
        seed=config["seed"],
    shell:
        "python {input.script[0]:q} --output {output:q} --process {wildcards.process:q} --shard {wildcards.shard}"
        " --events {params.events} --seed {params.seed} {params.flags:q} --settings {params.settings:q}"
        " 2>&1 | tee {log:q}"


rule create_L1regression_data:
    """Smear all events to the resolution of the Level-1 trigger and split them."""
    input:
        script=script("create_L1regression_data"),
        events=[path for paths in EVENTS.values() for path in paths],
        tables=[path for key in L1_TABLES for path in user_file("create_L1regression_data", key)],
    output:
        train="l1_regression/train.h5",
        test="l1_regression/test.h5",
        plots=report(
            directory("l1_regression/plots"),
            patterns=["{plot}.png"],
            caption="docs/report/create_L1regression_data.rst",
            category="1 L1 response",
            labels=labels,
        ),
    log:
        "logs/create_L1regression_data.log",
    benchmark:
        "benchmarks/create_L1regression_data.tsv"
    conda:
        "envs/data.yaml"
    threads: 4
    resources:
        **needs(mem_mb=1000, runtime=240),
    params:
        inputs=[f"--input={process}={path}" for process, paths in EVENTS.items() for path in paths],
        flags=flags(
            {
                **config["create_L1regression_data"],
                **{key: path for key in L1_TABLES for path in user_file("create_L1regression_data", key)},
            },
            leave_out=NOT_FLAGS["create_L1regression_data"],
        ),
        seed=config["seed"],
    shell:
        "python {input.script[0]:q} {params.inputs:q} --train_output {output.train:q} --test_output {output.test:q}"
        " --plots {output.plots:q} --seed {params.seed} {params.flags:q} --workers {threads} 2>&1 | tee {log:q}"


rule selective_sampling_jets:
    """Choose processes, thin by jet count and flatten the spectrum of the variable, for the training."""
    input:
        script=script("selective_sampling_jets"),
        data="l1_regression/train.h5",
    output:
        train="selective_{variable}/train.h5",
        discarded="selective_{variable}/discarded.h5",
        summary=report(
            "selective_{variable}/summary.txt",
            caption="docs/report/selective_sampling_jets.rst",
            category="2 Training sample, {variable}",
            labels=labels,
        ),
        plots=report(
            directory("plots_selective_{variable}"),
            patterns=["{plot}.png"],
            caption="docs/report/selective_sampling_jets.rst",
            category="2 Training sample, {variable}",
            labels=labels,
        ),
    log:
        "logs/selective_sampling_jets/{variable}.log",
    benchmark:
        "benchmarks/selective_sampling_jets/{variable}.tsv"
    conda:
        "envs/data.yaml"
    threads: 4
    resources:
        **needs(mem_mb=1000, runtime=120),
    params:
        flags=lambda wildcards: flags(config["selective_sampling_jets"], wildcards.variable),
        seed=config["seed"],
    shell:
        "python {input.script[0]:q} --input {input.data:q} --output {output.train:q}"
        " --discarded_output {output.discarded:q} --summary {output.summary:q} --plots {output.plots:q}"
        " --sampling_var {wildcards.variable} --seed {params.seed} {params.flags:q} --workers {threads} 2>&1 | tee {log:q}"


rule train_teacher:
    """Search the hyperparameters of the graph attention network and fit the best ones; goes on with what a kill left."""
    input:
        script=script("train_teacher"),
        data="selective_{variable}/train.h5",
        hyperparameters=user_file("train_teacher", "hyperparameters"),
    output:
        report(
            directory("teacher_{variable}"),
            patterns=["{plot,[^/]+}.png", "{table,[^/]+}.csv", "{table,[^/]+}.json"],
            caption="docs/report/train_teacher.rst",
            category="3 Training, {variable}",
            labels=labels,
        ),
    log:
        "logs/train_teacher/{variable}.log",
    benchmark:
        "benchmarks/train_teacher/{variable}.tsv"
    priority: 1  # the chief of a search before its workers
    conda:
        "envs/teacher.yaml"
    threads: 8
    resources:
        **needs(mem_mb=8000, runtime=2880),
    params:
        chief='--chief_host "$(hostname)"' if WORKER_JOBS else "",
        flags=training_flags,
        seed=config["seed"],
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {input.script[0]:q} --input {input.data:q} --output {output:q}"
        " --variable {wildcards.variable} --seed {params.seed} {params.chief} {params.flags:q} 2>&1 | tee {log:q}"


rule train_teacher_worker:
    """Take trials from the search of train_teacher, on another node of a batch farm, until it is over."""
    input:
        script=script("train_teacher"),
        data="selective_{variable}/train.h5",
    output:
        touch("workers_{variable}/{worker}"),
    log:
        "logs/train_teacher/{variable}_worker{worker}.log",
    benchmark:
        "benchmarks/train_teacher/{variable}_worker{worker}.tsv"
    retries: 3  # a worker that loses its chief fails; the chief may be started again
    conda:
        "envs/teacher.yaml"
    threads: 8
    resources:
        **needs(mem_mb=4000, runtime=2880),
    params:
        teacher="teacher_{variable}",
        flags=training_flags,
        seed=config["seed"],
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {input.script[0]:q} --input {input.data:q} --output {params.teacher:q}"
        " --variable {wildcards.variable} --seed {params.seed} {params.flags:q} --join job{wildcards.worker}"
        " 2>&1 | tee {log:q}"


rule train_student:
    """Distil a small quantised network from the teacher; goes on with what a kill left."""
    input:
        script=script("train_student"),
        data="selective_{variable}/train.h5",
        teacher="teacher_{variable}",
    output:
        report(
            directory("student_{variable}"),
            patterns=["{plot,[^/]+}.png", "{table,[^/]+}.csv", "{table,[^/]+}.json"],
            caption="docs/report/train_student.rst",
            category="5 Student, {variable}",
            labels=labels,
        ),
    log:
        "logs/train_student/{variable}.log",
    benchmark:
        "benchmarks/train_student/{variable}.tsv"
    conda:
        "envs/student.yaml"
    threads: 8
    resources:
        **needs(mem_mb=4000, runtime=720),
    params:
        flags=lambda wildcards: flags(config["train_student"], wildcards.variable),
        seed=config["seed"],
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {input.script[0]:q} --input {input.data:q} --teacher {input.teacher:q}"
        " --output {output:q} --variable {wildcards.variable} --seed {params.seed} {params.flags:q} 2>&1 | tee {log:q}"


rule analyze_results_teacher:
    """Turn-on curves, resolution, rates and ROC of the teacher, or of teacher and student, on test events."""
    input:
        script=script("analyze_results_teacher"),
        data="l1_regression/test.h5",
        models=models,
        zero_bias=user_file("analyze_results_teacher", "zero_bias"),
    output:
        report(
            directory("plots_{kind}_{variable}"),
            patterns=["{plot}.png", "{table}.txt", "{table}.json"],
            caption="docs/report/analyze_results_teacher.rst",
            category=chapter,
            subcategory=heading,
            labels=labels,
        ),
    log:
        "logs/analyze_results_teacher/{kind}_{variable}.log",
    benchmark:
        "benchmarks/analyze_results_teacher/{kind}_{variable}.tsv"
    conda:
        "envs/student.yaml"
    threads: 8
    resources:
        **needs(mem_mb=4000, runtime=240),
    params:
        flags=lambda wildcards, input: flags(
            {**config["analyze_results_teacher"], "zero_bias": next(iter(input.zero_bias), None)},
            wildcards.variable,
        ),
        models=lambda wildcards: [f"--model={path.partition('_')[0]}={path}" for path in models(wildcards)],
        seed=config["seed"],
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {input.script[0]:q} {params.models:q} --data {input.data:q}"
        " --output {output:q} --seed {params.seed} {params.flags:q} 2>&1 | tee {log:q}"


rule export_firmware:
    """Verilog of the student, equal to it in every bit on all test events."""
    input:
        script=script("export_firmware"),
        model="student_{variable}",
        data="l1_regression/test.h5",
    output:
        report(
            directory("firmware_{variable}"),
            patterns=["{table,firmware|events}.txt", "{table,firmware}.json"],
            caption="docs/report/export_firmware.rst",
            category="7 Firmware, {variable}",
            labels=labels,
        ),
    log:
        "logs/export_firmware/{variable}.log",
    benchmark:
        "benchmarks/export_firmware/{variable}.tsv"
    conda:
        "envs/student.yaml"
    threads: 8
    resources:
        **needs(mem_mb=4000, runtime=60),
    params:
        flags=lambda wildcards: flags(config["export_firmware"], wildcards.variable),
        seed=config["seed"],
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {input.script[0]:q} --model_dir {input.model:q} --data {input.data:q}"
        " --output {output:q} --seed {params.seed} {params.flags:q} 2>&1 | tee {log:q}"
