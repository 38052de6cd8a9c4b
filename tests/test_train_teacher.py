"""Training of the teacher: outputs that agree with each other and with an evaluation of their own, repeatability."""

import csv
import functools
import hashlib
import json
import logging
import shutil
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import train_teacher
from nn import teacher as models
from nn.search import tuner as search
from nn.trained import load_trained
from tests.commands import error_of, usage_error_of
from tests.shared import MET_FLAGS, QUICK, TINY, train_tiny_teacher
from tests.toys import l1_events, unpacked, write_l1
from train_teacher import main
from utils.cutflow import Cutflow
from utils.data_processing import graph_creator
from utils.formats.l1_files import L1Dataset
from utils.predictions import CorrectedSums
from utils.training.batches import GraphBatches
from utils.training.loss_weights import LossWeights
from utils.training.options import EventSplit
from utils.training.records import read_training
from utils.training.sum_floor import fit_floor
from utils.training.training_graphs import read_training_graphs

SPACE = '--search_space={"units": {"min": 4, "max": 8, "step": 2}, "graph_layers": {"min": 1, "max": 2}}'


@pytest.fixture(scope="module")
def train_file(smeared_folder):
    return smeared_folder / "train.h5"


@pytest.fixture(scope="module")
def train(train_file, tiny_hyperparameters, tmp_path_factory):
    """Return a function that trains a tiny network with fixed hyperparameters and gives the output folder."""

    def run(*flags):
        return train_tiny_teacher(
            tmp_path_factory.mktemp("trained") / "teacher", train_file, tiny_hyperparameters, *flags
        )

    return run


def read_table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_json(path):
    return json.loads(path.read_text())


def weights_of(folder):
    return models.load_teacher(folder / "best_model.keras").get_weights()


def validation_batches(path, record, batch_size=64):
    """Return the graphs of the validation, from the file and what the training recorded."""
    graphs = read_training_graphs(
        L1Dataset.check(path),
        graph_creator(record["variable"], record["log_features"], record["target_scale"]),
        EventSplit(test_split=0.2, seed=record["seed"]),
        loss_weights=LossWeights(
            record["weight_power"], bool(record["sampled_spectrum"]), record["made_by"]["arguments"]["process_shares"]
        ),
    )
    epoch = GraphBatches(graphs, validation=True, batch_size=batch_size, seed=77).epoch(3)
    return [(unpacked(inputs), labels, weights) for inputs, labels, weights in epoch]


def predictions_and_labels(model, batches):
    predicted = np.concatenate([np.asarray(model(features))[:, 0] for features, _, _ in batches])
    return predicted.astype(np.float64), np.concatenate([labels for _, labels, _ in batches]).astype(np.float64)


class TestOutputs:
    def test_are_all_there(self, met_teacher):
        names = {path.name for path in met_teacher.iterdir() if not path.name.startswith(".")}
        assert names == {
            "best_model.keras",
            "best_hyperparameters.json",
            "training.json",
            "history.csv",
            "history.json",
            "history.pdf",
            "history.png",
            "tensorboard",
        }
        assert list((met_teacher / "tensorboard" / "final").rglob("events.out.tfevents.*"))

    def test_the_floor_is_that_of_the_network_alone(self, met_teacher, train_file):
        training = read_training(met_teacher)
        model = load_trained(training).model
        data = L1Dataset.check(train_file)
        events = next(data.chunks(data.n_events))
        without = CorrectedSums.predicted(events, "true_met", replace(model, floor=None)).corrected_sum
        expected = fit_floor(events.smeared_met, without, events.weights, 0.2)
        assert training.floor.record() == expected.record()
        found = CorrectedSums.predicted(events, "true_met", model)
        raised = np.where(found.uncorrected, without, np.maximum(without, expected(found.l1_sum)))
        assert_allclose(found.corrected_sum, raised, rtol=1e-6)

    def test_record_how_the_network_was_trained(self, met_teacher, train_file):
        record = read_json(met_teacher / "training.json")
        assert record["variable"] == "true_met"
        assert record["log_features"] == ["pt", "met", "ht"]
        assert record["target_scale"] == 0.8
        assert record["loss_function"] == "log_huber_3.0"
        assert record["weight_power"] == 0.0
        assert record["sampled_spectrum"] == 1
        assert record["process_shares"] == {"QCD": 0.5, "W": 0.5}
        assert record["metric_thresholds"] == [20, 60]
        assert record["feature_names"] == ["pt", "eta", "phi", "met", "ht", "pid"]
        assert record["calibration"] is None or record["calibration"]["calibrated"][0] == 0
        assert record["seed"] == 1
        assert record["made_by"]["arguments"]["input"] == str(train_file)
        assert record["data"]["sha256"] == hashlib.sha256(train_file.read_bytes()).hexdigest()
        assert {"python", "keras", "keras_tuner", "numpy", "tensorflow"} <= set(record["made_by"]["versions"])
        embedding, first, second = 4 * 3, (9 + 3) * 8 + 2 * 8, 8 * 8 + 2 * 8
        shortcuts, readout, output = (9 + 3) * 8 + 8 * 4, (4 + 1) * 128 + (128 + 1) * 64, 64 + 1
        assert record["parameters"] == embedding + first + second + shortcuts + readout + output

    def test_record_the_events_and_the_moments_of_the_file(self, met_teacher, train_file):
        record = read_json(met_teacher / "training.json")
        with h5py.File(train_file) as file:
            pt, met = file["smeared_data"][:, :, 0], file["smeared_met"][:]
            trainable = (pt[:, 8:] > 0).any(1) & (met > 0)
        assert record["n_training"] + record["n_validation"] == trainable.sum()
        share = record["n_validation"] / trainable.sum()
        assert share == pytest.approx(0.2, abs=5 * np.sqrt(0.16 / trainable.sum()))
        logs = np.log1p(pt[trainable][pt[trainable] > 0].astype(np.float64))
        # Of the training part only, which is most of it.
        assert record["mean"][0] == pytest.approx(logs.mean(), abs=5 * logs.std() / np.sqrt(len(logs)))
        assert record["variance"][0] == pytest.approx(logs.var(), rel=0.1)

    def test_record_what_became_of_the_events(self, met_teacher, train_file):
        record = read_json(met_teacher / "training.json")
        cutflow = Cutflow.from_record(record["event_counts"])
        assert [step.step for step in cutflow.steps] == ["create_L1regression_data", "train_teacher"]
        assert cutflow.disagreements() == []
        step = cutflow.steps[-1]
        with h5py.File(train_file) as file:
            ids, jets = file["ids"][:], (file["smeared_data"][:, 8:, 0] > 0).any(1)
        assert step.read == {"QCD": (ids == 1).sum(), "W": (ids == 2).sum()}
        assert step.left_out["no jet at L1"] == {"QCD": (~jets[ids == 1]).sum(), "W": (~jets[ids == 2]).sum()}
        assert sum(step.written["training"].values()) == record["n_training"]
        assert sum(step.written["validation"].values()) == record["n_validation"]

    def test_history_has_a_row_for_each_epoch(self, met_teacher):
        history = read_table(met_teacher / "history.csv")
        assert [row["epoch"] for row in history] == ["1", "2", "3"]
        assert all(np.isfinite(float(value)) for row in history for value in row.values())
        losses = [float(row["val_loss"]) for row in history]
        assert read_json(met_teacher / "training.json")["best_val_loss"] == min(losses)
        assert float(history[-1]["loss"]) < float(history[0]["loss"])

    def test_hyperparameters_that_are_given_are_those_trained(self, met_teacher, tiny_hyperparameters):
        expected = read_json(tiny_hyperparameters)
        found = read_json(met_teacher / "best_hyperparameters.json")
        assert {name: found[name] for name in expected} == expected
        model = models.load_teacher(met_teacher / "best_model.keras")
        assert [layer.name for layer in model.layers if layer.name.startswith("graph_att")] == [
            "graph_attention_1",
            "graph_attention_2",
        ]
        assert model.get_layer("graph_attention_1").kernel.shape == (9 + 3, 2, 4)
        assert model.get_layer("graph_attention_2").kernel.shape == (8, 2, 4)
        assert model.get_layer("pid_embedding").output_dim == 3


@pytest.mark.slow
class TestLoss:
    def log_huber(self, model, batches):
        """Return the mean Huber loss by numpy, with 5e-6 of the squares of kernels and attention vectors."""
        predicted, labels = predictions_and_labels(model, batches)
        weights = np.concatenate([weights for _, _, weights in batches]).astype(np.float64)
        error = np.abs(np.log((labels[:, 0] + 0.05) / (predicted + 0.05)))
        losses = weights * np.where(error < 3, error**2 / 2, 3 * (error - 1.5))
        penalised = ("kernel", "attention_self", "attention_neighbour")
        paths = {weight.path: weight.numpy() for weight in model.weights if "shortcut" not in weight.path}
        kernels = [values for path, values in paths.items() if path.split("/")[-1] in penalised]
        assert len(kernels) == 3 + 3 + 2 + 1
        return losses.mean() + 5e-6 * sum((kernel.astype(np.float64) ** 2).sum() for kernel in kernels)

    @pytest.mark.parametrize(
        ("variable", "flags"),
        [("ht", ("--log_features=pt,ht",)), ("original_met", ("--log_features=",))],
    )
    def test_of_the_other_variables_is_that_of_the_saved_model(self, variable, flags, train, train_file):
        folder = train(f"--variable={variable}", *flags)
        record = read_json(folder / "training.json")
        model = models.load_teacher(folder / "best_model.keras")
        batches = validation_batches(train_file, record)
        assert record["feature_names"] == list(graph_creator(variable).feature_names)
        assert record["best_val_loss"] == pytest.approx(self.log_huber(model, batches), rel=1e-5)

    def test_of_weights_below_0_is_that_of_the_saved_model(self, train, train_file, tmp_path):
        signed = tmp_path / "signed.h5"
        shutil.copyfile(train_file, signed)
        with h5py.File(signed, "a") as file:
            file["weights"][::5] = -file["weights"][::5]
        folder = train(*MET_FLAGS, f"--input={signed}", "--final_epochs=2")
        record = read_json(folder / "training.json")
        batches = validation_batches(signed, record)
        assert min(weights.min() for _, _, weights in batches) < 0
        model = models.load_teacher(folder / "best_model.keras")
        assert record["best_val_loss"] == pytest.approx(self.log_huber(model, batches), rel=1e-5)

    def test_best_one_is_that_of_the_saved_model_on_the_validation_events(self, met_teacher, train_file):
        record = read_json(met_teacher / "training.json")
        model = models.load_teacher(met_teacher / "best_model.keras")
        batches = validation_batches(train_file, record)
        assert sum(len(labels) for _, labels, _ in batches) == record["n_validation"]
        assert record["best_val_loss"] == pytest.approx(self.log_huber(model, batches), rel=1e-5)

    def test_the_best_epoch_is_kept_when_later_ones_are_worse(self, train, train_file, monkeypatch):
        """From the fourth epoch on each begins with an output that is far too large, on whatever processor."""

        def spoil(callback, epoch, logs=None):
            if epoch >= 3:
                bias = callback.model.get_layer("sum").bias
                bias.assign(bias + 100)

        monkeypatch.setattr(keras.callbacks.EarlyStopping, "on_epoch_begin", spoil)
        folder = train(*MET_FLAGS, "--final_epochs=8", "--patience=3")
        losses = [float(row["val_loss"]) for row in read_table(folder / "history.csv")]
        best = int(np.argmin(losses))
        assert best < 3
        assert len(losses) == best + 1 + 3
        record = read_json(folder / "training.json")
        model = models.load_teacher(folder / "best_model.keras")
        assert losses[best] == pytest.approx(self.log_huber(model, validation_batches(train_file, record)), rel=1e-5)

    def test_metrics_are_the_squared_errors_above_thresholds_in_gev(self, met_teacher, train_file):
        history = read_table(met_teacher / "history.csv")
        best = min(history, key=lambda row: float(row["val_loss"]))
        model = models.load_teacher(met_teacher / "best_model.keras")
        record = read_json(met_teacher / "training.json")
        predicted, labels = predictions_and_labels(model, validation_batches(train_file, record))
        names = [name for name in best if name.startswith("val_") and name != "val_loss"]
        assert len(names) == 2
        for name, threshold in zip(names, (20, 60), strict=True):
            above = labels[:, 1] > threshold
            assert 10 < above.sum() < len(above)
            expected = ((labels[above, 0] - predicted[above]) ** 2).mean()
            assert float(best[name]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
class TestFinished:
    def run(self, output, train_file, tiny_hyperparameters, *flags):
        words = [f"--input={train_file}", f"--output={output}", f"--hyperparameters={tiny_hyperparameters}", *QUICK]
        assert main([*words, *MET_FLAGS, *flags]) == 0
        return {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}

    @pytest.fixture
    def again(self, met_teacher, train_file, tiny_hyperparameters, tmp_path):
        """Return a function that gives the command of a finished training again, and its files before."""
        output = tmp_path / "teacher"
        shutil.copytree(met_teacher, output)
        before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
        return functools.partial(self.run, output, train_file, tiny_hyperparameters), before

    def test_training_is_not_done_again(self, again, caplog):
        caplog.set_level(logging.INFO)
        run, before = again
        assert run() == before
        assert "teacher: is finished, for the same flags, data, code and versions; --force trains again" in caplog.text

    @pytest.mark.parametrize("flags", [("--force",), ("--seed=2",)])
    def test_training_is_done_again_if_told_to_or_for_something_else(self, flags, again, tmp_path):
        run, before = again
        assert not run(*flags).items() & before.items()
        assert [path.name for path in tmp_path.iterdir()] == ["teacher"]

    def test_training_without_its_model_is_done_again(self, again):
        run, before = again
        model = next(path for path in before if path.name == "best_model.keras")
        model.unlink()
        assert model in run()


@pytest.mark.slow
class TestRepeatability:
    FLAGS = (*MET_FLAGS, "--max_events=300", "--final_epochs=2")

    @pytest.fixture(scope="class")
    @classmethod
    def first(cls, train):
        return train(*cls.FLAGS)

    def test_shares_of_processes_are_on_record_and_those_of_others_have_no_effect(self, first, train, caplog):
        caplog.set_level(logging.INFO)
        folder = train(*self.FLAGS, "--process_shares=QCD=1,ttbar=7")
        assert "no event of ttbar is trained on, its share has no effect" in caplog.text
        assert read_json(folder / "training.json")["process_shares"] == {"QCD": 0.5, "W": 0.5}
        self.check_same(folder, first)

    def test_fewer_events_than_parameters_are_warned_of(self, train, caplog):
        record = read_json(train(*self.FLAGS, "--final_epochs=1") / "training.json")
        numbers = record["n_training"], record["parameters"]
        assert "{} events to train a network of {} parameters on".format(*numbers) in caplog.text

    def test_the_subset_has_as_many_events_as_asked_for_or_fewer(self, first):
        record = read_json(first / "training.json")
        assert 150 < record["n_training"] + record["n_validation"] <= 300

    def check_same(self, again, first):
        for expected, found in zip(weights_of(first), weights_of(again), strict=True):
            assert_array_equal(found, expected)
        assert read_table(again / "history.csv") == read_table(first / "history.csv")

    def test_the_same_seed_gives_the_same_weights_in_memory_or_streamed(self, first, train):
        self.check_same(train(*self.FLAGS, "--use_generator=1"), first)

    def test_prepared_files_without_weights_train_as_if_all_counted_the_same(self, train, train_file, tmp_path):
        plain = tmp_path / "plain.h5"
        with h5py.File(train_file) as source, h5py.File(plain, "w") as copy:
            for name in source:
                if name != "weights":
                    copy[name] = source[name][:]
        same = train(*self.FLAGS, "--weight_power=0")
        self.check_same(train(*self.FLAGS, "--weight_power=1", f"--input={plain}"), same)

    def test_another_seed_gives_others(self, first, train):
        other = train(*self.FLAGS, "--seed=2")
        kernels = [weights[-2] for weights in (weights_of(first), weights_of(other))]
        assert not np.allclose(*kernels)


@pytest.mark.slow
class TestSearch:
    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, train_file, tmp_path_factory):
        """Search among small networks."""
        output = tmp_path_factory.mktemp("searched") / "teacher"
        words = [f"--input={train_file}", f"--output={output}", *QUICK, *MET_FLAGS, "--max_events=300", SPACE]
        assert main(words) == 0
        return output

    def test_table_has_a_row_for_each_trial_of_hyperband(self, folder):
        # Two brackets: 2 trials of 1 epoch, the better one goes on to 2; and 2 trials of 2 epochs.
        trials = read_table(folder / "trials.csv")
        assert sorted(row["epochs"] for row in trials) == ["1", "1", "2", "2", "2"]
        assert {row["status"] for row in trials} == {"COMPLETED"}
        assert len({row["trial"] for row in trials}) == 5

    def test_trials_are_drawn(self, folder):
        assert (folder / "trials.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / "trials.pdf").exists()

    def test_space_is_on_record(self, folder):
        space = read_json(folder / "training.json")["made_by"]["arguments"]["search_space"]
        assert space["units"] == {"min": 4, "max": 8, "step": 2}
        assert space["learning_rate"] == {"min": 1e-4, "max": 1e-2, "log": True}
        assert list(space)[:4] == ["graph_layers", "units", "heads", "activation"]

    def test_hyperparameters_are_in_the_space_and_the_best_are_kept(self, folder):
        trials = read_table(folder / "trials.csv")
        for row in trials:
            assert row["units"] in ("4", "6", "8")
            assert row["activation"] in ("relu", "elu")
            assert 1e-4 <= float(row["learning_rate"]) <= 1e-2
        best = min(trials, key=lambda row: float(row["val_loss"]))
        found = models.TeacherHyperparameters.from_dict(read_json(folder / "best_hyperparameters.json"))
        for name, default in vars(models.TeacherHyperparameters()).items():
            assert str(getattr(found, name)) == best.get(name, str(default))

    def test_best_hyperparameters_can_be_given_to_the_next_training(self, folder, train):
        again = train(*MET_FLAGS, "--max_events=300", f"--hyperparameters={folder / 'best_hyperparameters.json'}")
        for expected, found in zip(weights_of(folder), weights_of(again), strict=True):
            assert_array_equal(found, expected)

    def test_logs_are_kept(self, folder):
        assert list((folder / "tensorboard" / "search").rglob("events.out.tfevents.*"))
        assert (folder / "trials").is_dir()

    def test_is_used_again_for_a_longer_final_fit(self, folder, train_file, tmp_path, caplog):
        caplog.set_level(logging.INFO)
        output = tmp_path / "teacher"
        shutil.copytree(folder, output)
        words = [f"--input={train_file}", f"--output={output}", *QUICK, *MET_FLAGS, "--max_events=300", SPACE]
        assert main([*words, "--final_epochs=4"]) == 0
        assert "the search of the finished training is used again" in caplog.text
        assert "trial 0000" not in caplog.text
        assert len(read_table(output / "history.csv")) == 4
        for name in ("trials.csv", "best_hyperparameters.json"):
            assert (output / name).read_bytes() == (folder / name).read_bytes()
        assert (output / "trials.png").exists()
        assert list((output / "tensorboard" / "search").rglob("events.out.tfevents.*"))

    def test_final_fit_is_longer_than_the_trials(self, folder):
        assert len(read_table(folder / "history.csv")) == 3


class TestFailingTrials:
    """Trials of a search whose fits are replaced; that of the final model is not."""

    @pytest.fixture
    def run(self, train_file, tmp_path, monkeypatch):
        def run(fits, code, *flags):
            fits = iter(fits)

            def fit(*args, **kwargs):
                history = keras.callbacks.History()
                history.history = next(fits)()
                return history

            monkeypatch.setattr(search, "resumable_fit", fit)
            output = tmp_path / "teacher"
            space = '--search_space={"graph_layers": [1]}'
            words = [f"--input={train_file}", f"--output={output}", *QUICK, *MET_FLAGS, "--max_events=300", space]
            assert main([*words, *flags]) == code
            return output

        return run

    @staticmethod
    def loss_of(*values):
        return lambda: {"loss": [1.0] * len(values), "val_loss": list(values)}

    @staticmethod
    def out_of_memory():
        raise MemoryError("no more")

    def test_are_marked_and_the_search_goes_on(self, run):
        fits = [self.loss_of(0.5, float("nan")), self.out_of_memory, self.loss_of(0.3, 0.4), self.loss_of(0.2)]
        folder = run(fits, 0, "--final_epochs=1")
        trials = read_table(folder / "trials.csv")
        assert [row["status"] for row in trials] == ["FAILED", "FAILED", "COMPLETED", "COMPLETED"]
        assert [row["val_loss"] for row in trials[2:]] == ["0.3", "0.2"]
        assert str(read_json(folder / "best_hyperparameters.json")["learning_rate"]) == trials[3]["learning_rate"]

    def test_that_are_all_there_are_end_the_search_in_one_line(self, run, capfd):
        folder = run([self.out_of_memory] * 4, 1)
        error = capfd.readouterr().err.splitlines()[-1]
        assert error.startswith("error: the training failed: none of the 4 trials of the search was completed")
        assert error.endswith("MemoryError: no more")
        assert list(folder.parent.iterdir()) == []

    @pytest.mark.slow
    def test_of_two_iterations_are_twice_as_many(self, run, caplog):
        caplog.set_level(logging.INFO)
        run([self.out_of_memory] * 8, 1, "--hyperband_iterations=2")
        assert "bracket 2 of 2, round 1 of 1: 8 of at most 10 trials done" in caplog.text


class TestErrors:
    @pytest.fixture
    def error(self, train_file, tiny_hyperparameters, tmp_path):
        """Return a function that runs the script with flags it has to refuse, and gives why."""

        def run_bad(*flags, path=train_file, fixed=tiny_hyperparameters):
            output = tmp_path / "out" / "teacher"
            words = [f"--input={path}", f"--output={output}", f"--hyperparameters={fixed}", *QUICK, *flags]
            message = error_of(main, words)
            assert not output.parent.exists() or list(output.parent.iterdir()) == []
            return message

        return run_bad

    @pytest.mark.parametrize("loss", ["huber", "rmse", "huber_-1", "quantile_1.5", "huber_nan"])
    def test_unknown_loss(self, loss, error):
        message = error(f"--loss_function={loss}")
        assert message.startswith("error: --loss_function: expected a loss among mse, mae, mape")
        assert f"'{loss}'" in message

    def test_more_devices_than_there_are(self, error):
        assert error("--devices=99").startswith("error: --devices: expected 99 GPUs, found ")

    @pytest.mark.parametrize(("variable", "feature"), [("met", "eta"), ("met", "pid"), ("ht", "met")])
    def test_unknown_log_feature(self, variable, feature, error):
        message = error(f"--variable={variable}", f"--log_features=pt,{feature}")
        assert f"unknown log feature '{feature}'" in message

    @pytest.mark.parametrize(
        ("content", "named"),
        [
            ({**TINY, "layers": 3}, "hyperparameter layers: expected one of graph_layers"),
            ({**TINY, "units": 0}, "hyperparameter units: expected a positive integer"),
            ({**TINY, "units": "64"}, "hyperparameter units: expected a positive integer"),
            ({**TINY, "dropout": 1}, "hyperparameter dropout: expected a fraction"),
            ({**TINY, "learning_rate": -1}, "hyperparameter learning_rate: expected a finite number > 0"),
            ([1, 2], "expected a mapping"),
        ],
    )
    def test_bad_hyperparameters(self, content, named, error, tmp_path):
        path = tmp_path / "bad.json"
        path.write_text(json.dumps(content))
        message = error(fixed=path)
        assert message.startswith(f"error: {path}: ")
        assert named in message

    def test_a_training_that_diverges(self, error, tmp_path):
        (tmp_path / "wild.json").write_text(json.dumps({**TINY, "activation": "relu", "learning_rate": 1e30}))
        message = error("--loss_function=mse", fixed=tmp_path / "wild.json")
        assert message.startswith("error: the training failed: the loss is not a finite number")

    def test_hyperparameters_that_are_no_json(self, error, tmp_path):
        (tmp_path / "bad.json").write_text("units: 64")
        assert "bad.json: not a JSON file" in error(fixed=tmp_path / "bad.json")
        assert "none.json: no such file" in error(fixed=tmp_path / "none.json")

    def test_missing_or_truncated_input(self, error, train_file, tmp_path):
        assert "none.h5: no such file" in error(path=tmp_path / "none.h5")
        (tmp_path / "cut.h5").write_bytes(train_file.read_bytes()[:50000])
        assert "cut.h5: not a readable HDF5 file" in error(path=tmp_path / "cut.h5")

    def test_nan_in_the_input(self, error, train_file, tmp_path):
        (tmp_path / "nan.h5").write_bytes(train_file.read_bytes())
        with h5py.File(tmp_path / "nan.h5", "a") as file:
            file["smeared_met"][55] = np.nan
        assert "nan.h5: dataset 'smeared_met', event 55: expected GeV from 0" in error(path=tmp_path / "nan.h5")

    def test_no_event_left(self, error):
        assert "train.h5: no event is left for the " in error("--max_events=2")

    def test_input_in_the_output_is_refused(self, met_teacher, train_file):
        before = (met_teacher / "training.json").stat()
        fixed = met_teacher / "best_hyperparameters.json"
        words = [f"--input={train_file}", f"--output={met_teacher}", f"--hyperparameters={fixed}"]
        assert f"--output {met_teacher}: is replaced as a whole, but {fixed} is in it" in error_of(main, words)
        assert (met_teacher / "training.json").stat() == before

    def test_feature_without_any_spread(self, error, tmp_path):
        objects = np.zeros((50, 18, 3))
        objects[:, 8] = [30, 1, 2]
        path = write_l1(tmp_path / "equal.h5", l1_events(objects, original_met=np.arange(50)))
        assert "equal.h5: feature 'pt' is the same in all training events" in error(path=path)

    def test_folder_of_others_as_output_is_refused_before_the_training(
        self, train_file, tiny_hyperparameters, tmp_path, monkeypatch
    ):
        (tmp_path / "precious").touch()
        monkeypatch.setattr(train_teacher, "save", lambda *args: pytest.fail("it was trained"))
        words = [f"--input={train_file}", f"--output={tmp_path}", f"--hyperparameters={tiny_hyperparameters}", *QUICK]
        assert f"{tmp_path}: the folder has files" in error_of(main, words)
        assert [path.name for path in tmp_path.iterdir()] == ["precious"]

    @pytest.mark.parametrize(
        ("flag", "named"),
        [
            ("--variable=mht", "--variable: unknown variable 'mht', expected one of true_met"),
            ("--max_events=1", "--max_events: expected an integer of at least 2"),
            (
                '--search_space={"units": {"min": 8, "max": 4}}',
                "--search_space: units: expected min <= max, received",
            ),
            ("--search_space=units", "--search_space: expected a JSON mapping of hyperparameters, received: 'units'"),
            ("--test_split=0", "--test_split: expected a number above 0"),
            ("--use_generator=2", "--use_generator: invalid choice: 2"),
            ("--metric_thresholds=50,-1", "--metric_thresholds: expected a number of at least 0, found '-1'"),
            ("--hyperband_iterations=0", "--hyperband_iterations: expected an integer of at least 1"),
            ("--devices=0", "--devices: expected an integer of at least 1"),
            ("--workers=-1", "--workers: expected an integer of at least 0"),
            ("--hyperband_factor=1", "--hyperband_factor: expected an integer of at least 2"),
            ("--seed=4294967296", "--seed: expected an integer of at least 0 and of at most"),
        ],
    )
    def test_wrong_usage_exits_with_2(self, flag, named, train_file, tmp_path):
        assert named in usage_error_of(main, [f"--input={train_file}", f"--output={tmp_path / 'x'}", flag])
        assert list(tmp_path.iterdir()) == []
