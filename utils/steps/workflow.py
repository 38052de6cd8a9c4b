"""Keys of the configuration that belong to the workflow and not to a script."""

from dataclasses import dataclass

from utils.runtime.options import Seed, flag
from utils.variables import VARIABLES


@dataclass(frozen=True, kw_only=True)
class WorkflowKeys(Seed):
    """Keys outside of all sections."""

    output: str = flag(
        "output",
        help="folder of all results; may be a symbolic link to a larger disk",
        schema={"minLength": 1},
    )
    seed: int = flag(1, help="seed of all random numbers", minimum=0, maximum=2**32 - 1)
    variables: tuple[str, ...] = flag(
        ("true_met",),
        help="variables that `snakemake` trains and analyses without a target; true_met, true_ht, original_met",
        choices=VARIABLES,
        schema={"minItems": 1, "uniqueItems": True},
    )
