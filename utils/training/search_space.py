"""Space of hyperparameters that a search draws from; without Keras, so that a plan can check it."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from utils.training.hyperparameters import ACTIVATIONS, TeacherHyperparameters

RANGE_KEYS = ("min", "max", "step", "log")
DEFAULTS = vars(TeacherHyperparameters())


@dataclass(frozen=True)
class SearchSpace(Mapping[str, Any]):
    """Domain of each hyperparameter of a search, as in configuration files and records.

    A domain is a list of choices, or a range: a mapping of `min` and `max`, both included, with an optional `step`,
    or with `log` true for a uniform distribution of the logarithm. A hyperparameter without a domain has its default.

    Attributes
    ----------
    domains : mapping of str to list or mapping
        In the order of `TeacherHyperparameters`, which is the order of drawing.

    Raises
    ------
    ValueError
        If a hyperparameter is unknown or its domain is invalid, naming it.
    """

    domains: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Check each domain, and sort them."""
        if not isinstance(self.domains, Mapping):
            raise ValueError(f"expected a mapping of hyperparameters, received: {self.domains!r}")
        known = [field.name for field in fields(TeacherHyperparameters) if field.name != "readout"]
        for name, domain in self.domains.items():
            if name not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, received: {name}={domain!r}")
        given = {name: self.domains[name] for name in known if self.domains.get(name) is not None}
        if not given:
            raise ValueError("expected a domain of at least one hyperparameter")
        object.__setattr__(self, "domains", {name: _checked_domain(name, domain) for name, domain in given.items()})

    @classmethod
    def from_dict(cls, domains: Any) -> "SearchSpace":
        """Make a space from domains; a hyperparameter left out has its default domain, and None has no domain."""
        if not isinstance(domains, Mapping):
            return cls(domains)  # which refuses it
        return cls({**DEFAULT_SEARCH_SPACE, **domains})

    @classmethod
    def parse(cls, text: str) -> "SearchSpace":
        """Make a space from the JSON text of its domains, as `from_dict`."""
        try:
            domains = json.loads(text)
        except ValueError:
            raise ValueError(f"expected a JSON mapping of hyperparameters, received: {text[:100]!r}") from None
        return cls.from_dict(domains)

    def __getitem__(self, name: str) -> Any:
        """Return the domain of a hyperparameter."""
        return self.domains[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the hyperparameters that are searched."""
        return iter(self.domains)

    def __len__(self) -> int:
        """Return the number of hyperparameters that are searched."""
        return len(self.domains)


def _checked_domain(name: str, domain: Any) -> list[Any] | dict[str, Any]:
    """Return a domain with values of the type of its hyperparameter; a ValueError names what is wrong."""
    if isinstance(domain, list | tuple):
        values = [_checked_value(name, value) for value in domain]
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name}: expected different choices, at least one, received: {name}={domain!r}")
        return values
    if type(DEFAULTS[name]) not in (int, float):
        raise ValueError(f"{name}: expected a list of choices, received: {name}={domain!r}")
    return _checked_range(name, domain)


def _checked_range(name: str, domain: Any) -> dict[str, Any]:
    """Check a range of numbers."""
    if not isinstance(domain, Mapping) or not {"min", "max"} <= set(domain) <= set(RANGE_KEYS):
        raise ValueError(
            f"{name}: expected a list of choices, or min, max and perhaps step or log, received: {name}={domain!r}"
        )
    log, step = domain.get("log") or False, domain.get("step")
    low, high = (_checked_value(name, domain[end]) for end in ("min", "max"))
    if low > high:
        raise ValueError(f"{name}: expected min <= max, received: {name}={domain!r}")
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        raise ValueError(f"{name}: expected log with min > 0 and without step, received: {name}={domain!r}")
    found: dict[str, Any] = {"min": low, "max": high}
    if step is not None:
        kinds = (int,) if isinstance(low, int) else (int, float)
        if isinstance(step, bool) or not isinstance(step, kinds) or not 0 < step <= max(high - low, 1):
            raise ValueError(f"{name}: expected a step within the range, received: {name}={domain!r}")
        found["step"] = type(low)(step)
    return found | ({"log": True} if log else {})


def _checked_value(name: str, value: Any) -> Any:
    """Return a valid value of a hyperparameter; a whole number becomes a float if the hyperparameter is a float."""
    try:
        TeacherHyperparameters(**{name: value})
    except (TypeError, ValueError) as error:
        raise ValueError(str(error).removeprefix("hyperparameter ")) from None
    is_float = isinstance(DEFAULTS[name], float)
    return float(value) if is_float and math.isfinite(value) else value


DEFAULT_SEARCH_SPACE = SearchSpace(
    {
        "graph_layers": {"min": 2, "max": 4},
        "units": {"min": 64, "max": 128, "step": 32},
        "heads": {"min": 3, "max": 5},
        "activation": list(ACTIVATIONS),
        "embedding": {"min": 2, "max": 4},
        "attention_dropout": {"min": 0.0, "max": 0.05},
        "dropout": {"min": 0.0, "max": 0.05},
        "learning_rate": {"min": 1e-4, "max": 1e-2, "log": True},
    }
)
