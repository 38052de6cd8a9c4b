"""Selective sampling: the probability to keep an event, by jet multiplicity and by the spectrum of a variable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.event_layout import JETS
from utils.l1_events import L1Events, jet_count
from utils.runtime.options import flag
from utils.training.loss_weights import LossSpectrum, LossWeights
from utils.variables import VARIABLES, reconstructed

MAX_JETS = JETS.stop - JETS.start
LOSS = LossWeights()  # the default of a training


@dataclass(frozen=True, kw_only=True)
class SelectionOptions:
    """Which events make the training sample."""

    processes: tuple[str, ...] = flag(
        (), help="processes to keep; none: all", processes=True, schema={"uniqueItems": True}
    )
    fractions_to_keep: tuple[float, ...] = flag(
        (), help="shares of events to keep with 0, 1, 2, ... L1 jets; none: all", minimum=0, maximum=1
    )
    mode: str = flag(
        "==",
        help="whether a share applies to events with exactly that number of jets, or with at least that number",
        choices=("==", ">="),
    )
    sampling_threshold: float | None = flag(
        None,
        help="make the spectrum of the variable flat below this; none: leave it unchanged",
        unit="GeV",
        above=0,
        by_variable=dict.fromkeys(VARIABLES),
    )
    sampling_bins: int = flag(15, help="bins of the spectrum below the threshold", minimum=1)


def jet_count_probability(n_jets: np.ndarray, fractions: Sequence[float], mode: str) -> np.ndarray:
    """Return the probability to keep events by their number of jets.

    Parameters
    ----------
    n_jets : np.ndarray, shape (n_events,), int
    fractions : sequence of float
        Entry i is applied to events with i jets (mode ``==``), or with i jets and more (mode ``>=``, where the
        entries up to the number of jets multiply). Events with more jets than entries are kept in mode ``==``.
    mode : str
        ``==`` or ``>=``.

    Returns
    -------
    np.ndarray, shape (n_events,), float64
    """
    if not len(fractions):
        return np.ones(len(n_jets))
    by_count = np.append(fractions, 1.0) if mode == "==" else np.cumprod(np.append(fractions, 1.0))
    return by_count[np.minimum(n_jets, len(fractions))]


@dataclass(frozen=True)
class Flattening:
    """Probability to keep an event by a variable, so that its spectrum is uniform below a threshold.

    Attributes
    ----------
    threshold : float
        In GeV; every event above it is kept.
    edges : np.ndarray, shape (n_bins + 1,)
        Bins from 0 to the threshold.
    probability : np.ndarray, shape (n_bins,)
        1 in bins with fewer events than the bin above the threshold, since events cannot be added.
    """

    threshold: float
    edges: np.ndarray
    probability: np.ndarray

    @classmethod
    def fit(cls, counts: np.ndarray, threshold: float) -> "Flattening":
        """Bring all bins below the threshold down to the bin just above it.

        Parameters
        ----------
        counts : np.ndarray, shape (n_bins + 1,), int
            Events in equal bins from 0 to the threshold, and in one more bin of that width above it.
        threshold : float
            In GeV.
        """
        below, level = counts[:-1], counts[-1]
        probability = np.minimum(1.0, level / np.maximum(below, 1))
        return cls(threshold, np.linspace(0, threshold, len(counts)), probability)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the probability to keep events of these values in GeV."""
        bins = np.searchsorted(self.edges, values, side="right") - 1
        return np.append(self.probability, 1.0).take(bins, mode="clip")


def count_for_flattening(values: np.ndarray, threshold: float, n_bins: int) -> np.ndarray:
    """Count events in `n_bins` equal bins from 0 to the threshold and in one more above it."""
    width = threshold / n_bins
    edges = np.append(np.linspace(0, threshold, n_bins + 1), threshold + width)
    bins = np.searchsorted(edges, values, side="right") - 1
    return np.bincount(bins, minlength=n_bins + 2)[:-1]


@dataclass
class SamplingCounts:
    """Events before and after a selection, by jet multiplicity and by a variable.

    Attributes
    ----------
    variable : str
    edges : np.ndarray, shape (n_bins + 1,)
        Bins of the variable in GeV, from 0 to three times the threshold; the spectra leave larger values out.
    jets : np.ndarray, shape (4, 11), int
        Events that pass 0 to 3 selections (process, prescale, flattening) and have 0 to 10 L1 jets.
    events : np.ndarray, shape (4, 2, n_processes, n_bins + 1), int
        Events that pass 0 to 3 selections; without and with a target, so that they can be trained on; by process, in
        the order of the ids; in each bin and above all bins.
    sums : np.ndarray, shape (3, n_processes, n_bins + 1)
        Sums of the default weights in the loss: of the events of the chosen processes, of those with a target, and of
        the kept events with a target.
    """

    variable: str
    edges: np.ndarray
    jets: np.ndarray
    events: np.ndarray
    sums: np.ndarray
    _ids: np.ndarray
    _names: Sequence[str]

    @classmethod
    def empty(
        cls, variable: str, threshold: float, process_names: Mapping[int, str], n_bins: int = 60
    ) -> "SamplingCounts":
        """Start to count."""
        ids = sorted(process_names)
        table, edges = (len(ids), n_bins + 1), np.linspace(0, 3 * threshold, n_bins + 1)
        jets, events = np.zeros((4, MAX_JETS + 1), np.int64), np.zeros((4, 2, *table), np.int64)
        names = [process_names[number] for number in ids]
        return cls(variable, edges, jets, events, np.zeros((3, *table)), np.array(ids), names)

    def add(self, events: L1Events, chosen: np.ndarray, prescaled: np.ndarray, kept: np.ndarray) -> None:
        """Count events; masks (n_events,), bool: of chosen processes, left by the prescale, left by the flattening."""
        n_passed, n_jets = chosen.astype(np.int64) + prescaled + kept, jet_count(events.smeared_data)
        self.jets += _counted(n_passed * (MAX_JETS + 1) + n_jets, self.jets.shape)
        bins = np.searchsorted(self.edges, getattr(events, self.variable), side="right") - 1
        places = np.searchsorted(self._ids, events.ids) * len(self.edges) + bins
        trainable = (n_jets > 0) & (getattr(events, reconstructed(self.variable)) > 0)
        self.events += _counted((2 * n_passed + trainable) * self.sums[0].size + places, self.events.shape)
        for sums, rows, weights in zip(
            self.sums,
            (chosen, chosen & trainable, kept & trainable),
            (events.weights, events.weights, LOSS.event_weights(events)),
            strict=True,
        ):
            sums += np.bincount(places, np.where(rows, weights, 0), sums.size).reshape(sums.shape)

    @property
    def jets_before(self) -> np.ndarray:
        """Events with 0 to 10 L1 jets before the selection."""
        return self.jets.sum(0)

    @property
    def jets_after(self) -> np.ndarray:
        """Events with 0 to 10 L1 jets after the selection."""
        return self.jets[3]

    @property
    def before(self) -> np.ndarray:
        """Spectrum of all events, shape (n_bins,)."""
        return self.events.sum((0, 1, 2))[:-1]

    @property
    def prescaled(self) -> np.ndarray:
        """Spectrum after the choice of processes and the prescale, shape (n_bins,)."""
        return self.events[2:].sum((0, 1, 2))[:-1]

    @property
    def after(self) -> np.ndarray:
        """Spectrum after the flattening, shape (n_bins,)."""
        return self.events[3].sum((0, 1))[:-1]

    @property
    def chosen(self) -> LossSpectrum:
        """Default weights in the loss of all events of the chosen processes."""
        return LossSpectrum(self._names, self.edges, self.events[1:].sum((0, 1)), self.sums[0])

    @property
    def physical(self) -> LossSpectrum:
        """Default weights in the loss of the events of the chosen processes that can be trained on."""
        return LossSpectrum(self._names, self.edges, self.events[1:, 1].sum(0), self.sums[1])

    @property
    def sampled(self) -> LossSpectrum:
        """Default weights in the loss of the kept events that can be trained on."""
        return LossSpectrum(self._names, self.edges, self.events[3, 1], self.sums[2])

    def by_process(self, n_passed: int) -> dict[int, int]:
        """Return the number of events of each process id that pass a number of selections, and fail the next one."""
        return dict(zip(self._ids.tolist(), self.events[n_passed].sum((0, 2)).tolist(), strict=True))

    @property
    def n_kept(self) -> int:
        """Number of events kept."""
        return int(self.jets_after.sum())

    def text(self) -> str:
        """Return tables of the events by jet multiplicity and of the share of the loss by the variable."""
        rows = [
            (f"{n_jets}", before, after)
            for n_jets, (before, after) in enumerate(zip(self.jets_before, self.jets_after, strict=True))
        ]
        rows.append(("all", self.jets_before.sum(), self.jets_after.sum()))
        lines = [f"{'L1 jets':>8} {'before':>12} {'after':>12} {'kept':>8}"]
        for name, before, after in rows:
            share = f"{after / before:.2%}" if before else "-"
            lines.append(f"{name:>8} {before:>12} {after:>12} {share:>8}")
        tables = ["\n".join(lines) + "\n"]
        for spectrum, which in ((self.physical, "without"), (self.sampled, "with")):
            if spectrum.counts.any():
                title = f"share of the loss {which} the selection, by the weights of a training with equal shares"
                tables.append(f"{title}\n{spectrum.merged(5).text(self.variable, LOSS)}")
        return "\n".join(tables)


def _counted(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Count the events at each place of a table."""
    return np.bincount(places, minlength=int(np.prod(shape))).reshape(shape)
