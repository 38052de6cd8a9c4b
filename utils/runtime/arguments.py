"""Argument parsers of the scripts: one-line errors, and types for numbers in a range and for lists."""

import argparse
import math
from collections.abc import Callable
from typing import NoReturn, TypeVar

Item = TypeVar("Item")


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, even if an argument has several lines."""

    def error(self, message: str) -> NoReturn:
        super().error(" ".join(message.split()))


def parser(description: str | None) -> argparse.ArgumentParser:
    """Argument parser whose help shows the defaults and whose flags cannot be abbreviated."""
    return _Parser(
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )


def number(
    kind: type[int] | type[float],
    minimum: float = -float("inf"),
    maximum: float = float("inf"),
    *,
    above: float = -float("inf"),
    below: float = float("inf"),
) -> Callable[[str], int | float]:
    """Argparse type: a finite number in [minimum, maximum] and, where given, strictly above and below bounds."""
    bounds = {"above": above, "of at least": minimum, "below": below, "of at most": maximum}
    given = [f"{words} {bound:g}" for words, bound in bounds.items() if math.isfinite(bound)]
    wanted = " ".join(["an integer" if kind is int else "a number", " and ".join(given)]).strip()

    def parse(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected {wanted}, found '{text}'") from None
        if not (minimum <= value <= maximum and above < value < below):
            raise argparse.ArgumentTypeError(f"expected {wanted}, found '{text}'")
        return value

    return parse


def checked(parse: Callable[[str], Item]) -> Callable[[str], Item]:
    """Argparse type: the result of `parse`; its ValueError becomes an error of the command line."""

    def parse_or_explain(text: str) -> Item:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_or_explain


def comma_separated(item: Callable[[str], Item], length: int | None = None) -> Callable[[str], tuple[Item, ...]]:
    """Argparse type: items separated by commas, exactly `length` if it is given; the empty string has no items."""

    def parse(text: str) -> tuple[Item, ...]:
        items = tuple(item(part.strip()) for part in text.split(",")) if text.strip() else ()
        if length not in (None, len(items)):
            raise argparse.ArgumentTypeError(f"expected {length} values separated by commas, found '{text}'")
        return items

    return parse


def named_numbers(text: str) -> dict[str, float]:
    """Argparse type: numbers above 0 by name, for example ``QCD=1,W=0.5``; the empty string has none."""
    parse, found = number(float, above=0), dict[str, float]()
    for part in comma_separated(str)(text):
        name, equals, value = part.rpartition("=")
        if not (equals and name and name.isprintable()):
            raise argparse.ArgumentTypeError(f"expected NAME=NUMBER, found '{part}'")
        if name in found:
            raise argparse.ArgumentTypeError(f"'{name}' is given twice")
        found[name] = parse(value)
    return found
