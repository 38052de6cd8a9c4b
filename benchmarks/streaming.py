"""Training from a file compared with training from memory: peak memory by the size of the file, and speed of an epoch.

The events of an L1 regression file are repeated to files of several sizes. train_teacher.py trains on each of them with
fixed hyperparameters, streaming and, up to a million events, in memory. The speed is compared separately, in one
process, with epochs of both in turn.
"""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import SAME_NETWORK, as_row, cost, project_script, report, scaling_parser
from benchmarks.repeated import write_repeated_l1_events
from utils.data_processing import METGraphCreator
from utils.formats.l1_files import L1Dataset
from utils.runtime.arguments import number
from utils.training.batches import training_batches
from utils.training.options import EventSplit
from utils.training.training_graphs import TrainingGraphs, read_training_graphs

if TYPE_CHECKING:
    import keras

LOG_FEATURES = ("pt", "met", "ht")
TEST_SPLIT = 0.2
IN_MEMORY_UP_TO = 1_000_000


def training(path: Path, folder: Path, use_generator: int, epochs: int, batch_size: int) -> dict[str, Any]:
    """Train in a separate process, and return its cost from start to end."""
    hyperparameters = folder / "hyperparameters.json"
    hyperparameters.write_text(json.dumps({}))
    command = project_script(
        "train_teacher.py",
        f"--input={path}",
        f"--output={folder / 'teacher'}",
        f"--log_features={','.join(LOG_FEATURES)}",
        f"--test_split={TEST_SPLIT}",
        f"--hyperparameters={hyperparameters}",
        f"--final_epochs={epochs}",
        f"--batch_size={batch_size}",
        f"--use_generator={use_generator}",
    )
    return as_row(cost(command), L1Dataset.check(path).n_events * epochs)


@dataclass(frozen=True)
class Epochs:
    """Epochs of one model with the events of a file, from memory or streamed."""

    model: "keras.Model"
    graphs: TrainingGraphs
    batch_size: int

    def cost(self, epoch: int) -> tuple[float, float]:
        """Train an epoch and validate; return wall-clock and CPU time in microseconds for each event trained on."""
        from nn.training.stacks import fit

        training, validation = training_batches(self.graphs, self.batch_size, seed=1)
        wall, cpu = time.perf_counter(), time.process_time()
        fit(self.model, training, validation, initial_epoch=epoch, epochs=epoch + 1)
        scale = 1e6 / self.graphs.n_training
        return (time.perf_counter() - wall) * scale, (time.process_time() - cpu) * scale


def in_turn(path: Path, folder: Path, turns: int, batch_size: int) -> np.ndarray:
    """Train epochs from memory and streamed in turn, after one of each as a warm-up.

    Returns
    -------
    np.ndarray, shape (turns, 2, 2), float64
        For each turn, from memory and streamed, wall-clock and CPU time in microseconds an event.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from nn.teacher import TeacherHyperModel

    data, creator = L1Dataset.check(path), METGraphCreator(LOG_FEATURES)
    kept, streamed = (
        read_training_graphs(data, creator, EventSplit(test_split=TEST_SPLIT), scratch) for scratch in (None, folder)
    )
    hypermodel = TeacherHyperModel.from_moments(creator, kept.moments, "huber_1.0")
    model = hypermodel.build_fixed(SAME_NETWORK)
    sources = [Epochs(model, graphs, batch_size) for graphs in (kept, streamed)]
    costs = []
    for turn in range(1 + turns):
        first, second = sources[:: (-1) ** turn]  # each goes first as often as the other
        costs.append([first.cost(turn), second.cost(turn)][:: (-1) ** turn])
    return np.array(costs[1:])


def speed(costs: np.ndarray) -> dict[str, float]:
    """Mean costs of `in_turn`, and the speed of streaming over that from memory with the error of its mean."""
    summary: dict[str, float] = {}
    for clock, (memory, stream) in zip(("wall", "CPU"), costs.T, strict=True):
        ratios = memory / stream
        summary |= {
            f"{clock} from memory [us/event]": float(memory.mean()),
            f"{clock} streaming [us/event]": float(stream.mean()),
            f"{clock}: speed of streaming over that from memory": float(ratios.mean()),
            f"{clock}: error of that": float(ratios.std(ddof=1) / np.sqrt(len(ratios))),
        }
    return summary


def main(argv: Sequence[str] | None = None) -> None:
    """Measure memory for each size, then the speed."""
    parser = scaling_parser(__doc__ or "")
    parser.add_argument("--data", type=Path, required=True, help="L1 regression file")
    parser.add_argument("--epochs", type=number(int, 1), default=1, help="epochs of each training")
    parser.add_argument("--batch_size", type=number(int, 1), default=1024, help="events a step of the optimizer")
    parser.add_argument("--turns", type=number(int, 2), default=6, help="pairs of epochs to compare the speed")
    parser.add_argument("--turn_events", type=number(int, 1), default=300_000, help="events of the file for that")
    args = parser.parse_args(argv)
    data = L1Dataset.check(args.data)
    rows = []
    with tempfile.TemporaryDirectory(dir=args.scratch) as name:
        folder = Path(name)
        path = folder / "repeated.h5"
        for n_events in args.events:
            write_repeated_l1_events(data, path, n_events)
            for use_generator in (1, 0) if n_events <= IN_MEMORY_UP_TO else (1,):
                measured = training(path, folder, use_generator, args.epochs, args.batch_size)
                rows.append({"events": n_events, "use_generator": use_generator, **measured})
        write_repeated_l1_events(data, path, args.turn_events)
        costs = in_turn(path, folder, args.turns, args.batch_size)
    report(args, rows, **speed(costs))


if __name__ == "__main__":
    main()
