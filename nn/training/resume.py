"""Fits that resume after a kill, with the same result as without it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nn.training.stacks import fit
from utils.runtime.checkpoints import read_state, write_state
from utils.runtime.errors import UserError
from utils.runtime.paths import missing_error
from utils.training.batches import Batches


class BestWeights(keras.callbacks.Callback):
    """Save the weights, and the optimizer's state, of the epoch of the lowest value of a quantity.

    Keras writes weights as HDF5, and cannot close such a file on a full disk.

    Parameters
    ----------
    path : Path
        File for :func:`load_best_weights`; it is whole at any moment.
    monitor : str
        Name of the quantity.
    """

    def __init__(self, path: Path, monitor: str):
        super().__init__()
        self._path, self._monitor = path, monitor
        self.best = float("inf")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Save the weights if the quantity is lower than in all epochs before."""
        value = float((logs or {})[self._monitor])
        if value < self.best:
            self.best = value
            write_state(self._path, {}, [np.asarray(variable) for variable in _trained_variables(self.model)])


def _trained_variables(model: keras.Model) -> list[Any]:
    """Return the variables that a training changes, except the states of random numbers."""
    return [*model.weights, *model.optimizer.variables]


def load_best_weights(model: keras.Model, path: Path) -> None:
    """Give a compiled model the weights that :class:`BestWeights` saved of a model made in the same way."""
    kept = read_state(path)
    if kept is None:
        raise missing_error(path)
    for variable, value in zip(_trained_variables(model), kept[1], strict=True):
        variable.assign(value)


# State of callbacks between epochs: names of numbers and names of lists of weights. Keras' BackupAndRestore keeps only
# weights and epoch, so patience and the best epoch would be lost.
REMEMBERED: dict[type[keras.callbacks.Callback], tuple[tuple[str, ...], tuple[str, ...]]] = {
    keras.callbacks.EarlyStopping: (("wait", "best", "best_epoch", "stopped_epoch"), ("best_weights",)),
    keras.callbacks.ReduceLROnPlateau: (("wait", "best", "cooldown_counter"), ()),
    keras.callbacks.History: (("epoch", "history"), ()),
    BestWeights: (("best",), ()),
}


class KeepState(keras.callbacks.Callback):
    """Keep on disk, after each epoch, everything that the rest of the fit depends on.

    These are the weights, the states of the optimizer, of random numbers and of callbacks. It has to be the last of the
    callbacks.

    Parameters
    ----------
    path : Path
        File of the state.
    callbacks : sequence of keras.callbacks.Callback
        All others.
    """

    def __init__(self, path: Path, callbacks: Sequence[keras.callbacks.Callback]):
        super().__init__()
        self._path = path
        self._callbacks = [callback for callback in callbacks if type(callback) in REMEMBERED]
        self._kept: dict[str, Any] | None = None
        self._kept_arrays: list[np.ndarray] = []

    @staticmethod
    def _variables(model: keras.Model) -> list[Any]:
        return [*model.variables, *model.optimizer.variables]

    def restore(self, model: keras.Model, epochs: int) -> int | None:
        """Give a model the state that was kept, and return the epoch to resume with; None if nothing was kept."""
        kept = read_state(self._path)
        if kept is None:
            return None
        self._kept, arrays = kept
        variables = self._variables(model)
        if len(arrays) < len(variables):
            raise UserError(f"{self._path}: has {len(arrays)} arrays, expected {len(variables)} or more: remove it")
        for variable, value in zip(variables, arrays[: len(variables)], strict=True):
            variable.assign(value)
        self._kept_arrays = arrays[len(variables) :]
        return epochs if self._kept["stopped"] else self._kept["epochs_done"]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Give the callbacks their state, which Keras has just reset."""
        if self._kept is None:
            return
        arrays = iter(self._kept_arrays)
        for callback, numbers in zip(self._callbacks, self._kept["callbacks"], strict=True):
            for name, value in numbers["values"].items():
                setattr(callback, name, value)
            for name, n_arrays in numbers["n_arrays"].items():
                setattr(callback, name, None if n_arrays is None else [next(arrays) for _ in range(n_arrays)])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep the state."""
        arrays = [np.asarray(variable) for variable in self._variables(self.model)]
        remembered = []
        for callback in self._callbacks:
            names, lists_of_weights = REMEMBERED[type(callback)]
            n_arrays = {}
            for name in lists_of_weights:
                weights = getattr(callback, name)
                n_arrays[name] = None if weights is None else len(weights)
                arrays += weights or []
            values = {name: _as_json(getattr(callback, name)) for name in names}
            remembered.append({"values": values, "n_arrays": n_arrays})
        record = {"epochs_done": epoch + 1, "stopped": bool(self.model.stop_training), "callbacks": remembered}
        write_state(self._path, record, arrays)


def _as_json(value: Any) -> Any:
    """Return the state of a callback in the types of JSON, which keeps all digits of a float."""
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value if value is None or isinstance(value, int) else float(value)


def resumable_fit(
    model: keras.Model,
    training: Batches,
    validation: Batches,
    epochs: int,
    callbacks: Sequence[keras.callbacks.Callback],
    state: Path,
    initial_epoch: int = 0,
) -> keras.callbacks.History:
    """Fit a compiled model; resume with the epoch in which an earlier call with the same arguments was killed.

    Parameters
    ----------
    model : keras.Model
        Made in the same way each time.
    training, validation : Batches
    epochs, initial_epoch : int
        As for keras' ``fit``.
    callbacks : sequence of keras.callbacks.Callback
        Callbacks with a state have to be of a class in `REMEMBERED`, each at most once.
    state : Path
        File of the state. It stays after the fit, so a later call only returns the result.

    Returns
    -------
    keras.callbacks.History
        History of all epochs, including the epochs before a kill.
    """
    history = keras.callbacks.History()
    keeper = KeepState(state, [*callbacks, history])
    start = keeper.restore(model, epochs)
    return fit(
        model,
        training,
        validation,
        initial_epoch=initial_epoch if start is None else start,
        epochs=epochs,
        callbacks=[*callbacks, history, keeper],
    )
