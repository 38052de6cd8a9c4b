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
        return np.append(self.probability, 1.0)[np.clip(bins, 0, len(self.probability))]


def count_for_flattening(values: np.ndarray, threshold: float, n_bins: int) -> np.ndarray:
    """Count events in `n_bins` equal bins from 0 to the threshold and in one more above it."""
    width = threshold / n_bins
    edges = np.append(np.linspace(0, threshold, n_bins + 1), threshold + width)
    return np.histogram(values[values < edges[-1]], edges)[0]


@dataclass
class SamplingCounts:
    """Events before and after a selection, by jet multiplicity and by a variable.

    Attributes
    ----------
    variable : str
    edges : np.ndarray, shape (n_bins + 1,)
        Bins of the variable in GeV, from 0 to three times the threshold; larger values are not in the spectra.
    jets_before, jets_after : np.ndarray, shape (11,), int
        Events with 0 to 10 L1 jets, before and after the selection.
    before, prescaled, after : np.ndarray, shape (n_bins,), int
        Events in each bin: all, after the choice of processes and the prescale, and after the flattening.
    physical, sampled : LossSpectrum
        Default weights in the loss of the events that can be trained on, by process, in the same bins and an overflow
        bin. `physical` has the chosen processes before the prescale and the flattening, `sampled` the kept events.
    """

    variable: str
    edges: np.ndarray
    jets_before: np.ndarray
    jets_after: np.ndarray
    before: np.ndarray
    prescaled: np.ndarray
    after: np.ndarray
    physical: LossSpectrum
    sampled: LossSpectrum
    _ids: np.ndarray

    @classmethod
    def empty(
        cls, variable: str, threshold: float, process_names: Mapping[int, str], n_bins: int = 60
    ) -> "SamplingCounts":
        """Start to count."""
        jets, spectrum = np.zeros(MAX_JETS + 1, np.int64), np.zeros(n_bins, np.int64)
        edges, ids = np.linspace(0, 3 * threshold, n_bins + 1), np.array(sorted(process_names))
        physical, sampled = (LossSpectrum.empty([process_names[i] for i in ids], edges) for _ in range(2))
        counts = jets, jets.copy(), spectrum, spectrum.copy(), spectrum.copy()
        return cls(variable, edges, *counts, physical, sampled, ids)

    def add(self, events: L1Events, chosen: np.ndarray, prescaled: np.ndarray, kept: np.ndarray) -> None:
        """Count events; masks (n_events,), bool: of chosen processes, left by the prescale, left by the flattening."""
        n_jets, values = jet_count(events.smeared_data), getattr(events, self.variable)
        self.jets_before += np.bincount(n_jets, minlength=MAX_JETS + 1)
        self.jets_after += np.bincount(n_jets[kept], minlength=MAX_JETS + 1)
        self.before += np.histogram(values, self.edges)[0]
        self.prescaled += np.histogram(values[prescaled], self.edges)[0]
        self.after += np.histogram(values[kept], self.edges)[0]
        trainable = (n_jets > 0) & (getattr(events, reconstructed(self.variable)) > 0)
        processes, sampled = np.searchsorted(self._ids, events.ids), LOSS.event_weights(events)
        for spectrum, rows, weights in (
            (self.physical, chosen & trainable, events.weights),
            (self.sampled, kept & trainable, sampled),
        ):
            spectrum.add(processes[rows], values[rows], weights[rows])

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
