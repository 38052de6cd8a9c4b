"""NanoAOD and Delphes trees made bad in many ways: wrong bytes, and wrong content."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.toys import delphes_branches, random_nanoaod, random_particles, write_delphes, write_nanoaod

Rng = np.random.Generator
Branches = dict[str, Any]

N_EVENTS = 24
ODD_NUMBERS = (np.nan, np.inf, -np.inf, -1, 1e30, -1e30, 0, 255, 2**31 - 1)
LONG_TABLES = ("L1Jet_", "GenJet_", "L1EtSum_", "Jet.", "Photon.", "Muon.")
TYPES = (np.int8, np.uint8, np.int64, np.uint64, np.float64, np.bool_)


def _any(rng: Rng, branches: Branches) -> str:
    return str(rng.choice(list(branches)))


def _values(branches: Branches, name: str) -> np.ndarray:
    return branches[name][1] if isinstance(branches[name], tuple) else branches[name]


def _with_values(branches: Branches, name: str, values: np.ndarray) -> None:
    branches[name] = (branches[name][0], values) if isinstance(branches[name], tuple) else values


def missing(rng: Rng, branches: Branches) -> None:
    del branches[_any(rng, branches)]


def renamed(rng: Rng, branches: Branches) -> None:
    name = _any(rng, branches)
    branches[str(rng.choice([name.swapcase(), name.partition("_")[2] or "x", f"n{name}"]))] = branches.pop(name)


def wrong_type(rng: Rng, branches: Branches) -> None:
    name = _any(rng, branches)
    with np.errstate(invalid="ignore"):
        _with_values(branches, name, _values(branches, name).astype(TYPES[rng.integers(len(TYPES))]))


def odd_numbers(rng: Rng, branches: Branches) -> None:
    name = _any(rng, branches)
    values = _values(branches, name).astype(np.float64 if rng.random() < 0.5 else np.float32)
    if len(values):
        values[rng.integers(len(values), size=3)] = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]
    _with_values(branches, name, values)


def other_lengths(rng: Rng, branches: Branches) -> None:
    name = str(rng.choice([name for name, values in branches.items() if isinstance(values, tuple)]))
    sizes, values = branches[name]
    branches[name] = rng.permutation(sizes), values


def flat_or_lists(rng: Rng, branches: Branches) -> None:
    name = _any(rng, branches)
    if isinstance(branches[name], tuple):
        branches[name] = np.resize(branches[name][1], N_EVENTS)
    else:
        branches[name] = np.ones(N_EVENTS, int), branches[name]


def arrays_of_one_length(rng: Rng, branches: Branches) -> None:
    branches[_any(rng, branches)] = np.ones((N_EVENTS, 3), np.float32)


def many_objects(rng: Rng, branches: Branches) -> None:
    sizes = np.zeros(N_EVENTS, int)
    sizes[rng.integers(N_EVENTS)] = 100_000
    table = str(rng.choice([start for start in LONG_TABLES if any(name.startswith(start) for name in branches)]))
    for name in [name for name in branches if name.startswith(table)]:
        branches[name] = sizes, np.resize(branches[name][1], 100_000)


CONTENTS: tuple[Callable[[Rng, Branches], None], ...] = (
    missing,
    renamed,
    wrong_type,
    odd_numbers,
    other_lengths,
    flat_or_lists,
    arrays_of_one_length,
    many_objects,
)


def wrong_bytes(rng: Rng, content: bytes) -> bytes:
    """Change bytes anywhere, cut the file short, or declare large numbers in the place of those of the events."""
    changed, kind = bytearray(content), rng.integers(4)
    if kind == 0:
        return bytes(changed[: rng.integers(len(changed))])
    if kind == 1:
        number = N_EVENTS.to_bytes(8, "big")
        return content.replace(number, int(rng.choice([2**31, 2**40, 2**60, 0])).to_bytes(8, "big"))
    for place in rng.integers(len(changed), size=rng.integers(1, 30)):
        width = int(rng.integers(1, 9)) if kind == 2 else 1
        changed[place : place + width] = rng.bytes(width) if rng.random() < 0.5 else bytes(width)
    return bytes(changed[: len(content)])


def bad_nanoaod(path: Path, rng: Rng) -> None:
    """Write a bad file."""
    branches = random_nanoaod(N_EVENTS, int(rng.integers(100)), data=bool(rng.random() < 0.3))
    bytewise = rng.random() < 0.5
    if not bytewise:
        CONTENTS[rng.integers(len(CONTENTS))](rng, branches)
    runs = {"genEventSumw": rng.choice([100.0, np.nan, 0.0], 2, p=[0.8, 0.1, 0.1])} if rng.random() < 0.7 else None
    write_nanoaod(path, branches, runs, rntuple=bool(rng.random() < 0.3))
    if bytewise:
        path.write_bytes(wrong_bytes(rng, path.read_bytes()))


def bad_delphes(path: Path, rng: Rng) -> None:
    """Write a bad Delphes tree."""
    branches: Branches = delphes_branches(
        random_particles(N_EVENTS, rng), rng.uniform(-1, 3, N_EVENTS), np.full(N_EVENTS, 10.0)
    )
    bytewise = rng.random() < 0.5
    if not bytewise:
        CONTENTS[rng.integers(len(CONTENTS))](rng, branches)
    write_delphes(path, branches, own_counters=not bytewise)
    if bytewise:
        path.write_bytes(wrong_bytes(rng, path.read_bytes()))
