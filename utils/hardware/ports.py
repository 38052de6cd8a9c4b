"""Ports of the firmware: the integers that a student takes from the trigger, and input words made of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.event_layout import SLOT_PIDS
from utils.hardware.inputs import KINDS, StudentInputs
from utils.hardware.integers import HardwareEvents, largest_pt

QUANTITIES = {
    "pt": "transverse momentum",
    "eta": "pseudorapidity",
    "phi": "azimuth",
    "met_phi": "azimuth of the missing momentum",
    "met": "length of the vector sum of the pT of all objects",
    "ht": "scalar sum of the pT of the jets",
}


@dataclass(frozen=True)
class Port:
    """One quantity that the firmware takes from the trigger, for each object or once for the event.

    Attributes
    ----------
    name : str
        A field of HardwareEvents.
    size : int
        Number of integers.
    low : int
        Smallest value.
    high : int or tuple of int
        Largest value, or that of each integer.
    step : float
        Size of a step.
    unit : str
        Unit of `step`.
    quantity : str
        The quantity in words.
    objects : tuple of str
        The object of each integer; none for quantities of the event.
    saturates : bool
        Whether larger values have the largest integer, which counts as saturated.
    """

    name: str
    size: int
    low: int
    high: int | tuple[int, ...]
    step: float = 1.0
    unit: str = ""
    quantity: str = ""
    objects: tuple[str, ...] = ()
    saturates: bool = False

    @property
    def highs(self) -> np.ndarray:
        """Largest value of each integer, shape (size,)."""
        return np.broadcast_to(self.high, self.size)

    @property
    def width(self) -> int:
        """Bits of the largest integer, in two's complement if it can be negative."""
        return max(int(self.highs.max()).bit_length(), (-self.low - 1).bit_length() if self.low < 0 else 0) + (
            self.low < 0
        )


def input_ports(inputs: StudentInputs) -> list[Port]:
    """List the ports of a student, in their order in the firmware's input word."""
    scales, n, objects = inputs.scales, inputs.n_slots, object_names(inputs)
    energy, turn = (scales.energy_step, "GeV"), (2 * np.pi / scales.phi_steps, "rad")
    largest = tuple(map(int, largest_pt(SLOT_PIDS[inputs.slots], scales)))
    ports = [Port("pt", n, 0, largest, *energy, QUANTITIES["pt"], objects, saturates=True)]
    if "abs_eta" in inputs.object_names:
        ports.append(
            Port("eta", n, -scales.largest_eta, scales.largest_eta, scales.eta_step, "", QUANTITIES["eta"], objects)
        )
    if {"along", "across"} & set(inputs.object_names):
        last = scales.phi_steps - 1
        ports.append(Port("phi", n, 0, last, *turn, QUANTITIES["phi"], objects))
        ports.append(Port("met_phi", 1, 0, last, *turn, QUANTITIES["met_phi"]))
    return ports + [
        Port(name, 1, 0, scales.sum_saturation, *energy, QUANTITIES[name], saturates=True) for name in inputs.sum_names
    ]


def object_names(inputs: StudentInputs) -> tuple[str, ...]:
    """Name the object of each slot: its kind, and its number among those of the kind."""
    names = {pid: kind for kind, pid in KINDS.items()}
    pids = SLOT_PIDS[inputs.slots]
    return tuple(f"{names[pid]} {np.sum(pids[: i + 1] == pid)}" for i, pid in enumerate(pids))


def input_words(ports: Sequence[Port], events: HardwareEvents, first: int = 0) -> np.ndarray:
    """Put the integers of events in the order of the ports.

    Parameters
    ----------
    ports : sequence of Port
    events : HardwareEvents
    first : int
        Number of the first event, for the message.

    Returns
    -------
    np.ndarray, shape (n_events, n_integers), float64
        Whole numbers, in the type that alkaid's interpreter takes.

    Raises
    ------
    ValueError
        If an integer is out of the range of its port; the message begins with the number of the event.
    """
    columns = []
    for port in ports:
        values = np.asarray(getattr(events, port.name)).reshape(len(events.met), port.size)
        outside = ((values < port.low) | (values > port.highs)).any(axis=1)
        if outside.any():
            event = int(np.argmax(outside))
            raise ValueError(
                f"{first + event}: {port.name} is {values[event].tolist()}, expected {port.low} to {port.highs.max()}"
            )
        columns.append(values)
    return np.concatenate(columns, axis=1).astype(np.float64)


def random_words(ports: Sequence[Port], n_events: int, seed: int) -> np.ndarray:
    """Draw integers uniformly from the range of each port; the first three events are all lowest, highest and zero.

    Parameters
    ----------
    ports : sequence of Port
    n_events : int
        At least 3.
    seed : int

    Returns
    -------
    np.ndarray, shape (n_events, n_integers), float64
    """
    low = np.repeat([port.low for port in ports], [port.size for port in ports])
    high = np.concatenate([port.highs for port in ports])
    words = np.random.default_rng(seed).integers(low, high, (n_events, len(low)), endpoint=True)
    words[0], words[1], words[2] = low, high, 0
    return words.astype(np.float64)


def word_events(ports: Sequence[Port], words: np.ndarray) -> HardwareEvents:
    """Return the events of :func:`input_words`; quantities without a port are zero."""
    n_events = len(words)
    n_slots = ports[0].size
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("pt", "eta", "phi"), (n_events, n_slots))
    shapes |= dict.fromkeys(("met", "met_phi", "ht"), (n_events,))
    columns = {name: np.zeros(shape, np.int32) for name, shape in shapes.items()}
    starts = np.cumsum([0, *(port.size for port in ports)])
    for port, start in zip(ports, starts, strict=False):
        values = words[:, start : start + port.size].astype(np.int32)
        columns[port.name] = values.reshape(shapes[port.name])
    return HardwareEvents(**columns)
