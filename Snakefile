"""From Pythia events to turn-on curves and firmware; each rule runs the script of its name.

All paths are relative to the output folder. A target has the name of its file or folder there:
plots_selective_true_met, teacher_true_met, plots_teacher_true_met, student_true_met, plots_student_true_met,
firmware_true_met, onnx_true_met, and the same for true_ht and original_met.

A rule runs again when the content of a dependency changes. Snakemake compares the parameter `depends_on` with its value
in the former run: values of the configuration, hashes of files of the user, hash of the code. Snakemake does not compare
a parameter that is a function of `input`: such parameters hold the paths and all else without effect on the results.
"""

import os
import sys
import time
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.io import strip_wildcard_constraints
from snakemake.logging import logger
from snakemake.settings.types import ExecMode
from snakemake.utils import min_version

STARTED = time.time()
sys.path.insert(0, workflow.basedir)

from utils.compat.snakemake import allow_braces_in_paths, leave_outputs_to_scripts, remove_if_empty
from utils.config.checks import check_config
from utils.config.files import check_files, user_files, user_sources
from utils.config.flags import flags, use_this_python
from utils.config.processes import check_generation, check_names, check_not_left_out, leave_out, n_shards
from utils.config.schema import file_defaults, neutral, not_flags
from utils.runtime.dependencies import code_hash, content_hash, refuse_inputs_of_outputs
from utils.plotting.plot_names import NUMBERS, plot_process, plot_title
from utils.run_times import write_summary
from utils.runtime.errors import UserError
from utils.runtime.paths import find_files, refuse_dangling
from utils.simulation.pythia_settings import les_houches_file
from utils.steps.common import NAME
from utils.variables import VARIABLES

min_version("9.0")
allow_braces_in_paths()
leave_outputs_to_scripts()


report: "docs/report/workflow.rst"


configfile: Path(workflow.basedir) / "config.yaml"


# A job on a farm reads this file again, in the output folder and with a forced rule. So it takes both values from the
# environment of the first process.
if workflow.exec_mode == ExecMode.DEFAULT:
    os.environ["L1_REGRESSION_START"] = str(Path.cwd())
    os.environ["L1_REGRESSION_FORCE"] = ""
START = Path(os.environ["L1_REGRESSION_START"])
CODE = Path(workflow.basedir)

try:
    if workflow.overwrite_workdir is not None:
        raise UserError(
            f"--directory {workflow.overwrite_workdir}: results go to `output` of the configuration, {config['output']}: "
            "start snakemake in that folder instead, or set output"
        )
    check_config(config, START)
    check_files(config, START)
    check_names(config, START)
    if workflow.exec_mode == ExecMode.DEFAULT:
        check_generation(config)
    LEFT_OUT = leave_out(config, START)
    refuse_dangling(START / config["output"])
except (OSError, UserError) as error:
    raise WorkflowError(str(error)) from None

if LEFT_OUT:
    logger.info(f"Left out, since without events in create_L1regression_data.processes: {', '.join(LEFT_OUT)}")

GENERATE = config["generate_events"]
ANALYSE = config["analyze_results_teacher"]
TRAIN = config["train_teacher"]
WORKER_JOBS = TRAIN["worker_jobs"]

use_this_python()
remove_if_empty(START / config["output"])


envvars:
    "L1_REGRESSION_START",
    "L1_REGRESSION_FORCE",


workdir: START / config["output"]


wildcard_constraints:
    variable="|".join(VARIABLES),
    kind="teacher|student",
    worker="[0-9]+",
    process=NAME,
    shard="[0-9]+",


def shard_events(process, shard):
    """Number of events of a shard; the last shards have the remainder, so that shards of a file never overlap."""
    events = GENERATE["processes"][process]["events"]
    number = n_shards(events, GENERATE["events_per_shard"])
    return events // number + (shard >= number - events % number)


def source_flags(process, shard, content):
    """Flags of a shard for the file of another generator and for the cross section, where they are given."""
    block = GENERATE["processes"][process]
    words = flags({"cross_section": block.get("cross_section")})
    if "source" in block:
        number = n_shards(block["events"], GENERATE["events_per_shard"])
        first_event = shard * (block["events"] // number) + max(0, shard - number + block["events"] % number)
        path = START / block["source"]
        words += [f"--source={content_hash(path) if content else path}", f"--first_event={first_event}"]
    return words


def generator_flags(process, shard, content=False):
    """Flags of a shard; with `content` a hash of its content stands for a file of another generator."""
    settings = GENERATE["processes"][process].get("settings") or []
    files = [les_houches_file(setting) if content else None for setting in settings]
    return [
        *sorted(flags(GENERATE, leave_out=not_flags("generate_events"))),
        f"--events={shard_events(process, int(shard))}",
        f"--seed={config['seed']}",
        *source_flags(process, int(shard), content),
        *(["--settings"] if settings else []),
        *(
            f"Beams:LHEF: {content_hash(START / config['output'] / file)}" if file else setting
            for setting, file in zip(settings, files, strict=True)
        ),
    ]


def shards(process):
    """Events files of a generated process."""
    number = n_shards(GENERATE["processes"][process]["events"], GENERATE["events_per_shard"])
    return [f"events/{process}/{shard}.h5" for shard in range(number)]


# In the order of config.yaml, which numbers the processes: Snakemake puts overriding keys first.
ORDER = yaml.safe_load((CODE / "config.yaml").read_text())["create_L1regression_data"]["processes"]
PROCESSES = config["create_L1regression_data"]["processes"]
SOURCES = {name: PROCESSES[name] for name in {**ORDER, **PROCESSES} if PROCESSES.get(name) is not None}
EXTRA_SIGNALS = {name: source for name, source in sorted(ANALYSE["extra_signals"].items()) if source}
SIGNALS = [*ANALYSE.get("signal_names", []), *EXTRA_SIGNALS]
ANALYSED = [*SIGNALS, *ANALYSE.get("bg_names", [])]


def generated_events(sources):
    """Events files of those processes that are generated."""
    return [path for process, source in sources.items() if source == "generated" for path in shards(process)]


def events_files(sources):
    """Pairs of a process and an events file: a generated one, or one that a file name or glob finds."""
    return [
        (process, path)
        for process, source in sources.items()
        for path in (shards(process) if source == "generated" else find_files(source, START))
    ]


def events_flags(sources):
    """Flags with the events files of processes."""
    return [f"--input={process}={path}" for process, path in events_files(sources)]


def cross_sections_of(sources):
    """Cross sections that are given for processes or for their files."""
    given = config["create_L1regression_data"]["cross_sections"]
    return {
        name: value
        for name, value in given.items()
        if name in sources or any(Path(path).match(name) for _, path in events_files(sources))
    }


def cross_sections(process):
    """Cross sections for an extra signal, or those of the other processes with all that nothing needs, for a warning."""
    if process:
        return cross_sections_of({process: EXTRA_SIGNALS[process]})
    others = {*cross_sections_of(EXTRA_SIGNALS)} - {*cross_sections_of(SOURCES)}
    given = config["create_L1regression_data"]["cross_sections"]
    return {name: value for name, value in given.items() if name not in others}


def events_content(sources):
    """Dependencies on events: hashes of the files of the user; generated events are outputs of a rule."""
    return [
        f"{process}: {path if source == 'generated' else content_hash(path)}"
        for process, source in sources.items()
        for path in ([source] if source == "generated" else find_files(source, START))
    ]


def section_files(name):
    """Files of a section by key: those that it names, and default tables."""
    given = {
        key: START / config[name][key] if config[name].get(key) else default
        for key, default in file_defaults(name).items()
    }
    return {key: path for key, path in given.items() if path}


def script(name):
    """The script of a rule."""
    return CODE / f"{name}.py"


def section(name, process=None):
    """A section of the configuration, for an extra signal or not; extra signals are among the signals."""
    changed = {
        "analyze_results_teacher": lambda: {"signal_names": SIGNALS},
        "create_L1regression_data": lambda: {"cross_sections": cross_sections(process)},
    }
    return {**config[name], **changed[name]()} if name in changed else config[name]


def section_flags(name, variable=None, process=None):
    """Flags of a section of the configuration, and the seed."""
    values = {"seed": config["seed"], **section(name, process), **section_files(name)}
    return flags(values, variable, not_flags(name))


def dependencies(name, variable=None, but=(), process=None):
    """Dependencies of the results of a script, without files of other rules and the flags `but`."""
    leave_out = (*not_flags(name), *neutral(name), *file_defaults(name), *but)
    return [
        *sorted(flags(section(name, process), variable, leave_out)),
        *(f"{key}: {content_hash(path)}" for key, path in section_files(name).items()),
        f"seed: {config['seed']}",
        f"code: {code_hash(script(name))}",
    ]


def force():
    """Flag that makes a finished training run again, where snakemake was started with -f, -F or -R."""
    if workflow.exec_mode == ExecMode.DEFAULT:
        told = workflow.dag_settings
        os.environ["L1_REGRESSION_FORCE"] = "--force" if told.forceall or told.forcetargets or told.forcerun else ""
    return os.environ["L1_REGRESSION_FORCE"]


def l1_files(step, *names):
    """L1 regression files by name, for a rule whose section lists processes that they have to contain."""
    try:
        check_not_left_out(config, step, START)
    except (OSError, UserError) as error:
        raise WorkflowError(str(error)) from None
    return [f"l1_regression/{name}.h5" for name in names]


def job_resources(mem_mb, runtime):
    """Resources of a job, memory in MB and time in minutes, with the names of Slurm and of the HTCondor plugin."""
    return {
        "mem_mb": mem_mb,
        "runtime": runtime,
        "htcondor_request_mem_mb": mem_mb,
        "classad_MaxRuntime": 60 * runtime,  # seconds, at CERN
    }


def labels(wildcards):
    """Title of a plot or of a table of numbers in the report."""
    table = wildcards.get("table", "summary")
    result = plot_title(wildcards.plot, ANALYSED) if wildcards.get("plot") else f"{table.replace('_', ' ')} (numbers)"
    variable = wildcards.get("variable")
    return {"result": result, "variable": variable} if variable else {"result": result}


def models(wildcards):
    """Trainings that are evaluated together: the teacher, or the teacher and its student."""
    return [f"{kind}_{wildcards.variable}" for kind in dict.fromkeys(["teacher", wildcards.kind])]


def chapter(wildcards):
    """Chapter of the report for the results of an analysis."""
    number = {"teacher": "4 Trigger performance", "student": "6 Trigger performance with the student"}[wildcards.kind]
    return f"{number}, {wildcards.variable}"


def heading(wildcards):
    """Heading in the report for a result of an analysis."""
    return plot_process(wildcards.plot, ANALYSED) if wildcards.get("plot") else NUMBERS


def finished_results(wildcards):
    """Results that exist, for the report."""
    kinds = "plots_selective", "teacher", "plots_teacher", "student", "plots_student", "firmware", "onnx"
    return [name for kind in kinds for variable in VARIABLES if Path(name := f"{kind}_{variable}").is_dir()]


rule all:
    """Train and analyse the teacher of each variable of the configuration."""
    input:
        expand("plots_teacher_{variable}", variable=config["variables"]),
        expand("workers_{variable}/{worker}", variable=config["variables"], worker=range(1, WORKER_JOBS + 1)),


rule finished:
    """Results that exist, for the report."""
    input:
        finished_results,


rule generate_events:
    """Generate and detect a shard of a process. Events cost hours: only -R makes them again after a change of code."""
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
        **job_resources(mem_mb=1500, runtime=240),
    params:
        script=lambda wildcards, input: script("generate_events"),
        depends_on=lambda wildcards: generator_flags(wildcards.process, wildcards.shard, content=True),
        flags=lambda wildcards, input: generator_flags(wildcards.process, wildcards.shard),
    shell:
        "python {params.script:q} --output {output:q} --process {wildcards.process:q} --shard {wildcards.shard}"
        " {params.flags:q} 2>&1 | tee {log:q}"


rule create_L1regression_data:
    """Smear all events to the resolution of the Level-1 trigger and split them."""
    input:
        generated_events(SOURCES),
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
        **job_resources(mem_mb=1000, runtime=240),
    params:
        script=lambda wildcards, input: script("create_L1regression_data"),
        depends_on=lambda wildcards: [*dependencies("create_L1regression_data"), *events_content(SOURCES)],
        flags=lambda wildcards, input: [*events_flags(SOURCES), *section_flags("create_L1regression_data")],
    shell:
        "python {params.script:q} --train_output {output.train:q} --test_output {output.test:q}"
        " --plots {output.plots:q} {params.flags:q} --workers {threads} 2>&1 | tee {log:q}"


rule create_extra_signal:
    """Smear a signal that is only evaluated, into a separate file, so that no training depends on it."""
    input:
        lambda wildcards: generated_events({wildcards.process: EXTRA_SIGNALS[wildcards.process]}),
    output:
        "l1_regression/extra_signals/{process}.h5",
    log:
        "logs/create_extra_signal/{process}.log",
    benchmark:
        "benchmarks/create_extra_signal/{process}.tsv"
    conda:
        "envs/data.yaml"
    threads: 4
    resources:
        **job_resources(mem_mb=1000, runtime=240),
    params:
        script=lambda wildcards, input: script("create_L1regression_data"),
        depends_on=lambda wildcards: [
            *dependencies("create_L1regression_data", but=["test_fraction", "smearings"], process=wildcards.process),
            *events_content({wildcards.process: EXTRA_SIGNALS[wildcards.process]}),
        ],
        flags=lambda wildcards, input: [
            *events_flags({wildcards.process: EXTRA_SIGNALS[wildcards.process]}),
            *section_flags("create_L1regression_data", process=wildcards.process),
        ],
    shell:
        "python {params.script:q} --test_output {output:q} {params.flags:q} --workers {threads} 2>&1 | tee {log:q}"


rule selective_sampling_jets:
    """Choose processes, prescale by jet multiplicity and flatten the spectrum of the variable, for the training."""
    input:
        data=lambda wildcards: l1_files("selective_sampling_jets", "train"),
    output:
        train="selective_{variable}/train.h5",
        content="selective_{variable}/train.sha256",
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
        **job_resources(mem_mb=1000, runtime=120),
    params:
        script=lambda wildcards, input: script("selective_sampling_jets"),
        depends_on=lambda wildcards: dependencies("selective_sampling_jets", wildcards.variable),
        flags=lambda wildcards, input: section_flags("selective_sampling_jets", wildcards.variable),
    shell:
        "python {params.script:q} --input {input.data:q} --output {output.train:q}"
        " --content {output.content:q} --discarded_output {output.discarded:q} --summary {output.summary:q}"
        " --plots {output.plots:q} --sampling_var {wildcards.variable} {params.flags:q} --workers {threads} 2>&1 | tee {log:q}"


rule train_teacher:
    """Search the hyperparameters of the graph attention network and fit the best; continues after a kill."""
    input:
        data=ancient("selective_{variable}/train.h5"),
        content="selective_{variable}/train.sha256",
    output:
        report(
            directory("teacher_{variable}"),
            patterns=["{plot,[^/]+}.png", "{table,[^/]+}.csv", "{table,best_hyperparameters|training}.json"],
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
        **job_resources(mem_mb=8000, runtime=2880),
    params:
        script=lambda wildcards, input: script("train_teacher"),
        depends_on=lambda wildcards: dependencies("train_teacher", wildcards.variable),
        flags=lambda wildcards, input: section_flags("train_teacher", wildcards.variable),
        chief=lambda wildcards, input: '--chief_host "$(hostname)"' if WORKER_JOBS else "",
        force=lambda wildcards, input: force(),
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {params.script:q} --input {input.data:q} --output {output:q}"
        " --variable {wildcards.variable} {params.chief} {params.flags:q} {params.force} 2>&1 | tee {log:q}"


rule train_teacher_worker:
    """Run trials of the search of train_teacher on another node of a batch farm."""
    input:
        data=ancient("selective_{variable}/train.h5"),
        content="selective_{variable}/train.sha256",
    output:
        touch("workers_{variable}/{worker}"),
    log:
        "logs/train_teacher/{variable}_worker{worker}.log",
    benchmark:
        "benchmarks/train_teacher/{variable}_worker{worker}.tsv"
    retries: 3  # a worker fails when it loses its chief, which may be started again
    conda:
        "envs/teacher.yaml"
    threads: 8
    resources:
        **job_resources(mem_mb=4000, runtime=2880),
    params:
        script=lambda wildcards, input: script("train_teacher"),
        depends_on=lambda wildcards: dependencies("train_teacher", wildcards.variable),
        flags=lambda wildcards, input: section_flags("train_teacher", wildcards.variable),
        teacher="teacher_{variable}",
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {params.script:q} --input {input.data:q} --output {params.teacher:q}"
        " --variable {wildcards.variable} {params.flags:q} --join job{wildcards.worker}"
        " 2>&1 | tee {log:q}"


rule train_student:
    """Distil a small quantised network from the teacher; continues after a kill."""
    input:
        data=ancient("selective_{variable}/train.h5"),
        content="selective_{variable}/train.sha256",
        teacher="teacher_{variable}",
    output:
        report(
            directory("student_{variable}"),
            patterns=["{plot,[^/]+}.png", "{table,[^/]+}.csv", "{table,training}.json"],
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
        **job_resources(mem_mb=4000, runtime=720),
    params:
        script=lambda wildcards, input: script("train_student"),
        depends_on=lambda wildcards: dependencies("train_student", wildcards.variable),
        flags=lambda wildcards, input: section_flags("train_student", wildcards.variable),
        force=lambda wildcards, input: force(),
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {params.script:q} --input {input.data:q} --teacher {input.teacher:q}"
        " --output {output:q} --variable {wildcards.variable} {params.flags:q} {params.force} 2>&1 | tee {log:q}"


rule analyze_results_teacher:
    """Evaluate the teacher, or teacher and student, on test events: turn-on, resolution, rates, ROC."""
    input:
        data=lambda wildcards: l1_files(
            "analyze_results_teacher", "test", *(f"extra_signals/{name}" for name in EXTRA_SIGNALS)
        ),
        models=models,
    output:
        report(
            directory("plots_{kind}_{variable}"),
            patterns=["{plot}.png", "{table}.txt", "{table,results}.json"],
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
        **job_resources(mem_mb=4000, runtime=240),
    params:
        script=lambda wildcards, input: script("analyze_results_teacher"),
        depends_on=lambda wildcards: dependencies("analyze_results_teacher", wildcards.variable),
        flags=lambda wildcards, input: section_flags("analyze_results_teacher", wildcards.variable),
        models=lambda wildcards: [f"--model={path.partition('_')[0]}={path}" for path in models(wildcards)],
        data=lambda wildcards, input: [f"--data={path}" for path in input.data],
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {params.script:q} {params.models:q} {params.data:q}"
        " --output {output:q} {params.flags:q} --workers {threads} 2>&1 | tee {log:q}"


rule export_firmware:
    """Export the student to Verilog and compare both bit for bit on all test events."""
    input:
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
        **job_resources(mem_mb=4000, runtime=60),
    params:
        script=lambda wildcards, input: script("export_firmware"),
        depends_on=lambda wildcards: dependencies("export_firmware", wildcards.variable),
        flags=lambda wildcards, input: section_flags("export_firmware", wildcards.variable),
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {params.script:q} --model_dir {input.model:q} --data {input.data:q}"
        " --output {output:q} {params.flags:q} 2>&1 | tee {log:q}"


rule export_onnx:
    """Export the teacher as an ONNX file and compare it with Keras on all test events."""
    input:
        model="teacher_{variable}",
        data="l1_regression/test.h5",
    output:
        report(
            directory("onnx_{variable}"),
            patterns=["{table,onnx}.json"],
            caption="docs/report/export_onnx.rst",
            category="8 ONNX file, {variable}",
            labels=labels,
        ),
    log:
        "logs/export_onnx/{variable}.log",
    benchmark:
        "benchmarks/export_onnx/{variable}.tsv"
    conda:
        "envs/onnx.yaml"
    threads: 8
    resources:
        **job_resources(mem_mb=4000, runtime=60),
    params:
        script=lambda wildcards, input: script("export_onnx"),
        depends_on=lambda wildcards: dependencies("export_onnx", wildcards.variable),
        flags=lambda wildcards, input: section_flags("export_onnx", wildcards.variable),
    shell:
        "TF_NUM_INTRAOP_THREADS={threads} python {params.script:q} --model_dir {input.model:q} --data {input.data:q}"
        " --output {output:q} {params.flags:q} 2>&1 | tee {log:q}"


def outputs():
    """Outputs of all rules; for shards and workers their folder."""
    for rule in workflow.rules:
        for output in rule.output:
            pattern = strip_wildcard_constraints(output).partition("{shard}")[0].partition("{worker}")[0]
            yield from expand(
                pattern,
                variable=VARIABLES,
                kind=["teacher", "student"],
                process=[
                    name for name in GENERATE["processes"] if {**SOURCES, **EXTRA_SIGNALS}.get(name) == "generated"
                ],
            )


def user_inputs():
    """Files and folders of the user, with the key or flag that names them."""
    yield from (("--configfile", path) for path in workflow.config_settings.configfiles)
    yield from user_files(config, START)
    yield from ((key, path) for key, source in user_sources(config) for path in find_files(source, START))


try:
    refuse_inputs_of_outputs(user_inputs(), START / config["output"], outputs())
except (OSError, UserError) as error:
    raise WorkflowError(str(error)) from None


# A job on a farm is a process of its own.
onsuccess:
    if workflow.exec_mode == ExecMode.DEFAULT and (summary := write_summary(Path(), STARTED)):
        logger.info(summary)
