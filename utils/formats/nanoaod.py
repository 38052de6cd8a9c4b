"""NanoAOD of CMS with L1 tables: objects and energy sums of the trigger, and what counts as the truth.

The names and types are those of CMSSW. A table ``L1Jet`` has branches such as ``L1Jet_pt``, lists of floats of 12 bits,
and ``L1Jet_bx``, the bunch crossing, of which 0 is read. Tables that are emulated again begin with ``L1Emul``.
"""

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from utils.cutflow import Cutflow
from utils.event_layout import EGAMMAS, JETS, MUONS, N_SLOTS, PT
from utils.formats.duplicates import LOOKED_AT, fingerprint
from utils.formats.events import LARGEST_WEIGHT
from utils.formats.first_look import first_look
from utils.formats.l1_files import PILEUP, TRUE_DIRECTION
from utils.formats.leading_objects import fill_leading
from utils.formats.nanoaod_options import (
    L1_PREFIXES,
    TRUE_JETS,
    TRUE_METS,
    L1TableOptions,
    NanoAODOptions,
    Thresholds,
)
from utils.formats.overlaps import largest_near
from utils.formats.physical import ANGLES, LARGEST_L1_PT, QUANTITIES, VALID, describe_invalid, wrapped
from utils.formats.root import Tree, open_root, open_tree
from utils.formats.text_events import HardEvents
from utils.l1_events import L1_DIRECTIONS, L1Events
from utils.runtime.errors import UserError

logger = logging.getLogger(__name__)

EVENTS, RUNS = "Events", "Runs"
FLAVOUR = "NANO:@PHYS+@L1FULL"
KINETICS = ("pt", "eta", "phi")
L1_OBJECTS = {"Mu": MUONS, "EG": EGAMMAS, "Jet": JETS}
AT_VERTEX = {"eta": "etaAtVtx", "phi": "phiAtVtx"}  # of muons, which bend before the muon system
ENERGY_SUMS = {"l1_htt": 1, "l1_etm": 2, "l1_htm": 3, "l1_etmhf": 8}  # l1t::EtSum::EtSumType
CENTRAL_CUTS = {"Jet": 30.0, "EG": 10.0}  # GeV, of L1 objects in central files
SEARCHED = 4096  # events at the beginning that are searched for objects below these cuts
FEW_OBJECTS = 20  # of fewer objects all may be above a cut by chance
LEPTON_BRANCHES = {"Muon": ("looseId", "pfRelIso04_all"), "Electron": ("cutBased",)}
LOOSE_ISOLATION, LOOSE_ELECTRON = 0.25, 2
LEPTON_RADIUS = 0.4
HT_PT, HT_ETA = 30.0, 2.5
PF_MUON = "isPFcand"
LOOKING_SECONDS = 20  # a central file takes two, for its thousands of branches
MOST_PILEUP = 10_000.0
ENERGIES = 0.0, LARGEST_L1_PT, f"GeV from 0 to {LARGEST_L1_PT:g}"
NO_MUONS = "NoMu"  # end of the name of a MET to which muons are added back
OLD_NAMES = {"PFMET": "MET"}  # of central files before version 14


@dataclass(frozen=True)
class Content:
    """The branches of a file that are read.

    Attributes
    ----------
    l1 : str
        Prefix of the L1 tables.
    lists : dict of str to tuple of str
        Columns of each table of objects.
    numbers : tuple of str
        Branches with a number for each event.
    met, jets : str
        Source of the true MET, and of the true HT; empty without a truth.
    met_table : str
        Table of the true MET.
    """

    l1: str
    lists: Mapping[str, tuple[str, ...]]
    numbers: tuple[str, ...]
    met: str = ""
    jets: str = ""
    met_table: str = ""

    @classmethod
    def of_l1(cls, tree: Tree, l1: str | None, numbers: Sequence[str] = (), needs_sums: bool = True) -> "Content":
        """Choose the L1 tables of a tree, by default those of the trigger; an error says what is missing."""
        prefix = l1 or next(iter(l1_prefixes(tree)), L1_PREFIXES[0])
        _refuse_missing_l1(tree, prefix, needs_sums)
        lists = {f"{prefix}{kind}": _l1_columns(tree, f"{prefix}{kind}") for kind in L1_OBJECTS}
        if f"{prefix}EtSum_etSumType" in tree.names:
            lists[f"{prefix}EtSum"] = ("pt", "etSumType", *_those_in(tree, f"{prefix}EtSum", ("bx", "phi")))
        return cls(prefix, lists, tuple(numbers))

    @classmethod
    def of(cls, tree: Tree, options: NanoAODOptions) -> "Content":
        """Choose the branches of a tree; a :class:`UserError` says what is missing."""
        at_l1 = cls.of_l1(tree, options.nanoaod_l1)
        simulated = "GenMET_pt" in tree.names
        true_met = options.nanoaod_met or ("GenMET" if simulated else "PuppiMETNoMu")
        jets = options.nanoaod_jets or ("GenJet" if "GenJet_pt" in tree.names else "Jet")
        tables = {name: _met_table(tree, name) for name in TRUE_METS}
        table = tables[true_met]
        _refuse_missing_truth(tree, table, "--nanoaod_met", tables)
        _refuse_missing_truth(tree, jets, "--nanoaod_jets", dict(zip(TRUE_JETS, TRUE_JETS, strict=True)))
        lists = dict(at_l1.lists)
        for name in ("Muon", "Electron", "Jet"):
            if all(f"{name}_{column}" in tree.names for column in KINETICS):
                lists[name] = (*KINETICS, *_those_in(tree, name, LEPTON_BRANCHES.get(name, ())))
        no_muons = true_met.endswith(NO_MUONS)
        if no_muons:
            lists["Muon"] = (*lists.get("Muon", ("pt", "phi")), *_those_in(tree, "Muon", (PF_MUON,)))
        lists.setdefault(jets, ("pt", "eta"))
        phi = (f"{table}_phi",) if no_muons or f"{table}_phi" in tree.names else ()
        kept = tuple(name for name in (*PILEUP, "genWeight") if name in tree.names)
        return cls(at_l1.l1, lists, (f"{table}_pt", *phi, *kept), true_met, jets, table)

    @property
    def pileup(self) -> tuple[str, ...]:
        """Branches that describe the pile-up."""
        return tuple(name for name in PILEUP if name in self.numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of L1 regression files that only NanoAOD gives."""
        directions = L1_DIRECTIONS.values() if "phi" in self.lists[f"{self.l1}EtSum"] else ()
        truth = [TRUE_DIRECTION] if f"{self.met_table}_phi" in self.numbers else []
        return (*ENERGY_SUMS, *directions, *truth, *self.pileup)


def l1_prefixes(tree: Tree) -> list[str]:
    """Return the prefixes of the L1 tables of a tree: that of the trigger first, then those emulated again."""
    prefixes = [name.removesuffix("Jet_pt") for name in sorted(tree.names) if name.endswith("Jet_pt")]
    found = [name for name in prefixes if {f"{name}EG_pt", f"{name}Mu_pt"} & tree.names]
    return [*(name for name in L1_PREFIXES if name in found), *(name for name in found if name not in L1_PREFIXES)]


def _met_table(tree: Tree, true_met: str) -> str:
    """Return the table of a true MET, by its old name where a tree has that only."""
    table = true_met.removesuffix(NO_MUONS)
    return table if f"{table}_pt" in tree.names else OLD_NAMES.get(table, table)


def _refuse_missing_truth(tree: Tree, table: str, flag: str, tables: Mapping[str, str]) -> None:
    """Refuse a file without the chosen table of the true MET or jets; `tables` has those of all choices."""
    if f"{table}_pt" not in tree.names:
        others = [name for name, other in tables.items() if f"{other}_pt" in tree.names]
        tree.refuse(f"{table}_pt", f"is missing: choose {flag}, for which it has {', '.join(others) or 'none'}")


def _refuse_missing_l1(tree: Tree, l1: str, needs_sums: bool) -> None:
    """Refuse a file without L1 tables."""
    needed = {f"{l1}{kind}": "pt" for kind in L1_OBJECTS} | ({f"{l1}EtSum": "etSumType"} if needs_sums else {})
    missing = [table for table, column in needed.items() if f"{table}_{column}" not in tree.names]
    if missing:
        others = [name for name in l1_prefixes(tree) if name != l1]
        hint = f"; or choose {others[0]}, whose tables it has" if others else ""
        raise UserError(
            f"{tree.path}: has no L1 tables {', '.join(missing)}: expected NanoAOD of the flavour {FLAVOUR}; central "
            f"simulation has none{hint}"
        )


def _those_in(tree: Tree, table: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return those columns of a table that a tree has."""
    return tuple(column for column in columns if f"{table}_{column}" in tree.names)


def _l1_columns(tree: Tree, table: str) -> tuple[str, ...]:
    """Return the columns of L1 objects: at the vertex where it is known. Tables of one crossing have no ``bx``."""
    at_vertex = all(f"{table}_{name}" in tree.names for name in AT_VERTEX.values())
    kinetics = tuple(AT_VERTEX.get(name, name) if at_vertex else name for name in KINETICS)
    return (*kinetics, *_those_in(tree, table, ("bx",)))


@dataclass(frozen=True)
class Columns:
    """Branches of some events.

    Attributes
    ----------
    tree : Tree
    first : int
        Number of the first event.
    sizes : dict of str to np.ndarray, shape (n_events,), int64
        Number of objects in each event, by table.
    values : dict of str to np.ndarray
        Values of all objects or events, by branch.
    """

    tree: Tree
    first: int
    n_events: int
    sizes: dict[str, np.ndarray]
    values: dict[str, np.ndarray]

    @classmethod
    def read(cls, tree: Tree, content: Content, start: int, stop: int) -> "Columns":
        """Read the events [start, stop)."""
        sizes, values = dict[str, np.ndarray](), dict[str, np.ndarray]()
        for table, columns in content.lists.items():
            branches = [f"{table}_{column}" for column in columns]
            sizes[table], found = tree.lists(branches, start, stop)
            values |= dict(zip(branches, found, strict=True))
        for branch in content.numbers:
            values[branch] = tree.numbers(branch, start, stop)
        return cls(tree, start, stop - start, sizes, values)

    def floats(self, branch: str) -> np.ndarray:
        """Return the values of a branch, float32; those beyond its range are infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.values[branch].astype(np.float32, copy=False)

    def owners(self, table: str) -> np.ndarray:
        """Return the event of each object of a table, counted from the first."""
        return np.repeat(np.arange(self.n_events), self.sizes[table])

    def in_crossing(self, table: str) -> np.ndarray:
        """Return which objects of a table are of the triggered bunch crossing."""
        bx = self.values.get(f"{table}_bx")
        return np.ones(int(self.sizes[table].sum()), bool) if bx is None else bx == 0

    def checked(self, branch: str, values: np.ndarray, limits: tuple[float, float, str]) -> np.ndarray:
        """Return one value for each event, float32, after a check of its limits, which have a description."""
        low, high, what = limits
        fits = (values >= low) & (values <= high)
        if not fits.all():
            event = int(np.argmin(fits))
            self.tree.refuse(branch, f"event {self.first + event}: expected {what}, found {values[event]:g}")
        return values.astype(np.float32)

    def in_events(self, table: str, column: str, chosen: np.ndarray, limits: tuple[float, float, str]) -> np.ndarray:
        """Return a column of chosen objects, at most one an event, float32; NaN in events without one."""
        values, known = np.zeros(self.n_events, np.float32), np.zeros(self.n_events, bool)
        owners = self.owners(table)[chosen]
        values[owners], known[owners] = self.floats(f"{table}_{column}")[chosen], True
        return np.where(known, self.checked(f"{table}_{column}", values, limits), np.float32(np.nan))

    def fill(self, slots: np.ndarray, table: str, names: Sequence[str], taken: np.ndarray) -> None:
        """Put the leading objects of a table into slots."""
        branches = [f"{table}_{name}" for name in names]
        kinetics = [self.floats(branch) for branch in branches]
        event, wrong, value = fill_leading(slots, self.sizes[table], *kinetics, taken, LARGEST_L1_PT)
        if wrong != VALID:
            problem = describe_invalid(wrong, value, LARGEST_L1_PT)
            self.tree.refuse(branches[wrong], f"event {self.first + event}: {QUANTITIES[wrong]}: {problem}")


@dataclass(frozen=True)
class NanoAODFile:
    """A checked NanoAOD file.

    Attributes
    ----------
    path : Path
    n_events : int
    content : Content
    sum_of_weights : float or None
        Generator weights of all events that were generated for the file; None in data.
    same_weight : float or None
        Generator weight of the first event; None in data.
    cut : dict of str to float
        Threshold of L1 objects in the file, by kind, where it has the one of central files.
    fingerprint : str or None
        Hash of the first events.
    scale : float or None
        Cross-section weight in pb of a generator weight of 1; None without a cross section.
    """

    path: Path
    n_events: int
    content: Content
    sum_of_weights: float | None
    same_weight: float | None
    cut: Mapping[str, float]
    fingerprint: str | None
    scale: float | None = None
    cutflow: Cutflow = field(default_factory=Cutflow)
    hard_events: HardEvents | None = None
    weights_name: ClassVar[str] = "branch 'genWeight'"
    weights_from: ClassVar[str] = "a cross section (--cross_sections)"

    @property
    def weighted(self) -> bool:
        """Whether its events have cross-section weights."""
        return self.scale is not None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of L1 regression files that only such events have."""
        return self.content.columns

    @classmethod
    def look(cls, path: Path, options: NanoAODOptions) -> "NanoAODFile":
        """Check the layout of a file, in the child process of `first_look`."""
        with open_tree(path, EVENTS) as tree:
            n_events = tree.n_entries
            content = Content.of(tree, options)
            Columns.read(tree, content, max(0, n_events - 1), n_events)
            first = Columns.read(tree, content, 0, min(n_events, LOOKED_AT))
            weights = first.values.get("genWeight", np.zeros(0))
            cut = central_cuts(tree, content.l1)
            total = _sum_of_weights(path, tree) if "genWeight" in content.numbers else None
        same_weight = float(weights[0]) if len(weights) else None
        return cls(path, n_events, content, total, same_weight, cut, fingerprint(first_objects(first, content)))

    def l1_events(self, start: int, stop: int, thresholds: Thresholds) -> L1Events:
        """Read the events [start, stop).

        Returns
        -------
        L1Events
            With the sums of the trigger and the pile-up. The process of all events is 0. Weights are in pb, 1 without a
            cross section.
        """
        with open_tree(self.path, EVENTS) as tree:
            columns = Columns.read(tree, self.content, start, stop)
        true_met, direction = _true_met(columns, self.content)
        return replace(
            trigger_events(columns, self.content, thresholds),
            true_data=_offline_objects(columns),
            true_met=true_met,
            true_ht=_true_ht(columns, self.content.jets),
            original_met=true_met,
            weights=self._weights(columns),
            true_met_phi=direction,
            **{
                name: columns.checked(name, columns.floats(name), (0, MOST_PILEUP, f"0 to {MOST_PILEUP:g}"))
                for name in self.content.pileup
            },
        )

    def _weights(self, columns: Columns) -> np.ndarray:
        """Return the weights of events, float32."""
        weights = columns.values.get("genWeight")
        if weights is None:
            return np.ones(columns.n_events, np.float32)
        if self.scale is not None:
            limits = -LARGEST_WEIGHT, LARGEST_WEIGHT, f"finite weights, at most {LARGEST_WEIGHT:g}"
            return columns.checked("genWeight", weights * self.scale, limits)
        same = weights == self.same_weight
        if not same.all():
            event = int(np.argmin(same))
            columns.tree.refuse(
                "genWeight",
                f"event {columns.first + event}: expected {self.same_weight:g} as in the first event, found "
                f"{weights[event]:g}: give --cross_sections, since without a cross section all events count the same",
            )
        return np.ones(columns.n_events, np.float32)


@dataclass(frozen=True)
class NanoAODTrigger:
    """The L1 objects of a checked NanoAOD file, without the truth.

    Attributes
    ----------
    path : Path
    n_events : int
    content : Content
    cut : dict of str to float
        As of `NanoAODFile`.
    """

    path: Path
    n_events: int
    content: Content
    cut: Mapping[str, float]

    @classmethod
    def check(cls, paths: Sequence[Path], options: L1TableOptions) -> "list[NanoAODTrigger]":
        """Check the layout of several files; a :class:`UserError` names what is missing."""
        return first_look(functools.partial(cls._look, options=options), paths, "uproot", LOOKING_SECONDS)

    @classmethod
    def _look(cls, path: Path, options: L1TableOptions) -> "NanoAODTrigger":
        with open_tree(path, EVENTS) as tree:
            content = Content.of_l1(tree, options.nanoaod_l1, needs_sums=False)
            Columns.read(tree, content, max(0, tree.n_entries - 1), tree.n_entries)
            return cls(path, tree.n_entries, content, central_cuts(tree, content.l1))

    def l1_events(self, start: int, stop: int, thresholds: Thresholds) -> L1Events:
        """Read the events [start, stop)."""
        with open_tree(self.path, EVENTS) as tree:
            columns = Columns.read(tree, self.content, start, stop)
        return trigger_events(columns, self.content, thresholds)


def check_nanoaod_files(paths: Sequence[str | Path], options: NanoAODOptions) -> list[NanoAODFile]:
    """Check several files; a :class:`UserError` names what is missing."""
    look = functools.partial(NanoAODFile.look, options=options)
    return first_look(look, paths, "uproot", LOOKING_SECONDS)


def central_cuts(tree: Tree, l1: str) -> dict[str, float]:
    """Return the cuts of central files on L1 objects in GeV, by kind, that the first events satisfy."""
    found = {}
    for kind, cut in CENTRAL_CUTS.items():
        _, (pt,) = tree.lists([f"{l1}{kind}_pt"], 0, min(tree.n_entries, SEARCHED))
        if len(pt) >= FEW_OBJECTS and pt.min() >= cut:
            found[kind] = cut
    return found


def _sum_of_weights(path: Path, tree: Tree) -> float:
    """Return the sum of the generator weights before any selection, or that of the events in a file without it."""
    with open_root(path) as file:
        has_runs = RUNS in {name.partition(";")[0] for name in file.keys(recursive=False)}
    if has_runs:
        with open_tree(path, RUNS) as runs:
            if "genEventSumw" in runs.names:
                return float(runs.numbers("genEventSumw", 0, runs.n_entries).sum(dtype=np.float64))
    chunks = range(0, tree.n_entries, SEARCHED)
    parts = [tree.numbers("genWeight", start, min(start + SEARCHED, tree.n_entries)) for start in chunks]
    return float(sum(part.sum(dtype=np.float64) for part in parts))


def first_objects(columns: Columns, content: Content) -> np.ndarray:
    """Return the L1 objects of events for their fingerprint, in slots by their order in the file."""
    objects = np.zeros((columns.n_events, N_SLOTS, 3), np.float32)
    for kind, slots in L1_OBJECTS.items():
        table = f"{content.l1}{kind}"
        sizes = columns.sizes[table]
        places = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        shown = places < slots.stop - slots.start
        for feature, name in enumerate(content.lists[table][:3]):
            values = columns.floats(f"{table}_{name}")
            objects[columns.owners(table)[shown], slots.start + places[shown], feature] = values[shown]
    return objects


def l1_objects(columns: Columns, content: Content, thresholds: Thresholds) -> np.ndarray:
    """Return the leading L1 objects of the triggered crossing, shape (n_events, 18, 3), float32."""
    objects = np.zeros((columns.n_events, N_SLOTS, 3), np.float32)
    limits = {"Mu": thresholds.muons, "EG": thresholds.egammas, "Jet": thresholds.jets}
    for kind, slots in L1_OBJECTS.items():
        table = f"{content.l1}{kind}"
        names = content.lists[table][:3]
        taken = columns.in_crossing(table) & ~(columns.floats(f"{table}_{names[PT]}") < limits[kind])
        columns.fill(objects[:, slots], table, names, taken)
    return objects


def trigger_events(columns: Columns, content: Content, thresholds: Thresholds, process_id: int = 0) -> L1Events:
    """Return the L1 objects of events, with the sums of the trigger where they are read, and without the truth."""
    events = L1Events.of_objects(l1_objects(columns, content, thresholds), process_id)
    return replace(events, **(energy_sums(columns, content.l1) if f"{content.l1}EtSum" in content.lists else {}))


def energy_sums(columns: Columns, l1: str) -> dict[str, np.ndarray]:
    """Return the energy sums of the trigger itself in GeV, and their directions, float32; NaN in events without one."""
    table = f"{l1}EtSum"
    owners, here = columns.owners(table), columns.in_crossing(table)
    sums = {}
    for name, number in ENERGY_SUMS.items():
        chosen = here & (columns.values[f"{table}_etSumType"] == number)
        counts = np.bincount(owners[chosen], minlength=columns.n_events)
        columns.checked(f"{table}_etSumType", counts, (0, 1, f"one sum of type {number} at most"))
        sums[name] = columns.in_events(table, "pt", chosen, ENERGIES)
        if name in L1_DIRECTIONS and f"{table}_phi" in columns.values:
            sums[L1_DIRECTIONS[name]] = wrapped(columns.in_events(table, "phi", chosen, ANGLES))
    return sums


def _good(columns: Columns, table: str) -> np.ndarray:
    """Return which offline leptons are identified and isolated, as far as the file says."""
    values, good = columns.values, np.ones(int(columns.sizes[table].sum()), bool)
    if "Muon_looseId" in values and table == "Muon":
        good &= values["Muon_looseId"] != 0
    if "Muon_pfRelIso04_all" in values and table == "Muon":
        good &= values["Muon_pfRelIso04_all"] < LOOSE_ISOLATION
    if "Electron_cutBased" in values and table == "Electron":
        good &= values["Electron_cutBased"] >= LOOSE_ELECTRON
    return good


def _clean_jets(columns: Columns) -> np.ndarray:
    """Return which offline jets are away from all identified leptons."""
    clean = np.ones(int(columns.sizes["Jet"].sum()), bool)
    jets = columns.sizes["Jet"], columns.floats("Jet_eta"), columns.floats("Jet_phi")
    for table in LEPTON_BRANCHES:
        if f"{table}_eta" in columns.values:
            leptons = columns.sizes[table], columns.floats(f"{table}_eta"), columns.floats(f"{table}_phi")
            clean &= largest_near(*jets, *leptons, _good(columns, table), LEPTON_RADIUS) == 0
    return clean


def _offline_objects(columns: Columns) -> np.ndarray:
    """Return the leading offline muons, electrons and clean jets, shape (n_events, 18, 3), float32."""
    objects = np.zeros((columns.n_events, N_SLOTS, 3), np.float32)
    for table, slots in (("Muon", MUONS), ("Electron", EGAMMAS), ("Jet", JETS)):
        if all(f"{table}_{name}" in columns.values for name in KINETICS):
            taken = _clean_jets(columns) if table == "Jet" else _good(columns, table)
            columns.fill(objects[:, slots], table, KINETICS, taken)
    return objects


def _true_met(columns: Columns, content: Content) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the true MET in GeV and its direction, float32; "NoMu" is the sum of its vector and those of the muons.

    The direction is None in files without it.
    """
    branch, phi_branch = f"{content.met_table}_pt", f"{content.met_table}_phi"
    found = columns.floats(branch)
    phi = columns.floats(phi_branch) if phi_branch in columns.values else None
    if content.met.endswith(NO_MUONS):
        pt, muon_phi = columns.values["Muon_pt"], columns.values["Muon_phi"]
        counted = columns.values.get(f"Muon_{PF_MUON}", np.ones(len(pt), bool)) != 0
        owners, met_phi = columns.owners("Muon")[counted], columns.values[phi_branch].astype(np.float64)
        with np.errstate(invalid="ignore"):  # what is infinite is refused below
            x, y = (
                found * wave(met_phi)
                + np.bincount(owners, pt[counted] * wave(muon_phi[counted].astype(np.float64)), columns.n_events)
                for wave in (np.cos, np.sin)
            )
            found, phi = np.hypot(x, y), np.arctan2(y, x)
    met = columns.checked(branch, found, ENERGIES)
    return met, None if phi is None else wrapped(columns.checked(phi_branch, phi, ANGLES))


def _true_ht(columns: Columns, table: str) -> np.ndarray:
    """Return the scalar sum of the pT of jets in GeV, float32."""
    pt, eta, owners = columns.floats(f"{table}_pt"), columns.floats(f"{table}_eta"), columns.owners(table)
    if np.isnan(eta).any():
        event = columns.first + int(owners[np.argmax(np.isnan(eta))])
        columns.tree.refuse(f"{table}_eta", f"event {event}: expected numbers, found nan")
    counted = ~(pt <= HT_PT) & (np.abs(eta) < HT_ETA)
    if table == "Jet" and "Jet_phi" in columns.values:
        counted &= _clean_jets(columns)
    total = np.bincount(owners[counted], pt[counted].astype(np.float64), columns.n_events)
    return columns.checked(f"{table}_pt", total, (0, LARGEST_L1_PT, f"a sum of GeV from 0 to {LARGEST_L1_PT:g}"))
