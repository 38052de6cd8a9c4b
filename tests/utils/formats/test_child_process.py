"""What a child process yields: all items, its errors, or how it ended."""

import os
from pathlib import Path
from signal import SIGKILL

import pytest

from utils.formats.child_process import ChildEndedError, child_items, from_child
from utils.runtime.errors import UserError

MEMORY = 1 << 28


def items_and(last):
    """Return a function that yields two items, and then does something."""

    def produce():
        yield from (None, [1, 2])
        yield last()

    return produce


def test_items_come_from_another_process_in_their_order():
    found = list(child_items(items_and(os.getpid), MEMORY))
    assert found[:2] == [None, [1, 2]]
    assert found[2] != os.getpid()


@pytest.mark.parametrize("error", [EOFError("cut short"), KeyError("name"), UserError("x: no events")])
def test_an_error_comes_after_the_items_before_it(error):
    def fail():
        raise error

    found = child_items(items_and(fail), MEMORY)
    assert [next(found), next(found)] == [None, [1, 2]]
    with pytest.raises(type(error)) as raised:
        next(found)
    assert raised.value.args == error.args


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        (lambda: os.kill(os.getpid(), SIGKILL), "x: cannot be read, the file is damaged: a library ends with SIGKILL"),
        (lambda: os._exit(3), "x: cannot be read, the file is damaged: a library ends with exit code 3"),
        (lambda: bytearray(1 << 30), "x: takes more than 256 MiB of memory to be read"),
    ],
)
def test_a_crash_names_file_and_library(last, problem):
    with pytest.raises(UserError) as raised:
        list(from_child(items_and(last), Path("x"), "a library", MEMORY))
    assert str(raised.value) == problem


def test_the_end_of_a_child_has_its_code():
    with pytest.raises(ChildEndedError) as raised:
        list(child_items(items_and(lambda: os._exit(3)), MEMORY))
    assert raised.value.code == 3
