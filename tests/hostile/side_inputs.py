"""Small files beside the data, made bad: numbers beyond all ranges, endless files, text that unfolds, odd names."""

import functools
import gzip
import json
import os
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tests.hostile import configurations
from tests.toys import write_hepmc
from utils.hardware.scales import HardwareScales
from utils.simulation.particles import Particles

Rng = np.random.Generator

ODD_NUMBERS = (
    *("1e999", "-1e999", "NaN", "1e308", "1e-308", "-1", "0", "1e5", "2147483648", "9" * 400, "9" * 5000),
    *('"1"', "true", "null", "[]", "1.5"),
)
NAMES = (
    *("a\nb", "a/b", "../..", "x" * 101, "x" * 5000, "\u2028", "\x1b[2J", "", " ", "QCD\t1", "{QCD}"),
    *("%s", "\u4e2d", "Z_1"),
)
STUDENT = {
    "kind": "student",
    "variable": "true_met",
    "log_features": [],
    "loss_function": "mse",
    "target": "sum",
    "hardware": asdict(HardwareScales()),
}
HYPERPARAMETERS = {
    "graph_layers": 2,
    "units": 8,
    "heads": 2,
    "embedding": 2,
    "dropout": 0.1,
    "learning_rate": 0.001,
    "readout": [8, 4],
}
HEADER = b'<LesHouchesEvents version="1.0">\n<init>\n2212 2212 6500 6500 0 0 0 0 3 1\n1 1 1 1\n</init>\n'
EVENT = b"<event>\n1 1 1 1 1 1\n13 1 0 0 0 0 30 40 0 50 0 0 9\n</event>\n"


def odd_json(good: dict[str, object], rng: Rng) -> str:
    """Put odd numbers into a record, or change its text or its values in another way."""
    if rng.random() < 0.3:
        return json.dumps(configurations.change_values(dict(good), rng))
    if rng.random() < 0.3:
        return configurations.change_text(json.dumps(good), rng)
    places = [(holder, key) for holder, key in configurations.places(good) if not isinstance(holder[key], dict | list)]
    text, (holder, key) = json.dumps(good), places[rng.integers(len(places))]
    found = f'"{key}": {json.dumps(holder[key])}' if isinstance(holder, dict) else json.dumps(holder[key])
    odd = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]
    return text.replace(found, f'"{key}": {odd}' if isinstance(holder, dict) else odd, 1)


def odd_table(good: str, rng: Rng) -> str:
    """Put odd numbers into a table, or change its text."""
    if rng.random() < 0.4:
        return configurations.change_text(good, rng)
    lines = [line.split(",") for line in good.splitlines()]
    for _ in range(rng.integers(1, 4)):
        row = lines[rng.integers(len(lines))]
        row[rng.integers(len(row))] = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]
    return "\n".join(map(",".join, lines))


def odd_les_houches(rng: Rng) -> bytes:
    """Write a Les Houches file that unfolds to more than it should, or whose text is changed."""
    words = re.split(rb"(\s)", HEADER + EVENT * 9)
    words[rng.integers(len(words))] = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))].encode()
    choices = (
        lambda: b"".join(words),
        lambda: gzip.compress(HEADER.replace(b"<init>", b"<!--" + bytes(200 << 20) + b"-->\n<init>") + EVENT * 9, 1),
        lambda: gzip.compress(HEADER + EVENT.replace(b"\n", bytes(200 << 20), 1), 1),
        lambda: gzip.compress(gzip.compress(HEADER + EVENT * 9)),
        lambda: gzip.compress(HEADER + EVENT * 9)[: int(rng.integers(10, 90))],
        lambda: configurations.change_text((HEADER + EVENT * 9).decode(), rng).encode(),
        lambda: HEADER + EVENT * 9,
    )
    return choices[rng.integers(len(choices))]()


def odd_hepmc(rng: Rng) -> bytes:
    """Write a HepMC file that unfolds to more than it should, or whose text or numbers are changed."""
    good = good_hepmc("hepmc2" if rng.random() < 0.5 else "hepmc3")
    lines = good.split(b"\n")
    line = int(rng.integers(len(lines)))
    words = lines[line].split(b" ")
    odd = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))].encode()
    words[rng.integers(len(words))] = odd
    choices = (
        lambda: gzip.compress(good.replace(b"U GEV", b"U" + bytes(200 << 20), 1), 1),
        lambda: gzip.compress(good)[: int(rng.integers(10, 900))],
        lambda: configurations.change_text(good.decode(), rng).encode(),
        lambda: b"\n".join([*lines[:line], b" ".join(words), *lines[line + 1 :]]),
        lambda: b"\n".join([*lines[:line], b" ".join(words), *lines[line + 1 :]]),
        lambda: b"\n".join([*lines[:line], *lines[line + 1 :]]),
        lambda: good,
    )
    return choices[rng.integers(len(choices))]()


@functools.cache
def good_hepmc(version: str) -> bytes:
    """Return a file of six events."""
    rng = np.random.default_rng(1)
    momenta = rng.normal(0, 30, (3, 18))
    energies = np.sqrt(np.sum(momenta**2, axis=0))
    particles = Particles(np.full(6, 3), np.full(18, 211), np.ones(18), *momenta, energies)
    with tempfile.NamedTemporaryFile() as file:
        return write_hepmc(Path(file.name), particles, np.ones(6), np.ones(6), version).read_bytes()


def put_what_has_no_end(path: Path, rng: Rng) -> None:
    """Put a device, a pipe, a folder, a link to itself or a file of a tebibyte that takes no room in a file's place."""
    path.unlink(missing_ok=True)
    choices = (
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to("/dev/null"),
        lambda: os.mkfifo(path),
        lambda: path.mkdir(),
        lambda: path.symlink_to(path.name),
        lambda: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 40),
    )
    choices[rng.integers(len(choices))]()
