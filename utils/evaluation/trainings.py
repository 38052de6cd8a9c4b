"""Trainings whose models are evaluated together."""

from collections.abc import Sequence
from pathlib import Path

from utils.runtime.errors import UserError
from utils.training.records import TRAINING_FILE, Training, read_training


def read_trainings(folders: Sequence[tuple[str, Path]]) -> dict[str, Training]:
    """Read the records of trainings by name, and refuse models of different variables."""
    trainings = {name: read_training(folder) for name, folder in folders}
    first = next(iter(trainings.values()))
    for training in trainings.values():
        if training.creator.variable != first.creator.variable:
            raise UserError(
                f"{training.folder / TRAINING_FILE}: a model for {training.creator.variable} cannot be compared with "
                f"one for {first.creator.variable}, {first.folder}"
            )
    return trainings


def refuse_contradictions(
    training: Training, variable: str | None, log_features: Sequence[str] | None, loss_function: str | None
) -> None:
    """Refuse flags that contradict the record of a training; None is a flag that was not given."""
    for flag, given, recorded in (
        ("variable", variable, training.creator.variable),
        ("log_features", log_features, training.creator.log_features),
        ("loss_function", loss_function, training.loss_function),
    ):
        if given is not None and _as_set(given) != _as_set(recorded):
            shown = [",".join(sorted(_as_set(value))) for value in (given, recorded)]
            raise UserError(
                f"--{flag}: '{shown[0]}' was given, but {training.folder / TRAINING_FILE} says '{shown[1]}'"
            )


def _as_set(value: str | Sequence[str]) -> set[str]:
    """Return one or several values as a set."""
    return {value} if isinstance(value, str) else set(value)
