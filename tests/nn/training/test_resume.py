"""Fits that were interrupted: equal to undisturbed ones to the bit, wherever the interruption came."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nn.losses import get_loss
from nn.training.resume import BestWeights, load_best_weights, resumable_fit
from utils.runtime.checkpoints import read_state, write_state
from utils.runtime.errors import UserError

EPOCHS = 12


class Noise:
    """Batches without anything to learn, so that the losses go up and down; each epoch has its own."""

    n_labels = 2

    def __len__(self):
        return 3

    def epoch(self, number):
        rng = np.random.default_rng(number)
        for _ in range(len(self)):
            features = rng.normal(size=(8, rng.integers(1, 5), 2)).astype(np.float32)
            yield (features,), rng.normal(size=(8, 2)).astype(np.float32), np.ones(8, np.float32)


class Killed(BaseException):
    """What stands for the end of the process."""


class Kill(keras.callbacks.Callback):
    """Ends at some batch of some epoch, or at the end of an epoch, before or after its state is kept."""

    def __init__(self, epoch, batch=None):
        super().__init__()
        self._at_epoch, self._at_batch = epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == (self._at_epoch, self._at_batch):
            raise Killed

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self._at_epoch and self._at_batch is None:
            raise Killed


def network():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((None, 2))
    x = keras.layers.Dense(4, activation="relu")(keras.layers.GlobalAveragePooling1D()(inputs))
    model = keras.Model((inputs,), keras.layers.Dense(1)(keras.layers.Dropout(0.3)(x)))
    # Four batches a step, three an epoch: steps go across the ends of epochs.
    model.compile(keras.optimizers.Adam(0.05, gradient_accumulation_steps=4), get_loss("mse"), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def run(folder, *kills, patience=4):
    """Fit, interrupted by each kill in turn; return the model, its history and the best weights on disk."""
    for kill in [*kills, None]:
        model = network()
        callbacks = [
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2),
            keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True),
            BestWeights(folder / "best.npz", "val_loss"),
            *([kill] if kill else []),
        ]
        try:
            history = resumable_fit(model, Noise(), Noise(), EPOCHS, callbacks, folder / "state.npz").history
        except Killed:
            continue
    best = network()
    load_best_weights(best, folder / "best.npz")
    return model, history, best


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"))


def check_same(found, expected):
    assert found[1] == expected[1]
    for i in (0, 2):
        for one, other in zip(found[i].get_weights(), expected[i].get_weights(), strict=True):
            assert_array_equal(one, other)


def test_the_example_has_what_is_to_be_tested(undisturbed):
    _, history, _ = undisturbed
    losses = history["val_loss"]
    best = int(np.argmin(losses))
    assert 1 < len(losses) == best + 1 + 4 < EPOCHS  # stopped early
    assert len(set(history["learning_rate"])) > 1  # and with a reduced learning rate
    assert history["loss"] != sorted(history["loss"])


@pytest.mark.parametrize(
    "kills",
    [[Kill(0)], [Kill(0, 1), Kill(3, 2), Kill(3), Kill(4, 1)]],
    ids=["before the first state", "four times"],
)
def test_an_interrupted_fit_ends_like_an_undisturbed_one(kills, undisturbed, tmp_path):
    check_same(run(tmp_path, *kills), undisturbed)


def test_a_fit_that_had_ended_does_nothing_but_return(undisturbed, tmp_path):
    run(tmp_path)
    check_same(run(tmp_path, Kill(0, 0)), undisturbed)


def test_best_weights_are_those_of_the_best_epoch_with_the_state_of_adam(undisturbed):
    model, history, best = undisturbed
    for one, other in zip(best.get_weights(), model.get_weights(), strict=True):
        assert_array_equal(one, other)
    n_batches = (int(np.argmin(history["val_loss"])) + 1) * len(Noise())
    assert int(best.optimizer.iterations) == n_batches // 4


def test_a_state_that_lacks_arrays_is_refused(tmp_path):
    run(tmp_path)
    path = tmp_path / "state.npz"
    values, arrays = read_state(path)
    write_state(path, values, arrays[:3])
    with pytest.raises(UserError, match=r"state.npz: has 3 arrays, expected \d+ or more: remove it"):
        run(tmp_path)
