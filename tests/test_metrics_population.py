import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter
from scipy.stats import entropy

from calgan import metrics

small_windows = arrays(
    np.float32, (3, 12, 4), elements=st.floats(-10, 10, width=32).filter(lambda x: x != 0.0)
)


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(8, 40, 5)) @ rng.normal(size=(5, 5)) + 3.0).astype(np.float32)


# --- correlation matrices ---------------------------------------------------------------------


def test_correlation_matrix_agrees_with_numpy(windows):
    expected = np.corrcoef(windows.reshape(-1, 5).astype(np.float64).T)
    assert_allclose(metrics.correlation_matrix(windows), expected, atol=1e-10)


def test_correlation_matrix_of_a_constant_neuron_is_the_unit_matrix_there(windows):
    X = windows.copy()
    X[:, :, 1] = 0.1  # whose mean over many frames is not exactly 0.1
    result = metrics.correlation_matrix(X)
    assert_array_equal(result[1], [0, 1, 0, 0, 0])
    assert_array_equal(result, result.T)


def test_correlation_matrix_sees_slow_changes_between_windows():
    X = np.random.default_rng(0).normal(size=(10, 50, 2))
    X += 3.0 * np.arange(10)[:, np.newaxis, np.newaxis]
    assert metrics.correlation_matrix(X)[0, 1] > 0.9
    assert np.nanmean(np.abs(metrics.pairwise_correlation(X))) < 0.3


@settings(max_examples=25, deadline=None)
@given(small_windows, st.integers(0, 2**31))
def test_correlation_matrix_does_not_depend_on_order_or_scale(X, seed):
    rng = np.random.default_rng(seed)
    neurons = rng.permutation(4)
    expected = metrics.correlation_matrix(X)[np.ix_(neurons, neurons)]
    scale = np.array([0.5, 1.0, 2.0, 4.0])  # powers of two: no rounding
    result = metrics.correlation_matrix((rng.permutation(X) * scale)[:, :, neurons])
    assert_allclose(result, expected, atol=1e-9)


def test_lagged_correlation_matrix_by_loops(windows):
    lag, X = 3, windows.astype(np.float64)
    centred = X - X.mean(axis=(0, 1))
    deviation = X.std(axis=(0, 1))
    expected = np.zeros((5, 5))
    for i in range(5):
        for j in range(5):
            expected[i, j] = np.mean(centred[:, :-lag, i] * centred[:, lag:, j])
    expected /= np.outer(deviation, deviation)
    assert_allclose(metrics.lagged_correlation_matrix(windows, lag), expected, atol=1e-10)
    assert_allclose(
        metrics.lagged_correlation_matrix(windows, 0), metrics.correlation_matrix(windows)
    )
    with pytest.raises(ValueError, match="lag=40 frames does not fit"):
        metrics.lagged_correlation_matrix(windows, 40)


def test_agreement_of_correlation_matrices(windows):
    pairs = np.triu_indices(5, 1)
    other = windows[:, :, ::-1]
    a, b = (metrics.correlation_matrix(X)[pairs] for X in (windows, other))
    r, rmse = metrics.correlation_matrix_agreement(windows, other)
    assert r == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert rmse == pytest.approx(np.sqrt(np.mean((a - b) ** 2)))
    assert metrics.correlation_matrix_agreement(windows, windows) == pytest.approx((1.0, 0.0))


def test_agreement_with_a_collapsed_generator_is_zero(windows):
    agreement = metrics.correlation_matrix_agreement(windows, np.full_like(windows, 0.2))
    assert agreement.r == 0.0
    assert agreement.rmse > 0
    with pytest.raises(ValueError, match="at least two"):
        metrics.correlation_matrix_agreement(windows[:, :, :1], windows[:, :, :1])


# --- population counts ------------------------------------------------------------------------


def test_population_count_by_hand():
    spikes = np.zeros((1, 3, 4))
    spikes[0, 1, [0, 2]] = [1.0, 0.3]
    assert_array_equal(metrics.population_count(spikes), [[0, 2, 0]])


@pytest.mark.parametrize(
    ("counts", "edges"),
    [
        ([0, 1, 2], [0.5, 1.5]),
        ([5, 5], [4.5, 5.5]),
        ([2, 11], np.arange(2.5, 11)),
        ([0, 59], np.arange(1.5, 59, 2)),
        ([0, 60], np.arange(2.5, 60, 3)),
    ],
)
def test_population_count_edges_lie_between_integers(counts, edges):
    assert_array_equal(metrics.population_count_edges(counts), edges)


def test_population_count_edges_take_integers_only():
    with pytest.raises(ValueError, match="must be integers"):
        metrics.population_count_edges([0.5, 2.0])


def test_population_count_kl_by_hand():
    real, synthetic = np.zeros((1, 4, 3)), np.zeros((2, 4, 3))
    real[0, :2] = 1  # counts 3, 3, 0, 0
    synthetic[0, 0, 0] = 1  # one frame with 1, seven with 0
    expected = entropy([2.5, 0.5, 0.5, 2.5], [7.5, 1.5, 0.5, 0.5])
    assert metrics.population_count_kl(real, synthetic) == pytest.approx(expected)
    assert metrics.population_count_kl(real, real, edges_from=synthetic) == 0.0


def test_population_count_kl_tells_shuffled_neurons_apart():
    rng = np.random.default_rng(0)
    drive = rng.random((200, 50, 1)) < 0.1
    real = (rng.random((200, 50, 10)) < 0.02) | (drive & (rng.random((200, 50, 10)) < 0.5))
    shuffled = np.stack([rng.permutation(real[:, :, i]) for i in range(10)], axis=2)
    floor = metrics.population_count_kl(real[:100], real[100:])
    assert metrics.population_count_kl(real, shuffled) > 20 * floor
    assert metrics.firing_rate_kl(real, shuffled, 10.0) == pytest.approx(0.0)


# --- the door to the module -------------------------------------------------------------------


def test_importing_metrics_loads_neither_torch_nor_elephant_nor_matplotlib():
    program = (
        "import sys, calgan.metrics, calgan.deconvolution; "
        "print([m for m in ('torch', 'elephant', 'matplotlib', 'neo') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_every_public_name_resolves():
    for name in metrics.__all__:
        assert callable(getattr(metrics, name))
    assert set(metrics.__all__) <= set(dir(metrics))
    with pytest.raises(AttributeError, match="no attribute 'accuracy'"):
        metrics.accuracy  # noqa: B018


# --- dimensions -------------------------------------------------------------------------------


def test_participation_ratio_is_that_of_the_eigenvalues(windows):
    eigenvalues = np.linalg.eigvalsh(np.cov(windows.reshape(-1, 5).astype(np.float64).T))
    expected = eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)
    assert metrics.participation_ratio(windows) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_participation_ratio_does_not_depend_on_order_rotation_or_units(seed, corrected):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6, 20, 4)) @ rng.normal(size=(4, 4))
    expected = metrics.participation_ratio(X, corrected=corrected)
    assert 1.0 <= expected <= 4.0
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    moved = rng.permutation(1e3 * X @ rotation + rng.normal(size=4))
    assert metrics.participation_ratio(moved, corrected=corrected) == pytest.approx(expected)
    with_constant = np.concatenate([X, np.full((6, 20, 1), 0.1)], axis=2)
    result = metrics.participation_ratio(with_constant, corrected=corrected)
    assert result == pytest.approx(expected) or expected == 4.0  # the clip moves with N


@pytest.mark.parametrize(("width", "n_neurons"), [(30, 40), (60, 40)])
def test_the_correction_of_the_participation_ratio_is_by_pairs_of_windows(width, n_neurons):
    X = np.random.default_rng(0).normal(size=(4, width, n_neurons)) * np.arange(1, n_neurons + 1)
    C = [(x - X.mean(axis=(0, 1))).T @ (x - X.mean(axis=(0, 1))) for x in X]
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    expected = sum(np.trace(C[i]) * np.trace(C[j]) for i, j in pairs)
    expected /= sum(np.trace(C[i] @ C[j]) for i, j in pairs)
    assert metrics.participation_ratio(X, corrected=True) == pytest.approx(expected)


def test_few_correlated_samples_lower_the_participation_ratio_and_the_correction_mends_it():
    true = 30.0  # of 60 neurons, half of which have all the variance
    plain, corrected = [], []
    for seed in range(10):
        steps = np.random.default_rng(seed).normal(size=(20, 70, 30))
        X = lfilter([1.0], [1.0, -0.9], steps, axis=1)[:, 40:]
        X = np.concatenate([X, 1e-3 * np.random.default_rng(seed).normal(size=X.shape)], axis=2)
        plain.append(metrics.participation_ratio(X))
        corrected.append(metrics.participation_ratio(X, corrected=True))
    n = 20 * 30 * (1 - 0.9**2) / (1 + 0.9**2)  # independent samples, for second moments
    assert np.mean(plain) == pytest.approx(true * n / (true + n), rel=0.1)
    assert np.mean(corrected) == pytest.approx(true, rel=0.1)


def test_the_bias_of_the_participation_ratio_is_as_documented():
    n, n_neurons = 50, 20
    ratios = [
        metrics.participation_ratio(np.random.default_rng(seed).normal(size=(1, n, n_neurons)))
        for seed in range(20)
    ]
    assert np.mean(ratios) == pytest.approx(n_neurons * n / (n_neurons + n), rel=0.05)


def test_participation_ratio_of_nothing_is_refused():
    with pytest.raises(ValueError, match="every neuron in windows is constant"):
        metrics.participation_ratio(np.ones((3, 10, 2)))
    with pytest.raises(ValueError, match="the correction compares windows, so pass at least two"):
        metrics.participation_ratio(np.eye(3)[np.newaxis], corrected=True)
    # Windows whose covariances share nothing: as many dimensions as there can be.
    X = np.zeros((2, 2, 2))
    X[0, :, 0] = X[1, :, 1] = 1.0, -1.0
    assert metrics.participation_ratio(X, corrected=True) == 2.0
