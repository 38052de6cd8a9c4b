"""Options of train_teacher.py, and the keys of its section that the workflow itself uses."""

from dataclasses import dataclass
from pathlib import Path

from utils.runtime.options import flag
from utils.training.options import FinalFitOptions, SearchOptions, TrainingOptions

LOG_FEATURES = {"true_met": ("pt", "met", "ht"), "true_ht": ("pt", "ht"), "original_met": ("pt", "met", "ht")}
METRIC_THRESHOLDS = {"true_met": (50.0, 100.0), "true_ht": (200.0, 320.0), "original_met": (50.0, 100.0)}


@dataclass(frozen=True, kw_only=True)
class Options(TrainingOptions, SearchOptions, FinalFitOptions):
    """Flags of the script."""

    log_features: tuple[str, ...] | None = flag(
        None,
        help="features replaced by log(x + 1); none: default of the variable",
        choices=LOG_FEATURES,
        by_variable=LOG_FEATURES,
        schema={"uniqueItems": True},
    )
    metric_thresholds: tuple[float, ...] | None = flag(
        None,
        help="monitor the MSE of events whose true variable exceeds these; none: default of the variable",
        unit="GeV",
        minimum=0,
        by_variable=METRIC_THRESHOLDS,
        schema={"uniqueItems": True},
    )
    batch_size: int = flag(256, help="events in a step of the optimizer", minimum=1)
    devices: int = flag(1, help="GPUs of this machine over which each batch is divided", minimum=1)
    mixed_precision: int = flag(
        0,
        help="1: train the hidden layers in bfloat16, for GPUs with tensor cores for it; 0: in float32",
        choices=(0, 1),
    )
    workers: int = flag(
        1,
        help="processes of the search, each with a trial at a time; 0: only those that join it",
        minimum=0,
        neutral=True,
    )
    chief_host: str | None = flag(
        None,
        help="name of this machine by which processes on others can join the search; none: no other can join",
        neutral=True,
        schema={"minLength": 1},
    )
    join: str | None = flag(
        None,
        help="name of this worker: join the search that another process with otherwise the same flags begins; none: "
        "search here",
        metavar="NAME",
        config=False,
        neutral=True,
    )
    hyperparameters: Path | None = flag(None, help="JSON file of fixed hyperparameters; none: search them")

    def check(self) -> None:
        """Refuse fixed hyperparameters together with a search that others join."""
        if self.hyperparameters and (self.join or self.chief_host):
            raise ValueError("--hyperparameters leaves out the search: there is nothing to join")


@dataclass(frozen=True, kw_only=True)
class WorkflowKeys:
    """Keys that are no flags."""

    worker_jobs: int = flag(
        0, help="jobs of their own on a batch farm, each with a trial at a time, that join the search", minimum=0
    )
