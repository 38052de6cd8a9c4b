"""Weights in the loss of a training: of each event, and the share of each process."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.l1_events import L1Events
from utils.runtime.errors import UserError
from utils.training.options import LossOptions


@dataclass(frozen=True)
class LossWeights:
    """Rule for the weight of an event in the loss.

    An event of weight w counts as sign(w) |w|^power. These numbers are scaled so that each process has its share of the
    sum over the training events, and so that their mean is 1. The loss therefore does not depend on the number of
    events of a process.

    Attributes
    ----------
    power : float
    sampled_spectrum : bool
        Whether w is the cross-section weight times the keep probability of the selective sampling, which gives the
        sampled spectrum. Otherwise w is the cross-section weight, which gives the physical spectrum.
    process_shares : mapping of str to float or None
        Share of each process, up to a common factor; 1 for each process that is not named.
    """

    power: float = 1.0
    sampled_spectrum: bool = True
    process_shares: Mapping[str, float] | None = None

    @classmethod
    def from_options(cls, options: LossOptions) -> "LossWeights":
        """Return the rule that the options of a training describe."""
        return cls(options.weight_power, bool(options.sampled_spectrum), options.process_shares or None)

    def event_weights(self, events: L1Events) -> np.ndarray:
        """Return the weights w of events, shape (n_events,), float32."""
        if self.sampled_spectrum and events.keep_probability is not None:
            return events.weights * events.keep_probability
        return events.weights

    def powers(self, weights: np.ndarray) -> np.ndarray:
        """Return sign(w) |w|^power, float64."""
        wide = weights.astype(np.float64)
        with np.errstate(over="ignore"):  # an infinite sum is refused later
            return np.sign(wide) * np.abs(wide) ** self.power

    def shares(self, names: Sequence[str], counts: np.ndarray) -> np.ndarray:
        """Return the share of each process. A process without events has none; all add up to 1.

        Parameters
        ----------
        names : sequence of str
        counts : np.ndarray, shape (n_processes,), int
            Events of each.

        Returns
        -------
        np.ndarray, shape (n_processes,), float64
        """
        given = self.process_shares or {}
        shares = np.array([given.get(name, 1.0) for name in names]) * (counts > 0)
        return shares / shares.sum()


@dataclass
class LossSpectrum:
    """Sums of the weights in the loss, by process and bin of a variable.

    Attributes
    ----------
    names : sequence of str
        Names of the processes.
    edges : np.ndarray, shape (n_bins,)
        Lower edges of the bins in GeV; the last bin has no upper edge.
    counts, sums : np.ndarray, shape (n_processes, n_bins)
        Events, and the sums of their weights.
    """

    names: Sequence[str]
    edges: np.ndarray
    counts: np.ndarray
    sums: np.ndarray

    @classmethod
    def empty(cls, names: Sequence[str], edges: Sequence[float] | np.ndarray) -> "LossSpectrum":
        """Return an empty spectrum."""
        shape = len(names), len(edges)
        return cls(names, np.asarray(edges, float), np.zeros(shape, np.int64), np.zeros(shape))

    def add(self, processes: np.ndarray, values: np.ndarray, weights: np.ndarray) -> None:
        """Add events: the index of their process in `names`, their variable in GeV, their weight."""
        bins = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, None)
        places, size = processes.astype(np.int64) * len(self.edges) + bins, self.sums.size
        self.counts += np.bincount(places, minlength=size).reshape(self.sums.shape)
        self.sums += np.bincount(places, weights, size).reshape(self.sums.shape)

    def merged(self, n_bins: int) -> "LossSpectrum":
        """Return the spectrum with `n_bins` bins joined into one, except the last bin."""
        starts = [*range(0, len(self.edges) - 1, n_bins), len(self.edges) - 1]
        counts, sums = (np.add.reduceat(part, starts, axis=1) for part in (self.counts, self.sums))
        return LossSpectrum(self.names, self.edges[starts], counts, sums)

    def share_of_loss(self, rule: LossWeights) -> np.ndarray:
        """Return the share of each process and bin in the loss, shape (n_processes, n_bins); all add up to 1."""
        counts, sums = self.counts.sum(1), self.sums.sum(1)
        per_sum = np.divide(rule.shares(self.names, counts), sums, out=np.zeros_like(sums), where=sums > 0)
        return self.sums * per_sum[:, None]

    def process_shares(self, rule: LossWeights) -> dict[str, float]:
        """Return the share of each process that has events."""
        counts = self.counts.sum(1)
        shares = rule.shares(self.names, counts)
        return {name: float(share) for name, share, n in zip(self.names, shares, counts, strict=True) if n}

    def refuse_sums_below_0(self, source: str) -> None:
        """Refuse a process whose weights do not add up to more than 0, naming the source."""
        for name, count, total in zip(self.names, self.counts.sum(1), self.sums.sum(1), strict=True):
            if count and not 0 < total < math.inf:
                raise UserError(
                    f"{source}: process '{name}': the weights of its {count} events add up to {total:g}, "
                    "expected a finite sum above 0"
                )

    def factors(self, rule: LossWeights) -> np.ndarray:
        """Return the factor on the weights of each process that makes their sum its share of all events."""
        totals = self.sums.sum(1)
        shares = rule.shares(self.names, self.counts.sum(1)) * self.counts.sum()
        return np.divide(shares, totals, out=np.zeros_like(totals), where=totals > 0)

    def text(self, variable: str, rule: LossWeights) -> str:
        """Table of the share of the loss and the events of each process in each bin of the variable."""
        present = np.flatnonzero(self.counts.sum(1)).tolist()
        share, ends = self.share_of_loss(rule), [f"{edge:g}" for edge in self.edges[1:]] + ["inf"]
        rows = [[f"{variable} [GeV]", *(f"{self.names[i]} (events)" for i in present)]]
        for number, (low, high) in enumerate(zip(self.edges, ends, strict=True)):
            cells = [f"{100 * share[i, number]:.3g}% ({self.counts[i, number]})" for i in present]
            rows.append([f"{low:g} - {high}", *cells])
        totals = [f"{100 * share[i].sum():.3g}% ({self.counts[i].sum()})" for i in present]
        rows.append(["all", *totals])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(lines) + "\n"
