"""Boosted trees, on features of the event."""

from collections.abc import Callable

import numpy as np

from benchmarks.methods.training import Baseline, Training
from utils.data_processing import GraphCreator
from utils.event_layout import ETA, N_SLOTS, PHI, PID_EGAMMA, PID_JET, PID_MUON, PT

LEADING_OBJECTS = 4
N_LEVELS = 255  # the largest number of bins of scikit-learn


def event_features(features: np.ndarray, creator: GraphCreator) -> np.ndarray:
    """Describe events by sums over objects of each kind and by the leading ones, for trees.

    Parameters
    ----------
    features : np.ndarray, shape (n_graphs, n_nodes, n_features)
        Plain features: pT [GeV], eta, phi and others, zero where empty.
    creator : GraphCreator
        Which made them.

    Returns
    -------
    np.ndarray, shape (n_graphs, n)
        MET of the objects given, HT; for each kind of object the number, scalar sum, length of the vector sum and its
        part along MET; pT, |eta| and angle to MET of the leading objects of each kind, NaN where there is none; the
        angle between the leading jets.
    """
    pt, eta, phi = features[:, :, PT], features[:, :, ETA], features[:, :, PHI]
    has_pid = "pid" in creator.feature_names
    pid = features[:, :, -1] if has_pid else np.where(pt > 0, PID_JET, 0)
    px, py = pt * np.cos(phi), pt * np.sin(phi)
    met_phi = np.arctan2(py.sum(1), px.sum(1))[:, None]
    angle_to_met = np.abs(np.angle(np.exp(1j * (phi - met_phi))))
    columns = [np.hypot(px.sum(1), py.sum(1)), features[:, :, creator.feature_names.index("ht")].max(1)]
    for kind in (PID_MUON, PID_EGAMMA, PID_JET) if has_pid else (PID_JET,):
        is_kind = pid == kind
        kind_pt = np.where(is_kind, pt, 0)
        x, y = (px * is_kind).sum(1), (py * is_kind).sum(1)
        columns += [is_kind.sum(1), kind_pt.sum(1), np.hypot(x, y), (kind_pt * np.cos(angle_to_met)).sum(1)]
        leading = np.argsort(-kind_pt, axis=1, kind="stable")[:, : LEADING_OBJECTS if kind == PID_JET else 1]
        there = np.take_along_axis(is_kind, leading, 1)
        for values in (pt, np.abs(eta), angle_to_met):
            columns += list(np.where(there, np.take_along_axis(values, leading, 1), np.nan).T)
        if kind == PID_JET and leading.shape[1] > 1:
            first, second = np.take_along_axis(phi, leading, 1)[:, :2].T
            columns.append(np.where(there[:, 1], np.abs(np.angle(np.exp(1j * (first - second)))), np.nan))
    return np.stack(columns, axis=1)


def quantile_levels(features: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that replaces features by the number of quantiles of `features` below them.

    scikit-learn divides each feature into bins of equal weight, so that few bins would be left for rare events. With at
    most as many values as bins each value has its own.

    Parameters
    ----------
    features : np.ndarray, shape (n_events, n_features)
        Features of the training; NaN where there is none.
    """
    known = np.isfinite(features).any(0)
    edges = np.nanquantile(features[:, known], np.linspace(0, 1, N_LEVELS + 1)[1:-1], axis=0)

    def levels(features: np.ndarray) -> np.ndarray:
        columns = [np.searchsorted(of, column) for of, column in zip(edges.T, features[:, known].T, strict=True)]
        return np.where(np.isfinite(features[:, known]), np.stack(columns, axis=1), np.nan)

    return levels


def trees(training: Training) -> Baseline:
    """Boost trees on event features, with the squared error of the logarithm of the correction."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    from nn.losses import LOG_OFFSET

    graphs = training.all_graphs()
    model = HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.06, min_samples_leaf=200, random_state=training.seed
    )
    target = np.log(graphs.labels[:, 0] + LOG_OFFSET)
    features = event_features(graphs.padded(N_SLOTS), training.creator)
    levels = quantile_levels(features)
    model.fit(levels(features), target, graphs.weights)

    def predict(features: np.ndarray) -> np.ndarray:
        logarithm = model.predict(levels(event_features(features, training.creator)))
        return np.maximum(np.exp(logarithm) - LOG_OFFSET, 0).astype(np.float32)

    return Baseline(training.creator, predict)
