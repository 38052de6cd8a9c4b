"""Zero-bias events of CMS as NanoAOD with L1 tables, with the luminosity sections that count."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.event_layout import PT
from utils.formats.duplicates import LOOKED_AT, fingerprint, refuse_duplicates
from utils.formats.first_look import first_look
from utils.formats.luminosity_mask import LuminosityMask
from utils.formats.nanoaod import (
    EVENTS,
    LOOKING_SECONDS,
    Columns,
    Content,
    central_cuts,
    energy_sums,
    first_objects,
    trigger_events,
)
from utils.formats.nanoaod_options import Thresholds
from utils.formats.root import open_tree
from utils.formats.trigger_objects import KINDS, LARGEST_SUM
from utils.formats.zero_bias_events import PROCESS_ID, ZeroBiasEvents
from utils.runtime.errors import UserError

SECTION = ("run", "luminosityBlock")
# Sum of the trigger for each sum that is corrected: the later one where a file has none of the first.
REFERENCES = {"smeared_met": ("l1_etmhf", "l1_etm"), "smeared_ht": ("l1_htt",)}
OTHER_RUN, NOT_CERTIFIED = "other run", "not in the luminosity mask"


@dataclass(frozen=True)
class _File:
    """A checked file; `reference` is the sum of the trigger that it has, `cut` its thresholds by kind."""

    path: Path
    n_events: int
    content: Content
    reference: str
    cut: dict[str, float]
    fingerprint: str | None


@dataclass(frozen=True)
class NanoAODZeroBias:
    """Checked zero-bias events.

    Attributes
    ----------
    files : tuple of _File
    n_events : int
        With those that the mask leaves out.
    reference : str
        Sum of the trigger itself.
    mask : LuminosityMask
    jet_threshold : float
        In GeV.
    """

    files: tuple[_File, ...]
    n_events: int
    reference: str
    mask: LuminosityMask
    jet_threshold: float

    reasons = (OTHER_RUN, NOT_CERTIFIED)

    @classmethod
    def check(
        cls, paths: Sequence[Path], reconstructed: str, mask: LuminosityMask, jet_threshold: float, l1: str | None
    ) -> "NanoAODZeroBias":
        """Check the layout of all files; a :class:`UserError` says what is missing.

        Parameters
        ----------
        paths : sequence of Path
        reconstructed : str
            Corrected L1 sum, ``smeared_met`` or ``smeared_ht``, which decides the reference.
        mask : LuminosityMask
        jet_threshold : float
            Of the events of the training, in GeV.
        l1 : str, optional
            Prefix of the L1 tables; by default that of the trigger where a file has them.
        """
        look = functools.partial(_look, reconstructed=reconstructed, l1=l1)
        files = first_look(look, paths, "uproot", LOOKING_SECONDS)
        refuse_duplicates(files)
        for file in files:
            if file.reference != files[0].reference:
                raise UserError(
                    f"{file.path}: expected the sum {files[0].reference} as in {files[0].path}, found {file.reference}"
                )
        n_events = sum(file.n_events for file in files)
        if n_events == 0:
            raise UserError(f"{paths[0]}: the files hold no events")
        return cls(tuple(files), n_events, files[0].reference, mask, jet_threshold)

    @property
    def cut(self) -> float:
        """Highest threshold of the jets in a file, in GeV; 0 where no file has cut them."""
        return max(file.cut.get("Jet", 0.0) for file in self.files)

    def chunks(self, size: int) -> Iterator[ZeroBiasEvents]:
        """Read the events in order, at most `size` at a time."""
        for file in self.files:
            for start in range(0, file.n_events, size):
                yield self._events(file, start, min(start + size, file.n_events))

    def _events(self, file: _File, start: int, stop: int) -> ZeroBiasEvents:
        """Read the events [start, stop) of a file."""
        with open_tree(file.path, EVENTS) as tree:
            columns = Columns.read(tree, file.content, start, stop)
        sections = np.stack([columns.values[name].astype(np.int64) for name in SECTION], axis=1)
        of_runs = self.mask.of_runs(sections[:, 0])
        kept = of_runs & self.mask.certified(*sections.T)
        events = trigger_events(columns, file.content, Thresholds(jets=self.jet_threshold), PROCESS_ID)[kept]
        reference = np.nan_to_num(getattr(events, self.reference))
        pt = events.smeared_data[..., PT]
        return ZeroBiasEvents(
            events,
            reference,
            {
                self.reference: int(np.sum(reference >= LARGEST_SUM)),
                **{kind.prefix: int(np.sum(pt[:, kind.slots] >= kind.largest_pt)) for kind in KINDS},
            },
            sections[kept].astype(np.uint32),
            {OTHER_RUN: int(np.sum(~of_runs)), NOT_CERTIFIED: int(np.sum(of_runs & ~kept))},
        )


def _look(path: Path, reconstructed: str, l1: str | None) -> _File:
    """Check the layout of a file, in the child process of `first_look`."""
    with open_tree(path, EVENTS) as tree:
        n_events = tree.n_entries
        content = Content.of_l1(tree, l1, SECTION)
        Columns.read(tree, content, max(0, n_events - 1), n_events)
        first = Columns.read(tree, content, 0, min(n_events, LOOKED_AT))
        found = energy_sums(first, content.l1)
        names = REFERENCES[reconstructed]
        reference = next((name for name in names if not np.isnan(found[name]).all()), names[0])
        if n_events and np.isnan(found[reference]).all():
            tree.refuse(f"{content.l1}EtSum_etSumType", f"expected a sum {' or '.join(names)} in the first events")
        return _File(
            path,
            n_events,
            content,
            reference,
            central_cuts(tree, content.l1),
            fingerprint(first_objects(first, content)),
        )
