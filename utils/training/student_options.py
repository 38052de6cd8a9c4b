"""Options of the student: its shape, its distillation, and the schedule of its training."""

from dataclasses import dataclass

from utils.runtime.options import flag
from utils.training.hyperparameters import TARGETS


@dataclass(frozen=True, kw_only=True)
class StudentShape:
    """Shape of the network."""

    object_units: int = flag(8, help="width of the layers that each object passes", minimum=1)
    event_units: tuple[int, ...] = flag(
        (16, 16), help="widths of the layers after the sum over the objects", minimum=1, schema={"minItems": 1}
    )
    target: str = flag("sum", help="output of the network: the corrected sum, or the factor on it", choices=TARGETS)
    quantised: int = flag(1, help="1: learned bit widths; 0: floats, for comparison", choices=(0, 1))


@dataclass(frozen=True, kw_only=True)
class DistillationOptions:
    """Shares of truth and teacher in the loss."""

    alpha: float = flag(0.0, help="share of the truth in the loss; the teacher has the rest", minimum=0, maximum=1)
    feature_weight: float = flag(
        0.0, help="weight of the difference to the teacher's features in the loss; 0: not used", minimum=0
    )
    rate_weighting: int = flag(
        1,
        help="1: with a teacher, each factor of the rate above a threshold on its sum counts the same in the loss; "
        "0: the weights of its training",
        choices=(0, 1),
    )


@dataclass(frozen=True, kw_only=True)
class StudentSchedule:
    """Epochs, EBOPs penalty and learning rate."""

    epochs: int = flag(80, help="epochs of the training", minimum=2)
    first_beta: float = flag(3e-8, help="EBOPs penalty at the beginning: loss per effective bit operation", above=0)
    beta: float = flag(3e-8, help="EBOPs penalty at the end", above=0)
    learning_rate: float = flag(3e-3, help="learning rate at the beginning", above=0)
