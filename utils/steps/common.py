"""Options that several scripts have."""

from dataclasses import dataclass

from utils.runtime.options import flag

NAME = "[A-Za-z0-9][A-Za-z0-9_+-]*"  # of a process in the configuration, of a model
SOURCES = {"additionalProperties": {"type": ["string", "null"], "minLength": 1}}  # where the events of processes are


@dataclass(frozen=True, kw_only=True)
class Seed:
    """The seed, which the configuration has once for all steps."""

    seed: int = flag(1, help="seed of all random numbers", minimum=0, maximum=2**32 - 1, config=False)
