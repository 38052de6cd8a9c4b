"""The objects that a student sees: the leading ones of each kind.

Their numbers stand apart from the events, whose compiled loops the workflow would wait for.
"""

from dataclasses import asdict, dataclass

from utils.runtime.options import declared, flag

N_JETS = {"true_met": 5, "true_ht": 10, "original_met": 5}


@dataclass(frozen=True, kw_only=True)
class LeadingObjects:
    """Numbers of objects that enter a network; its logic grows in proportion to them.

    Energy sums and the direction of MET are those of all objects of the trigger.
    """

    n_muons: int = flag(1, help="leading muons that enter the network, for MET", minimum=0, maximum=4)
    n_egammas: int = flag(1, help="leading e/g that enter the network, for MET", minimum=0, maximum=4)
    n_jets: int | None = flag(
        None,
        help="leading jets that enter the network; none: default of the variable",
        minimum=1,
        maximum=10,
        by_variable=N_JETS,
    )

    def numbers(self, variable: str) -> dict[str, int]:
        """Return the number of each kind for a variable, by the name of the option.

        Raises
        ------
        ValueError
            If a number is out of range, naming it.
        """
        numbers = asdict(self) | {"n_jets": N_JETS[variable] if self.n_jets is None else self.n_jets}
        for option in declared(LeadingObjects):
            value, bounds = numbers[option.name], option.flag.bounds()
            if type(value) is not int or not bounds["minimum"] <= value <= bounds["maximum"]:
                raise ValueError(f"{option.name}: expected an integer, {option.range()}, received: {value!r}")
        return numbers


ALL_OBJECTS = LeadingObjects(n_muons=4, n_egammas=4, n_jets=10)
