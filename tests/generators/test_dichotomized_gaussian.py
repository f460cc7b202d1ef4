"""The dichotomized Gaussian draws what it was asked for, to within the error of counting."""

from __future__ import annotations

import pickle
import time
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import toeplitz
from scipy.special import ndtri
from scipy.stats import binom, multivariate_normal, norm, poisson
from sklearn.base import clone

from calgan import DichotomizedGaussian, OasisDeconvolver, Recording, Windower, datasets
from calgan.generators.dichotomized_gaussian.latent import (
    count_covariance,
    count_variance,
    latent_correlation,
    nearest_correlation,
    nearest_count_correlation,
    square_root,
    threshold_covariance,
)
from calgan.generators.dichotomized_gaussian.moments import autocovariance_of, read_spikes

thresholds_st = st.floats(-4.0, 4.0)
correlation_st = st.floats(-0.999, 0.999)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)


def covariance_by_integral(h: float, k: float, rho: float) -> float:
    """Plackett's integral over the correlation, a way that the library does not go."""
    # Pieces, smaller towards the corner where the integrand changes fast.
    edges = np.arcsin(rho) * (1 - np.r_[10.0 ** -np.arange(0, 9, 0.5), 0.0])
    centre, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    angle = centre[:, None] + half[:, None] * NODES
    q = (h * h + k * k - 2 * h * k * np.sin(angle)) / (2 * np.cos(angle) ** 2)
    return float(half @ (np.exp(-q) @ WEIGHTS)) / (2 * np.pi)


def factor_correlation(n: int, rng: np.random.Generator, strength: float = 0.8) -> np.ndarray:
    """Return a positive definite correlation matrix of both signs."""
    loadings = rng.uniform(-strength, strength, (n, 3)) / np.sqrt(1.5)
    loadings += 0.15
    matrix = loadings @ loadings.T
    scale = np.sqrt(np.diag(matrix) + rng.uniform(0.3, 1.0, n))
    matrix = matrix / np.outer(scale, scale)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def exceedance(pmf: np.ndarray) -> np.ndarray:
    """P(count > k)."""
    return np.minimum(np.cumsum(pmf[:, :0:-1], axis=1)[:, ::-1], 1.0)


def binary_target(
    p: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means, a covariance matrix that they can have, and the latent correlations."""
    latent = factor_correlation(len(p), rng)
    return p, count_covariance(-ndtri(p)[:, None], latent), latent


def count_target(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distributions of counts from 0 to 4, a covariance matrix and latent correlations."""
    pmf = poisson.pmf(np.arange(5), rng.uniform(0.1, 1.5, (n, 1)))
    pmf /= pmf.sum(axis=1, keepdims=True)
    latent = factor_correlation(n, rng)
    return pmf, count_covariance(-ndtri(exceedance(pmf)), latent), latent


def worst_deviation(spikes: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    """Largest deviation of a mean or pairwise correlation from its target, in standard errors.

    About known means and variances a correlation is the mean of n independent products, whose
    variance the fourth moments give; sparse spikes are far from what Gaussian formulae assume.
    """
    n = len(spikes)
    first, second, fourth = 0.0, 0.0, 0.0
    for begin in range(0, n, 50_000):
        centred = spikes[begin : begin + 50_000] - mean
        first += centred.sum(axis=0)
        second += centred.T @ centred
        squared = centred**2
        fourth += squared.T @ squared
    variance = np.diag(covariance)
    of_means = np.abs(first / n) / np.sqrt(variance / n)
    error = np.sqrt(np.maximum(fourth / n - (second / n) ** 2, 1e-12) / n)
    of_pairs = np.abs(second / n - covariance) / error
    np.fill_diagonal(of_pairs, 0.0)
    return float(max(of_means.max(), of_pairs.max()))


# Two neurons


@given(thresholds_st, thresholds_st, correlation_st)
@settings(max_examples=60, deadline=None)
def test_covariance_of_thresholds(h: float, k: float, rho: float) -> None:
    value = float(threshold_covariance(h, k, rho))
    assert value == pytest.approx(covariance_by_integral(h, k, rho), rel=1e-9, abs=1e-15)
    joint = multivariate_normal.cdf([-h, -k], cov=[[1, rho], [rho, 1]])
    assert value == pytest.approx(joint - norm.sf(h) * norm.sf(k), abs=1e-7)


@given(thresholds_st, thresholds_st, correlation_st, correlation_st)
@settings(max_examples=100, deadline=None)
def test_the_covariance_is_symmetric_in_sign_and_order(
    h: float, k: float, one: float, other: float
) -> None:
    value = threshold_covariance(h, k, one)
    tiny = 1e-15
    assert abs(threshold_covariance(k, h, one) - value) <= tiny
    assert abs(threshold_covariance(-h, -k, one) - value) <= tiny
    assert abs(threshold_covariance(-h, k, -one) + value) <= tiny
    p, q = norm.sf(h), norm.sf(k)
    assert max(0.0, p + q - 1) - p * q - tiny <= value <= min(p, q) - p * q + tiny
    low, high = sorted((one, other))
    assert threshold_covariance(h, k, low) <= threshold_covariance(h, k, high) + tiny


def test_ends_of_the_covariance() -> None:
    h = np.array([0.0, 0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.inf])
    k = np.array([0.0, 1.0, 1.0, 1.0, -3.0, 0.5, 0.5, np.inf])
    p, q = norm.sf(h), norm.sf(k)
    np.testing.assert_allclose(
        threshold_covariance(h, k, 1.0), np.minimum(p, q) - p * q, atol=1e-15
    )
    np.testing.assert_allclose(
        threshold_covariance(h, k, -1.0), np.maximum(0, p + q - 1) - p * q, atol=1e-15
    )
    assert (threshold_covariance(h, k, 0.0) == 0).all()


@pytest.mark.parametrize("p", [0.5, 0.03, 0.001, 0.999])
@pytest.mark.parametrize("rho", [-0.3, 0.01, 0.5, 0.9, 0.999, 1 - 1e-6])
def test_latent_correlations_are_exact(p: float, rho: float) -> None:
    q = 0.6 * p if p < 0.5 else p
    h, k = norm.isf(p), norm.isf(q)
    wanted = np.full((2, 2), covariance_by_integral(h, k, rho))
    found, n_clipped = latent_correlation([[h], [k]], wanted)
    # Where two different neurons are as correlated as can be, covariances tell rho no more apart.
    slack = 1e-10 if h == k or rho < 0.9999 else 1e-2
    assert found[0, 1] == pytest.approx(rho, abs=slack)
    achieved = count_covariance([[h], [k]], found)[0, 1]
    assert achieved == pytest.approx(wanted[0, 1], rel=1e-9, abs=2e-9 * np.sqrt(p * q))
    assert n_clipped == 0


@given(st.floats(-1, 1))
def test_equal_odds_have_a_closed_form(rho: float) -> None:
    wanted = np.full((2, 2), np.arcsin(rho) / (2 * np.pi))
    found, _ = latent_correlation([[0.0], [0.0]], wanted)
    assert found[0, 1] == pytest.approx(rho, abs=1e-8)


def test_negative_correlations_of_sparse_neurons_keep_their_covariance() -> None:
    # Any latent correlation below about -0.6 means: never together. The covariance is what counts.
    h = norm.isf(0.03)
    wanted = np.full((2, 2), -(0.03**2))
    found, n_clipped = latent_correlation([[h], [h]], wanted)
    assert n_clipped == 0
    assert -0.85 < found[0, 1] < -0.6
    assert abs(count_covariance([[h], [h]], found)[0, 1] - wanted[0, 1]) <= 2e-9 * 0.03


def test_counts_by_brute_force() -> None:
    a, b = binom.pmf(np.arange(4), 3, 0.2), binom.pmf(np.arange(3), 2, 0.4)
    pmf = np.array([a, np.r_[b, 0.0]])
    thresholds = -ndtri(exceedance(pmf))
    for rho in (-0.7, 0.2, 0.95):
        # Probability of each pair of counts, from the corners of its rectangle.
        edges = [np.r_[-8.0, np.minimum(row, 8.0), 8.0] for row in thresholds]
        grid = np.array(
            [
                [multivariate_normal.cdf([x, y], cov=[[1, rho], [rho, 1]]) for y in edges[1]]
                for x in edges[0]
            ]
        )
        joint = np.diff(np.diff(grid, axis=0), axis=1)
        values = np.arange(4.0)
        wanted = values @ joint @ values - (values @ pmf[0]) * (values @ pmf[1])
        matrix = count_covariance(thresholds, np.array([[1, rho], [rho, 1]]))
        assert matrix[0, 1] == pytest.approx(wanted, abs=1e-6)
        np.testing.assert_allclose(np.diag(matrix), [3 * 0.2 * 0.8, 2 * 0.4 * 0.6], rtol=1e-12)
        assert latent_correlation(thresholds, matrix)[0][0, 1] == pytest.approx(rho, abs=1e-10)


def test_impossible_covariances_are_clipped_counted_and_warned_of() -> None:
    covariance = np.array([[0.09, 0.2, 0.0], [0.2, 0.16, 0.0], [0.0, 0.0, 0.25]])
    with pytest.warns(UserWarning, match="1 of 3 pairs of neurons have a covariance"):
        model = DichotomizedGaussian().fit_moments([0.1, 0.2, 0.5], covariance)
    assert model.n_clipped_ == 1
    achieved = count_covariance(model.thresholds_, model.latent_correlation_)
    assert achieved[0, 1] == pytest.approx(0.1 - 0.02, abs=1e-6)  # whenever one spikes so does two
    assert model.max_deviation_ == pytest.approx((0.2 - 0.08) / np.sqrt(0.09 * 0.16), abs=1e-5)


def test_silent_and_always_active_neurons() -> None:
    rng = np.random.default_rng(0)
    spikes = (rng.random((2000, 5)) < 0.3).astype(np.float32)
    spikes[:, 1], spikes[:, 3] = 0, 1
    model = DichotomizedGaussian(random_state=0).fit(spikes)
    assert not model.repaired_
    assert np.isfinite(model.latent_correlation_).all()
    assert (model.latent_correlation_[[1, 3]] == np.eye(5)[[1, 3]]).all()
    draws = model.sample(500)
    assert (draws[:, 1] == 0).all()
    assert (draws[:, 3] == 1).all()
    twos = DichotomizedGaussian("counts", random_state=0).fit(spikes * [1, 1, 1, 2, 1])
    assert (twos.sample(100)[:, 3] == 2).all()
    silent = DichotomizedGaussian(random_state=0).fit(np.zeros((10, 3)))
    assert (silent.sample(4) == 0).all()


def test_the_same_neuron_twice() -> None:
    rng = np.random.default_rng(0)
    one = (rng.random(3000) < 0.1).astype(np.float32)
    model = DichotomizedGaussian(random_state=0).fit(np.stack([one, one, 1 - one], axis=1))
    assert not model.repaired_
    draws = model.sample(20_000)
    assert np.mean(draws[:, 0] != draws[:, 1]) < 1e-3
    assert np.mean(draws[:, 0] == draws[:, 2]) < 1e-3


# Repairs


def indefinite(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(-1, 1, (n, n))
    matrix = np.tril(matrix, -1)
    return matrix + matrix.T + np.eye(n)


@given(st.integers(3, 8), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_nearest_correlation_is_a_projection(n: int, seed: int) -> None:
    matrix = indefinite(n, seed)
    nearest = nearest_correlation(matrix)
    np.testing.assert_array_equal(np.diag(nearest), 1.0)
    np.testing.assert_array_equal(nearest, nearest.T)
    assert np.linalg.eigvalsh(nearest)[0] > -1e-10
    # The nearest point X of a convex set to A, and no other, has <A - X, Y - X> <= 0 for all Y.
    rng = np.random.default_rng(seed)
    others = [factor_correlation(n, rng) for _ in range(20)]
    vectors = rng.standard_normal((20, n))
    others += [np.outer(v, v) for v in np.sign(vectors)]
    scale = np.linalg.norm(matrix - nearest) + 1e-6
    assert max(np.sum((matrix - nearest) * (other - nearest)) for other in others) < 1e-5 * scale
    np.testing.assert_allclose(nearest_correlation(nearest), nearest, atol=1e-6)


def test_nearest_correlation_beats_clipping_eigenvalues() -> None:
    for seed in range(5):
        matrix = indefinite(10, seed)
        values, vectors = np.linalg.eigh(matrix)
        clipped = (vectors * np.maximum(values, 0)) @ vectors.T
        scale = np.sqrt(np.diag(clipped))
        clipped /= np.outer(scale, scale)
        nearest = nearest_correlation(matrix)
        assert np.linalg.norm(nearest - matrix) < 0.98 * np.linalg.norm(clipped - matrix)


def test_nearest_correlation_of_the_paper() -> None:
    # Higham (2002), p. 340.
    matrix = toeplitz([2.0, -1, 0, 0])
    expected = toeplitz([1.0, -0.8084, 0.1916, 0.1068])
    expected[1, 2] = expected[2, 1] = -0.6562
    np.testing.assert_allclose(nearest_correlation(matrix), expected, atol=1e-4)


@pytest.fixture(scope="module")
def short_recording() -> Recording:
    """Return inferred spikes of a short real recording: their covariances contradict each other."""
    recording = datasets.load_zebrafish_tectum().select(slice(0, 60))
    return OasisDeconvolver().fit_transform(recording)


def test_a_repair_is_told_and_small(short_recording: Recording) -> None:
    with pytest.warns(UserWarning, match="no dichotomized Gaussian has exactly") as caught:
        model = DichotomizedGaussian(random_state=0).fit(short_recording)
    assert model.repaired_
    assert f"{model.max_deviation_:.3g}" in str(caught[0].message)
    assert caught[0].filename == __file__
    deviation = np.sqrt(np.diag(model.covariance_))
    scale = np.outer(deviation, deviation)

    def errors(latent: np.ndarray) -> np.ndarray:
        achieved = count_covariance(model.thresholds_, latent)
        return (achieved - model.covariance_)[np.triu_indices(60, 1)] / scale[
            np.triu_indices(60, 1)
        ]

    assert np.abs(errors(model.latent_correlation_)).max() == pytest.approx(model.max_deviation_)
    raw, _ = latent_correlation(model.thresholds_, model.covariance_)
    values, vectors = np.linalg.eigh(raw)
    clipped = (vectors * np.maximum(values, 0)) @ vectors.T
    root = np.sqrt(np.diag(clipped))
    squared = {
        "kept": np.sum(errors(model.latent_correlation_) ** 2),
        "nearest latent": np.sum(errors(nearest_correlation(raw)) ** 2),
        "eigenvalues": np.sum(errors(clipped / np.outer(root, root)) ** 2),
    }
    assert squared["kept"] < 0.5 * squared["nearest latent"] < 0.5 * squared["eigenvalues"]
    # What it says of itself is what it draws.
    draws = model.sample(400_000)
    achieved = count_covariance(model.thresholds_, model.latent_correlation_)
    assert worst_deviation(draws, model.mean_, achieved) < 5


def test_nearest_count_correlation_is_a_minimum() -> None:
    rng = np.random.default_rng(1)
    thresholds = -ndtri(rng.uniform(0.05, 0.4, (6, 1)))
    wanted = count_covariance(thresholds, indefinite(6, 2))
    wanted = np.where(np.eye(6) > 0, np.diag(count_variance(thresholds)), wanted)
    latent = nearest_count_correlation(thresholds, wanted, np.eye(6), max_iter=500)
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))

    def loss(matrix: np.ndarray) -> float:
        return float(np.sum(((count_covariance(thresholds, matrix) - wanted) / scale) ** 2))

    best = loss(latent)
    assert best < loss(nearest_correlation(indefinite(6, 2)))
    root = square_root(latent)
    for _ in range(100):  # no step to a neighbouring correlation matrix improves on it
        moved = root + 0.02 * rng.standard_normal(root.shape)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        assert loss(moved @ moved.T) > best - 1e-9


# Drawing


SIZES = [pytest.param(30, id="30"), pytest.param(102, id="102", marks=pytest.mark.slow)]


def fit_counts(
    model: DichotomizedGaussian, pmf: np.ndarray, covariance: np.ndarray, lags: Any = ()
) -> DichotomizedGaussian:
    """Fit to known distributions of counts, which `fit` can only estimate from spikes."""
    exceedance = np.minimum(np.cumsum(pmf[:, :0:-1], axis=1)[:, ::-1], 1.0)
    return model._fit_given(exceedance, covariance, lags, model.n_lags)


def lag_one(model: DichotomizedGaussian, spikes: Any) -> float:
    """Return the mean autocovariance of the data at a lag of one bin, which a fit aims at."""
    return float(autocovariance_of(read_spikes(spikes)[0], model.mean_, 1)[0])


def make_target(kind: str, n: int) -> tuple[DichotomizedGaussian, np.ndarray]:
    """Return a model of a target that can be reached exactly, and its latent correlations."""
    rng = np.random.default_rng(3)
    if kind == "counts":
        pmf, covariance, latent = count_target(n, rng)
        return fit_counts(DichotomizedGaussian(random_state=0), pmf, covariance), latent
    p = rng.uniform(0.01, 0.1, n) if kind == "sparse" else np.full(n, 0.5)
    mean, covariance, latent = binary_target(p, rng)
    return DichotomizedGaussian(random_state=0).fit_moments(mean, covariance), latent


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["sparse", "even", "counts"])
def test_every_mean_and_correlation_is_as_wanted(kind: str, n: int) -> None:
    model, latent = make_target(kind, n)
    assert not model.repaired_
    assert model.n_clipped_ == 0
    np.testing.assert_allclose(model.latent_correlation_, latent, atol=1e-9)
    assert model.max_deviation_ < 1e-10
    spikes = model.sample(1_000_000)
    assert spikes.dtype == np.float32
    assert worst_deviation(spikes, model.mean_, model.covariance_) < 5
    # Counts are distributed as wanted, too.
    for k, threshold in enumerate(model.thresholds_.T):
        p = norm.sf(threshold)
        share = np.mean(spikes > k, axis=0)
        assert (np.abs(share - p) <= 5 * np.sqrt(p * (1 - p) / len(spikes))).all()


@pytest.mark.parametrize("kind", ["sparse", "even", "counts"])
def test_the_check_sees_independent_neurons(kind: str) -> None:
    model, _ = make_target(kind, 30)
    rng = np.random.default_rng(0)
    uniform = rng.random((200_000, 30))
    spikes = sum((uniform < norm.sf(t)).astype(np.float32) for t in model.thresholds_.T)
    of_means = worst_deviation(spikes, model.mean_, np.cov(spikes.T))
    assert of_means < 5  # the marginals are right ...
    assert worst_deviation(spikes, model.mean_, model.covariance_) > 20  # ... and nothing else


def test_binary_covariances_are_no_latent_ones() -> None:
    """The published program took them for such; both of its readings are seen."""
    model, _ = make_target("sparse", 30)
    scale = np.sqrt(np.diag(model.covariance_))
    wrong = clone(model)
    vars(wrong).update(vars(model))
    wrong.latent_correlation_ = model.covariance_ / np.outer(scale, scale)
    assert worst_deviation(wrong.sample(200_000), model.mean_, model.covariance_) > 20
    rng = np.random.default_rng(0)
    latent = rng.multivariate_normal(np.zeros(30), model.covariance_, 200_000)
    spikes = (latent > model.thresholds_[:, 0]).astype(np.float32)
    assert spikes.mean() < 0.01 * model.mean_.mean()  # nearly silent
    assert worst_deviation(spikes, model.mean_, model.covariance_) > 20


def test_a_fit_to_many_draws_finds_the_model_again() -> None:
    model, latent = make_target("counts", 10)
    again = DichotomizedGaussian().fit(model.sample(400_000))
    assert again.thresholds_.shape[1] > 1
    np.testing.assert_allclose(again.mean_, model.mean_, rtol=0.03)
    np.testing.assert_allclose(again.latent_correlation_, latent, atol=0.02)


def test_moments_of_data_are_kept_exactly() -> None:
    rng = np.random.default_rng(0)
    spikes = rng.poisson(0.4, (5000, 6)).astype(np.float32)
    spikes[:, 1] = np.maximum(spikes[:, 0], spikes[:, 1])
    model = DichotomizedGaussian().fit(spikes)
    np.testing.assert_allclose(model.mean_, spikes.mean(axis=0), rtol=1e-6)
    wanted = np.cov(spikes.T, ddof=0)
    np.testing.assert_allclose(model.covariance_, wanted, atol=1e-12)
    achieved = count_covariance(model.thresholds_, model.latent_correlation_)
    np.testing.assert_allclose(achieved, wanted, atol=1e-9)


# Time


def mean_autocovariance(windows: np.ndarray, n_lags: int) -> np.ndarray:
    centred = windows - windows.mean(axis=(0, 1))
    return np.array([np.mean(centred[:, lag:] * centred[:, :-lag]) for lag in range(1, n_lags + 1)])


@pytest.mark.parametrize("kind", ["sparse", "counts"])
def test_lags_are_matched_and_bins_stay_as_they_were(kind: str) -> None:
    base, _ = make_target(kind, 8)
    variance = np.trace(base.covariance_) / 8
    lags = variance * np.array([0.3, 0.2, 0.02])
    model = DichotomizedGaussian(base.marginals, n_lags=3, random_state=1)
    if kind == "counts":
        pmf, covariance, _ = count_target(8, np.random.default_rng(3))
        fit_counts(model, pmf, covariance, lags)
    else:
        model.fit_moments(base.mean_, base.covariance_, autocovariance=lags)
    assert not model.repaired_
    assert model.max_lag_deviation_ < 1e-10
    np.testing.assert_allclose(model.latent_correlation_, base.latent_correlation_, atol=1e-12)
    # One long run, as 400 segments that are all but independent of one another.
    segments = model.sample(400_000).reshape(400, 1000, 8)
    of_each = np.array([mean_autocovariance(one[None], 3) for one in segments])
    error = of_each.std(axis=0) / np.sqrt(400)
    assert (np.abs(mean_autocovariance(segments, 3) - lags) < 5 * error).all()
    means = segments.mean(axis=1)
    assert (np.abs(means.mean(0) - model.mean_) < 5 * means.std(0) / np.sqrt(400)).all()
    products = np.array([(s - model.mean_).T @ (s - model.mean_) / 1000 for s in segments])
    pairs = np.abs(products.mean(0) - model.covariance_) / (products.std(0) / np.sqrt(400))
    assert pairs.max() < 5
    independent = base.sample(400_000).reshape(400, 1000, 8)
    assert (np.abs(mean_autocovariance(independent, 2) - lags[:2]) > 20 * error[:2]).all()


def test_windows_are_stationary_from_their_first_frame() -> None:
    base, _ = make_target("even", 4)
    model = DichotomizedGaussian(n_lags=2, random_state=0)
    model.fit_moments(base.mean_, base.covariance_, autocovariance=0.25 * np.array([0.5, 0.4]))
    windows = model._draw_windows(40_000, 6, np.random.default_rng(0))
    for lag, wanted in ((1, 0.125), (2, 0.1)):
        products = (windows[:, lag:] - 0.5) * (windows[:, :-lag] - 0.5)
        by_start = products.mean(axis=2)
        error = by_start.std(axis=0) / np.sqrt(len(windows))
        assert (np.abs(by_start.mean(axis=0) - wanted) < 5 * error).all()


@pytest.mark.parametrize("block", [1, 3])
def test_a_long_run_has_no_seams(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = DichotomizedGaussian(n_lags=2, random_state=0)
    lags = 0.25 * np.array([0.5, 0.4])
    model.fit_moments([0.5, 0.5], np.eye(2) / 4, autocovariance=lags)
    monkeypatch.setattr(
        "calgan.generators.dichotomized_gaussian.model._BLOCK", block
    )  # drawn at a time
    drawn = mean_autocovariance(model.sample(60_000)[None], 2)
    np.testing.assert_allclose(drawn, lags, atol=0.01)


def test_lags_that_no_process_has_are_repaired() -> None:
    lags = 0.25 * np.array([0.6, -0.6])
    model = DichotomizedGaussian(n_lags=2, random_state=0)
    with pytest.warns(UserWarning, match="exactly these autocovariances"):
        model.fit_moments([0.5, 0.5], np.eye(2) / 4, autocovariance=lags)
    assert model.repaired_
    drawn = mean_autocovariance(model.sample(200_000)[None], 2) / 0.25
    assert drawn[0] == pytest.approx(0.6, abs=0.01)  # the first lag can be had
    assert abs(drawn[1] + 0.6) == pytest.approx(model.max_lag_deviation_, abs=0.01)


def test_one_lag_that_these_rates_cannot_have_is_told() -> None:
    # Neurons that spike in 5 % of the bins can avoid the next bin, which gives -0.05^2: no less.
    model = DichotomizedGaussian(n_lags=1, random_state=0)
    with pytest.warns(UserWarning, match="exactly these autocovariances"):
        model.fit_moments([0.05, 0.05], 0.0475 * np.eye(2), autocovariance=[-0.02])
    assert model.repaired_
    assert model.max_lag_deviation_ == pytest.approx((0.02 - 0.0025) / 0.0475, abs=1e-6)
    model.fit_moments([0.05, 0.05], 0.0475 * np.eye(2), autocovariance=[-0.0025])  # silently
    assert not model.repaired_


def test_lags_never_cross_the_segments_of_a_recording() -> None:
    rng = np.random.default_rng(0)
    spikes = (rng.random((4000, 2)) < 0.5).astype(np.float32)
    spikes[1::2] = spikes[0::2]
    pairs = [[i, i + 2] for i in range(0, 4000, 4)]
    recording = Recording(spikes, 10.0, segments=pairs)
    with pytest.warns(UserWarning, match="exactly these autocovariances"):
        model = DichotomizedGaussian(n_lags=1).fit(recording)
    inside = np.concatenate([spikes[first:last] for first, last in pairs])
    np.testing.assert_allclose(model.mean_, inside.mean(axis=0, dtype=float), rtol=1e-12)
    assert lag_one(model, recording) == pytest.approx(0.25, rel=0.02)  # across borders: half of it
    assert model.n_frames_in_ is None


def test_lags_never_cross_a_border() -> None:
    # Two equal bins, two bins of noise: of three neighbours in a window, the first are the same.
    rng = np.random.default_rng(0)
    windows = (rng.random((5000, 4, 3)) < 0.5).astype(np.float32)
    windows[:, 1] = windows[:, 0]
    model = DichotomizedGaussian(n_lags=1).fit(windows)
    assert lag_one(model, windows) == pytest.approx(0.25 / 3, rel=0.05)  # across borders: 1 / 4


def test_lags_never_cross_a_gap_between_windows() -> None:
    rng = np.random.default_rng(0)
    spikes = (rng.random((20_000, 2)) < 0.5).astype(np.float32)
    spikes[1::4] = spikes[0::4]  # of four bins two are the same, and the windows hold these only
    view = Windower(2, stride=4).fit_transform(spikes)
    model = DichotomizedGaussian(n_lags=1)
    array = clone(model)
    with pytest.warns(UserWarning, match="exactly these autocovariances"):  # a lag of 1 is too much
        model.fit(view)
    with pytest.warns(UserWarning, match="exactly these autocovariances"):
        array.fit(np.asarray(view))
    assert lag_one(model, view) == pytest.approx(0.25, rel=0.01)
    assert model.max_lag_deviation_ == pytest.approx(array.max_lag_deviation_)
    np.testing.assert_allclose(model.covariance_, array.covariance_, atol=1e-12)


# The estimator


def test_a_draw_does_not_depend_on_how_many_follow() -> None:
    base, _ = make_target("sparse", 7)
    lags = 0.05 * np.array([0.3, 0.2])
    for model in (
        base,
        DichotomizedGaussian(n_lags=2, random_state=0).fit_moments(
            base.mean_, base.covariance_, autocovariance=lags
        ),
    ):
        many = model.sample(9000)
        for n in (1, 3, 4096, 4097):
            np.testing.assert_array_equal(model.sample(n), many[:n])
        windows = DichotomizedGaussian(n_lags=model.n_lags, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            windows.fit(many.reshape(90, 100, 7))
        assert windows.sample(5).shape == (5, 100, 7)
        np.testing.assert_array_equal(windows.sample(100)[:3], windows.sample(3))


def test_a_seed_fixes_the_draw() -> None:
    model, _ = make_target("even", 5)
    np.testing.assert_array_equal(model.sample(50), model.sample(50))
    np.testing.assert_array_equal(
        model.sample(50, random_state=4), model.sample(50, random_state=4)
    )
    assert (model.sample(50, random_state=4) != model.sample(50)).any()
    unseeded = clone(model).set_params(random_state=None)
    unseeded.fit_moments(model.mean_, model.covariance_)
    assert (unseeded.sample(50) != unseeded.sample(50)).any()
    before = str(np.random.get_state())
    model.sample(10)
    assert str(np.random.get_state()) == before
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).sample(9), model.sample(9))


def test_windows_and_views() -> None:
    rng = np.random.default_rng(0)
    spikes = (rng.random((400, 4)) < 0.3).astype(np.float32)
    view = Windower(50).fit_transform(spikes)
    of_view, of_bins = DichotomizedGaussian().fit(view), DichotomizedGaussian().fit(spikes)
    np.testing.assert_array_equal(of_view.covariance_, of_bins.covariance_)  # each frame once
    assert (of_view.n_frames_in_, of_bins.n_frames_in_) == (50, None)
    array = DichotomizedGaussian().fit(np.asarray(view[::50]))
    np.testing.assert_allclose(array.covariance_, of_bins.covariance_, atol=1e-12)
    mapped = DichotomizedGaussian().fit(view[::50].map(np.abs))
    np.testing.assert_allclose(mapped.covariance_, of_bins.covariance_, atol=1e-12)
    before = spikes.copy()
    DichotomizedGaussian().fit(spikes > 0)
    np.testing.assert_array_equal(spikes, before)
    assert DichotomizedGaussian().fit(spikes[:, :1]).sample(3).shape == (3, 1)


def test_a_population_is_fitted_and_drawn_in_seconds() -> None:
    model, _ = make_target("counts", 102)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        DichotomizedGaussian().fit(model.sample(21_576))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.full((5, 2), 0.5), "some are fractions; infer spikes"),
        (-np.ones((5, 2)), "some are negative"),
        (np.full((5, 2), 300.0), "go up to 300 a bin"),
        (np.full((5, 2), np.nan), "NaN"),
        (np.ones(5), "1-D"),
        ([[0, 1], [0]], "spikes is ragged"),
        (np.ones((2, 3, 4, 5)), "4-D"),
    ],
)
def test_values_that_are_no_spikes_are_refused(X: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        DichotomizedGaussian().fit(X)


def test_wrong_thresholds_and_matrices_are_refused() -> None:
    binary, eye = [[0.0], [1.0]], np.eye(2)
    for rho in (1.2, -1.2, np.nan):
        with pytest.raises(ValueError, match=r"within \[-1, 1\]"):
            threshold_covariance(0.0, 0.0, rho)
    with pytest.raises(ValueError, match="must not be NaN"):
        threshold_covariance(np.nan, 0.0, 0.5)
    for function in (count_covariance, latent_correlation):
        with pytest.raises(ValueError, match=r"one row a neuron.* got shape \(2,\)"):
            function([0.0, 1.0], eye)
        with pytest.raises(ValueError, match="thresholds contains NaN"):
            function([[0.0], [np.nan]], eye)
        with pytest.raises(ValueError, match="is for 3 neurons, but the thresholds for 2"):
            function(binary, np.eye(3))
        with pytest.raises(ValueError, match="contains NaN or infinity"):
            function(binary, np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="latent is for 3 neurons"):
        nearest_count_correlation(binary, eye, np.eye(3))


def test_wrong_parameters_and_moments_are_refused() -> None:
    counts = np.array([[0.0, 2.0], [1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="go up to 2, but marginals='binary'"):
        DichotomizedGaussian("binary").fit(counts)
    with pytest.raises(ValueError, match="marginals must be"):
        DichotomizedGaussian("poisson").fit(counts)
    with pytest.raises(ValueError, match="n_lags must be an integer of at least 0"):
        DichotomizedGaussian(n_lags=-1).fit(counts)
    with pytest.raises(ValueError, match="too few for n_lags=3"):
        DichotomizedGaussian(n_lags=3).fit(counts)
    model, eye = DichotomizedGaussian(), 0.25 * np.eye(2)
    with pytest.raises(ValueError, match="within"):
        model.fit_moments([0.5, 1.5], eye)
    with pytest.raises(ValueError, match="for 2 neurons, but the marginals for 1"):
        model.fit_moments([0.5], eye)
    with pytest.raises(ValueError, match="neuron 1 has 0.25 instead of 0.09"):
        model.fit_moments([0.5, 0.1], eye)
    with pytest.raises(ValueError, match="must be symmetric"):
        model.fit_moments([0.5, 0.5], [[0.25, 0.1], [0.0, 0.25]])
    with pytest.raises(ValueError, match="NaN or infinity"):
        model.fit_moments([0.5, 0.5], np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="square matrix"):
        model.fit_moments([0.5, 0.5], [0.1, 0.2])
    with pytest.raises(ValueError, match="each of n_lags=0 lags"):
        model.fit_moments([0.5, 0.5], eye, autocovariance=[0.1])
    with pytest.raises(ValueError, match="fit spikes, or use"):
        DichotomizedGaussian("counts").fit_moments([0.5, 0.5], eye)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="n_samples"):
            model.fit_moments([0.5, 0.5], eye).sample(wrong)


# Simulated recordings with this truth


def test_simulated_traces_have_the_stated_moments() -> None:
    process = datasets.make_dichotomized_gaussian_process(12, random_state=0)
    assert not process.spike_model.repaired_
    windows, spikes = process.sample_windows(3000, 40, random_state=1)
    assert windows.shape == spikes.shape == (3000, 40, 12)
    assert worst_deviation(spikes.reshape(-1, 12), process.mean, process.covariance) < 5
    np.testing.assert_allclose(process.rates, process.mean * 24.0)
    scale = np.sqrt(np.diag(process.covariance))
    np.testing.assert_allclose(process.correlation * np.outer(scale, scale), process.covariance)
    left = windows[:, 1:] - 0.95 * windows[:, :-1] - spikes[:, 1:]
    np.testing.assert_allclose(left.std(axis=(0, 1)), 0.3 * np.sqrt(1 + 0.95**2), rtol=0.02)
    level = windows.mean(axis=(0, 1))  # from the first frame on
    np.testing.assert_allclose(level, process.mean / (1 - 0.95), rtol=0.05)
    first = windows[:, 0].mean(axis=0)
    error = windows[:, 0].std(axis=0) / np.sqrt(3000)
    assert (np.abs(first - process.mean / (1 - 0.95)) < 5 * error).all()


def test_the_simulation_takes_over_given_spikes(short_recording: Recording) -> None:
    with pytest.warns(UserWarning, match="no dichotomized Gaussian has exactly") as caught:
        process = datasets.make_dichotomized_gaussian_process(
            spikes=short_recording, frame_rate=2.1646
        )
    assert caught[0].filename == __file__
    np.testing.assert_allclose(process.mean, short_recording.traces.mean(axis=0), rtol=1e-6)
    wanted = np.corrcoef(short_recording.traces.T)
    assert np.abs(process.correlation - wanted).max() == pytest.approx(
        process.spike_model.max_deviation_, abs=1e-6
    )
    _, spikes = process.sample_windows(4000, 50, random_state=0)
    # The truth that it states is the one it draws, after the repair.
    assert worst_deviation(spikes.reshape(-1, 60), process.mean, process.covariance) < 5


def test_simulated_recordings() -> None:
    make = datasets.make_dichotomized_gaussian_recording
    recording, spikes = make(20.0, 5, random_state=0)
    assert recording.shape == spikes.shape == (480, 5)
    assert make(20.0, 5, random_state=0)[0] == recording
    assert make(20.0, 5, random_state=1)[0] != recording
    process = datasets.make_dichotomized_gaussian_process(5, random_state=0)
    few, many = (process.sample_windows(n, 30, random_state=2) for n in (3, 200))
    np.testing.assert_array_equal(few[0], many[0][:3])
    again = pickle.loads(pickle.dumps(process))
    assert (
        again.sample_recording(5.0, random_state=0)[0]
        == process.sample_recording(5.0, random_state=0)[0]
    )
    with pytest.raises(ValueError, match="read-only"):
        process.mean[0] = 1.0
    slow = datasets.make_dichotomized_gaussian_process(20, frame_rate=1.0, random_state=0)
    assert slow.mean.max() <= 0.5
    alone = datasets.make_dichotomized_gaussian_process(1, random_state=0)
    assert alone.sample_windows(2, 9)[0].shape == (2, 9, 1)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"decay": 1.0}, "decay must be"),
        ({"noise": -0.1}, "noise must be"),
        ({"n_neurons": 0}, "n_neurons must be"),
        ({"frame_rate": 0}, "frame_rate must be"),
        ({"spikes": np.zeros((3, 4, 5))}, "spikes must be"),
        ({"spikes": np.full((3, 4), 0.5)}, "fractions"),
        ({"spikes": [[0, 1], [0]]}, "spikes is ragged"),
    ],
)
def test_wrong_parameters_of_the_simulation_are_refused(kwargs: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        datasets.make_dichotomized_gaussian_process(**kwargs)


def test_a_duration_is_checked_before_anything_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("fitted in vain")

    monkeypatch.setattr(datasets.dichotomized, "make_dichotomized_gaussian_process", fit)
    with pytest.raises(ValueError, match="at least one frame"):
        datasets.make_dichotomized_gaussian_recording(0.0, 3)


def test_spikes_of_another_frame_rate_are_refused() -> None:
    spikes = (np.random.default_rng(0).random((500, 3)) < 0.1).astype(np.float32)
    with pytest.raises(ValueError, match="frame_rate says 24 Hz and spikes 10 Hz"):
        datasets.make_dichotomized_gaussian_process(spikes=Recording(spikes, 10.0))
    process = datasets.make_dichotomized_gaussian_process(
        spikes=Recording(spikes, 10.0), frame_rate=10.0
    )
    np.testing.assert_allclose(process.rates, 10.0 * spikes.mean(axis=0), rtol=1e-6)
