"""Search for integers of the trigger that overflow a student, by comparison with a network of more integer bits.

The Keras model is compared with a model of the same weights and four integer bits more in each activation, and with the
bit-exact interpreter of its logic. Events are random, soft, extreme but not saturated, saturated in some slots, or
sparse.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.common import benchmark_parser, report
from nn.compat.hgq import add_integer_bits, input_quantisers, wraps_around
from nn.firmware.reference import TracedStudent
from nn.trained import load_trained
from utils.hardware.integers import HardwareEvents
from utils.hardware.ports import Port, input_words, random_words, word_events
from utils.hardware.scales import HardwareScales
from utils.runtime.arguments import number
from utils.runtime.progress import progress
from utils.training.records import read_training

EVENTS_AT_A_TIME = 20_000
MORE_BITS = 4
KINDS = ("random", "soft", "extreme", "saturated", "sparse")


def draw_events(kind: str, ports: Sequence[Port], scales: HardwareScales, n: int, seed: int) -> HardwareEvents:
    """Draw integers of events of a kind, from the whole range or with other momenta."""
    events, rng = word_events(ports, random_words(ports, n, seed)), np.random.default_rng(seed)
    full = events.pt.shape
    largest = np.concatenate([port.highs for port in ports if port.name == "pt"]) - 1

    def choose(momenta: Sequence[Any], shares: Sequence[float] | None = None) -> np.ndarray:
        """Draw the momentum of each object among some, numbers or one for each slot."""
        by_slot = np.stack([np.broadcast_to(momentum, full[1]) for momentum in momenta])
        return by_slot[rng.choice(len(momenta), full, p=shares), np.arange(full[1])]

    if kind == "soft":
        events.pt[:] //= rng.integers(2, 64, (n, 1))
    elif kind == "extreme":
        quarter = scales.phi_steps // 4
        events.pt[:] = choose([0, 1, largest - 1, largest])
        events.phi[:] = (events.met_phi[:, None] + rng.choice([0, quarter, 2 * quarter], full)) % scales.phi_steps
        events.met[:], events.ht[:] = rng.choice([1, scales.sum_saturation - 1], (2, n))
    elif kind == "saturated":
        events.pt[:] = choose([0, largest, largest + 1], [0.6, 0.38, 0.02])
    elif kind == "sparse":
        events.pt[:] *= rng.random(full) < 0.25
    return events


def widen(network: keras.Model, bits: int) -> None:
    """Give the activations of a network more integer bits."""
    for layer in network.layers:
        for quantiser in filter(wraps_around, input_quantisers(layer)):
            add_integer_bits(quantiser, bits)


def main(argv: Sequence[str] | None = None) -> None:
    """Compare the outputs of events of each kind."""
    parser = benchmark_parser(__doc__ or "")
    parser.add_argument("--model_dir", type=Path, required=True, help="folder of the training of a student")
    parser.add_argument("--events", type=number(int, 1), default=1_000_000, help="number of events")
    parser.add_argument("--seed", type=number(int, 0), default=1, help="seed of the events")
    args = parser.parse_args(argv)
    training = read_training(args.model_dir)
    student, wide = TracedStudent(training), load_trained(training).network
    widen(wide, MORE_BITS)
    rows = []
    with progress(args.events, "compare") as bar:
        for kind in KINDS:
            differ = np.zeros(2, int)
            n_events, inner = args.events // len(KINDS), 0
            for start in range(0, n_events, EVENTS_AT_A_TIME):
                n = max(3, min(EVENTS_AT_A_TIME, n_events - start))
                events = draw_events(kind, student.ports, student.inputs.scales, n, args.seed + start)
                inputs = list(student.inputs.network_inputs(events))
                found = student.network.predict_on_batch(inputs)
                for i, other in enumerate(
                    (wide.predict_on_batch(inputs), student.logic.predict(input_words(student.ports, events)))
                ):
                    differ[i] += np.count_nonzero(found != other)
                inner += int(np.count_nonzero((found > inputs[-2]) & (found < inputs[-1])))
                bar.update(n)
            rows.append(
                {
                    "events": kind,
                    "number": n_events,
                    "neither bound": inner,
                    f"differ with {MORE_BITS} bits more": int(differ[0]),
                    "differ in the interpreter": int(differ[1]),
                }
            )
    report(args, rows)


if __name__ == "__main__":
    main()
