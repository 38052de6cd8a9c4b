"""Layouts of the 18 objects of an event in files: the only module that knows them.

- Events files (``Particles``) hold MET, 4 e/g, 4 muons and 10 jets, each with pT, eta, phi and a class.
- L1 regression files (``smeared_data``, ``true_data``) hold 4 muons, 4 e/g and 10 jets, each with pT, eta and phi.

A slot with pT = 0 is empty, whatever its other numbers are. Momenta are in GeV, angles in radians.
"""

import numpy as np

from utils.runtime.compiled import compiled, inlined

PT, ETA, PHI, CLASS = 0, 1, 2, 3

N_EVENT_SLOTS = 19
EVENT_MET = 0
EVENT_EGAMMAS, EVENT_MUONS, EVENT_JETS = slice(1, 5), slice(5, 9), slice(9, 19)
EVENT_CLASSES = np.repeat([1, 2, 3, 4], [1, 4, 4, 10])
EVENT_CLASS_NAMES = (b"MET_class_1", b"Four_Ele_class_2", b"Four_Mu_class_3", b"Ten_Jet_class_4")
EVENT_FEATURE_NAMES = (b"Pt", b"Eta", b"Phi", b"Class")

N_SLOTS = 18
MUONS, EGAMMAS, JETS = slice(0, 4), slice(4, 8), slice(8, 18)
FIRST_EGAMMA, FIRST_JET = EGAMMAS.start, JETS.start
PID_EMPTY, PID_MUON, PID_EGAMMA, PID_JET = 0, 1, 2, 3
SLOT_PIDS = np.repeat([PID_MUON, PID_EGAMMA, PID_JET], [4, 4, 10])
SLOT_NAMES = {"muons": MUONS, "egammas": EGAMMAS, "jets": JETS}


def event_objects(particles: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """Reorder the objects of events-file rows into the slots of an L1 regression file.

    Parameters
    ----------
    particles : np.ndarray, shape (n_events, 19, 4)
    order : np.ndarray, shape (n_events,), optional
        Order of the events in the result; by default their own.

    Returns
    -------
    np.ndarray, shape (n_events, 18, 3), float32
        pT, eta, phi; all zero in empty slots.
    """
    return _event_objects(particles, np.arange(len(particles)) if order is None else order)


_EVENT_SLOTS = np.r_[EVENT_MUONS, EVENT_EGAMMAS, EVENT_JETS]


@compiled
def _event_objects(particles: np.ndarray, order: np.ndarray) -> np.ndarray:
    objects = np.zeros((len(order), N_SLOTS, 3), np.float32)
    for i in range(len(order)):
        for slot in range(N_SLOTS):
            copy_object(particles, order[i], slot, objects, i)
    return objects


@inlined
def copy_object(particles: np.ndarray, event: int, slot: int, objects: np.ndarray, i: int) -> bool:
    """Copy the object of a slot of an event to row `i` of `objects`; return whether there is one."""
    event_slot = _EVENT_SLOTS[slot]
    if not particles[event, event_slot, PT] > 0:
        return False
    for feature in range(3):
        objects[i, slot, feature] = particles[event, event_slot, feature]
    return True
