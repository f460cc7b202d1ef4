import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import entropy

from calgan import metrics
from calgan.metrics.population import population_count_edges

# No zeros, and nothing filtered out: that would now and then be too much for the health check.
small_windows = arrays(
    np.float32,
    (3, 12, 4),
    elements=st.floats(0.125, 10, width=32) | st.floats(-10, -0.125, width=32),
)


@pytest.fixture(scope="module")
def windows():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(8, 40, 5)) @ rng.normal(size=(5, 5)) + 3.0).astype(np.float32)


# --- correlation matrices ---------------------------------------------------------------------


def test_correlation_matrix_agrees_with_numpy(windows):
    expected = np.corrcoef(windows.reshape(-1, 5).astype(np.float64).T)
    assert_allclose(metrics.correlation_matrix(windows), expected, atol=1e-10)


def test_a_constant_neuron_has_no_correlations(windows):
    X = windows.copy()
    X[:, :, 1] = 0.1  # whose mean over many frames is not exactly 0.1
    nowhere = np.arange(5) == 1
    for result in (metrics.correlation_matrix(X), metrics.lagged_correlation_matrix(X, 2)):
        assert_array_equal(np.isnan(result), nowhere | nowhere[:, np.newaxis])


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


def test_agreement_of_too_few_pairs_is_undefined(windows):
    other = windows[::-1, ::-1, ::-1]
    for n, expected in ((1, [True, True]), (2, [True, False]), (3, [False, False])):
        agreement = metrics.correlation_matrix_agreement(windows[:, :, :n], other[:, :, :n])
        assert_array_equal(np.isnan(agreement), expected)
    alike = np.repeat(windows[:, :, :1], 5, axis=2)  # a matrix of ones has no pattern
    assert np.isnan(metrics.correlation_matrix_agreement(alike, windows).r)
    assert np.isnan(metrics.correlation_matrix_agreement(np.ones_like(windows), windows)).all()


def test_agreement_leaves_constant_real_neurons_out(windows):
    real, other = windows.copy(), windows[:, :, ::-1]
    real[:, :, 1] = 0.1
    kept = [0, 2, 3, 4]
    expected = metrics.correlation_matrix_agreement(windows[:, :, kept], other[:, :, kept])
    assert metrics.correlation_matrix_agreement(real, other) == pytest.approx(expected)


def test_agreement_with_a_collapsed_generator_is_bad(windows):
    alike = np.repeat(windows[:, :, :1], 5, axis=2)
    for collapsed in (np.full_like(windows, 0.2), windows * [1, 0, 0, 0, 0], alike):
        agreement = metrics.correlation_matrix_agreement(windows, collapsed)
        assert agreement.r == 0.0
        assert agreement.rmse > 0.1


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
    assert_array_equal(population_count_edges(counts), edges)


def test_population_count_edges_take_integers_only():
    with pytest.raises(ValueError, match="must be integers"):
        population_count_edges([0.5, 2.0])


def test_population_count_kl_by_hand():
    real, synthetic = np.zeros((1, 4, 3)), np.zeros((2, 4, 3))
    real[0, :2] = 1  # counts 3, 3, 0, 0
    synthetic[0, 0, 0] = 1  # one frame with 1, seven with 0
    expected = entropy([2.5, 0.5, 0.5, 2.5], [7.5, 1.5, 0.5, 0.5])
    assert metrics.population_count_kl(real, synthetic) == pytest.approx(expected)
    assert metrics.population_count_kl(real, real) == 0.0


def test_population_count_kl_tells_shuffled_neurons_apart():
    rng = np.random.default_rng(0)
    drive = rng.random((200, 50, 1)) < 0.1
    real = (rng.random((200, 50, 10)) < 0.02) | (drive & (rng.random((200, 50, 10)) < 0.5))
    shuffled = np.stack([rng.permutation(real[:, :, i]) for i in range(10)], axis=2)
    baseline = metrics.population_count_kl(real[:100], real[100:])
    assert metrics.population_count_kl(real, shuffled) > 20 * baseline
    assert metrics.firing_rate_kl(real, shuffled, 10.0) == pytest.approx(0.0)


# --- the door to the module -------------------------------------------------------------------


def test_importing_metrics_loads_neither_torch_nor_elephant_nor_matplotlib():
    program = (
        "import sys, calgan.metrics, calgan.spikes.oasis; "
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
