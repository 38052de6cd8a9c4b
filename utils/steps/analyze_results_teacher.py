"""Options of analyze_results_teacher.py."""

import re
from dataclasses import dataclass
from pathlib import Path

from utils.evaluation.options import UNIQUE, EvaluationOptions
from utils.predictions import NO_MODELS
from utils.runtime.options import Seed, flag
from utils.steps.common import NAME, SOURCES
from utils.variables import full_variable


def named_folder(text: str) -> tuple[str, Path]:
    """Read the name and the folder of a model, NAME=FOLDER."""
    name, equals, folder = text.partition("=")
    if not (equals and folder and re.fullmatch(NAME, name)) or name in NO_MODELS:
        raise ValueError(
            f"expected NAME=FOLDER, NAME of letters, digits and _+- and none of {', '.join(NO_MODELS)}, found '{text}'"
        )
    return name, Path(folder)


@dataclass(frozen=True, kw_only=True)
class Options(EvaluationOptions, Seed):
    """Flags of the script."""

    model_dir: Path | None = flag(None, help="output folder of a training; as --model teacher=FOLDER", config=False)
    model: list[tuple[str, Path]] = flag(
        [],
        help="name and output folder of a model; may be repeated: the others are compared with the first",
        parse=named_folder,
        metavar="NAME=FOLDER",
        config=False,
    )
    data: list[Path] = flag(
        help="L1 regression file of the evaluation; may be repeated, each file with processes of its own",
        many=True,
        metavar="FILE",
        config=False,
    )
    output: Path = flag(help="folder for plots and numbers, replaced as a whole", config=False)
    zero_bias: Path | None = flag(
        None,
        help="zero-bias events of CMS, a folder or a file: Parquet (Zenodo 21787779) or NanoAOD with L1 tables; none: "
        "no rates of data",
    )
    zero_bias_mask: Path | None = flag(
        None, help="golden JSON: luminosity sections of the zero-bias NanoAOD that count; none: all"
    )
    zero_bias_runs: tuple[int, ...] = flag(
        (), help="runs of the zero-bias NanoAOD that count; none: all", minimum=1, schema=UNIQUE
    )
    zero_bias_l1: str | None = flag(
        None,
        help="prefix of the L1 tables of the zero-bias NanoAOD, such as L1Emul; none: L1 where a file has them",
    )
    variable: str | None = flag(
        None,
        help="variable of the training, to check it: true_met, true_ht or original_met",
        parse=full_variable,
        config=False,
    )
    log_features: tuple[str, ...] | None = flag(
        None, help="features that the first model takes as log(x+1), to check them", config=False
    )
    loss_function: str | None = flag(None, help="loss function of the first model, to check it", config=False)
    chunk_size: int = flag(65536, help="events read at a time", minimum=1, neutral=True, config=False)
    workers: int = flag(1, help="processes that draw", minimum=1, neutral=True, config=False)

    @property
    def models(self) -> list[tuple[str, Path]]:
        """Names and folders of the models, --model_dir first."""
        return [("teacher", self.model_dir), *self.model] if self.model_dir else self.model

    def check(self) -> None:
        """Refuse an evaluation without a model, and two models of one name."""
        names = [name for name, _ in self.models]
        if not names:
            raise ValueError("one of the arguments --model_dir and --model is required")
        if len(set(names)) < len(names):
            raise ValueError(f"argument --model: '{max(names, key=names.count)}' is named twice")


@dataclass(frozen=True, kw_only=True)
class WorkflowKeys:
    """Keys of the section that the workflow itself uses."""

    extra_signals: dict[str, str] = flag(
        {},
        help="name: a source of events as in create_L1regression_data.processes; signals that are only evaluated; "
        "`auto`: generated where a background is",
        processes=True,
        schema=SOURCES,
    )
