"""Options declared once: a field of a dataclass is a flag of a script, a key of the configuration, a row of the docs.

A step declares its options as a frozen, keyword-only dataclass whose fields are made by :func:`flag`. Options that
belong together are in a small dataclass beside the code that uses them, and a step inherits from those it needs.
"""

import argparse
import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, TypeVar

from utils.runtime import arguments

ROOT = Path(__file__).parents[2]
Options = TypeVar("Options")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """Metadata of an option, beside its name, type and default.

    Attributes
    ----------
    help : str
        Description; unit, range and default are added where it is shown.
    unit : str, optional
    minimum, above, maximum, below : float, optional
        Closed and open bounds of a number, or of each number in a tuple.
    choices : sequence, optional
        The values allowed, or the items allowed in a tuple; a mapping by variable if the key has a value per variable.
    parse : callable, optional
        Function that reads a value or an item from its text, in place of the annotated type; it raises a ValueError.
    metavar : str, optional
        Placeholder of the value in the help.
    many : bool
        Whether a flag that may be repeated takes several values each time.
    config : bool
        Whether the configuration of the workflow has a key for it.
    neutral : bool
        Whether no number of the results depends on it.
    processes : bool
        Whether the items, or the names before `=`, are names of processes.
    by_variable : mapping, optional
        Defaults by variable, if the key of the configuration maps variables to values.
    schema : mapping
        Further keywords for the JSON schema of the key.
    """

    help: str
    unit: str | None = None
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    choices: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None
    parse: Callable[[str], Any] | None = None
    metavar: str | None = None
    many: bool = False
    config: bool = True
    neutral: bool = False
    processes: bool = False
    by_variable: Mapping[str, Any] | None = None
    schema: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def description(self) -> str:
        """Return the help with the unit behind its first clause."""
        first, semicolon, others = self.help.partition(";")
        return f"{first} [{self.unit}]{semicolon}{others}" if self.unit else self.help

    def bounds(self) -> dict[str, float]:
        """Return the bounds that are given."""
        given = {name: getattr(self, name) for name in ("above", "minimum", "below", "maximum")}
        return {name: bound for name, bound in given.items() if bound is not None}


def flag(default: Any = MISSING, **metadata: Any) -> Any:
    """Declare an option: a field of a dataclass, with the metadata of :class:`Flag`.

    The annotation is its type: ``int``, ``float``, ``str``, ``Path``; ``bool`` for a flag without a value; a tuple for
    values separated by commas; ``dict[str, float]`` for NAME=VALUE separated by commas, values above 0; a list for a
    flag that may be repeated; each of them ``| None``. An option without a default is required.
    """
    known = {"flag": Flag(**metadata)}
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=default.copy, metadata=known)
    return dataclasses.field(default=default, metadata=known)


@dataclass(frozen=True, kw_only=True)
class Seed:
    """The seed, which the configuration has once for all steps."""

    seed: int = flag(1, help="seed of all random numbers", minimum=0, maximum=2**32 - 1, config=False)


@dataclass(frozen=True)
class Option:
    """A declared option.

    Attributes
    ----------
    name : str
    container : {tuple, list, dict, None}
    kind : type
        Type of the value, or of each item.
    length : int or None
        Length of a tuple of fixed length.
    nullable : bool
        Whether None is a value.
    default : object
        MISSING for a required option.
    flag : Flag
    """

    name: str
    container: type | None
    kind: type
    length: int | None
    nullable: bool
    default: Any
    flag: Flag

    def range(self) -> str:
        """Describe the values allowed; the text is empty where the type says all."""
        if self.flag.choices is not None:
            mapping = isinstance(self.flag.choices, Mapping)
            return "" if mapping else "one of " + ", ".join(map(as_text, self.flag.choices))
        words = {"above": "above", "minimum": "at least", "below": "below", "maximum": "at most"}
        return ", ".join(f"{words[name]} {as_text(bound)}" for name, bound in self.flag.bounds().items())

    def default_text(self) -> str:
        """Return the default as it would be given; the text is empty without a default."""
        if self.flag.by_variable:
            given = {name: value for name, value in self.flag.by_variable.items() if value is not None}
            return "; ".join(f"{as_text(value)} for {name}" for name, value in given.items())
        if isinstance(self.default, Path) and self.default.is_relative_to(ROOT):
            return str(self.default.relative_to(ROOT))
        nothing = self.default is MISSING or self.default is None or self.kind is bool or self.container is list
        return "" if nothing else as_text(self.default)


def declared(options: type) -> list[Option]:
    """List the options of a dataclass, then those of its bases."""
    hints = typing.get_type_hints(options)
    names = dict.fromkeys(name for base in options.__mro__ for name in vars(base).get("__annotations__", ()))
    fields = {field.name: field for field in dataclasses.fields(options)}
    return [_option(fields[name], hints[name]) for name in names]


def _option(field: dataclasses.Field, hint: Any) -> Option:
    """Take an annotation apart."""
    alternatives = [hint]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        alternatives = [kind for kind in typing.get_args(hint) if kind is not types.NoneType]
    container, inner = typing.get_origin(alternatives[0]), typing.get_args(alternatives[0])
    return Option(
        name=field.name,
        container=container,
        kind=inner[-1 if container is dict else 0] if container else alternatives[0],
        length=len(inner) if container is tuple and inner[-1] is not Ellipsis else None,
        nullable=hint is not alternatives[0],
        default=field.default if field.default_factory is MISSING else field.default_factory(),
        flag=field.metadata["flag"],
    )


def parser(options: type, description: str | None) -> argparse.ArgumentParser:
    """Return the argument parser of a dataclass of options."""
    made = arguments.parser(description)
    for option in sorted(declared(options), key=lambda option: option.default is not MISSING):
        made.add_argument(f"--{option.name}", **_argument(option))
    return made


def parse(options: type[Options], description: str | None, argv: Sequence[str] | None) -> Options:
    """Read a command line; wrong usage exits with code 2 and a message.

    A ValueError of the dataclass, or of a method ``check`` of it or of one of its bases, is wrong usage too.
    """
    made = parser(options, description)
    given = vars(made.parse_args(argv))
    try:
        found = options(**given)
        for base in reversed(options.__mro__):
            if check := vars(base).get("check"):
                check(found)
    except ValueError as error:
        made.error(str(error))
    return found


def _help(option: Option) -> str:
    """Return the help of an option: its description, whether results depend on it, its range and default."""
    default = option.default_text()
    notes = (
        "no effect on the results" if option.flag.neutral else "",
        option.range(),
        f"default: {default}" if default else "",
    )
    shown = "; ".join(filter(None, notes))
    return f"{option.flag.description()} ({shown})" if shown else option.flag.description()


def _argument(option: Option) -> dict[str, Any]:
    """Return the arguments of `add_argument` for an option."""
    argument: dict[str, Any] = {
        "help": _help(option).replace("%", "%%"),
        "required": option.default is MISSING,
        "default": argparse.SUPPRESS,
    }
    if option.kind is bool:
        return argument | {"action": "store_true"}
    if option.container is list:
        argument |= {"action": "extend", "nargs": "+"} if option.flag.many else {"action": "append"}
    elif option.container is None and option.flag.choices is not None:
        argument["choices"] = option.flag.choices
    if option.flag.metavar:
        argument["metavar"] = option.flag.metavar
    return argument | {"type": _reader(option)}


def _reader(option: Option) -> Callable[[str], Any]:
    """Return the function that reads the value of an option from its text."""
    if option.container is dict:
        return arguments.named_numbers
    item: Callable[[str], Any] = option.kind
    if option.flag.parse:
        item = arguments.checked(option.flag.parse)
    elif option.kind in (int, float):
        item = arguments.number(option.kind, **option.flag.bounds())
    return arguments.comma_separated(item, option.length) if option.container is tuple else item


def part(whole: Any, options: type[Options]) -> Options:
    """Return the options that belong to one base of their class, as an instance of that base."""
    return options(**{option.name: getattr(whole, option.name) for option in declared(options)})


def neutral(options: type) -> tuple[str, ...]:
    """Return the names of the options on which no number of the results depends."""
    return tuple(option.name for option in declared(options) if option.flag.neutral)


def as_text(value: Any) -> str:
    """Return a value as the text of a flag, the same for 20 and 20.0."""
    if isinstance(value, Mapping):
        if any(isinstance(inner, Mapping | list) for inner in value.values()):
            return json.dumps(dict(value))
        return ",".join(f"{name}={as_text(number)}" for name, number in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(as_text, value))
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else str(value)
