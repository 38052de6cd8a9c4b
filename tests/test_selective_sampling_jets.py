"""Selective sampling: what is kept, in what numbers, with what weights; the same to the bit in any chunks."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from selective_sampling_jets import main
from tests.commands import error_of, usage_error_of
from tests.toys import l1_events, random_l1_events, read_hdf5, write_l1
from utils.formats.l1_files import L1Dataset
from utils.l1_events import L1Events

N = 30000
MEAN_MET = 25.0  # the true MET falls as exp(-MET / 25 GeV)


@pytest.fixture(scope="module")
def events():
    """Return events of three processes with 0 to 4 jets; ``original_met`` numbers them."""
    rng = np.random.default_rng(0)
    objects = np.zeros((N, 18, 3), np.float32)
    objects[:, 8:, 0] = 40 * (np.arange(10) < rng.integers(0, 5, N)[:, None])
    return l1_events(
        objects,
        true_met=rng.exponential(MEAN_MET, N),
        true_ht=rng.exponential(80, N),
        original_met=np.arange(N),
        ids=rng.choice([1, 2, 3], N, p=[0.8, 0.15, 0.05]),
        weights=rng.uniform(0.5, 1.5, N),
    )


@pytest.fixture(scope="module")
def l1_file(events, tmp_path_factory):
    return write_l1(tmp_path_factory.mktemp("l1") / "train.h5", events, (b"QCD_1", b"W_2", b"Z_3"))


@pytest.fixture(scope="module")
def n_jets(events):
    return (events.smeared_data[:, 8:, 0] > 0).sum(1)


@pytest.fixture
def select(l1_file, tmp_path):
    """Return a function that runs the script and gives the contents of the kept and discarded files."""

    def run(*flags):
        outputs = tmp_path / "kept.h5", tmp_path / "discarded.h5"
        words = [f"--input={l1_file}", f"--output={outputs[0]}", f"--discarded_output={outputs[1]}", *flags]
        assert main([str(word) for word in words]) == 0
        return [read_hdf5(path) for path in outputs]

    return run


def numbers_of(part):
    """Return the number of each event."""
    return part["original_met"].astype(int)


ALL_OF_IT = ("--processes=QCD,W", "--fractions_to_keep=0.5,0.8,1,0.9", "--sampling_var=met", "--sampling_threshold=50")


class TestFiles:
    @pytest.mark.parametrize("flags", [(), ("--processes=W",), ALL_OF_IT, ("--fractions_to_keep=0",)])
    def test_kept_and_discarded_are_all_events_and_disjoint(self, flags, select):
        kept, discarded = (numbers_of(part) for part in select(*flags))
        assert sorted([*kept, *discarded]) == list(range(N))
        assert (np.diff(kept) > 0).all()
        assert (np.diff(discarded) > 0).all()

    def test_without_a_selection_are_a_copy(self, select, events):
        kept, discarded = select()
        assert len(discarded["ids"]) == 0
        for name, values in given(events):
            assert_array_equal(kept[name], values)
        assert_array_equal(kept["keep_probability"], np.ones(N))
        assert "keep_probability" not in discarded
        assert kept["ids_names"].tolist() == [b"QCD_1", b"W_2", b"Z_3"]

    def test_hold_their_events_unchanged_but_for_the_weights(self, select, events):
        for part in select(*ALL_OF_IT):
            rows = numbers_of(part)
            for name, values in given(events):
                if name != "weights":
                    assert_array_equal(part[name], values[rows])

    def test_hold_the_sums_of_the_trigger_and_the_pileup(self, events, tmp_path):
        kept = {"l1_etmhf": np.arange(N, dtype=np.float32), "PV_npvs": np.full(N, np.nan, np.float32)}
        path = write_l1(tmp_path / "l1.h5", replace(events, **kept), (b"QCD_1", b"W_2", b"Z_3"))
        outputs = tmp_path / "kept.h5", tmp_path / "discarded.h5"
        words = [f"--input={path}", f"--output={outputs[0]}", f"--discarded_output={outputs[1]}", *ALL_OF_IT]
        assert main(words) == 0
        for part in map(read_hdf5, outputs):
            assert_array_equal(part["l1_etmhf"], numbers_of(part))
            assert np.isnan(part["PV_npvs"]).all()
            assert "l1_htt" not in part

    def test_discarded_events_keep_their_weights(self, select, events):
        _, discarded = select(*ALL_OF_IT)
        assert_array_equal(discarded["weights"], events.weights[numbers_of(discarded)])

    @pytest.mark.parametrize(("chunk_size", "workers"), [(1000, 1), (4096, 3), (7777, 2), (77, 5)])
    def test_are_the_same_to_the_bit_in_any_chunks_and_with_any_number_of_workers(self, chunk_size, workers, select):
        whole = select(*ALL_OF_IT, "--chunk_size=100000")
        chunked = select(*ALL_OF_IT, f"--chunk_size={chunk_size}", f"--workers={workers}")
        for expected, found in zip(whole, chunked, strict=True):
            for name, values in expected.items():
                assert_array_equal(found[name], values, err_msg=name)

    def test_depend_on_the_seed(self, select):
        first, second = (numbers_of(select(*ALL_OF_IT, f"--seed={seed}")[0]) for seed in (1, 2))
        assert 0 < len(np.intersect1d(first, second)) < len(first)

    def test_say_what_made_them(self, select, tmp_path):
        select(*ALL_OF_IT, "--seed=9")
        for name in ("kept.h5", "discarded.h5"):
            with h5py.File(tmp_path / name) as file:
                assert file.attrs["seed"] == 9
                arguments = json.loads(file.attrs["configuration"])["arguments"]
        assert arguments["processes"] == ["QCD", "W"]
        assert arguments["sampling_var"] == "true_met"

    def test_may_be_read_from_files_without_weights(self, tmp_path, events):
        plain = write_l1(tmp_path / "plain.h5", events[:1000], (b"QCD_1", b"W_2", b"Z_3"), weights=False)
        assert main([f"--input={plain}", f"--output={tmp_path / 'kept.h5'}", "--fractions_to_keep=0.25"]) == 0
        kept = read_hdf5(tmp_path / "kept.h5")
        no_jet = kept["smeared_data"][:, 8, 0] == 0
        assert "weights" not in kept
        assert_array_equal(kept["keep_probability"], np.where(no_jet, np.float32(0.25), 1))
        data = L1Dataset.check(tmp_path / "kept.h5")
        assert not data.weighted
        assert_array_equal(data.rows(0, data.n_events).weights, np.where(no_jet, 4, 1))

    def test_selected_twice_have_the_product_of_both_probabilities(self, tmp_path, l1_file, events):
        for source, output in ((l1_file, "once.h5"), (tmp_path / "once.h5", "twice.h5")):
            words = [f"--input={source}", f"--output={tmp_path / output}", "--fractions_to_keep=0.5,0.8"]
            assert main([*words, f"--seed={len(output)}"]) == 0
        twice = read_hdf5(tmp_path / "twice.h5")
        n_jets = (twice["smeared_data"][:, 8:, 0] > 0).sum(1)
        expected = np.array([0.25, 0.64, 1, 1, 1])[n_jets]
        assert_allclose(twice["keep_probability"], expected, rtol=1e-6)
        before = events.weights[numbers_of(twice)]
        assert_allclose(twice["weights"] * twice["keep_probability"], before, rtol=1e-6)


class TestProcesses:
    @pytest.mark.parametrize(("names", "ids"), [("W", {2}), ("Z,QCD", {1, 3}), ("QCD,W,Z", {1, 2, 3}), ("", {1, 2, 3})])
    def test_named_ones_are_kept_and_others_discarded(self, names, ids, select):
        kept, discarded = select(f"--processes={names}")
        assert set(kept["ids"]) == ids
        assert set(discarded["ids"]) == {1, 2, 3} - ids


class TestJetCount:
    @pytest.mark.parametrize(
        ("fractions", "mode", "expected"),
        [
            ("1.0,0.2", "==", [1, 0.2, 1, 1, 1]),
            ("0,0.5,0.25,1", "==", [0, 0.5, 0.25, 1, 1]),
            ("1,1,1,1,0.3", "==", [1, 1, 1, 1, 0.3]),
            ("0.5", ">=", [0.5, 0.5, 0.5, 0.5, 0.5]),
            ("1.0,0.5,0.4", ">=", [1, 0.5, 0.2, 0.2, 0.2]),
            ("1,1,0", ">=", [1, 1, 0, 0, 0]),
        ],
    )
    def test_shares_are_kept(self, fractions, mode, expected, select, n_jets, events):
        kept, _ = select(f"--fractions_to_keep={fractions}", f"--mode={mode}")
        rows = numbers_of(kept)
        for number, share in enumerate(expected):
            n_before, n_after = (n_jets == number).sum(), (n_jets[rows] == number).sum()
            assert abs(n_after - share * n_before) <= 5 * np.sqrt(n_before * share * (1 - share))
            of_number = n_jets[rows] == number
            if share:
                ratio = kept["weights"][of_number] / events.weights[rows][of_number]
                assert_allclose(ratio, 1 / share, rtol=1e-6)

    def test_weighted_numbers_stay_as_they_were(self, select, n_jets, events):
        kept, _ = select("--fractions_to_keep=0.3,0.5", "--mode=>=")
        for number, share in ((0, 0.3), (1, 0.15), (3, 0.15)):
            before = events.weights[n_jets == number].astype(np.float64)
            after = kept["weights"][n_jets[numbers_of(kept)] == number].astype(np.float64)
            width = np.sqrt((before**2).sum() * (1 - share) / share)
            assert abs(after.sum() - before.sum()) < 5 * width


class TestFlattening:
    THRESHOLD = 50.0

    @pytest.fixture
    def flat(self, select):
        return select("--sampling_var=true_met", f"--sampling_threshold={self.THRESHOLD}", "--sampling_bins=10")

    def test_spectrum_is_uniform_below_the_threshold(self, flat, events):
        edges = np.linspace(0, self.THRESHOLD + 5, 12)
        before, after = (np.histogram(met, edges)[0] for met in (events.true_met, flat[0]["true_met"]))
        level = before[-1]
        share = level / before[:-1]
        assert share[0] == pytest.approx(np.exp(-50 / MEAN_MET), rel=0.2)  # a spectrum to be flattened
        chi2 = ((after[:-1] - level) ** 2 / (level * (1 - share))).sum()
        assert chi2 < 10 + 5 * np.sqrt(20)
        # And in itself: the tenths of the range have equal numbers.
        assert after[:-1].max() / after[:-1].min() < 1.5 < before[0] / before[-2]

    def test_events_above_the_threshold_are_all_kept_as_they_are(self, flat, events):
        kept, discarded = flat
        assert discarded["true_met"].max() < self.THRESHOLD
        above = kept["true_met"] >= self.THRESHOLD
        assert_array_equal(kept["weights"][above], events.weights[events.true_met >= self.THRESHOLD])

    def test_weighted_spectrum_stays_as_it_was(self, flat, events):
        kept, _ = flat
        edges = np.linspace(0, 70, 15)
        before = np.histogram(events.true_met, edges, weights=events.weights.astype(np.float64))[0]
        after = np.histogram(kept["true_met"], edges, weights=kept["weights"].astype(np.float64))[0]
        variance = np.histogram(kept["true_met"], edges, weights=kept["weights"].astype(np.float64) ** 2)[0]
        assert (np.abs(after - before) < 5 * np.sqrt(variance)).all()
        assert_allclose(after[10:], before[10:], rtol=1e-6)

    @pytest.mark.parametrize(
        ("name", "column"),
        [("ht", "true_ht"), ("true_ht", "true_ht"), ("met", "true_met"), ("original_met", "original_met")],
    )
    def test_is_of_the_variable_that_is_named(self, name, column, select, events):
        kept, discarded = select(f"--sampling_var={name}", "--sampling_threshold=60")
        if column == "original_met":  # flat already: one event a GeV
            assert len(discarded["ids"]) == 0
            return
        assert discarded[column].max() < 60
        counts = np.histogram(kept[column], [0, 15, 30, 45, 60])[0]
        assert counts.max() - counts.min() < 5 * np.sqrt(2 * counts.mean())

    def test_is_fitted_to_what_the_other_selections_leave(self, select, events):
        kept, _ = select(
            "--processes=QCD", "--fractions_to_keep=0,0.5", "--sampling_var=met", "--sampling_threshold=40"
        )
        counts = np.histogram(kept["true_met"], [0, 10, 20, 30, 40])[0]
        n_jets = (kept["smeared_data"][:, 8:, 0] > 0).sum(1)
        assert set(kept["ids"]) == {1}
        assert n_jets.min() == 1
        # One bin of 2 GeV above 40 GeV: 80% QCD, of 4 jet counts one halved and one dropped.
        level = N * 0.8 * 0.7 * (np.exp(-40 / MEAN_MET) - np.exp(-42 / MEAN_MET))
        assert np.abs(counts - 5 * level).max() < 5 * np.sqrt(25 * level + 5 * level)


class TestSummary:
    def test_has_the_numbers_of_events_by_jets(self, select, tmp_path, n_jets):
        kept, _ = select(*ALL_OF_IT, f"--summary={tmp_path / 'summary.txt'}")
        after = n_jets[numbers_of(kept)]
        jets, *loss = (tmp_path / "summary.txt").read_text().split("\n\n")
        assert len(loss) == 2
        rows = [line.split() for line in jets.splitlines()]
        assert rows[0] == ["L1", "jets", "before", "after", "kept"]
        for number in range(5):
            n_before, n_after = (n_jets == number).sum(), (after == number).sum()
            share = f"{100 * n_after / n_before:.2f}%"
            assert rows[1 + number] == [str(number), str(n_before), str(n_after), share]
        assert rows[-1][:3] == ["all", str(N), str(len(after))]

    def test_few_events_are_warned_of(self, select, caplog):
        for share, expected in (("0.2", False), ("0.01", True)):
            caplog.clear()
            kept, _ = select(f"--fractions_to_keep={share}", "--mode=>=")
            assert (f"only {len(kept['ids'])} of {N} events are left for the training" in caplog.text) == expected

    def test_plots_are_drawn(self, select, tmp_path):
        select(*ALL_OF_IT, f"--plots={tmp_path / 'plots'}")
        shown = sorted(path.name for path in (tmp_path / "plots").iterdir() if not path.name.startswith("."))
        assert shown == [
            f"{name}.{kind}" for name in ("effective_spectrum", "spectrum") for kind in ("json", "pdf", "png")
        ]


class TestErrors:
    @pytest.fixture
    def error(self, l1_file, tmp_path):
        """Return a function that runs the script with flags it has to refuse, and gives why."""

        def run_bad(*flags, path=l1_file):
            out = tmp_path / "out"
            outputs = [
                f"--output={out / 'kept.h5'}",
                f"--discarded_output={out / 'discarded.h5'}",
                f"--summary={out / 'summary.txt'}",
                f"--plots={out / 'plots'}",
            ]
            message = error_of(main, [f"--input={path}", *outputs, *flags])
            assert not out.exists() or list(out.iterdir()) == []
            return message

        return run_bad

    @pytest.mark.parametrize("flag", ["--output", "--content", "--discarded_output", "--summary"])
    @pytest.mark.parametrize("link", ["", "symbolic", "hard"])
    def test_an_output_that_is_the_input(self, flag, link, l1_file, tmp_path):
        (tmp_path / "in.h5").write_bytes(l1_file.read_bytes())
        output = tmp_path / ("link.h5" if link else "in.h5")
        if link:
            (output.symlink_to if link == "symbolic" else output.hardlink_to)(tmp_path / "in.h5")
        words = [f"--input={tmp_path / 'in.h5'}", f"--output={tmp_path / 'out.h5'}", f"{flag}={output}"]
        assert f"{flag} {output}: is the same file as the input {tmp_path / 'in.h5'}" in error_of(main, words)
        assert (tmp_path / "in.h5").read_bytes() == l1_file.read_bytes()
        assert not (tmp_path / "out.h5").exists()

    def test_a_process_whose_weights_add_up_to_less_than_0(self, error, events, tmp_path):
        signed = replace(events, weights=np.where(events.ids == 2, -1, 1).astype(np.float32))
        path = write_l1(tmp_path / "signed.h5", signed, (b"QCD_1", b"W_2", b"Z_3"))
        message = error(path=path)
        assert "signed.h5: process 'W': the weights of its " in message
        assert "expected a finite sum above 0" in message
        assert main([f"--input={path}", f"--output={tmp_path / 'of_qcd.h5'}", "--processes=QCD"]) == 0

    def test_unknown_process(self, error):
        assert "train.h5: unknown process 'ttbar', the file has QCD, W, Z" in error("--processes=QCD,ttbar")

    def test_empty_selection(self, error):
        assert f"train.h5: no event is left of {N} after the selection" in error("--fractions_to_keep=0", "--mode=>=")

    def test_threshold_beyond_the_spectrum(self, error):
        message = error("--sampling_var=met", "--sampling_threshold=5000", "--sampling_bins=20")
        assert "train.h5: no selected event has true_met between --sampling_threshold 5000 and 5250 GeV" in message

    def test_missing_file(self, error, tmp_path):
        assert "none.h5: no such file" in error(path=tmp_path / "none.h5")

    def test_truncated_file(self, error, l1_file, tmp_path):
        (tmp_path / "cut.h5").write_bytes(l1_file.read_bytes()[:100000])
        assert "cut.h5: not a readable HDF5 file, damaged or cut short" in error(path=tmp_path / "cut.h5")

    def test_nan(self, error, l1_file, tmp_path):
        (tmp_path / "nan.h5").write_bytes(l1_file.read_bytes())
        with h5py.File(tmp_path / "nan.h5", "a") as file:
            file["true_ht"][20001] = np.nan
        message = error("--chunk_size=777", path=tmp_path / "nan.h5")
        assert "nan.h5: dataset 'true_ht', event 20001: expected GeV from 0 to 30000, found nan" in message

    def test_missing_dataset(self, error, l1_file, tmp_path):
        (tmp_path / "x.h5").write_bytes(l1_file.read_bytes())
        with h5py.File(tmp_path / "x.h5", "a") as file:
            del file["ids_names"]
        assert "x.h5: dataset 'ids_names' is missing" in error(path=tmp_path / "x.h5")

    @pytest.mark.parametrize(
        ("flags", "named"),
        [
            (["--sampling_threshold=50"], "--sampling_threshold needs --sampling_var"),
            (["--sampling_var=mht", "--sampling_threshold=50"], "--sampling_var: unknown variable 'mht'"),
            (["--sampling_var=met", "--sampling_threshold=-50"], "--sampling_threshold: expected a number above 0"),
            (["--fractions_to_keep=1,1.5"], "--fractions_to_keep: expected a number of at least 0 and of at most 1"),
            (["--fractions_to_keep=1,,1"], "--fractions_to_keep: expected a number"),
            (["--mode=>"], "--mode: invalid choice: '>'"),
            (["--sampling_bins=0"], "--sampling_bins: expected an integer of at least 1"),
            (["--seed=99999999999999999999999"], "--seed: expected an integer of at least 0"),
            (["--discarded_output=./kept.h5"], "--output and --discarded_output name the same file"),
        ],
    )
    def test_wrong_usage_exits_with_2(self, flags, named, l1_file, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert named in usage_error_of(main, [f"--input={l1_file}", "--output=kept.h5", *flags])
        assert list(tmp_path.iterdir()) == []


def test_the_content_of_the_sample_is_that_of_its_events(tmp_path):
    """Not what the processes are numbered by, what else is in the input, or the chunks in which it is read."""
    events = random_l1_events(300, seed=7)
    other = replace(random_l1_events(40, seed=8), ids=np.full(40, 3, np.int32))
    more = L1Events(**{name: np.concatenate([values, vars(other)[name]]) for name, values in given(events)})
    inputs = {
        "as_it_is": write_l1(tmp_path / "a.h5", events),
        "more": write_l1(tmp_path / "b.h5", more, (b"QCD_1", b"W_2", b"Z_3")),
        "numbered": write_l1(tmp_path / "c.h5", replace(events, ids=7 - events.ids), (b"W_5", b"QCD_6")),
        "exchanged": write_l1(tmp_path / "d.h5", events, (b"W_1", b"QCD_2")),
    }
    found = {}
    for name, path in inputs.items():
        content = tmp_path / f"{name}.sha256"
        words = [f"--input={path}", f"--output={tmp_path / 'kept.h5'}", f"--content={content}", "--processes=QCD,W"]
        assert main([*words, "--fractions_to_keep=0.5,0.7", f"--chunk_size={len(name)}"]) == 0
        found[name] = content.read_text()
    assert found["as_it_is"] == found["more"] == found["numbered"] != found["exchanged"]


def given(events):
    return [(name, values) for name, values in vars(events).items() if values is not None]
