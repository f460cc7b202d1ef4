import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal, stats

from calgan import metrics


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(12, 48, 3))
    return signal.lfilter([1.0], [1.0, -0.8], steps, axis=1).astype(np.float32) + 2.0


def with_constant(windows):
    X = windows.copy()
    X[:, :, 1] = 0.1
    return X


# --- autocorrelation --------------------------------------------------------------------------


def test_autocorrelation_is_the_diagonal_of_lagged_matrices(windows):
    result = metrics.autocorrelation(windows, 10)
    assert result.shape == (3, 11)
    for lag in range(11):
        expected = np.diagonal(metrics.lagged_correlation_matrix(windows, lag))
        assert_allclose(result[:, lag], expected, atol=1e-10)


def test_autocorrelation_of_an_autoregression_decays_as_it_should():
    rng = np.random.default_rng(0)
    X = signal.lfilter([1.0], [1.0, -0.8], rng.normal(size=(1, 50_000, 1)), axis=1)
    assert_allclose(metrics.autocorrelation(X, 4)[0], 0.8 ** np.arange(5), atol=0.02)


def test_a_constant_neuron_has_no_autocorrelation(windows):
    result = metrics.autocorrelation(with_constant(windows), 2)
    assert_array_equal(np.isnan(result).all(axis=1), [False, True, False])
    assert_array_equal(result[[0, 2], 0], [1, 1])
    with pytest.raises(ValueError, match="max_lag=48 frames does not fit"):
        metrics.autocorrelation(windows, 48)


# --- spectra ----------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [47, 48])
def test_power_spectrum_agrees_with_scipy(windows, window):
    X = windows[:, :window]
    frequencies, power = metrics.power_spectrum(X, 10.0)
    expected_f, expected = signal.periodogram(X.astype(np.float64), 10.0, axis=1)
    assert_allclose(frequencies, expected_f[1:])
    assert_allclose(power, expected[:, 1:].mean(axis=0).T, rtol=1e-6)


def test_power_spectrum_agrees_with_welch_on_joined_windows(windows):
    joined = windows.reshape(-1, 3).astype(np.float64)
    _, expected = signal.welch(joined, 10.0, window="boxcar", nperseg=48, noverlap=0, axis=0)
    assert_allclose(metrics.power_spectrum(windows, 10.0)[1], expected[1:].T, rtol=1e-6)


def test_power_adds_up_to_the_variance(windows):
    _, power = metrics.power_spectrum(windows, 10.0)
    variance = windows.astype(np.float64).var(axis=1).mean(axis=0)
    assert_allclose(power.sum(axis=1) * 10.0 / 48, variance, rtol=1e-6)


def test_log_spectrum_error_in_decibels(windows):
    centred = windows - windows.mean(axis=(0, 1))
    assert metrics.log_spectrum_error(centred, centred) == 0.0
    doubled = metrics.log_spectrum_error(centred, 2 * centred)
    assert doubled == pytest.approx(20 * np.log10(2))
    _, a = metrics.power_spectrum(windows[:6], 1.0)
    _, b = metrics.power_spectrum(windows[6:], 1.0)
    expected = np.sqrt(np.mean((10 * np.log10(a / b)) ** 2))
    assert metrics.log_spectrum_error(windows[:6], windows[6:]) == pytest.approx(expected)


def test_log_spectrum_error_of_a_flat_generator_is_finite_and_large(windows):
    flat = np.zeros_like(windows)
    assert 40 < metrics.log_spectrum_error(windows, flat) <= 80
    without = [0, 2]
    expected = metrics.log_spectrum_error(windows[:6, :, without], windows[6:][:, :, without])
    X = with_constant(windows)
    assert metrics.log_spectrum_error(X[:6], X[6:]) == pytest.approx(expected)
    assert np.isnan(metrics.log_spectrum_error(flat, windows))


# --- marginals --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_synthetic", [6, 4])
def test_wasserstein_agrees_with_scipy(windows, n_synthetic):
    real, synthetic = windows[:6], windows[6 : 6 + n_synthetic]
    result = metrics.wasserstein_marginals(real, synthetic)
    increments = metrics.wasserstein_increments(real, synthetic)
    for neuron in range(3):
        a, b = (X[:, :, neuron].astype(np.float64) for X in (real, synthetic))
        expected = stats.wasserstein_distance(a.ravel(), b.ravel()) / a.std()
        assert result[neuron] == pytest.approx(expected, rel=1e-6)
        a, b = np.diff(a, axis=1), np.diff(b, axis=1)
        expected = stats.wasserstein_distance(a.ravel(), b.ravel()) / a.std()
        assert increments[neuron] == pytest.approx(expected, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 100.0), st.floats(-10.0, 10.0), st.integers(0, 2**31))
def test_wasserstein_does_not_depend_on_units_or_order(scale, offset, seed):
    rng = np.random.default_rng(seed)
    real, synthetic = rng.normal(size=(2, 5, 20, 2))
    expected = metrics.wasserstein_marginals(real, synthetic)
    moved = metrics.wasserstein_marginals(
        rng.permutation(real) * scale + offset, rng.permutation(synthetic) * scale + offset
    )
    assert_allclose(moved, expected, rtol=1e-6, atol=1e-9)
    assert (expected >= 0).all()
    assert_allclose(metrics.wasserstein_marginals(real, rng.permutation(real)), 0, atol=1e-12)


def test_wasserstein_of_a_constant_real_neuron_is_nan(windows):
    result = metrics.wasserstein_marginals(with_constant(windows), windows)
    assert_array_equal(np.isnan(result), [False, True, False])
    with pytest.raises(ValueError, match="at least 2 frames"):
        metrics.wasserstein_increments(windows[:, :1], windows)


def test_increments_see_time_reversal_where_marginals_do_not():
    rng = np.random.default_rng(0)
    events = rng.random((10, 100, 2)) < 0.05
    real = signal.lfilter([1.0], [1.0, -0.9], events, axis=1)
    backwards = real[:, ::-1]
    assert_allclose(metrics.wasserstein_marginals(real, backwards), 0.0, atol=1e-12)
    assert (metrics.wasserstein_increments(real, backwards) > 0.3).all()
