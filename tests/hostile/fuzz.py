"""Scripts that are given thousands of bad inputs: all end in success or in one clear line.

``python -m tests.hostile.fuzz`` prints how many cases ended how. A case is made of its number: ``events --case 17``
repeats one.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import uproot  # noqa: F401 before processes are forked, which need it
import yaml
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from analyze_results_teacher import load
from create_L1regression_data import main as create
from selective_sampling_jets import main as select
from tests.flags import REQUIRED
from tests.hostile import configurations, hdf5_files, models, parquet_files, root_files, side_inputs
from tests.hostile.pool import Case, run_all
from tests.toys import delphes_branches, random_nanoaod, random_particles, write_delphes, write_nanoaod
from utils.cli import script
from utils.config.checks import check_config
from utils.config.flags import flags
from utils.config.processes import n_shards
from utils.config.schema import STEPS, not_flags
from utils.formats import first_look
from utils.formats.events import EventsFile
from utils.formats.hepmc import open_hepmc
from utils.formats.l1_files import L1Dataset
from utils.formats.les_houches import copy_events
from utils.formats.zero_bias_sources import check_zero_bias
from utils.runtime.errors import UserError
from utils.training.records import read_training

SEED = 20261125
ROOT = Path(__file__).parents[2]
MODEL: dict[str, bytes] = {}  # files of a good model

COMMAND_LINES = {
    "generate_events": ["--events=10", "--seed=1", "--shard=2", "--pileup=0", "--energy=13000"],
    "create_L1regression_data": [
        *("--test_fraction=0.4", "--jet_scale_mean=1.1", "--jet_scale_width=0.05", "--jet_resolution_factor=2"),
        *(
            "--jet_threshold=20",
            "--muon_response=0.98,0.95",
            "--egamma_resolution=0.2",
            "--chunk_size=7",
            "--workers=2",
        ),
    ],
    "selective_sampling_jets": [
        *("--sampling_threshold=30", "--sampling_bins=3", "--processes=QCD,W", "--fractions_to_keep=1.0,0.5"),
        *("--mode=>=", "--discarded_output=OUT/discarded.h5", "--summary=OUT/summary.txt", "--seed=3", "--workers=1"),
    ],
    "train_teacher": ["--log_features=pt", "--batch_size=64", "--test_split=0.2", "--metric_thresholds=50,100"],
    "train_student": ["--alpha=0.5", "--max_ebops=1000", "--event_units=32,16", "--phi_steps=144", "--target=factor"],
    "analyze_results_teacher": ["--signal_names=W", "--bg_names=QCD", "--fixed_rates=100,30", "--luminosity=2e34"],
    "export_firmware": [
        "--clock_period=2.8",
        "--latency_cutoff=2.5",
        "--rtl_events=100",
        "--hls=1",
        "--emulator_version=1",
    ],
    "export_onnx": ["--tolerance=1e-4", "--chunk_size=100", "--seed=3"],
    "apply_correction": ["--process=QCD", "--seed=3", "--jet_threshold=20", "--muon_response=0.98,0.95"],
}


def generator(number: int) -> np.random.Generator:
    """Return the random numbers of a case."""
    return np.random.default_rng([SEED, number])


def check_l1_files(*paths: Path) -> None:
    """Read L1 regression files as the next step does; only the training asks for weights of at least 0."""
    for path in paths:
        data = L1Dataset.check(path)
        assert sum(map(len, data.chunks(4096))) == data.n_events


@script
def read_events(path: Path) -> None:
    """Read an events file to its end."""
    file = EventsFile.check(path)
    for start in range(0, file.n_events, 4096):
        file.rows(start, min(start + 4096, file.n_events))


@script
def read_l1(path: Path) -> None:
    """Read an L1 regression file to its end."""
    data = L1Dataset.check(path)
    for chunk in data.chunks(4096):
        assert len(chunk)


@script
def read_zero_bias(folder: Path) -> None:
    """Read zero-bias events to their end."""
    data = check_zero_bias(folder, "smeared_met")
    assert sum(len(chunk.events) for chunk in data.chunks(16)) == data.n_events


def events_reader(number: int, folder: Path) -> Case:
    """An events file for its reader."""
    rng = generator(number)
    hdf5_files.bad_file(folder / "bad.h5", hdf5_files.events_content(rng), rng)
    return Case(lambda: read_events(folder / "bad.h5"), folder / "out")


def l1_reader(number: int, folder: Path) -> Case:
    """An L1 regression file for its reader."""
    rng = generator(number)
    hdf5_files.bad_file(folder / "bad.h5", hdf5_files.l1_content(rng), rng)
    return Case(lambda: read_l1(folder / "bad.h5"), folder / "out")


def events(number: int, folder: Path) -> Case:
    """An events file for `create_L1regression_data.py`."""
    rng, out = generator(number), folder / "out"
    hdf5_files.bad_file(folder / "bad.h5", hdf5_files.events_content(rng), rng)
    outputs = out / "train.h5", out / "test.h5"
    argv = [f"--input=QCD={folder}/bad.h5", f"--train_output={outputs[0]}", f"--test_output={outputs[1]}"]
    if rng.random() < 0.3:
        argv.append(f"--input=QCD={folder}/good.h5")
    return Case(lambda: create(argv), out, lambda: check_l1_files(*outputs))


def l1(number: int, folder: Path) -> Case:
    """An L1 regression file for `selective_sampling_jets.py`."""
    rng, out = generator(number), folder / "out"
    hdf5_files.bad_file(folder / "bad.h5", hdf5_files.l1_content(rng), rng)
    argv = [f"--input={folder}/bad.h5", f"--output={out}/kept.h5", f"--discarded_output={out}/discarded.h5"]
    argv += [f"--summary={out}/summary.txt", "--sampling_var=met"]
    argv += ["--sampling_threshold=30", "--sampling_bins=3"] if rng.random() < 0.5 else ["--processes=QCD"]
    return Case(lambda: select(argv), out, lambda: check_l1_files(out / "kept.h5", out / "discarded.h5"))


def zero_bias(number: int, folder: Path) -> Case:
    """A folder of Parquet files for the reader of zero-bias events."""
    parquet_files.bad_folder(folder / "bad", generator(number))
    return Case(lambda: read_zero_bias(folder / "bad"), folder / "out")


@script
def use_configuration(path: Path) -> None:
    """Do with a configuration file what the Snakefile and the scripts do with it before they begin."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    try:
        update_config(config, load_configfile(path))
    except Exception as error:  # of Snakemake, which shows it in its own way
        raise UserError(error) from None
    check_config(config)
    for process in config["generate_events"]["processes"].values():
        n_shards(process["events"], config["generate_events"]["events_per_shard"])
    for name in STEPS:
        given = flags(config[name], "true_met", not_flags(name))
        import_module(name).parse_args([*REQUIRED[name], f"--seed={config['seed']}", *given])


def configuration(number: int, folder: Path) -> Case:
    """A configuration file."""
    path = folder / "bad.yaml"
    path.write_bytes(configurations.bad_file((ROOT / "config.yaml").read_text(), generator(number)))
    return Case(lambda: use_configuration(path), folder / "out")


def command_line(number: int, folder: Path) -> Case:
    """A command line; the two scripts of the data run with it, of the others it is only read."""
    rng, out = generator(number), folder / "out"
    os.chdir(out)
    good = folder / "good.h5"
    name = list(REQUIRED)[rng.integers(len(REQUIRED))]
    content = hdf5_files.events_content(rng) if name == "create_L1regression_data" else hdf5_files.l1_content(rng)
    hdf5_files.write(good, content, rng)
    # Outputs are in the current folder, by names without a slash, so that they are there whatever is changed in them.
    words = [word.replace("FILE", str(good)).replace("OUT/", "") for word in REQUIRED[name] + COMMAND_LINES[name]]
    words = configurations.bad_words(words, rng)
    module = import_module(name)
    if name in ("create_L1regression_data", "selective_sampling_jets"):
        return Case(lambda: module.main(words), out)
    return Case(lambda: script(lambda argv: module.parse_args(argv) and None)(words), out)


def model(number: int, folder: Path) -> Case:
    """A trained model, and the record of its training, for the evaluation."""
    rng = generator(number)
    models.bad_folder(folder / "model", MODEL, rng)

    @script
    def load_and_predict(argv: None) -> None:
        training = read_training(folder / "model")
        loaded = load(training)
        features = np.zeros((3, 5, len(training.creator.feature_names)), np.float32)
        features[:, :2, 0] = 30
        loaded.model.predict(features)

    return Case(lambda: load_and_predict(None), folder / "out", noisy=True)


@script
def read_hyperparameters(path: Path) -> None:
    """Read fixed hyperparameters as the training of a teacher does."""
    import_module("train_teacher").read_hyperparameters(path)


@script
def see_as_student(folder: Path) -> None:
    """Read the record of a student, and look at events as it does."""
    inputs = read_training(folder).student_inputs
    if inputs:
        rng = generator(0)
        with tempfile.NamedTemporaryFile(suffix=".h5") as file:
            hdf5_files.write(Path(file.name), hdf5_files.l1_content(rng), rng)
            assert inputs.features(L1Dataset.check(file.name).rows(0, hdf5_files.N_EVENTS)).size


@script
def copy_les_houches(path: Path) -> None:
    """Copy events of a Les Houches file as the generation of a shard does."""
    with tempfile.TemporaryFile() as to:
        copy_events(path, range(2, 5), to)


@script
def read_hepmc(path: Path) -> None:
    """Read events of a HepMC file as the generation of a shard does."""
    with open_hepmc(path, range(2, 5)) as (_, found):
        assert len(list(found)) == 3


def side_input(number: int, folder: Path) -> Case:
    """A file beside the data, or something without an end in the place of any input, or an odd name."""
    rng, out, bad = generator(number), folder / "out", folder / "bad"
    if rng.random() < 0.25:
        return endless(rng, folder)
    hdf5_files.write(folder / "good.h5", hdf5_files.events_content(rng), rng)
    create_argv = [f"--train_output={out}/train.h5", f"--test_output={out}/test.h5"]
    outputs = out / "train.h5", out / "test.h5"
    kind = rng.integers(6)
    if kind == 0:
        bad.write_text(side_inputs.odd_json(side_inputs.HYPERPARAMETERS, rng))
        return Case(lambda: read_hyperparameters(bad), out)
    if kind == 1:
        bad.mkdir()
        (bad / "training.json").write_text(side_inputs.odd_json(side_inputs.STUDENT, rng))
        return Case(lambda: see_as_student(bad), out)
    if kind == 2:
        flag = str(rng.choice(["jet_inverse_response", "jet_resolution_central", "jet_resolution_forward"]))
        good = (ROOT / "utils" / "simulation" / "l1_response" / f"{flag}.csv").read_text()
        bad.write_text(side_inputs.odd_table(good, rng))
        argv = [f"--input=QCD={folder}/good.h5", f"--{flag}={bad}", *create_argv]
        return Case(lambda: create(argv), out, lambda: check_l1_files(*outputs))
    if kind == 3:
        name = side_inputs.NAMES[rng.integers(len(side_inputs.NAMES))]
        argv = [f"--input={name}={folder}/good.h5", *create_argv]
        return Case(lambda: create(argv), out, lambda: check_l1_files(*outputs))
    if kind == 4:
        bad.write_bytes(side_inputs.odd_hepmc(rng))
        return Case(lambda: read_hepmc(bad), out)
    bad.write_bytes(side_inputs.odd_les_houches(rng))
    return Case(lambda: copy_les_houches(bad), out)


def endless(rng: np.random.Generator, folder: Path) -> Case:
    """Something without an end in the place of an input."""
    out, bad = folder / "out", folder / "bad"
    bad.mkdir()
    create_argv = [f"--input=QCD={bad}/x", f"--train_output={out}/train.h5", f"--test_output={out}/test.h5"]
    hdf5_files.write(folder / "good.h5", hdf5_files.events_content(rng), rng)
    table = [f"--input=QCD={folder}/good.h5", *create_argv[1:], f"--jet_inverse_response={bad}/x"]
    readers: tuple[tuple[str, Callable[[], int]], ...] = (
        ("x", lambda: create(create_argv)),
        ("x", lambda: create(table)),
        ("x", lambda: select([f"--input={bad}/x", f"--output={out}/kept.h5"])),
        ("x", lambda: read_hyperparameters(bad / "x")),
        ("x", lambda: copy_les_houches(bad / "x")),
        ("x", lambda: read_hepmc(bad / "x")),
        ("training.json", lambda: see_as_student(bad)),
        ("x.parquet", lambda: read_zero_bias(bad)),
    )
    name, run = readers[rng.integers(len(readers))]
    side_inputs.put_what_has_no_end(bad / name, rng)
    return Case(run, out)


def nanoaod(number: int, folder: Path) -> Case:
    """A NanoAOD file for `create_L1regression_data.py`, and for the reader of zero-bias events."""
    rng, out = generator(number), folder / "out"
    root_files.bad_nanoaod(folder / "bad.root", rng)
    if rng.random() < 0.3:
        return Case(lambda: read_zero_bias(folder / "bad.root"), out)
    outputs = out / "train.h5", out / "test.h5"
    argv = [f"--input=QCD={folder}/bad.root", f"--train_output={outputs[0]}", f"--test_output={outputs[1]}"]
    if rng.random() < 0.7:
        argv.append("--cross_sections=QCD=100")
    return Case(lambda: create(argv), out, lambda: check_l1_files(*outputs))


def delphes(number: int, folder: Path) -> Case:
    """A Delphes tree for `create_L1regression_data.py`."""
    rng, out = generator(number), folder / "out"
    root_files.bad_delphes(folder / "bad.root", rng)
    outputs = out / "train.h5", out / "test.h5"
    argv = [f"--input=QCD={folder}/bad.root", f"--train_output={outputs[0]}", f"--test_output={outputs[1]}"]
    return Case(lambda: create(argv), out, lambda: check_l1_files(*outputs))


# What makes a case, and how many there are.
KINDS: dict[str, tuple[Callable[[int, Path], Case], int]] = {
    "events": (events_reader, 5000),
    "l1": (l1_reader, 5000),
    "create_L1regression_data": (events, 2000),
    "selective_sampling_jets": (l1, 2000),
    "zero_bias": (zero_bias, 1000),
    "nanoaod": (nanoaod, 2000),
    "delphes": (delphes, 1000),
    "configuration": (configuration, 1000),
    "command_line": (command_line, 1000),
    "side_input": (side_input, 1000),
    "model": (model, 1000),
}


def warm_up() -> None:
    """Import and compile what the cases need, once for all processes."""
    rng = generator(0)
    first_look.CPU_SECONDS = 1  # of the endless loops that are to be found
    for name in (*REQUIRED, "nn.trained"):
        import_module(name)
    with tempfile.TemporaryDirectory() as name:
        good, train, kept = Path(name) / "good.h5", Path(name) / "train.h5", Path(name) / "kept.h5"
        hdf5_files.write(good, hdf5_files.events_content(rng), rng)
        assert create([f"--input=QCD={good}", f"--train_output={train}", f"--test_output={name}/test.h5"]) == 0
        assert select([f"--input={train}", f"--output={kept}", "--sampling_var=met"]) == 0
        nano = write_nanoaod(Path(name) / "good.root", random_nanoaod(50), {"genEventSumw": [100.0]})
        assert create([f"--input=QCD={nano}", f"--test_output={name}/test.h5", "--cross_sections=QCD=1"]) == 0
        assert read_zero_bias(nano) == 0
        tree = write_delphes(Path(name) / "delphes.root", delphes_branches(random_particles(50)))
        assert create([f"--input=QCD={tree}", f"--test_output={name}/test.h5"]) == 0
        assert read_events(good) == 0
        check_l1_files(kept)
    # What nothing was changed in is accepted, or the changed ones would be refused for something else.
    assert use_configuration(ROOT / "config.yaml") == 0
    for name, words in COMMAND_LINES.items():
        import_module(name).parse_args(REQUIRED[name] + words)
    with tempfile.TemporaryDirectory() as name:
        models.make(Path(name))
        MODEL.update({path.name: path.read_bytes() for path in Path(name).iterdir()})


def main() -> int:
    """Run the cases; 1 if one of them did not end as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"{', '.join(KINDS)}; all")
    parser.add_argument("--share", type=float, default=1.0, help="of the cases of each kind")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--case", type=int, help="run only this one, and show how it ends")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warm_up()
    reports = {}
    for kind in args.kinds or KINDS:
        make, n_cases = KINDS[kind]
        numbers = range(round(args.share * n_cases)) if args.case is None else [args.case]
        reports[kind] = report = run_all(make, numbers, args.processes, show=args.case is not None)
        for number, text in sorted(report.refused.items())[:20]:
            print(f"{kind}, case {number}: {text}")
        print(f"{kind}: {dict(sorted(report.counts.items()))}, {report.cpu_seconds:.0f} s of CPU time", flush=True)
    print(json.dumps({kind: report.counts for kind, report in reports.items()}))
    return int(any(report.refused for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main())
