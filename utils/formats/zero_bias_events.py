"""Zero-bias events of CMS, from whatever files they come."""

from dataclasses import dataclass, field

import numpy as np

from utils.l1_events import L1Events

PROCESS_ID = 0


@dataclass(frozen=True)
class ZeroBiasEvents:
    """Zero-bias events.

    Attributes
    ----------
    events : L1Events
        Without a generator level: ``true_data`` is None and the true sums are NaN. Process ``PROCESS_ID``, weight 1.
    reference : np.ndarray, shape (n_events,), float32
        Energy sum of the CMS trigger in GeV.
    n_saturated : dict of str to int
        Number of saturated objects of each kind in the slots, and of saturated reference sums.
    sections : np.ndarray, shape (n_events, 2), uint32, or None
        Run and luminosity section; None where the files do not say.
    left_out : dict of str to int
        Number of events that were read but do not count, by reason.
    """

    events: L1Events
    reference: np.ndarray
    n_saturated: dict[str, int]
    sections: np.ndarray | None = None
    left_out: dict[str, int] = field(default_factory=dict)
