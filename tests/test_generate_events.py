"""The script that generates events, end to end without multi-parton interactions."""

import json

import h5py
import numpy as np
import pytest

from create_L1regression_data import main as create
from generate_events import FAILED, main, parse_args
from tests.commands import error_of, usage_error_of
from tests.toys import delphes_branches, read_hdf5, write_delphes, write_hepmc, write_les_houches
from utils.event_layout import EVENT_JETS, EVENT_MET, EVENT_MUONS, PHI, PT
from utils.formats.events import EventsFile
from utils.simulation.generator import Generator, seed_sequences

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


def sourced(output, source, *flags, events=30):
    words = ("--output", output, "--process", "QCD", "--source", source, "--events", events, "--underlying_event", 0)
    return [str(word) for word in (*words, *flags)]


class TestLesHouchesSource:
    def test_is_the_file_that_settings_name(self, tmp_path):
        path = write_les_houches(tmp_path / "hard events.lhe", -4, np.tile([7.0, -1.0], 15))
        (tmp_path / "same.lhe").symlink_to(path)
        assert main(sourced(tmp_path / "0.h5", path, "--settings", "PartonLevel:FSR = off")) == 0
        settings = (*les_houches(tmp_path / "same.lhe"), "PartonLevel:FSR = off")
        assert generate(tmp_path / "1.h5", settings=settings) == 0
        for found, expected in zip(read(tmp_path / "0.h5"), read(tmp_path / "1.h5"), strict=True):
            np.testing.assert_array_equal(found, expected)

    def test_the_first_event_and_the_cross_section_may_be_given(self, tmp_path):
        path = write_les_houches(tmp_path / "hard.lhe", 3, np.ones(40))
        assert main(sourced(tmp_path / "0.h5", path, "--first_event", 10, "--cross_section", 2.5)) == 0
        assert EventsFile.check(tmp_path / "0.h5").hard_events.start == 10
        assert read(tmp_path / "0.h5")[1].sum(dtype=np.float64) == pytest.approx(2.5, rel=1e-6)
        with h5py.File(tmp_path / "0.h5") as file:
            assert (file.attrs["cross_section_pb"], file.attrs["cross_section_error_pb"]) == (2.5, 0)

    def test_processes_of_pythia_beside_it_are_refused(self, tmp_path):
        path = write_les_houches(tmp_path / "hard.lhe", 3, np.ones(30))
        error = error_of(main, sourced(tmp_path / "0.h5", path, "--settings", "WeakSingleBoson:ffbar2W = on"))
        assert (
            f"process QCD: the settings switch on 'f fbar' -> W+-' of Pythia, expected only the events of {path}"
            in error
        )

    def test_settings_of_other_beams_are_refused(self, tmp_path):
        path = write_les_houches(tmp_path / "hard.lhe", 3, np.ones(30))
        error = error_of(main, sourced(tmp_path / "0.h5", path, "--settings", "Beams:frameType = 2"))
        assert "process QCD: 'Beams:frameType = 2' would be overridden: --source decides it" in error


@pytest.fixture(scope="module")
def collisions():
    """Collisions of Pythia, as `generate_events.py` makes them with seed 1, their weights and cross section."""
    seed = seed_sequences(1, "QCD", 0)[0]
    source = Generator("QCD", QCD, energy=None, underlying_event=False, seed=seed)
    return *source.batch(30), source.cross_section_pb


class TestHepMCSource:
    @pytest.mark.parametrize("version", ["hepmc2", "hepmc3"])
    def test_our_own_events_come_back(self, version, collisions, tmp_path):
        """To the bit, and so does the file of Level-1; version 3 stores nine digits of the cross section."""
        particles, weights, cross_section = collisions
        hepmc = write_hepmc(tmp_path / "x.hepmc.gz", particles, weights, np.full(30, cross_section), version)
        paths = tmp_path / "direct.h5", tmp_path / "hepmc.h5"
        assert generate(paths[0]) == 0
        assert main(sourced(paths[1], hepmc)) == 0
        (expected, weights), (found, found_weights) = map(read, paths)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(found_weights, weights, rtol=2e-7)
        l1 = []
        for path in paths:
            output = path.with_suffix(".l1.h5")
            assert create([f"--input=QCD={path}", f"--test_output={output}", "--workers=1"]) == 0
            l1.append(read_hdf5(output))
        np.testing.assert_allclose(l1[1].pop("weights"), l1[0].pop("weights"), rtol=2e-7)
        for name, values in l1[0].items():
            np.testing.assert_array_equal(l1[1][name], values)

    def test_shards_take_the_events_in_turn(self, collisions, tmp_path):
        particles, weights, _ = collisions
        path = write_hepmc(tmp_path / "x.hepmc", particles, weights, np.arange(100, 130))
        for shard in (0, 1):
            assert main(sourced(tmp_path / f"{shard}.h5", path, "--shard", shard, events=15)) == 0
            found = read(tmp_path / f"{shard}.h5")[1]
            part = weights[15 * shard : 15 * shard + 15]
            # The cross section is that after the last event of the shard.
            np.testing.assert_allclose(found, part / part.sum() * (114 + 15 * shard), rtol=1e-6)
        (step,) = EventsFile.check(tmp_path / "1.h5").cutflow.steps
        assert (step.read, step.written, step.left_out) == ({"QCD": 15}, {"events": {"QCD": 15}}, {FAILED: {"QCD": 0}})
        assert main(sourced(tmp_path / "again.h5", path, "--seed", 2, events=15)) == 0
        inputs = [f"--input=QCD={tmp_path / name}.h5" for name in ("0", "again")]
        error = error_of(create, [*inputs, f"--test_output={tmp_path / 'l1.h5'}"])
        assert "has the events from 0 to 14 of a HepMC or Les Houches file" in error

    def test_pileup_has_the_energy_of_the_file(self, collisions, tmp_path):
        particles, weights, _ = collisions
        path = write_hepmc(tmp_path / "x.hepmc", particles, weights, np.ones(30))
        assert main(sourced(tmp_path / "0.h5", path, "--pileup", 0.5, "--energy", 13000)) == 0
        error = error_of(main, sourced(tmp_path / "1.h5", path, "--energy", 8000))
        assert f"process QCD: --energy is 8000 GeV, but {path} has beams with 13000 GeV" in error

    def test_without_a_cross_section_it_has_to_be_given(self, collisions, tmp_path):
        path = write_hepmc(tmp_path / "x.hepmc", *collisions[:2], None)
        error = error_of(main, sourced(tmp_path / "0.h5", path))
        assert f"{path}: expected events with a cross section, found none: give it by --cross_section" in error
        zero = write_hepmc(tmp_path / "zero.hepmc", *collisions[:2], np.zeros(30))
        error = error_of(main, sourced(tmp_path / "0.h5", zero))
        assert "process QCD: expected a cross section above 0, found 0 pb: give it by --cross_section" in error
        assert main(sourced(tmp_path / "0.h5", path, "--cross_section", 30)) == 0
        assert read(tmp_path / "0.h5")[1].sum(dtype=np.float64) == pytest.approx(30, rel=1e-6)

    def test_a_damaged_event_is_named_in_one_line(self, collisions, tmp_path, capfd):
        path = write_hepmc(tmp_path / "x.hepmc", *collisions[:2], np.ones(30))
        path.write_bytes(path.read_bytes().replace(b"E 20 1 ", b"E 20 1 9", 1))
        error = error_of(main, sourced(tmp_path / "out" / "0.h5", path))
        assert error == f"error: {path}: event 20: cannot be read, it is damaged, cut short or has no particles\n"
        assert capfd.readouterr().out == ""
        assert list((tmp_path / "out").iterdir()) == []

    def test_settings_are_refused(self, collisions, tmp_path):
        path = write_hepmc(tmp_path / "x.hepmc", *collisions[:2], np.ones(30))
        error = error_of(main, sourced(tmp_path / "0.h5", path, "--settings", "PartonLevel:FSR = off"))
        assert "process QCD: 'PartonLevel:FSR = off' would have no effect: the events of a HepMC file" in error


def test_a_delphes_tree_of_our_own_events_gives_the_same_l1_file(tmp_path):
    assert generate(tmp_path / "x.h5") == 0
    with h5py.File(tmp_path / "x.h5") as file:
        cross_sections = np.full(30, file.attrs["cross_section_pb"])
    write_delphes(tmp_path / "x.root", delphes_branches(*read(tmp_path / "x.h5"), cross_sections))
    expected, found = ({}, {})
    for name, columns in (("x.h5", expected), ("x.root", found)):
        outputs = [tmp_path / f"{part}_{name}.h5" for part in ("train", "test")]
        argv = [f"--input=QCD={tmp_path / name}", f"--train_output={outputs[0]}", f"--test_output={outputs[1]}"]
        assert create([*argv, "--smearings=2", "--chunk_size=7"]) == 0
        columns |= {(part, key): values for part in (0, 1) for key, values in read_hdf5(outputs[part]).items()}
    assert expected.keys() == found.keys()
    for key, values in expected.items():
        if key[1] == "weights":
            np.testing.assert_allclose(found[key], values, rtol=3e-7)
        else:
            np.testing.assert_array_equal(found[key], values)


def test_other_sources_are_refused(tmp_path):
    output = tmp_path / "0.h5"
    assert "no such file" in error_of(main, sourced(output, tmp_path / "x.hepmc"))
    (tmp_path / "x.hepmc").write_text("1 2 3")
    error = error_of(main, sourced(output, tmp_path / "x.hepmc"))
    assert f"--source {tmp_path / 'x.hepmc'}: expected a HepMC or a Les Houches file, found neither" in error
    assert main(arguments(output, events=1)) == 0
    assert "Les Houches file, found HDF5" in error_of(main, sourced(tmp_path / "1.h5", output))
    usage = usage_error_of(main, ["--output", output, "--process", "QCD"])
    assert "expected --settings or --source, found neither" in usage


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
