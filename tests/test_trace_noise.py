"""Noise of traces that lasts, and that neurons share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from calgan.trace_noise import N_SHARED, TraceNoise, autocovariance, fit_trace_noise


def lasting(rng: np.random.Generator, shape: tuple[int, ...], time: float) -> np.ndarray:
    """An autoregressive process of first order, of variance 1, along the first axis."""
    decay = np.exp(-1 / time)
    white = rng.standard_normal((shape[0] + 200, *shape[1:]))
    return np.sqrt(1 - decay**2) * lfilter([1.0], [1.0, -decay], white, axis=0)[200:]


def shared_variance(found: TraceNoise) -> np.ndarray:
    return np.square(found.loadings).sum(axis=1)


def test_shared_noise_is_found_with_its_time() -> None:
    rng = np.random.default_rng(0)
    loadings = np.linspace(-0.6, 0.6, 12)
    own = rng.standard_normal((9000, 12)) * np.sqrt(1 - loadings**2)
    found = fit_trace_noise([lasting(rng, (9000, 1), 6.0) * loadings + own])
    products, expected = found.loadings @ found.loadings.T, np.outer(loadings, loadings)
    others = ~np.eye(12, dtype=bool)
    np.testing.assert_allclose(products[others], expected[others], atol=0.05)
    strongest = np.square(found.loadings).sum(axis=0).argmax()
    assert found.time[strongest] == pytest.approx(6.0, rel=0.25)


def test_two_noises_have_their_own_times() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((9000, 16))
    noise[:, :8] += lasting(rng, (9000, 1), 10.0)
    noise[:, 8:] += 0.7 * rng.standard_normal((9000, 1))  # white
    found = fit_trace_noise([noise])
    fast, slow = (
        np.square(found.loadings[part]).sum(axis=0).argmax() for part in (slice(8, 16), slice(8))
    )
    assert found.time[slow] == pytest.approx(10.0, rel=0.3)
    assert found.time[fast] < 0.5


def test_noise_of_single_neurons_is_nobody_elses() -> None:
    rng = np.random.default_rng(2)
    found = fit_trace_noise([lasting(rng, (9000, 20), 5.0)])
    assert shared_variance(found).mean() < 0.03
    # Nor is white noise.
    found = fit_trace_noise([np.random.default_rng(3).standard_normal((9000, 20))])
    assert shared_variance(found).mean() < 0.01


def test_not_all_noise_is_shared() -> None:
    noise = np.random.default_rng(4).standard_normal((6000, 1)) * np.ones(5)
    assert shared_variance(fit_trace_noise([noise])).max() <= 0.6 + 1e-9


@pytest.mark.parametrize("pieces", [1, 15, 60])
def test_stretches_are_read_apart_and_together(pieces: int) -> None:
    rng = np.random.default_rng(6)
    noise = lasting(rng, (6000, 1), 6.0) + rng.standard_normal((6000, 6))
    found = fit_trace_noise(np.split(noise, pieces))
    np.testing.assert_allclose(shared_variance(found), 0.5, atol=0.08)


@settings(deadline=None, max_examples=20)
@given(
    exponent=st.integers(-6, 6),
    offset=st.floats(-100, 100),
    order=st.permutations(range(5)),
    seed=st.integers(0, 1000),
)
def test_units_and_the_order_of_neurons_do_not_matter(
    exponent: int, offset: float, order: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    noise = 0.7 * lasting(rng, (600, 1), 4.0) + rng.standard_normal((600, 5))
    found = fit_trace_noise([noise])
    other = fit_trace_noise([10.0**exponent * (noise[:, order] + offset)])
    np.testing.assert_allclose(
        other.loadings @ other.loadings.T,
        (found.loadings @ found.loadings.T)[np.ix_(order, order)],
        atol=1e-5,
    )


@pytest.mark.parametrize("shape", [(600, 1), (600, 2), (20, 4), (2, 3), (1, 3)])
def test_little_noise_is_fitted(shape: tuple[int, int]) -> None:
    found = fit_trace_noise([np.random.default_rng(7).standard_normal(shape)])
    assert found.loadings.shape == (shape[1], N_SHARED)
    assert all(np.isfinite(part).all() for part in found)
    assert (found.time > 0).all()


def test_a_neuron_without_noise_has_none_that_lasts() -> None:
    noise = np.random.default_rng(8).standard_normal((600, 4))
    noise[:, 2] = 0.3
    found = fit_trace_noise([noise])
    assert not found.loadings[2].any()
    assert all(np.isfinite(part).all() for part in found)


def test_an_artefact_is_no_noise() -> None:
    rng = np.random.default_rng(9)
    noise = rng.standard_normal((6000, 6))
    with_artefact = noise.copy()
    with_artefact[3000:3003] += 300.0
    assert shared_variance(fit_trace_noise([with_artefact])).max() < 0.05
    # And takes nothing from what there is.
    shared = rng.standard_normal((6000, 1))
    for part in (noise, with_artefact):
        found = fit_trace_noise([0.8 * part + 0.6 * shared])
        assert shared_variance(found).mean() == pytest.approx(0.36, abs=0.05)


@pytest.mark.parametrize("length", [16, 31, 47])
def test_short_stretches_have_it_as_well(length: int) -> None:
    rng = np.random.default_rng(10)
    noise = [lasting(rng, (length, 1), 4.0) + rng.standard_normal((length, 6)) for _ in range(200)]
    assert shared_variance(fit_trace_noise(noise)).mean() == pytest.approx(0.5, abs=0.08)


@given(lag=st.integers(0, 8), seed=st.integers(0, 100))
def test_autocovariances_are_means_of_products(lag: int, seed: int) -> None:
    parts = [np.random.default_rng(seed).standard_normal((n, 2)) for n in (5, 9, 30)]
    products = [part[t + lag] * part[t] for part in parts for t in range(len(part) - lag)]
    np.testing.assert_allclose(autocovariance(parts, lag), np.mean(products, axis=0))
