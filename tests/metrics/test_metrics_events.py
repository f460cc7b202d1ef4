import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal, stats

from calgan import metrics

seeds = st.integers(0, 2**31)
trains = arrays(np.int8, (3, 15, 4), elements=st.integers(0, 2))


def slow_intervals(spikes, frame_rate):
    """The definition, train by train: a list a neuron."""
    return [
        np.concatenate([np.diff(np.flatnonzero(train > 0)) for train in spikes[:, :, neuron]])
        / frame_rate
        for neuron in range(spikes.shape[2])
    ]


# --- intervals --------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(trains)
def test_intervals_follow_the_definition(spikes):
    expected = slow_intervals(spikes, 4.0)
    result = metrics.inter_spike_intervals(spikes, 4.0, per_neuron=True)
    assert len(result) == 4
    for a, b in zip(result, expected, strict=True):
        assert_array_equal(a, b)
    assert_array_equal(metrics.inter_spike_intervals(spikes, 4.0), np.concatenate(expected))


def test_intervals_of_silent_neurons_are_empty():
    spikes = np.zeros((2, 10, 3))
    spikes[1, [2, 7], 1] = 1
    result = metrics.inter_spike_intervals(spikes, 10.0, per_neuron=True)
    assert [list(intervals) for intervals in result] == [[], [0.5], []]
    assert metrics.inter_spike_intervals(np.zeros((2, 10, 3)), 10.0).shape == (0,)


def test_windows_censor_intervals_as_documented():
    """Weights T / (T - d) give back the intervals of the recording below T."""
    width = 40
    recording = np.random.default_rng(0).random((400 * width, 20)) < 0.05
    windows = recording.reshape(400, width, 20)
    seen = metrics.inter_spike_intervals(windows, 1.0)
    true = metrics.inter_spike_intervals(recording[np.newaxis], 1.0)
    true = true[true < 35]
    weights = width / (width - seen)
    kept = seen < 35
    assert seen[kept].mean() < 0.92 * true.mean()
    weighted = np.average(seen[kept], weights=weights[kept])
    assert weighted == pytest.approx(true.mean(), rel=0.02)


# --- shapes of events -------------------------------------------------------------------------


def event(onset, amplitude=2.0, rise=0, half_life=8.0, width=120, baseline=1.0):
    """A linear rise over ``rise`` frames to its peak, then an exponential decay."""
    trace = np.zeros(width)
    peak = onset + rise
    trace[onset : peak + 1] = amplitude * (np.arange(rise + 1) + 1) / (rise + 1)
    trace[peak:] = amplitude * 0.5 ** (np.arange(width - peak) / half_life)
    return trace + baseline


def windows_of(*traces):
    return np.stack(traces)[:, :, np.newaxis]


def spikes_at(*frames, width=120):
    spikes = np.zeros((len(frames), width, 1))
    for window, at in zip(spikes, frames, strict=True):
        window[at] = 1
    return spikes


@pytest.mark.parametrize("frame_rate", [10.0, 20.0])
def test_known_events_are_measured(frame_rate):
    traces = windows_of(event(40), event(50, 5.0, rise=3, half_life=12.0))
    amplitude, rise, decay, neuron = metrics.event_shapes(
        traces, spikes_at(40, 50), frame_rate, after=2.0
    )
    assert_allclose(amplitude, [2.0, 5.0])
    # From 0 to 2 within a frame, 80 % of it; from 0 to 5 within four.
    assert_allclose(rise * frame_rate, [0.8, 0.8 * 4])
    assert_allclose(decay * frame_rate, [8.0, 12.0], rtol=1e-6)
    assert_array_equal(neuron, [0, 0])


def test_decays_are_interpolated_and_end_with_the_time_after():
    traces = windows_of(*(event(40, half_life=life) for life in (7.5, 19.0, 21.0, 1000.0)))
    shapes = metrics.event_shapes(traces, spikes_at(*[40] * 4), 10.0)
    assert_allclose(shapes.decay_time, [0.75, 1.9, 2.0, 2.0], rtol=2e-3)
    longer = metrics.event_shapes(traces, spikes_at(*[40] * 4), 10.0, after=4.0)
    assert_allclose(longer.decay_time, [0.75, 1.9, 2.1, 4.0], rtol=2e-3)


def test_bursts_are_one_event_and_neighbours_disqualify():
    def n_events(*frames):
        traces = windows_of(sum(event(frame, baseline=0.0) for frame in frames))
        return len(metrics.event_shapes(traces, spikes_at(list(frames)), 10.0).amplitude)

    assert n_events(40) == 1
    assert n_events(40, 42) == 1  # 0.2 s apart: one burst
    assert n_events(40, 44) == 0  # neither a burst nor isolated
    assert n_events(40, 65) == 1  # 0.5 + 2 s after: the first is not isolated, the second is
    assert n_events(40, 66) == 2
    # Room on either side: 10 frames before, 25 after, of 120.
    assert [n_events(frame) for frame in (9, 10, 94, 95)] == [0, 1, 1, 0]


def test_the_peak_of_a_burst_may_come_with_any_of_its_spikes():
    trace = event(40, 1.0, baseline=0.0) + event(42, 3.0, baseline=0.0)
    shapes = metrics.event_shapes(windows_of(trace), spikes_at([40, 42]), 10.0)
    assert_allclose(shapes.amplitude, 3.0 + 0.5 ** (2 / 8))


def test_events_that_do_not_rise_are_left_out():
    falling = windows_of(np.linspace(1, 0, 120))
    assert all(len(part) == 0 for part in metrics.event_shapes(falling, spikes_at(40), 10.0))
    assert len(metrics.event_shapes(windows_of(event(40)), spikes_at([]), 10.0).amplitude) == 0


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([2.16, 7.0, 30.0]))
def test_no_value_is_nan_whatever_the_trace(seed, frame_rate):
    rng = np.random.default_rng(seed)
    traces = rng.normal(size=(4, 150, 3)).round(1).astype(np.float32)
    spikes = rng.random(traces.shape) < 0.02
    amplitude, rise, decay, neuron = metrics.event_shapes(traces, spikes, frame_rate)
    assert (amplitude > 0).all()
    assert (rise >= 0).all()
    assert (decay > 0).all()
    assert np.isfinite([*amplitude, *rise, *decay]).all()
    assert (decay <= max(2, round(2 * frame_rate)) / frame_rate + 1e-12).all()
    assert len(amplitude) == len(rise) == len(decay) == len(neuron)
    assert (np.diff(neuron) >= 0).all()


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_laws_of_event_shapes(seed):
    rng = np.random.default_rng(seed)
    spikes = rng.random((5, 200, 3)) < 0.01
    traces = signal.lfilter([1.0], [1.0, -0.9], spikes, axis=1)
    traces += 0.1 * rng.normal(size=traces.shape)
    expected = metrics.event_shapes(traces, spikes, 10.0)

    scale, offset = rng.uniform(0.1, 10, 3), rng.normal(size=3)
    scaled = metrics.event_shapes(traces * scale + offset, spikes, 10.0)
    assert_allclose(scaled.amplitude, expected.amplitude * scale[expected.neuron], rtol=1e-6)
    assert_allclose(scaled.rise_time, expected.rise_time, rtol=1e-6)
    assert_allclose(scaled.decay_time, expected.decay_time, rtol=1e-6)

    # The same frames at twice the rate: half the times, with margins to match.
    alone = metrics.event_shapes(traces[:, :, :1], spikes[:, :, :1], 10.0)
    assert_allclose(alone.rise_time, expected.rise_time[expected.neuron == 0])
    moved = metrics.event_shapes(traces[:, :, ::-1], spikes[:, :, ::-1], 10.0)
    assert_array_equal(np.sort(2 - moved.neuron), expected.neuron)
    assert_allclose(np.sort(moved.decay_time), np.sort(expected.decay_time))


def test_events_know_a_slow_indicator_from_a_fast_one():
    """What increments and spectra mix with noise, times tell directly."""
    rng = np.random.default_rng(0)
    spikes = rng.random((40, 300, 5)) < 0.005
    noise = 0.05 * rng.normal(size=(2, *spikes.shape))
    fast, slow = (
        signal.lfilter([1.0], [1.0, -(0.5 ** (1 / life))], spikes, axis=1) for life in (4, 9)
    )
    a = metrics.event_shapes(fast + noise[0], spikes, 10.0)
    b = metrics.event_shapes(slow + noise[1], spikes, 10.0)
    assert np.median(a.decay_time) == pytest.approx(0.4, abs=0.08)
    assert np.median(b.decay_time) == pytest.approx(0.9, abs=0.15)
    assert np.median(a.amplitude) == pytest.approx(1.0, abs=0.1)
    assert stats.wasserstein_distance(a.decay_time, b.decay_time) > 0.3
    assert stats.wasserstein_distance(a.rise_time, b.rise_time) < 0.05


def test_event_requests_that_cannot_be_met():
    traces, spikes = windows_of(event(40)), spikes_at(40)
    with pytest.raises(ValueError, match=r"traces have shape \(1, 120, 1\) and spikes \(1, 119"):
        metrics.event_shapes(traces, spikes[:, 1:], 10.0)
    with pytest.raises(ValueError, match="before must be a finite number above 0, got -1"):
        metrics.event_shapes(traces, spikes, 10.0, before=-1)
    with pytest.raises(ValueError, match="windows of 35 frames hold no isolated event"):
        metrics.event_shapes(traces[:, :35], spikes[:, :35], 10.0)
    width = metrics.event_shapes(traces[:, 30:66], spikes[:, 30:66], 10.0)  # 36 are enough
    assert len(width.amplitude) == 1
