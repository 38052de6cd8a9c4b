"""What became of the events: how many each step read, wrote and left out, and why, by process.

A step puts its counts behind those of the steps before it, whose record came with its input, and leaves the whole with
its output: in the attribute ``event_counts`` of HDF5 files, under that key in training.json, results.json and
firmware.json. The last step can show the way of all events, and say where the numbers do not add up. Files from
elsewhere have no such record.
"""

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utils.formats.first_look import first_look
from utils.formats.hdf5 import open_hdf5, read_text_attribute
from utils.runtime.errors import UserError

logger = logging.getLogger(__name__)

EVENT_COUNTS = "event_counts"
MOST_EVENTS = 2**53  # that are believed; sums of them can be counted and shown
READ, GENERATED, LEFT_OUT = "read", "generated", "left out"

ByProcess = Mapping[str, int]
ByReason = Mapping[str, ByProcess]


@dataclass(frozen=True)
class StepCounts:
    """Events of a step.

    Attributes
    ----------
    step : str
        Name of the script.
    source : str or None
        Which output of the step before was read; None if that is not on record.
    read : dict of str to int
        By process.
    written, left_out : dict of str to dict of str to int
        For each output, and for each reason, by process.
    """

    step: str
    source: str | None
    read: ByProcess
    written: ByReason
    left_out: ByReason

    def output(self, name: str) -> dict[str, int]:
        """Return the events of an output by process; those of `LEFT_OUT` are the sum of all reasons."""
        return _sum(self.left_out.values()) if name == LEFT_OUT else dict(self.written.get(name, {}))

    def disagreements(self) -> list[str]:
        """Say for which processes more or fewer events were read than written and left out."""
        accounted_for = _sum([*self.written.values(), *self.left_out.values()])
        return [
            f"{self.step}: {process}: {self.read.get(process, 0)} read, {accounted_for.get(process, 0)} accounted for"
            for process in dict.fromkeys((*self.read, *accounted_for))
            if self.read.get(process, 0) != accounted_for.get(process, 0)
        ]


def _sum(parts: Iterable[ByProcess]) -> dict[str, int]:
    """Add up counts by process."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


@dataclass(frozen=True)
class History:
    """What became of the events of a file, or of whatever else a step wrote.

    Attributes
    ----------
    steps : tuple of StepCounts
        The first one first; empty if nothing is on record.
    output : str or None
        Which output of the last step they are.
    """

    steps: tuple[StepCounts, ...] = ()
    output: str | None = None

    @classmethod
    def read(cls, path: str | Path) -> "History":
        """Read what is on record of an HDF5 file; of one that was checked it is there already."""
        (history,) = first_look(cls._look, [path])
        return history

    @classmethod
    def _look(cls, path: Path) -> "History":
        with open_hdf5(path) as file:
            return cls.of_attribute(file)

    @classmethod
    def of_attribute(cls, file: h5py.File) -> "History":
        """Read the attribute of an open file."""
        try:
            return cls.of_record(json.loads(read_text_attribute(file, EVENT_COUNTS) or "null"))
        except (RecursionError, ValueError):
            return cls()

    @classmethod
    def of_record(cls, record: Any) -> "History":
        """Make a history of its record; of anything else, one without steps."""
        try:
            steps = tuple(_step(**step) for step in record["steps"])
            return cls(steps, _text(record["output"])) if steps else cls()
        except (KeyError, TypeError, ValueError):
            return cls()

    @classmethod
    def of_inputs(cls, files: "Mapping[str, Sequence[History]]") -> "History":
        """Add up what is on record of the events files of several processes.

        Parameters
        ----------
        files : mapping of str to sequence of History
            Of the files of each process. One of which a file has no record has none.
        """
        found = {process: [history.steps for history in of_files] for process, of_files in files.items()}
        of_process = {
            process: [steps[0] for steps in histories] for process, histories in found.items() if all(histories)
        }
        if not of_process:
            return cls()
        first = next(iter(of_process.values()))[0]

        def add_up(part: str) -> ByReason:
            names = dict.fromkeys(name for steps in of_process.values() for step in steps for name in vars(step)[part])
            return {
                name: {
                    process: sum(sum(vars(step)[part].get(name, {}).values()) for step in steps)
                    for process, steps in of_process.items()
                }
                for name in names
            }

        read = {process: sum(sum(step.read.values()) for step in steps) for process, steps in of_process.items()}
        step = StepCounts(first.step, first.source, read, add_up("written"), add_up("left_out"))
        return cls((step,), next(iter(step.written)))

    def record(self) -> dict[str, Any]:
        """Return what is written to JSON."""
        return {"steps": [asdict(step) for step in self.steps], "output": self.output}

    def attribute(self) -> dict[str, str]:
        """Return the attribute of an HDF5 file."""
        return {EVENT_COUNTS: json.dumps(self.record())}

    def of(self, output: str) -> "History":
        """Return the history of another output of the same step."""
        return History(self.steps, output)

    def disagreements(self) -> list[str]:
        """Say where numbers do not add up, within a step or from one to the next."""
        found = [text for step in self.steps for text in step.disagreements()]
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            written = before.output(after.source or "")
            found += [
                f"{after.step}: {process}: {after.read.get(process, 0)} read, but {number} written by {before.step}"
                for process, number in written.items()
                if number != after.read.get(process, 0)
            ]
        return found


def _step(*, step: Any, source: Any, read: Any, written: Any, left_out: Any) -> StepCounts:
    """Check the parts of a record."""
    reasons = [{_text(name): _counts(counts) for name, counts in part.items()} for part in (written, left_out)]
    return StepCounts(_text(step), None if source is None else _text(source), _counts(read), *reasons)


def _counts(counts: Any) -> dict[str, int]:
    if not isinstance(counts, dict) or not all(
        type(number) is int and 0 <= number < 2**63 for number in counts.values()
    ):
        raise ValueError(f"expected numbers of events by process, received: {counts!r}")
    return {_text(process): number for process, number in counts.items()}


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise ValueError(f"expected text, received: {text!r}")
    return text


@dataclass
class Tally:
    """Counts the events of a step while it works.

    Parameters
    ----------
    process_names : dict
        Name of each process id.
    outputs, reasons : collection of str
        What may become of an event: the outputs it can be written to, and why it can be left out.
    """

    process_names: Mapping[int, str]
    outputs: Collection[str]
    reasons: Collection[str] = ()
    _outcomes: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, outcome: str, ids: np.ndarray) -> None:
        """Count events that were `READ`, or of an output or of a reason, by their process ids."""
        for process_id, number in zip(*np.unique(ids, return_counts=True), strict=True):
            self.add_number(outcome, int(process_id), int(number))

    def add_number(self, outcome: str, process_id: int, number: int) -> None:
        """Count so many events of a process."""
        self._outcomes.setdefault(outcome, Counter())[process_id] += number

    def number(self, outcome: str, process_id: int) -> int:
        """Return how many events of a process were counted."""
        return self._outcomes.get(outcome, Counter())[process_id]

    def after(self, before: History, step: str) -> History:
        """Put the counts behind what is on record of the input, and log them.

        A :class:`UserError` says if not all events that were read are accounted for.

        Parameters
        ----------
        before : History
        step : str
            Name of the script.

        Returns
        -------
        History
            Of the first output.
        """
        parts = [{name: self._by_process(name) for name in names} for names in (self.outputs, self.reasons)]
        counts = StepCounts(step, before.output, self._by_process(READ), *parts)
        lost = counts.disagreements()
        if lost:
            raise UserError(f"events got lost, please report it: {'; '.join(lost)}")
        logger.info("%s: %d events read; %s", step, sum(counts.read.values()), "; ".join(_shares(counts)))
        history = History((*before.steps, counts), next(iter(self.outputs)))
        for text in history.disagreements():
            logger.warning("events do not add up: %s", text)
        return history

    def _by_process(self, outcome: str) -> dict[str, int]:
        return {name: self.number(outcome, process_id) for process_id, name in self.process_names.items()}


def _shares(step: StepCounts) -> list[str]:
    """Say how many events each output has and each reason left out."""
    texts = [f"{name}: {sum(counts.values())}" for name, counts in step.written.items()]
    return texts + [f"left out, {name}: {sum(counts.values())}" for name, counts in step.left_out.items()]


@dataclass(frozen=True)
class Branch:
    """What became of the events that something was made with, such as a model or the evaluation."""

    name: str
    history: History


def event_table(branches: Sequence[Branch]) -> str:
    """Write the way of all events as a table: a part for each step, a column for each process.

    Steps that branches share are shown once. At the end it says what is not on record, and where numbers do not add up.
    """
    of_step: dict[str, tuple[StepCounts, list[str]]] = {}
    for branch in branches:
        for step in branch.history.steps:
            of_step.setdefault(json.dumps(asdict(step)), (step, []))[1].append(branch.name)
    processes = list(dict.fromkeys(process for step, _ in of_step.values() for process in step.read))
    rows: list[tuple[str, ...]] = [("events", *processes, "all")]
    for step, names in of_step.values():
        rows += [("",) * len(rows[0]), (f"{step.step} ({', '.join(names)})", *[""] * (len(processes) + 1))]
        lines = [(f"  in: {step.source or 'a file without a record'}", step.read)]
        lines += [(f"  out: {name}", counts) for name, counts in step.written.items()]
        lines += [(f"  left out: {name}", counts) for name, counts in step.left_out.items()]
        for name, counts in lines:
            cells = [str(counts[process]) if process in counts else "-" for process in processes]
            rows.append((name, *cells, str(sum(counts.values()))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )
    return "\n".join([table, "", *_remarks(branches)]) + "\n"


def disagreements(branches: Sequence[Branch]) -> list[str]:
    """Say where the numbers of branches do not add up, once each."""
    return list(dict.fromkeys(text for branch in branches for text in branch.history.disagreements()))


def branches_record(branches: Sequence[Branch]) -> dict[str, Any]:
    """Return what is written to JSON: the steps of each branch, and where numbers do not add up."""
    return {
        "branches": [{"name": branch.name, "steps": branch.history.record()["steps"]} for branch in branches],
        "disagreements": disagreements(branches),
    }


def _remarks(branches: Sequence[Branch]) -> list[str]:
    """Say what is not on record and whether all adds up."""
    remarks = []
    for branch in branches:
        steps = branch.history.steps
        if not steps:
            remarks.append(f"{branch.name}: nothing is on record.")
        elif steps[0].source != GENERATED:
            remarks.append(f"{branch.name}: what was before {steps[0].step} is not on record.")
    found = disagreements(branches)
    return remarks + ([f"DOES NOT ADD UP: {text}" for text in found] or ["All numbers on record add up."])
