"""Objects that are near others, such as leptons that are counted as jets too."""

import numpy as np

from utils.runtime.compiled import compiled


@compiled
def largest_near(
    sizes: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    other_sizes: np.ndarray,
    other_eta: np.ndarray,
    other_phi: np.ndarray,
    other_values: np.ndarray,
    radius: float,
) -> np.ndarray:
    """Return the largest value of the other objects within a radius in eta and phi of each object.

    Parameters
    ----------
    sizes, other_sizes : np.ndarray, shape (n_events,), int64
        Number of objects of each event.
    eta, phi : np.ndarray, shape (n_objects,)
    other_eta, other_phi : np.ndarray, shape (n_others,)
    other_values : np.ndarray, shape (n_others,), float32 or bool
        Such as their pT, or whether they count. Those with a value that is not above 0 do not.
    radius : float

    Returns
    -------
    np.ndarray, shape (n_objects,), float32
        0 of objects without another one within the radius.
    """
    largest = np.zeros(len(eta), np.float32)
    first, other_first = 0, 0
    for event in range(len(sizes)):
        for i in range(first, first + sizes[event]):
            for j in range(other_first, other_first + other_sizes[event]):
                if not other_values[j] > largest[i]:
                    continue
                distance = abs(phi[i] - other_phi[j]) % (2 * np.pi)
                distance = min(distance, 2 * np.pi - distance)
                if (eta[i] - other_eta[j]) ** 2 + distance**2 < radius**2:
                    largest[i] = other_values[j]
        first += sizes[event]
        other_first += other_sizes[event]
    return largest
