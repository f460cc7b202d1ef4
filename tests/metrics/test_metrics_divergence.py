import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import entropy

from calgan import metrics
from calgan.metrics.divergence import (
    histogram_counts,
    histogram_edges,
    smoothed_kl_from_counts,
)

counts = arrays(np.int64, 8, elements=st.integers(0, 200))
values = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3))


@pytest.fixture(scope="module")
def normal():
    return np.random.default_rng(0).normal(size=(2, 600))


def random_spikes(n_windows, rate, seed, n_frames=60, n_neurons=4):
    return np.random.default_rng(seed).random((n_windows, n_frames, n_neurons)) < rate


# --- edges and counts -------------------------------------------------------------------------


def test_edges_are_the_inner_ones_of_equal_bins():
    assert_allclose(histogram_edges(np.linspace(-1, 1, 100)), [-0.6, -0.2, 0.2, 0.6])


@pytest.mark.parametrize(("n", "n_bins"), [(10, 2), (60, 3), (500, 25), (600, 30), (10_000, 30)])
def test_there_are_at_most_n_over_20_bins(n, n_bins):
    assert len(histogram_edges(np.arange(n))) == n_bins - 1


def test_edges_of_constant_values_keep_the_constant_apart():
    for constant in (0.0, 3.5, -1e6):
        edges = histogram_edges([constant] * 30)
        around = [constant - 1.0, constant, constant, constant + 1.0]
        assert_array_equal(histogram_counts(around, edges), [1, 2, 1])


def test_edges_without_any_value_are_refused():
    with pytest.raises(ValueError, match="no value but NaN"):
        histogram_edges([np.nan, np.nan])


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (3, 40), elements=st.floats(-10, 10)))
def test_counts_agree_with_numpy(sample):
    edges = np.linspace(-4.03, 5.01, 7)
    result = histogram_counts(sample, edges)
    for row, row_counts in zip(sample, result, strict=True):
        expected, _ = np.histogram(row, bins=[-np.inf, *edges, np.inf])
        assert_array_equal(row_counts, expected)


def test_counts_drop_nan_and_keep_leading_axes():
    sample = np.full((2, 3, 5), np.nan)
    sample[1, 2, 0] = 7.0
    result = histogram_counts(sample, [0.0])
    assert result.shape == (2, 3, 2)
    assert result.sum() == result[1, 2, 1] == 1


@pytest.mark.parametrize("edges", [[], [1.0, 1.0], [2.0, 1.0], [[0.0]], [np.nan]])
def test_edges_that_do_not_increase_are_refused(edges):
    with pytest.raises(ValueError, match="increasing inner bin edges"):
        histogram_counts([0.0], edges)


# --- smoothed divergence ----------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(counts, counts)
def test_smoothed_kl_is_scipys_entropy_of_padded_counts(p, q):
    expected = entropy(p + 0.5, q + 0.5)
    assert_allclose(smoothed_kl_from_counts(p, q), expected, atol=1e-12)
    assert smoothed_kl_from_counts(p, q) >= 0
    assert smoothed_kl_from_counts(p, p) == 0


def test_smoothed_kl_broadcasts_over_leading_axes():
    p, q = np.arange(12).reshape(3, 4), np.ones((5, 1, 4))
    result = smoothed_kl_from_counts(p, q)
    assert result.shape == (5, 3)
    assert_allclose(result[2, 1], entropy(p[1] + 0.5, q[2, 0] + 0.5))


def test_smoothed_kl_by_hand():
    # Two bins: p = (3, 1) and q = (1, 1), 0.5 added to each.
    expected = 0.7 * np.log(0.7 / 0.5) + 0.3 * np.log(0.3 / 0.5)
    result = metrics.smoothed_kl([0, 0, 0, 2, np.nan], [0, 2], edges=[1.0])
    assert result == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(values, values, st.integers(0, 2**31))
def test_smoothed_kl_does_not_depend_on_the_order_of_values(p, q, seed):
    rng = np.random.default_rng(seed)
    edges = [-10.0, 0.0, 1.0]
    first = metrics.smoothed_kl(p, q, edges=edges)
    assert first == metrics.smoothed_kl(rng.permutation(p), rng.permutation(q), edges=edges)
    assert first >= 0


def test_values_outside_the_real_range_fall_into_the_open_end_bins(normal):
    real, _ = normal
    edges = histogram_edges(real)
    assert metrics.smoothed_kl(real, real + 100, edges=edges) > 3
    assert np.isfinite(metrics.smoothed_kl(real, real + 100, edges=edges))


def test_counts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="same bins"):
        smoothed_kl_from_counts([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="none negative"):
        smoothed_kl_from_counts([1, -2], [1, 2])
    with pytest.raises(ValueError, match="infinite"):
        metrics.smoothed_kl([np.inf], [0.0], edges=[0.0])


# --- the published divergence -----------------------------------------------------------------


def published_kl(real, synthetic, bins=30):
    """REFERENCE's sentence, value by value."""
    pooled = np.concatenate([real, synthetic])
    low, high = pooled.min(), pooled.max()
    edges = [low + (high - low) * k / bins for k in range(bins + 1)]
    edges[0] -= 0.001 * (high - low)
    edges[-1] = high
    total = 0.0
    for left, right in itertools.pairwise(edges):
        p = np.mean((real > left) & (real <= right)) or 1e-10
        q = np.mean((synthetic > left) & (synthetic <= right)) or 1e-10
        total += p * np.log(p / q)
    return total


def test_thesis_kl_is_the_published_definition(normal):
    real, synthetic = normal
    assert metrics.thesis_kl(real, synthetic) == pytest.approx(published_kl(real, synthetic))
    few = metrics.thesis_kl(real[:20], synthetic[:20] + 0.5, bins=7)
    assert few == pytest.approx(published_kl(real[:20], synthetic[:20] + 0.5, bins=7))


def test_thesis_kl_bins_are_closed_on_the_right():
    # Edges 0, 1, 2 (the first lowered): the value 1 belongs to the lower bin.
    result = metrics.thesis_kl([0.0, 1.0, 1.0, 2.0], [0.0, 2.0, 2.0, 2.0], bins=2)
    assert result == pytest.approx(0.75 * np.log(0.75 / 0.25) + 0.25 * np.log(0.25 / 0.75))


def test_thesis_kl_replaces_zeros_without_renormalising():
    result = metrics.thesis_kl([0.0, 0.0], [1.0, 1.0], bins=2)
    assert result == pytest.approx(np.log(1e10) + 1e-10 * np.log(1e-10))


def test_thesis_kl_depends_on_the_number_of_values():
    # The figures that docs/evaluation.rst quotes.
    rng = np.random.default_rng(1)
    for n, expected in ((17, 11.0), (64, 2.1), (1000, 0.07)):
        mean = np.mean([metrics.thesis_kl(*rng.normal(size=(2, n))) for _ in range(200)])
        assert mean == pytest.approx(expected, rel=0.1)


def test_thesis_kl_of_nothing_is_nan_and_of_one_constant_zero():
    assert np.isnan(metrics.thesis_kl([np.nan], [1.0]))
    assert metrics.thesis_kl([2.0, 2.0], [2.0]) == 0.0


# --- the three divergences of spikes ----------------------------------------------------------

DIVERGENCES = [metrics.firing_rate_kl, metrics.correlation_kl, metrics.van_rossum_kl]


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("protocol", ["blocked", "thesis"])
def test_spike_divergences_are_zero_for_equal_and_grow_with_the_difference(divergence, protocol):
    real, close, far = (random_spikes(120, rate, i) for i, rate in enumerate((0.1, 0.1, 0.3)))
    # Alike neurons only in the far sample, so that correlations differ as well.
    far = np.repeat(far[:, :, :1], 4, axis=2) | (random_spikes(120, 0.02, 9))
    assert divergence(real, real, 10.0, protocol=protocol) == pytest.approx(0.0)
    near = divergence(real, close, 10.0, protocol=protocol)
    assert 0 < near < divergence(real, far, 10.0, protocol=protocol)


def test_firing_rate_kl_is_the_mean_over_neurons():
    real, synthetic = random_spikes(400, 0.1, 0), random_spikes(300, 0.15, 1)
    rates = metrics.firing_rate(real, 10.0), metrics.firing_rate(synthetic, 10.0)
    expected = [
        metrics.smoothed_kl(r, s, edges=histogram_edges(r))
        for r, s in zip(rates[0].T, rates[1].T, strict=True)
    ]
    assert metrics.firing_rate_kl(real, synthetic, 10.0) == pytest.approx(np.mean(expected))


def test_correlation_kl_pools_pairs_of_half_second_bins():
    real, synthetic = random_spikes(60, 0.1, 0), random_spikes(50, 0.3, 1)
    a = metrics.pairwise_correlation(real, bin_frames=5)
    b = metrics.pairwise_correlation(synthetic, bin_frames=5)
    expected = metrics.smoothed_kl(a, b, edges=histogram_edges(a))
    assert metrics.correlation_kl(real, synthetic, 10.0) == pytest.approx(expected)


def test_published_protocol_goes_window_by_window():
    real, synthetic = random_spikes(5, 0.1, 0), random_spikes(5, 0.2, 1)
    a, b = metrics.van_rossum_distance(real, 10.0), metrics.van_rossum_distance(synthetic, 10.0)
    expected = np.mean([published_kl(x, y) for x, y in zip(a, b, strict=True)])
    result = metrics.van_rossum_kl(real, synthetic, 10.0, protocol="thesis")
    assert result == pytest.approx(expected)
    with pytest.raises(ValueError, match="5 real and 4 synthetic windows"):
        metrics.van_rossum_kl(real, synthetic[:4], 10.0, protocol="thesis")


def test_published_correlation_skips_windows_without_any():
    real, synthetic = random_spikes(4, 0.1, 0), random_spikes(4, 0.2, 1)
    real[1] = False
    kept = [0, 2, 3]
    whole = metrics.correlation_kl(real, synthetic, 10.0, protocol="thesis")
    part = metrics.correlation_kl(real[kept], synthetic[kept], 10.0, protocol="thesis")
    assert whole == pytest.approx(part)
    silent = np.zeros_like(real)
    assert np.isnan(metrics.correlation_kl(silent, silent, 10.0, protocol="thesis"))


@pytest.mark.parametrize("divergence", [metrics.firing_rate_kl, metrics.van_rossum_kl])
def test_a_silent_generator_gets_a_finite_score_far_above_the_baseline(divergence):
    real, held_out = random_spikes(200, 0.1, 0), random_spikes(200, 0.1, 1)
    result = divergence(real, np.zeros_like(real), 10.0)
    assert np.isfinite(result)
    assert result > 5 * divergence(real, held_out, 10.0)


def test_without_values_there_is_no_divergence():
    assert np.isnan(metrics.smoothed_kl([np.nan], [1.0]))
    assert np.isnan(metrics.smoothed_kl([1.0], [], edges=[0.5]))


@pytest.mark.parametrize("protocol", ["blocked", "thesis"])
def test_without_spikes_or_pairs_there_is_no_divergence(protocol):
    real = random_spikes(10, 0.1, 0)
    silent = np.zeros_like(real)
    for divergence in DIVERGENCES:
        assert np.isnan(divergence(silent, silent, 10.0, protocol=protocol))
    for divergence in (metrics.correlation_kl, metrics.van_rossum_kl):
        assert np.isnan(divergence(real[:, :, :1], real[:, :, :1], 10.0, protocol=protocol))
    assert np.isnan(metrics.correlation_kl(real, silent, 10.0, protocol=protocol))
    assert np.isnan(metrics.correlation_kl(real[:, :9], real[:, :9], 10.0, protocol=protocol))
    assert np.isnan(metrics.population_count_kl(silent, silent))


def test_a_neuron_that_is_silent_on_both_sides_does_not_flatter():
    real, synthetic = random_spikes(40, 0.1, 0), random_spikes(40, 0.2, 1)
    real[:, :, 1] = False
    expected = metrics.firing_rate_kl(real[:, :, [0, 2, 3]], synthetic[:, :, [0, 2, 3]], 10.0)
    with_spikes = metrics.firing_rate_kl(real, synthetic, 10.0)
    synthetic[:, :, 1] = False
    assert metrics.firing_rate_kl(real, synthetic, 10.0) == pytest.approx(expected)
    assert with_spikes > 1.2 * expected


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_windows_have_no_order_and_neurons_no_names(seed):
    rng = np.random.default_rng(seed)
    real, synthetic = random_spikes(40, 0.1, 0), random_spikes(40, 0.2, 1)
    neurons = rng.permutation(4)
    for divergence in DIVERGENCES:
        expected = divergence(real, synthetic, 10.0)
        moved = divergence(
            rng.permutation(real)[:, :, neurons], rng.permutation(synthetic)[:, :, neurons], 10.0
        )
        assert moved == pytest.approx(expected, abs=1e-9)


def test_bad_requests_are_refused():
    real = random_spikes(10, 0.1, 0)
    with pytest.raises(ValueError, match="protocol must be"):
        metrics.firing_rate_kl(real, real, 10.0, protocol="published")
    with pytest.raises(ValueError, match="real_spikes has 4 neurons and synthetic_spikes has 3"):
        metrics.correlation_kl(real, real[:, :, :3], 10.0)
