"""Cutflow: how many events each step read, wrote and left out, by process.

Each step appends its counts to the cutflow of its input and stores the whole with its output: as the attribute
``event_counts`` of HDF5 files, and under that key in training.json, results.json and firmware.json. The last step shows
the cutflow from the generator to the plots, and reports numbers that do not add up. Files made by other programs have
no cutflow.
"""

import json
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from utils.runtime.errors import UserError

logger = logging.getLogger(__name__)

EVENT_COUNTS = "event_counts"
READ, GENERATED, LEFT_OUT = "read", "generated", "left out"

ByProcess = Mapping[str, int]
ByReason = Mapping[str, ByProcess]


@dataclass(frozen=True)
class StepCounts:
    """Event counts of one step.

    Attributes
    ----------
    step : str
        Name of the script.
    source : str or None
        Output of the previous step that was read; None if it is unknown.
    read : dict of str to int
        By process.
    written, left_out : dict of str to dict of str to int
        For each output, and for each reason, by process.
    rows_an_event : dict of str to int
        Rows of each event in an output, where they are not one: its smearings. The next step reads rows. An entry
        ``OUTPUT PROCESS`` is for that process alone.
    including : dict of str to dict of str to int
        Events of a kind among those that were written, by process.
    """

    step: str
    source: str | None
    read: ByProcess
    written: ByReason
    left_out: ByReason
    rows_an_event: Mapping[str, int] = field(default_factory=dict)
    including: ByReason = field(default_factory=dict)

    def output(self, name: str) -> dict[str, int]:
        """Return the rows of an output by process; `LEFT_OUT` is the sum over all reasons."""
        if name == LEFT_OUT:
            return _sum(self.left_out.values())
        rows, each = self.rows_an_event, self.rows_an_event.get(name, 1)
        return {
            process: rows.get(f"{name} {process}", each) * number
            for process, number in self.written.get(name, {}).items()
        }

    def disagreements(self) -> list[str]:
        """List the processes whose events read differ from those written and left out."""
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
class Cutflow:
    """Event counts of all steps up to a file or another output.

    Attributes
    ----------
    steps : tuple of StepCounts
        In the order in which they ran; empty if nothing is recorded.
    output : str or None
        Output of the last step to which this cutflow belongs.
    """

    steps: tuple[StepCounts, ...] = ()
    output: str | None = None

    @classmethod
    def from_json(cls, text: str | None) -> "Cutflow":
        """Parse the attribute of an HDF5 file; anything else gives an empty cutflow."""
        try:
            return cls.from_record(json.loads(text or "null"))
        except (RecursionError, ValueError):
            return cls()

    @classmethod
    def from_record(cls, record: Any) -> "Cutflow":
        """Make a cutflow of a parsed record; anything else gives an empty cutflow."""
        try:
            steps = tuple(_step(**step) for step in record["steps"])
            return cls(steps, _text(record["output"])) if steps else cls()
        except (KeyError, TypeError, ValueError):
            return cls()

    @classmethod
    def merged(cls, inputs: "Mapping[str, Sequence[Cutflow]]") -> "Cutflow":
        """Add up the cutflows of events files, process by process.

        Parameters
        ----------
        inputs : mapping of str to sequence of Cutflow
            Cutflow of each file, by process. A process with a file without a cutflow is left out.
        """
        first_steps = {
            process: [cutflow.steps[0] for cutflow in cutflows]
            for process, cutflows in inputs.items()
            if all(cutflow.steps for cutflow in cutflows)
        }
        if not first_steps:
            return cls()
        first = next(iter(first_steps.values()))[0]

        def add_up(part: str) -> ByReason:
            names = dict.fromkeys(name for steps in first_steps.values() for step in steps for name in vars(step)[part])
            return {
                name: {
                    process: sum(sum(vars(step)[part].get(name, {}).values()) for step in steps)
                    for process, steps in first_steps.items()
                }
                for name in names
            }

        read = {process: sum(sum(step.read.values()) for step in steps) for process, steps in first_steps.items()}
        step = StepCounts(first.step, first.source, read, add_up("written"), add_up("left_out"))
        return cls((step,), next(iter(step.written)))

    def record(self) -> dict[str, Any]:
        """Return the content for JSON."""
        return {"steps": [asdict(step) for step in self.steps], "output": self.output}

    def attribute(self) -> dict[str, str]:
        """Return the attribute of an HDF5 file by its name."""
        return {EVENT_COUNTS: json.dumps(self.record())}

    def of(self, output: str) -> "Cutflow":
        """Return the cutflow of another output of the same step."""
        return Cutflow(self.steps, output)

    def disagreements(self) -> list[str]:
        """List the numbers that do not add up, within a step or from one to the next."""
        found = [text for step in self.steps for text in step.disagreements()]
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            written = before.output(after.source or "")
            found += [
                f"{after.step}: {process}: {after.read.get(process, 0)} read, but {number} written by {before.step}"
                for process, number in written.items()
                if number != after.read.get(process, 0)
            ]
        return found


NamedCutflows = Sequence[tuple[str, Cutflow]]


def _step(
    *, step: Any, source: Any, read: Any, written: Any, left_out: Any, rows_an_event: Any = None, including: Any = None
) -> StepCounts:
    """Check the parts of a record."""
    outputs, reasons, kinds = (
        {_text(name): _counts(counts) for name, counts in part.items()} for part in (written, left_out, including or {})
    )
    known_source, rows = None if source is None else _text(source), _counts(rows_an_event or {})
    return StepCounts(_text(step), known_source, _counts(read), outputs, reasons, rows, kinds)


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
class StepCounter:
    """Counter of the events of a step while it runs.

    Parameters
    ----------
    process_names : dict
        Name of each process id.
    outputs, reasons : collection of str
        Outputs to which an event can be written, and reasons for which it can be left out.
    kinds : collection of str
        Kinds of events that are counted among those that are written.
    """

    process_names: Mapping[int, str]
    outputs: Collection[str]
    reasons: Collection[str] = ()
    kinds: Collection[str] = ()
    _outcomes: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, outcome: str, ids: np.ndarray) -> None:
        """Count events by their process ids; the outcome is `READ`, an output, a reason or a kind."""
        for process_id, number in zip(*np.unique(ids, return_counts=True), strict=True):
            self.add_number(outcome, int(process_id), int(number))

    def add_number(self, outcome: str, process_id: int, number: int) -> None:
        """Add a number of events of one process."""
        self._outcomes.setdefault(outcome, Counter())[process_id] += number

    def number(self, outcome: str, process_id: int) -> int:
        """Return the number of events counted for one process."""
        return self._outcomes.get(outcome, Counter())[process_id]

    def append_to(self, cutflow: Cutflow, step: str, rows_an_event: Mapping[str, int] | None = None) -> Cutflow:
        """Append the counts to the cutflow of the input, and log them.

        Parameters
        ----------
        cutflow : Cutflow
        step : str
            Name of the script.
        rows_an_event : mapping of str to int, optional
            Rows of each event in an output, where they are not one.

        Returns
        -------
        Cutflow
            Cutflow of the first output.

        Raises
        ------
        UserError
            If events that were read are neither written nor left out.
        """
        written, left_out, including = (
            {name: self._by_process(name) for name in names} for names in (self.outputs, self.reasons, self.kinds)
        )
        read, rows = self._by_process(READ), rows_an_event or {}
        counts = StepCounts(step, cutflow.output, read, written, left_out, rows, including)
        lost = counts.disagreements()
        if lost:
            raise UserError(f"events were lost, please report it: {'; '.join(lost)}")
        logger.info("%s: %d events read; %s", step, sum(counts.read.values()), "; ".join(_totals(counts)))
        extended = Cutflow((*cutflow.steps, counts), next(iter(self.outputs)))
        for text in extended.disagreements():
            logger.warning("events do not add up: %s", text)
        return extended

    def _by_process(self, outcome: str) -> dict[str, int]:
        return {name: self.number(outcome, process_id) for process_id, name in self.process_names.items()}


def _totals(step: StepCounts) -> list[str]:
    """Describe the number of events of each output and of each reason."""
    texts = [f"{name}: {sum(counts.values())}" for name, counts in step.written.items()]
    texts += [f"left out, {name}: {sum(counts.values())}" for name, counts in step.left_out.items()]
    return texts + [f"including {name}: {sum(counts.values())}" for name, counts in step.including.items()]


def cutflow_table(cutflows: NamedCutflows) -> str:
    """Format cutflows as a table with a block for each step and a column for each process.

    A step that several cutflows share is shown once. The last lines say which part is not recorded, and which numbers
    do not add up.

    Parameters
    ----------
    cutflows : sequence of (str, Cutflow)
        Each with the name of the result, such as "teacher" or "evaluation".
    """
    blocks: dict[str, tuple[StepCounts, list[str]]] = {}
    for name, cutflow in cutflows:
        for step in cutflow.steps:
            blocks.setdefault(json.dumps(asdict(step)), (step, []))[1].append(name)
    processes = list(dict.fromkeys(process for step, _ in blocks.values() for process in step.read))
    rows: list[tuple[str, ...]] = [("events", *processes, "all")]
    for step, names in blocks.values():
        rows += [("",) * len(rows[0]), (f"{step.step} ({', '.join(names)})", *[""] * (len(processes) + 1))]
        lines = [(f"  in: {step.source or 'a file without a cutflow'}", step.read)]
        rows_of = {name: f", {number} rows each" for name, number in step.rows_an_event.items()}
        lines += [(f"  out: {name}{rows_of.get(name, '')}", counts) for name, counts in step.written.items()]
        lines += [(f"  left out: {name}", counts) for name, counts in step.left_out.items()]
        lines += [(f"  including: {name}", counts) for name, counts in step.including.items()]
        for name, counts in lines:
            cells = [str(counts[process]) if process in counts else "-" for process in processes]
            rows.append((name, *cells, str(sum(counts.values()))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )
    return "\n".join([table, "", *_remarks(cutflows)]) + "\n"


def disagreements(cutflows: NamedCutflows) -> list[str]:
    """List the numbers of several cutflows that do not add up, each once."""
    return list(dict.fromkeys(text for _, cutflow in cutflows for text in cutflow.disagreements()))


def cutflows_record(cutflows: NamedCutflows) -> dict[str, Any]:
    """Return the content for JSON: the steps of each cutflow, and the numbers that do not add up."""
    return {
        "branches": [{"name": name, "steps": cutflow.record()["steps"]} for name, cutflow in cutflows],
        "disagreements": disagreements(cutflows),
    }


def _remarks(cutflows: NamedCutflows) -> list[str]:
    """Say which part is not recorded and whether all numbers add up."""
    remarks = []
    for name, cutflow in cutflows:
        if not cutflow.steps:
            remarks.append(f"{name}: nothing is recorded.")
        elif cutflow.steps[0].source != GENERATED:
            remarks.append(f"{name}: the steps before {cutflow.steps[0].step} are not recorded.")
    found = disagreements(cutflows)
    return remarks + ([f"DOES NOT ADD UP: {text}" for text in found] or ["All recorded numbers add up."])
