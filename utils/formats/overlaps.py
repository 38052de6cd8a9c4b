"""Objects that are near others, such as leptons that are counted as jets too."""

import numpy as np

from utils.runtime.compiled import compiled


@compiled
def near_others(
    sizes: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    other_sizes: np.ndarray,
    other_eta: np.ndarray,
    other_phi: np.ndarray,
    others: np.ndarray,
    radius: float,
) -> np.ndarray:
    """Return which objects have another one within a radius in eta and phi.

    Parameters
    ----------
    sizes, other_sizes : np.ndarray, shape (n_events,), int64
        Number of objects of each event.
    eta, phi : np.ndarray, shape (n_objects,)
    other_eta, other_phi : np.ndarray, shape (n_others,)
    others : np.ndarray, shape (n_others,), bool
        Which of the others count.
    radius : float

    Returns
    -------
    np.ndarray, shape (n_objects,), bool
    """
    near = np.zeros(len(eta), np.bool_)
    first, other_first = 0, 0
    for event in range(len(sizes)):
        for i in range(first, first + sizes[event]):
            for j in range(other_first, other_first + other_sizes[event]):
                if not others[j]:
                    continue
                distance = abs(phi[i] - other_phi[j]) % (2 * np.pi)
                distance = min(distance, 2 * np.pi - distance)
                if (eta[i] - other_eta[j]) ** 2 + distance**2 < radius**2:
                    near[i] = True
        first += sizes[event]
        other_first += other_sizes[event]
    return near
