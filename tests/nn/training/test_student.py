"""Front of the networks of a training: the epochs that are kept, and the result."""

import logging

from nn.training.student import LARGEST_FRONT, FrontPoint, front_epochs, mark_best

FRONT = [FrontPoint(3, 100, 0.3, "a"), FrontPoint(2, 200, 0.1, "b"), FrontPoint(1, 300, 0.2, "c")]


def best(front):
    (point,) = (point for point in front if point.best)
    return point.epoch


def test_epochs_of_the_front_are_smaller_or_better_than_all_others():
    history = {"ebops": [400, 300, 200, 250, 100], "val_distillation": [0.1, 0.2, 0.3, 0.4, 0.5]}
    assert front_epochs(history) == [5, 3, 2, 1]


def test_of_a_large_front_some_networks_are_kept_among_them_its_ends():
    history = {"ebops": list(range(1000, 0, -10)), "val_distillation": [0.01 * i for i in range(100)]}
    epochs = front_epochs(history)
    assert len(epochs) <= LARGEST_FRONT
    assert (epochs[0], epochs[-1]) == (100, 1)


def test_the_result_is_the_best_network_of_those_that_are_small_enough():
    assert best(mark_best(FRONT, 300)) == 2
    assert best(mark_best(FRONT, 150)) == 3


def test_the_smallest_network_is_the_result_if_none_is_small_enough(caplog):
    caplog.set_level(logging.WARNING)
    assert best(mark_best(FRONT, 50)) == 3
    assert "no network has at most 50 effective bit operations: raise --beta" in caplog.text
