"""Trees of Delphes 3 (J. de Favereau et al., JHEP 02 (2014) 057), read into the layout of events files.

The branches are those of its classes: lists such as ``Jet.PT`` with an entry for each object, and lists of one entry
such as ``Event.Weight`` and ``MissingET.MET``.
"""

import functools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from utils.cutflow import Cutflow
from utils.event_layout import (
    CLASS,
    EVENT_CLASSES,
    EVENT_EGAMMAS,
    EVENT_JETS,
    EVENT_MET,
    EVENT_MUONS,
    N_EVENT_SLOTS,
    PT,
)
from utils.formats.delphes_options import DelphesObjectOptions, DelphesOptions
from utils.formats.duplicates import LOOKED_AT, fingerprint
from utils.formats.events import LARGEST_WEIGHT, OfflineFile
from utils.formats.first_look import first_look
from utils.formats.leading_objects import fill_leading
from utils.formats.overlaps import largest_near
from utils.formats.physical import LARGEST_TRUE_PT, QUANTITIES, VALID, describe_invalid
from utils.formats.root import Tree, open_tree
from utils.formats.text_events import HardEvents
from utils.runtime.errors import UserError

logger = logging.getLogger(__name__)

TREE = "Delphes"
KINETICS = ("PT", "Eta", "Phi")
WEIGHT = "Event_Weight"
CROSS_SECTION, CROSS_SECTION_ERROR = "Event_CrossSection", "Event_CrossSectionError"
SMALLEST_CROSS_SECTION = 1e-15  # pb
MOST_OBJECTS = 10_000  # of a kind in an event: pairs of them are compared
OVERLAP_RADIUS = 0.4
OVERLAP_SHARE = 0.5  # of the pT of a jet that a single lepton or photon has
LOOKING_SECONDS = 20  # as for other ROOT files
SUMMED_AT_A_TIME = 1 << 16


@dataclass(frozen=True)
class Objects:
    """Objects of one kind, event after event.

    Attributes
    ----------
    branches : sequence of str
        Branches of pT, eta and phi, for messages.
    sizes : np.ndarray, shape (n_events,), int64
        Number of objects in each event.
    pt, eta, phi : np.ndarray, shape (n_objects,), float32
    """

    branches: Sequence[str]
    sizes: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray

    @classmethod
    def read(cls, tree: Tree, collection: str, start: int, stop: int) -> "Objects":
        """Read a collection of the events [start, stop)."""
        sizes, found = tree.lists([f"{collection}_{name}" for name in KINETICS], start, stop)
        if np.any(sizes > MOST_OBJECTS):
            event = int(np.argmax(sizes > MOST_OBJECTS))
            problem = f"expected at most {MOST_OBJECTS} entries, found {sizes[event]}"
            tree.refuse(f"{collection}_{KINETICS[0]}", f"event {start + event}: {problem}")
        return cls([f"{collection}.{name}" for name in KINETICS], sizes, *map(floats, found))

    @classmethod
    def joined(cls, one: "Objects", other: "Objects") -> "Objects":
        """Join two collections, event by event."""
        numbers = np.arange(len(one.sizes))
        owners = np.append(np.repeat(numbers, one.sizes), np.repeat(numbers, other.sizes))
        order = np.argsort(owners, kind="stable")
        pt, eta, phi = (np.append(getattr(one, name), getattr(other, name))[order] for name in ("pt", "eta", "phi"))
        branches = [f"{name} or {other_name}" for name, other_name in zip(one.branches, other.branches, strict=True)]
        return cls(branches, one.sizes + other.sizes, pt, eta, phi)

    def all(self) -> np.ndarray:
        """Return a mask that takes all of them."""
        return np.ones(len(self.pt), bool)

    def largest_near(self, others: "Objects") -> np.ndarray:
        """Return the largest pT of the others within `OVERLAP_RADIUS`, 0 without any, shape (n_objects,), float32."""
        angles = self.sizes, self.eta, self.phi, others.sizes, others.eta, others.phi
        return largest_near(*angles, others.pt, OVERLAP_RADIUS)

    def fill(self, slots: np.ndarray, taken: np.ndarray, tree: Tree, first: int) -> None:
        """Put the leading objects into slots; `first` is the number of the first event, for messages."""
        event, wrong, value = fill_leading(slots, self.sizes, self.pt, self.eta, self.phi, taken, LARGEST_TRUE_PT)
        if wrong != VALID:
            problem = describe_invalid(wrong, value, LARGEST_TRUE_PT)
            tree.refuse(self.branches[wrong], f"event {first + event}: {QUANTITIES[wrong]}: {problem}")


@dataclass(frozen=True)
class DelphesFile(OfflineFile):
    """A checked Delphes file.

    Attributes
    ----------
    path : Path
    n_events : int
    options : DelphesOptions
    sum_of_weights : float
        Generator weights of all events, each 1 without a branch of them.
    scale : float or None
        Cross-section weight in pb of a generator weight of 1; None without a cross section.
    fingerprint : str or None
        Hash of the first events.
    """

    path: Path
    n_events: int
    options: DelphesOptions
    sum_of_weights: float
    scale: float | None
    fingerprint: str | None
    cutflow: Cutflow = field(default_factory=Cutflow)
    hard_events: HardEvents | None = None
    weights_name: ClassVar[str] = "branch 'Event.Weight'"
    weights_from: ClassVar[str] = "a cross section (branch 'Event.CrossSection' or --cross_sections)"

    @property
    def weighted(self) -> bool:
        """Whether its events have cross-section weights."""
        return self.scale is not None

    @classmethod
    def look(cls, path: Path, options: DelphesOptions) -> "DelphesFile":
        """Check the layout of a file, in the child process of `first_look`."""
        with open_tree(path, TREE) as tree:
            n_events = tree.n_entries
            _refuse_missing(tree, options)
            read_particles(tree, options, max(0, n_events - 1), n_events)
            first = read_particles(tree, options, 0, min(n_events, LOOKED_AT))
            total = _sum_of_weights(tree)
            cross_section = _cross_section(tree)
        if cross_section is not None and not 0 < total < math.inf:
            what = "expected finite weights that sum to more than 0"
            raise UserError(f"{path}: {cls.weights_name}: {what}, found a sum of {total:g}")
        scale = None if cross_section is None else cross_section / total
        return cls(path, n_events, options, total, scale, fingerprint(first[:, :, :CLASS]))

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Read the events [start, stop) in the layout of an events file."""
        with open_tree(self.path, TREE) as tree:
            particles = read_particles(tree, self.options, start, stop)
            return particles, self._weights(tree, start, stop)

    def _weights(self, tree: Tree, start: int, stop: int) -> np.ndarray:
        """Return the weights of events, float32: in pb, 1 without a cross section."""
        found = _generator_weights(tree, start, stop)
        if self.scale is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                weights = found * self.scale
            fits, what = np.abs(weights) <= LARGEST_WEIGHT, f"a finite weight in pb, at most {LARGEST_WEIGHT:g}"
        else:
            weights, (first,) = np.ones(stop - start), _generator_weights(tree, 0, 1)
            fits = found == first
            what = f"{first:g} as in the first event, since without --cross_sections all events count the same"
        if not fits.all():
            event = int(np.argmin(fits))
            tree.refuse(WEIGHT, f"event {start + event}: expected {what}, found {found[event]:g}")
        return weights.astype(np.float32)


def check_delphes_files(paths: Sequence[str | Path], options: DelphesOptions) -> list[DelphesFile]:
    """Check several files; a :class:`UserError` names what is missing."""
    files = first_look(functools.partial(DelphesFile.look, options=options), paths, "uproot", LOOKING_SECONDS)
    found = sorted(file.scale * file.sum_of_weights for file in files if file.scale is not None)
    if found:
        values = " to ".join(dict.fromkeys(f"{value:.4g}" for value in (found[0], found[-1])))
        logger.info("%s%s: Event.CrossSection is %s pb", files[0].path, ", ..." * (len(files) > 1), values)
    return files


def read_particles(tree: Tree, options: DelphesOptions, start: int, stop: int) -> np.ndarray:
    """Return the leading objects of the events [start, stop), shape (n, 19, 4), float32, as in an events file.

    Electrons and photons are e/g. Of objects that overlap only one is taken, see `without_overlaps`.
    """
    particles = np.zeros((stop - start, N_EVENT_SLOTS, 4), np.float32)
    electrons, photons, muons, jets = (Objects.read(tree, name, start, stop) for name in collections(options))
    met = options.delphes_met
    missing, phi = (floats(tree.one_each(f"{met}_{name}", start, stop)) for name in ("MET", "Phi"))
    names = [f"{met}.{name}" for name in ("MET", "Eta", "Phi")]
    total = Objects(names, np.ones(stop - start, np.int64), missing, np.zeros_like(phi), phi)
    egammas = Objects.joined(electrons, photons)
    real_jets, real_egammas = without_overlaps(jets, egammas, muons)
    for slots, objects, taken in (
        (slice(EVENT_MET, EVENT_MET + 1), total, total.all()),
        (EVENT_EGAMMAS, egammas, real_egammas),
        (EVENT_MUONS, muons, muons.all()),
        (EVENT_JETS, jets, real_jets),
    ):
        objects.fill(particles[:, slots], taken, tree, start)
    particles[:, :, CLASS] = np.where(particles[:, :, PT] > 0, EVENT_CLASSES, 0)
    return particles


def without_overlaps(jets: Objects, egammas: Objects, muons: Objects) -> tuple[np.ndarray, np.ndarray]:
    """Choose jets and e/g such that no energy counts twice.

    Delphes clusters all particles to jets, and not every card removes the jets of leptons and photons. A jet is left
    out if one e/g or muon within `OVERLAP_RADIUS` has more than `OVERLAP_SHARE` of its pT: that is the jet. An e/g
    within the radius of another jet is part of it and is left out itself.

    Returns
    -------
    real_jets, real_egammas : np.ndarray, shape (n_jets,) and (n_egammas,), bool
    """
    real_jets = ~(jets.largest_near(Objects.joined(egammas, muons)) > OVERLAP_SHARE * jets.pt)
    others = replace(jets, pt=np.where(real_jets, jets.pt, np.float32(0)))
    return real_jets, egammas.largest_near(others) == 0


def collections(options: DelphesObjectOptions) -> tuple[str, str, str, str]:
    """Return the branches of electrons, photons, muons and jets."""
    return options.delphes_electrons, options.delphes_photons, options.delphes_muons, options.delphes_jets


def floats(values: np.ndarray) -> np.ndarray:
    """Return numbers as float32; those beyond its range are infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32, copy=False)


def _refuse_missing(tree: Tree, options: DelphesOptions) -> None:
    """Refuse a tree without one of the branches that are read."""
    needed = [f"{name}.{column}" for name in collections(options) for column in KINETICS]
    needed += [f"{options.delphes_met}.{column}" for column in ("MET", "Phi")]
    missing = [name for name in needed if name.replace(".", "_") not in tree.names]
    if missing:
        found = sorted({name.rpartition("_")[0] for name in tree.names if name.endswith(("_PT", "_MET"))})
        raise UserError(
            f"{tree.path}: tree '{TREE}': branch '{missing[0]}' is missing, found {', '.join(found) or 'none'}; "
            "--delphes_jets, _electrons, _photons, _muons and _met choose others"
        )


def _generator_weights(tree: Tree, start: int, stop: int) -> np.ndarray:
    """Return the generator weights of events, float64, each 1 without a branch of them."""
    if WEIGHT not in tree.names:
        return np.ones(stop - start)
    return tree.one_each(WEIGHT, start, stop).astype(np.float64)


def _sum_of_weights(tree: Tree) -> float:
    """Return the sum of the generator weights."""
    starts = range(0, tree.n_entries, SUMMED_AT_A_TIME)
    stops = (min(start + SUMMED_AT_A_TIME, tree.n_entries) for start in starts)
    return math.fsum(_generator_weights(tree, start, stop).sum() for start, stop in zip(starts, stops, strict=True))


def _cross_section(tree: Tree) -> float | None:
    """Return the cross section in pb that the last event has, to which the generator's estimates converge.

    DelphesPythia8 has the branch and never sets it, so it holds what was in the memory, and so does its error. A value
    counts if it is a cross section, and larger than its error.
    """
    if CROSS_SECTION not in tree.names or tree.n_entries == 0:
        return None
    found, error = (
        float(tree.one_each(name, tree.n_entries - 1, tree.n_entries)[0]) if name in tree.names else 0.0
        for name in (CROSS_SECTION, CROSS_SECTION_ERROR)
    )
    return found if SMALLEST_CROSS_SECTION <= found <= LARGEST_WEIGHT and error < found else None
