"""Efficiencies at equal rate in bins of the true variable, against Gaussians and pseudo-experiments."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from utils.evaluation.bootstrap import N_REPLICAS, ONE_SIGMA, Estimate, zero_event_limit
from utils.evaluation.efficiency_gains import EfficiencyReplicas, signal_efficiencies
from utils.evaluation.gains_in_bins import GainsInBins, gains_in_bins
from utils.evaluation.histograms import bin_index

EDGES = np.array([0.0, 40, 80, 200])
SIGMAS = {"baseline": 20.0, "corrected": 14.0}
THRESHOLD = 60.0


def expected_efficiency(sigma):
    """Mean of the error function over each bin, for true values that are uniform in it."""
    fine = [np.linspace(low, high, 2001) for low, high in pairwise(EDGES)]
    return np.array([norm.cdf((true - THRESHOLD) / sigma).mean() for true in fine])


def gains_of(rng, n_events):
    """Gains of a correction that takes part of the smearing back, at known thresholds."""
    true, smear = rng.uniform(0, 200, n_events), rng.normal(0, 1, n_events)
    scores = {name: true + sigma * smear for name, sigma in SIGMAS.items()}
    rows = {name: np.full((1 + N_REPLICAS, 1), THRESHOLD) for name in scores}
    kinds = bin_index(true, EDGES)
    _, parts = signal_efficiencies(scores, np.ones(n_events), rows, rng, kinds)
    return gains_in_bins(EDGES, rows, [part.inside for part in parts], "baseline", ["corrected"])


def test_efficiencies_of_gaussians_and_their_paired_errors(rng):
    found = [gains_of(rng, 1500) for _ in range(60)]
    truth = {name: expected_efficiency(sigma) for name, sigma in SIGMAS.items()}
    for name, expected in truth.items():
        values = np.array([gains.efficiency[name].value[0] for gains in found])
        # The mean of 60 experiments with at least 300 events in each bin, within five standard deviations.
        assert values.mean(0) == pytest.approx(expected, abs=5 * 0.5 / np.sqrt(300 * 60))
    differences = truth["corrected"] - truth["baseline"]
    values, errors = (
        np.array([getattr(gains.gain["corrected"], key)[0] for gains in found]) for key in ("value", "error")
    )
    covered = np.mean(np.abs(values - differences) < errors)
    assert covered == pytest.approx(ONE_SIGMA, abs=3 * np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / values.size))
    assert errors.mean(0) == pytest.approx(values.std(0), rel=0.25)
    single = np.array([gains.efficiency["corrected"].error[0] for gains in found])
    assert errors.mean(0)[1] < 0.6 * single.mean(0)[1]  # the same events


def test_one_bin_of_all_events_is_the_whole(rng):
    true = rng.uniform(0, 200, 800)
    scores = {name: true + sigma * rng.normal(0, 1, 800) for name, sigma in SIGMAS.items()}
    rows = {name: rng.normal(THRESHOLD, 2, (1 + N_REPLICAS, 2)) for name in scores}
    kinds, everything = bin_index(true, EDGES), np.ones((1, 3), bool)
    whole, (part,) = signal_efficiencies(scores, np.ones(800), rows, rng, kinds, everything)
    gains = gains_in_bins(np.array([0.0, 200]), rows, [part.inside], "baseline", ["corrected"])
    for name, efficiency in gains.efficiency.items():
        assert efficiency.value[:, 0].tolist() == whole.replicas[name][0].tolist()
    assert gains.n_effective == [800]


def test_a_bin_in_which_the_same_events_pass_has_a_limit_and_one_without_events_is_unknown():
    one, nothing = np.ones((1 + N_REPLICAS, 2)), np.full((1 + N_REPLICAS, 2), np.nan)
    bins = [EfficiencyReplicas(n, dict.fromkeys(("baseline", "model"), rows)) for n, rows in ((10, one), (0, nothing))]
    thresholds = {
        "baseline": np.tile([5.0, 6], (1 + N_REPLICAS, 1)),
        "model": np.tile([5, np.nan], (1 + N_REPLICAS, 1)),
    }
    gains = gains_in_bins(np.array([0.0, 1, 2]), thresholds, bins, "baseline", ["model"])
    gain = gains.gain["model"]
    assert (gain.value[0, 0], gain.error[0, 0]) == (0, pytest.approx(zero_event_limit(np.array(10.0))))
    assert np.isnan(gain.value[0, 1]) and np.isnan(gain.value[1]).all()  # no event; no threshold of the model
    assert gains.efficiency["baseline"].value[:, 0].tolist() == [1, 1]
    assert not gains.below_baseline("model").any()


def test_below_the_baseline_is_more_than_two_errors():
    gain = Estimate(np.array([[-0.21, -0.19, 0.5, np.nan]]), np.array([[0.1, 0.1, 0.1, np.nan]]))
    gains = GainsInBins(np.arange(5.0), np.ones(4), {}, {"model": gain})
    assert gains.below_baseline("model").tolist() == [[True, False, False, False]]
