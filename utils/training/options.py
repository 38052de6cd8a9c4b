"""Options of the trainings: shared by teacher and student, of the search, of the final fit of the teacher."""

from dataclasses import dataclass
from pathlib import Path

from utils.runtime.options import Seed, flag
from utils.training.search_space import DEFAULT_SEARCH_SPACE, SearchSpace
from utils.variables import full_variable

TARGET_SCALES = {"true_met": 0.8, "true_ht": 1.0, "original_met": 0.8}


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """The loss, and the weight of an event in it."""

    loss_function: str = flag(
        "log_huber_3.0",
        help="mse, mae, mape, msle, huber_DELTA, log_huber_DELTA, quantile_TAU or dice_EPSILON, with a number as the "
        "last word",
    )
    weight_power: float = flag(
        0.0,
        help="an event of weight w counts in the loss as sign(w) |w|^power; 0: all events of a process count the same",
        minimum=0,
    )
    sampled_spectrum: int = flag(
        1,
        help="1: train on the spectrum of the selective sampling, with the weights that events had before it; 0: on "
        "the physical spectrum, with weights over the keep probability",
        choices=(0, 1),
    )
    process_shares: dict[str, float] | None = flag(
        None,
        help="share of processes in the loss, up to a common factor; 1 for each process that is not named",
        processes=True,
        schema={"minProperties": 1},
    )


@dataclass(frozen=True, kw_only=True)
class EventSplit(Seed):
    """The choice of the events of a training, and their division."""

    max_events: int | None = flag(None, help="use a random subset of this many events; none: all events", minimum=2)
    test_split: float = flag(
        0.2,
        help="share of the events for the validation loss; teacher and student of one seed have the same events",
        above=0,
        maximum=0.9,
    )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(LossOptions, EventSplit):
    """Options that both trainings have."""

    input: Path = flag(help="L1 regression file", config=False)
    output: Path = flag(help="folder for the model and the record of its training", config=False, neutral=True)
    variable: str = flag(
        "true_met",
        help="variable to regress: met, ht or original_met",
        parse=full_variable,
        config=False,
    )
    target_scale: float | None = flag(
        None,
        help="factor on the target true/reco; the lower it is, the more events without a jet, which stay uncorrected, "
        "pass at equal rate; none: default of the variable",
        above=0,
        maximum=10,
        by_variable=TARGET_SCALES,
    )
    floor_share: float = flag(
        0.2,
        help="share of the rate at each threshold that passes for its L1 sum alone, whatever the correction; 0: none",
        minimum=0,
        maximum=0.9,
    )
    use_generator: int = flag(
        0,
        help="1: keep the events in a temporary file in the output folder while training, for inputs of any size; 0: "
        "in memory",
        choices=(0, 1),
        neutral=True,
    )
    force: bool = flag(
        False,
        help="train again although the output is finished for the same flags and data",
        config=False,
        neutral=True,
    )


@dataclass(frozen=True, kw_only=True)
class SearchOptions(Seed):
    """The search for hyperparameters with Hyperband (Li et al. 2018, arXiv:1603.06560)."""

    search_space: SearchSpace = flag(
        DEFAULT_SEARCH_SPACE,
        help="domain of each hyperparameter in the search: a list of choices, or a mapping of min and max with step or "
        "log; null: not searched; a hyperparameter left out keeps its domain",
        parse=SearchSpace.parse,
        metavar="JSON",
        schema={"type": "object", "additionalProperties": {"type": ["array", "object", "null"]}},
    )
    search_share: float = flag(
        0.2, help="share of the batches in an epoch of a trial; 1 for a thorough search", above=0, maximum=1
    )
    max_epochs: int = flag(6, help="epochs of the longest trials; 30 for a thorough search", minimum=1)
    hyperband_factor: int = flag(3, help="ratio of trials, and of epochs, between successive rounds", minimum=2)
    hyperband_iterations: int = flag(1, help="number of times that Hyperband is run", minimum=1)


@dataclass(frozen=True, kw_only=True)
class FinalFitOptions:
    """The final fit, on which neither the search nor its trials depend."""

    final_epochs: int = flag(15, help="largest number of epochs of the final fit", minimum=1)
    patience: int = flag(4, help="epochs without a lower validation loss after which the final fit stops", minimum=1)
