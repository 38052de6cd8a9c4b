"""Settings of Pythia, given by a process or decided by flags of the script."""

import functools
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:  # the workflow imports this module and must not wait for Pythia
    import pythia8mc

Value = bool | int | float | str

DEFAULT_ENERGY = 13000.0  # GeV

# Particles with a lifetime above 10 mm/c reach the detector, the convention at the LHC.
COMMON_SETTINGS = ("Print:init = off", "Print:next = off", "ParticleDecays:limitTau0 = on")

DECIDED_BY = {
    "Beams:eCM": "--energy",
    "Random:setSeed": "--seed",
    "Random:seed": "--seed and --shard",
    "PartonLevel:MPI": "--underlying_event",
    "Main:numberOfEvents": "--events",
}

# Settings that only the main programs of Pythia read, or that need code missing from its Python package.
WITHOUT_EFFECT = (
    "Main:numberOfTriedEvents",
    "Main:numberOfSelectedEvents",
    "Main:numberOfAcceptedEvents",
    "Main:numberOfSubruns",
    "Parallelism:numThreads",
    "Alpgen:file",
    "JetMatching:scheme",
    "POWHEG:veto",
    "POWHEG:MPIveto",
    "ResonanceDecayFilter:filter",
)

FRAME = "Beams:frameType"
DEFAULT_FRAME, LES_HOUCHES = 1, 4
FRAME_OF = {
    "Beams:eA": 2,
    "Beams:eB": 2,
    **{f"Beams:p{axis}{beam}": 3 for axis in "xyz" for beam in "AB"},
    "Beams:LHEF": LES_HOUCHES,
}


def overriding_flag(setting: str) -> str | None:
    """Return the flag that decides a setting, by the name of the setting; None if no flag does."""
    return next((flag for key, flag in DECIDED_BY.items() if key.lower() == _name(setting)), None)


def les_houches_file(setting: str) -> str | None:
    """Return the Les Houches file that a setting names; None if there is none, or only Pythia can parse it."""
    value = re.fullmatch(r"[^\s=]+\s*[\s=]\s*([^\s\"'{}]+)", setting.strip())
    return value[1] if value and _name(setting) == "beams:lhef" else None


def _name(setting: str) -> str:
    """Return the name of a setting in the form that Pythia compares."""
    return re.split(r"[\s=]", setting.strip(), maxsplit=1)[0].replace("::", ":").lower()


def _refuse_repeated(settings: Sequence[str]) -> None:
    """Refuse a setting that a later one replaces; settings of particles, which begin with a digit, may add up."""
    first: dict[str, str] = {}
    for setting in settings:
        name = _name(setting)
        if name[:1].isalpha() and name != "include" and first.setdefault(name, setting) != setting:
            raise ValueError(f"'{first[name]}' would be overridden by '{setting}'")


def read_settings(pythia: "pythia8mc.Pythia", settings: Sequence[str], decided: Mapping[str, Value]) -> None:
    """Pass the settings of a process to Pythia, after those that the script decides.

    Each setting is checked by its effect on the values in Pythia, which accepts many spellings and whole files.

    Parameters
    ----------
    pythia : pythia8mc.Pythia
    settings : sequence of str
        Lines ``Key = value``.
    decided : mapping of str to value
        The settings of `DECIDED_BY`.

    Raises
    ------
    ValueError
        If Pythia does not know a setting, or the setting would have no effect. The message names it.
    """
    _refuse_repeated(settings)
    for setting in (*COMMON_SETTINGS, *(f"{key} = {_text(value)}" for key, value in decided.items())):
        if not pythia.readString(setting):
            raise ValueError(f"Pythia does not accept '{setting}'")
    before = {key: setting_value(pythia, key) for key in (*DECIDED_BY, *WITHOUT_EFFECT, *FRAME_OF)}
    for setting in settings:
        if not pythia.readString(setting):
            raise ValueError(f"Pythia does not accept '{setting}'")
        for key, flag in DECIDED_BY.items():
            if setting_value(pythia, key) != before[key]:
                raise ValueError(f"'{setting}' would be overridden: {flag} decides {key}, give that instead")
        for key in WITHOUT_EFFECT:
            if setting_value(pythia, key) != before[key]:
                raise ValueError(f"'{setting}' would have no effect: {key} is not used here")
    if pythia.settings.unfinishedInput():
        raise ValueError(f"the settings {', '.join(map(repr, settings))} open a brace that they do not close")
    named = {_name(setting) for setting in settings}
    for key, frame in FRAME_OF.items():
        given = key.lower() in named or setting_value(pythia, key) != before[key]
        if given and setting_value(pythia, FRAME) != frame:
            raise ValueError(
                f"{key} would have no effect: expected {FRAME} = {frame} with it, found {setting_value(pythia, FRAME)}"
            )
    if setting_value(pythia, FRAME) == LES_HOUCHES and setting_value(pythia, "Beams:LHEF") == before["Beams:LHEF"]:
        raise ValueError(f"expected Beams:LHEF with {FRAME} = {LES_HOUCHES}, which names the file, found none")


def refuse_beams(pythia: "pythia8mc.Pythia") -> None:
    """Refuse settings that choose beams or a Les Houches file, where the file is given otherwise."""
    if setting_value(pythia, FRAME) != DEFAULT_FRAME:
        raise ValueError(f"'{FRAME} = {setting_value(pythia, FRAME)}' would be overridden: --source decides it")


@functools.cache
def refusal(settings: tuple[str, ...]) -> str | None:
    """Return why Pythia would refuse settings; None if it would not, is not installed, or a file is included."""
    try:
        import pythia8mc  # takes a third of a second
    except ImportError:
        return None
    if any(_name(setting) == "include" for setting in settings):
        return None
    with captured_output() as output:
        try:
            read_settings(pythia8mc.Pythia("", False), settings, {})
        except ValueError as error:
            return f"{error}{reason(output)}"
    return None


def setting_value(pythia: "pythia8mc.Pythia", key: str) -> Value:
    """Return the value of a flag, an integer, a number or a word."""
    kinds = {"Flag": "flag", "Mode": "mode", "Parm": "parm", "Word": "word"}
    kind = next(name for is_kind, name in kinds.items() if getattr(pythia.settings, f"is{is_kind}")(key))
    return getattr(pythia, kind)(key)


def _text(value: Value) -> str:
    """Return a value in the syntax of Pythia."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


@contextmanager
def captured_output() -> Iterator[BinaryIO]:
    """Capture the standard output of Pythia, which the redirection of Python does not reach."""
    sys.stdout.flush()
    standard_output = os.dup(1)
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        try:
            yield output
        finally:
            os.dup2(standard_output, 1)
            os.close(standard_output)


def reason(output: BinaryIO) -> str:
    """Return the first error of Pythia in its captured output, after a colon, or nothing."""
    output.seek(0)
    messages = re.findall(r"PYTHIA (?:Error|Abort):? (.+)", output.read().decode(errors="replace"))
    return f": {messages[0].strip(' :')}" if messages else ""
