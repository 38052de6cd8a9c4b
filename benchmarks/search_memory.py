"""Memory that stays with a process after each trial of the search, with the session cleared between trials and without.

The trials are of one epoch, of the tiniest network, in a process of its own for each of the two.
"""

import argparse
import gc
import json
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from utils.cli import script
from utils.data_processing import METGraphCreator
from utils.formats.l1_files import L1Dataset
from utils.runtime.arguments import number, parser
from utils.runtime.text_files import write_json
from utils.training.batches import GraphBatches
from utils.training.options import EventSplit, SearchOptions
from utils.training.training_graphs import read_training_graphs

MIB = 1 << 20


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    args = parser(__doc__)
    args.add_argument("--data", type=Path, required=True, help="L1 regression file")
    args.add_argument("--output", type=Path, required=True, help="JSON file of the results")
    args.add_argument("--trials", type=number(int, 2), default=31, help="trials of each process")
    return args.parse_args(argv)


def resident() -> float:
    """Return the memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def memory_of_trials(data: Path, n_trials: int, clear: bool) -> list[float]:
    """Return the memory after each trial."""
    import keras
    from keras_tuner.engine.trial import Trial

    from nn.search.tuner import Tuner
    from nn.teacher import TeacherHyperModel

    graphs = read_training_graphs(L1Dataset.check(data), METGraphCreator(), EventSplit(test_split=0.2, max_events=300))
    hypermodel = TeacherHyperModel.from_moments(METGraphCreator(), graphs.moments, "huber_1.0")
    batches = GraphBatches(graphs, False, 16, 1), GraphBatches(graphs, True, 64, 1)
    fixed = {"units": 8, "heads": 2, "tuner/epochs": 1, "tuner/initial_epoch": 0}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        search = Tuner(hypermodel, SearchOptions(max_epochs=2, hyperband_factor=2), Path(folder))
        for i in range(n_trials):
            hp = search.oracle.get_space()
            hp.values = {**hp.values, **fixed, "learning_rate": 1e-3 * (1 + i)}
            if clear:
                search.run_trial(Trial(hp, trial_id=f"{i:04d}"), *batches)
            else:
                with mock.patch.object(keras.backend, "clear_session"), mock.patch.object(gc, "collect"):
                    search.run_trial(Trial(hp, trial_id=f"{i:04d}"), *batches)
            found.append(round(resident(), 1))
    return found


@script
def main(argv: Sequence[str] | None = None) -> None:
    """Measure and write."""
    args = parse_args(argv)
    results = {}
    for clear in (True, False):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory = pool.apply(memory_of_trials, (args.data, args.trials, clear))
        growth = (memory[-1] - memory[0]) / (len(memory) - 1)
        results["cleared" if clear else "not cleared"] = {"MiB": memory, "MiB a trial": round(growth, 2)}
    print(json.dumps(results, indent=2))
    write_json(args.output, results)


if __name__ == "__main__":
    raise SystemExit(main())
