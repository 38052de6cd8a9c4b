"""Event generation with Pythia 8 (C. Bierlich et al., SciPost Phys. Codeb. 8 (2022), arXiv:2203.11601)."""

import os
import re
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import awkward as ak
import numpy as np
import pythia8mc

from utils.cli import UserError
from utils.detector import Particles

PB_PER_MB = 1e9
MAX_PYTHIA_SEED = 900_000_000
MAX_TRIALS_PER_EVENT = 10.0

# Particles that fly more than 10 mm/c reach the detector, as is the convention at the LHC.
COMMON_SETTINGS = ("Print:init = off", "Print:next = off", "ParticleDecays:limitTau0 = on")
MINIMUM_BIAS = ("SoftQCD:nonDiffractive = on",)


def seed_sequences(seed: int, process: str, shard: int) -> tuple[np.random.SeedSequence, ...]:
    """Independent seeds of a shard: for its hard process, its pile-up collisions and its detector."""
    key = (zlib.crc32(process.encode()), shard)
    return tuple(np.random.SeedSequence(seed, spawn_key=key).spawn(3))


def pythia_seed(sequence: np.random.SeedSequence) -> int:
    """Seed in Pythia's range, from 1 to 900,000,000."""
    return 1 + int(sequence.generate_state(1, np.uint64)[0]) % MAX_PYTHIA_SEED


class _EventWeights(pythia8mc.UserHooks):
    """Note the weight of each complete event, which Pythia's batches leave out, and count all others."""

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


class Generator:
    """Proton-proton collisions of one process.

    Parameters
    ----------
    process : str
        Name, for messages.
    settings : sequence of str
        Lines ``Key = value`` for Pythia.
    energy : float
        Centre-of-mass energy in GeV.
    underlying_event : bool
        Without it, multi-parton interactions are off, whatever the settings say.
    seed : np.random.SeedSequence

    Raises
    ------
    UserError
        If Pythia does not accept a setting, or all of them together.
    """

    def __init__(
        self,
        process: str,
        settings: Sequence[str],
        *,
        energy: float,
        underlying_event: bool,
        seed: np.random.SeedSequence,
    ):
        self._process = process
        with _captured_output() as output:
            self._pythia = pythia8mc.Pythia("", False)
            forced = [f"Beams:eCM = {energy}", "Random:setSeed = on", f"Random:seed = {pythia_seed(seed)}"]
            if not underlying_event:
                forced.append("PartonLevel:MPI = off")
            for setting in (*COMMON_SETTINGS, *settings, *forced):
                if not self._pythia.readString(setting):
                    raise UserError(f"process {process}: Pythia does not accept '{setting}'{_reason(output)}")
            self._recorder = _EventWeights(self._pythia)
            self._pythia.setUserHooksPtr(self._recorder)
            if not self._pythia.init():
                raise UserError(
                    f"process {process}: Pythia cannot start with the settings "
                    f"{', '.join(repr(setting) for setting in settings)}{_reason(output)}"
                )
        self._charges: dict[int, float] = {}

    def batch(self, n_events: int) -> tuple[Particles, np.ndarray]:
        """Generate events.

        Parameters
        ----------
        n_events : int
            How many; those that fail, which is rare, are replaced.

        Returns
        -------
        particles : Particles
            Stable particles, invisible ones among them.
        weights : np.ndarray, shape (n_events,), float64
            Relative weights; their sum over all events is :attr:`weight_sum`.
        """
        self._recorder.weights.clear()
        with _captured_output() as output:
            try:
                events = self._pythia.nextBatch(n_events, errorMode=MAX_TRIALS_PER_EVENT)
            except RuntimeError as error:
                raise UserError(f"process {self._process}: Pythia {error}{_reason(output)}") from None
        return self._stable(events.prt), np.array(self._recorder.weights)

    @property
    def n_failed(self) -> int:
        """Number of events so far that failed and were replaced."""
        return self._recorder.n_failed

    @property
    def weight_sum(self) -> float:
        """Sum of the weights of all events so far."""
        return float(self._pythia.infoPython().weightSum())

    @property
    def cross_section_pb(self) -> float:
        """Cross section in pb, Pythia's estimate from all events so far."""
        return float(self._pythia.infoPython().sigmaGen()) * PB_PER_MB

    @property
    def cross_section_error_pb(self) -> float:
        """Statistical error of the cross section in pb."""
        return float(self._pythia.infoPython().sigmaErr()) * PB_PER_MB

    def _stable(self, records: ak.Array) -> Particles:
        """Take the stable particles out of event records."""
        flat = ak.flatten(records)
        stable = np.flatnonzero(ak.to_numpy(flat.status) > 0)
        event = np.repeat(np.arange(len(records)), ak.to_numpy(ak.num(records)))[stable]
        pid = ak.to_numpy(flat.id)[stable]
        momenta = (ak.to_numpy(flat.p[name])[stable] for name in ("px", "py", "pz", "e"))
        return Particles(np.bincount(event, minlength=len(records)), pid, self._charge(pid), *momenta)

    def _charge(self, pid: np.ndarray) -> np.ndarray:
        """Electric charge of each particle, from Pythia's table."""
        kinds, kind = np.unique(pid, return_inverse=True)
        for number in kinds.tolist():
            if number not in self._charges:
                self._charges[number] = self._pythia.particleData.charge(number)
        return np.array([self._charges[number] for number in kinds.tolist()])[kind]


@contextmanager
def _captured_output() -> Iterator[BinaryIO]:
    """Catch what Pythia writes to standard output, which is out of reach of Python's own redirection."""
    sys.stdout.flush()
    standard_output = os.dup(1)
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        try:
            yield output
        finally:
            os.dup2(standard_output, 1)
            os.close(standard_output)


def _reason(output: BinaryIO) -> str:
    """Return Pythia's first message of the output that was caught, after a colon, or nothing."""
    output.seek(0)
    messages = re.findall(r"PYTHIA (?:Error|Abort):? (.+)", output.read().decode(errors="replace"))
    return f": {messages[0].strip(' :')}" if messages else ""
