"""Event generation with Pythia 8 (C. Bierlich et al., SciPost Phys. Codeb. 8 (2022), arXiv:2203.11601)."""

import math
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import awkward as ak
import numpy as np
import pythia8mc

from utils.formats.les_houches import copy_events
from utils.formats.text_events import HardEvents
from utils.runtime.errors import UserError
from utils.simulation.event_source import EventSource
from utils.simulation.particles import Particles
from utils.simulation.pythia_settings import (
    DEFAULT_ENERGY,
    FRAME,
    LES_HOUCHES,
    Value,
    captured_output,
    read_settings,
    reason,
    refuse_beams,
    setting_value,
)

PB_PER_MB = 1e9
MAX_PYTHIA_SEED = 900_000_000
MAX_TRIALS_PER_EVENT = 10.0
NO_EVENTS = Particles(*np.zeros((2, 0), np.int64), *np.zeros((5, 0)))
LES_HOUCHES_CODE = 9999  # that Pythia gives to the process of a Les Houches file
MINIMUM_BIAS = ("SoftQCD:nonDiffractive = on",)


def seed_sequences(seed: int, process: str, shard: int) -> tuple[np.random.SeedSequence, ...]:
    """Return independent seeds of a shard for its hard process, its pile-up collisions and its detector."""
    key = (zlib.crc32(process.encode()), shard)
    return tuple(np.random.SeedSequence(seed, spawn_key=key).spawn(3))


def pythia_seed(sequence: np.random.SeedSequence) -> int:
    """Return a seed in the range of Pythia, from 1 to 900,000,000."""
    return 1 + int(sequence.generate_state(1, np.uint64)[0]) % MAX_PYTHIA_SEED


class _Recorder:
    """Record the weight of each complete event, which the batches of Pythia lack, and count all failed events."""

    def __init__(self, pythia: pythia8mc.Pythia):
        super().__init__()
        self._pythia = pythia
        self.weights: list[float] = []
        self.n_failed = 0

    def onEndEvent(self, status: pythia8mc.PhysicsBase.Status) -> None:  # noqa: N802, the name is Pythia's
        """Take the weight at the end of an event, unless the event failed."""
        if int(status) == int(pythia8mc.PhysicsBase.Status.COMPLETE):
            self.weights.append(self._pythia.infoPython().weight())
        else:
            self.n_failed += 1


class _EventWeights(_Recorder, pythia8mc.UserHooks):
    """Record weights without changing the events."""


class _MatchedWeights(_Recorder, pythia8mc.JetMatchingMadgraph):
    """Record weights and match jets to partons, which needs a hook besides the settings ``JetMatching``."""


class Charges:
    """Electric charges of particles, from the table of Pythia."""

    def __init__(self, pythia: pythia8mc.Pythia):
        self._pythia = pythia
        self._known: dict[int, float] = {}

    def __call__(self, pid: np.ndarray) -> np.ndarray:
        """Return the charge of each particle by its PDG number, 0 of one that Pythia does not know."""
        kinds, kind = np.unique(pid, return_inverse=True)
        for number in kinds.tolist():
            if number not in self._known:
                self._known[number] = self._pythia.particleData.charge(number)
        return np.array([self._known[number] for number in kinds.tolist()])[kind]


class Generator(EventSource):
    """Proton-proton collisions of one process.

    Parameters
    ----------
    process : str
        Name for messages.
    settings : sequence of str
        Lines ``Key = value`` for Pythia.
    les_houches : Path, optional
        Les Houches file of the hard events; the settings may name one too.
    energy : float, optional
        Centre-of-mass energy in GeV; by default that of the Les Houches file, or 13,000.
    underlying_event : bool
        Whether multi-parton interactions are simulated.
    seed : np.random.SeedSequence
    hard_events : range
        Numbers of the events to read from a Les Houches file, if there is one.
    cross_section_pb : float, optional
        Cross section in pb in place of Pythia's.

    Raises
    ------
    UserError
        If Pythia does not accept a setting or their combination, or if a setting would have no effect.
    """

    def __init__(
        self,
        process: str,
        settings: Sequence[str],
        *,
        energy: float | None,
        underlying_event: bool,
        seed: np.random.SeedSequence,
        les_houches: Path | None = None,
        hard_events: range = range(0),
        cross_section_pb: float | None = None,
    ):
        super().__init__(process, cross_section_pb)
        decided: dict[str, Value] = {
            "Beams:eCM": energy or DEFAULT_ENERGY,
            "Random:setSeed": True,
            "Random:seed": pythia_seed(seed),
            "PartonLevel:MPI": underlying_event,
            "Main:numberOfEvents": 0,
        }
        with captured_output() as output, tempfile.NamedTemporaryFile(suffix=".lhe") as hard_file:
            self._pythia = pythia8mc.Pythia("", False)
            try:
                read_settings(self._pythia, settings, decided)
                if les_houches:
                    refuse_beams(self._pythia)
            except ValueError as error:
                raise UserError(f"process {process}: {error}{reason(output)}") from None
            self.file = les_houches
            if setting_value(self._pythia, FRAME) == LES_HOUCHES:
                self.file = Path(self._pythia.word("Beams:LHEF"))
            if self.file:
                self.hard_events = self._take_events(self.file, hard_events, hard_file)
            matched = self._pythia.flag("JetMatching:merge")
            self._recorder = _MatchedWeights(self._pythia) if matched else _EventWeights(self._pythia)
            self._pythia.setUserHooksPtr(self._recorder)
            if not self._pythia.init():
                given = [*([f"the file {les_houches}"] if les_houches else []), *map(repr, settings)]
                raise UserError(f"process {process}: Pythia cannot start with {', '.join(given)}{reason(output)}")
        if energy and not math.isclose(self.energy, energy, rel_tol=1e-4):
            raise UserError(
                f"process {process}: --energy is {energy:g} GeV, but the settings, or the file that they name, "
                f"have beams with {self.energy:g} GeV"
            )
        self._charges = Charges(self._pythia)

    def _take_events(self, path: Path, hard_events: range, hard_file: IO[bytes]) -> HardEvents:
        """Restrict Pythia to some events of its Les Houches file, so that shards do not share events."""
        n_skipped = self._pythia.mode("Beams:nSkipLHEFatInit")
        wanted = range(hard_events.start + n_skipped, hard_events.stop + n_skipped)
        taken = copy_events(path, wanted, hard_file)
        hard_file.flush()
        self._pythia.settings.mode(FRAME, LES_HOUCHES)
        self._pythia.settings.mode("Beams:nSkipLHEFatInit", 0)
        self._pythia.settings.word("Beams:LHEF", hard_file.name)
        return taken

    def batch(self, n_events: int) -> tuple[Particles, np.ndarray]:
        """Generate events.

        Parameters
        ----------
        n_events : int
            Number of events. Failed events are rare and are replaced. From a Les Houches file as many are read, and
            events that Pythia rejects are missing.

        Returns
        -------
        particles : Particles
            Stable particles, including invisible ones.
        weights : np.ndarray, shape (n_events,), float64
            Relative weights; multiplied by :attr:`weight_scale` they are in pb.
        """
        self._recorder.weights.clear()
        with captured_output() as output:
            try:
                events = self._pythia.nextBatch(
                    n_events, errorMode="none" if self.hard_events else MAX_TRIALS_PER_EVENT
                )
            except RuntimeError as error:
                raise UserError(f"process {self._process}: Pythia {error}{reason(output)}") from None
            except TypeError:  # from awkward, for a batch in which no particle has a vertex
                raise UserError(f"process {self._process}: expected events with hadrons, found only partons") from None
        self._refuse_other_processes()
        weights = np.array(self._recorder.weights)
        self._n_asked += n_events
        self._weight_sum += weights.sum()
        return self._stable(ak.drop_none(events).prt) if len(weights) else NO_EVENTS, weights

    def _refuse_other_processes(self) -> None:
        """Refuse processes of Pythia that the settings switch on beside a Les Houches file: it would mix them in."""
        info = self._pythia.infoPython()
        others = [info.nameProc(code) for code in info.codesHard() if code != LES_HOUCHES_CODE]
        if self.file and others:
            raise UserError(
                f"process {self._process}: the settings switch on '{others[0]}' of Pythia, expected only the events of "
                f"{self.file}: leave out settings of hard processes"
            )

    @property
    def n_tried(self) -> int:
        """Number of events so far, including failed and vetoed ones."""
        return self._n_asked + (0 if self.hard_events else self._recorder.n_failed)

    @property
    def energy(self) -> float:
        """Centre-of-mass energy in GeV."""
        return float(self._pythia.infoPython().eCM())

    def estimate(self) -> tuple[float, float]:
        """Return the cross section and its statistical error in pb, estimated by Pythia from all events so far."""
        info = self._pythia.infoPython()
        return float(info.sigmaGen()) * PB_PER_MB, float(info.sigmaErr()) * PB_PER_MB

    def _stable(self, records: ak.Array) -> Particles:
        """Select the stable particles of event records."""
        flat = ak.flatten(records)
        stable = np.flatnonzero(ak.to_numpy(flat.status) > 0)
        event = np.repeat(np.arange(len(records)), ak.to_numpy(ak.num(records)))[stable]
        pid = ak.to_numpy(flat.id)[stable]
        momenta = (ak.to_numpy(flat.p[name])[stable] for name in ("px", "py", "pz", "e"))
        return Particles(np.bincount(event, minlength=len(records)), pid, self._charges(pid), *momenta)
