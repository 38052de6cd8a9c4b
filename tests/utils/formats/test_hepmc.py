"""HepMC files of both versions: what was written comes back, and errors name what is wrong."""

import gzip

import numpy as np
import psutil
import pytest

from tests.toys import write_hepmc
from utils.formats.hepmc import open_hepmc
from utils.runtime.errors import UserError
from utils.simulation.particles import Particles

VERSIONS = pytest.mark.parametrize("version", ["hepmc2", "hepmc3"])


def random_stable(n_events, seed=0):
    """Return massless pions, photons and neutrinos, 3 to 9 an event."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(3, 10, n_events)
    momenta = rng.normal(0, 30, (3, counts.sum()))
    pid = rng.choice([211, -211, 22, 12], counts.sum()).astype(np.int32)
    return Particles(counts, pid, np.zeros(len(pid)), *momenta, np.sqrt(np.sum(momenta**2, axis=0)))


def write(path, version="hepmc3", n_events=5, **kwargs):
    """Write events of weights 1, 2, ... and of cross sections 10, 11, ... pb."""
    numbers = np.arange(n_events)
    return write_hepmc(path, random_stable(n_events), 1 + numbers, 10 + numbers, version, **kwargs)


def read(path, *wanted):
    with open_hepmc(path, range(*wanted)) as (_, events):
        return list(events)


def joined(events, name):
    return np.concatenate([getattr(event, name) for event in events])


@VERSIONS
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_events_come_back_bit_for_bit(version, pack, tmp_path):
    path = write(tmp_path / "x", version)
    path.write_bytes(pack(path.read_bytes()))
    expected, events = random_stable(5), read(path, 0, 5)
    assert [len(event.pid) for event in events] == expected.counts.tolist()
    for name in ("pid", "px", "py", "pz", "energy"):
        np.testing.assert_array_equal(joined(events, name), getattr(expected, name))
    assert [event.weight for event in events] == [1, 2, 3, 4, 5]
    assert [event.cross_section for event in events] == [(10 + number, 0.25) for number in range(5)]
    assert {event.beam_energy for event in events} == {13000}


@VERSIONS
def test_energies_in_mev_are_converted(version, tmp_path):
    events, expected = read(write(tmp_path / "x", version, unit="MEV"), 0, 5), random_stable(5)
    for name in ("px", "py", "pz", "energy"):
        np.testing.assert_allclose(joined(events, name), getattr(expected, name), rtol=1e-15)
    assert events[0].beam_energy == pytest.approx(13000, rel=1e-15)


@VERSIONS
@pytest.mark.parametrize("wanted", [(0, 2), (2, 4), (4, 5)])
def test_a_range_of_events(version, wanted, tmp_path):
    path = write(tmp_path / "x", version)
    assert [event.weight for event in read(path, *wanted)] == list(range(wanted[0] + 1, wanted[1] + 1))
    with open_hepmc(path, range(*wanted)) as (found, _), open_hepmc(path, range(5)) as (other, _):
        assert (found.start, found.stop, found.sha256) == (*wanted, other.sha256)


@VERSIONS
def test_files_that_are_joined_are_read_as_one(version, tmp_path):
    path = write(tmp_path / "x", version)
    path.write_bytes(path.read_bytes() * 2)
    assert [event.weight for event in read(path, 0, 10)] == [1, 2, 3, 4, 5] * 2


def test_only_stable_particles_are_taken(tmp_path):
    path, first = write(tmp_path / "x"), random_stable(5).pid[0]
    path.write_bytes(path.read_bytes().replace(b" 1\n", b" 2\n", 1))  # the status of the first particle
    (event,) = read(path, 0, 1)
    np.testing.assert_array_equal(event.pid, random_stable(5).pid[1 : random_stable(5).counts[0]])
    assert first in random_stable(5).pid[:1]


def test_without_weights_cross_sections_and_beams(tmp_path):
    path = write_hepmc(tmp_path / "x", random_stable(1), [2.0], None)
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line.replace(b" 4\n", b" 3\n") for line in lines if not line.startswith(b"W ")]
    path.write_bytes(b"".join(kept))
    (event,) = read(path, 0, 1)
    assert (event.weight, event.cross_section, event.beam_energy) == (1, None, None)


@VERSIONS
def test_too_few_events_are_said(version, tmp_path):
    path = write(tmp_path / "x", version)
    with pytest.raises(UserError, match=r"x: has 5 events, expected 6: this shard takes the events from 4 to 5"):
        read(path, 4, 6)
    path.write_bytes(path.read_bytes()[:-200])  # within the last event
    with pytest.raises(UserError, match=r"x: has 4 events, expected 5"):
        read(path, 0, 5)


@VERSIONS
def test_the_last_event_may_be_the_end_of_the_file(version, tmp_path):
    """As a job leaves it that ends before it closes its file. An event that lacks a line does not count."""
    path = write(tmp_path / "x", version)
    lines = path.read_bytes().partition(b"-END_EVENT")[0].splitlines(keepends=True)[:-1]
    path.write_bytes(b"".join(lines))
    assert [event.weight for event in read(path, 0, 5)] == [1, 2, 3, 4, 5]
    for n_missing in range(1, random_stable(5).counts[-1] + 7):
        path.write_bytes(b"".join(lines[:-n_missing]))
        if b"E 4 " not in lines[-n_missing]:
            with pytest.raises(UserError, match="x: event 4: cannot be read, it is damaged"):
                read(path, 4, 5)
        assert [event.weight for event in read(path, 3, 4)] == [4]


NAMES_NOTHING = (
    "a line names a particle or vertex that it has not"  # on which the library reads or writes beyond its memory
)


def first_energy(text, number):
    """Replace the energy of the first stable particle of a file of version 3."""
    lines = text.split(b"\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(b"P 3 "))
    words = lines[at].split(b" ")
    words[7] = number
    lines[at] = b" ".join(words)
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(b"E 0 1 ", b"E 0 1 1", 1), "event 0: cannot be read, it is damaged"),
        (lambda text: text.replace(b"E 2 1 ", b"E 2 2000000000 1", 1), "event 2: cannot be read, it is damaged"),
        (lambda text: text.replace(b"P 3 ", b"P 900000000 ", 1), "event 0: cannot be read, it is damaged"),
        (lambda text: text.replace(b"W 1.0", b"W inf ", 1), "event 0: weights: expected finite numbers, found inf"),
        (
            lambda text: text.replace(b"W 1.0", b"W 1e40 ", 1),
            "event 0: weight: expected a finite number, at most 1e",
        ),
        (lambda text: text.replace(b"GenCrossSection 1.0", b"GenCrossSection nan", 1), "event 0: cross section: exp"),
        (lambda text: first_energy(text, b"nan"), "event 0, particle 3: expected px, py, pz within"),
        (lambda text: text.replace(b"[1,2]", b"[1,99]", 1), f"event 0: .* damaged: {NAMES_NOTHING}"),
        (lambda text: text.replace(b"V -1 ", b"V -2 ", 1), f"event 0: .* damaged: {NAMES_NOTHING}"),
        (lambda text: text.replace(b"V -1 ", b"V 1 ", 1), f"event 0: .* damaged: {NAMES_NOTHING}"),
        (lambda text: text.replace(b"A 0 ", b"A 2147483648 ", 1), f"event 0: .* damaged: {NAMES_NOTHING}"),
        (lambda text: text.replace(b"E 0 ", b"0 ", 1), "damaged: it has particles before the first event"),
        (lambda text: text.replace(b"6.5000000000000000e+03 0", b"1e300 0", 1), "event 0, particle 1: expected px, py"),
        (lambda text: first_energy(text, b"1e7"), "event 0, particle 3: .* an energy from 0 to 1e.06 GeV, found"),
        (lambda text: first_energy(text, b"-1"), r"event 0, particle 3: .* found .*, -1$"),
        (lambda text: text.replace(b"U GEV MM", b"U GEV MM" + bytes(70 << 20), 1), "event is larger than 64 MiB"),
        (lambda text: gzip.compress(text)[:-50], "not a readable HepMC file, damaged or cut short"),
        (lambda text: text.replace(b"Asciiv3", b"IO_Ascii"), "not a HepMC file: expected a line HepMC::Asciiv3-START"),
        (lambda text: b"", "not a HepMC file"),
        (lambda text: text.split(b"E 0")[0], "has 0 events, expected 5"),
    ],
)
def test_what_is_refused_in_version_3(change, message, tmp_path, capfd):
    path = write(tmp_path / "x")
    path.write_bytes(change(path.read_bytes()))
    capfd.readouterr()
    with pytest.raises(UserError, match=f"x: .*{message}"):
        read(path, 0, 5)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("declared", ["0 0 2000000000 10001 10002 0 2", "0 0 1 10001 10002 0 2000000000"])
def test_declared_lengths_of_version_2_take_no_memory(declared, tmp_path):
    path = write(tmp_path / "x", "hepmc2")
    content = path.read_text()
    assert "0 0 1 10001 10002 0 2" in content
    path.write_text(content.replace("0 0 1 10001 10002 0 2", declared, 1))
    with pytest.raises(UserError, match="x: event 0: cannot be read, it is damaged"):
        read(path, 0, 5)


def test_an_event_that_lacks_a_particle_is_refused(tmp_path):
    """The library takes it in version 2, without a word."""
    path = write(tmp_path / "x", "hepmc2")
    lines = path.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if line.startswith(b"P "))
    path.write_bytes(b"".join(lines[:last] + lines[last + 1 :]))
    with pytest.raises(UserError, match="x: event 4: cannot be read, it is damaged: a vertex has not the particles"):
        read(path, 0, 5)


def test_a_vertex_may_have_more_particles_than_it_declares(tmp_path):
    """As in files of Pythia, by the source of the library."""
    path = write(tmp_path / "x", "hepmc2")
    content = path.read_bytes()
    assert b" 2 8 0\n" in content
    path.write_bytes(content.replace(b" 2 8 0\n", b" 2 7 0\n", 1))
    np.testing.assert_array_equal(joined(read(path, 0, 5), "px"), random_stable(5).px)


def test_a_particle_before_its_vertex_is_refused(tmp_path):
    """The library reads beyond its memory in version 2, which crashes it on some machines."""
    path = write(tmp_path / "x", "hepmc2")
    lines = path.read_bytes().splitlines(keepends=True)
    vertices = [number for number, line in enumerate(lines) if line.startswith(b"V ")]
    lines.insert(vertices[3] + 1, lines.pop(vertices[3]))
    path.write_bytes(b"".join(lines))
    with pytest.raises(UserError, match="x: event 3: cannot be read, it is damaged: a vertex has not the particles"):
        read(path, 0, 5)
    assert len(read(path, 0, 3)) == 3


def test_a_reader_that_stops_early_leaves_no_process(tmp_path):
    path = write(tmp_path / "x", n_events=500)
    before = psutil.Process().children()
    with open_hepmc(path, range(500)) as (_, events):
        assert next(events).weight == 1
        assert psutil.Process().children() != before
    assert psutil.Process().children() == before
