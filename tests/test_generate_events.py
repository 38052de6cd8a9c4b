"""The script that generates events, end to end without multi-parton interactions."""

import json

import h5py
import numpy as np
import pytest

from generate_events import FAILED, main, parse_args
from tests.commands import error_of, usage_error_of
from tests.toys import write_les_houches
from utils.event_layout import EVENT_JETS, EVENT_MET, EVENT_MUONS, PHI, PT
from utils.formats.events import EventsFile

QCD = (
    "HardQCD:all = on",
    "PhaseSpace:pTHatMin = 20",
    "PhaseSpace:bias2Selection = on",
    "PhaseSpace:bias2SelectionPow = 4",
    "PhaseSpace:bias2SelectionRef = 20",
)


def arguments(output, *flags, settings=QCD, events=30):
    required = ["--output", output, "--process", "QCD", "--settings", *settings]
    return [str(word) for word in (*required, "--events", events, "--underlying_event", 0, *flags)]


def generate(*args, **kwargs):
    return main(arguments(*args, **kwargs))


def read(path):
    file = EventsFile.check(path)
    return file.rows(0, file.n_events)


def test_events_file(tmp_path):
    output = tmp_path / "new" / "0.h5"
    assert generate(output, "--seed", 5, "--shard", 2, events=230) == 0
    particles, weights = read(output)
    assert particles.shape == (230, 19, 4)
    assert (particles[:, EVENT_MET, PT] > 0).all()
    assert (particles[:, EVENT_JETS, PT] > 0).sum(1).mean() > 2
    with h5py.File(output) as file:
        attributes = dict(file.attrs)
    assert attributes["process"] == "QCD"
    assert (attributes["seed"], attributes["shard"]) == (5, 2)
    assert weights.sum(dtype=np.float64) == pytest.approx(attributes["cross_section_pb"], rel=1e-6)
    # 7.2e8 pb without the bias, known to the per cent from many more events.
    error = attributes["cross_section_error_pb"]
    assert attributes["cross_section_pb"] == pytest.approx(7.2e8, abs=4 * error)
    assert 0 < error < 1e8
    assert json.loads(attributes["configuration"])["arguments"]["settings"] == list(QCD)
    assert json.loads(attributes["configuration"])["versions"]["pythia8mc"].startswith("8.")
    (step,) = EventsFile.check(output).cutflow.steps
    assert step.written == {"events": {"QCD": 230}}
    assert step.read["QCD"] == 230 + sum(step.left_out[FAILED].values())
    assert [path.name for path in output.parent.iterdir()] == ["0.h5"]


def test_the_seed_and_the_shard_decide(tmp_path):
    output = tmp_path / "events.h5"
    files = []
    for flags in (("--seed", 7), ("--seed", 7), ("--seed", 8), ("--seed", 7, "--shard", 1)):
        assert generate(output, *flags, events=10) == 0
        files.append((output.read_bytes(), read(output)[0]))
    assert files[0][0] == files[1][0]
    for other in files[2:]:
        assert not np.isin(other[1][:, EVENT_MET, PT], files[0][1][:, EVENT_MET, PT]).any()


def test_pileup_and_its_absence(tmp_path):
    without, with_pileup = tmp_path / "0.h5", tmp_path / "30.h5"
    assert generate(without) == 0
    assert generate(with_pileup, "--pileup", 30) == 0
    (before, weights), (after, same_weights) = read(without), read(with_pileup)
    np.testing.assert_array_equal(weights, same_weights)
    assert (after[:, EVENT_MET, PT] != before[:, EVENT_MET, PT]).all()
    added = after[:, EVENT_MET, :3].astype(float), before[:, EVENT_MET, :3].astype(float)
    change = np.abs(np.subtract(*(met[:, 0] * np.exp(1j * met[:, 2]) for met in added)))
    assert 5 < change.mean() < 40


def test_the_energy_counts(tmp_path):
    cross_sections = []
    for energy in (900, 13000):
        assert generate(tmp_path / "events.h5", "--energy", energy, events=100) == 0
        with h5py.File(tmp_path / "events.h5") as file:
            cross_sections.append(file.attrs["cross_section_pb"])
    assert cross_sections[0] < 0.02 * cross_sections[1]


def les_houches(path):
    return "Beams:frameType = 4", f"Beams:LHEF = {path}"


def test_shards_of_a_les_houches_file(tmp_path):
    """Of muon pairs at large angles: MET is small, and the leading muon of each event is that of the file."""
    path = write_les_houches(tmp_path / "hard.lhe", -4, np.tile([7.0, -1.0], 30))
    leading = []
    for shard in (0, 1):
        output = tmp_path / f"{shard}.h5"
        assert generate(output, "--shard", shard, settings=les_houches(path), events=30) == 0
        particles, weights = read(output)
        np.testing.assert_allclose(weights, np.tile([7.0, -1.0], 15) / 30, rtol=1e-6)
        with h5py.File(output) as file:
            assert file.attrs["cross_section_pb"] == pytest.approx(3, rel=1e-6)
        (step,) = EventsFile.check(output).cutflow.steps
        assert (step.read, step.written, step.left_out) == ({"QCD": 30}, {"events": {"QCD": 30}}, {FAILED: {"QCD": 0}})
        leading.append(particles[:, EVENT_MUONS.start, PHI])
    assert EventsFile.check(tmp_path / "1.h5").hard_events.start == 30
    between_axes = np.abs((leading[0] - leading[1] + np.pi / 2) % np.pi - np.pi / 2)
    assert np.mean(between_axes < 0.1) < 0.5


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 1.0], "hard.lhe: has 2 events, expected 30"),
        ([1.0, -3.0] * 15, "process QCD: expected events whose weights sum to more than 0"),
    ],
)
def test_les_houches_files_that_are_refused(weights, message, tmp_path):
    path = write_les_houches(tmp_path / "hard.lhe", -4, weights)
    assert message in error_of(main, arguments(tmp_path / "out" / "events.h5", settings=les_houches(path)))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_output_that_is_the_les_houches_file_is_refused(tmp_path):
    path = write_les_houches(tmp_path / "hard.lhe", -4, np.ones(30))
    (tmp_path / "link.lhe").hardlink_to(path)
    before = path.read_bytes()
    for output in (path, tmp_path / "link.lhe"):
        error = error_of(main, arguments(output, settings=les_houches(path)))
        assert f"--output {output}: is the same file as the input {path}" in error
        assert path.read_bytes() == before


def test_settings_may_be_given_in_parts():
    words = arguments("x.h5", "--settings", "PhaseSpace:mHatMin = 5")
    assert parse_args(words).settings == [*QCD, "PhaseSpace:mHatMin = 5"]


def test_a_setting_that_a_flag_decides_is_refused(tmp_path):
    error = error_of(main, arguments(tmp_path / "events.h5", settings=(*QCD, "Beams:eCM = 7000")))
    assert error.startswith("error: process QCD: 'Beams:eCM = 7000' would be overridden: --energy decides Beams:eCM")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "setting", ["HardQCD:everything = on", "PhaseSpace:pTHatMin = -5", "PhaseSpace:pTHatMin = 9000"]
)
def test_settings_that_pythia_refuses(setting, tmp_path):
    error = error_of(main, arguments(tmp_path / "events.h5", settings=(*QCD[:2], setting)))
    assert "process QCD" in error
    assert setting in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--events", "-3"),
        ("--events", "0"),
        ("--seed", "-1"),
        ("--shard", "1.5"),
        ("--underlying_event", "2"),
        ("--pileup", "-1"),
        ("--energy", "0"),
    ],
)
def test_wrong_usage(flag, value, tmp_path):
    assert flag in usage_error_of(main, arguments(tmp_path / "events.h5", flag, value))
    assert list(tmp_path.iterdir()) == []
