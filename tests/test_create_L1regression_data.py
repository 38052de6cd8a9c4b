"""Smearing and splitting: the same to the bit in any chunks, weights that sum to the cross section, named errors."""

import json

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from create_L1regression_data import main
from tests.commands import error_of, usage_error_of
from tests.toys import random_nanoaod, random_particles, read_hdf5, write_events, write_les_houches, write_nanoaod
from utils.cutflow import StepCounter
from utils.formats.events import HARD_EVENTS
from utils.formats.l1_files import L1Dataset
from utils.formats.text_events import HardEvents

N_QCD, N_W = 9000, 2500
QCD_PB, W_PB = 5000.0, 12.0
SEED = ("--seed", "5")


def run(folder, inputs, *flags, smearings=1):
    """Run the script in-process and return the paths of its two outputs."""
    flags = (*flags, "--smearings", smearings)
    outputs = folder / "train.h5", folder / "test.h5"
    words = [word for name, path in inputs for word in ("--input", f"{name}={path}")]
    assert main([*words, "--train_output", str(outputs[0]), "--test_output", str(outputs[1]), *map(str, flags)]) == 0
    return outputs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with events files: of QCD with unequal weights, of W in two shards with equal ones."""
    folder = tmp_path_factory.mktemp("events")
    weights = np.random.default_rng(0).exponential(1, N_QCD)
    write_events(folder / "qcd.h5", random_particles(N_QCD, 1), weights * QCD_PB / weights.sum())
    w = random_particles(N_W, 2)
    for name, rows in (("w0.h5", slice(0, 700)), ("w1.h5", slice(700, N_W))):
        write_events(folder / name, w[rows], np.full(len(w[rows]), W_PB / len(w[rows])))
    return folder


@pytest.fixture(scope="module")
def inputs(folder):
    return [("QCD", folder / "qcd.h5"), ("W", folder / "w?.h5")]


@pytest.fixture(scope="module")
def made(inputs, tmp_path_factory):
    """Return the contents of the training and test file."""
    return [read_hdf5(path) for path in run(tmp_path_factory.mktemp("made"), inputs, *SEED, "--chunk_size", 100000)]


@pytest.fixture(scope="module")
def three(inputs, tmp_path_factory):
    """Return the contents of the files of three smearings."""
    return [read_hdf5(path) for path in run(tmp_path_factory.mktemp("three"), inputs, *SEED, smearings=3)]


class TestChunks:
    @pytest.mark.parametrize(("chunk_size", "workers"), [(1000, 1), (4096, 3), (7777, 2), (77, 5)])
    def test_any_size_and_number_of_workers_gives_the_same_to_the_bit(
        self, chunk_size, workers, inputs, made, tmp_path
    ):
        flags = ("--chunk_size", chunk_size, "--workers", workers)
        for path, expected in zip(run(tmp_path, inputs, *SEED, *flags), made, strict=True):
            found = read_hdf5(path)
            assert found.keys() == expected.keys()
            for name, values in expected.items():
                assert_array_equal(found[name], values, err_msg=name)

    def test_an_event_does_not_depend_on_the_other_processes(self, inputs, made, tmp_path):
        only_w = read_hdf5(run(tmp_path, inputs[1:], *SEED)[1])
        rows = made[1]["ids"] == 2
        assert_array_equal(only_w["smeared_data"], made[1]["smeared_data"][rows])
        assert set(only_w["ids"]) == {1}

    def test_another_seed_gives_other_numbers(self, inputs, made, tmp_path):
        other = read_hdf5(run(tmp_path, inputs[1:], "--seed", 6)[1])
        first = made[1]["smeared_met"][made[1]["ids"] == 2]
        assert len(other["ids"]) != len(first) or not np.array_equal(other["smeared_met"], first)


class TestSplit:
    def test_each_event_is_in_one_of_the_files(self, made):
        originals = [random_particles(N_QCD, 1)[:, 0, 0], random_particles(N_W, 2)[:, 0, 0]]
        for process_id, original in enumerate(originals, start=1):
            found = np.concatenate([part["original_met"][part["ids"] == process_id] for part in made])
            assert_array_equal(np.sort(found), np.sort(original))

    def test_order_within_a_process_is_that_of_the_files(self, made):
        original = random_particles(N_QCD, 1)[:, 0, 0].tolist()
        for part in made:
            places = [original.index(value) for value in part["original_met"][part["ids"] == 1][:200]]
            assert places == sorted(places)

    @pytest.mark.parametrize("fraction", [0.05, 0.3, 0.8])
    def test_test_events_have_their_share(self, fraction, inputs, tmp_path):
        _, test = run(tmp_path, inputs[1:], "--test_fraction", fraction)
        width = np.sqrt(N_W * fraction * (1 - fraction))
        assert abs(len(read_hdf5(test)["ids"]) - N_W * fraction) < 5 * width


class TestSaturation:
    @pytest.mark.parametrize("smearings", [1, 3])
    def test_events_are_cut_with_all_their_smearings_and_counted(self, smearings, tmp_path, caplog):
        """An e/g is saturated from 255.5 GeV on; here the response of e/g is 1 / 0.95 without a width."""
        caplog.set_level("INFO")
        particles = random_particles(2000, 3)
        particles[:, 9:] *= (particles[:, 9:, :1] < 500) * (abs(particles[:, 9:, 1:2]) < 3)
        particles[::10, 1] = 250, 1, 1, 2
        particles[5::10, 1] = 235, 1, 1, 2
        path = write_events(tmp_path / "events.h5", particles)
        paths = {}
        for choice in ("keep", "cut"):
            flags = ("--egamma_resolution=0", f"--saturated={choice}")
            (tmp_path / choice).mkdir()
            paths[choice] = run(tmp_path / choice, [("W", path)], *flags, smearings=smearings)
        n_cut = 0
        for kept, cut, step in zip(paths["keep"], paths["cut"], (smearings, 1), strict=True):
            events = read_hdf5(kept)
            leading = events["smeared_data"][:, 4, 0]
            saturated = (leading >= 255.5).reshape(-1, step).any(axis=1)
            n_cut += saturated.sum()
            for name, values in read_hdf5(cut).items():
                expected = values if name == "ids_names" else events[name][np.repeat(~saturated, step)]
                assert_array_equal(values, expected, err_msg=name)
            assert 247 < leading[leading < 255.5].max() < 248
        assert n_cut == 200
        assert "W: 200 events have a saturated object or sum (--saturated cut)" in caplog.text
        steps = [L1Dataset.check(paths[choice][0]).cutflow.steps[-1] for choice in ("keep", "cut")]
        assert [step.left_out for step in steps] == [{}, {"saturated": {"W": 200}}]
        assert [step.including for step in steps] == [{"saturated": {"W": 200}}, {}]
        assert [step.disagreements() for step in steps] == [[], []]


class TestSmearings:
    def test_the_first_is_that_of_a_file_with_one_and_test_events_have_one(self, made, three):
        for name in ("smeared_data", "true_data", "smeared_met", "true_met", "ids"):
            assert_array_equal(three[0][name][::3], made[0][name], err_msg=name)
        for name, values in made[1].items():
            assert_array_equal(three[1][name], values, err_msg=name)

    def test_are_of_the_same_true_event(self, three):
        for name in ("true_data", "true_met", "true_ht", "original_met", "ids", "weights"):
            for smearing in (1, 2):
                assert_array_equal(three[0][name][smearing::3], three[0][name][::3], err_msg=name)

    def test_weights_sum_to_the_cross_section(self, made, three):
        for process in (1, 2):
            one, other = (part["weights"][part["ids"] == process].sum(dtype=float) for part in (made[0], three[0]))
            assert other == pytest.approx(one, rel=1e-5)

    def test_the_next_step_reads_each_of_them(self, inputs, tmp_path):
        train, _ = run(tmp_path, inputs[1:], smearings=3)
        data = L1Dataset.check(train)
        counter = StepCounter(data.process_names, ["kept"])
        for name in ("read", "kept"):
            counter.add(name, data.rows(0, data.n_events).ids)
        assert counter.append_to(data.cutflow, "next").disagreements() == []
        assert data.cutflow.steps[-1].written["training"]["W"] == data.n_events / 3

    def test_are_independent(self, three):
        """The responses of the hardest jet in two smearings are uncorrelated, apart from what its pT explains."""
        data = [three[0]["smeared_data"][smearing::3, 8, 0] for smearing in range(3)]
        true = three[0]["true_data"][::3, 8, 0]
        rows = (true > 100) & np.all([pt > 0 for pt in data], axis=0)
        responses = np.stack([pt[rows] / true[rows] for pt in data])
        correlations = np.corrcoef(responses)[np.triu_indices(3, 1)]
        assert np.abs(correlations).max() < 0.1
        assert rows.sum() > 2000


class TestContent:
    def test_types_and_shapes(self, made):
        for part in made:
            n = len(part["ids"])
            assert part["smeared_data"].shape == part["true_data"].shape == (n, 18, 3)
            assert {name: values.dtype.str for name, values in part.items() if name != "ids_names"} == {
                "smeared_data": "<f4",
                "true_data": "<f4",
                "smeared_met": "<f4",
                "smeared_ht": "<f4",
                "true_met": "<f4",
                "true_ht": "<f4",
                "original_met": "<f4",
                "weights": "<f4",
                "ids": "<i4",
            }
            assert part["ids_names"].tolist() == [b"QCD_1", b"W_2"]

    def test_sums_are_those_of_the_objects(self, made):
        for kind in ("smeared", "true"):
            data = made[1][f"{kind}_data"].astype(np.float64)
            momentum = (data[:, :, 0] * np.exp(1j * data[:, :, 2])).sum(1)
            assert_allclose(made[1][f"{kind}_met"], abs(momentum), rtol=1e-4, atol=1e-3)
            assert_allclose(made[1][f"{kind}_ht"], data[:, 8:, 0].sum(1), rtol=1e-5)

    def test_true_objects_are_those_of_the_events_file(self, made):
        particles = random_particles(N_W, 2)
        rows = [np.flatnonzero(particles[:, 0, 0] == met)[0] for met in made[1]["original_met"][made[1]["ids"] == 2]]
        objects = np.concatenate([particles[rows, 5:9, :3], particles[rows, 1:5, :3], particles[rows, 9:, :3]], 1)
        assert_array_equal(made[1]["true_data"][made[1]["ids"] == 2], objects)

    def test_attributes_say_what_made_the_file(self, inputs, tmp_path):
        train, _ = run(tmp_path, inputs[1:], *SEED, "--jet_threshold", 25)
        with h5py.File(train) as file:
            assert file.attrs["seed"] == 5
            configuration = json.loads(file.attrs["configuration"])
        assert configuration["arguments"]["jet_threshold"] == 25
        assert configuration["versions"]["numpy"] == np.__version__


class TestFlags:
    """Without random numbers: what each flag does to objects of 60 GeV."""

    QUIET = ("--jet_scale_width=0", "--jet_resolution_factor=0", "--muon_resolution=0", "--egamma_resolution=0")

    @pytest.fixture
    def smeared(self, tmp_path):
        def smear(*flags):
            particles = np.zeros((50, 19, 4), np.float32)
            for slot, number_of_class, eta in ((1, 2, 0.5), (2, 2, 2.0), (5, 3, 0.5), (6, 3, 2.3), (9, 4, 0.5)):
                particles[:, slot] = [60, eta, 1.0, number_of_class]
            path = write_events(tmp_path / "events.h5", particles)
            data = read_hdf5(run(tmp_path, [("X", path)], *self.QUIET, *flags)[0])["smeared_data"]
            assert (data == data[0]).all()
            return {
                name: {round(eta, 2): pt for pt, eta, _ in data[0, slots].tolist()}
                for name, slots in (("muon", slice(0, 4)), ("egamma", slice(4, 8)), ("jet", slice(8, 18)))
            }

        return smear

    def test_defaults(self, smeared):
        found = smeared()
        assert found["muon"][0.5] == pytest.approx(60 / 0.98, rel=1e-6)
        assert found["muon"][2.3] == pytest.approx(60 / 0.95, rel=1e-6)
        assert found["egamma"][0.5] == pytest.approx(60 / 0.95, rel=1e-6)
        assert found["egamma"][2.0] == pytest.approx(60 / 0.85, rel=1e-6)
        assert found["jet"][0.5] == pytest.approx(60 * 1.1 * 1.09, rel=1e-6)

    def test_lepton_responses_and_edges(self, smeared):
        found = smeared(
            "--muon_response=0.5,0.8", "--muon_eta_edge=0.4", "--egamma_response=2,4", "--egamma_eta_edge=2.5"
        )
        assert found["muon"][0.5] == found["muon"][2.3] == pytest.approx(75, rel=1e-6)
        assert found["egamma"][0.5] == found["egamma"][2.0] == pytest.approx(30, rel=1e-6)

    def test_thresholds(self, smeared):
        found = smeared("--muon_threshold=62", "--egamma_threshold=65", "--jet_threshold=72")
        assert [sum(pt > 0 for pt in found[kind].values()) for kind in ("muon", "egamma", "jet")] == [1, 1, 0]

    def test_jet_scale_and_table(self, smeared, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text("abs_eta_min,abs_eta_max,pt_50\n0,1,1.5\n1,5,9\n")
        assert smeared("--jet_scale_mean=2", f"--jet_inverse_response={table}")["jet"][0.5] == pytest.approx(180)

    def test_jet_resolution_tables_and_widths(self, tmp_path):
        particles = np.zeros((20000, 19, 4), np.float32)
        particles[:, 9] = [100, 1, 0, 4]
        events = write_events(tmp_path / "events.h5", particles)
        (tmp_path / "points.csv").write_text("pt,resolution\n10,0.1\n100,0.1\n1000,0.1\n")
        flags = [f"--jet_resolution_central={tmp_path / 'points.csv'}", "--jet_resolution_factor=1.5"]
        train, _ = run(tmp_path, [("X", events)], *flags, "--jet_scale_width=0", "--jet_threshold=0")
        pt = read_hdf5(train)["smeared_data"][:, 8, 0].astype(np.float64)
        assert pt.std() / pt.mean() == pytest.approx(0.15, abs=6 * 0.15 / np.sqrt(2 * len(pt)))

    def test_plots_are_drawn(self, inputs, tmp_path):
        run(tmp_path, inputs[1:], "--plots", tmp_path / "plots")
        shown = sorted(path.name for path in (tmp_path / "plots").iterdir() if not path.name.startswith("."))
        assert shown == [
            f"{name}.{kind}" for name in ("jet_resolution", "jet_scale") for kind in ("json", "pdf", "png")
        ]


class TestWeights:
    def test_of_each_file_sum_to_the_cross_section_within_their_spread(self, made):
        for part in made:
            weights = part["weights"][part["ids"] == 1].astype(np.float64)
            n = len(weights)
            width = n * weights.std() / np.sqrt(n) * np.sqrt(1 - n / N_QCD)
            assert abs(weights.sum() - QCD_PB) < 5 * width

    def test_equal_ones_sum_to_it_exactly_in_several_shards(self, made):
        for part in made:
            weights = part["weights"][part["ids"] == 2].astype(np.float64)
            assert_allclose(weights, W_PB / len(weights), rtol=1e-6)

    def test_shards_count_by_their_share_of_the_events(self, tmp_path):
        # Two estimates of the cross section, 10 pb of 600 events and 40 pb of 1800: together (600*10 + 1800*40)/2400.
        for name, n_events, cross_section in (("a.h5", 600, 10.0), ("b.h5", 1800, 40.0)):
            write_events(
                tmp_path / name, random_particles(n_events, n_events), np.full(n_events, cross_section / n_events)
            )
        for output in run(tmp_path, [("X", tmp_path / "b.h5"), ("X", tmp_path / "a.h5")]):
            weights = read_hdf5(output)["weights"].astype(np.float64)
            n = len(weights)
            assert_allclose(np.unique(weights), [10 / n, 40 / n], rtol=1e-6)
            assert abs(weights.sum() - 32.5) < 5 * weights.std() * np.sqrt(n)

    def test_shards_by_glob_by_name_or_in_one_file_are_the_same_events(self, folder, made, tmp_path):
        whole = write_events(tmp_path / "w.h5", random_particles(N_W, 2), np.full(N_W, W_PB / N_W))
        rows = made[0]["ids"] == 2
        for inputs in ([("W", folder / "w0.h5"), ("W", folder / "w1.h5")], [("W", whole)]):
            found = read_hdf5(run(tmp_path, inputs, *SEED)[0])
            assert_array_equal(found["smeared_data"], made[0]["smeared_data"][rows])
            assert_allclose(found["weights"], made[0]["weights"][rows], rtol=1e-6)

    def test_are_not_there_where_the_input_has_none(self, tmp_path):
        inputs = [
            (name, write_events(tmp_path / f"{name}.h5", random_particles(100, i))) for i, name in enumerate("XY")
        ]
        for path in run(tmp_path, inputs):
            data = L1Dataset.check(path)
            assert not data.weighted
            assert (data.rows(0, data.n_events).weights == 1).all()

    def test_may_be_negative(self, tmp_path):
        """As those of generators at next-to-leading order: each sample keeps the cross section, here of 6 pb."""
        weights = np.where(np.arange(2000) % 5 == 0, -0.005, 0.005)
        path = write_events(tmp_path / "nlo.h5", random_particles(2000), weights)
        for output in run(tmp_path, [("X", path)]):
            found = read_hdf5(output)["weights"].astype(np.float64)
            assert_allclose(np.abs(found), 10 / len(found), rtol=1e-6)
            assert found.sum() == pytest.approx(6, abs=5 * 10 / np.sqrt(len(found)))


def test_public_files_with_doubles_and_stale_slots_give_the_same(tmp_path):
    particles = random_particles(800, 3)
    clean = write_events(tmp_path / "clean.h5", particles)
    stale = particles.astype(np.float64)
    empty = stale[:, :, 0] == 0
    empty[:, 0] = False
    stale[empty] = [0, -1.5, 2.0, 3.0]
    public = write_events(tmp_path / "public.h5", stale)
    contents = []
    for path in (clean, public):
        (tmp_path / path.stem).mkdir()
        contents.append([read_hdf5(output) for output in run(tmp_path / path.stem, [("X", path)])])
    for expected, found in zip(*contents, strict=True):
        for name, values in expected.items():
            assert_array_equal(found[name], values, err_msg=name)


def test_of_many_shards_all_is_on_record(tmp_path):
    """More than the 64 KB that HDF5 keeps of an attribute of fixed length."""
    far_down = tmp_path / "/".join(["d" * 200] * 4)
    far_down.mkdir(parents=True)
    names = [far_down / f"{i}.h5" for i in range(75)]
    for i, name in enumerate(names):
        write_events(name, random_particles(20, seed=i))
    inputs = [f"--input=QCD={name}" for name in names]
    assert main([*inputs, f"--train_output={tmp_path}/train.h5", f"--test_output={tmp_path}/test.h5"]) == 0
    with h5py.File(tmp_path / "train.h5") as file:
        record = file.attrs["configuration"]
        n_events = len(file["ids"])
    assert len(record) > 1 << 16
    assert json.loads(record)["arguments"]["input"] == [text.removeprefix("--input=") for text in inputs]
    (step,) = L1Dataset.check(tmp_path / "train.h5").cutflow.steps
    assert (step.read, step.written["training"]) == ({"QCD": 1500}, {"QCD": n_events / 5})


class TestErrors:
    @pytest.fixture
    def error(self, tmp_path):
        """Return a function that runs the script with inputs it has to refuse, and gives why."""

        def run_bad(*words):
            outputs = tmp_path / "out" / "train.h5", tmp_path / "out" / "test.h5"
            flags = [
                f"--train_output={outputs[0]}",
                f"--test_output={outputs[1]}",
                f"--plots={tmp_path / 'out' / 'plots'}",
            ]
            message = error_of(main, [*words, *flags])
            assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
            return message

        return run_bad

    def test_truncated_file(self, error, folder, tmp_path):
        path = tmp_path / "cut.h5"
        path.write_bytes((folder / "qcd.h5").read_bytes()[:100000])
        assert f"{path}: not a readable HDF5 file, damaged or cut short" in error(f"--input=QCD={path}")

    def test_damaged_rows(self, error, folder, tmp_path):
        path = tmp_path / "damaged.h5"
        path.write_bytes((folder / "qcd.h5").read_bytes())
        with h5py.File(path) as file:
            chunk = file["Particles"].id.get_chunk_info(3)
        content = bytearray(path.read_bytes())
        content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
        path.write_bytes(content)
        assert f"{path}: dataset 'Particles' cannot be read in rows" in error(f"--input=QCD={path}")

    def test_missing_dataset(self, error, tmp_path):
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["Weights"] = np.ones(3)
        assert "x.h5: dataset 'Particles' is missing, found Weights" in error(f"--input=QCD={tmp_path / 'x.h5'}")

    def test_wrong_shape(self, error, tmp_path):
        path = write_events(tmp_path / "x.h5", np.zeros((5, 18, 4)))
        assert "x.h5: dataset 'Particles' has shape (5, 18, 4), expected (any, 19, 4)" in error(f"--input=QCD={path}")

    def test_nan_in_the_last_of_several_files(self, error, folder, tmp_path):
        particles = random_particles(300)
        particles[123, 9] = [30, 0, np.nan, 4]
        path = write_events(tmp_path / "nan.h5", particles, np.ones(300))
        message = error(f"--input=QCD={folder / 'qcd.h5'}", f"--input=W={folder / 'w0.h5'}", f"--input=W={path}")
        assert f"{path}: dataset 'Particles', event 123, slot 9, phi: expected radians" in message

    def test_missing_weights_in_one_shard(self, error, folder, tmp_path):
        path = write_events(tmp_path / "plain.h5", random_particles(10))
        message = error(f"--input=W={folder / 'w0.h5'}", f"--input=W={path}")
        assert f"{path}: dataset 'Weights' is missing" in message

    def test_a_folder_whose_name_looks_like_a_pattern(self, error, folder, tmp_path):
        """Its files are found, and refused for what they are."""
        (tmp_path / "run [2]").mkdir()
        (tmp_path / "run [2]" / "w0.h5").symlink_to(folder / "w0.h5")
        message = error(f"--input=W={folder / 'w0.h5'}", f"--input=W={tmp_path / 'run [2]' / 'w*.h5'}")
        assert f"{tmp_path / 'run [2]' / 'w0.h5'}: has the events of {folder / 'w0.h5'}" in message

    @pytest.mark.parametrize("pattern", ["none*.h5", "none.h5"])
    def test_no_such_file(self, pattern, error, tmp_path):
        text = f"QCD={tmp_path / pattern}"
        assert error(f"--input={text}") == f"error: --input {text}: no such file\n"

    @pytest.mark.parametrize("text", ["QCD", "QCD=", "=file.h5", "events/qcd.h5"])
    def test_input_without_name_or_file(self, text, error):
        assert error(f"--input={text}") == f"error: --input {text!r}: expected NAME=FILES\n"

    def test_same_file_twice(self, error, folder):
        message = error(f"--input=W={folder / 'w0.h5'}", f"--input=W={folder / 'w?.h5'}")
        assert "w0.h5 is given twice for process W" in message

    def test_weights_in_one_process_and_none_in_another(self, error, folder, tmp_path):
        path = write_events(tmp_path / "plain.h5", random_particles(10))
        message = error(f"--input=QCD={folder / 'qcd.h5'}", f"--input=X={path}")
        assert f"process X ({path}): dataset 'Weights' is missing, but process QCD ({folder / 'qcd.h5'})" in message

    @pytest.mark.parametrize("weights", [np.repeat([2.0, -2.0], 30), np.repeat([1.0, -3.0], 30), np.zeros(60)])
    def test_weights_that_sum_to_nothing(self, weights, error, folder, tmp_path):
        path = write_events(tmp_path / "w.h5", random_particles(60), weights)
        message = error(f"--input=QCD={folder / 'qcd.h5'}", f"--input=W={path}")
        assert f"process W ({path}): dataset 'Weights': expected weights of the t" in message
        assert "events that sum to more than 0, found a sum of " in message

    @pytest.mark.parametrize("way", ["symlink", "hard link", "copy", "repacked", "first events"])
    def test_the_same_events_in_another_file(self, way, error, folder, tmp_path):
        """Attributes, compression, weights and number of events may differ, as in shards made with the same seed."""
        path, other = folder / "w0.h5", tmp_path / "other.h5"
        if way == "symlink":
            other.symlink_to(path)
        elif way == "hard link":
            other.hardlink_to(path)
        elif way == "copy":
            other.write_bytes(path.read_bytes())
        elif way == "repacked":
            with h5py.File(path) as file, h5py.File(other, "w") as new:
                new.create_dataset("Particles", data=file["Particles"][:].astype(float), chunks=(50, 19, 4))
                new["Weights"] = 2 * file["Weights"][:]
                new.attrs["made"] = "yesterday"
        else:
            write_events(other, random_particles(N_W, 2)[:300], np.ones(300))
        message = error(f"--input=W={path}", f"--input=W={other}")
        assert f"{other}: has the events of {path}, expected each event once" in message

    def test_one_file_for_two_processes_is_warned_of(self, folder, tmp_path, caplog):
        path, names = folder / "w0.h5", ("A", "B")
        flags = [f"--{name}_output={tmp_path / name}.h5" for name in ("train", "test")]
        assert main([*(f"--input={name}={path}" for name in names), *flags]) == 0
        assert f"{path}: has the events of {path}, a file of another process" in caplog.text

    def test_particles_of_a_generator(self, error, tmp_path):
        path = write_les_houches(tmp_path / "x.lhe", 3, [1.0])
        message = error(f"--input=W={path}")
        assert f"{path}: Les Houches file of particles, expected objects: make an events file by" in message

    def test_the_same_events_of_a_les_houches_file(self, error, tmp_path):
        paths = [write_events(tmp_path / f"{i}.h5", random_particles(50, i)) for i in range(2)]
        for path, start in zip(paths, (0, 40), strict=True):
            with h5py.File(path, "a") as file:
                file.attrs[HARD_EVENTS] = HardEvents("x", start, start + 50).record()
        message = error(*(f"--input={name}={path}" for name, path in zip("XY", paths, strict=True)))
        assert (
            f"{paths[1]}: has the events from 40 to 89 of a HepMC or Les Houches file, and {paths[0]} those from 0"
            in message
        )

    @pytest.mark.parametrize(
        ("feature", "factor", "expected"),
        [
            (0, 1000, "pT: expected GeV from 0 to 7000"),
            (1, 40, "eta: expected values from -6 to 6"),
            (2, 57.3, "phi: expected radians from -2 pi to 2 pi"),
        ],
    )
    def test_other_units(self, feature, factor, expected, error, tmp_path):
        particles = random_particles(100)
        particles[:, :, feature] *= factor
        path = write_events(tmp_path / "x.h5", particles)
        message = error(f"--input=X={path}")
        assert f"error: {path}: dataset 'Particles', event " in message
        assert expected in message

    def test_too_few_events_to_split(self, error, tmp_path):
        path = write_events(tmp_path / "one.h5", random_particles(1))
        assert "process QCD: 1 events cannot be split" in error(f"--input=QCD={path}")

    def test_empty_file(self, error, tmp_path):
        path = write_events(tmp_path / "empty.h5", random_particles(10)[:5], None)
        with h5py.File(path, "a") as file:
            del file["Particles"]
            file["Particles"] = np.zeros((0, 19, 4), np.float32)
        assert "process QCD: 0 events cannot be split" in error(f"--input=QCD={path}")

    def test_bad_table(self, error, folder, tmp_path):
        (tmp_path / "table.csv").write_text("pt,resolution\n1,2\n")
        message = error(f"--input=QCD={folder / 'qcd.h5'}", f"--jet_resolution_forward={tmp_path / 'table.csv'}")
        assert "table.csv: expected at least 3 points" in message

    def test_one_file_for_both_outputs(self, folder, tmp_path):
        outputs = [f"--train_output={tmp_path / 'out.h5'}", f"--test_output={tmp_path / 'x' / '..' / 'out.h5'}"]
        message = usage_error_of(main, [f"--input=W={folder / 'w0.h5'}", *outputs])
        assert "--train_output and --test_output name the same file" in message
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("flag", "named"),
        [
            ("--jet_threshold=-1", "--jet_threshold: expected a number of at least 0, found '-1'"),
            ("--muon_threshold=nan", "--muon_threshold: expected a number of at least 0, found 'nan'"),
            ("--test_fraction=1.5", "--test_fraction: expected a number above 0 and of at most 0.99, found '1.5'"),
            ("--muon_response=0.9", "--muon_response: expected 2 values separated by commas"),
            ("--egamma_response=0.9,0", "--egamma_response: expected a number above 0, found '0'"),
            ("--chunk_size=0", "--chunk_size: expected an integer of at least 1, found '0'"),
            ("--seed=1.5", "--seed: expected an integer of at least 0"),
            ("--seed=99999999999999999999999", "--seed: expected an integer of at least 0"),
            ("--jet_treshold=5", "--jet_treshold=5"),
        ],
    )
    def test_wrong_usage_exits_with_2(self, flag, named, folder, tmp_path):
        outputs = [f"--train_output={tmp_path / 'a.h5'}", f"--test_output={tmp_path / 'b.h5'}"]
        assert named in usage_error_of(main, [f"--input=QCD={folder / 'qcd.h5'}", *outputs, flag])
        assert list(tmp_path.iterdir()) == []

    def test_input_is_required(self, tmp_path):
        assert "--input" in usage_error_of(main, ["--train_output=x", "--test_output=y"])


def test_without_a_training_file_all_events_are_for_the_evaluation(smeared_folder, tmp_path):
    assert main([f"--input=QCD={smeared_folder / 'qcd.h5'}", f"--test_output={tmp_path / 'all.h5'}"]) == 0
    events = read_hdf5(tmp_path / "all.h5")
    parts = [read_hdf5(smeared_folder / f"{name}.h5") for name in ("train", "test")]
    with h5py.File(smeared_folder / "qcd.h5") as file:
        assert events["weights"].sum() == pytest.approx(file["Weights"][:].sum(), rel=1e-5)
    apart = np.concatenate([part["smeared_data"][part["ids"] == 1] for part in parts])
    order, order_apart = (np.lexsort(rows.reshape(len(rows), -1).T) for rows in (events["smeared_data"], apart))
    assert_array_equal(events["smeared_data"][order], apart[order_apart])


@pytest.fixture(scope="module")
def nanoaod(tmp_path_factory):
    """Return a folder with NanoAOD of QCD in two bins, each with a cross section, and of data."""
    folder = tmp_path_factory.mktemp("nanoaod")
    for seed, name in enumerate(("qcd_low", "qcd_high")):
        write_nanoaod(folder / f"{name}.root", random_nanoaod(150, seed), {"genEventSumw": [500.0]})
    write_nanoaod(folder / "data.root", random_nanoaod(150, 7, data=True))
    return folder


@pytest.fixture(scope="module")
def at_l1(nanoaod):
    """Return the contents of the training and test file of NanoAOD of QCD; smearings have no effect."""
    flags = ("--cross_sections", "qcd_low.root=1000,qcd_high.root=10", *SEED, "--chunk_size", 64, "--workers", 2)
    return [read_hdf5(path) for path in run(nanoaod, [("QCD", nanoaod / "qcd*.root")], *flags, smearings=3)]


class TestNanoAOD:
    """Events with objects of L1: read, split and weighted as others, but not smeared."""

    def test_all_events_are_there_once(self, at_l1):
        made = np.concatenate([random_nanoaod(150, seed)["GenMET_pt"] for seed in (1, 0)])
        assert_array_equal(np.sort(np.concatenate([part["true_met"] for part in at_l1])), np.sort(made))
        assert_array_equal(at_l1[0]["original_met"], at_l1[0]["true_met"])

    def test_weights_are_those_of_the_generator_times_cross_section_over_their_sum(self, at_l1):
        expected = {}
        for seed, cross_section in ((0, 1000), (1, 10)):
            made = random_nanoaod(150, seed)
            weights = made["genWeight"] * cross_section / 500
            expected |= dict(zip(made["GenMET_pt"].tolist(), weights.tolist(), strict=True))
        for part in at_l1:
            found = [expected[value] * 300 / len(part["ids"]) for value in part["true_met"].tolist()]
            assert_allclose(part["weights"], found, rtol=1e-6)

    def test_sums_of_the_trigger_and_pileup_are_kept(self, at_l1, nanoaod):
        kept = {"l1_htt", "l1_etm", "l1_htm", "l1_etmhf", "PV_npvs", "Pileup_nTrueInt"}
        kept |= {"l1_etm_phi", "l1_htm_phi", "l1_etmhf_phi", "true_met_phi"}
        for part in at_l1:
            assert kept < part.keys()
        data = L1Dataset.check(nanoaod / "test.h5")
        assert set(data.kept) == kept
        assert_array_equal(data.rows(0, 20).l1_etmhf, at_l1[1]["l1_etmhf"][:20])

    def test_data_beside_events_without_weights(self, nanoaod, folder, tmp_path):
        write_events(tmp_path / "w.h5", random_particles(100))
        inputs = [("W", tmp_path / "w.h5"), ("data", nanoaod / "data.root")]
        train, test = (read_hdf5(path) for path in run(tmp_path, inputs, *SEED, smearings=2))
        assert "weights" not in test
        for part in (train, test):
            assert np.isnan(part["l1_htt"][part["ids"] == 1]).all()
            assert (part["l1_htt"][part["ids"] == 2] >= 0).all()
        data = L1Dataset.check(tmp_path / "train.h5")
        counter = StepCounter(data.process_names, ["kept"])
        for name in ("read", "kept"):
            counter.add(name, data.rows(0, data.n_events).ids)
        assert counter.append_to(data.cutflow, "next").disagreements() == []

    @pytest.mark.parametrize("name", ["qcd.root", "w0.h5"])
    def test_a_cross_section_of_no_file_is_noted(self, name, nanoaod, folder, tmp_path, caplog):
        """An events file has its cross section already."""
        source = ("data", nanoaod / "data.root") if name == "qcd.root" else ("W", folder / name)
        run(tmp_path, [source], "--cross_sections", f"{name}=5")
        assert f"--cross_sections: {name} is no process and applies to no NanoAOD or Delphes file" in caplog.text

    def test_the_jet_threshold_follows_a_central_file(self, tmp_path, caplog):
        caplog.set_level("INFO")
        branches = random_nanoaod(150, 3, data=True)
        sizes, pt = branches["L1Jet_pt"]
        branches["L1Jet_pt"] = sizes, np.float32(pt + 30)
        write_nanoaod(tmp_path / "central.root", branches)
        write_events(tmp_path / "w.h5", random_particles(400))
        inputs = [("data", tmp_path / "central.root"), ("W", tmp_path / "w.h5")]
        train, test = run(tmp_path, inputs, *SEED)
        assert (
            f"{tmp_path / 'central.root'}: all its L1 jets are above 30 GeV, the cut of central NanoAOD" in caplog.text
        )
        assert "the L1 jet threshold of all events is 30 GeV instead of 20" in caplog.text
        jets = read_hdf5(train)["smeared_data"][:, 8:, 0]
        assert jets[jets > 0].min() >= 30
        with h5py.File(test) as file:
            assert file.attrs["jet_threshold"] == 30
        assert L1Dataset.check(test).jet_threshold == 30

    @pytest.mark.parametrize(
        ("inputs", "cross_sections", "problem"),
        [
            (
                ["QCD={0}/qcd_low.root", "QCD={1}/qcd.h5"],
                "QCD=5",
                "{1}/qcd.h5: is to be smeared, but {0}/qcd_low.root of",
            ),
            (
                ["QCD={0}/qcd_*.root", "data={0}/data.root"],
                "QCD=5",
                "process data ({0}/data.root): a cross section (--cross_sections) is missing, but process QCD",
            ),
            (
                ["QCD={0}/qcd_*.root"],
                "qcd_low.root=5",
                "{0}/qcd_high.root: a cross section (--cross_sections) is missing",
            ),
            (["W={1}/w0.h5"], "W=5", "--cross_sections: process W has no NanoAOD or Delphes file"),
            (["QCD={0}/qcd_low.root"], "", "{0}/qcd_low.root: branch 'genWeight': event"),
            (["QCD={0}/qcd_low.root", "QCD={0}/copy.root"], "QCD=5", "has the events of"),
        ],
    )
    def test_errors(self, inputs, cross_sections, problem, nanoaod, folder, tmp_path):
        (nanoaod / "copy.root").write_bytes((nanoaod / "qcd_low.root").read_bytes())
        words = [word for text in inputs for word in ("--input", text.format(nanoaod, folder))]
        error = error_of(main, [*words, "--test_output", tmp_path / "x.h5", "--cross_sections", cross_sections])
        assert problem.format(nanoaod, folder) in error
        assert not (tmp_path / "x.h5").exists()

    def test_unknown_root_files_are_named(self, tmp_path):
        import uproot

        with uproot.recreate(tmp_path / "x.root") as file:
            file.mktree("ntuple", {"x": np.float32})
        arguments = ["--input", f"QCD={tmp_path / 'x.root'}", "--test_output", tmp_path / "x.h5"]
        assert f"{tmp_path / 'x.root'}: expected a ROOT file with a tree 'Events'" in error_of(main, arguments)
