"""Options declared by dataclasses: what is read from a command line, refused, and shown."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from utils.runtime.options import declared, flag, neutral, parse, parser, part


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Options of a base."""

    power: float = flag(1.0, help="power of the weights", minimum=0)
    shares: dict[str, float] | None = flag(None, help="share of the loss", processes=True)

    def check(self):
        if self.power == 7:
            raise ValueError("power: expected anything but 7")


@dataclass(frozen=True, kw_only=True)
class Step(Loss):
    """Options of a step."""

    input: Path = flag(help="file to read")
    data: list[str] = flag([], help="more files", many=True)
    threshold: float | None = flag(None, help="threshold; none: all", unit="GeV", above=0, below=200)
    units: tuple[int, ...] = flag((32, 16), help="widths, 100% of them", minimum=1)
    response: tuple[float, float] = flag((0.5, 2.0), help="within and beyond", above=0)
    target: str = flag("sum", help="what is given", choices=("sum", "factor"))
    hls: int = flag(1, help="1: also this", choices=(0, 1))
    name: str | None = flag(None, help="in upper case", parse=lambda text: text.upper())
    workers: int = flag(1, help="threads", minimum=1, neutral=True)
    force: bool = flag(False, help="do it again", neutral=True)

    def check(self):
        if self.target == "factor" and not self.hls:
            raise ValueError("--target=factor needs --hls")


def read(*words):
    return parse(Step, "What it does.", ["--input=a", *words])


def test_defaults_are_those_that_are_declared():
    assert read() == Step(input=Path("a"))


def test_values_have_the_types_that_are_annotated():
    found = read(
        *("--threshold=20", "--units=1,2,3", "--response=1,2", "--target=factor", "--hls=1", "--force"),
        *("--shares=QCD=4,W=0.5", "--data", "x", "y", "--data=z", "--name=met"),
    )
    assert found == Step(
        input=Path("a"),
        threshold=20.0,
        units=(1, 2, 3),
        response=(1.0, 2.0),
        target="factor",
        force=True,
        shares={"QCD": 4.0, "W": 0.5},
        data=["x", "y", "z"],
        name="MET",
    )
    assert type(found.threshold) is float


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--threshold=0", "argument --threshold: expected a number above 0 and below 200, found '0'"),
        ("--threshold=200", "argument --threshold: expected a number above 0 and below 200, found '200'"),
        ("--threshold=inf", "argument --threshold: expected a number above 0 and below 200, found 'inf'"),
        ("--units=1,1.5", "argument --units: expected an integer of at least 1, found '1.5'"),
        ("--response=1,2,3", "argument --response: expected 2 values separated by commas, found '1,2,3'"),
        ("--target=both", "argument --target: invalid choice: 'both'"),
        ("--hls=2", "argument --hls: invalid choice: 2"),
        ("--shares=QCD", "argument --shares: expected NAME=NUMBER, found 'QCD'"),
        ("--thresh=3", "unrecognized arguments: --thresh=3"),
        ("--power=7", "error: power: expected anything but 7"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(word, message, capsys):
    with pytest.raises(SystemExit) as left:
        read(word)
    assert left.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_values_that_exclude_each_other_are_wrong_usage(capsys):
    with pytest.raises(SystemExit):
        read("--target=factor", "--hls=0")
    assert capsys.readouterr().err.splitlines()[-1].endswith("error: --target=factor needs --hls")


def test_an_option_without_a_default_is_required(capsys):
    with pytest.raises(SystemExit):
        parse(Step, None, [])
    assert "required: --input" in capsys.readouterr().err


def test_help_shows_unit_range_and_default():
    text = " ".join(parser(Step, "What it does.").format_help().split())
    for shown in (
        "What it does.",
        "threshold [GeV]; none: all (above 0, below 200)",
        "widths, 100% of them (at least 1; default: 32,16)",
        "what is given (one of sum, factor; default: sum)",
        "threads (no effect on the results; at least 1; default: 1)",
        "power of the weights (at least 0; default: 1)",
    ):
        assert shown in text


def test_options_of_the_step_come_before_those_of_its_bases():
    found = [option.name for option in declared(Step)]
    assert found[0] == "input"
    assert found[-2:] == ["power", "shares"]


def test_a_part_is_an_instance_of_the_base_alone():
    assert part(Step(input=Path("a"), power=2.0), Loss) == Loss(power=2.0)


def test_options_on_which_no_number_depends_are_known():
    assert neutral(Step) == ("workers", "force")
