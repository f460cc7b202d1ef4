import numpy as np
import pytest
import quantities as pq
from elephant.conversion import BinnedSpikeTrain
from elephant.spike_train_correlation import correlation_coefficient
from elephant.spike_train_dissimilarity import van_rossum_distance as elephant_van_rossum
from elephant.statistics import mean_firing_rate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from neo import SpikeTrain
from numpy.testing import assert_allclose, assert_array_equal

from calgan import metrics
from calgan.spikes.oasis import to_spike_trains

FRAME_RATE = 24.0

spike_windows = arrays(np.float32, (2, 30, 4), elements=st.sampled_from([0.0, 0.0, 0.0, 1.0]))


@pytest.fixture(scope="module")
def spikes():
    rng = np.random.default_rng(0)
    return (rng.random((3, 250, 6)) < 0.08).astype(np.float32)


# --- firing rate ------------------------------------------------------------------------------


def test_firing_rate_agrees_with_elephant(spikes):
    expected = [
        [float(mean_firing_rate(train).rescale("Hz")) for train in window]
        for window in to_spike_trains(spikes, FRAME_RATE)
    ]
    assert_allclose(metrics.firing_rate(spikes, FRAME_RATE), expected, rtol=1e-12)


def test_firing_rate_by_hand():
    spikes = np.zeros((2, 10, 2), dtype=bool)
    spikes[1, [0, 9], 1] = True
    assert_array_equal(metrics.firing_rate(spikes, 5.0), [[0, 0], [0, 1.0]])


@pytest.mark.parametrize(
    ("frame_rate", "frames"), [(24.0, 12), (2.16, 1), (10.8, 5), (30, 15), (0.1, 1)]
)
def test_bin_frames_for(frame_rate, frames):
    assert metrics.bin_frames_for(frame_rate) == frames


# --- correlation ------------------------------------------------------------------------------


# Warnings of elephant's own making, and one for the frames left over, which are meant to be.
@pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity")
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.filterwarnings("ignore:Binning discarded")
@pytest.mark.parametrize("bin_frames", [1, 5, 12])
def test_correlation_agrees_with_elephant(spikes, bin_frames):
    result = metrics.pairwise_correlation(spikes, bin_frames=bin_frames)
    n_bins, stop = spikes.shape[1] // bin_frames, spikes.shape[1] / FRAME_RATE
    for window, values in zip(spikes, result, strict=True):
        # In the middle of their frames, so that no spike lies on the edge of a bin.
        trains = [
            SpikeTrain((np.flatnonzero(train) + 0.5) / FRAME_RATE, units="s", t_stop=stop)
            for train in window.T
        ]
        binned = BinnedSpikeTrain(trains, bin_size=bin_frames / FRAME_RATE * pq.s, n_bins=n_bins)
        expected = correlation_coefficient(binned)[np.triu_indices(6, 1)]
        assert_allclose(values, expected, atol=1e-12)


def test_correlation_of_a_silent_or_constant_neuron_is_nan(spikes):
    spikes = spikes.copy()
    spikes[0, :, 2] = 0
    spikes[1, :, 3] = 0.1  # whose mean is not exactly 0.1
    result = metrics.pairwise_correlation(spikes)
    first, second = np.triu_indices(6, 1)
    assert_array_equal(np.isnan(result[0]), (first == 2) | (second == 2))
    assert_array_equal(np.isnan(result[1]), (first == 3) | (second == 3))
    assert not np.isnan(result[2]).any()


def test_correlation_drops_the_frames_left_over(spikes):
    assert_array_equal(
        metrics.pairwise_correlation(spikes, bin_frames=12),
        metrics.pairwise_correlation(spikes[:, :240], bin_frames=12),
    )


def test_correlation_refuses_bins_longer_than_a_window(spikes):
    with pytest.raises(ValueError, match="bin_frames=251 is longer than a window of 250"):
        metrics.pairwise_correlation(spikes, bin_frames=251)


@settings(max_examples=30, deadline=None)
@given(spike_windows)
def test_correlation_is_bounded_and_the_same_for_any_order_of_windows(spikes):
    result = metrics.pairwise_correlation(spikes)
    defined = result[~np.isnan(result)]
    assert (np.abs(defined) <= 1).all()
    assert_array_equal(metrics.pairwise_correlation(spikes[::-1]), result[::-1])


# --- van Rossum -------------------------------------------------------------------------------


def test_van_rossum_agrees_with_elephant(spikes):
    result = metrics.van_rossum_distance(spikes, FRAME_RATE)
    for window, values in zip(to_spike_trains(spikes, FRAME_RATE), result, strict=True):
        expected = elephant_van_rossum(window, time_constant=1.0 * pq.s)
        assert_allclose(values, expected[np.triu_indices(6, 1)], atol=1e-10)


def test_van_rossum_cross_agrees_with_elephant(spikes):
    real, synthetic = spikes[:1], spikes[1:]
    result = metrics.van_rossum_cross(real, synthetic, FRAME_RATE)
    assert result.shape == (6, 1, 2)
    trains = to_spike_trains(spikes, FRAME_RATE)
    for neuron in range(6):
        together = elephant_van_rossum([window[neuron] for window in trains], 1.0 * pq.s)
        assert_allclose(result[neuron], together[:1, 1:], atol=1e-10)


def test_van_rossum_of_lone_spikes_by_hand():
    spikes = np.zeros((1, 40, 3))
    spikes[0, 5, 0] = spikes[0, 15, 1] = 1
    apart = np.sqrt(2 - 2 * np.exp(-1.0))  # 10 frames at 10 Hz are one time constant
    assert_allclose(metrics.van_rossum_distance(spikes, 10.0), [[apart, 1.0, 1.0]])


def test_van_rossum_counts_are_that_many_spikes():
    spikes = np.zeros((1, 10, 2))
    spikes[0, 3, 0] = 3
    assert_allclose(metrics.van_rossum_distance(spikes, 10.0), [[3.0]])


@settings(max_examples=40, deadline=None)
@given(spike_windows, st.floats(1.0, 100.0))
def test_van_rossum_is_a_metric(spikes, frame_rate):
    distances = metrics.van_rossum_distance(spikes, frame_rate)
    cross = metrics.van_rossum_cross(spikes, spikes, frame_rate)
    assert (distances >= 0).all()
    assert_allclose(cross, cross.transpose(0, 2, 1), atol=1e-7)
    assert_allclose(np.diagonal(cross, axis1=1, axis2=2), 0.0, atol=1e-6)
    for window in distances:
        matrix = np.zeros((4, 4))
        matrix[np.triu_indices(4, 1)] = window
        matrix += matrix.T
        detour = matrix[:, :, np.newaxis] + matrix[np.newaxis, :, :]
        assert (matrix <= detour.min(axis=1) + 1e-6).all()


@settings(max_examples=25, deadline=None)
@given(spike_windows)
def test_van_rossum_is_the_same_backwards_in_time(spikes):
    assert_allclose(
        metrics.van_rossum_distance(spikes[:, ::-1], 10.0),
        metrics.van_rossum_distance(spikes, 10.0),
        atol=1e-6,
    )


def test_van_rossum_batches_do_not_show(spikes, monkeypatch):
    expected = metrics.van_rossum_distance(spikes, 10.0)
    correlation = metrics.pairwise_correlation(spikes)
    monkeypatch.setattr("calgan.metrics._arrays._BATCH_BYTES", 1)
    assert_allclose(metrics.van_rossum_distance(spikes, 10.0), expected, atol=1e-12)
    assert_allclose(metrics.pairwise_correlation(spikes), correlation, atol=1e-12)


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spikes", "message"),
    [
        (np.zeros((5, 3)), r"windows \(M, T, N\), got shape \(5, 3\)"),
        (np.zeros((0, 5, 3)), "is empty"),
        (np.full((2, 5, 3), np.nan), r"first \(nan\) in window 0, frame 0, neuron 0"),
        (np.array([[["a"]]]), "real numbers"),
        ([np.zeros((5, 3)), np.zeros((4, 3))], "is ragged"),
    ],
)
def test_bad_windows_get_one_clear_sentence(spikes, message):
    for statistic in (
        lambda X: metrics.firing_rate(X, 10.0),
        metrics.pairwise_correlation,
        lambda X: metrics.van_rossum_distance(X, 10.0),
        metrics.population_count,
        metrics.correlation_matrix,
        metrics.participation_ratio,
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            statistic(spikes)


def test_the_first_bad_value_is_named():
    X = np.zeros((3, 4, 2))
    X[2, 1, 1] = np.inf
    with pytest.raises(ValueError, match="window 2, frame 1, neuron 1"):
        metrics.firing_rate(X, 10.0)


def test_bad_numbers_are_refused(spikes):
    with pytest.raises(ValueError, match="frame_rate"):
        metrics.firing_rate(spikes, 0.0)
    with pytest.raises(ValueError, match="bin_frames"):
        metrics.pairwise_correlation(spikes, bin_frames=0)


def test_other_neurons_or_widths_are_refused(spikes):
    with pytest.raises(ValueError, match="real has 6 neurons and synthetic has 5"):
        metrics.van_rossum_cross(spikes, spikes[:, :, :5], 10.0)
    with pytest.raises(ValueError, match="windows of 250 frames and synthetic of 100"):
        metrics.van_rossum_cross(spikes, spikes[:, :100], 10.0)
