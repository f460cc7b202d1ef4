"""Spike factors against spikes with known factors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtri

from calgan.spike_factors import SpikeFactors, fit_spike_factors

SCALES = (0.3, 3.0, 30.0)


def coloured(rng: np.random.Generator, n: int, tau: float) -> np.ndarray:
    """Return an Ornstein-Uhlenbeck process of variance 1."""
    decay = np.exp(-1 / tau)
    steps = np.sqrt(1 - decay**2) * rng.standard_normal(n + 500)
    return lfilter([1], [1, -decay], steps)[500:]


def planted(
    loadings: np.ndarray, taus: tuple[float, ...], *, rate: float = 0.06, n: int = 8000
) -> np.ndarray:
    """Return traces (n, N) of a dichotomized Gaussian whose factors have time constants `taus`."""
    rng = np.random.default_rng(0)
    factors = np.stack([coloured(rng, n, tau) for tau in taus], axis=1)
    private = np.sqrt(1 - np.square(loadings).sum(axis=1))
    latent = factors @ loadings.T + private * rng.standard_normal((n, len(loadings)))
    calcium = lfilter([1], [1, -0.75], latent > ndtri(1 - rate), axis=0)
    return (calcium + 0.08 * rng.standard_normal(calcium.shape)).astype(np.float32)


def shares(factors: SpikeFactors) -> np.ndarray:
    """Return what part of each factor's variance changes at each time scale, (K, S)."""
    power = np.square(factors.loadings).sum(axis=0)
    return power / power.sum(axis=1, keepdims=True)


def strongest(factors: SpikeFactors) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings (N,) of the factor that explains most, and its shares (S,)."""
    by_factor = np.sqrt(np.square(factors.loadings).sum(axis=2))
    k = by_factor.sum(axis=0).argmax()
    signs = np.sign(factors.loadings[:, k, 0])
    return signs * by_factor[:, k], shares(factors)[k]


@pytest.fixture(scope="module")
def one_factor() -> tuple[np.ndarray, np.ndarray]:
    loadings = np.array([0.9, 0.75, 0.6, 0.45, 0.3, 0.0, -0.5, -0.8])
    return loadings, planted(loadings[:, np.newaxis], (10.0,))


def test_a_planted_factor_is_found(one_factor: tuple[np.ndarray, np.ndarray]) -> None:
    loadings, traces = one_factor
    found, _ = strongest(fit_spike_factors([traces], 10.0, 2, SCALES))
    found *= np.sign(found @ loadings)
    positive = loadings > 0
    assert (found[positive] > 0.1).all()
    assert (np.diff(found[positive]) < 0.05).all()  # in the planted order
    assert abs(found[5]) < 0.2
    # Few coincidences to miss: that neurons exclude each other shows less.
    assert (found[-2:] < -0.05).all()
    assert np.corrcoef(found, loadings)[0, 1] > 0.95


def test_rates_and_amplitudes_are_those_of_the_events() -> None:
    traces = planted(np.zeros((4, 1)), (10.0,))  # without bursts, which pass for single events
    scale, offset = np.float32([1, 1, 30, 1e-3]), np.float32([0, -4, 9, 1e-2])
    factors = fit_spike_factors([scale * traces + offset], 10.0, 1, SCALES)
    np.testing.assert_allclose(factors.probabilities, 0.06, rtol=0.25)
    np.testing.assert_allclose(factors.amplitudes, scale, rtol=0.1)
    np.testing.assert_allclose(factors.deconvolver.decay_, 0.75, atol=0.05)


def test_units_do_not_matter(one_factor: tuple[np.ndarray, np.ndarray]) -> None:
    traces = one_factor[1]
    plain, other = (
        fit_spike_factors([part], 10.0, 2, SCALES) for part in (traces, 1000 * traces + 500)
    )
    np.testing.assert_allclose(other.loadings, plain.loadings, atol=0.02)
    np.testing.assert_allclose(other.amplitudes, 1000 * plain.amplitudes, rtol=0.01)


@pytest.mark.parametrize("pieces", [1, 60])
@pytest.mark.parametrize(("tau", "scale"), [(3.0, 1), (30.0, 2)])
def test_slow_factors_are_told_from_fast_ones(tau: float, scale: int, pieces: int) -> None:
    traces = planted(np.full((8, 1), 0.85), (tau,), n=9000)
    factors = fit_spike_factors(np.split(traces, pieces), 10.0, 1, SCALES)
    _, by_scale = strongest(factors)
    assert by_scale.argmax() == scale
    assert by_scale[scale] > 0.6


def test_every_stretch_counts() -> None:
    # The first stretch is the longest, and silent: it says nothing about time.
    traces = planted(np.full((8, 1), 0.85), (30.0,))
    quiet = 0.08 * np.random.default_rng(1).standard_normal((600, 8)).astype(np.float32)
    stretches = [quiet, *np.split(traces, 20)]
    _, by_scale = strongest(fit_spike_factors(stretches, 10.0, 1, SCALES))
    assert by_scale.argmax() == 2


def test_independent_neurons_share_little() -> None:
    traces = planted(np.zeros((8, 1)), (10.0,))
    factors = fit_spike_factors([traces], 10.0, 2, SCALES)
    assert np.square(factors.loadings).sum(axis=(1, 2)).mean() < 0.15


@pytest.mark.parametrize("n_neurons", [1, 2, 5])
def test_loadings_leave_room_for_private_noise(n_neurons: int) -> None:
    # All neurons are one, and there are more factors than neurons.
    trace = planted(np.full((1, 1), 0.5), (10.0,), n=2000)
    factors = fit_spike_factors([np.repeat(trace, n_neurons, axis=1)], 10.0, 7, SCALES)
    assert factors.loadings.shape == (n_neurons, 7, 3)
    shared = np.square(factors.loadings).sum(axis=(1, 2))
    assert (shared < 0.95).all()
    assert np.isfinite(factors.loadings).all()
    np.testing.assert_allclose(shared, shared[0], rtol=1e-6)
    assert (shared[0] > 0.2) == (n_neurons > 1)  # one neuron shares nothing


def test_a_neuron_without_spikes_has_a_probability_and_no_amplitude(
    one_factor: tuple[np.ndarray, np.ndarray],
) -> None:
    traces = one_factor[1].copy()
    traces[:, 3] = 2.5
    factors = fit_spike_factors([traces], 10.0, 2, SCALES)  # and warns of nothing
    assert factors.amplitudes[3] == 0
    assert 0 < factors.probabilities[3] < 1e-3
    for values in (factors.loadings, factors.amplitudes, factors.probabilities):
        assert np.isfinite(values).all()
    assert (factors.probabilities > 0).all()


def test_stretches_shorter_than_a_bin_will_do() -> None:
    stretches = np.random.default_rng(0).standard_normal((9, 5, 3)).astype(np.float32)
    factors = fit_spike_factors(stretches, 10.0, 2, SCALES)
    assert np.isfinite(factors.loadings).all()
