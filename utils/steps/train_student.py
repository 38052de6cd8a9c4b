"""Options of train_student.py."""

from dataclasses import dataclass
from pathlib import Path

from utils.hardware.leading_objects import LeadingObjects
from utils.hardware.scales import HardwareScales
from utils.runtime.options import flag
from utils.training.options import TrainingOptions
from utils.training.student_options import DistillationOptions, StudentSchedule, StudentShape


@dataclass(frozen=True, kw_only=True)
class Options(TrainingOptions, DistillationOptions, StudentSchedule, StudentShape, LeadingObjects, HardwareScales):
    """Flags of the script."""

    teacher: Path | None = flag(
        None, help="folder of the trained teacher; none: learn from the truth alone", config=False
    )
    target_scale: float | None = flag(
        None,
        help="factor on the target true/reco; none: that of the teacher, or without one the default of the variable",
        above=0,
        maximum=10,
    )
    max_ebops: int = flag(
        150000,
        help="most effective bit operations (EBOPs) of the resulting network; a look-up table does four to eight",
        minimum=1,
    )
    batch_size: int = flag(128, help="events in a step of the optimizer", minimum=1)
