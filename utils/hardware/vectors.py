"""Test vectors of the firmware: events of each kind, as files that people and simulators read."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from utils.event_layout import PID_JET, SLOT_PIDS
from utils.hardware.inputs import KINDS, StudentInputs
from utils.hardware.integers import HardwareEvents
from utils.hardware.ports import Port, input_words, random_words, word_events

INPUTS, OUTPUTS, TABLE = "inputs.mem", "outputs.mem", "vectors.txt"

# Vectors of each kind.
N_TYPICAL, N_WITHOUT_JET, N_SUM_OF_0, N_SATURATED, N_EMPTY, N_ONE_OBJECT, N_RANDOM = 600, 100, 50, 100, 10, 20, 80


@dataclass(frozen=True)
class Vectors:
    """Test vectors of one kind.

    Attributes
    ----------
    kind, content : str
        Name and description.
    words : np.ndarray, shape (n_events, n_integers), float64
        `input_words` of the events.
    """

    kind: str
    content: str
    words: np.ndarray


def make_vectors(inputs: StudentInputs, ports: Sequence[Port], typical: np.ndarray, seed: int) -> list[Vectors]:
    """Make vectors of each kind, the same for equal events and an equal seed.

    Parameters
    ----------
    inputs : StudentInputs
    ports : sequence of Port
        Its `input_ports`.
    typical : np.ndarray, shape (n_events, n_integers), float64
        Typical events, at least one.
    seed : int
    """
    pids, rng = SLOT_PIDS[inputs.slots], np.random.default_rng(seed)
    corrected = inputs.sum_names[0]
    highs, saturating = _saturations(ports)
    unsaturated = typical[(typical < highs)[:, saturating].all(axis=1)]
    if len(unsaturated) == 0:
        unsaturated = np.zeros((1, typical.shape[1]))

    def some(n_events: int) -> HardwareEvents:
        chosen = np.linspace(0, len(unsaturated) - 1, n_events).astype(int)
        return word_events(ports, unsaturated[chosen])

    def vectors(kind: str, content: str, events: HardwareEvents) -> Vectors:
        return Vectors(kind, content, input_words(ports, events))

    name = corrected.upper()
    return [
        Vectors("typical", "events of the file, spread evenly over it", typical),
        vectors(
            "without_jet",
            "typical events without their jets, the sums kept: the output is the uncorrected sum in its own steps",
            _without(some(N_WITHOUT_JET), pids == PID_JET),
        ),
        vectors(
            f"{corrected}_0",
            f"typical events with {name} set to 0: the output is 0",
            replace(some(N_SUM_OF_0), **{corrected: np.zeros(N_SUM_OF_0, np.int32)}),
        ),
        Vectors(
            "saturated",
            "typical events with one pT or sum at its largest integer, each in turn: the output is the largest",
            _saturated(input_words(ports, some(N_SATURATED)), highs, saturating),
        ),
        vectors("empty", "no object, all integers 0", word_events(ports, np.zeros((N_EMPTY, typical.shape[1])))),
        *(
            vectors(
                f"one_{kind}",
                f"a single {kind}, in each slot in turn, of random pT and angles, with the sums that follow from it",
                _one_object(inputs, ports, np.flatnonzero(pids == pid), pid == PID_JET, rng),
            )
            for kind, pid in KINDS.items()
            if pid in pids
        ),
        Vectors(
            "random",
            "random integers over the whole range of each port; the first three: all lowest, all highest, all 0",
            random_words(ports, N_RANDOM, seed),
        ),
    ]


def _without(events: HardwareEvents, slots: np.ndarray) -> HardwareEvents:
    """Empty some slots of events."""
    return replace(events, **{name: np.where(slots, 0, getattr(events, name)) for name in ("pt", "eta", "phi")})


def _saturations(ports: Sequence[Port]) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest value of each integer, and whether it saturates."""
    saturating = np.repeat([port.saturates for port in ports], [port.size for port in ports])
    return np.concatenate([port.highs for port in ports]), saturating


def _saturated(words: np.ndarray, highs: np.ndarray, saturating: np.ndarray) -> np.ndarray:
    """Set one saturating integer of each event to its largest value, in turn."""
    columns = np.flatnonzero(saturating)
    events = np.arange(len(words))
    chosen = columns[events % len(columns)]
    words[events, chosen] = highs[chosen]
    return words


def _one_object(
    inputs: StudentInputs, ports: Sequence[Port], slots: np.ndarray, jets: bool, rng: np.random.Generator
) -> HardwareEvents:
    """Make events of one object that is not saturated, in each of the slots in turn."""
    scales = inputs.scales
    events = word_events(ports, np.zeros((N_ONE_OBJECT, sum(port.size for port in ports))))
    rows = np.arange(N_ONE_OBJECT)
    chosen = slots[rows % len(slots)]
    pt = rng.integers(1, ports[0].highs[chosen])
    phi = rng.integers(0, scales.phi_steps, N_ONE_OBJECT)
    eta = rng.integers(-scales.largest_eta, scales.largest_eta, N_ONE_OBJECT, endpoint=True)
    for name, values in (("pt", pt), ("eta", eta), ("phi", phi)):
        if any(port.name == name for port in ports):
            getattr(events, name)[rows, chosen] = values
    energy = np.minimum(pt, scales.sum_saturation)
    sums = {"met": energy, "ht": energy * jets, "met_phi": (phi + scales.half_turn) % scales.phi_steps}
    return replace(events, **{name: sums[name] for name in sums if any(port.name == name for port in ports)})


def write_vectors(
    folder: Path, vectors: Sequence[Vectors], outputs: np.ndarray, ports: dict[str, Any]
) -> list[dict[str, Any]]:
    """Write vectors with their outputs into a folder: a table for people, and two files for `$readmemh`.

    Parameters
    ----------
    folder : Path
        Made here.
    vectors : sequence of Vectors
    outputs : np.ndarray, shape (n_events,), int
        Outputs of the events of all vectors, in steps.
    ports : dict
        The `port_map`.

    Returns
    -------
    list of dict
        The kinds, in their order in the files, with the number of their first event.
    """
    folder.mkdir()
    words = np.concatenate([part.words for part in vectors]).astype(np.int64)
    kinds = np.repeat([part.kind for part in vectors], [len(part.words) for part in vectors])
    module = ports["module"]
    write_memory(folder / INPUTS, packed_words(words, ports["inputs"]), module["input_bits"])
    write_memory(folder / OUTPUTS, outputs.tolist(), module["output_bits"])
    lines = list(_table(words, kinds, outputs, ports))
    (folder / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    firsts = np.cumsum([0, *(len(part.words) for part in vectors)]).tolist()
    return [
        {"kind": part.kind, "content": part.content, "first": first, "events": len(part.words)}
        for part, first in zip(vectors, firsts, strict=False)
    ]


def packed_words(words: np.ndarray, inputs: Sequence[dict[str, Any]]) -> list[int]:
    """Pack the integers of each event, shape (n_events, n_integers), into the input word of the top module."""
    packed = [0] * len(words)
    for column, port in zip(words.T.tolist(), inputs, strict=True):
        if port["bits"]:
            high, low = port["bits"]
            mask = (1 << (high - low + 1)) - 1
            packed = [word | (value & mask) << low for word, value in zip(packed, column, strict=True)]
    return packed


def copy_memories(source: Path, folder: Path) -> None:
    """Copy the files for `$readmemh` into a folder, which is made."""
    folder.mkdir()
    for name in (INPUTS, OUTPUTS):
        shutil.copyfile(source / name, folder / name)


def write_memory(path: Path, words: Sequence[int], bits: int) -> None:
    """Write words as hexadecimal numbers, a line each, for `$readmemh`."""
    digits = max(1, -(-bits // 4))
    path.write_text("".join(f"{word:0{digits}x}\n" for word in words), encoding="ascii")


def _table(words: np.ndarray, kinds: np.ndarray, outputs: np.ndarray, ports: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of all integers."""
    step = ports["output"]["step"]
    yield "# The integers of each event in steps, in the order of the input word, and the output in steps of"
    yield f"# {step['value']:g} {step['unit']}. The event of the first words in the .mem files is number 0."
    names = ["# event", "kind", *(port["name"] for port in ports["inputs"]), "output"]
    numbers = np.arange(len(words))
    rows = np.column_stack([numbers, kinds, words, outputs]).astype(str)
    widths = np.maximum([len(name) for name in names], np.char.str_len(rows).max(axis=0))
    for row in (names, *rows):
        yield " ".join(value.rjust(width) for value, width in zip(row, widths, strict=True))
