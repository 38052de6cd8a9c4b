"""KerasTuner beyond its public interface: what is replaced exists, and is still needed."""

import json

import keras_tuner
import pytest

from nn.compat.keras_tuner import ResumableOracle, StatelessTuner


class PlainOracle(keras_tuner.oracles.HyperbandOracle):
    """Hyperband as KerasTuner has it."""

    def open_project(self, folder, name):
        self._set_project_dir(folder, name)


class JsonOracle(ResumableOracle):
    """Hyperband as this project has it, in plain JSON."""

    def write_state(self, path, state):
        path.write_text(json.dumps(state))


def restarted(oracle_class, folder):
    """Begin a trial, and return the number of the one that is given to a worker after a restart."""
    for _ in range(2):
        oracle = oracle_class(keras_tuner.Objective("loss", "min"), max_epochs=4, factor=2, seed=1)
        oracle.verbose = 0
        oracle.open_project(folder, "trials")
        if (folder / "trials" / "oracle.json").exists():
            oracle.reload()
        else:
            hp = oracle.get_space()
            hp.Float("x", 0.0, 1.0)
            oracle.update_space(hp)
        trial = oracle.create_trial("worker")
        oracle.ongoing_trials.clear()
        oracle.save()
    return trial.trial_id


def test_a_running_trial_goes_on_after_a_restart(tmp_path):
    assert restarted(JsonOracle, tmp_path) == "0000"


def test_keras_tuner_alone_does_not_go_on_with_a_running_trial(tmp_path):
    """Where this fails, `ResumableOracle.reload` is no longer needed."""
    assert restarted(PlainOracle, tmp_path) == "0001"


@pytest.mark.parametrize("own", [ResumableOracle, StatelessTuner])
def test_private_methods_that_are_replaced_exist(own):
    private = [name for name in vars(own) if name.startswith("_") and not name.startswith("__") and name != "_abc_impl"]
    assert private
    assert all(hasattr(own.__base__, name) for name in private)


@pytest.mark.parametrize("name", ["OracleServicer", "OracleServer", "OracleClient", "MetricsTracker"])
def test_keras_tuner_has_no_public_name_for(name):
    """Where this fails, take the public name in place of `keras_tuner.src`."""
    modules = (keras_tuner, keras_tuner.engine, keras_tuner.engine.metrics_tracking, keras_tuner.oracles)
    assert not any(hasattr(module, name) for module in modules)
